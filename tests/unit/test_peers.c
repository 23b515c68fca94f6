// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/peers.c user/mpgated/supervisor/slots.c user/mpgated/supervisor/groups.c
// SOURCES: user/mpgated/supervisor/parked.c user/mpgated/supervisor/health.c user/mpgated/supervisor/ways.c
// SOURCES: tests/unit/peers_script.c tests/unit/loop.c
/* Peers and their ways: what probes find, and what steer, the workers and the paths are told of it. */
#include "config_test.h"
#include "loop.h"
#include "peers_script.h"

#define LINKS2 LINKS "- { name: wan1, role: path }\n"
#define HUB "- { name: hub, address: [ 192.0.2.1 ], key-file: a.key }\n"
#define HUB2 "- { name: hub2, address: [ 192.0.2.2 ], key-file: b.key }\n"
#define MOST 256U /* probes at a time */
#define CROWD_MS 200

static const struct mpgate_addr nowhere;

/* A hub over two paths, where nothing is known yet. */
static struct peer *new_hub(void)
{
	script_new(LINKS2);
	script_link("wan0", "10.0.0.1", NULL, 100);
	script_link("wan1", "10.1.0.1", NULL, 200);
	CU_ASSERT_FATAL(script_load(LINKS2 "peers:\n" HUB, NULL));
	loop_pass(0);
	return script_peer("hub");
}

static struct peer *good_hub(void)
{
	struct peer *p = new_hub();

	script_all_end(&script_good);
	return p;
}

static struct peer_shared *shared(const struct peer *p)
{
	return &script.s.shm->peers[p->slot];
}

static bool leaves_from(const struct peer *p, unsigned address, const char *text)
{
	struct mpgate_addr a = nowhere;

	CU_ASSERT(!*text || addr_parse(text, &a) == 0);
	return !memcmp(&shared(p)->from[address], &a, sizeof(a));
}

static void test_up_and_down(void)
{
	struct peer *p = new_hub();

	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_FALSE(script.steer[p->slot].up);
	CU_ASSERT_EQUAL(script.s.probes, 2);
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan0", &script_silent));
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN); /* the other one may answer */
	CU_ASSERT_STRING_EQUAL(script.joins, "");
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan1", &script_joins));
	CU_ASSERT_STRING_EQUAL(script.joins, "192.0.2.1:8803");
	CU_ASSERT_TRUE(script.announces);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_STRING_EQUAL(p->last_error, "");
	/* No second path yet for copies of requests, which are not for who shares its address. */
	CU_ASSERT_EQUAL(shared(p)->late_ms[0], 0);
	CU_ASSERT_EQUAL(shared(p)->others, 1);
	loop_pass(HEALTH_PAUSE_MS);
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan0", &script_good));
	CU_ASSERT_TRUE(leaves_from(p, 0, ""));
	CU_ASSERT_TRUE(shared(p)->late_ms[0] >= HEALTH_LATE_MS);
	CU_ASSERT_EQUAL(memcmp(&shared(p)->second[0], &nowhere, sizeof(nowhere)) != 0, true);

	loop_pass(HEALTH_IDLE_MS);
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan0", &script_silent));
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan1", &script_silent));
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_FALSE(script.steer[p->slot].up);
	CU_ASSERT_STRING_EQUAL(p->last_error, "silent");

	loop_pass(HEALTH_BACKOFF_MAX_MS);
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan1", &script_good));
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_STRING_EQUAL(p->last_error, "");
	/* It stays, with its time; so does what a connection met. */
	CU_ASSERT_STRING_EQUAL(p->past_error, "silent");
	CU_ASSERT_EQUAL(p->erred + HEALTH_BACKOFF_MAX_MS, uv_now(&script.s.loop));
	peers_note_error(&script.s, p->slot, TROUBLE_REFUSED, "refused");
	CU_ASSERT_EQUAL(p->past_trouble, TROUBLE_REFUSED);
	CU_ASSERT_STRING_EQUAL(p->past_error, "refused");
	CU_ASSERT_EQUAL(p->erred, uv_now(&script.s.loop));
	CU_ASSERT_STRING_EQUAL(p->last_error, "");
	peers_note_error(&script.s, p->slot + 1, TROUBLE_SILENT, "nobody");
	CU_ASSERT_STRING_EQUAL(p->past_error, "refused");
	CU_ASSERT_TRUE(script_end());
}

/* The way of a probe in health, as "address link". */
static const char *way_name(const struct peer *p, unsigned way)
{
	static char text[32];

	snprintf(text, sizeof(text), "%u%s %s", p->health.way[way].address, p->health.way[way].path.v6 ? "/6" : "/4",
		 p->health.way[way].path.name);
	return text;
}

