/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYNs that guard cannot check: whose they may be, and how many. */
#include "guard_test.h"

static void what_guard_does_not_know_passes(void)
{
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);

		expect("no data", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		p.options = opt_join;
		p.options_len = sizeof(opt_join);
		expect("join", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		p.data = "x";
		p.data_len = 1;
		p.flags = FLAG_ACK;
		expect("no SYN", guard(&p, xdp), -1);
		p.flags = FLAG_SYN | FLAG_ACK;
		expect("SYN+ACK", guard(&p, xdp), -1);
		p.flags = 0;
		p.dport = 80;
		expect("other port", guard(&p, xdp), -1);
	}
}

/* The key of a source in guard's tables: an IPv4 address, the /64 of an IPv6 one. */
static struct mpgate_addr source_key(int family, const char *src)
{
	struct mpgate_addr key = {};

	if (family == 4) {
		memset(key.b + 10, 0xff, 2);
		inet_pton(AF_INET, src, key.b + 12);
	} else {
		inet_pton(AF_INET6, src, key.b);
		memset(key.b + 8, 0, 8);
	}
	return key;
}

static __u64 mono_ns(void)
{
	struct timespec mono;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	return mono.tv_sec * NS + mono.tv_nsec;
}

static void a_source_has_a_rate(void)
{
	settings.unchecked_rate = 1;
	settings.unchecked_burst = 3;
	dp_settings(skel, &settings);
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);
		char src[64];

		snprintf(src, sizeof(src), family == 4 ? "10.77.9.%d" : "fd77:%d::1", xdp + 1);
		p.src = src;
		for (int i = 0; i < 3; i++)
			expect("burst", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		expect("too many", guard(&p, xdp), MPGATE_R_GUARD_RATE);
		snprintf(src, sizeof(src), family == 4 ? "10.77.8.%d" : "fd77:%d::2", xdp + 1);
		expect("another address", guard(&p, xdp), family == 4 ? MPGATE_R_GUARD_UNCHECKED : MPGATE_R_GUARD_RATE);
		snprintf(src, sizeof(src), family == 4 ? "10.78.8.%d" : "fd77:%d:0:1::1", xdp + 1);
		expect("another net", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
	}
	settings.unchecked_rate = 0;
	dp_settings(skel, &settings);
}

/* How much may come at once, whatever time has passed. */
static void a_bucket_is_never_fuller_than_full(void)
{
	settings.unchecked_rate = 10;
	settings.unchecked_burst = 3;
	dp_settings(skel, &settings);
	EACH(family, xdp)
	{
		/* An hour ago; a few seconds ago, in which more would have come. */
		for (int hour = 0; hour < 2; hour++) {
			struct packet p = syn(family, NULL);
			struct mpgate_bucket b = { .time = mono_ns() - (hour ? 3600 : 5) * NS };
			struct mpgate_addr key;

			p.src = family == 4 ? "10.77.7.1" : "fd77:7::1";
			key = source_key(family, p.src);
			map_set(skel->maps.guard_rate, &key, &b);
			settings.unchecked_rate = 1;
			dp_settings(skel, &settings);
			for (int i = 0; i < 3; i++)
				expect("burst", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
			expect("no more", guard(&p, xdp), MPGATE_R_GUARD_RATE);
		}
	}
	settings.unchecked_rate = 0;
	dp_settings(skel, &settings);
}

/* Sets a bucket to tokens (thousandths of a SYN) of so many ns ago, and sends a SYN; what it has then. */
static __u64 bucket_after(int family, bool xdp, __u64 tokens, __u64 ago, int reason)
{
	struct mpgate_bucket b = { .tokens = tokens };
	struct packet p = syn(family, NULL);
	struct mpgate_addr key;

	dp_settings(skel, &settings);
	p.src = family == 4 ? "10.77.4.1" : "fd77:4::1";
	key = source_key(family, p.src);
	b.time = mono_ns() - ago;
	map_set(skel->maps.guard_rate, &key, &b);
	expect("bucket", guard(&p, xdp), reason);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(bpf_map__fd(skel->maps.guard_rate), &key, &b), 0);
	return b.tokens;
}

#define GREAT_RATE (1U << 24)
#define GREAT_BURST (1U << 31)

/* As much as the rate says, whatever came meanwhile, and however long nothing came. */
static void a_bucket_fills_at_its_rate(void)
{
	EACH(family, xdp)
	{
		__u64 left;

		settings.unchecked_rate = 1;
		settings.unchecked_burst = 1000;
		left = bucket_after(family, xdp, 0, 100 * NS / 2, MPGATE_R_GUARD_UNCHECKED);
		CU_ASSERT(left >= 49000 && left < 200000);
		/* What is too little yet is kept. */
		left = bucket_after(family, xdp, 100, NS / 4, MPGATE_R_GUARD_RATE);
		CU_ASSERT(left >= 350 && left < 1000);
		/* Time and rate that multiply to 2^64. */
		settings.unchecked_rate = GREAT_RATE;
		settings.unchecked_burst = GREAT_BURST;
		left = bucket_after(family, xdp, 0, 1ULL << 40, MPGATE_R_GUARD_UNCHECKED);
		CU_ASSERT_EQUAL(left, GREAT_BURST * 1000ULL - 1000);
		/* There is room for one in any bucket. */
		settings.unchecked_rate = 1;
		settings.unchecked_burst = 0;
		left = bucket_after(family, xdp, 0, 5 * NS, MPGATE_R_GUARD_UNCHECKED);
		CU_ASSERT_EQUAL(left, 0);
	}
	settings.unchecked_rate = settings.unchecked_burst = 0;
	dp_settings(skel, &settings);
}

