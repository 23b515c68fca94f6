// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections as such: the table by tuple, timers, memory, the end of a worker. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/worker/worker.h>

#include "cunit.h"
#include "world_inside.h"

#define MANY 40000U

static struct worker *w;

static void start(void)
{
	world_new();
	w = world_start();
}

static struct conn *make(uint16_t port, const char *from)
{
	struct conn *c = conn_new(w, GW_DIAL, LEG_LOCAL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	c->request.tuple = (struct mpgate_tuple){
		.saddr = world_addr(from), .daddr = world_addr("198.51.100.7"), .sport = htons(port), .dport = htons(80)
	};
	conn_timer(w, c, TIMER_PEER);
	return c;
}

static void test_table(void)
{
	static struct conn *c[MANY];
	struct mpgate_tuple none;
	unsigned longest = 0;

	start();
	for (unsigned i = 0; i < MANY; i++) {
		c[i] = make((uint16_t)i, i & 1 ? "10.0.0.5" : "2001:db8::5");
		conn_enter(w, c[i]);
	}
	for (unsigned i = 0; i < CONN_CHAINS; i++) {
		unsigned n = 0;

		for (struct conn *x = w->table[i]; x; x = x->chain)
			n++;
		longest = n > longest ? n : longest;
	}
	/* 2.4 a chain on average. */
	CU_ASSERT_TRUE(longest < 20);
	none = c[0]->request.tuple;
	none.dport = htons(81);
	CU_ASSERT_PTR_NULL(conn_find(w, &none));
	for (unsigned i = 0; i < MANY; i += 3)
		conn_close(w, c[i], true);
	for (unsigned i = 0; i < MANY; i++)
		if (i % 3)
			CU_ASSERT_PTR_EQUAL(conn_find(w, &c[i]->request.tuple), c[i]);
	none = c[0]->request.tuple;
	CU_ASSERT_PTR_NULL(conn_find(w, &none));
	CU_ASSERT_TRUE(world_end());
}

/* What the worker lists: n records, and whether it says that there are more. */
static struct flow_record listed[FLOWS_MAX + 1];

static size_t list(const struct flows_wanted *wanted, bool *more)
{
	ssize_t n;

	w->shm->flows = *wanted;
	world.message = (struct message){ .type = MSG_FLOWS, .slot = 5 };
	world.message_waits = true;
	world.message_fd = world.told_fd = -1;
	world.told_count = 0;
	worker_message(w);
	CU_ASSERT_FATAL(world.told_count > 0); /* that it is full may come behind */
	CU_ASSERT_TRUE(world.told[0].type == MSG_FLOWS && world.told[0].slot == 5);
	*more = world.told[0].more;
	if (world.told_fd < 0)
		return 0;
	n = pread(world.told_fd, listed, sizeof(listed), 0);
	close(world.told_fd);
	CU_ASSERT_EQUAL(n, (ssize_t)((unsigned)world.told[0].value * sizeof(listed[0])));
	return (size_t)n / sizeof(listed[0]);
}

/* The list of flows has a bound: then it has the first in the order that is asked for, and says that there are more. */
static void list_bounded(unsigned count, enum flows_order order, bool same)
{
	const struct flows_wanted wanted = { .order = order };
	bool more;
	size_t n;

	start();
	for (unsigned i = 0; i < count; i++) {
		/* Not in the order that they are made in. Half a step between the sums: no two are the same. */
		uint32_t place = same ? 0 : i * 7919U % count;
		struct conn *c = make((uint16_t)i, "2001:db8::5");

		c->opened = place;
		c->active = w->now - place;
		c->bytes_up = order == FLOWS_DOWN ? place : (uint64_t)(count - place) << 30;
		c->bytes_down = order == FLOWS_UP ? place : (uint64_t)(count - place) << 30;
	}
	n = list(&wanted, &more);
	CU_ASSERT_EQUAL(n, count < FLOWS_MAX ? count : FLOWS_MAX);
	CU_ASSERT_EQUAL(more, count > FLOWS_MAX);
	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_TRUE((uint32_t)(w->now / 1000) - listed[i].age < n);
		CU_ASSERT_TRUE(listed[i].quiet_ms < n);
	}
	CU_ASSERT_TRUE(world_end());
}

static void test_flows(void)
{
	for (unsigned order = FLOWS_OLDEST; order <= FLOWS_ACTIVE; order++) {
		list_bounded(10, order, false);
		list_bounded(FLOWS_MAX, order, false);
		list_bounded(MANY, order, false);
		list_bounded(MANY, order, true);
	}
}