/* By address; primary paths first, then as the main table prefers them, then in the file's order. */
static void test_ways(void)
{
	static const char text[] = LINKS2 "- { name: wan2, role: path, use: backup }\n"
					  "- { name: wan3, role: path }\n"
					  "peers: [ { name: hub, address: [ 192.0.2.1, 2001:db8::1 ], "
					  "key-file: a.key } ]\n";
	static const char *const all[] = { "0/4 wan1", "0/4 wan0", "0/4 wan3", "0/4 wan2", "1/6 wan3" };
	const struct peer *p;

	script_new(LINKS2);
	script_link("lan0", "10.9.0.1", "2001:db8:9::1", 1);
	script_link("wan0", "10.0.0.1", NULL, 200);
	script_link("wan1", "10.1.0.1", NULL, 100);
	script_link("wan2", "10.2.0.1", NULL, 1)->backup = true;
	script_link("wan3", "10.3.0.1", "2001:db8:3::1", 200);
	CU_ASSERT_FATAL(script_load(text, NULL));
	p = script_peer("hub");
	CU_ASSERT_EQUAL_FATAL(p->health.count, COUNT(all));
	for (unsigned i = 0; i < COUNT(all); i++)
		CU_ASSERT_STRING_EQUAL(way_name(p, i), all[i]);
	CU_ASSERT_STRING_EQUAL(script.s.main_path[0].name, "wan2");
	CU_ASSERT_STRING_EQUAL(script.s.main_path[1].name, "wan3");

	/* None of that family is left: the default route, whatever that is. */
	script_link("wan3", "10.3.0.1", NULL, 200);
	peers_paths_changed(&script.s);
	CU_ASSERT_STRING_EQUAL(way_name(p, 4), "1/6 ");
	CU_ASSERT_STRING_EQUAL(script.s.main_path[1].name, "");
	CU_ASSERT_PTR_NOT_NULL(script_probe("hub", 1, ""));
	CU_ASSERT_TRUE(script_end());
}

static void test_links_that_come_and_go(void)
{
	struct peer *p = new_hub();
	struct probe *lost;

	script_ends("hub", 0, "wan1", &script_good);
	lost = script_probe("hub", 0, "wan0");
	script_link("wan0", NULL, NULL, UINT32_MAX);
	peers_paths_changed(&script.s);
	CU_ASSERT_EQUAL(p->health.count, 1);
	CU_ASSERT_PTR_EQUAL(p->probes, lost); /* it goes on, and says nothing: */
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan0", &script_silent));
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_EQUAL(p->health.way[0].state, HEALTH_UP);
	CU_ASSERT_EQUAL(script.s.probes, 0);

	/* With another address it is another way. */
	script_link("wan0", "10.0.0.2", NULL, 100);
	peers_paths_changed(&script.s);
	CU_ASSERT_EQUAL(p->health.count, 2);
	CU_ASSERT_PTR_NOT_NULL(script_probe("hub", 0, "wan0"));
	CU_ASSERT_PTR_NULL(script_probe("hub", 0, "wan1"));
	CU_ASSERT_EQUAL(p->health.way[1].state, HEALTH_UP);
	/* What that one was the last to find. */
	script_link("wan1", "10.1.0.1", NULL, 200);
	script.link[1].up = false;
	peers_paths_changed(&script.s);
	CU_ASSERT_EQUAL(p->health.count, 1);
	CU_ASSERT_TRUE(script_ends("hub", 0, "wan0", &script_silent));
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_TRUE(script_end());
}

/* Time passes, and every probe is answered soon. */
static void pass_answered(unsigned ms)
{
	for (unsigned i = 0; i < ms / 100; i++) {
		loop_pass(100);
		script_all_end(&script_good);
	}
}

/* Where this machine has no port left, the peer is not to blame, for so long. Any other failure is that of the way. */
static void test_shortage(void)
{
	struct peer *p = good_hub();

	script.fails = EADDRNOTAVAIL;
	loop_pass(HEALTH_IDLE_MS);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_STRING_EQUAL(p->last_error, strerror(EADDRNOTAVAIL));
	loop_pass((HEALTH_PUT_OFF - 1) * HEALTH_PAUSE_MS);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	loop_pass(HEALTH_PAUSE_MS);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);

	script.fails = 0;
	pass_answered(HEALTH_BACKOFF_MAX_MS);
	script.fails = ENETUNREACH;
	loop_pass(HEALTH_IDLE_MS);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_STRING_EQUAL(p->last_error, strerror(ENETUNREACH));
	CU_ASSERT_EQUAL(p->last_trouble, TROUBLE_UNREACHABLE);
	CU_ASSERT_EQUAL(p->past_trouble, TROUBLE_UNREACHABLE);
	CU_ASSERT_TRUE(script_end());
}