/* It is known for 137 s from its last cookie on; the time is written anew at most every 9 s. */
static void a_known_source_stays_known(void)
{
	settings.unchecked_rate = 1;
	settings.unchecked_burst = 1;
	dp_settings(skel, &settings);
	EACH(family, xdp)
	{
		struct message m;
		struct packet p = syn(family, &m);
		struct mpgate_addr key;
		__u64 before, after;

		p.src = family == 4 ? "10.77.3.1" : "fd77:3::1";
		key = source_key(family, p.src);
		for (int again = 0; again < 2; again++) {
			message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
			p.data_len = m.len;
			before = mono_ns() - (again ? 20 : 4) * NS;
			map_set(skel->maps.guard_known, &key, &before);
			expect("cookie", guard(&p, xdp), MPGATE_R_GUARD_PASS);
			CU_ASSERT_EQUAL(bpf_map_lookup_elem(bpf_map__fd(skel->maps.guard_known), &key, &after), 0);
			CU_ASSERT_EQUAL(after != before, again);
		}
		before = mono_ns() - 130 * NS;
		map_set(skel->maps.guard_known, &key, &before);
		p.data_len = 0;
		for (int i = 0; i < 5; i++)
			expect("known for long", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
	}
	settings.unchecked_rate = 0;
	dp_settings(skel, &settings);
}

/* Whoever has shown a key is no stranger, wherever in his net it was; for a time. */
static void a_source_that_proved_a_key_has_no_rate(void)
{
	settings.unchecked_rate = 1;
	settings.unchecked_burst = 1;
	dp_settings(skel, &settings);
	EACH(family, xdp)
	{
		struct message m = {};
		struct packet p = syn(family, &m);
		struct mpgate_addr key;
		__u64 long_ago = 1, value;

		p.src = family == 4 ? "10.77.6.1" : "fd77:6::1";
		key = source_key(family, p.src);
		bpf_map_delete_elem(bpf_map__fd(skel->maps.guard_known), &key);
		bpf_map_delete_elem(bpf_map__fd(skel->maps.guard_rate), &key);
		/* A forged one, and one that is a replay, prove nothing. */
		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, true);
		p.data_len = m.len;
		expect("forged", guard(&p, xdp), MPGATE_R_GUARD_FORGED);
		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
		p.src = family == 4 ? "10.77.5.1" : "fd77:5::1";
		expect("somebody's", guard(&p, xdp), MPGATE_R_GUARD_PASS);
		p.src = family == 4 ? "10.77.6.1" : "fd77:6::1";
		expect("replayed", guard(&p, xdp), MPGATE_R_GUARD_REPLAY);
		p.data_len = 0;
		expect("stranger", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		expect("stranger again", guard(&p, xdp), MPGATE_R_GUARD_RATE);
		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
		p.data_len = m.len;
		expect("key", guard(&p, xdp), MPGATE_R_GUARD_PASS);
		p.data_len = 0;
		for (int i = 0; i < 20; i++)
			expect("known", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		CU_ASSERT_EQUAL(bpf_map_lookup_elem(bpf_map__fd(skel->maps.guard_known), &key, &value), 0);
		value -= 138 * NS; /* as if that had been so long ago */
		map_set(skel->maps.guard_known, &key, (__s64)value > 0 ? &value : &long_ago);
		expect("stranger once more", guard(&p, xdp), MPGATE_R_GUARD_RATE);
	}
	settings.unchecked_rate = 0;
	dp_settings(skel, &settings);
}

static void allow_from_is_respected(void)
{
	struct mpgate_lpm_key v4 = { .prefixlen = MPGATE_LPM_FIXED_BITS + 24,
				     .key = { MPGATE_SRC, 4, 0, { 10, 77, 0 } } };
	struct mpgate_lpm_key v6 = { .prefixlen = MPGATE_LPM_FIXED_BITS + 16,
				     .key = { MPGATE_SRC, 6, 0, { 0xfd, 0x77 } } };
	struct mpgate_lpm_key host4 = { .prefixlen = MPGATE_LPM_FIXED_BITS + 32,
					.key = { MPGATE_SRC, 4, 0, { 10, 79, 0, 3 } } };
	struct mpgate_lpm_key host6 = { .prefixlen = MPGATE_LPM_FIXED_BITS + 128,
					.key = { MPGATE_SRC, 6, 0, { 0xfd, 0x79, [15] = 3 } } };
	__u32 one = 1;

	map_set(skel->maps.guard_allow, &host4, &one);
	map_set(skel->maps.guard_allow, &host6, &one);
	map_set(skel->maps.guard_allow, &v4, &one);
	map_set(skel->maps.guard_allow, &v6, &one);
	settings.allow_from = 1;
	dp_settings(skel, &settings);
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);

		expect("inside", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		p.src = family == 4 ? "10.78.0.2" : "fd78::2";
		expect("outside", guard(&p, xdp), MPGATE_R_GUARD_SOURCE);
		p.src = family == 4 ? "10.79.0.3" : "fd79::3";
		expect("a host", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		p.src = family == 4 ? "10.79.0.2" : "fd79::2";
		expect("its neighbour", guard(&p, xdp), MPGATE_R_GUARD_SOURCE);
	}
	settings.allow_from = 0;
	dp_settings(skel, &settings);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what guard does not know passes", what_guard_does_not_know_passes },
		{ "a source has a rate", a_source_has_a_rate },
		{ "a bucket is never fuller than full", a_bucket_is_never_fuller_than_full },
		{ "a bucket fills at its rate", a_bucket_fills_at_its_rate },
		{ "a known source stays known", a_known_source_stays_known },
		{ "a source that proved a key has no rate", a_source_that_proved_a_key_has_no_rate },
		{ "allow from is respected", allow_from_is_respected },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("guard: rate", tests);
}
