// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/worker/access.c user/mpgated/worker/replay.c user/mpgated/ipc/shared.c
/* Who may have what from the hub: each mode of convert.accept, sources, destinations; both families. */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <lib/addr.h>
#include <lib/config/config.h>
#include <lib/keys.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/access.h>

#include "cunit.h"

#define NOW 1700000000U
#define WINDOW 30U
#define PEERS 3

/* A snapshot as the supervisor writes it: its arrays lie behind it. */
static struct {
	struct snapshot head;
	struct snapshot_key keys[PEERS];
	struct prefix from[2], to[2], sources[3], accept_to[3];
	struct mpgate_addr local[2];
} snap;
#define BUCKETS 64U
#define BOOT 5000U /* the clock that nobody sets stands elsewhere */

static struct worker_stats stats;
static struct worker worker = { .snap = &snap.head, .stats = &stats };
static const struct access_clock clock_now = { NOW, BOOT };

uint64_t io_boot_clock(void)
{
	return BOOT * 1000000000ULL + 999999999;
}

static struct snapshot_array array(size_t offset, unsigned count)
{
	return (struct snapshot_array){ .offset = (uint32_t)offset, .count = count };
}

static struct mpgate_addr addr(const char *text)
{
	struct mpgate_addr a = {};

	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &a), 0);
	return a;
}

static void prepare(void)
{
	memset(&snap, 0, sizeof(snap));
	snap.head.window = WINDOW;
	snap.head.replay_buckets = BUCKETS;
	snap.head.keys = array(offsetof(typeof(snap), keys), PEERS);
	for (unsigned i = 0; i < PEERS; i++)
		snap.keys[i] = (struct snapshot_key){ .key = { .id = 100 * (i + 1), .k0 = i, .k1 = ~0ULL, .end = 7 },
						      .slot = i + 5,
						      .private_tlvs = i == 1 };
	snap.head.issuing = (struct subkey){ .k0 = 77, .k1 = 78 };
}

/* A request with a Connect, and a cookie in *bytes. */
struct asked {
	struct request r;
	uint8_t connect[20];
	struct convert_cookie keyed;
	uint8_t issued[ISSUED_LEN];
};

static void ask(struct asked *a)
{
	memset(a, 0, sizeof(*a));
	memset(a->connect, 0x42, sizeof(a->connect));
	a->r.msg.has = CONVERT_HAS_CONNECT;
	a->r.msg.connect_tlv = (struct convert_bytes){ a->connect, sizeof(a->connect) };
}

static void ask_keyed(struct asked *a, const struct subkey *key, uint32_t time, uint8_t nonce)
{
	const uint8_t bytes[8] = { nonce };
	struct subkey sender = *key;

	sender.end ^= 1;
	ask(a);
	cookie_make(&sender, time, bytes, &a->r.msg.connect_tlv, &a->r.msg.source_tlv, &a->keyed);
	a->r.msg.has |= CONVERT_HAS_COOKIE;
	a->r.msg.cookie = (struct convert_bytes){ (void *)&a->keyed, sizeof(a->keyed) };
}

static void ask_issued(struct asked *a, uint32_t time, const struct mpgate_addr *client)
{
	ask(a);
	issued_make(&snap.head.issuing, time, client, a->issued);
	a->r.msg.has |= CONVERT_HAS_COOKIE;
	a->r.msg.cookie = (struct convert_bytes){ a->issued, sizeof(a->issued) };
}

static const char *const clients[] = { "192.0.2.7", "2001:db8::7" };

