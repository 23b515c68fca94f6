/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/screen.h>

#include <stdlib.h>
#include <string.h>

#include <mpgatectl/flows.h>
#include <mpgatectl/show.h>
#include <mpgatectl/width.h>

/* ECMA-48, what every terminal knows. */
#define HOME "\033[H"
#define BAR "\033[7m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"
#define REST_OF_LINE "\033[K"
#define REST_OF_SCREEN "\033[J"

/* Rows of a table at most, the line of titles aside; flows take what is left. */
#define PATHS 4
#define PEERS 3
#define RULES 3
#define LEAST_FLOWS 3

const char *const screen_sorts[] = { "rate", "down", "up", "age", "client", "server", "peer", "rule", "path", NULL };

/* clang-format off */
#define SECTION(array, ...) { NULL, array, (const struct field[]){ __VA_ARGS__, { NULL, NULL, SHOW_PLAIN, false } }, NULL, false, false }
#define VIEW(...) { (const struct section[]){ __VA_ARGS__, { NULL, NULL, NULL, NULL, false, false } }, NULL }
#define FIELD(as, title, key) { title, key, SHOW_##as, false }
/* clang-format on */

static const struct view paths_view = VIEW(
	SECTION("paths", FIELD(PLAIN, "PATH", "name"), FIELD(PLAIN, "LINK", "link"), FIELD(PLAIN, "STATE", "state"),
		FIELD(US, "RTT", "rtt_us"), FIELD(RATE, "OUT", "sent_rate"), FIELD(RATE, "IN", "received_rate"),
		FIELD(RATE, "LINK OUT", "link_out"), FIELD(RATE, "LINK IN", "link_in")));
static const struct view peers_view = VIEW(SECTION(
	"peers", FIELD(PLAIN, "PEER", "name"), FIELD(PLAIN, "STATE", "state"), FIELD(PLAIN, "OVER", "transport"),
	FIELD(PLAIN, "FLOWS", "connections"), FIELD(RATE, "UP", "up_rate"), FIELD(RATE, "DOWN", "down_rate")));
static const struct view rules_view =
	VIEW(SECTION("rules", FIELD(PLAIN, "RULE", "name"), FIELD(PLAIN, "HITS", "hits"),
		     FIELD(PLAIN, "FLOWS", "flows"), FIELD(RATE, "UP", "up_rate"), FIELD(RATE, "DOWN", "down_rate")));
static const struct view flows_view =
	VIEW(SECTION("flows", FIELD(PLAIN, "CLIENT", "client"), FIELD(PLAIN, "SERVER", "server"),
		     FIELD(PLAIN, "PEER", "peer"), FIELD(PLAIN, "PATHS", "paths"), FIELD(AGE, "AGE", "age_s"),
		     FIELD(RATE, "UP", "up_rate"), FIELD(RATE, "DOWN", "down_rate")));
static const struct view flow_view = VIEW(SECTION(
	NULL, FIELD(PLAIN, "client", "client"), FIELD(PLAIN, "server", "server"),
	FIELD(PLAIN, "seen there as", "mapped"), FIELD(PLAIN, "rule", "rule"), FIELD(PLAIN, "peer", "peer"),
	FIELD(PLAIN, "paths", "paths"), FIELD(PLAIN, "subflows", "subflows"), FIELD(PLAIN, "MPTCP", "mptcp"),
	FIELD(PLAIN, "state", "state"), FIELD(AGE, "age", "age_s"), FIELD(RATE, "up", "up_rate"),
	FIELD(RATE, "down", "down_rate"), FIELD(BYTES, "sent up", "bytes_up"), FIELD(BYTES, "sent down", "bytes_down"),
	FIELD(PLAIN, "we are the", "role"), FIELD(PLAIN, "worker", "worker")));
static const struct view subflows_view =
	VIEW(SECTION("subflows", FIELD(PLAIN, "PATH", "path"), FIELD(PLAIN, "STATE", "state"),
		     FIELD(US, "RTT", "rtt_us"), FIELD(BYTES, "RECEIVED", "received"), FIELD(BYTES, "SENT", "sent"),
		     FIELD(PLAIN, "LOCAL", "local"), { "REMOTE", "remote", SHOW_PLAIN, true }));