/* What is not wanted takes no place of the list. */
static void test_flows_wanted(void)
{
	static const struct {
		struct flows_wanted wanted;
		size_t n;
	} cases[] = {
		{ { 0 }, FLOWS_MAX },
		{ { .peer = 4 + 1 }, MANY / 10 },
		{ { .peer = UINT32_MAX }, 0 },
		{ { .rule = 8 }, MANY / 100 },
		{ { .rule = 8, .peer = 7 + 1 }, MANY / 100 },
		{ { .rule = 8, .peer = 4 + 1 }, 0 },
		{ { .client = { .port = 39999 } }, 1 },
		{ { .client = { .port = 39999 }, .server = { .port = 81 } }, 0 },
		{ { .server = { .prefix = { 4, 24, { 198, 51, 100 } } }, .client = { .port = 3 } }, 1 },
		{ { .server = { .prefix = { 4, 24, { 198, 51, 101 } } } }, 0 },
		{ { .server = { .prefix = { 4, 255, { 198, 51, 100 } } } }, 0 },
		{ { .order = FLOWS_ACTIVE + 1, .client = { .prefix = { 6, 128, { 0x20, 1, 0xd, 0xb8, [15] = 5 } } } },
		  FLOWS_MAX },
	};
	bool more;

	start();
	for (unsigned i = 0; i < MANY; i++) {
		struct conn *c = make((uint16_t)i, "2001:db8::5");

		c->request.slot = (uint16_t)(i % 10);
		c->request.rule_id = i % 100 + 1;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(list(&cases[i].wanted, &more), cases[i].n);
		CU_ASSERT_EQUAL(more, cases[i].n == FLOWS_MAX);
	}
	CU_ASSERT_TRUE(world_end());
}

static void hear_listener(unsigned number, int fd)
{
	world.message = (struct message){ .type = MSG_LISTEN, .value = (int32_t)number };
	world.message_waits = true;
	world.message_fd = fd;
	worker_message(w);
}

/* A listener whose address has come: it is taken once, in its order, and heard when the others are. */
static void test_listener(void)
{
	int fd[2], unused;
	unsigned n, size, count;

	start();
	n = w->listener_count;
	fd[0] = sock_new(true);
	hear_listener(n, fd[0]);
	CU_ASSERT_EQUAL(w->listener_count, n + 1);
	CU_ASSERT_EQUAL(w->stats->listeners, n + 1);
	CU_ASSERT_EQUAL(w->listeners[n].fd, fd[0]);
	CU_ASSERT_TRUE(w->listeners[n].convert);
	CU_ASSERT_TRUE(sock_of(fd[0])->watched);
	/* Said again. */
	unused = memfd_create("listener", MFD_CLOEXEC);
	hear_listener(n, unused);
	CU_ASSERT_EQUAL(w->listener_count, n + 1);
	CU_ASSERT_EQUAL(fcntl(unused, F_GETFD), -1);
	/* None is heard while descriptors have run out. */
	reserve_wait(w);
	size = w->reserve_size;
	count = w->reserve_count;
	w->reserve_size = w->reserve_count = 0;
	fd[1] = sock_new(true);
	hear_listener(n + 1, fd[1]);
	CU_ASSERT_EQUAL(w->listener_count, n + 2);
	CU_ASSERT_FALSE(sock_of(fd[1])->watched);
	w->reserve_size = size;
	w->reserve_count = count;
	reserve_ended(w);
	CU_ASSERT_TRUE(sock_of(fd[1])->watched);
	worker_stop_accepting(w);
	unused = memfd_create("listener", MFD_CLOEXEC);
	hear_listener(0, unused);
	CU_ASSERT_EQUAL(w->listener_count, 0);
	CU_ASSERT_EQUAL(fcntl(unused, F_GETFD), -1);
	CU_ASSERT_TRUE(world_end());
}

/* The youngest of one tuple is found; one that was never entered is not, and ends like others. */
static void test_same_tuple(void)
{
	struct conn *a, *b;

	start();
	a = make(1, "10.0.0.5");
	b = make(1, "10.0.0.5");
	conn_enter(w, a);
	conn_enter(w, b);
	make(2, "10.0.0.5");
	CU_ASSERT_PTR_EQUAL(conn_find(w, &a->request.tuple), b);
	conn_close(w, b, true);
	CU_ASSERT_PTR_EQUAL(conn_find(w, &a->request.tuple), a);
	CU_ASSERT_TRUE(world_end());
}

