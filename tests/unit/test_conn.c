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

/* The list of flows has a bound: it has the oldest then, and says that there are more. */
static void list(unsigned count, unsigned want, uint32_t youngest)
{
	static struct flow_record r[FLOWS_MAX + 1];
	ssize_t n;

	start();
	for (unsigned i = 0; i < count; i++) {
		/* Not in the order of age. */
		make((uint16_t)i, "2001:db8::5")->opened = i * 7919U % count;
	}
	world.message = (struct message){ .type = MSG_FLOWS, .slot = 5 };
	world.message_waits = true;
	world.message_fd = world.told_fd = -1;
	worker_message(w);
	CU_ASSERT_FATAL(world.told_fd >= 0);
	n = pread(world.told_fd, r, sizeof(r), 0);
	close(world.told_fd);
	CU_ASSERT_EQUAL(n, (ssize_t)(want * sizeof(r[0])));
	for (unsigned i = 0; i < want; i++)
		CU_ASSERT((uint32_t)(w->now / 1000) - r[i].age < youngest);
	for (unsigned i = 0; i < world.told_count; i++)
		if (world.told[i].type == MSG_FLOWS)
			CU_ASSERT(world.told[i].slot == 5 && world.told[i].value == (int32_t)want &&
				  world.told[i].more == (count > want));
	CU_ASSERT_TRUE(world_end());
}

static void test_flows(void)
{
	list(10, 10, 10);
	list(FLOWS_MAX, FLOWS_MAX, FLOWS_MAX);
	list(MANY, FLOWS_MAX, FLOWS_MAX);
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
