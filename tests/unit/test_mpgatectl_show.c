/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgatectl/args.c user/mpgatectl/explain.c user/mpgatectl/flows.c user/mpgatectl/local.c
// SOURCES: user/mpgatectl/show.c user/mpgatectl/table.c user/mpgatectl/verbs.c user/mpgatectl/width.c
// LIBS: jansson
/* mpgatectl: what it shows, in which width, and of which flows. */
#include <stdlib.h>
#include <string.h>

#include <lib/version.h>
#include <mpgatectl/args.h>
#include <mpgatectl/flows.h>
#include <mpgatectl/show.h>
#include <mpgatectl/width.h>

#include "cunit.h"
#include "io.mpgate.varlink.h"

static const struct verb *find(const char *noun)
{
	const struct verb *v = verbs;

	while (strcmp(v->noun, noun))
		v++;
	return v;
}

/* With those options. */
static char *shown(const char *noun, const struct args *args, const char *json, unsigned width)
{
	json_t *value = json_loads(json, 0, NULL);
	const struct verb *v = find(noun);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	if (v->shape)
		v->shape(args, value);
	show(f, width, v->view, value);
	fclose(f);
	json_decref(value);
	return text;
}

#define FLOW                                                                                                           \
	"{\"flows\":[{\"client\":\"10.0.0.1:1\",\"server\":\"[2001:db8::1]:443\",\"rule\":\"bulk\","                   \
	"\"worker\":1,\"paths\":[\"dsl\",\"lte\"],\"age_s\":90061,\"bytes_up\":1023,\"bytes_down\":1536,\"subflows\":" \
	"2,"                                                                                                           \
	"\"mptcp\":true,\"state\":\"relaying\",\"role\":\"gateway\"}],\"truncated\":true}"
#define STATS                                                                                                          \
	"{\"reasons\":[{\"name\":\"steered\",\"text\":\"given\",\"value\":7},{\"name\":\"local\",\"text\":\"here\","   \
	"\"value\":0}],\"relay\":[{\"name\":\"bytes-up\",\"text\":\"bytes\",\"unit\":\"bytes\",\"value\":1536}]}"

static void tables_line_up(void)
{
	static const struct args none, all = { .option = { [ARGS_ALL] = "" } };
	static const struct {
		const char *noun;
		const struct args *args;
		const char *json, *text;
	} cases[] = {
		{ "flows", &none, FLOW,
		  "CLIENT      SERVER             PEER  RULE  PATHS    AGE    UP      DOWN     STATE     SUBFLOWS  "
		  "MAPPED  ROLE     MPTCP  WORKER\n"
		  "10.0.0.1:1  [2001:db8::1]:443  -     bulk  dsl,lte  1d01h  1023 B  1.5 KiB  relaying  2         "
		  "-       gateway  yes    1\n"
		  "\nidle (--all shows them)  -\n"
		  "there are more flows than are shown\n" },
		{ "policy", &none,
		  "{\"text\":\"instance: a\\n\",\"rules\":[{\"name\":\"r\",\"hits\":5,\"action\":\"direct\"}]}",
		  "instance: a\n\n# RULE  HITS  ACTION  VIA\n# r     5     direct  -\n" },
		{ "reload", &none, "{\"generation\":2,\"rules\":1,\"prefixes\":0,\"peers\":3}",
		  "policy in force  2\nrules            1\nprefixes         0\npeers            3\n" },
		{ "stats", &none, STATS,
		  "Packets, by verdict\nREASON   COUNT  MEANING\nsteered  7      given\n\n"
		  "Relay\nCOUNTER   COUNT    MEANING\nbytes-up  1.5 KiB  bytes\n" },
		{ "stats", &all, STATS,
		  "Packets, by verdict\nREASON   COUNT  MEANING\nsteered  7      given\nlocal    0      here\n\n"
		  "Relay\nCOUNTER   COUNT    MEANING\nbytes-up  1.5 KiB  bytes\n" },
		{ "stats", &none, "{\"reasons\":[],\"relay\":[]}", "Packets, by verdict\nREASON  COUNT  MEANING\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = shown(cases[i].noun, cases[i].args, cases[i].json, 0);

		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
		free(text);
	}
}

/* --- width */

static bool fits(const char *text, unsigned width)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		char one[512];

		snprintf(one, sizeof(one), "%.*s", (int)strcspn(line, "\n"), line);
		if (width_text(one) > width)
			return false;
	}
	return true;
}

