// SPDX-License-Identifier: GPL-2.0-or-later
/* A hub's addresses towards servers: what this machine has, and what the pool must not have. */
#include <errno.h>
#include <stdlib.h>

#include <lib/log.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/supervisor/supervisor.h>

/* Can connections to other machines leave from there? */
static bool is_usable(const struct mpgate_addr *a)
{
	return !addr_is_special(a) && !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

uint32_t addresses_families(const struct supervisor *s)
{
	uint32_t f = 0;

	for (unsigned i = 0; i < s->local_count; i++)
		if (is_usable(&s->local[i]))
			f |= addr_is_v4(&s->local[i]) ? SNAPSHOT_IPV4 : SNAPSHOT_IPV6;
	return f;
}

int addresses_check(const struct supervisor *s, const struct config *cfg, struct cfg_error *err)
{
	struct mpgate_addr *local;
	unsigned count;
	int ret = paths_local_addrs(s->paths, &local, &count);

	if (ret)
		return ret;
	ret = config_pool_check(cfg, local, count, err);
	free(local);
	return ret;
}

static bool has_family(const struct cfg_prefixes *list, unsigned family)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->p[i].family == family)
			return true;
	return false;
}

static void tell_ports(const struct cfg_convert *c)
{
	int from, to;

	if (!c->pool_ports.from || sysctl_get_range("ipv4/ip_local_port_range", &from, &to) < 0)
		return;
	if (c->pool_ports.from < from || c->pool_ports.to > to)
		log_warn("pool-ports %u-%u: the kernel gives none outside of net.ipv4.ip_local_port_range, %d-%d",
			 c->pool_ports.from, c->pool_ports.to, from, to);
}

void addresses_tell(struct supervisor *s)
{
	const struct cfg_convert *c = &s->cfg->convert;
	uint32_t f = addresses_families(s), told = f | (uint32_t)s->generation << 2;
	struct cfg_error err;

	/* Once for each configuration, and for each change. */
	if (!c->listening || told == s->families_told)
		return;
	s->families_told = told;
	tell_ports(c);
	for (unsigned v6 = 0; v6 < 2; v6++)
		if (!(f & (v6 ? SNAPSHOT_IPV6 : SNAPSHOT_IPV4)) && has_family(&c->allow_to, v6 ? 6 : 4) &&
		    !has_family(&c->pool, v6 ? 6 : 4))
			log_warn("this machine has no IPv%u address: peers go another way to IPv%u servers", v6 ? 6 : 4,
				 v6 ? 6 : 4);
	if (config_pool_check(s->cfg, s->local, s->local_count, &err))
		log_warn("%s", err.text);
}
