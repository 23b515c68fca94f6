/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A netlink socket for requests: send one, take its answers until the kernel says done. Blocking, one at a time. */
#ifndef MPGATED_NETLINK_H
#define MPGATED_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NL_REQUEST_SIZE 1024 /* bytes; the largest request here is a route with about 200 */

struct nl_sock {
	struct mnl_socket *nl; /* NULL: closed */
	uint32_t seq;
	bool late; /* an answer did not come: until nl_retry() nothing more is asked */
};

/* bus: NETLINK_ROUTE and its like. 0 or -errno. */
int nl_open(int bus, struct nl_sock *out);
void nl_close(struct nl_sock *s);
void nl_retry(struct nl_sock *s);

/* One answer; not 0 ends the request with that value (the rest of the answers is skipped). */
typedef int (*nl_answer_fn)(const struct nlmsghdr *nlh, void *arg);

/* An empty request in buf of NL_REQUEST_SIZE bytes; NLM_F_REQUEST and NLM_F_ACK are added to flags. */
struct nlmsghdr *nl_request(char *buf, uint16_t type, uint16_t flags);
/*
 * Sends and waits: for the kernel, which carries a request out while it is sent, however long others hold its lock; and
 * for each part of an answer up to 2 s. So it is nothing for an event loop. 0, what fn returned, or -errno; -EINTR when
 * what was dumped changed meanwhile, so that the answers may not fit together; -ETIMEDOUT at once after one that was
 * late.
 */
int nl_talk(struct nl_sock *s, struct nlmsghdr *nlh, nl_answer_fn fn, void *arg);

/* An array that grows; zeroed is empty. */
struct nl_list {
	void *v;
	unsigned n, cap;
};
/* Appends a copy of item; 0 or -ENOMEM. All items of a list have the same size. */
int nl_list_add(struct nl_list *l, const void *item, size_t size);
void nl_list_free(struct nl_list *l);

#endif
