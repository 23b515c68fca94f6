/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which subflows connections have, where mpgate is the path manager of the network namespace (manager.c): those of ours
 * that asked for it one from each path, other programs' what the kernel's path manager would have given them.
 */
#ifndef MPGATED_JOINS_H
#define MPGATED_JOINS_H

#include <string.h>

#include <mpgated/paths/netlink.h>
#include <mpgated/paths/paths.h>

#define JOINS_WAYS (2 * MPGATE_MAX_LINKS)
#define JOINS_ENDPOINTS 32 /* more than a kernel has */

/* What is to be done for a connection. */
struct join_ask {
	enum { ASK_JOIN, ASK_NOTE, ASK_ESTABLISHED, ASK_ANNOUNCED } kind;
	bool server; /* ESTABLISHED: the other side has opened it */
	uint64_t since, next; /* ms: tried first, and again; 0: not yet */
	/* ESTABLISHED: of a program that is not ours. ANNOUNCED: token, remote and port (0: that of the connection). */
	struct paths_join join;
};

/* A path, in one family, as subflows see it. */
struct join_way {
	struct mpgate_addr addr;
	unsigned ifindex;
	uint32_t flags; /* MPTCP_PM_ADDR_FLAG_BACKUP or none */
	uint8_t id; /* of the address, in joins */
	bool open; /* new subflows may leave from here */
	bool gone; /* its link is down, or held back while another is not */
	bool dead; /* the probes say so */
	bool anew; /* what is there is to be made anew */
	uint8_t say; /* so many times more the other sides are told whether its subflows are backups */
	bool full; /* it carries all it can */
	uint32_t rtt_us; /* by the probes; 0: not known */
};

/* What is known of a connection, beside what the kernel tells of its subflows. */
struct joined {
	uint32_t token; /* keep first: nodes are found by it */
	bool asked; /* it is ours, and gets all paths */
	bool foreign;
	bool announced; /* it is joined only where the other side announces */
	bool seen; /* by the last look at all subflows */
	bool before; /* it began with a daemon before us: its rule is not known, and may be any */
	uint32_t rule; /* id, 0: none that says something of paths */
	bool parted; /* that has ended some: when they are gone it is joined in their place */
	uint16_t port; /* of remote; 0: the first subflow is not known */
	struct mpgate_addr local, remote;
	struct mpgate_addr to[2]; /* announced, by family */
	uint16_t to_port[2]; /* 0: that of remote */
};

/* Of the address that the other side has announced in that family, 0: none is known. */
static inline uint16_t joins_to_port(const struct joined *j, unsigned f)
{
	static const struct mpgate_addr none;

	if (!memcmp(&j->to[f], &none, sizeof(none)))
		return 0;
	return j->to_port[f] ? j->to_port[f] : j->port;
}

struct joins {
	bool managed; /* by us */
	bool foreign; /* other programs' connections, too: nobody else did it before */
	bool told; /* of managed */
	struct nl_list asked; /* struct join_ask */
	struct nl_list ended; /* uint64_t: cookies of subflows that we have ended since idle.c looked */
	void *known; /* struct joined, by tsearch(3) */
	unsigned count, most; /* of them; from there on those that are gone are forgotten */
	unsigned look_ms, retry_ms; /* looked at again after that; what is asked served again; 0: no */
	bool look; /* at all subflows, the next time */
	bool looked; /* once */
	unsigned looks; /* in a row, since something did not settle */
	unsigned took_ms; /* the last one */
	bool backs_up; /* the kernel heeds that a subflow is to be a backup when it joins */
	struct join_way ways[JOINS_WAYS]; /* by 2 * the link's index and family */
	struct nl_endpoint endpoints[JOINS_ENDPOINTS]; /* of the kernel's path manager */
	unsigned endpoint_count;
	bool endpoints_cut; /* there are more */
	struct nl_limits limits;
};

struct path_set;

/* All in jobs. */
/* What was asked. */
void joins_serve(struct path_set *p);
/* A subflow of a connection from a way, to where that is joined. -ENOTCONN: it is to be tried again; other errors. */
int joins_from(struct path_set *p, const struct join_way *w, const struct joined *j);
/*
 * Over which family it is joined, 0: IPv4. An IPv6 connection may be joined over IPv4, and is where only such an
 * address is announced: an IPv6 one with a port and time stamps does not fit into the options of a segment.
 */
unsigned joins_family(const struct joined *j);
/*
 * The path that an address is of, NULL: none. While a link has several, what began at another than the one for new
 * subflows goes on: an address that is deprecated is good until it is gone.
 */
const struct join_way *joins_way(const struct path_set *p, const struct mpgate_addr *addr);
void joins_find_ways(const struct path_set *p, struct join_way ways[JOINS_WAYS]);
/* The kernel's endpoints and limits. */
void joins_find_endpoints(struct path_set *p);
struct joined *joins_find(const struct joins *j, uint32_t token); /* NULL: not known */
struct joined *joins_know(struct joins *j, uint32_t token); /* NULL: there are too many */
/* Has all subflows looked at after 200 ms, or later, where they are so many that it would show. */
void joins_look_soon(struct joins *j);
void joins_forget(struct joins *j); /* those that were not seen since the last time */
void joins_free(struct joins *j);

/* steer.c: what the connection's rule says of its paths. Does it say something? */
bool joins_are_steered(const struct path_set *p, const struct joined *j);
/* May it use that way? */
bool joins_may_use(const struct path_set *p, const struct joined *j, const struct join_way *w);
/* MPTCP_PM_ADDR_FLAG_BACKUP or none: what its subflow over that way is to be. */
uint32_t joins_flags(const struct path_set *p, const struct joined *j, const struct join_way *w);

/* subflows.c: where paths, addresses or endpoints have changed, or j->look is set, looks at all subflows and sets what
 * is to be. What is known and gone is forgotten. */
void subflows_apply(struct path_set *p);
/* Another subflow of the connection of s, from w, if it is of ours and there is one. */
bool subflows_renew(struct path_set *p, const struct nl_subflow *s, const struct join_way *w);
/* All there are, by token: struct nl_subflow. The kernel goes through a table of all sockets, which takes some ms. 0 or
 * -errno. */
int subflows_list(struct nl_list *out);
/* Those of known that there are still, as they are now, in the same order: some us each. */
int subflows_again(const struct nl_list *known, struct nl_list *out);

/* foreign.c: what the kernel's path manager would do. */
void foreign_established(struct path_set *p, const struct joined *j, bool join); /* join: it has one subflow */
void foreign_announced(struct path_set *p, const struct joined *j, unsigned f); /* the address of that family */
/* Its subflows are these n: a change of the endpoints is followed. */
void foreign_settle(struct path_set *p, const struct joined *j, const struct nl_subflow *s, unsigned n);

#endif
