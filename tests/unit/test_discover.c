// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/discover.c user/mpgated/supervisor/peers.c user/mpgated/supervisor/slots.c
// SOURCES: user/mpgated/supervisor/groups.c user/mpgated/supervisor/parked.c user/mpgated/supervisor/ways.c
// SOURCES: user/mpgated/supervisor/health.c user/mpgated/ipc/message.c
// SOURCES: tests/unit/peers_script.c tests/unit/loop.c
/*
 * Peers by domain or DHCP: the test is the process that asks, over a socket pair, by the clock of loop.h. What is asked
 * when, what an answer makes of a peer, and that one which lies is ended.
 */
#include <sys/socket.h>

#include <mpgated/ipc/message.h>
#include <mpgated/supervisor/cgroup.h>

#include "config_test.h"
#include "loop.h"
#include "peers_script.h"

#define HUB "- { name: hub, domain: operator.example, key-file: a.key }\n"
#define HUB2 "- { name: hub2, domain: second.example, key-file: b.key }\n"
#define PEERS LINKS "peers:\n"

static struct {
	int socket; /* of the process, -1: it does not run */
	bool open;
	const char *killed; /* why */
	unsigned changes;
	unsigned option, seen; /* bytes of it, each its length */
} told;

/* --- what discover.c calls */
void child_init(struct child *c, uv_loop_t *l, const struct child_kind *kind, unsigned index)
{
	*c = (struct child){ .kind = kind, .loop = l, .index = index, .socket = -1 };
}

int child_start(struct child *c)
{
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	c->socket = pair[0];
	told.socket = pair[1];
	c->pid = 1 << 30; /* nobody's */
	return c->kind->begin(c);
}

void child_kill(struct child *c, const char *why)
{
	told.killed = why;
	c->ending = true;
}

void child_listen(struct child *c, bool on)
{
	(void)c;
	(void)on;
}

void child_reap(struct child *c)
{
	c->pid = 0;
}

void child_stop(struct child *c)
{
	c->stopping = true;
	if (c->socket >= 0)
		close(c->socket);
	if (told.socket >= 0)
		close(told.socket);
	c->socket = told.socket = -1;
	c->pid = 0;
}

int cgroup_add(int fd, pid_t pid)
{
	(void)fd;
	(void)pid;
	return 0;
}

void file_stat(const char *path, struct stat *out)
{
	(void)path;
	memset(out, 0, sizeof(*out));
	out->st_ino = 1;
}

bool dhcp_option_look(struct dhcp_option *o, const char *instance)
{
	bool differs = told.seen != told.option;

	(void)instance;
	if (!differs)
		return false;
	told.seen = o->len = told.option;
	memset(o->data, (int)told.option, told.option);
	return differs;
}

static void readdress(struct supervisor *s, unsigned cfg_index)
{
	told.changes++;
	peers_readdress(s, cfg_index);
}

/* --- the test's part */
static struct discover *discover(void)
{
	return &script.s.discover;
}

/* The process ends, and another one begins. */
static void start_again(void)
{
	close(discover()->child.socket);
	close(told.socket);
	discover()->child.ending = false;
	told.killed = NULL;
	CU_ASSERT_EQUAL(child_start(&discover()->child), 0);
}

static void load(const char *text)
{
	struct cfg_error err = { "" };
	bool good = script_load(text, &err);

	if (!good)
		printf("%s\n", err.text);
	CU_ASSERT_FATAL(good);
	discover_fill(&script.s, script.s.cfg, script.s.peer_slot);
	peers_commit(&script.s);
	peers_settle(&script.s);
	discover_settle(&script.s);
}

static void start(const char *peers)
{
	memset(&told, 0, sizeof(told));
	told.socket = -1;
	script_new(LINKS);
	script.s.cgroup_fd = -1;
	script.s.discover.changed = readdress;
	script_link("wan0", "10.0.0.1", "2001:db8:1::1", 100);
	load(peers);
}

