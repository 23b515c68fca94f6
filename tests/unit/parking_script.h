/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of parked connections share: what a peer says on one that we keep for it, and that we keep it. */
#ifndef TESTS_PARKING_SCRIPT_H
#define TESTS_PARKING_SCRIPT_H

#include <lib/keys.h>
#include <mpgated/worker/request.h>

#include "world_script.h"

#define PARK 2U /* so many are kept */
#define KEEPER "192.0.2.1" /* first address of peer 0 */
#define ANSWER_LEN 4U /* of a message without TLVs */

/* The nth connection that was opened for requests of peer 0; NULL: there is none. */
SCRIPT struct sock *parking(unsigned n)
{
	struct mpgate_addr to = world_addr(KEEPER);
	struct sock *s;

	for (unsigned i = 0; (s = world_dialed(i)); i++)
		if (!memcmp(&s->to, &to, sizeof(to)) && n-- == 0)
			return s;
	return NULL;
}

SCRIPT unsigned parking_count(void)
{
	unsigned n = 0;

	while (parking(n))
		n++;
	return n;
}

SCRIPT unsigned parking_open(void)
{
	unsigned n = 0;

	for (unsigned i = 0; parking(i); i++)
		n += parking(i)->end == OPEN;
	return n;
}

SCRIPT void start_parking(unsigned park)
{
	world_new();
	world.config.peers[0].park = (uint8_t)park;
	world.config.head.connections = 100;
	w = world_start();
	world_settle();
	CU_ASSERT_EQUAL_FATAL(parking_count(), park);
}

/* Park with a cookie of our key, by that time, and no byte more; its length. */
SCRIPT size_t check_park(const struct sock *s, uint32_t now)
{
	const struct subkey *key = &world.config.keys[0].key;
	struct convert_msg m = { 0 };

	EQUAL_TEXT(world_behind_request(s, &m), "");
	CU_ASSERT_EQUAL(m.has, CONVERT_HAS_PARK | CONVERT_HAS_COOKIE);
	CU_ASSERT_EQUAL(m.len, s->out_len);
	CU_ASSERT_EQUAL(m.connect_tlv.len, 4);
	CU_ASSERT_EQUAL(cookie_check(key, now, 0, &m.cookie, &m.connect_tlv, &m.source_tlv), 0);
	/* It is for this alone. */
	CU_ASSERT_EQUAL(cookie_check(key, now, 0, &m.cookie, &m.source_tlv, &m.source_tlv), -EKEYREJECTED);
	return m.len;
}

/* The handshake is over, and it has said what it is. */
SCRIPT struct sock *says_park(unsigned n)
{
	struct sock *s = parking(n);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(s->out_len, 0);
	CU_ASSERT_FALSE(s->syn_data);
	sock_connected(s);
	world_settle();
	check_park(s, world.wall);
	return s;
}

/* The peer takes it in. */
SCRIPT struct sock *is_parked(unsigned n)
{
	struct sock *s = says_park(n);

	sock_answer(s, -1);
	world_settle();
	CU_ASSERT_EQUAL(s->end, OPEN);
	return s;
}

SCRIPT uint8_t asks[CONVERT_MAX_LEN + 64];

/* A request with the key of a peer, for the server, which the client's first bytes follow. */
SCRIPT size_t request_by(unsigned peer)
{
	struct conn c = { 0 };
	int n;

	c.request.tuple.saddr = world_addr(client);
	c.request.tuple.sport = htons(4000);
	c.request.tuple.daddr = world_addr(server);
	c.request.tuple.dport = htons(80);
	n = request_build(w, &c, &world.config.peers[peer], true, asks, sizeof(asks));
	CU_ASSERT_TRUE_FATAL(n > 0);
	memcpy(asks + n, GET, strlen(GET));
	return (size_t)n + strlen(GET);
}

/* Without a key: a Connect, with that cookie. */
SCRIPT size_t request_plain(const struct convert_bytes *cookie)
{
	const struct mpgate_addr to = world_addr(server);
	struct convert_writer wr;
	int n;

	convert_begin(&wr, asks, sizeof(asks));
	convert_put_connect(&wr, &to, htons(80), NULL);
	if (cookie)
		convert_put_cookie(&wr, cookie->data, cookie->len);
	n = convert_end(&wr);
	CU_ASSERT_TRUE_FATAL(n > 0);
	return (size_t)n;
}

/* Somewhere else than at the peer; NULL: nothing was dialed. */
SCRIPT struct sock *server_dialed(void)
{
	struct mpgate_addr to = world_addr(server);
	struct sock *s;

	for (unsigned i = 0; (s = world_dialed(i)); i++)
		if (!memcmp(&s->to, &to, sizeof(to)))
			return s;
	return NULL;
}

/* What we have answered to a request, behind our own Park: *m, and what follows; NULL: nothing whole. */
SCRIPT const char *behind_park(const struct sock *s, struct convert_msg *m)
{
	struct convert_fault fault;
	struct convert_msg said;

	if (!world_behind_request(s, &said) ||
	    convert_parse(CONVERT_CLIENT, true, s->out + said.len, s->out_len - said.len, m, &fault) != CONVERT_OK)
		return NULL;
	return (const char *)s->out + said.len + m->len;
}

#endif
