// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/by_path.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/paths/namespace.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/supervisor.h>

#define NS_PER_S 1000000000L

void by_path_start(struct supervisor *s)
{
	struct timespec tick;
	int fd, ret = namespace_cookie(&s->by_path.netns);

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick); /* one jiffy */
	s->by_path.hz = tick.tv_nsec > 0 ? (unsigned)((NS_PER_S + tick.tv_nsec / 2) / tick.tv_nsec) : 0;
	fd = ret ? ret : cgroup_open(CGROUP_OWN, s->cfg->instance, false);
	ret = datapath_attach_paths(s->dp, fd);
	if (fd >= 0)
		close(fd);
	for (unsigned i = 0; ret && i < s->cfg->link_count; i++)
		if (s->cfg->links[i].congestion || s->cfg->links[i].mark)
			log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, s->cfg->links[i].name }),
				 "link %s: no cgroup2 program (%s): its congestion and mark mean nothing",
				 s->cfg->links[i].name, strerror(-ret));
	by_path_renew(s);
}

/* Whether sockets can have it; loads its module where there is one. 0 or -errno. */
static int congestion_load(const char *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), ret = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

void by_path_renew(struct supervisor *s)
{
	static const struct mpgate_addr all;
	const struct mpgate_path pace = { .netns = s->by_path.netns };

	datapath_set_path(s->dp, &all, s->cfg->subflows.no_pacing ? NULL : &pace);
	s->by_path.usable = 0;
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *l = &s->cfg->links[i];
		int ret = l->congestion ? congestion_load(l->congestion) : 0;

		if (ret)
			log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->name }),
				 "link %s: congestion control %s: %s; the namespace's is taken", l->name, l->congestion,
				 ret == -ENOENT ? "this kernel does not have it" : strerror(-ret));
		else
			s->by_path.usable |= 1ULL << i;
	}
	by_path_tell(s);
}

/* The longest round trip to a peer over a link; 0: not known. */
static uint32_t longest_rtt_us(const struct supervisor *s, unsigned link, bool v6)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < s->peer_slots; i++) {
		uint32_t one =
			s->peers[i].name ? health_path_rtt_us(&s->peers[i].health, s->cfg->links[link].name, v6) : 0;

		most = one > most ? one : most;
	}
	return most;
}

static struct mpgate_path value_of(const struct supervisor *s, unsigned link, bool v6)
{
	const struct cfg_link *l = &s->cfg->links[link];
	struct mpgate_path p = { .netns = s->by_path.netns, .mark = l->mark };
	uint32_t rtt_us = longest_rtt_us(s, link, v6);

	p.syn_timeout = health_syn_timeout_s(rtt_us) * s->by_path.hz;
	if (l->congestion && s->by_path.usable & 1ULL << link)
		strncpy(p.congestion, l->congestion, sizeof(p.congestion) - 1);
	return p;
}

/* What the address of link i / 2 in family i % 2 is to get. False: there is none. */
static bool wish(const struct supervisor *s, unsigned i, struct mpgate_addr *addr, struct mpgate_path *value)
{
	static const struct mpgate_addr none;

	*addr = none;
	if (i / 2 >= s->cfg->link_count || s->cfg->links[i / 2].role != CFG_PATH)
		return false;
	*addr = paths_get(s->paths, i / 2)->addr[i % 2];
	*value = value_of(s, i / 2, i % 2);
	return memcmp(addr, &none, sizeof(none)) != 0;
}

void by_path_tell(struct supervisor *s)
{
	struct mpgate_addr addr;
	struct mpgate_path value;

	if (!s->paths)
		return;
	/* All that goes before all that comes: links may have changed places. */
	for (unsigned i = 0; i < 2 * MPGATE_MAX_LINKS; i++) {
		struct by_path_told *told = &s->by_path.told[i];

		wish(s, i, &addr, &value);
		if (!told->known || !memcmp(&told->addr, &addr, sizeof(addr)))
			continue;
		datapath_set_path(s->dp, &told->addr, NULL);
		told->known = false;
	}
	for (unsigned i = 0; i < 2 * MPGATE_MAX_LINKS; i++) {
		struct by_path_told *told = &s->by_path.told[i];

		if (!wish(s, i, &addr, &value) || (told->known && !memcmp(&told->value, &value, sizeof(value))))
			continue;
		datapath_set_path(s->dp, &addr, &value);
		*told = (struct by_path_told){ .known = true, .addr = addr, .value = value };
	}
}