static void what_is_too_wide_is_made_narrow(void)
{
	static const struct args none;
	static const char *const way =
		"{\"paths\":[{\"name\":\"dsl\",\"link\":\"wan0\",\"up\":true,\"address4\":\"192.0.2.100\",\"health4\":"
		"\"up\",\"address6\":\"2001:db8:1234:5678:9abc:def0:1234:5678\",\"health6\":\"down\",\"endpoint4\":102,"
		"\"why\":\"IPv6: the rule 1001 of somebody else takes its packets to table 7, out of wan1\"}],"
		"\"usage\":[],\"others\":[]}";
	char *text;

	/* What does not matter first is left out, and named; what is empty is not spoken of. */
	text = shown("flows", &none, FLOW, 80);
	CU_ASSERT_STRING_EQUAL(text, "CLIENT      SERVER             RULE  PATHS    AGE    UP      DOWN     STATE\n"
				     "10.0.0.1:1  [2001:db8::1]:443  bulk  dsl,lte  1d01h  1023 B  1.5 KiB  relaying\n"
				     "more in a wider terminal: SUBFLOWS, ROLE, MPTCP, WORKER\n"
				     "\nidle (--all shows them)  -\n"
				     "there are more flows than are shown\n");
	free(text);
	for (unsigned width = 40; width <= 200; width += 10) {
		text = shown("flows", &none, FLOW, width);
		/* The last line says what it says. */
		CU_ASSERT_TRUE(fits(text, width));
		free(text);
		text = shown("paths", &none, way, width);
		CU_ASSERT_TRUE(fits(text, width));
		/* Text at the end of a line is not cut, but goes on below. */
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "IPv6:"));
		CU_ASSERT_PTR_NOT_NULL(strstr(text, "wan1\n"));
		free(text);
	}
}

/* What loads again still does, and means the same: a line goes on where it has a blank, and indented more. */
static void text_goes_on_in_further_lines(void)
{
	static const struct args none;
	char *text = shown("policy", &none,
			   "{\"text\":\"a:\\n  to: [10.0.0.0/8, 10.1.0.0/16, 10.2.0.0/16]\\n  key-file: "
			   "/a/file/of/a/long/name\\nshort: 1\\n\",\"rules\":[]}",
			   26);

	CU_ASSERT_STRING_EQUAL(text, "a:\n  to: [10.0.0.0/8,\n      10.1.0.0/16,\n      10.2.0.0/16]\n"
				     "  key-file:\n      /a/file/of/a/long/na\n      me\nshort: 1\n");
	free(text);
}

static void characters_are_counted_not_bytes(void)
{
	CU_ASSERT_EQUAL(width_text("caf\xc3\xa9"), 4);
	CU_ASSERT_EQUAL(width_bytes("caf\xc3\xa9s", 4), 5);
	CU_ASSERT_EQUAL(width_bytes("caf\xc3\xa9s", 3), 3);
	CU_ASSERT_EQUAL(width_bytes("a", 9), 1);
}

/* --- which flows */

#define ONE(client, server, peer, rule, paths, up, down)                                                               \
	"{\"client\":\"" client "\",\"server\":\"" server "\",\"peer\":\"" peer "\",\"rule\":\"" rule                  \
	"\",\"paths\":[" paths "],\"age_s\":9,\"bytes_up\":" up ",\"bytes_down\":" down "}"

/* Servers' ports name them: 1 to 4. */
static const char *const four =
	"{\"flows\":[" ONE("10.0.1.9:5", "192.0.2.1:1", "hub", "web", "\"b\"", "7", "1") "," ONE(
		"10.0.1.10:5", "192.0.2.1:2", "hub2", "web", "\"a\",\"b\"", "1",
		"9") "," ONE("[fd00::1]:5", "[2001:db8::1]:3", "hub", "bulk", "\"a\"", "5",
			     "5") "," ONE("10.0.2.1:5", "192.0.2.2:4", "hub", "bulk", "", "2", "2") "]}";

