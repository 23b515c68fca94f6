// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/reports.c user/mpgated/ipc/message.c
/*
 * A worker that lies: what it sends over a socket pair, field by field, is taken or refused, and never costs the
 * supervisor more than that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mpgated/ipc/message.h>
#include <mpgated/supervisor/reports.h>
#include <mpgated/worker/conn.h>

#include "cunit.h"

#define PEERS 3U
#define WORKERS 4U
#define RULES 2U
#define QUESTION 7U
#define NOBODY                                                                                                         \
	{                                                                                                              \
		{                                                                                                      \
			0                                                                                              \
		}                                                                                                      \
	}
#define SOMEBODY                                                                                                       \
	{                                                                                                              \
		{                                                                                                      \
			[10] = 0xff, 0xff, 192, 0, 2, 1                                                                \
		}                                                                                                      \
	}

static const struct report_bounds bounds = { .peers = PEERS, .rules = RULES, .workers = WORKERS, .question = QUESTION };

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_messages(void)
{
	static const struct {
		struct message m;
		bool descriptor, good;
	} cases[] = {
		{ { MSG_PEER_FAILED, 0, ECONNREFUSED, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_PEER_FAILED, PEERS - 1, 0, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_PEER_FAILED, PEERS, ETIMEDOUT, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_FAILED, UINT32_MAX, ETIMEDOUT, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_FAILED, 0, -1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_FAILED, 0, 4096, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_FAILED, 0, 1, 1, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_FAILED, 0, 1, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_PEER_REFUSED, 1, 0, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_PEER_REFUSED, PEERS, 0, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_REFUSED, 1, UINT16_MAX, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_PEER_REFUSED, 1, UINT16_MAX + 1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_REFUSED, 1, -1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_REFUSED, 1, 0, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_PEER_SLOW, 1, 0, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_PEER_SLOW, PEERS, 0, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_SLOW, 1, 1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_SLOW, 1, 0, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_PARKED, 0, 0, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_PARKED, PEERS - 1, 0, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_PARKED, PEERS, 0, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PARKED, UINT32_MAX, 0, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PARKED, 1, 1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PARKED, 1, 0, 1, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_PARKED, 1, 0, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_PARKED, 1, 0, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_FULL, 0, 1, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_FULL, 0, 0, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_FULL, 0, 2, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_FULL, 0, -1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_FULL, 1, 1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_FULL, 0, 1, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_FLOWS, QUESTION, 0, 0, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_FLOWS, QUESTION, 0, 1, NOBODY, NOBODY, 0 }, false, true },
		{ { MSG_FLOWS, QUESTION - 1, 1, 0, NOBODY, NOBODY, 0 }, true, true },
		{ { MSG_FLOWS, QUESTION, FLOWS_MAX, 1, NOBODY, NOBODY, 0 }, true, true },
		{ { MSG_FLOWS, QUESTION, FLOWS_MAX + 1, 1, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_FLOWS, QUESTION, INT32_MIN, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_FLOWS, QUESTION, -1, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_FLOWS, QUESTION, 1, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_FLOWS, QUESTION, 1, 2, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_FLOWS, QUESTION + 1, 1, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_PROVED, 0, 0, 0, SOMEBODY, NOBODY, 0 }, false, true },
		{ { MSG_PROVED, 0, 0, 0, SOMEBODY, NOBODY, 0 }, true, false },
		{ { MSG_PROVED, 1, 0, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_PROVED, 0, 1, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_PROVED, 0, 0, 1, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_BREAKS, 0, 443, 0, SOMEBODY, NOBODY, 0 }, false, true },
		{ { MSG_SPEAKS, 0, 443, 0, SOMEBODY, NOBODY, 0 }, false, true },
		{ { MSG_SPEAKS, 0, 0, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_BREAKS, 0, 443, 0, SOMEBODY, NOBODY, 0 }, true, false },
		{ { MSG_BREAKS, 0, 0, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_BREAKS, 0, 65536, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_BREAKS, 1, 443, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_BREAKS, 0, 443, 1, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_JOIN, 8803, 0, 1, SOMEBODY, SOMEBODY, 5 }, false, true },
		{ { MSG_JOIN, UINT16_MAX, 0, 0, SOMEBODY, SOMEBODY, UINT32_MAX }, false, true },
		{ { MSG_JOIN, 8803, 0, 1, SOMEBODY, SOMEBODY, 5 }, true, false },
		{ { MSG_JOIN, 0, 0, 1, SOMEBODY, SOMEBODY, 5 }, false, false },
		{ { MSG_JOIN, UINT16_MAX + 1, 0, 1, SOMEBODY, SOMEBODY, 5 }, false, false },
		{ { MSG_JOIN, 8803, RULES, 3, SOMEBODY, SOMEBODY, 5 }, false, true },
		{ { MSG_JOIN, 8803, RULES + 1, 1, SOMEBODY, SOMEBODY, 5 }, false, false },
		{ { MSG_JOIN, 8803, -1, 1, SOMEBODY, SOMEBODY, 5 }, false, false },
		{ { MSG_JOIN, 8803, 0, 4, SOMEBODY, SOMEBODY, 5 }, false, false },
		{ { MSG_JOIN, 8803, 0, 0, SOMEBODY, NOBODY, 5 }, false, false }, /* of two families */
		{ { MSG_COPY, WORKERS - 1, 20, 0, SOMEBODY, NOBODY, 3 }, true, true },
		{ { MSG_COPY, 0, 0, 0, SOMEBODY, NOBODY, 0 }, true, true },
		{ { MSG_COPY, 0, 0, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_COPY, WORKERS, 20, 0, SOMEBODY, NOBODY, 3 }, true, false },
		{ { MSG_COPY, 0, -1, 0, SOMEBODY, NOBODY, 3 }, true, false },
		{ { MSG_COPY, 0, 20, 1, SOMEBODY, NOBODY, 3 }, true, false },
		{ { MSG_COPY, 0, 20, 0, SOMEBODY, SOMEBODY, 3 }, true, false },
		{ { MSG_FULL, 0, 1, 0, NOBODY, NOBODY, 5 }, false, false },
		{ { MSG_FULL, 0, 1, 0, NOBODY, SOMEBODY, 0 }, false, false },
		{ { MSG_FULL, 0, 1, 0, SOMEBODY, NOBODY, 0 }, false, false },
		{ { MSG_PEER_FAILED, 0, 1, 0, SOMEBODY, NOBODY, 0 }, false, false },
		/* What only the supervisor sends, and what nobody does. */
		{ { MSG_SNAPSHOT, 0, 0, 0, NOBODY, NOBODY, 0 }, true, false },
		{ { MSG_PING, 0, 0, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_STOP_ACCEPTING, 0, 0, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { MSG_METRICS, 0, 0, 0, NOBODY, NOBODY, 0 }, false, false },
		{ { UINT32_MAX, 0, 0, 0, NOBODY, NOBODY, 0 }, false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(!report_check(&cases[i].m, cases[i].descriptor, &bounds), cases[i].good);
}

/* A packet of the wrong length, or with more descriptors than one, is none; its descriptors do not stay open. */
static void test_packets(void)
{
	uint8_t bytes[2 * sizeof(struct message)] = { 0 };
	int pair[2], fd, spare = dup(STDERR_FILENO), fds[PACKET_FDS];
	unsigned before;
	struct message m;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (unsigned i = 0; i < PACKET_FDS; i++)
		fds[i] = spare;
	before = open_descriptors();
	for (size_t len = 0; len <= sizeof(bytes); len++)
		for (unsigned n = 0; n <= PACKET_FDS; n = n ? 2 * n : 1) {
			bool good = len == sizeof(m) && n <= 1;

			if (!len && !n)
				continue; /* is what the end looks like */
			CU_ASSERT_EQUAL(packet_send(pair[1], bytes, len, fds, n), 0);
			CU_ASSERT_EQUAL(message_receive(pair[0], &m, &fd), good ? 1 : -EPROTO);
			CU_ASSERT_EQUAL(fd >= 0, good && n == 1);
			if (fd >= 0)
				close(fd);
			CU_ASSERT_EQUAL(open_descriptors(), before);
		}
	CU_ASSERT_EQUAL(message_receive(pair[0], &m, &fd), -EAGAIN);
	close(pair[1]);
	CU_ASSERT_EQUAL(message_receive(pair[0], &m, &fd), 0);
	close(pair[0]);
	close(spare);
}

static const struct flow_record good_flow = { .rule_id = RULES,
					      .peer = PEERS - 1,
					      .hub = 1,
					      .mptcp = 1,
					      .subflows = 8,
					      .state = RELAY,
					      .age = 5,
					      .bytes_up = INT64_MAX };

/* What the supervisor makes of a list that arrives over the socket, as `count` records in a memfd of `size` bytes. */
static int list(const struct flow_record *r, unsigned records, int32_t count, off_t size, unsigned *n)
{
	struct message m = { .type = MSG_FLOWS, .slot = QUESTION, .value = count }, got;
	int pair[2], fd = memfd_create("flows", MFD_CLOEXEC), ret;
	struct flow_record *out = NULL;
	const char *wrong = NULL;

	*n = 0;
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	CU_ASSERT_EQUAL(write(fd, r, records * sizeof(*r)), (ssize_t)(records * sizeof(*r)));
	CU_ASSERT_EQUAL(message_send(pair[1], &m, fd), 0);
	/* The worker goes on to change it. */
	CU_ASSERT_EQUAL(ftruncate(fd, size), 0);
	close(fd);
	CU_ASSERT_EQUAL(message_receive(pair[0], &got, &fd), 1);
	CU_ASSERT_PTR_NULL(report_check(&got, fd >= 0, &bounds));
	ret = report_flows(&got, fd, &bounds, &out, n, &wrong);
	CU_ASSERT_EQUAL(ret == -EPROTO, wrong != NULL);
	CU_ASSERT_EQUAL(!out, ret < 0 || !count);
	CU_ASSERT(!out || *n > records || !memcmp(out, r, *n * sizeof(*r)));
	free(out);
	close(fd);
	close(pair[0]);
	close(pair[1]);
	return ret;
}

static void test_lists(void)
{
	struct flow_record r[2] = { good_flow, good_flow };
	const off_t one = sizeof(r[0]);
	unsigned n;

	CU_ASSERT_EQUAL(list(r, 2, 2, 2 * one, &n), 0);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(list(r, 1, 0, one, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	/* Shorter than it says, cut short after it was sent, to nothing, and longer: a mapping would have been SIGBUS.
	 */
	CU_ASSERT_EQUAL(list(r, 1, 2, one, &n), -EPROTO);
	CU_ASSERT_EQUAL(list(r, 2, 2, one, &n), -EPROTO);
	CU_ASSERT_EQUAL(list(r, 2, 2, 2 * one - 1, &n), -EPROTO);
	CU_ASSERT_EQUAL(list(r, 2, FLOWS_MAX, 0, &n), -EPROTO);
	CU_ASSERT_EQUAL(list(r, 2, 1, 2 * one, &n), -EPROTO);
	/* Long enough, and empty. */
	CU_ASSERT_EQUAL(list(r, 0, 1, one, &n), 0);
}

static void test_fields(void)
{
	struct flow_record bad[12];
	unsigned n, k = 0;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		bad[i] = good_flow;
	bad[k++].state = CLOSED;
	bad[k++].state = UINT8_MAX;
	bad[k++].peer = PEERS;
	bad[k++].peer = MPGATE_MAX_PEERS + 1;
	bad[k++].rule_id = RULES + 1;
	bad[k++].rule_id = UINT32_MAX;
	bad[k++].hub = 2;
	bad[k++].mptcp = 2;
	bad[k++].half_closed = 2;
	bad[k++].zero = 1;
	bad[k++].bytes_up = (uint64_t)INT64_MAX + 1;
	bad[k++].bytes_down = UINT64_MAX;
	for (unsigned i = 0; i < k; i++) {
		const struct flow_record r[2] = { good_flow, bad[i] };

		CU_ASSERT_EQUAL(list(r, 2, 2, sizeof(r), &n), -EPROTO);
	}
	bad[0] = good_flow;
	bad[0].peer = MPGATE_MAX_PEERS;
	CU_ASSERT_EQUAL(list(bad, 1, 1, sizeof(bad[0]), &n), 0);
}

/* A descriptor whose reading could wait, or go on for ever, is no list. */
static void test_other_descriptors(void)
{
	const struct message m = { .type = MSG_FLOWS, .slot = QUESTION, .value = 1 };
	int others[5], ends[2];
	unsigned k = 0;

	others[k++] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	others[k++] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	others[k++] = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
	others[k++] = ends[0];
	others[k++] = ends[1];
	for (unsigned i = 0; i < k; i++) {
		struct flow_record *out;
		const char *wrong = NULL;
		unsigned n;

		CU_ASSERT(others[i] >= 0);
		CU_ASSERT_EQUAL(report_flows(&m, others[i], &bounds, &out, &n, &wrong), -EPROTO);
		CU_ASSERT_PTR_NOT_NULL(wrong);
		CU_ASSERT_PTR_NULL(out);
		close(others[i]);
	}
}

static unsigned taken, descriptors_taken;

static void take(void *arg, const struct message *m, int fd)
{
	(void)arg;
	(void)m;
	taken++;
	descriptors_taken += fd >= 0;
}

/* A worker that floods: a bounded number is taken, the rest fills up its own socket. One that lies is found at once. */
static void test_reading(void)
{
	const struct message full = { .type = MSG_FULL, .value = 1 }, flows = { .type = MSG_FLOWS, .slot = QUESTION };
	const struct message lie = { .type = MSG_PEER_FAILED, .slot = PEERS };
	unsigned left = 5, sent = 0;
	const char *wrong;
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	CU_ASSERT_TRUE(reports_read(pair[0], &bounds, &left, take, NULL, &wrong));
	while (sent < 100000 && message_send(pair[1], &full, -1) == 0)
		sent++;
	CU_ASSERT(sent > 5 && sent < 100000);
	taken = 0;
	CU_ASSERT_TRUE(reports_read(pair[0], &bounds, &left, take, NULL, &wrong));
	CU_ASSERT_TRUE(reports_read(pair[0], &bounds, &left, take, NULL, &wrong));
	CU_ASSERT_EQUAL(taken, 5);
	CU_ASSERT_EQUAL(left, 0);
	left = sent;
	CU_ASSERT_TRUE(reports_read(pair[0], &bounds, &left, take, NULL, &wrong));
	CU_ASSERT_EQUAL(taken, sent);
	CU_ASSERT_EQUAL(left, 5);

	taken = descriptors_taken = 0;
	sent = open_descriptors();
	message_send(pair[1], &flows, STDERR_FILENO);
	message_send(pair[1], &full, -1);
	message_send(pair[1], &lie, STDERR_FILENO);
	message_send(pair[1], &full, -1);
	CU_ASSERT_FALSE(reports_read(pair[0], &bounds, &left, take, NULL, &wrong));
	CU_ASSERT_PTR_NOT_NULL(wrong);
	CU_ASSERT_EQUAL(taken, 2);
	CU_ASSERT_EQUAL(descriptors_taken, 1);
	CU_ASSERT_EQUAL(open_descriptors(), sent);
	left = 5;
	close(pair[1]);
	CU_ASSERT_FALSE(reports_read(pair[0], &bounds, &left, take, NULL, &wrong));
	CU_ASSERT_PTR_NULL(wrong);
	close(pair[0]);
}

/* Who has no room for a descriptor loses that, and neither takes the other side for gone nor kills it. */
static void test_no_room(void)
{
	const struct message copy = { .type = MSG_COPY, .source = SOMEBODY }, full = { .type = MSG_FULL, .value = 1 };
	unsigned left = 5;
	struct rlimit old, none;
	const char *wrong;
	int pair[2], fd;
	struct message m;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned i = 0; i < 2; i++) {
		message_send(pair[1], &copy, STDERR_FILENO);
		message_send(pair[1], &full, -1);
	}
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	CU_ASSERT_EQUAL(message_receive(pair[0], &m, &fd), -EMFILE);
	CU_ASSERT(fd == -1 && m.type == MSG_COPY);
	CU_ASSERT_EQUAL(message_receive(pair[0], &m, &fd), 1);
	taken = 0;
	CU_ASSERT_TRUE(reports_read(pair[0], &bounds, &left, take, NULL, &wrong));
	CU_ASSERT_PTR_NULL(wrong);
	CU_ASSERT_EQUAL(taken, 1);
	CU_ASSERT_EQUAL(left, 3);
	setrlimit(RLIMIT_NOFILE, &old);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	static CU_TestInfo tests[] = { { "messages", test_messages },
				       { "packets", test_packets },
				       { "reading", test_reading },
				       { "no room for a descriptor", test_no_room },
				       { "lists of flows", test_lists },
				       { "fields of a flow", test_fields },
				       { "descriptors that are no memfd", test_other_descriptors },
				       CU_TEST_INFO_NULL };

	return cunit_run("what workers report", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