static void test_suspect(void)
{
	struct peer *p = good_hub();

	loop_pass(2 * HEALTH_PAUSE_MS);
	CU_ASSERT_EQUAL(script.s.probes, 0);
	peers_suspect(&script.s, p->slot + 1, false);
	peers_suspect(&script.s, MPGATE_MAX_PEERS, false);
	CU_ASSERT_EQUAL(script.s.probes, 0);
	peers_suspect(&script.s, p->slot, false);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_EQUAL(script.s.probes, 2);
	script_all_end(&script_silent);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_TRUE(script_end());
}

/* Probes that a minute takes, as long as all are answered at once. */
static unsigned probes_a_minute(void (*use)(struct peer *p), struct peer *p)
{
	unsigned before = script.begun;

	for (unsigned i = 0; i < 60000 / 100; i++) {
		if (use)
			use(p);
		loop_pass(100);
		script_all_end(&script_good);
	}
	return script.begun - before;
}

static void dial(struct peer *p)
{
	shared(p)->used = 1;
}

static void test_in_use(void)
{
	struct peer *p = good_hub();
	unsigned busy = 60000 / HEALTH_BUSY_MS + 60000 / HEALTH_SPARE_MS, idle = 2 * (60000 / HEALTH_IDLE_MS), n;

	CU_ASSERT_EQUAL(probes_a_minute(NULL, p), idle);
	n = probes_a_minute(dial, p);
	CU_ASSERT(n >= busy - 4 && n <= busy);
	CU_ASSERT_EQUAL(shared(p)->used, 0);
	pass_answered(HEALTH_USE_MS);
	n = probes_a_minute(NULL, p);
	CU_ASSERT(n <= idle);
	/* A connection that lives is use, too. */
	script.s.shm->relayed[SCRIPT_WORKERS - 1][p->slot] = 1;
	pass_answered(HEALTH_BUSY_MS);
	n = probes_a_minute(NULL, p);
	CU_ASSERT(n >= busy - 4 && n <= busy);
	/* Of a worker that is none. */
	script.s.shm->relayed[SCRIPT_WORKERS - 1][p->slot] = 0;
	script.s.shm->relayed[SCRIPT_WORKERS][p->slot] = 1;
	pass_answered(HEALTH_USE_MS + HEALTH_BUSY_MS);
	CU_ASSERT(probes_a_minute(NULL, p) <= idle);
	CU_ASSERT_TRUE(script_end());
}

/* One peer that answers is enough for a path to be alive; when no peer does, it is dead. */
static void test_paths(void)
{
	const unsigned wan0 = 1, wan1 = 2;

	script_new(LINKS2);
	script_link("lan0", "10.9.0.1", NULL, 100);
	script_link("wan0", "10.0.0.1", "2001:db8::2", 100);
	script_link("wan1", "10.1.0.1", NULL, 200);
	CU_ASSERT_FATAL(script_load(LINKS2 "peers:\n" HUB HUB2, NULL));
	loop_pass(1000);
	CU_ASSERT_EQUAL(script.told[wan0][0], PATHS_UNKNOWN);
	script_ends("hub2", 0, "wan0", &script_good);
	script_ends("hub", 0, "wan0", &script_silent);
	script_ends("hub", 0, "wan1", &script_silent);
	CU_ASSERT_EQUAL(script.told[wan0][0], PATHS_UNKNOWN); /* within a second */
	loop_pass(1000);
	CU_ASSERT_EQUAL(script.told[wan0][0], PATHS_ALIVE);
	CU_ASSERT_EQUAL(script.told[wan0][1], PATHS_UNKNOWN); /* no peer has an IPv6 address */
	CU_ASSERT_EQUAL(script.told[wan1][0], PATHS_DEAD); /* by the only one that tells */
	CU_ASSERT_EQUAL(script.told[0][0], PATHS_UNKNOWN);
	CU_ASSERT_EQUAL(peers_path_health(&script.s, wan0, false), HEALTH_UP);
	CU_ASSERT_EQUAL(peers_path_health(&script.s, 0, false), HEALTH_UNKNOWN);
	loop_pass(HEALTH_IDLE_MS);
	/* That it turned is told at once: it may be back before the second is over. */
	script_ends("hub", 0, "wan0", &script_silent);
	CU_ASSERT_EQUAL(script.told[wan0][0], PATHS_ALIVE);
	script_ends("hub2", 0, "wan0", &script_silent);
	CU_ASSERT_EQUAL(script.told[wan0][0], PATHS_DEAD);
	loop_pass(HEALTH_PAUSE_MS);
	script_ends("hub2", 0, "wan0", &script_good);
	CU_ASSERT_EQUAL(script.told[wan0][0], PATHS_ALIVE);
	CU_ASSERT_TRUE(script_end());
}