static void test_keyed(void)
{
	static uint8_t nonce;

	for (unsigned c = 0; c < 2; c++) {
		struct mpgate_addr client = addr(clients[c]);
		struct subkey stranger = snap.keys[1].key, mirror;
		struct asked a;

		snap.head.accept = CFG_ACCEPT_KEYED;
		for (unsigned i = 0; i < PEERS; i++) {
			ask_keyed(&a, &snap.keys[i].key, NOW, ++nonce);
			CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_GRANTED);
			CU_ASSERT(a.r.keyed);
			CU_ASSERT_PTR_EQUAL(a.r.key, &snap.keys[i]);
			a.r.keyed = false;
			CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REPLAYED);
			CU_ASSERT_FALSE(a.r.keyed);
		}
		/* Set back by a second, or by an hour with a cookie of then, the wall clock makes nothing good again.
		 */
		for (uint32_t back = 1; back <= 3600; back += 3599) {
			struct access_clock early = { NOW - back, BOOT + 1 };

			CU_ASSERT_NOT_EQUAL(access_request(&worker, &a.r, &client, &early), ACCESS_GRANTED);
		}
		ask_keyed(&a, &snap.keys[0].key, NOW - WINDOW - 1, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_STALE);
		CU_ASSERT_PTR_EQUAL(a.r.key, &snap.keys[0]);
		mirror = snap.keys[0].key;
		mirror.end ^= 1;
		ask_keyed(&a, &mirror, NOW, ++nonce); /* what we sent ourselves */
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_OWN);
		CU_ASSERT_FALSE(a.r.keyed);
		ask_keyed(&a, &snap.keys[0].key, NOW + WINDOW + 1, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_STALE);
		ask_keyed(&a, &snap.keys[0].key, NOW, ++nonce);
		a.connect[7] ^= 1; /* another destination than the one that was signed */
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REFUSED);
		a.connect[7] ^= 1;
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now),
				ACCESS_GRANTED); /* it was not spent */
		stranger.k0 ^= 1;
		ask_keyed(&a, &stranger, NOW, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REFUSED);
		stranger.id++;
		ask_keyed(&a, &stranger, NOW, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REFUSED);
		ask(&a);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REFUSED);
		ask_issued(&a, NOW, &client);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REFUSED);
		CU_ASSERT_FALSE(a.r.keyed);
	}
}

static void test_issued(void)
{
	const struct access_clock tomorrow = { NOW + ISSUED_LIFETIME + 1, BOOT };

	for (unsigned c = 0; c < 2; c++) {
		struct mpgate_addr client = addr(clients[c]), other = addr(clients[!c]);
		struct asked a;

		snap.head.accept = CFG_ACCEPT_ISSUED;
		ask(&a);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_NO_COOKIE);
		ask_issued(&a, NOW, &client);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_GRANTED);
		CU_ASSERT_FALSE(a.r.keyed);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &other, &clock_now), ACCESS_REFUSED);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &tomorrow), ACCESS_REFUSED);
		a.issued[ISSUED_LEN - 1] ^= 1;
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REFUSED);
		/* Peers with a key need none. */
		ask_keyed(&a, &snap.keys[2].key, NOW, 200 + c);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_GRANTED);
		CU_ASSERT(a.r.keyed);
	}
}

static void test_open(void)
{
	for (unsigned c = 0; c < 2; c++) {
		struct mpgate_addr client = addr(clients[c]);
		struct asked a;

		snap.head.accept = CFG_ACCEPT_OPEN;
		ask(&a);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_GRANTED);
		CU_ASSERT_FALSE(a.r.keyed);
		ask_keyed(&a, &snap.keys[2].key, NOW, 210 + c);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_GRANTED);
		CU_ASSERT(a.r.keyed);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, &clock_now), ACCESS_REPLAYED);
	}
}

/* By the supervisor's offset, not by the wall clock. */
static void test_clock(void)
{
	struct access_clock now;

	worker.shm->wall_offset = (NOW - BOOT) * 1000000000ULL;
	now = access_now(&worker);
	CU_ASSERT_EQUAL(now.wall, NOW);
	CU_ASSERT_EQUAL(now.boot, BOOT);
}

static bool preserved(unsigned key, const char *text)
{
	struct request r = { .keyed = true, .key = &snap.keys[key], .msg = { .src = addr(text) } };

	return access_preserved(&worker, &r);
}

