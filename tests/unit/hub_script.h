/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of a hub's connections share: a peer that calls with a request, and what it must get. */
#ifndef TESTS_HUB_SCRIPT_H
#define TESTS_HUB_SCRIPT_H

#include "world_script.h"

SCRIPT uint8_t message[CONVERT_MAX_LEN + 64];
SCRIPT size_t length;

SCRIPT void start(void)
{
	world_new();
	w = world_start();
	length = world_request(message, sizeof(message), client, server, true);
}

/* GET follows the message at once. */
SCRIPT void add_get(void)
{
	memcpy(message + length, GET, strlen(GET));
	length += strlen(GET);
}

SCRIPT struct sock *call(bool young)
{
	struct sock *s = world_caller("192.0.2.77", young, message, length);

	world_settle();
	return s;
}

SCRIPT struct sock *dialed(void)
{
	struct mpgate_addr to = world_addr(server);
	struct sock *s = world_dialed(0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(memcmp(&s->to, &to, sizeof(to)), 0);
	CU_ASSERT_EQUAL(s->to_port, htons(80));
	return s;
}

SCRIPT void check_answer(const struct sock *s, const char *behind)
{
	struct convert_msg m;

	EQUAL_TEXT(world_behind_answer(s, &m), behind);
	CU_ASSERT_EQUAL(m.has, 0);
}

/* An Error: the peer reads it to the end, and what it still sends is read and dropped. */
SCRIPT bool told_time; /* the Error is one that tells it */

SCRIPT void check_error(struct sock *p, uint8_t code, int value)
{
	struct convert_msg m = { 0 };

	/* A socket that takes no whole Error, though nothing was written to it before. */
	if (p->end == CLOSED_BY_RESET && !world_behind_answer(p, &m)) {
		CU_ASSERT_TRUE(world_end());
		return;
	}
	EQUAL_TEXT(world_behind_answer(p, &m), "");
	CU_ASSERT_EQUAL_FATAL(m.has & ~CONVERT_HAS_CLOCK, CONVERT_HAS_ERROR);
	CU_ASSERT_EQUAL(!!(m.has & CONVERT_HAS_CLOCK), told_time);
	CU_ASSERT_EQUAL(m.error, code);
	if (value >= 0) {
		CU_ASSERT_TRUE_FATAL(m.error_value.len > 0);
		CU_ASSERT_EQUAL(m.error_value.data[0], value);
	}
	CU_ASSERT_TRUE(p->shut);
	CU_ASSERT_EQUAL(p->end, OPEN);
	sock_say(p, GET GET, 2 * strlen(GET));
	world_settle();
	CU_ASSERT_EQUAL(p->end, OPEN);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	CU_ASSERT_TRUE(world_end());
}

SCRIPT size_t plain_request(const struct convert_bytes *cookie, const struct convert_bytes *options)
{
	struct mpgate_addr to = world_addr(server);
	struct convert_writer wr;
	int n;

	convert_begin(&wr, message, sizeof(message));
	convert_put_connect(&wr, &to, htons(80), options);
	if (cookie)
		convert_put_cookie(&wr, cookie->data, cookie->len);
	n = convert_end(&wr);
	CU_ASSERT_TRUE_FATAL(n > 0);
	return (size_t)n;
}

#endif