struct canvas {
	FILE *out;
	unsigned rows, columns; /* that are left; of each */
};

static void put_line(struct canvas *c, const char *style, const char *line, size_t len)
{
	char text[SHOW_TEXT];

	if (!c->rows)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)len, line);
	text[width_bytes(text, c->columns)] = 0;
	/* No line break behind the last line, or all would move up. */
	c->rows--;
	fprintf(c->out, "%s%s%s%s%s", style, text, *style ? PLAIN : "", REST_OF_LINE, c->rows ? "\r\n" : "");
}

/* A view's lines, `most` of them; the first is one of titles, the one of number bar (from 1 on) stands out. */
static void put_view(struct canvas *c, const struct view *view, const json_t *value, unsigned most, unsigned bar)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	const char *line;
	unsigned n = 0;

	if (!f)
		return;
	show(f, c->columns, view, value);
	fclose(f);
	for (line = text; *line && n < most; n++) {
		size_t len = strcspn(line, "\n");

		put_line(c, n == bar && bar ? BAR : n || !view->sections->array ? "" : BOLD, line, len);
		line += len + (line[len] == '\n');
	}
	free(text);
}

/* The first elements of an array of value, in an object of their own. A new reference. */
static json_t *some(const json_t *value, const char *array, size_t from, size_t most)
{
	const json_t *all = json_object_get(value, array);
	json_t *few = json_array();

	for (size_t i = from; i < json_array_size(all) && i < from + most; i++)
		json_array_append(few, json_array_get(all, i));
	return json_pack("{s:o}", array, few);
}

/* The busiest of peers or rules first; paths stay in their order. */
static void put_some(struct canvas *c, const struct view *view, const json_t *value, const char *array, unsigned most)
{
	json_t *all = some(value, array, 0, json_array_size(json_object_get(value, array))), *few;

	if (strcmp(array, "paths") != 0)
		flows_sort(json_object_get(all, array), "rate");
	few = some(all, array, 0, most);
	if (json_array_size(json_object_get(few, array)))
		put_view(c, view, few, most + 1, 0);
	json_decref(all);
	json_decref(few);
}

static unsigned count_rows(const json_t *value, const char *array, unsigned most)
{
	unsigned n = (unsigned)json_array_size(json_object_get(value, array));

	n = n < most ? n : most;
	return n ? n + 1 : 0;
}

/* The worst; doctor has them all. */
static void put_findings(struct canvas *c, const struct look *l)
{
	const json_t *all = json_object_get(l->status, "findings"), *worst = json_array_get(all, 0);
	char line[SHOW_TEXT] = "nothing is wrong", which[32] = "";

	if (json_array_size(all) > 1)
		snprintf(which, sizeof(which), "1 of %zu: ", json_array_size(all));
	if (worst)
		snprintf(line, sizeof(line), "%s%s: %s", which,
			 json_string_value(json_object_get(worst, "subject")) ?: "",
			 json_string_value(json_object_get(worst, "text")) ?: "");
	put_line(c, worst ? BOLD : "", line, strlen(line));
}

static void put_head(struct canvas *c, const struct screen *s, const struct look *l)
{
	static const struct field up_for = { "", "uptime_s", SHOW_AGE, false };
	const json_t *peers = json_object_get(l->status, "peers");
	const char *order = flows_order(screen_sorts[s->sort]), *which = "";
	char line[SHOW_TEXT], age[SHOW_TEXT];

	if (json_is_true(json_object_get(l->flows, "truncated")))
		which = order && strcmp(order, "active") != 0 ? "the first " : "the last active ";
	snprintf(line, sizeof(line), "mpgate %s, up %s   flows %s%zu by %s   peers %d up, %d down%s%*s",
		 json_string_value(json_object_get(l->status, "instance")) ?: "", show_field(age, l->status, &up_for),
		 which, json_array_size(json_object_get(l->flows, "flows")), screen_sorts[s->sort],
		 (int)json_integer_value(json_object_get(peers, "up")),
		 (int)json_integer_value(json_object_get(peers, "down")), s->paused ? "   PAUSED" : "", (int)c->columns,
		 "");
	put_line(c, BAR, line, strlen(line));
	put_findings(c, l);
}

