// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/peers.c user/mpgated/supervisor/slots.c user/mpgated/supervisor/groups.c
// SOURCES: user/mpgated/supervisor/parked.c user/mpgated/supervisor/health.c user/mpgated/supervisor/ways.c
// SOURCES: tests/unit/peers_script.c tests/unit/loop.c
/* Peers over reloads: who keeps its slot and what is known of it, who starts anew, who goes, who is refused. */
#include "config_test.h"
#include "loop.h"
#include "peers_script.h"

#define PEERS LINKS "peers:\n"
#define HUB(rest) "- { name: hub, " rest " }\n"
#define HUB2 "- { name: hub2, address: [ 192.0.2.2 ], key-file: b.key }\n"
#define GATEWAY "- { name: gateway, key-file: \"odd: name #1\xc3\xa9.key\" }\n"
#define USUAL "address: [ 192.0.2.1, 192.0.2.9 ], key-file: a.key"

static void load(const char *text)
{
	struct cfg_error err = { "" };
	bool good = script_load(text, &err);

	if (!good)
		printf("%s\n", err.text);
	CU_ASSERT_FATAL(good);
}

/* All of these peers, and those that can be are up. */
static void start(const char *text)
{
	script_new(LINKS);
	script_link("wan0", "10.0.0.1", NULL, 100);
	load(text);
	script_all_end(&script_good);
	loop_pass(0);
}

/* By name, whatever its place and what stands beside it. */
static void test_kept(void)
{
	struct peer *hub, *hub2;
	struct probe *b;

	start(PEERS HUB(USUAL) HUB2);
	hub = script_peer("hub");
	hub2 = script_peer("hub2");
	loop_pass(HEALTH_IDLE_MS);
	b = script_probe("hub", 0, "wan0");
	CU_ASSERT_PTR_NOT_NULL(b);
	script.s.shm->peers[hub->slot].clock = 77;
	load(PEERS GATEWAY HUB2 HUB(USUAL ", ready: 4"));
	CU_ASSERT_PTR_EQUAL(script_peer("hub"), hub);
	CU_ASSERT_PTR_EQUAL(script_peer("hub2"), hub2);
	CU_ASSERT_EQUAL(script.s.peer_slot[2], hub->slot);
	CU_ASSERT_EQUAL(script.s.peer_slot[1], hub2->slot);
	CU_ASSERT_EQUAL(hub->state, PEER_UP);
	CU_ASSERT_TRUE(script.steer[hub->slot].up);
	CU_ASSERT_EQUAL(hub->health.way[0].state, HEALTH_UP);
	CU_ASSERT_PTR_EQUAL(script_probe("hub", 0, "wan0"), b);
	CU_ASSERT_EQUAL(script.s.shm->peers[hub->slot].clock, 77);
	/* Who has no address dials us. */
	CU_ASSERT_EQUAL(script_peer("gateway")->state, PEER_UNKNOWN);
	CU_ASSERT_TRUE(script_end());
}

static void test_another_one(void)
{
	static const char *const other[] = {
		HUB("address: [ 192.0.2.1, 192.0.2.9 ], key-file: b.key"),
		HUB("address: [ 192.0.2.1, 192.0.2.9 ], dialect: rfc8803"),
		HUB("address: [ 192.0.2.9, 192.0.2.1 ], key-file: a.key"),
		HUB("address: [ 192.0.2.1 ], key-file: a.key"),
		HUB("address: [ 192.0.2.1, 192.0.2.9 ], port: 5000, key-file: a.key"),
		HUB("address: [ 192.0.2.1, 192.0.2.9 ], ports: [ 443 ], key-file: a.key"),
		HUB("key-file: a.key"),
	};

	for (unsigned i = 0; i < COUNT(other); i++) {
		char text[512];
		struct peer *p;
		unsigned begun;

		start(PEERS HUB(USUAL));
		p = script_peer("hub");
		loop_pass(HEALTH_IDLE_MS); /* probes are under way */
		script.s.shm->peers[p->slot].clock = 77;
		begun = script.begun;
		snprintf(text, sizeof(text), PEERS "%s", other[i]);
		load(text);
		CU_ASSERT_PTR_EQUAL(script_peer("hub"), p);
		CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
		CU_ASSERT_FALSE(script.steer[p->slot].up);
		CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].clock, 0);
		CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].syn_data, SYN_DATA_UNKNOWN);
		CU_ASSERT_EQUAL(p->keyed, script.s.cfg->peers[0].key_file != NULL);
		CU_ASSERT_EQUAL(p->port[0], htons(script.s.cfg->peers[0].port));
		/* Those of the one before are gone, and each way is probed at once. */
		CU_ASSERT_EQUAL(script.begun - begun, p->address_count);
		CU_ASSERT_EQUAL(script.s.probes, p->address_count);
		loop_pass(0);
		script_all_end(&script_good);
		CU_ASSERT_EQUAL(p->state, p->address_count ? PEER_UP : PEER_UNKNOWN);
		CU_ASSERT_TRUE(script_end());
	}
}

