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
			struct mpgate_bucket b = {};
			struct timespec mono;
			struct mpgate_addr key = {};

			p.src = family == 4 ? "10.77.7.1" : "fd77:7::1";
			clock_gettime(CLOCK_MONOTONIC, &mono);
			b.time = mono.tv_sec * NS - (hour ? 3600 : 5) * NS;
			if (family == 4) {
				memset(key.b + 10, 0xff, 2);
				inet_pton(AF_INET, p.src, key.b + 12);
			} else {
				inet_pton(AF_INET6, "fd77:7::", key.b);
			}
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
		struct mpgate_addr key = {};
		__u64 long_ago = 1, value;

		p.src = family == 4 ? "10.77.6.1" : "fd77:6::1";
		if (family == 4) {
			memset(key.b + 10, 0xff, 2);
			inet_pton(AF_INET, p.src, key.b + 12);
		} else {
			inet_pton(AF_INET6, "fd77:6::", key.b);
		}
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
	__u32 one = 1;

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
		{ "a source that proved a key has no rate", a_source_that_proved_a_key_has_no_rate },
		{ "allow from is respected", allow_from_is_respected },
		CU_TEST_INFO_NULL,
	};
	bool passed;

	setup();
	passed = cunit_run("guard: rate", tests, NULL, NULL);
	mpgate_bpf__destroy(skel);
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