static bool ends(void)
{
	discover_close(discover());
	return script_end();
}

static bool next_question(struct resolve_question *q)
{
	struct resolve_start first;
	unsigned n;

	/* The first packet says with which seed to begin. */
	if (recv(told.socket, q, sizeof(*q), MSG_DONTWAIT | MSG_PEEK) == sizeof(first))
		packet_receive(told.socket, &first, sizeof(first), NULL, 0, &n, MSG_DONTWAIT);
	return packet_receive(told.socket, q, sizeof(*q), NULL, 0, &n, MSG_DONTWAIT) == 1;
}

static struct resolve_answer found(const struct resolve_question *q, const char *a, const char *b)
{
	struct resolve_answer r = {
		.slot = q->slot, .number = q->number, .ttl = 600, .port = 8803, .count = b ? 2 : 1
	};

	CU_ASSERT_EQUAL(addr_parse(a, &r.address[0]), 0);
	CU_ASSERT(!b || addr_parse(b, &r.address[1]) == 0);
	return r;
}

static void say(const struct resolve_answer *r)
{
	CU_ASSERT_EQUAL(packet_send(told.socket, r, sizeof(*r), NULL, 0), 0);
	discover()->child.kind->readable(&discover()->child);
}

/* The question that is open gets that answer. */
static void answer(const char *a, const char *b)
{
	struct resolve_question q;
	struct resolve_answer r;

	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, a, b);
	say(&r);
}

static void answer_failure(enum resolve_result result)
{
	struct resolve_question q;
	struct resolve_answer r;

	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = (struct resolve_answer){ .slot = q.slot, .number = q.number, .result = result };
	say(&r);
}

static const struct discovered *hub(void)
{
	return discover_get(&script.s, script_peer("hub")->slot);
}

static void test_found(void)
{
	struct resolve_question q;
	struct peer *p;

	start(PEERS HUB);
	p = script_peer("hub");
	CU_ASSERT_EQUAL(p->address_count, 0);
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_EQUAL(script.s.probes, 0);
	CU_ASSERT_STRING_EQUAL(discover_error(discover(), hub()), "");
	answer("192.0.2.1", "2001:db8::1");
	CU_ASSERT_EQUAL(p->address_count, 2);
	CU_ASSERT_EQUAL(p->port[0], htons(8803));
	CU_ASSERT_EQUAL(script.s.cfg->peers[0].address_count, 2);
	CU_ASSERT_EQUAL(told.changes, 1);
	CU_ASSERT_EQUAL(script.s.probes, 2);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	/* The same again changes nothing; not before its time is over. */
	loop_pass(599000);
	CU_ASSERT_FALSE(next_question(&q));
	loop_pass(2000);
	answer("192.0.2.1", "2001:db8::1");
	CU_ASSERT_EQUAL(told.changes, 1);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_PTR_NULL(told.killed);
	CU_ASSERT_TRUE(ends());
}

static void test_other_addresses(void)
{
	struct peer *p;
	struct resolve_question q;
	struct resolve_answer r;

	start(PEERS HUB);
	p = script_peer("hub");
	answer("192.0.2.1", "192.0.2.2");
	script_all_end(&script_good);
	script.s.shm->peers[p->slot].clock = 77;
	loop_pass(600000);
	/* One stays, at another place: it is as it was, even with a probe under way. */
	answer("192.0.2.3", "192.0.2.1");
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].address, 1);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].clock, 77);
	CU_ASSERT_EQUAL_FATAL(p->health.count, 2);
	CU_ASSERT_EQUAL(p->health.way[0].state, HEALTH_UNKNOWN);
	CU_ASSERT_EQUAL(p->health.way[1].state, HEALTH_UP);
	CU_ASSERT_EQUAL(p->health.way[1].address, 1);
	CU_ASSERT_PTR_NOT_NULL(script_probe("hub", 0, "wan0"));
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].address, 0);
	/* None stays, or another port: nothing is known of that one. */
	loop_pass(600000);
	script_all_end(&script_good);
	answer("192.0.2.4", NULL);
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].clock, 0);
	script_all_end(&script_good);
	loop_pass(600000);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.4", NULL);
	r.port = 9000;
	say(&r);
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_EQUAL(p->port[0], htons(9000));
	CU_ASSERT_TRUE(ends());
}