/* With the last peer that was probed goes what it said: nobody would find out that a dead path is alive again. */
static void test_paths_without_peers(void)
{
	static const char *const without[] = { LINKS2, LINKS2 "peers:\n- { name: gateway, key-file: b.key }\n" };

	for (unsigned i = 0; i < COUNT(without); i++) {
		new_hub();
		script_all_end(&script_silent);
		loop_pass(1000);
		CU_ASSERT_EQUAL(script.told[1][0], PATHS_DEAD);
		CU_ASSERT_FATAL(script_load(without[i], NULL));
		loop_pass(1000);
		CU_ASSERT_EQUAL(script.told[1][0], PATHS_UNKNOWN);
		CU_ASSERT_TRUE(script_end());
	}
}

/* Binding costs a port on some kernels: there the way that the kernel takes by itself is left to it. */
static void test_source_of_workers(void)
{
	struct peer *p = good_hub();

	CU_ASSERT_TRUE(leaves_from(p, 0, ""));
	loop_pass(HEALTH_IDLE_MS);
	script_ends("hub", 0, "wan0", &script_silent);
	CU_ASSERT_TRUE(leaves_from(p, 0, "10.1.0.1"));
	script_ends("hub", 0, "wan1", &script_silent);
	CU_ASSERT_TRUE(leaves_from(p, 0, ""));
	CU_ASSERT_TRUE(script_end());

	p = new_hub();
	script.s.features[FEATURE_NO_PORT] = true;
	script_all_end(&script_good);
	CU_ASSERT_TRUE(leaves_from(p, 0, "10.0.0.1"));
	CU_ASSERT_TRUE(script_end());
}

/* The best address that answers is dialed first. */
static void test_address_of_workers(void)
{
	struct peer *p;

	script_new(LINKS2);
	script_link("wan0", "10.0.0.1", "2001:db8:1::1", 100);
	CU_ASSERT_FATAL(script_load(LINKS2 "peers: [ { name: hub, address: [ 192.0.2.1, 2001:db8::1 ], "
					   "key-file: a.key } ]\n",
				    NULL));
	p = script_peer("hub");
	script.s.features[FEATURE_NO_PORT] = true;
	script_ends("hub", 0, "wan0", &script_silent);
	script_ends("hub", 1, "wan0", &script_good);
	CU_ASSERT_EQUAL(shared(p)->address, 1);
	CU_ASSERT_TRUE(leaves_from(p, 0, ""));
	CU_ASSERT_TRUE(leaves_from(p, 1, "2001:db8:1::1"));
	/* When none does, nobody dials. */
	loop_pass(HEALTH_IDLE_MS);
	script_all_end(&script_silent);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_EQUAL(shared(p)->address, 1);
	loop_pass(HEALTH_BACKOFF_MAX_MS);
	script_ends("hub", 0, "wan0", &script_good);
	CU_ASSERT_EQUAL(shared(p)->address, 0);
	CU_ASSERT_TRUE(script_end());
}

static void probes_without_syn_data(const char *path)
{
	for (unsigned i = 0; i < HEALTH_SYN_DATA_LOST; i++) {
		loop_pass(i ? HEALTH_PAUSE_MS : 0);
		script_ends("hub", 0, path, &script_no_syn_data);
	}
}

/* Workers may have learned more since: only a probe of the way that they take says how SYN data fares. */
static void test_syn_data_of_workers(void)
{
	struct peer *p = new_hub();

	script_ends("hub", 0, "wan0", &script_good);
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_YES);
	shared(p)->syn_data = SYN_DATA_NO; /* by a worker */
	script_ends("hub", 0, "wan1", &script_good);
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_NO);
	loop_pass(HEALTH_IDLE_MS);
	probes_without_syn_data("wan1");
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_NO);
	script_ends("hub", 0, "wan0", &script_good);
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_YES);
	shared(p)->syn_data = SYN_DATA_NO;
	loop_pass(HEALTH_IDLE_MS);
	script_ends("hub", 0, "wan0", &script_no_syn_data); /* which may have been chance */
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_NO);
	loop_pass(HEALTH_PAUSE_MS);
	script_ends("hub", 0, "wan0", &script_good);
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_YES);
	/* Another way is taken: what is known of that one. */
	loop_pass(HEALTH_IDLE_MS);
	script_ends("hub", 0, "wan0", &script_silent);
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_NO);
	CU_ASSERT_TRUE(script_end());
}

