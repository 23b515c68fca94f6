// SPDX-License-Identifier: GPL-2.0-or-later
/* Which servers of a service, and which of their addresses, in which order. */
#include <lib/dns.h>

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <lib/addr.h>

/* For a few. Not qsort(), which asks for the size of memory: a call that the resolver may not make. */
static void sort(void *all, unsigned n, size_t size, int (*compare)(const void *, const void *))
{
	uint8_t *v = all;

	for (unsigned i = 1; i < n; i++) {
		struct dns_srv one; /* the largest of what is sorted */
		unsigned k = i;

		memcpy(&one, v + i * size, size);
		while (k && compare(v + (k - 1) * size, &one) > 0)
			k--;
		memmove(v + (k + 1) * size, v + k * size, (i - k) * size);
		memcpy(v + k * size, &one, size);
	}
}

/* By priority; of one priority those without weight first, as RFC 2782 wants; then by name, whatever the answer's
 * order.
 */
static int compare_servers(const void *x, const void *y)
{
	const struct dns_srv *a = x, *b = y;

	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (!a->weight != !b->weight)
		return a->weight ? 1 : -1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return strcasecmp(a->target, b->target);
}

/* splitmix64 */
static uint64_t draw(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Moves the one that the lot falls on to the front. */
static void draw_first(struct dns_srv *srv, unsigned n, uint64_t *seed)
{
	uint64_t sum = 0, lot;
	struct dns_srv first;
	unsigned i;

	for (i = 0; i < n; i++)
		sum += srv[i].weight;
	lot = draw(seed) % (sum + 1);
	for (i = 0, sum = srv[0].weight; sum < lot; sum += srv[i].weight)
		i++;
	first = srv[i];
	memmove(srv + 1, srv, i * sizeof(*srv));
	srv[0] = first;
}

void dns_order(struct dns_srv *srv, unsigned n, uint64_t seed)
{
	unsigned end;

	sort(srv, n, sizeof(*srv), compare_servers);
	for (unsigned i = 0; i < n; i = end) {
		for (end = i; end < n && srv[end].priority == srv[i].priority;)
			end++;
		for (unsigned k = i; k + 1 < end; k++)
			draw_first(srv + k, end - k, &seed);
	}
}

unsigned dns_usable(struct dns_srv *srv, unsigned n, unsigned max)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n && count < max; i++) {
		if (!srv[i].target[0] || !srv[i].port || (count && srv[i].port != srv[0].port))
			continue;
		if (i != count)
			srv[count] = srv[i];
		count++;
	}
	return count;
}

static bool has(const struct mpgate_addr *list, unsigned n, const struct mpgate_addr *a)
{
	for (unsigned i = 0; i < n; i++)
		if (!memcmp(&list[i], a, sizeof(*a)))
			return true;
	return false;
}

/* Answers come in any order; the least addresses stay, in theirs. */
static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct mpgate_addr));
}

void dns_add(struct dns_target *t, unsigned v6, const struct dns_answer *a)
{
	struct mpgate_addr good[DNS_RECORDS];
	unsigned n = 0;

	for (unsigned i = 0; i < a->count; i++)
		if (addr_is_v4(&a->addr[i]) == !v6 && !addr_is_special(&a->addr[i]) &&
		    !addr_is_link_local(&a->addr[i]) && !has(good, n, &a->addr[i]))
			good[n++] = a->addr[i];
	sort(good, n, sizeof(good[0]), compare_addresses);
	t->count[v6] = n < DNS_EACH ? n : DNS_EACH;
	memcpy(t->v[v6], good, t->count[v6] * sizeof(good[0]));
}

unsigned dns_choose(const struct dns_target *t, unsigned n, struct mpgate_addr *out, unsigned max)
{
	unsigned taken[DNS_TARGETS][2] = { 0 }, left = max, count = 0;

	for (unsigned k = 0; k < DNS_EACH * DNS_TARGETS * 2 && left; k++) {
		unsigned i = k / 2 % DNS_TARGETS, v6 = !(k % 2);

		if (i < n && taken[i][v6] < t[i].count[v6]) {
			taken[i][v6]++;
			left--;
		}
	}
	for (unsigned i = 0; i < n && i < DNS_TARGETS; i++)
		for (unsigned v = 2; v-- > 0;)
			for (unsigned k = 0; k < taken[i][v]; k++)
				if (!has(out, count, &t[i].v[v][k]))
					out[count++] = t[i].v[v][k];
	return count;
}
