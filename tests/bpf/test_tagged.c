/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer and the tag of transparent mode: a right one makes a SYN ours wherever it goes, and each other leaves it as it
 * would be without.
 */
#include "program_test.h"

#include <mpgate/tag.h>
#include <time.h>

#define PEER 7
#define RING_BYTES (128 << 10)
#define K0 0x0706050403020100ULL
#define K1 0x0f0e0d0c0b0a0908ULL
#define KEY_ID 0x27e69047U

static struct test_policy policy;
static struct mpgate_settings settings = {
	.loaded = 1, .backlog = 64, .holds = 1, .tags = 1, .client_seed = 42, .wall_offset = 1700000000000000000ULL
};
static __u32 link_id;
static int listener[2];
static struct ring_buffer *ring;
static __u8 options[24] = { 2, 4, 5, 0xb4, 30, 4, 1, 1 }; /* MSS, MP_CAPABLE, then the tag */
static struct mpgate_tag_option *const tag = (void *)(options + 8);

static void link_flags(__u32 flags)
{
	struct mpgate_link link = { .flags = flags, .name = "test" };

	fd_set_elem(policy.links, &link_id, &link);
}

static int take(void *arg, void *data, size_t size)
{
	(void)arg;
	(void)data;
	(void)size;
	return 0;
}

static void clear(void)
{
	int fd = bpf_map__fd(skel->maps.flows);
	struct mpgate_flow flow;
	struct mpgate_tuple t;
	__u64 none = 0;

	while (!bpf_map_get_next_key(fd, NULL, &t)) {
		bpf_map_lookup_elem(fd, &t, &flow);
		map_set(skel->maps.flow_clients, &flow.client, &none);
		bpf_map_delete_elem(fd, &t);
	}
	ring_buffer__consume(ring);
}

static bool only_flow(struct mpgate_flow *flow)
{
	struct mpgate_tuple t;

	return !bpf_map_get_next_key(bpf_map__fd(skel->maps.flows), NULL, &t) &&
	       !bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &t, flow);
}

static struct packet tagged(int family)
{
	return (struct packet){ .family = family, .options = options, .options_len = sizeof(options) };
}

/* Seconds since 1970, as the programs see them. */
static __u64 clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ((__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec + settings.wall_offset) / 1000000000ULL;
}

/* Signs the SYN of that packet, whose sequence number is 9 in its last byte; epochs: how far from now. */
static void sign(const struct packet *p, int epochs)
{
	struct mpgate_tag_signed m = { .form = htonl(TAG_FORM), .seq = htonl(9) };
	__u64 word;

	for (int i = 10; p->family == 4 && i < 12; i++)
		m.tuple.saddr.b[i] = m.tuple.daddr.b[i] = 0xff;
	inet_pton(p->family == 4 ? AF_INET : AF_INET6,
		  p->src
			  ?: p->family == 4 ? CLIENT4
					    : CLIENT6,
		  m.tuple.saddr.b + (p->family == 4 ? 12 : 0));
	inet_pton(p->family == 4 ? AF_INET : AF_INET6,
		  p->dst
			  ?: p->family == 4 ? SERVER4
					    : SERVER6,
		  m.tuple.daddr.b + (p->family == 4 ? 12 : 0));
	m.tuple.sport = htons(p->sport ?: CLIENT_PORT);
	m.tuple.dport = htons(p->dport ?: 80);
	m.epoch = htonl((__u32)(clock_now() >> TAG_EPOCH_SHIFT) + epochs);
	*tag = (struct mpgate_tag_option){
		.kind = TAG_KIND, .len = TAG_LEN, .exid = htons(TAG_EXID), .key_id = htonl(KEY_ID)
	};
	word = tag_make(K0, K1, &m);
	memcpy(tag->tag, &word, sizeof(word));
}

static int steered(const struct packet *p)
{
	struct frame f;
	struct run r;

	build(&f, p);
	dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
	CU_ASSERT_EQUAL(r.retval, r.reason == MPGATE_R_HELD || r.reason == MPGATE_R_HELD_AGAIN ? TC_SHOT : TC_UNSPEC);
	return r.reason;
}

static void passes(const struct packet *p)
{
	struct mpgate_flow flow;
	__u64 taken = counted(MPGATE_R_TAG_TAKEN);

	CU_ASSERT_EQUAL(steered(p), MPGATE_R_NO_LINK);
	CU_ASSERT_EQUAL(counted(MPGATE_R_TAG_TAKEN), taken);
	CU_ASSERT_FALSE(only_flow(&flow));
}

static void is_wrong(const struct packet *p)
{
	__u64 wrong = counted(MPGATE_R_TAG_WRONG);

	passes(p);
	CU_ASSERT_EQUAL(counted(MPGATE_R_TAG_WRONG), wrong + 1);
}