/* Its other ports are at the addresses that are found, and what is known of them stays as theirs. */
static void test_other_ports(void)
{
	struct resolve_question q;
	struct resolve_answer r;
	struct peer *p;

	start(PEERS "- { name: hub, domain: hub.example, ports: [ 443 ], key-file: a.key }\n");
	p = script_peer("hub");
	answer("192.0.2.1", "192.0.2.2");
	CU_ASSERT_EQUAL(p->address_count, 4);
	CU_ASSERT_EQUAL(p->own_count, 2);
	CU_ASSERT_EQUAL(p->port[1], htons(8803));
	CU_ASSERT_EQUAL(p->port[3], htons(443));
	CU_ASSERT_EQUAL(memcmp(&p->address[3], &p->address[1], sizeof(p->address[1])), 0);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	loop_pass(601000);
	script_all_end(&script_good);
	p->health.way[3].rtt_us = 4242; /* the second address at the other port */
	answer("192.0.2.2", NULL);
	CU_ASSERT_EQUAL(p->address_count, 2);
	CU_ASSERT_EQUAL(p->port[1], htons(443));
	CU_ASSERT_EQUAL(p->health.way[1].rtt_us, 4242);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	script_all_end(&script_good);
	loop_pass(601000);
	script_all_end(&script_good);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.2", NULL);
	r.port = 443;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 1); /* which is no other port then */
	CU_ASSERT_EQUAL(p->port[0], htons(443));
	CU_ASSERT_TRUE(ends());
}

static void test_no_use(void)
{
	struct resolve_question q;
	struct peer *p;

	start(PEERS HUB);
	p = script_peer("hub");
	answer("192.0.2.1", NULL);
	script_all_end(&script_good);
	for (unsigned i = RESOLVE_NO_RECORD; i < RESOLVE_RESULTS; i++) {
		loop_pass(i == RESOLVE_NO_RECORD ? 601000 : DISCOVER_BACKOFF_MAX_MS);
		script_all_end(&script_good);
		answer_failure((enum resolve_result)i);
		CU_ASSERT_EQUAL(p->address_count, 1);
		CU_ASSERT_EQUAL(p->state, PEER_UP);
		CU_ASSERT_STRING_NOT_EQUAL(discover_error(discover(), hub()), "");
	}
	/* Later and later. */
	loop_pass((DISCOVER_BACKOFF_MIN_MS << (RESOLVE_RESULTS - RESOLVE_NO_RECORD - 1)) - 1000);
	CU_ASSERT_FALSE(next_question(&q));
	loop_pass(2000);
	answer("192.0.2.1", NULL);
	CU_ASSERT_STRING_EQUAL(discover_error(discover(), hub()), "");
	CU_ASSERT_EQUAL(told.changes, 1);
	CU_ASSERT_TRUE(ends());
}

/* Some addresses, when others could not be asked for. */
static void test_in_part(void)
{
	struct resolve_question q;
	struct resolve_answer r;
	struct peer *p;

	start(PEERS HUB);
	p = script_peer("hub");
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.1", NULL);
	r.result = RESOLVE_IN_PART;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 1); /* better than none */
	script_all_end(&script_good);
	loop_pass(1000);
	answer("192.0.2.1", "192.0.2.2");
	script_all_end(&script_good);
	loop_pass(601000);
	script_all_end(&script_good);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.3", NULL);
	r.result = RESOLVE_IN_PART;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 2); /* those work */
	script_all_end(&script_silent);
	loop_pass(HEALTH_BACKOFF_MAX_MS);
	script_all_end(&script_silent);
	loop_pass(HEALTH_BACKOFF_MAX_MS);
	script_all_end(&script_silent);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.3", NULL);
	r.result = RESOLVE_IN_PART;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 1);
	CU_ASSERT_TRUE(ends());
}

