// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/worker/access.c user/mpgated/worker/replay.c
/* Who may have what from the hub: each mode of convert.accept, sources, destinations; both families. */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <lib/addr.h>
#include <lib/config/config.h>
#include <lib/keys.h>
#include <mpgated/worker/access.h>

#include "cunit.h"

#define NOW 1700000000U
#define WINDOW 30U
#define PEERS 3

/* A snapshot as the supervisor writes it: its arrays lie behind it. */
static struct {
	struct snapshot head;
	struct snapshot_key keys[PEERS];
	struct prefix from[2], to[2];
	struct mpgate_addr local[2];
} snap;
static struct worker worker = { .snap = &snap.head };

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
	snap.head.keys = array(offsetof(typeof(snap), keys), PEERS);
	for (unsigned i = 0; i < PEERS; i++)
		snap.keys[i] = (struct snapshot_key){ .key = { .id = 100 * (i + 1), .k0 = i, .k1 = ~0ULL },
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

	ask(a);
	cookie_make(key, time, bytes, &a->r.msg.connect_tlv, &a->r.msg.source_tlv, &a->keyed);
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
		struct subkey stranger = snap.keys[1].key;
		struct asked a;

		snap.head.accept = CFG_ACCEPT_KEYED;
		for (unsigned i = 0; i < PEERS; i++) {
			ask_keyed(&a, &snap.keys[i].key, NOW, ++nonce);
			CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_GRANTED);
			CU_ASSERT(a.r.keyed);
			CU_ASSERT_EQUAL(a.r.slot, i + 5);
			CU_ASSERT_EQUAL(a.r.private_tlvs, i == 1);
			a.r.keyed = false;
			CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REPLAYED);
			CU_ASSERT_FALSE(a.r.keyed);
		}
		ask_keyed(&a, &snap.keys[0].key, NOW - WINDOW - 1, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_STALE);
		ask_keyed(&a, &snap.keys[0].key, NOW + WINDOW + 1, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_STALE);
		ask_keyed(&a, &snap.keys[0].key, NOW, ++nonce);
		a.connect[7] ^= 1; /* another destination than the one that was signed */
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REFUSED);
		a.connect[7] ^= 1;
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_GRANTED); /* it was not spent */
		stranger.k0 ^= 1;
		ask_keyed(&a, &stranger, NOW, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REFUSED);
		stranger.id++;
		ask_keyed(&a, &stranger, NOW, ++nonce);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REFUSED);
		ask(&a);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REFUSED);
		ask_issued(&a, NOW, &client);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REFUSED);
		CU_ASSERT_FALSE(a.r.keyed);
	}
}

static void test_issued(void)
{
	for (unsigned c = 0; c < 2; c++) {
		struct mpgate_addr client = addr(clients[c]), other = addr(clients[!c]);
		struct asked a;

		snap.head.accept = CFG_ACCEPT_ISSUED;
		ask(&a);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_NO_COOKIE);
		ask_issued(&a, NOW, &client);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_GRANTED);
		CU_ASSERT_FALSE(a.r.keyed);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &other, NOW), ACCESS_REFUSED);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW + ISSUED_LIFETIME + 1), ACCESS_REFUSED);
		a.issued[ISSUED_LEN - 1] ^= 1;
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REFUSED);
		/* Peers with a key need none. */
		ask_keyed(&a, &snap.keys[2].key, NOW, 200 + c);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_GRANTED);
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
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_GRANTED);
		CU_ASSERT_FALSE(a.r.keyed);
		ask_keyed(&a, &snap.keys[2].key, NOW, 210 + c);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_GRANTED);
		CU_ASSERT(a.r.keyed);
		CU_ASSERT_EQUAL(access_request(&worker, &a.r, &client, NOW), ACCESS_REPLAYED);
	}
}

static bool source(const char *text)
{
	struct mpgate_addr a = addr(text);

	return access_source(&worker, &a);
}

static bool destination(const char *text)
{
	struct mpgate_addr a = addr(text);

	return access_destination(&worker, &a);
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

int main(void)
{
	CU_TestInfo tests[] = { { "keyed", test_keyed },
				{ "issued", test_issued },
				{ "open", test_open },
				{ "sources", test_sources },
				{ "destinations", test_destinations },
				CU_TEST_INFO_NULL };

	worker.shm = mmap(NULL, sizeof(*worker.shm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (worker.shm == MAP_FAILED)
		return 1;
	prepare();
	return cunit_run("access", tests, NULL, NULL) ? 0 : 1;
}
