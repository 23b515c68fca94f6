// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/sample.c tests/unit/nl_list.c
// LIBS: libmnl libuv
/* What is made of the kernel's counters of subflows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mpgated/paths/internal.h>

#include "cunit.h"

/* --- the kernel, and the rest of the room */

static struct nl_subflow kernel[100];
static unsigned count, lists, singles;
static bool fails;
static uint64_t clock_ns;
static struct joined foreign = { .token = 9, .foreign = true };
static struct joined steered = { .token = 8, .rule = 1 };

uint64_t uv_hrtime(void)
{
	return clock_ns;
}

int subflows_list(struct nl_list *out)
{
	lists++;
	clock_ns += 4000000; /* 4 ms */
	for (unsigned i = 0; i < count && !fails; i++)
		nl_list_add(out, &kernel[i], sizeof(kernel[i]));
	return fails ? -EIO : 0;
}

int subflows_again(const struct nl_list *known, struct nl_list *out)
{
	const struct nl_subflow *s = known->v;

	singles++;
	for (unsigned k = 0; k < known->n; k++)
		for (unsigned i = 0; i < count; i++)
			if (kernel[i].cookie == s[k].cookie)
				nl_list_add(out, &kernel[i], sizeof(kernel[i]));
	return 0;
}

struct joined *joins_find(const struct joins *j, uint32_t token)
{
	(void)j;
	return token == foreign.token ? &foreign : token == steered.token ? &steered : NULL;
}

bool joins_are_steered(const struct path_set *p, const struct joined *j)
{
	(void)p;
	return j->rule;
}

const struct path_peer *joins_find_peer(const struct path_settings *s, const struct mpgate_addr *remote, uint16_t port)
{
	(void)remote;
	return port == 8803 ? &s->peer[0] : NULL;
}

/* --- two paths behind a lan link */

static struct path_set set;
#define A (set.links[1].sample)
#define B (set.links[2].sample)

static void start(void)
{
	sample_free(&set.sampler);
	memset(&set, 0, sizeof(set));
	set.count = 3;
	for (unsigned i = 0; i < 3; i++) {
		set.links[i].role = i ? CFG_PATH : CFG_LAN;
		set.links[i].pub.ifindex = i + 1;
		set.links[i].pub.addr[0].b[15] = (uint8_t)(i + 1);
	}
	count = lists = singles = 0;
	fails = false;
	clock_ns = 1000000000;
}

static struct nl_subflow *add(uint32_t token, uint8_t local, uint16_t port)
{
	static uint64_t cookie = 1;
	struct nl_subflow *s = &kernel[count++];

	*s = (struct nl_subflow){ .token = token, .cookie = cookie, .remote_port = port, .opener = true };
	cookie++;
	s->local.b[15] = local;
	s->connected = true;
	return s;
}

static void carry(struct nl_subflow *s, uint64_t sent, uint64_t received, uint32_t rtt_us)
{
	s->tcp.acked += sent;
	s->tcp.received += received;
	s->tcp.segs_out += (uint32_t)(sent / 1000);
	s->tcp.retrans += (uint32_t)(sent / 100000);
	s->tcp.rtt_us = rtt_us;
	s->tcp.rcv_rtt_us = 2 * rtt_us;
	s->tcp.min_rtt_us = rtt_us / 2;
}

static void take(unsigned ms)
{
	clock_ns += ms * 1000000ULL;
	sample_take(&set);
	sample_forget(&set.sampler);
}