/* A peer speaks for its own hosts, and nobody for the hub. */
static void test_preserved(void)
{
	struct request open = { .msg = { .src = addr("10.1.0.1") } };

	CU_ASSERT_EQUAL(prefix_parse("10.1.0.0/16", &snap.sources[0]), 0);
	CU_ASSERT_EQUAL(prefix_parse("2001:db8:1::/48", &snap.sources[1]), 0);
	CU_ASSERT_EQUAL(prefix_parse("10.2.0.0/16", &snap.sources[2]), 0);
	snap.head.allow_source = array(offsetof(typeof(snap), sources), 3);
	snap.keys[0].source_count = 2;
	snap.keys[1].source_first = 2;
	snap.keys[1].source_count = 1;
	snap.local[0] = addr("10.1.0.9");
	snap.local[1] = addr("2001:db8:1::9");
	snap.head.local = array(offsetof(typeof(snap), local), 2);
	CU_ASSERT(preserved(0, "10.1.0.1") && preserved(0, "2001:db8:1::1") && preserved(1, "10.2.0.1"));
	CU_ASSERT_FALSE(preserved(0, "10.2.0.1"));
	CU_ASSERT_FALSE(preserved(0, "10.0.255.255"));
	CU_ASSERT_FALSE(preserved(0, "2001:db8:2::1"));
	CU_ASSERT_FALSE(preserved(1, "10.1.0.1"));
	CU_ASSERT_FALSE(preserved(1, "2001:db8:1::1"));
	CU_ASSERT_FALSE(preserved(2, "10.1.0.1")); /* no list: none */
	CU_ASSERT_FALSE(preserved(0, "10.1.0.9"));
	CU_ASSERT_FALSE(preserved(0, "2001:db8:1::9"));
	CU_ASSERT_FALSE(access_preserved(&worker, &open)); /* without a key: whose list? */
	snap.head.local.count = 0;
}

static bool source(const char *text)
{
	struct mpgate_addr a = addr(text);

	return access_source(&worker, &a);
}

static bool destination(const char *text)
{
	const struct request r = { .msg = { .dst = addr(text) } };

	return access_destination(&worker, &r);
}

static void test_sources(void)
{
	CU_ASSERT(source("192.0.2.7") && source("2001:db8::7")); /* no list: any */
	CU_ASSERT_EQUAL(prefix_parse("192.0.2.0/24", &snap.from[0]), 0);
	CU_ASSERT_EQUAL(prefix_parse("2001:db8::/64", &snap.from[1]), 0);
	snap.head.allow_from = array(offsetof(typeof(snap), from), 1);
	CU_ASSERT(source("192.0.2.7"));
	CU_ASSERT_FALSE(source("192.0.3.7"));
	CU_ASSERT_FALSE(source("2001:db8::7"));
	snap.head.allow_from.count = 2;
	CU_ASSERT(source("192.0.2.255") && source("2001:db8::7"));
	CU_ASSERT_FALSE(source("2001:db8:0:1::7"));
}

static void test_destinations(void)
{
	CU_ASSERT_FALSE(destination("198.51.100.1")); /* no list: none */
	CU_ASSERT_EQUAL(prefix_parse("198.51.100.0/24", &snap.to[0]), 0);
	CU_ASSERT_EQUAL(prefix_parse("::/0", &snap.to[1]), 0);
	snap.head.allow_to = array(offsetof(typeof(snap), to), 2);
	snap.local[0] = addr("198.51.100.9");
	snap.local[1] = addr("2001:db8::9");
	snap.head.local = array(offsetof(typeof(snap), local), 2);
	CU_ASSERT(destination("198.51.100.1") && destination("2001:db8::1"));
	CU_ASSERT_FALSE(destination("198.51.101.1")); /* ::/0 is not for IPv4 */
	CU_ASSERT_FALSE(destination("198.51.100.9"));
	CU_ASSERT_FALSE(destination("2001:db8::9"));
}

