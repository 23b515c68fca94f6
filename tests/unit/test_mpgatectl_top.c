/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgatectl/args.c user/mpgatectl/client.c user/mpgatectl/explain.c user/mpgatectl/flows.c
// SOURCES: user/mpgatectl/local.c user/mpgatectl/look.c user/mpgatectl/screen.c user/mpgatectl/show.c
// SOURCES: user/mpgatectl/table.c user/mpgatectl/verbs.c user/mpgatectl/width.c
// LIBS: jansson
/* mpgatectl top: rates from two looks, what is said to be wrong, and what is drawn. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <mpgatectl/look.h>
#include <mpgatectl/screen.h>
#include <mpgatectl/width.h>

#include "cunit.h"

#define SECONDS 4 /* between the two looks */

static json_t *flow(const char *client, const char *server, const char *rule, int age, int up, int down)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i}", "client", client, "server", server, "role",
			 "gateway", "peer", "hub", "rule", rule, "age_s", age, "bytes_up", up, "bytes_down", down);
}

/* A daemon with a peer, a rule, two paths, and those flows. */
static struct look look(double at, json_t *flows, int rx)
{
	return (struct look){
		.status = json_pack("{s:s, s:i, s:{s:i, s:i}, s:[{s:s, s:s}, {s:s, s:s}]}", "instance", "gw",
				    "uptime_s", 90, "peers", "up", 1, "down", 1, "findings", "subject", "peer old",
				    "text", "down: no answer", "subject", "path lte (wan1)", "text", "no such link"),
		.peers = json_pack("{s:[{s:s, s:s}, {s:s, s:s, s:s}]}", "peers", "name", "hub", "state", "up", "name",
				   "old", "state", "down", "last_error", "no answer"),
		.paths = json_pack("{s:[{s:s, s:s, s:b, s:s, s:i}, {s:s, s:s, s:b, s:s}]}", "paths", "name", "dsl",
				   "link", "wan0", "up", 1, "health4", "up", "rx_bytes", rx, "name", "lte", "link",
				   "wan1", "up", 0, "why", "no such link"),
		.policy = json_pack("{s:[{s:s, s:i}, {s:s, s:i}]}", "rules", "name", "web", "hits", 3, "name", "bulk",
				    "hits", 0),
		.flows = json_pack("{s:o}", "flows", flows),
		.at = at,
	};
}

static json_int_t member(const json_t *value, const char *array, size_t i, const char *key)
{
	return json_integer_value(json_object_get(json_array_get(json_object_get(value, array), i), key));
}

static void carried(json_t *value, const char *array, size_t i, int up, int down)
{
	json_t *one = json_array_get(json_object_get(value, array), i);

	json_object_set_new(one, "bytes_up", json_integer(up));
	json_object_set_new(one, "bytes_down", json_integer(down));
}

static void rates_are_of_what_came_between(void)
{
	json_t *was = json_pack("[o, o]", flow("10.0.0.1:1", "192.0.2.1:80", "web", 50, 100, 1000),
				flow("[fd00::1]:1", "[2001:db8::1]:80", "web", 50, 100, 1000));
	/* Further bytes; none; new; was there, but not told before. */
	json_t *are = json_pack("[o, o, o, o]", flow("10.0.0.1:1", "192.0.2.1:80", "web", 54, 200, 3000),
				flow("[fd00::1]:1", "[2001:db8::1]:80", "web", 54, 100, 1000),
				flow("[fd00::1]:2", "[2001:db8::1]:80", "web", 3, 40, 80),
				flow("10.0.0.1:3", "192.0.2.1:80", "bulk", 900, 7000, 7000));
	struct look before = look(10, was, 5000), now = look(10 + SECONDS, are, 9000), none = { 0 };

	/* Counters of peers and rules have what the list of flows leaves out, too. */
	carried(before.peers, "peers", 0, 500, 6000);
	carried(now.peers, "peers", 0, 740, 8480);
	carried(before.policy, "rules", 0, 300, 3000);
	carried(now.policy, "rules", 0, 440, 5080);
	look_compare(&none, &before);
	CU_ASSERT_EQUAL(member(before.peers, "peers", 0, "rate"), 0);
	CU_ASSERT_EQUAL(member(before.flows, "flows", 0, "rate"), 0);
	look_compare(&before, &now);
	CU_ASSERT_EQUAL(member(now.flows, "flows", 0, "up_rate"), 100 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.flows, "flows", 0, "down_rate"), 2000 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.flows, "flows", 0, "rate"), 2100 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.flows, "flows", 1, "rate"), 0);
	CU_ASSERT_EQUAL(member(now.flows, "flows", 2, "up_rate"), 40 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.flows, "flows", 3, "rate"), 0);
	CU_ASSERT_EQUAL(member(now.peers, "peers", 0, "up_rate"), 240 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.peers, "peers", 0, "down_rate"), 2480 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.peers, "peers", 1, "rate"), 0);
	CU_ASSERT_EQUAL(member(now.policy, "rules", 0, "up_rate"), 140 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.policy, "rules", 0, "down_rate"), 2080 * 8 / SECONDS);
	CU_ASSERT_EQUAL(member(now.policy, "rules", 0, "flows"), 3);
	CU_ASSERT_EQUAL(member(now.policy, "rules", 1, "flows"), 1);
	CU_ASSERT_EQUAL(member(now.paths, "paths", 0, "link_in"), 4000 * 8 / SECONDS);
	look_free(&before);
	look_free(&now);
}