static void put_flows(struct canvas *c, struct screen *s, const struct look *l)
{
	unsigned room = c->rows > 2 ? c->rows - 2 : 1, from = s->chosen >= room ? s->chosen - room + 1 : 0;
	json_t *few = some(l->flows, "flows", from, room);

	put_view(c, &flows_view, few, room + 1, s->chosen - from + 1);
	json_decref(few);
}

/* The flow under the bar, and its subflows one by one. */
static void put_flow(struct canvas *c, const json_t *flow, const struct look *l)
{
	static const char elsewhere[] = "its subflows are listed at the gateway";
	const json_t *token = json_object_get(flow, "token");
	json_t *one, *all = json_array(), *value = json_pack("{s:o}", "subflows", all);
	unsigned lines, room = c->rows ? c->rows - 1 : 0;
	size_t i;

	json_array_foreach(json_object_get(l->subflows, "subflows"), i, one)
	{
		if (json_equal(json_object_get(one, "token"), token))
			json_array_append(all, one);
	}
	lines = json_array_size(all) ? (unsigned)json_array_size(all) + 1 : 0;
	put_view(c, &flow_view, flow, room > lines ? room - lines : room, 0);
	if (lines)
		put_view(c, &subflows_view, value, c->rows ? c->rows - 1 : 0, 0);
	else if (token && !strcmp(json_string_value(json_object_get(flow, "role")) ?: "", "hub") && c->rows > 1)
		put_line(c, "", elsewhere, strlen(elsewhere));
	json_decref(value);
}

static void name_flow(const json_t *flow, char *name, size_t size)
{
	snprintf(name, size, "%s %s %s", json_string_value(json_object_get(flow, "client")) ?: "",
		 json_string_value(json_object_get(flow, "server")) ?: "",
		 json_string_value(json_object_get(flow, "role")) ?: "");
}

/* The bar stays with its flow while others come, go and overtake it. */
static void move_bar(struct screen *s, const json_t *flows)
{
	int last = (int)json_array_size(flows) - 1, at = (int)s->chosen;
	char name[sizeof(s->name)];
	const json_t *flow;
	size_t i;

	json_array_foreach(flows, i, flow)
	{
		name_flow(flow, name, sizeof(name));
		if (*s->name && !strcmp(name, s->name))
			at = (int)i;
	}
	at += s->move;
	s->move = 0;
	at = at > last ? last : at;
	s->chosen = at > 0 ? (unsigned)at : 0;
	/* Until it is moved or opened it is on the first, whichever that is. */
	*s->name = 0;
	if ((s->chosen || s->open) && last >= 0)
		name_flow(json_array_get(flows, s->chosen), s->name, sizeof(s->name));
}

void screen_draw(FILE *out, struct screen *s, const struct look *l)
{
	struct canvas c = { out, s->rows, s->columns };
	json_t *flows = json_object_get(l->flows, "flows");
	static const char keys[] = "q leave   s sort   arrows or j k choose   Enter open   space pause";
	unsigned tables;

	flows_sort(flows, screen_sorts[s->sort]);
	move_bar(s, flows);
	fputs(HOME, out);
	if (l->error) {
		put_line(&c, BAR, l->error, strlen(l->error));
	} else {
		put_head(&c, s, l);
		tables = count_rows(l->paths, "paths", PATHS) + count_rows(l->peers, "peers", PEERS) +
			 count_rows(l->policy, "rules", RULES);
		if (s->open && json_array_size(flows)) {
			put_flow(&c, json_array_get(flows, s->chosen), l);
		} else {
			/* On a small screen the flows come first. */
			if (c.rows > tables + LEAST_FLOWS) {
				put_some(&c, &paths_view, l->paths, "paths", PATHS);
				put_some(&c, &peers_view, l->peers, "peers", PEERS);
				put_some(&c, &rules_view, l->policy, "rules", RULES);
			}
			put_flows(&c, s, l);
		}
	}
	while (c.rows > 1)
		put_line(&c, "", "", 0);
	put_line(&c, "", s->open ? "Enter back   q leave" : keys, strlen(s->open ? "Enter back   q leave" : keys));
	fputs(REST_OF_SCREEN, out);
	fflush(out);
}
