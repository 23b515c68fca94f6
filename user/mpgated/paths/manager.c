// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who decides which subflows exist. The kernel has two path managers, and a sysctl of the network namespace says which
 * one a socket gets when it is made. The kernel's own joins every connection at once. The one in user space is told
 * what happens, and makes a subflow of a connection when it is asked to: there mpgate decides (joins.h).
 *
 * A hub keeps the kernel's: it makes no subflows, and announces the same addresses to all.
 */
#include <errno.h>
#include <lib/log.h>
#include <linux/genetlink.h>
#include <linux/filter.h>
#include <linux/mptcp.h>
#include <mpgated/paths/internal.h>
#include <stddef.h>

#define TYPE "mptcp/pm_type" /* 0: the kernel's, 1: in user space */
#define NEWER "mptcp/path_manager" /* the same by name, since Linux 6.15 */
#define MOST_PORTS 64U /* of peers, in the filter of events */
#define FIRST_PORT 9U /* its place there */

static bool fits(const struct path_set *p)
{
	int type;

	return p->settings.manage && p->pm.events && sysctl_get(TYPE, &type) == 0;
}

/*
 * Of what the kernel tells two kinds of events wake us, and not the one that each connection of ours would bring: those
 * are known by the port they go to, and so many that it would show. Others to that port are found by the look at all
 * subflows, within a minute.
 */
static int filter_events(const struct path_set *p)
{
	const unsigned cmd = NLMSG_HDRLEN + offsetof(struct genlmsghdr, cmd), attrs = NLMSG_HDRLEN + GENL_HDRLEN;
	unsigned ports = p->settings.peer_count < MOST_PORTS ? p->settings.peer_count : 0, n = FIRST_PORT;
	struct sock_filter code[FIRST_PORT + MOST_PORTS + 2] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, cmd),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MPTCP_EVENT_ANNOUNCED, (uint8_t)(FIRST_PORT + ports - 2), 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MPTCP_EVENT_ESTABLISHED, 0, (uint8_t)(FIRST_PORT + ports - 2)),
		BPF_STMT(BPF_LD | BPF_IMM, attrs),
		BPF_STMT(BPF_LDX | BPF_IMM, MPTCP_ATTR_DPORT),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_NLATTR)), /* its offset, 0: none */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(FIRST_PORT + ports - 7), 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, NLA_HDRLEN),
	};
	struct sock_fprog prog = { .filter = code };

	for (unsigned i = 0; i < ports; i++, n++)
		code[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, p->settings.peer[i].port,
						       (uint8_t)(ports - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	prog.len = (uint16_t)n;
	return setsockopt(mnl_socket_get_fd(p->events), SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno
													       : 0;
}

/* Who listens is told of every connection, and only then the kernel takes joins of those that it does not manage. */
static int listen_to(const struct path_set *p, bool on)
{
	int group = (int)p->pm.events;

	if (!p->events)
		return -ENOTCONN;
	return mnl_socket_setsockopt(p->events, on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP, &group,
				     sizeof(group)) < 0
		       ? -errno
		       : 0;
}

void manager_set(struct path_set *p)
{
	struct joins *j = &p->joins;
	bool want = fits(p), was = j->managed;
	int before, type;

	/* Before Linux 6.15 it was not always heeded. */
	j->backs_up = sysctl_get(NEWER, &type) != -ENOENT;
	if (want && (!p->events || filter_events(p) < 0))
		want = false;
	if (want && !was &&
	    (listen_to(p, true) < 0 || sysctl_original(&p->originals, TYPE, &before) < 0 ||
	     sysctl_set(&p->originals, TYPE, 1) < 0))
		want = false;
	j->managed = want;
	if (want && !was) {
		j->foreign = before == 0;
		j->look = true;
	} else if (!want && p->pm.events) {
		sysctl_restore(&p->originals, TYPE);
		listen_to(p, false);
	}
	if (want != was || !j->told)
		log_info("path manager: %s", want ? "mpgate" : "the kernel's");
	j->told = true;
}