/* What is drawn, without what is no text; *lines: how many, *widest: columns of the widest. */
static char *drawn(struct screen *s, const struct look *l, unsigned *lines, unsigned *widest)
{
	char *text = NULL, *to;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	screen_draw(f, s, l);
	fclose(f);
	to = text;
	for (const char *at = text; *at; at++) {
		if (*at == '\033')
			at += strcspn(at, "HmKJ");
		else if (*at != '\r')
			*to++ = *at;
	}
	*to = 0;
	*lines = 1;
	*widest = 0;
	for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char one[512];

		snprintf(one, sizeof(one), "%.*s", (int)strcspn(line, "\n"), line);
		*widest = width_text(one) > *widest ? width_text(one) : *widest;
		*lines += line[strcspn(line, "\n")] == '\n';
	}
	return text;
}

/* The worst, and how many there are; Status has them in that order. */
static void what_is_wrong_is_said(void)
{
	struct screen s = { .rows = 24, .columns = 80 };
	struct look l = look(1, json_array(), 0);
	unsigned lines, widest;
	char *text;

	look_compare(&(struct look){ 0 }, &l);
	text = drawn(&s, &l, &lines, &widest);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n1 of 2: peer old: down: no answer\n"));
	free(text);
	json_array_clear(json_object_get(l.status, "findings"));
	text = drawn(&s, &l, &lines, &widest);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nnothing is wrong\n"));
	free(text);
	look_free(&l);
}

/* Each has a server of its own: 1, 2, ... */
static json_t *many_flows(int n)
{
	json_t *all = json_array();

	for (int i = 1; i <= n; i++) {
		char client[64], server[64];

		snprintf(client, sizeof(client), "[2001:db8:1111:2222:3333:4444:5555:%04x]:%d", i, 40000 + i);
		snprintf(server, sizeof(server), "192.0.2.1:%d", i);
		json_array_append_new(all, flow(client, server, "web", 100 - i, 0, 0));
	}
	return all;
}

static void the_screen_is_filled_not_more(void)
{
	static const unsigned sizes[][2] = { { 24, 80 }, { 12, 60 }, { 50, 200 }, { 6, 40 }, { 3, 20 } };
	unsigned lines, widest;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int n = 0; n < 80; n += 40) {
			struct screen s = { .rows = sizes[i][0], .columns = sizes[i][1] };
			struct look l = look(1, many_flows(n), 0);
			char *text;

			look_compare(&(struct look){ 0 }, &l);
			text = drawn(&s, &l, &lines, &widest);
			CU_ASSERT_EQUAL(lines, s.rows);
			CU_ASSERT_TRUE(widest <= s.columns);
			CU_ASSERT_PTR_NOT_NULL(strstr(text, "mpgate gw"));
			free(text);
			look_free(&l);
		}
}

static void the_bar_follows_its_flow(void)
{
	struct screen s = { .rows = 24, .columns = 200, .sort = 3 /* age */ };
	struct look l = look(1, many_flows(40), 0), other;
	unsigned lines, widest;
	json_t *less;

	CU_ASSERT_STRING_EQUAL(screen_sorts[s.sort], "age");
	look_compare(&(struct look){ 0 }, &l);
	free(drawn(&s, &l, &lines, &widest));
	CU_ASSERT_EQUAL(s.chosen, 0);
	s.move = 30;
	free(drawn(&s, &l, &lines, &widest));
	CU_ASSERT_EQUAL(s.chosen, 30);
	look_free(&l);

	/* The oldest has ended. */
	less = many_flows(40);
	json_array_remove(less, 0);
	other = look(2, less, 0);
	look_compare(&(struct look){ 0 }, &other);
	free(drawn(&s, &other, &lines, &widest));
	CU_ASSERT_EQUAL(s.chosen, 29);
	s.move = 100;
	free(drawn(&s, &other, &lines, &widest));
	CU_ASSERT_EQUAL(s.chosen, 38);
	s.move = -100;
	free(drawn(&s, &other, &lines, &widest));
	CU_ASSERT_EQUAL(s.chosen, 0);
	look_free(&other);
}

static bool is_drawn(struct screen *s, const struct look *l, const char *wanted)
{
	unsigned lines, widest;
	char *text = drawn(s, l, &lines, &widest);
	bool is = strstr(text, wanted) != NULL;

	CU_ASSERT_EQUAL(lines, s->rows);
	CU_ASSERT_TRUE(widest <= s->columns);
	free(text);
	return is;
}