/* A closed one is there until the batch is over; then its memory serves the next. */
static void test_memory(void)
{
	struct conn *c = NULL;

	start();
	c = make(1, "10.0.0.5");
	conn_close(w, c, true);
	CU_ASSERT_EQUAL(c->state, CLOSED);
	CU_ASSERT_PTR_NOT_EQUAL(make(2, "10.0.0.5"), c);
	world_settle();
	CU_ASSERT_PTR_EQUAL(make(3, "10.0.0.5"), c);
	for (unsigned i = 0; i < 1000; i++)
		make((uint16_t)i, "10.0.0.6");
	for (struct list *l = w->timers[TIMER_PEER].next, *next; l != &w->timers[TIMER_PEER]; l = next) {
		next = l->next;
		conn_close(w, list_entry(l, struct conn, timer), true);
	}
	world_settle();
	CU_ASSERT_TRUE(w->free_count <= 64);
	CU_ASSERT_TRUE(world_end());
}

static void test_count(void)
{
	struct mpgate_addr a = world_addr("2001:db8::1"), b = world_addr("2001:db8::2"), v4 = world_addr("192.0.2.1");
	struct conn *c = NULL;

	start();
	for (unsigned i = 0; i < w->snap->pending_per_client; i++)
		CU_ASSERT_EQUAL(conn_count(w, c = make(1, "10.0.0.5"), i & 1 ? &a : &b), 0);
	CU_ASSERT_EQUAL(conn_count(w, make(2, "10.0.0.5"), &a), -EBUSY);
	CU_ASSERT_EQUAL(conn_count(w, make(3, "10.0.0.5"), &v4), 0);
	conn_uncount(w, c);
	conn_uncount(w, c);
	CU_ASSERT_EQUAL(conn_count(w, make(4, "10.0.0.5"), &a), 0);
	CU_ASSERT_EQUAL(conn_count(w, make(5, "10.0.0.5"), &a), -EBUSY);
	CU_ASSERT_TRUE(world_end());
}

static void test_stop_accepting(void)
{
	struct sock *c;

	start();
	c = world_client("10.0.0.5", "198.51.100.7", -1, 0, "x");
	world_settle();
	CU_ASSERT_EQUAL(w->connections, 1);
	world.message = (struct message){ .type = MSG_STOP_ACCEPTING };
	world.message_fd = -1;
	world.message_waits = true;
	world_settle();
	CU_ASSERT_EQUAL(world.socks[0].end, CLOSED_IN_ORDER);
	sock_connected(world_dialed(0));
	world_settle();
	CU_ASSERT_STRING_EQUAL((char *)world_dialed(0)->out, "x");
	CU_ASSERT_EQUAL(c->end, OPEN);
	CU_ASSERT_TRUE(world_end());
}

/* Without its supervisor a worker carries what it has to the end, then leaves. */
static void test_supervisor_gone(void)
{
	struct sock *c;

	start();
	c = world_client("10.0.0.5", "198.51.100.7", -1, 0, "x");
	world_settle();
	sock_connected(world_dialed(0));
	world.supervisor_gone = world.message_waits = true;
	CU_ASSERT_TRUE(loop_turn(w));
	world.message_waits = false;
	world_settle();
	CU_ASSERT_EQUAL(world.socks[0].end, CLOSED_IN_ORDER);
	CU_ASSERT_STRING_EQUAL((char *)world_dialed(0)->out, "x");
	sock_fin(c);
	sock_fin(world_dialed(0));
	world_settle();
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_FALSE(loop_turn(w));
	CU_ASSERT_TRUE(world_end());
}

/* There was no room for a descriptor that the supervisor sent: it is there still. */
static void test_no_room(void)
{
	start();
	world.message = (struct message){ .type = MSG_COPY };
	world.fail.hear = EMFILE;
	world.message_waits = true;
	world_settle();
	CU_ASSERT_FALSE(w->orphan);
	world_client("10.0.0.5", "198.51.100.7", -1, 0, "x");
	world_settle();
	CU_ASSERT_EQUAL(w->connections, 1);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "found by tuple", test_table },
		{ "flows", test_flows },
		{ "list of flows that are wanted", test_flows_wanted },
		{ "one tuple twice", test_same_tuple },
		{ "memory", test_memory },
		{ "requests of a client", test_count },
		{ "a listener more", test_listener },
		{ "no more accepting", test_stop_accepting },
		{ "the supervisor is gone", test_supervisor_gone },
		{ "no room for what it sends", test_no_room },
		CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run("conn", tests, NULL, NULL) ? 0 : 1;
}