static bool by_key(unsigned key, const char *text)
{
	const struct request r = { .keyed = true, .key = &snap.keys[key], .msg = { .dst = addr(text) } };

	return access_destination(&worker, &r);
}

/* A peer with a list of its own goes by that alone. */
static void test_accept_to(void)
{
	CU_ASSERT_EQUAL(prefix_parse("10.60.1.0/24", &snap.accept_to[0]), 0);
	CU_ASSERT_EQUAL(prefix_parse("fd60:1::/64", &snap.accept_to[1]), 0);
	CU_ASSERT_EQUAL(prefix_parse("198.51.0.0/16", &snap.accept_to[2]), 0);
	snap.head.accept_to = array(offsetof(typeof(snap), accept_to), 3);
	snap.keys[0].to_count = 2;
	snap.keys[1].to_first = 2;
	snap.keys[1].to_count = 1;
	CU_ASSERT(by_key(0, "10.60.1.1") && by_key(0, "fd60:1::1"));
	CU_ASSERT_FALSE(by_key(0, "10.60.2.1"));
	CU_ASSERT_FALSE(by_key(0, "fd60:2::1"));
	CU_ASSERT_FALSE(by_key(0, "198.51.100.1")); /* in allow-to, and in another's */
	CU_ASSERT(by_key(1, "198.51.101.1"));
	CU_ASSERT_FALSE(by_key(1, "198.51.100.9")); /* our own */
	CU_ASSERT_FALSE(by_key(1, "10.60.1.1"));
	CU_ASSERT_FALSE(by_key(1, "2001:db8::1"));
	/* Others go by allow-to, with a key or without one. */
	CU_ASSERT(by_key(2, "198.51.100.1") && destination("198.51.100.1"));
	CU_ASSERT_FALSE(by_key(2, "10.60.1.1"));
	CU_ASSERT_FALSE(destination("10.60.1.1"));
}

static bool preserves(unsigned key, bool keyed, uint32_t has)
{
	const struct request r = { .keyed = keyed, .key = keyed ? &snap.keys[key] : NULL, .msg = { .has = has } };

	return access_preserves(&worker, &r);
}

/* As whom a server is dialed: for all by the configuration, or for a peer that has both lists. */
static void test_preserves(void)
{
	static const uint32_t with = CONVERT_HAS_ORIG_SOURCE;

	snap.keys[0].source_count = snap.keys[1].source_count = 1;
	snap.keys[2].source_count = 2;
	snap.keys[0].to_count = snap.keys[1].to_count = 1;
	snap.keys[1].source_count = snap.keys[2].to_count = 0;
	CU_ASSERT(preserves(0, true, with));
	CU_ASSERT_FALSE(preserves(0, true, 0));
	CU_ASSERT_FALSE(preserves(1, true, with));
	CU_ASSERT_FALSE(preserves(2, true, with));
	CU_ASSERT_FALSE(preserves(0, false, with));
	snap.head.preserve = true;
	for (unsigned i = 0; i < PEERS; i++) {
		CU_ASSERT(preserves(i, true, with));
		CU_ASSERT_FALSE(preserves(i, true, 0));
	}
	CU_ASSERT(preserves(0, false, with));
	CU_ASSERT_FALSE(preserves(0, false, 0));
	snap.head.preserve = false;
}

int main(void)
{
	CU_TestInfo tests[] = { { "keyed", test_keyed },
				{ "issued", test_issued },
				{ "open", test_open },
				{ "clock", test_clock },
				{ "preserved sources", test_preserved },
				{ "sources", test_sources },
				{ "destinations", test_destinations },
				{ "destinations of a peer", test_accept_to },
				{ "whose sources are kept", test_preserves },
				CU_TEST_INFO_NULL };

	worker.shm = mmap(NULL, shared_size(BUCKETS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (worker.shm == MAP_FAILED)
		return 1;
	prepare();
	return cunit_run("access", tests, NULL, NULL) ? 0 : 1;
}