/* The dialect says what is said to it, not who it is. */
static void test_another_dialect(void)
{
	struct peer *p;

	start(PEERS HUB(USUAL));
	p = script_peer("hub");
	CU_ASSERT_TRUE(p->private_tlvs);
	load(PEERS HUB(USUAL ", dialect: rfc8803"));
	CU_ASSERT_FALSE(p->private_tlvs);
	CU_ASSERT_TRUE(p->keyed);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_TRUE(script_end());
}

static void test_removed(void)
{
	static const struct subkey none;
	struct peer *hub;
	unsigned slot;

	start(PEERS HUB(USUAL) HUB2);
	hub = script_peer("hub");
	slot = hub->slot;
	loop_pass(HEALTH_IDLE_MS);
	CU_ASSERT_EQUAL(script.s.probes, 3);
	load(PEERS HUB2);
	CU_ASSERT_PTR_NULL(script_peer("hub"));
	CU_ASSERT_FALSE(script.steer[slot].up);
	CU_ASSERT_EQUAL(script.s.probes, 1); /* of hub2 */
	CU_ASSERT_EQUAL(memcmp(&hub->send, &none, sizeof(none)), 0);
	CU_ASSERT_EQUAL(memcmp(&hub->next_send, &none, sizeof(none)), 0);
	/* Its timer is still with the loop. */
	load(PEERS HUB2 HUB(USUAL));
	CU_ASSERT_PTR_NOT_EQUAL(script_peer("hub"), hub);
	load(PEERS HUB2);
	loop_pass(0);
	script.s.shm->peers[slot].clock = 77;
	load(PEERS HUB2 HUB(USUAL));
	CU_ASSERT_PTR_EQUAL(script_peer("hub"), hub);
	CU_ASSERT_EQUAL(script.s.shm->peers[slot].clock, 0);
	CU_ASSERT_EQUAL(hub->state, PEER_UNKNOWN);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(hub->state, PEER_UP);
	CU_ASSERT_TRUE(script_end());
}

/* Two keys of one name: the second peer is not used, and says so. */
static void test_left_out(void)
{
	struct peer *p;

	start(PEERS HUB2 HUB(USUAL));
	p = script_peer("hub");
	loop_pass(HEALTH_IDLE_MS);
	load(PEERS "- { name: first, address: [ 192.0.2.3 ], key-file: copy.key }\n" HUB2 HUB(USUAL));
	CU_ASSERT_PTR_EQUAL(script_peer("hub"), p);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_FALSE(script.steer[p->slot].up);
	CU_ASSERT_PTR_NOT_NULL(strstr(p->last_error, "left out: its key has the name of a key of peer first"));
	CU_ASSERT_PTR_NULL(p->probes);
	peers_suspect(&script.s, p->slot, false);
	loop_pass(HEALTH_BACKOFF_MAX_MS);
	CU_ASSERT_PTR_NULL(p->probes);
	CU_ASSERT_EQUAL(script_peer("first")->state, PEER_UNKNOWN);
	/* Again: nothing has changed. */
	load(PEERS "- { name: first, address: [ 192.0.2.3 ], key-file: copy.key }\n" HUB2 HUB(USUAL));
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	load(PEERS HUB2 HUB(USUAL));
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_STRING_EQUAL(p->last_error, "");
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(p->state, PEER_UP);

	/* The same of one that dials us. */
	load(PEERS HUB2 HUB("key-file: a.key"));
	load(PEERS "- { name: first, key-file: copy.key }\n" HUB2 HUB("key-file: a.key"));
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	load(PEERS HUB2 HUB("key-file: a.key"));
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_TRUE(script_end());
}