static void test_ttl(void)
{
	static const struct {
		uint32_t ttl, taken;
	} cases[] = { { 0, DISCOVER_TTL_MIN }, { 31, 31 }, { UINT32_MAX, DISCOVER_TTL_MAX } };

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct resolve_question q;
		struct resolve_answer r;

		start(PEERS HUB);
		CU_ASSERT_TRUE_FATAL(next_question(&q));
		r = found(&q, "192.0.2.1", NULL);
		r.ttl = cases[i].ttl;
		say(&r);
		CU_ASSERT_EQUAL(hub()->next - uv_now(&script.s.loop), cases[i].taken * 1000ULL);
		CU_ASSERT_TRUE(ends());
	}
}

/* Addresses that are none of a peer's: what this machine has, what the pool has. */
static void test_ours(void)
{
	struct mpgate_addr local;

	start(LINKS "convert: { listen: [ \"::\" ], pool: [ 192.0.2.64/26 ] }\npeers:\n" HUB);
	CU_ASSERT_EQUAL(addr_parse("10.0.0.1", &local), 0);
	script.s.local = &local;
	script.s.local_count = 1;
	answer("10.0.0.1", "192.0.2.65");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(discover_error(discover(), hub()), "no address that can be used"));
	loop_pass(1000);
	answer("10.0.0.1", "192.0.2.1");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	CU_ASSERT_TRUE(ends());
}

/* Over reloads, and over the end of the process. */
static void test_kept(void)
{
	struct resolve_question q;
	struct resolve_answer late;

	start(PEERS HUB);
	answer("192.0.2.1", NULL);
	script_all_end(&script_good);
	load(PEERS HUB2 HUB);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	/* The test's load() commits twice, the first time without what is known. */
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(script_peer("hub")->state, PEER_UP);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT_STRING_EQUAL(q.domain, "second.example");
	late = found(&q, "192.0.2.9", NULL);
	/* A question whose peer is gone has an answer that is nobody's; just one. */
	load(PEERS HUB);
	say(&late);
	CU_ASSERT_PTR_NULL(told.killed);
	say(&late);
	CU_ASSERT_PTR_NOT_NULL(told.killed);
	start_again();
	CU_ASSERT_FALSE(next_question(&q));
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	/* What was open is asked for again. */
	load(PEERS HUB HUB2);
	CU_ASSERT_TRUE(next_question(&q));
	start_again();
	CU_ASSERT_TRUE(next_question(&q));
	/* Another domain: nothing is known. */
	load(PEERS "- { name: hub, domain: other.example, key-file: a.key }\n");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	/* In the file: it is not asked for any more. */
	load(PEERS "- { name: hub, address: [ 192.0.2.7 ], key-file: a.key }\n");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	CU_ASSERT_PTR_NULL(discover_get(&script.s, script_peer("hub")->slot));
	CU_ASSERT_TRUE(ends());
}

/* When a path comes, DNS may be reached now. */
static void test_hurry(void)
{
	struct resolve_question q;

	start(PEERS HUB);
	for (unsigned i = 0; i < 8; i++) {
		answer_failure(RESOLVE_SILENT);
		loop_pass(DISCOVER_BACKOFF_MAX_MS + 1000);
	}
	answer_failure(RESOLVE_SILENT);
	loop_pass(2000);
	CU_ASSERT_FALSE(next_question(&q));
	discover_hurry(&script.s);
	loop_pass(1000);
	CU_ASSERT_TRUE(next_question(&q));
	/* One that never answers is ended. */
	loop_pass(119000);
	CU_ASSERT_PTR_NULL(told.killed);
	loop_pass(2000);
	CU_ASSERT_PTR_NOT_NULL(told.killed);
	CU_ASSERT_TRUE(ends());
}