/* Ways are told apart by what they are, not by their place, which changes with the links. */
static void test_syn_data_when_links_change(void)
{
	struct peer *p = new_hub();

	script_ends("hub", 0, "wan0", &script_good);
	probes_without_syn_data("wan1");
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_YES);
	script_link("wan0", NULL, NULL, UINT32_MAX);
	peers_paths_changed(&script.s);
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_NO); /* wan1 */
	shared(p)->syn_data = SYN_DATA_YES; /* by a worker */
	script_link("wan0", "10.0.0.1", NULL, 100);
	peers_paths_changed(&script.s);
	CU_ASSERT_EQUAL(shared(p)->syn_data, SYN_DATA_YES); /* still wan1 */
	CU_ASSERT_TRUE(script_end());
}

/* More probes at a time than that wait until others have ended. */
static void test_crowd(void)
{
	static char text[8192];
	const unsigned all = 20 * HEALTH_WAYS;
	char *at = stpcpy(text, LINKS2 "- { name: wan2, role: path }\n- { name: wan3, role: path }\npeers:\n");

	for (unsigned i = 0; i < 20; i++)
		at += sprintf(
			at,
			"- { name: p%u, address: [ 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4 ], dialect: rfc8803 }\n",
			i);
	script_new(LINKS2);
	script_link("wan0", "10.0.0.1", NULL, 100);
	script_link("wan1", "10.1.0.1", NULL, 200);
	script_link("wan2", "10.2.0.1", NULL, 200);
	script_link("wan3", "10.3.0.1", NULL, 200);
	CU_ASSERT_FATAL(script_load(text, NULL));
	CU_ASSERT_EQUAL(script.begun, MOST);
	loop_pass(10 * CROWD_MS);
	CU_ASSERT_EQUAL(script.begun, MOST);
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_TRUE(script_ends("p0", i, "wan0", &script_good));
	loop_pass(CROWD_MS);
	CU_ASSERT_EQUAL(script.s.probes, MOST);
	script_all_end(&script_good);
	loop_pass(CROWD_MS);
	CU_ASSERT_EQUAL(script.begun, all);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(script.s.probes, 0);
	CU_ASSERT_EQUAL(script_peer("p19")->state, PEER_UP);
	CU_ASSERT_TRUE(script_end());
}

/* Whether it is on the path nobody can ask: its rules always hold, and its SYNs get a tag while it has that mode. */
static void test_transparent(void)
{
	static const char *const text[] = {
		LINKS2 "peers:\n- { name: way, mode: transparent, key-file: a.key }\n",
		LINKS2 "peers:\n- { name: way, key-file: a.key }\n",
		LINKS2 "peers:\n- { name: other, key-file: b.key }\n",
	};
	struct peer *p;

	script_new(LINKS2);
	script_link("wan0", "10.0.0.1", NULL, 100);
	CU_ASSERT_FATAL(script_load(text[0], NULL));
	p = script_peer("way");
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_EQUAL(script.tag_key[p->slot], p->send.id);
	CU_ASSERT_EQUAL(script.s.probes, 0);
	/* Another mode is another peer. */
	CU_ASSERT_FATAL(script_load(text[1], NULL));
	CU_ASSERT_EQUAL(script.tag_key[p->slot], 0);
	CU_ASSERT_FALSE(script.steer[p->slot].up);
	CU_ASSERT_FATAL(script_load(text[0], NULL));
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_FATAL(script_load(text[2], NULL));
	CU_ASSERT_EQUAL(script.tag_key[p->slot], 0);
	CU_ASSERT_TRUE(script_end());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "up, down, up", test_up_and_down },
		{ "ways and their order", test_ways },
		{ "links that come and go", test_links_that_come_and_go },
		{ "a shortage is no verdict", test_shortage },
		{ "a peer that is suspect is probed", test_suspect },
		{ "in use it is probed more often", test_in_use },
		{ "what all peers say of a path", test_paths },
		{ "a path of which no peer says anything any more", test_paths_without_peers },
		{ "where workers' connections leave from", test_source_of_workers },
		{ "which address workers dial", test_address_of_workers },
		{ "data in SYNs, by probes and by workers", test_syn_data_of_workers },
		{ "data in SYNs when links change", test_syn_data_when_links_change },
		{ "more probes than there may be", test_crowd },
		{ "on the path", test_transparent },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("peers", tests);
}
