/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What discover.c calls, played for its tests: the process that asks DNS is the test, over a socket pair. */
#ifndef TESTS_DISCOVER_SCRIPT_H
#define TESTS_DISCOVER_SCRIPT_H

#include <sys/socket.h>

#include <mpgated/ipc/message.h>
#include <mpgated/supervisor/cgroup.h>

#include "config_test.h"
#include "loop.h"
#include "peers_script.h"

#define SCRIPT __attribute__((unused)) static /* not every program uses all of this */
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

SCRIPT void readdress(struct supervisor *s, unsigned cfg_index)
{
	told.changes++;
	peers_readdress(s, cfg_index);
}

/* --- the test's part */
SCRIPT struct discover *discover(void)
{
	return &script.s.discover;
}

/* The process ends, and another one begins. */
SCRIPT void start_again(void)
{
	close(discover()->child.socket);
	close(told.socket);
	discover()->child.ending = false;
	told.killed = NULL;
	CU_ASSERT_EQUAL(child_start(&discover()->child), 0);
}

SCRIPT void load(const char *text)
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

SCRIPT void start(const char *peers)
{
	memset(&told, 0, sizeof(told));
	told.socket = -1;
	script_new(LINKS);
	script.s.cgroup_fd = -1;
	script.s.discover.changed = readdress;
	script_link("wan0", "10.0.0.1", "2001:db8:1::1", 100);
	load(peers);
}

SCRIPT bool ends(void)
{
	discover_close(discover());
	return script_end();
}

SCRIPT bool next_question(struct resolve_question *q)
{
	struct resolve_start first;
	unsigned n;

	/* The first packet says with which seed to begin. */
	if (recv(told.socket, q, sizeof(*q), MSG_DONTWAIT | MSG_PEEK) == sizeof(first))
		packet_receive(told.socket, &first, sizeof(first), NULL, 0, &n, MSG_DONTWAIT);
	return packet_receive(told.socket, q, sizeof(*q), NULL, 0, &n, MSG_DONTWAIT) == 1;
}

SCRIPT struct resolve_answer found(const struct resolve_question *q, const char *a, const char *b)
{
	struct resolve_answer r = {
		.slot = q->slot, .number = q->number, .ttl = 600, .port = 8803, .count = b ? 2 : 1
	};

	CU_ASSERT_EQUAL(addr_parse(a, &r.address[0]), 0);
	CU_ASSERT(!b || addr_parse(b, &r.address[1]) == 0);
	return r;
}

SCRIPT void say(const struct resolve_answer *r)
{
	CU_ASSERT_EQUAL(packet_send(told.socket, r, sizeof(*r), NULL, 0), 0);
	discover()->child.kind->readable(&discover()->child);
}

/* The question that is open gets that answer. */
SCRIPT void answer(const char *a, const char *b)
{
	struct resolve_question q;
	struct resolve_answer r;

	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, a, b);
	say(&r);
}

SCRIPT void answer_failure(enum resolve_result result)
{
	struct resolve_question q;
	struct resolve_answer r;

	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = (struct resolve_answer){ .slot = q.slot, .number = q.number, .result = result };
	say(&r);
}

SCRIPT const struct discovered *hub(void)
{
	return discover_get(&script.s, script_peer("hub")->slot);
}

#endif