static void flows_are_chosen_and_sorted(void)
{
	static const struct {
		enum args_option option[2];
		const char *value[2];
		const char *ask; /* of the daemon; NULL: the command line is wrong */
		const char *want; /* NULL: as they come */
	} cases[] = {
		{ { ARGS_JSON }, { "" }, "{'all':false}", NULL },
		{ { ARGS_ALL }, { "" }, "{'all':true}", NULL },
		{ { ARGS_CLIENT }, { "10.0.1.0/24" }, "{'all':false,'client':'10.0.1.0/24'}", NULL },
		{ { ARGS_SERVER }, { ":2" }, "{'all':false,'server':':2'}", NULL },
		{ { ARGS_RULE }, { "bulk" }, "{'all':false,'rule':'bulk'}", NULL },
		{ { ARGS_PATH, ARGS_PEER }, { "a", "hub" }, "{'all':false,'peer':'hub','path':'a'}", NULL },
		{ { ARGS_SORT }, { "down" }, "{'all':false,'order':'down'}", "2341" },
		{ { ARGS_SORT }, { "up" }, "{'all':false,'order':'up'}", "1342" },
		{ { ARGS_SORT }, { "bytes" }, "{'all':false,'order':'bytes'}", "2314" },
		{ { ARGS_SORT }, { "age" }, "{'all':false,'order':'age'}", "1234" },
		{ { ARGS_SORT }, { "client" }, "{'all':false}", "1243" },
		{ { ARGS_SORT }, { "server" }, "{'all':false}", "1243" },
		{ { ARGS_SORT }, { "peer" }, "{'all':false}", "1342" },
		{ { ARGS_SORT }, { "rule" }, "{'all':false}", "3412" },
		{ { ARGS_SORT }, { "path" }, "{'all':false}", "4231" },
		{ { ARGS_SORT, ARGS_RULE }, { "down", "web" }, "{'all':false,'rule':'web','order':'down'}", "2341" },
		{ { ARGS_SORT }, { "size" }, NULL, NULL },
		{ { ARGS_SORT }, { "rate" }, NULL, NULL },
		{ { ARGS_CLIENT }, { "10.0.1" }, NULL, NULL },
		{ { ARGS_SERVER }, { ":65536" }, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *value = json_loads(four, 0, NULL), *parameters, *flow;
		char error[256] = "", got[8] = "", ask[128] = "";
		struct args args = { 0 };
		size_t k;

		for (k = 0; k < 2 && cases[i].value[k]; k++)
			args.option[cases[i].option[k]] = cases[i].value[k];
		parameters = flows_ask(&args, error, sizeof(error));
		CU_ASSERT_EQUAL(parameters != NULL, cases[i].ask != NULL);
		if (!cases[i].ask)
			CU_ASSERT_TRUE(strstr(error, args_options[cases[i].option[0]].name) != NULL);
		if (parameters)
			json_dumpb(parameters, ask, sizeof(ask) - 1, JSON_COMPACT);
		for (k = 0; ask[k]; k++)
			ask[k] = ask[k] == '"' ? '\'' : ask[k];
		CU_ASSERT_STRING_EQUAL(ask, cases[i].ask ?: "");
		flows_shape(&args, value);
		json_array_foreach(json_object_get(value, "flows"), k, flow) got[k] =
			strrchr(json_string_value(json_object_get(flow, "server")), ':')[1];
		if (cases[i].ask)
			CU_ASSERT_STRING_EQUAL(got, cases[i].want ?: "1234");
		json_decref(parameters);
		json_decref(value);
	}
}

/* Whether the interface text has "name" as a member, a method or an array of that name. */
static bool in_interface(const char *before, const char *name, int len, const char *after)
{
	char text[128];

	snprintf(text, sizeof(text), "%s%.*s%s", before, len, name, after);
	return strstr(io_mpgate, text) != NULL;
}

static void what_is_called_and_shown_is_in_the_interface(void)
{
	for (const struct verb *v = verbs; v->noun; v++) {
		if (!v->method)
			continue;
		CU_ASSERT_TRUE(in_interface("method ", v->method, 64, "("));
		/* Another program has the last word. */
		if (v->takes_command || v->is_live)
			continue;
		for (const struct section *s = v->view->sections; s->array || s->fields; s++) {
			if (s->array)
				CU_ASSERT_TRUE(in_interface("", s->array, 32, ": "));
			for (const struct field *f = s->fields; f && f->key; f++) {
				const char *dot = strchr(f->key, '.');

				if (dot)
					CU_ASSERT_TRUE(in_interface("", f->key, (int)(dot - f->key), ": "));
				CU_ASSERT_TRUE(in_interface("", dot ? dot + 1 : f->key, 32, ": "));
			}
		}
	}
}

/* A number that programs go by is said where the fields are. */
static void the_schema_is_described(void)
{
	char line[32];

	snprintf(line, sizeof(line), "#   schema: %d\n", MPGATE_SCHEMA);
	CU_ASSERT_PTR_NOT_NULL(strstr(io_mpgate, line));
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "tables_line_up", tables_line_up },
		{ "what_is_too_wide_is_made_narrow", what_is_too_wide_is_made_narrow },
		{ "text_goes_on_in_further_lines", text_goes_on_in_further_lines },
		{ "characters_are_counted_not_bytes", characters_are_counted_not_bytes },
		{ "flows_are_chosen_and_sorted", flows_are_chosen_and_sorted },
		{ "what_is_called_and_shown_is_in_the_interface", what_is_called_and_shown_is_in_the_interface },
		{ "the_schema_is_described", the_schema_is_described },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("mpgatectl_show", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
