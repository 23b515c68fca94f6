// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/nat.h>

#include <string.h>

void nat_at(struct nat *n, const struct mpgate_addr *addr)
{
	if (memcmp(&n->addr, addr, sizeof(*addr)) != 0)
		*n = (struct nat){ .addr = *addr };
}

bool nat_lived(struct nat *n, uint64_t cookie, uint32_t idle_ms)
{
	if (idle_ms >= n->deadly_ms)
		n->deaths = 0;
	if (!n->forgets_ms || cookie != n->alone || idle_ms < n->forgets_ms)
		return false;
	*n = (struct nat){ .addr = n->addr };
	return true;
}

bool nat_died(struct nat *n, uint32_t idle_ms, uint64_t now)
{
	bool known = n->forgets_ms && (idle_ms > n->keep_ms || n->keep_ms == NAT_LEAST_MS);

	/* All of one moment may have died of that; one that was made anew dies about so long after it. */
	if (known || (n->deaths && now < n->died + idle_ms / 4 * 3))
		return false;
	n->deadly_ms = n->deaths && n->deadly_ms < idle_ms ? n->deadly_ms : idle_ms;
	n->died = now;
	if (++n->deaths < NAT_DEATHS)
		return false;
	n->deaths = 0;
	n->forgets_ms = n->deadly_ms;
	n->keep_ms = n->forgets_ms / 2 > NAT_LEAST_MS ? n->forgets_ms / 2 : NAT_LEAST_MS;
	n->retry = now + NAT_RETRY_MS;
	return true;
}

bool nat_keeps(struct nat *n, uint64_t cookie, uint32_t idle_ms, uint32_t span_ms, uint64_t now)
{
	if (!n->forgets_ms || cookie == n->alone || idle_ms + span_ms <= n->keep_ms)
		return false;
	if (n->alone || now < n->retry)
		return true;
	n->alone = cookie;
	return false;
}

void nat_gone(struct nat *n, uint64_t cookie, bool dead, uint64_t now)
{
	if (!n->alone || cookie != n->alone)
		return;
	n->alone = 0;
	if (dead)
		n->retry = now + NAT_RETRY_MS;
}