static void test_counts(void)
{
	struct nl_subflow *a, *b;

	start();
	a = add(1, 2, 8803);
	b = add(1, 3, 8803);
	b->backup = true;
	carry(a, 1000000, 0, 10000);
	take(0);
	/* What was before the daemon looked does not count. */
	CU_ASSERT(A.sent == 0 && A.subflows == 1 && B.subflows == 1 && B.backups == 1);
	carry(a, 1000000, 0, 20000);
	carry(b, 300000, 100000, 30000);
	take(500);
	CU_ASSERT(A.sent == 1000000 && A.span_sent == 1000000 && A.segs == 1000 && A.retrans == 10);
	CU_ASSERT(A.rtt_us == 20000 && A.min_rtt_us == 10000);
	CU_ASSERT(B.received == 100000 && B.span_received == 100000 && B.rtt_us == 37500);
	CU_ASSERT(A.span_ms >= 500 && A.span_ms < 520);
	/* A new one counts from its begin, and one that is gone has counted. */
	count = 1;
	carry(add(2, 2, 8803), 5000, 0, 20000);
	take(2000);
	CU_ASSERT(A.sent == 1005000 && A.span_sent == 5000 && A.subflows == 2);
	CU_ASSERT(B.sent == 300000 && B.span_sent == 0 && B.subflows == 0);
	CU_ASSERT_EQUAL(set.sampler.total, 2);
	/* A connection whose rule chooses its paths counts, and proves nothing. */
	carry(add(steered.token, 2, 8803), 7000, 0, 20000);
	take(2000);
	CU_ASSERT(A.sent == 1012000 && A.span_sent == 7000 && A.span_bonded == 0 && A.span_segs == 0);
}

/* A fast link, and looks that have become rare: no number wraps around. */
static void test_much(void)
{
	struct nl_subflow *a;

	start();
	a = add(1, 2, 8803);
	take(0);
	carry(a, 20000000000, 30000000000, 20000);
	take(60000);
	CU_ASSERT(A.sent == 20000000000 && A.span_sent == 20000000000);
	CU_ASSERT(A.received == 30000000000 && A.span_received == 30000000000 && A.span_bonded == 50000000000);
	CU_ASSERT(A.rtt_us == 32000 && set.sampler.next_ms == SAMPLE_SOON_MS);
}

/* Other programs', servers', and what leaves from no path. */
static void test_others(void)
{
	start();
	add(9, 2, 443);
	add(3, 2, 443);
	add(4, 1, 8803);
	add(5, 2, 8803)->opener = false;
	take(0);
	CU_ASSERT(set.sampler.total == 0 && A.subflows == 0);
	CU_ASSERT_EQUAL(set.sampler.next_ms, SAMPLE_IDLE_MS);
	/* A join to an announced address belongs to its connection. */
	add(6, 2, 8803);
	add(6, 3, 9000);
	take(5000);
	CU_ASSERT(set.sampler.total == 2 && A.subflows == 1 && B.subflows == 1);
}

/* Few are asked for one by one; all are listed once a second, or when there may be more. */
static void test_cost(void)
{
	struct nl_subflow *a;

	start();
	a = add(1, 2, 8803);
	take(0);
	CU_ASSERT_EQUAL(lists, 1);
	for (unsigned i = 0; i < 3; i++) {
		carry(a, 100000, 0, 10000);
		take(250);
	}
	CU_ASSERT(lists == 1 && singles == 3 && set.sampler.next_ms == SAMPLE_SOON_MS);
	add(1, 3, 8803);
	set.sampler.stale = true;
	take(250);
	CU_ASSERT(lists == 2 && B.subflows == 1 && set.sampler.known.n == 2);
	/* Not for more than a hundredth of the time. */
	set.sampler.stale = true;
	take(250);
	CU_ASSERT_EQUAL(lists, 2);
	take(250);
	CU_ASSERT_EQUAL(lists, 3);
	take(1100);
	CU_ASSERT_EQUAL(lists, 4);
	/* Many: no look but by a list, which is not kept. */
	while (count < 80)
		add(count + 10, 2, 8803);
	take(1100);
	CU_ASSERT(lists == 5 && set.sampler.taken && A.subflows == 79 && !set.sampler.known.n);
	take(250);
	CU_ASSERT(lists == 5 && !set.sampler.taken);
}

static void test_failure(void)
{
	struct nl_subflow *a;

	start();
	a = add(1, 2, 8803);
	take(0);
	carry(a, 100000, 0, 10000);
	fails = true;
	take(2000);
	CU_ASSERT(!set.sampler.taken && A.sent == 0);
	fails = false;
	take(1000);
	CU_ASSERT(set.sampler.taken && A.sent == 100000 && A.span_ms > 2900);
	sample_free(&set.sampler);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what is counted", test_counts },    { "more than 32 bits", test_much },
		{ "whose subflows", test_others },     { "what it costs", test_cost },
		{ "a list that fails", test_failure }, CU_TEST_INFO_NULL,
	};

	return cunit_run("samples", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