static void a_right_tag_is_taken(void)
{
	EACH_FAMILY(family)
	{
		for (int epochs = -1; epochs <= 1; epochs++) {
			struct packet p = tagged(family);
			struct mpgate_flow flow = {};
			__u64 taken = counted(MPGATE_R_TAG_TAKEN);

			clear();
			sign(&p, epochs);
			CU_ASSERT_EQUAL(steered(&p), MPGATE_R_HELD);
			CU_ASSERT_EQUAL(counted(MPGATE_R_TAG_TAKEN), taken + 1);
			CU_ASSERT_TRUE_FATAL(only_flow(&flow));
			CU_ASSERT_EQUAL(flow.state, MPGATE_FLOW_HELD);
			CU_ASSERT_EQUAL(flow.peer, PEER);
			CU_ASSERT_EQUAL(flow.rule_id, KEY_ID);
			CU_ASSERT_EQUAL(flow.rule_flags, MPGATE_RULE_TAGGED | MPGATE_RULE_HONEST);
			/* Said again, at last without any option, it is the same. */
			CU_ASSERT_EQUAL(steered(&p), MPGATE_R_HELD_AGAIN);
			p.options_len = 0;
			CU_ASSERT_EQUAL(steered(&p), MPGATE_R_HELD_AGAIN);
		}
	}
	clear();
}

static void a_wrong_one_is_not(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = tagged(family), other = p;

		for (unsigned bit = 0; bit < 64; bit++) {
			sign(&p, 0);
			tag->tag[bit / 8] ^= 1 << bit % 8;
			is_wrong(&p);
		}
		sign(&p, -2);
		is_wrong(&p);
		sign(&p, 2);
		is_wrong(&p);
		sign(&p, 0);
		other.dport = 81;
		is_wrong(&other);
		other = p;
		other.sport = 1;
		is_wrong(&other);
		other = p;
		other.dst = family == 4 ? "203.0.113.6" : "2001:db8::6";
		is_wrong(&other);
		other = p;
		other.src = family == 4 ? "10.77.0.3" : "fd77::3";
		is_wrong(&other);
	}
}

/* Another connection of the same addresses and ports. */
static void another_sequence_number_is_wrong(void)
{
	struct packet p = tagged(4);
	struct frame f;
	struct run r;
	__u64 wrong = counted(MPGATE_R_TAG_WRONG);

	sign(&p, 0);
	build(&f, &p);
	f.bytes[f.tcp + 7]++;
	dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
	CU_ASSERT_EQUAL(r.reason, MPGATE_R_NO_LINK);
	CU_ASSERT_EQUAL(counted(MPGATE_R_TAG_WRONG), wrong + 1);
}

static void no_tag_is_none(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = tagged(family), cut = p;
		__u64 unknown = counted(MPGATE_R_TAG_UNKNOWN);

		sign(&p, 0);
		tag->key_id ^= 1;
		passes(&p);
		CU_ASSERT_EQUAL(counted(MPGATE_R_TAG_UNKNOWN), unknown + 1);
		sign(&p, 0);
		tag->exid ^= 1;
		passes(&p);
		sign(&p, 0);
		tag->len = 12;
		passes(&p);
		sign(&p, 0);
		cut.options_len = 20;
		passes(&cut);
		/* An answer to it is no SYN, and a SYN without MP_CAPABLE none of ours. */
		cut = p;
		cut.flags = FLAG_SYN | FLAG_ACK;
		CU_ASSERT_EQUAL(steered(&cut), MPGATE_R_OTHER);
		memset(options + 4, 1, 4);
		passes(&p);
		memcpy(options + 4, "\x1e\4\1\1", 4);
		CU_ASSERT_EQUAL(counted(MPGATE_R_TAG_UNKNOWN), unknown + 1);
	}
}

static void only_where_it_is_asked_for(void)
{
	struct packet p = tagged(4);

	sign(&p, 0);
	link_flags(0);
	passes(&p);
	link_flags(MPGATE_LINK_PATH);
	settings.tags = 0;
	dp_settings(skel, &settings);
	passes(&p);
	settings.tags = 1;
	settings.holds = 0;
	dp_settings(skel, &settings);
	passes(&p);
	settings.holds = 1;
	dp_settings(skel, &settings);
	/* What is for this machine, or has no way, is no connection to be dialed on. */
	p.dst = "10.77.0.1";
	sign(&p, 0);
	CU_ASSERT_EQUAL(steered(&p), MPGATE_R_LOCAL);
	p.dst = "192.0.2.1";
	sign(&p, 0);
	CU_ASSERT_EQUAL(steered(&p), MPGATE_R_NO_ROUTE);
	p.dst = NULL;
	sign(&p, 0);
	CU_ASSERT_EQUAL(steered(&p), MPGATE_R_HELD);
	clear();
}

static void setup(void)
{
	static const struct mpgate_guard_key key = { .k0 = K0, .k1 = K1, .peer = PEER };
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "test", 0, 0, RING_BYTES, NULL);
	struct mpgate_listener l = { .alive = 1 };
	__u32 id = KEY_ID, zero = 0;

	ring = fd < 0 ? NULL : ring_buffer__new(fd, take, NULL, NULL);
	if (!ring)
		err(1, "ring");
	link_id = net_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, 10, link_id, 0);
	link_flags(MPGATE_LINK_PATH);
	dp_settings(skel, &settings);
	map_set(skel->maps.guard_keys, &id, &key);
	l.port = listen_both(listener);
	map_set(skel->maps.listeners, &zero, &l);
	map_set(skel->maps.held_rings, &zero, &fd);
	dp_clients(skel, 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a right tag is taken", a_right_tag_is_taken },
		{ "a wrong one is not", a_wrong_one_is_not },
		{ "another sequence number is wrong", another_sequence_number_is_wrong },
		{ "no tag is none", no_tag_is_none },
		{ "only where it is asked for", only_where_it_is_asked_for },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("tagged", tests);
}
