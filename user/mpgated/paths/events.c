// SPDX-License-Identifier: GPL-2.0-or-later
/* What is asked for a connection, in the loop: by its worker, or since the path manager tells of it. Jobs carry it out.
 */
#include <errno.h>
#include <linux/mptcp.h>
#include <mpgated/paths/internal.h>

#define QUEUE (1 << 20) /* bytes of events that may wait */
#define EVENT_BYTES 32768 /* of events taken at a time */
#define RETRY_MS 1000 /* after events were lost */
#define MOST_ASKS 16384U /* between two jobs */

static void ask(struct paths *p, const struct join_ask *a)
{
	if (p->asked.n < MOST_ASKS && nl_list_add(&p->asked, a, sizeof(*a)) == 0)
		p->todo |= TODO_JOINS;
}

void paths_join(struct paths *p, const struct paths_join *join)
{
	ask(p, &(struct join_ask){ .kind = join->note ? ASK_NOTE : ASK_JOIN, .join = *join });
	paths_sample_after(p, SAMPLE_SOON_MS);
	paths_begin(p);
}

bool paths_manages(const struct paths *p)
{
	return p->manages;
}

static void on_event(struct paths *p, const struct nlmsghdr *nlh)
{
	struct nl_mptcp_event e;
	struct join_ask a = { 0 };

	if (nl_parse_mptcp_event(nlh, &e) < 0)
		return;
	a.server = e.server;
	a.join = (struct paths_join){
		.token = e.token, .port = e.remote_port, .announced = e.deny_first, .local = e.local, .remote = e.remote
	};
	if (e.type == MPTCP_EVENT_ANNOUNCED)
		a.kind = ASK_ANNOUNCED;
	else if (e.type == MPTCP_EVENT_ESTABLISHED &&
		 !joins_is_ours(&p->settings, paths_has_address(&p->addrs, &e.local), &e.remote, e.remote_port))
		a.kind = ASK_ESTABLISHED;
	else
		return;
	ask(p, &a);
}

static void drain(struct paths *p)
{
	static char buf[EVENT_BYTES];

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(p->set.events, buf, sizeof(buf));
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS) {
			paths_look_after(p, RETRY_MS);
			continue;
		}
		if (got < 0)
			return;
		for (struct nlmsghdr *m = (struct nlmsghdr *)buf; nl_message_ok(m, left); m = mnl_nlmsg_next(m, &left))
			on_event(p, m);
	}
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	struct paths *p = poll->data;

	(void)events;
	/* libuv stops a handle whose socket has an error, which an overflow is. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_events);
	drain(p);
	paths_begin(p);
}

int events_open(struct paths *p)
{
	int bytes = QUEUE, err;

	if (!p->set.pm.events)
		return 0;
	p->set.events = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!p->set.events || mnl_socket_bind(p->set.events, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	setsockopt(mnl_socket_get_fd(p->set.events), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	err = uv_poll_init(p->loop, &p->events_poll, mnl_socket_get_fd(p->set.events));
	if (err)
		return err;
	p->events_poll.data = p;
	p->handles++;
	return uv_poll_start(&p->events_poll, UV_READABLE, on_events);
}