/* At a hub nobody is asked over a path, and its connections' bytes are not known by path. */
static void a_path_without_probes_is_up(void)
{
	struct screen s = { .rows = 24, .columns = 100 };
	struct look l = look(1, json_array(), 0);
	json_t *path = json_array_get(json_object_get(l.paths, "paths"), 0);

	json_object_del(path, "health4");
	look_compare(&(struct look){ 0 }, &l);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(path, "state")), "up");
	CU_ASSERT_TRUE(is_drawn(&s, &l, "\ndsl   wan0  up         -    -    -"));
	json_object_set_new(path, "why", json_string("no gateway known"));
	look_compare(&(struct look){ 0 }, &l);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(path, "state")), "unknown");
	look_free(&l);
}

/* Where flows are left out it is said which, and a part of a rule's is not given for all. */
static void a_part_is_said_to_be_one(void)
{
	struct screen s = { .rows = 24, .columns = 80 };
	struct look l = look(1, many_flows(9), 0);

	look_compare(&(struct look){ 0 }, &l);
	CU_ASSERT_TRUE(is_drawn(&s, &l, "flows 9 by rate"));
	look_free(&l);
	l = look(1, many_flows(9), 0);
	json_object_set_new(l.flows, "truncated", json_true());
	look_compare(&(struct look){ 0 }, &l);
	CU_ASSERT_TRUE(is_drawn(&s, &l, "flows the last active 9 by rate"));
	CU_ASSERT_PTR_NULL(json_object_get(json_array_get(json_object_get(l.policy, "rules"), 0), "flows"));
	s.sort = 1;
	CU_ASSERT_TRUE(is_drawn(&s, &l, "flows the first 9 by down"));
	look_free(&l);
}

static void an_opened_flow_has_its_subflows(void)
{
	struct screen s = { .rows = 24, .columns = 80, .sort = 3 /* age */ };
	struct look l = look(1, many_flows(3), 0);
	json_t *opened = json_array_get(json_object_get(l.flows, "flows"), 0);

	look_compare(&(struct look){ 0 }, &l);
	l.subflows = json_pack("{s:[{s:s, s:i, s:s, s:s, s:i}, {s:s, s:i, s:s, s:s, s:i}, {s:s, s:i, s:s, s:s, s:i}]}",
			       "subflows", "path", "dsl", "token", 7, "state", "primary", "local", "10.60.10.2:5",
			       "rtt_us", 21500, "path", "lte", "token", 7, "state", "backup", "local",
			       "[2001:db8::2]:6", "rtt_us", 40000, "path", "other", "token", 8, "state", "primary",
			       "local", "10.60.10.2:7", "rtt_us", 1000);
	json_object_set_new(opened, "token", json_integer(7));
	CU_ASSERT_FALSE(is_drawn(&s, &l, "10.60.10.2:5"));
	s.open = true;
	CU_ASSERT_TRUE(is_drawn(&s, &l, "\nPATH  STATE    RTT"));
	CU_ASSERT_TRUE(is_drawn(&s, &l, "\ndsl   primary  21.5 ms"));
	CU_ASSERT_TRUE(is_drawn(&s, &l, "10.60.10.2:5"));
	CU_ASSERT_TRUE(is_drawn(&s, &l, "\nlte   backup   40.0 ms"));
	CU_ASSERT_TRUE(is_drawn(&s, &l, "[2001:db8::2]:6"));
	CU_ASSERT_FALSE(is_drawn(&s, &l, "\nother"));
	/* On a small screen they come before the rest of the flow. */
	s.rows = 8;
	s.columns = 40;
	CU_ASSERT_TRUE(is_drawn(&s, &l, "\nlte   backup"));
	s.rows = 24;
	json_object_del(opened, "token");
	CU_ASSERT_FALSE(is_drawn(&s, &l, "\ndsl   primary"));
	json_object_set_new(opened, "token", json_integer(9));
	json_object_set_new(opened, "role", json_string("hub"));
	CU_ASSERT_TRUE(is_drawn(&s, &l, "\nits subflows are listed at the gateway"));
	look_free(&l);
}

static void a_daemon_that_is_away_is_told(void)
{
	struct screen s = { .rows = 24, .columns = 80 };
	struct look l = { .error = strdup("no daemon runs here") };
	unsigned lines, widest;
	char *text = drawn(&s, &l, &lines, &widest);

	CU_ASSERT_EQUAL(lines, 24);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "no daemon runs here"));
	free(text);
	look_free(&l);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "rates_are_of_what_came_between", rates_are_of_what_came_between },
		{ "what_is_wrong_is_said", what_is_wrong_is_said },
		{ "the_screen_is_filled_not_more", the_screen_is_filled_not_more },
		{ "a_path_without_probes_is_up", a_path_without_probes_is_up },
		{ "a_part_is_said_to_be_one", a_part_is_said_to_be_one },
		{ "the_bar_follows_its_flow", the_bar_follows_its_flow },
		{ "an_opened_flow_has_its_subflows", an_opened_flow_has_its_subflows },
		{ "a_daemon_that_is_away_is_told", a_daemon_that_is_away_is_told },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("mpgatectl_top", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
