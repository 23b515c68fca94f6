// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/netlink.h>

#include <errno.h>
#include <lib/nl_parse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define NL_PATIENCE_S 2 /* for each part of an answer; the kernel gives it at once */
#define NL_ANSWER_SIZE 32768 /* bytes of answers taken at a time; the kernel fills no more in a dump */

int nl_open(int bus, struct nl_sock *out)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	const struct timeval patience = { .tv_sec = NL_PATIENCE_S };
	int one = 1, err;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	/* Lets the kernel filter dumps (4.20); whoever asks filters again. */
	mnl_socket_setsockopt(nl, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	/* An answer that was lost is not waited for: nothing else is done meanwhile. */
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	out->nl = nl;
	out->seq = 0;
	out->late = false;
	return 0;
}

void nl_close(struct nl_sock *s)
{
	if (s->nl)
		mnl_socket_close(s->nl);
	s->nl = NULL;
}

void nl_retry(struct nl_sock *s)
{
	s->late = false;
}

struct nlmsghdr *nl_request(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return nlh;
}

/* The error that ends an answer: of NLMSG_ERROR and of NLMSG_DONE it comes first in the payload. */
static int end_code(const struct nlmsghdr *nlh)
{
	int code;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(code))
		return 0;
	memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code;
}

int nl_talk(struct nl_sock *s, struct nlmsghdr *nlh, nl_answer_fn fn, void *arg)
{
	static char buf[NL_ANSWER_SIZE];
	bool interrupted = false;
	int ret = 0;

	/* A kernel that does not answer is waited for once, not for each of a thousand routes. */
	if (s->late)
		return -ETIMEDOUT;
	nlh->nlmsg_seq = ++s->seq;
	if (mnl_socket_sendto(s->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(s->nl, buf, sizeof(buf));
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN) {
			s->late = true;
			return -ETIMEDOUT;
		}
		if (got < 0)
			return -errno;
		for (struct nlmsghdr *m = (struct nlmsghdr *)buf; nl_message_ok(m, left);
		     m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_seq != s->seq)
				continue;
			interrupted |= m->nlmsg_flags & NLM_F_DUMP_INTR;
			if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) {
				int code = end_code(m);

				return ret ? ret : code ? code : interrupted ? -EINTR : 0;
			}
			if (fn && !ret && m->nlmsg_type >= NLMSG_MIN_TYPE)
				ret = fn(m, arg);
		}
	}
}

int nl_list_add(struct nl_list *l, const void *item, size_t size)
{
	if (l->n == l->cap) {
		unsigned cap = l->cap ? l->cap * 2 : 16;
		void *v = reallocarray(l->v, cap, size);

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	memcpy((char *)l->v + (size_t)l->n++ * size, item, size);
	return 0;
}

void nl_list_free(struct nl_list *l)
{
	free(l->v);
	*l = (struct nl_list){ 0 };
}