static void test_dhcp(void)
{
	struct resolve_question q;
	struct resolve_answer late;

	start("dhcp: { enterprise: 32473 }\n" PEERS "- { name: hub, from: dhcp, key-file: a.key }\n");
	CU_ASSERT_FALSE(next_question(&q));
	CU_ASSERT_STRING_EQUAL(discover_error(discover(), hub()), "DHCP: no option has come yet");
	told.option = 7;
	loop_pass(1000);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT(q.enterprise == 32473 && !q.v6 && q.len == 7 && q.data[6] == 7);
	late = found(&q, "192.0.2.9", NULL);
	/* Another one while the answer is awaited, which is nobody's then. */
	told.option = 8;
	loop_pass(1000);
	say(&late);
	CU_ASSERT_PTR_NULL(told.killed);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	answer("192.0.2.1", NULL);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	/* One for others takes nothing: the one before is read again. */
	told.option = 9;
	loop_pass(1000);
	answer_failure(RESOLVE_NO_OPTION);
	loop_pass(1000);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT(q.len == 8 && q.data[7] == 8);
	late = found(&q, "192.0.2.1", NULL);
	say(&late);
	CU_ASSERT_EQUAL(hub()->result, RESOLVE_FOUND);
	CU_ASSERT_EQUAL(told.changes, 1);
	/* Read by another number. */
	load("dhcp: { enterprise: 1 }\n" PEERS "- { name: hub, from: dhcp, key-file: a.key }\n");
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT_EQUAL(q.enterprise, 1);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	CU_ASSERT_TRUE(ends());
}

static void test_lies(void)
{
	struct resolve_question q;
	struct resolve_answer good, r;

	start(PEERS HUB);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	good = found(&q, "192.0.2.1", "2001:db8::1");
	CU_ASSERT_PTR_NULL(discover_check(discover(), script.s.peer_slots, &good));
#define LIE(change)                                                                                                    \
	do {                                                                                                           \
		r = good;                                                                                              \
		change;                                                                                                \
		CU_ASSERT_PTR_NOT_NULL(discover_check(discover(), script.s.peer_slots, &r));                           \
	} while (0)
	LIE(r.slot = 1);
	LIE(r.slot = UINT32_MAX);
	LIE(r.number++);
	LIE(r.number = 0);
	LIE(r.result = RESOLVE_RESULTS);
	LIE(r.result = UINT32_MAX);
	LIE(r.result = RESOLVE_SILENT);
	LIE(r.port = 0);
	LIE(r.count = 0);
	LIE(r.count = 1);
	LIE(r.count = CFG_PEER_ADDRESSES);
	LIE(r.count = CFG_PEER_ADDRESSES + 1);
	LIE(addr_parse("127.0.0.1", &r.address[0]));
	LIE(addr_parse("ff02::1", &r.address[0]));
	LIE(addr_parse("fe80::1", &r.address[0]));
	LIE(r.address[0] = r.address[1]);
	LIE((r = (struct resolve_answer){ .slot = q.slot, .number = q.number }));
	/* Another length. */
	CU_ASSERT_EQUAL(packet_send(told.socket, &good, sizeof(good) - 1, NULL, 0), 0);
	discover()->child.kind->readable(&discover()->child);
	CU_ASSERT_PTR_NOT_NULL(told.killed);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	CU_ASSERT_TRUE(ends());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "an answer", test_found },
		{ "another one", test_other_addresses },
		{ "answers of no use", test_no_use },
		{ "other ports", test_other_ports },
		{ "half an answer", test_in_part },
		{ "bounds of the TTL", test_ttl },
		{ "our own addresses", test_ours },
		{ "what is kept", test_kept },
		{ "at once, and not at all", test_hurry },
		{ "by DHCP", test_dhcp },
		{ "lies", test_lies },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("peers whose addresses are not in the file", tests);
}