/* A configuration of more peers than there are slots, once those that are still named are counted. */
static void test_no_free_slot(void)
{
	static char names[MPGATE_MAX_PEERS][8];
	static struct cfg_peer peers[MPGATE_MAX_PEERS];
	static uint16_t slots[MPGATE_MAX_PEERS], again[MPGATE_MAX_PEERS];
	const struct config all = { .peers = peers, .peer_count = MPGATE_MAX_PEERS };
	struct cfg_error err = { "" };
	struct peer *p;

	start(PEERS HUB2);
	for (unsigned i = 0; i < MPGATE_MAX_PEERS; i++) {
		snprintf(names[i], sizeof(names[i]), "p%u", i);
		peers[i] = (struct cfg_peer){ .name = names[i], .same_key = -1 };
	}
	CU_ASSERT_EQUAL(peers_assign(&script.s, &all, slots, &err), -E2BIG);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no room for another peer of 4096"));
	CU_ASSERT_PTR_NOT_NULL(script_peer("p4094"));
	peers_settle(&script.s);
	CU_ASSERT_PTR_NULL(script_peer("p0"));
	CU_ASSERT_PTR_NULL(script_peer("p4094"));
	CU_ASSERT_EQUAL(script_peer("hub2")->state, PEER_UP);
	peers[MPGATE_MAX_PEERS - 1].name = (char *)"hub2";
	CU_ASSERT_EQUAL(peers_assign(&script.s, &all, slots, &err), 0);
	CU_ASSERT_EQUAL(peers_assign(&script.s, &all, again, &err), 0);
	CU_ASSERT_EQUAL(memcmp(slots, again, sizeof(slots)), 0);
	p = script_peer("hub2");
	CU_ASSERT_EQUAL(slots[MPGATE_MAX_PEERS - 1], p->slot);
	peers_settle(&script.s);
	CU_ASSERT_TRUE(script_end());
}

/* Nothing has changed when a key cannot be read. */
static void test_missing_key(void)
{
	static const char text[] = PEERS HUB2 "- { name: new, address: [ 192.0.2.7 ], key-file: c.key }\n"
					      "- { name: hub, address: [ 192.0.2.8 ], key-file: d.key }\n";
	const struct peer *hub, *hub2;
	uint16_t slots[3];
	struct cfg_error err = { "" };
	struct config *cfg;
	struct subkey send;

	CU_ASSERT_EQUAL_FATAL(key_file_create("c.key") || key_file_create("d.key"), 0);
	start(PEERS HUB(USUAL) HUB2);
	hub = script_peer("hub");
	hub2 = script_peer("hub2");
	send = hub->send;
	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	unlink("d.key"); /* between the two times that it is read */
	CU_ASSERT_EQUAL(peers_assign(&script.s, cfg, slots, &err), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "d.key: No such file"));
	peers_settle(&script.s);
	config_free(cfg);
	unlink("c.key");
	CU_ASSERT_PTR_NULL(script_peer("new"));
	CU_ASSERT_PTR_EQUAL(script_peer("hub"), hub);
	CU_ASSERT_EQUAL(memcmp(&hub->send, &send, sizeof(send)), 0);
	CU_ASSERT_EQUAL(hub->state, PEER_UP);
	CU_ASSERT_EQUAL(hub2->state, PEER_UP);
	CU_ASSERT_EQUAL(hub->address_count, 2);
	CU_ASSERT_EQUAL(script.s.probes, 0);
	/* Nor later. */
	load(PEERS HUB(USUAL) HUB2);
	CU_ASSERT_EQUAL(hub->state, PEER_UP);
	CU_ASSERT_TRUE(script_end());
}

/* What a reload takes does not count as the time of a probe. */
static void test_time_of_a_reload(void)
{
	start(PEERS HUB(USUAL));
	loop_busy(5000);
	load(PEERS HUB(USUAL) HUB2);
	CU_ASSERT_EQUAL(script_probe("hub2", 0, "wan0")->begun, LOOP_START + 5000);
	CU_ASSERT_EQUAL(script_probe("hub2", 0, "wan0")->patience, 5000);
	CU_ASSERT_TRUE(script_end());
}

/* One way more than one: it need not be waited for so long. */
static void test_patience(void)
{
	start(PEERS HUB(USUAL));
	loop_pass(HEALTH_IDLE_MS);
	CU_ASSERT_EQUAL(script_probe("hub", 0, "wan0")->patience, HEALTH_PATIENCE_MS);
	CU_ASSERT_TRUE(script_end());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the same peer keeps what is known", test_kept },
		{ "with another key, address or port it is another one", test_another_one },
		{ "with another dialect it is the same", test_another_dialect },
		{ "removed, and its slot used again", test_removed },
		{ "left out", test_left_out },
		{ "no free slot", test_no_free_slot },
		{ "a key that cannot be read", test_missing_key },
		{ "the time that a reload takes", test_time_of_a_reload },
		{ "how long probes are waited for", test_patience },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("peers over reloads", tests);
}
