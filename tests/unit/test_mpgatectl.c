/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgatectl/args.c user/mpgatectl/local.c user/mpgatectl/show.c user/mpgatectl/verbs.c
// LIBS: jansson
/* mpgatectl: its command line, and what it shows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mpgatectl/args.h>
#include <mpgatectl/show.h>

#include "cunit.h"
#include "io.mpgate.varlink.h"

#define ARGV(...)                                                                                                      \
	{                                                                                                              \
		"mpgatectl", __VA_ARGS__, NULL                                                                         \
	}

static int parse(char *const *argv, struct args *args, char *error, size_t size)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return args_parse(argc, argv, args, error, size);
}

static void command_lines_are_understood(void)
{
	static const struct {
		char *argv[10];
		const char *noun, *verb, *instance, *operand;
		bool json;
	} cases[] = {
		{ ARGV("status"), "status", NULL, NULL, NULL, false },
		{ ARGV("-i", "cpe1", "--json", "flows", "list"), "flows", "list", "cpe1", NULL, true },
		{ ARGV("flows", "list", "--json", "--instance", "hub"), "flows", "list", "hub", NULL, true },
		{ ARGV("policy", "check", "f.yaml"), "policy", "check", NULL, "f.yaml", false },
		{ ARGV("key", "new", "k"), "key", "new", NULL, "k", false },
		{ ARGV("policy", "explain", "::1", "--link", "l", "--dscp", "63", "[::1]:80"), "policy", "explain",
		  NULL, "::1", false },
	};
	char error[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args args;

		CU_ASSERT_EQUAL_FATAL(parse(cases[i].argv, &args, error, sizeof(error)), 0);
		CU_ASSERT_STRING_EQUAL(args.verb->noun, cases[i].noun);
		CU_ASSERT_EQUAL(args.verb->verb ? strcmp(args.verb->verb, cases[i].verb) : !!cases[i].verb, 0);
		CU_ASSERT_EQUAL(args.instance ? strcmp(args.instance, cases[i].instance) : !!cases[i].instance, 0);
		CU_ASSERT_EQUAL(args.operands[0] ? strcmp(args.operands[0], cases[i].operand) : !!cases[i].operand, 0);
		CU_ASSERT_EQUAL(args.json, cases[i].json);
	}
}

static void commands_are_left_alone(void)
{
	char *argv[] = ARGV("-i", "cpe1", "run", "--", "curl", "--json", "-i", "--");
	char error[256];
	struct args args;

	CU_ASSERT_EQUAL_FATAL(parse(argv, &args, error, sizeof(error)), 0);
	CU_ASSERT_STRING_EQUAL(args.verb->noun, "run");
	CU_ASSERT_STRING_EQUAL(args.instance, "cpe1");
	CU_ASSERT_FALSE(args.json);
	CU_ASSERT_PTR_EQUAL(args.command, argv + 5);
}

static void wrong_command_lines_are_told(void)
{
	static const struct {
		char *argv[10];
		const char *error;
		bool json;
	} cases[] = {
		{ { "mpgatectl", NULL }, "what to do?", false },
		{ ARGV("drain", "--json"), "unknown command: drain", true },
		{ ARGV("policy"), "unknown command: policy", false },
		{ ARGV("policy", "apply"), "unknown command: policy apply", false },
		{ ARGV("policy", "check"), "policy check: FILE is missing", false },
		{ ARGV("policy", "explain", "10.0.0.1"), "policy explain: DST:PORT is missing", false },
		{ ARGV("status", "now"), "too many words: now", false },
		{ ARGV("run"), "run: COMMAND is missing: run -- COMMAND", false },
		{ ARGV("run", "--"), "run: COMMAND is missing: run -- COMMAND", false },
		{ ARGV("run", "curl", "--", "x"), "too many words: curl", false },
		{ ARGV("status", "--", "x"), "too many words: --", false },
		{ ARGV("--jsn", "status", "--json"), "unknown option: --jsn", true },
		{ ARGV("status", "-i"), "--instance wants a value: INSTANCE", false },
		{ ARGV("-i", "../x", "status"), "'../x' is not the name of an instance", false },
		{ ARGV("status", "--link", "l"), "--link, --dscp and --mptcp are for policy explain", false },
		{ ARGV("status", "--mptcp"), "--link, --dscp and --mptcp are for policy explain", false },
		{ ARGV("policy", "explain", "a", "b", "--dscp", "64"), "'64' is not a code point: 0 to 63", false },
	};
	char error[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args args;

		CU_ASSERT_EQUAL(parse(cases[i].argv, &args, error, sizeof(error)), -EINVAL);
		CU_ASSERT_STRING_EQUAL(error, cases[i].error);
		CU_ASSERT_EQUAL(args.json, cases[i].json);
	}
}

static void endpoints_are_understood(void)
{
	static const struct {
		const char *text, *addr; /* NULL: refused */
		int port;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", -1 },
		{ "192.0.2.1:80", "192.0.2.1", 80 },
		{ "2001:db8::1", "2001:db8::1", -1 },
		{ "[2001:db8::1]", "2001:db8::1", -1 },
		{ "[2001:db8::1]:65535", "2001:db8::1", 65535 },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", -1 },
		{ "", NULL, 0 },
		{ "192.0.2.1:", NULL, 0 },
		{ "192.0.2.1:65536", NULL, 0 },
		{ "192.0.2.1:-1", NULL, 0 },
		{ "192.0.2.1:8x", NULL, 0 },
		{ "192.0.2:80", NULL, 0 },
		{ "[192.0.2.1]:80", NULL, 0 },
		{ "[2001:db8::1", NULL, 0 },
		{ "[2001:db8::1]80", NULL, 0 },
		{ "host:80", NULL, 0 },
		{ "00000000000000000000000000000000000000000000000", NULL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char addr[ARGS_ADDRESS] = "";
		int port = 0;

		CU_ASSERT_EQUAL(args_endpoint(cases[i].text, addr, &port), cases[i].addr ? 0 : -EINVAL);
		CU_ASSERT_STRING_EQUAL(addr, cases[i].addr ? cases[i].addr : "");
		CU_ASSERT_EQUAL(port, cases[i].port);
	}
}

static void explain_makes_parameters(void)
{
	static const struct {
		const char *source, *destination, *want; /* NULL: refused */
	} cases[] = {
		{ "10.0.0.1", "192.0.2.1:80",
		  "{\"source\":\"10.0.0.1\",\"destination\":\"192.0.2.1\",\"destination_port\":80}" },
		{ "[2001:db8::1]:7", "[2001:db8::2]:443",
		  "{\"source\":\"2001:db8::1\",\"source_port\":7,\"destination\":\"2001:db8::2\","
		  "\"destination_port\":443}" },
		{ "10.0.0.1", "192.0.2.1", NULL },
		{ "10.0.0.1", "192.0.2.1:0", NULL },
		{ "10.0.0.1", "[2001:db8::2]:443", NULL },
		{ "here", "192.0.2.1:80", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args args = { .operands = { cases[i].source, cases[i].destination }, .dscp = -1 };
		char error[256] = "";
		json_t *got = args_explain(&args, error, sizeof(error));
		json_t *want = cases[i].want ? json_loads(cases[i].want, 0, NULL) : NULL;

		CU_ASSERT_TRUE(want ? json_equal(got, want) : !got && *error);
		json_decref(got);
		json_decref(want);
	}
}

static void words_are_completed(void)
{
	static const struct {
		char *words[4];
		int count;
		const char *has, *has_not;
		enum args_want want;
		const char *instance;
	} cases[] = {
		{ { NULL }, 0, "policy\n", "show\n", ARGS_WANT_NOTHING, NULL },
		{ { "policy" }, 1, "explain\n", "status\n", ARGS_WANT_NOTHING, NULL },
		{ { "--json" }, 1, "key\n", "new\n", ARGS_WANT_NOTHING, NULL },
		{ { "-i" }, 1, "", "status\n", ARGS_WANT_INSTANCES, NULL },
		{ { "-i", "a", "key" }, 3, "show-id\n", "status\n", ARGS_WANT_NOTHING, "a" },
		{ { "policy", "check" }, 2, "", "--json\n", ARGS_WANT_NOTHING, NULL },
		{ { "policy", "explain" }, 2, "--link\n", "show\n", ARGS_WANT_NOTHING, NULL },
		{ { "policy", "explain" }, 2, "--mptcp\n", "status\n", ARGS_WANT_NOTHING, NULL },
		{ { "policy", "explain", "--link" }, 3, "", "--json\n", ARGS_WANT_LINKS, NULL },
		{ { "policy", "explain", "--dscp" }, 3, "", "--json\n", ARGS_WANT_NOTHING, NULL },
		{ { NULL }, 0, "run\n", "show\n", ARGS_WANT_NOTHING, NULL },
		{ { "run", "--" }, 2, "", "--json\n", ARGS_WANT_NOTHING, NULL },
		{ { "flows", "list" }, 2, "--json\n", "--link\n", ARGS_WANT_NOTHING, NULL },
		{ { NULL }, 0, "--version\n", "--link\n", ARGS_WANT_NOTHING, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *instance;
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		CU_ASSERT_EQUAL(args_complete(cases[i].count, cases[i].words, &instance, f), cases[i].want);
		CU_ASSERT_STRING_EQUAL(instance ? instance : "", cases[i].instance ? cases[i].instance : "");
		fclose(f);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, cases[i].has));
		CU_ASSERT_PTR_NULL(strstr(text, cases[i].has_not));
		free(text);
	}
}

/* --- what is shown */

static char *shown(const char *noun, const char *json)
{
	json_t *value = json_loads(json, 0, NULL);
	const struct verb *v = verbs;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	CU_ASSERT_PTR_NOT_NULL_FATAL(value);
	while (strcmp(v->noun, noun))
		v++;
	show(f, v->view, value);
	fclose(f);
	json_decref(value);
	return text;
}

static void tables_line_up(void)
{
	static const struct {
		const char *noun, *json, *text;
	} cases[] = {
		{ "flows",
		  "{\"flows\":[{\"client\":\"10.0.0.1:1\",\"server\":\"[2001:db8::1]:443\",\"rule\":\"bulk\","
		  "\"worker\":1,"
		  "\"age_s\":90061,\"bytes_up\":1023,\"bytes_down\":1536,\"subflows\":2,\"mptcp\":true,"
		  "\"state\":\"relaying\",\"role\":\"gateway\"}],\"truncated\":true}",
		  "CLIENT      SERVER             ROLE     PEER  RULE  WORKER  AGE    UP      DOWN     MPTCP  SUBFLOWS "
		  " "
		  "STATE     MAPPED\n"
		  "10.0.0.1:1  [2001:db8::1]:443  gateway  -     bulk  1       1d01h  1023 B  1.5 KiB  yes    2        "
		  " "
		  "relaying  -\n"
		  "there are more flows than are shown\n" },
		{ "policy",
		  "{\"text\":\"instance: a\\n\",\"rules\":[{\"name\":\"r\",\"hits\":5,\"action\":\"direct\"}]}",
		  "instance: a\n\n# RULE  HITS  ACTION  VIA\n# r     5     direct  -\n" },
		{ "reload", "{\"text\":\"nothing changed\"}", "done  nothing changed\n" },
		{ "stats", "{\"reasons\":[{\"name\":\"steered\",\"text\":\"given\",\"value\":7}],\"relay\":[]}",
		  "Packets, by verdict\nREASON   COUNT  MEANING\nsteered  7      given\n\n"
		  "Relay\nCOUNTER  COUNT  MEANING\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = shown(cases[i].noun, cases[i].json);

		CU_ASSERT_STRING_EQUAL(text, cases[i].text);
		free(text);
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
		if (v->takes_command)
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

/* --- what needs no daemon */

static const struct verb *find(const char *noun, const char *verb)
{
	const struct verb *v = verbs;

	while (strcmp(v->noun, noun) || strcmp(v->verb, verb))
		v++;
	return v;
}

/* Whether the text of the key is anywhere in the value. */
static bool shows_key(const char *file, const json_t *value)
{
	char key[64] = "";
	char *text = json_dumps(value, 0);
	FILE *f = fopen(file, "r");
	bool shows;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_PTR_NOT_NULL(fgets(key, sizeof(key), f));
	fclose(f);
	key[strcspn(key, "\n")] = 0;
	CU_ASSERT_EQUAL(strlen(key), 44);
	shows = strstr(text, key) != NULL;
	free(text);
	return shows;
}

static void refuses(const struct verb *v, const struct args *args, const char *why)
{
	char *error = NULL;

	CU_ASSERT_PTR_NULL(v->run(args, &error));
	CU_ASSERT_PTR_NOT_NULL_FATAL(error);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, why));
	free(error);
}

static void keys_are_made_and_named_but_not_shown(void)
{
	char dir[] = "/tmp/mpg-test-mpgatectl-XXXXXX";
	char file[sizeof(dir) + 4], *error = NULL;
	const struct args args = { .operands = { file } };
	json_t *made, *shown_id;
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/key", dir);
	refuses(find("key", "show-id"), &args, file);

	made = find("key", "new")->run(&args, &error);
	shown_id = find("key", "show-id")->run(&args, &error);
	CU_ASSERT_EQUAL(strlen(json_string_value(json_object_get(made, "id"))), 8);
	CU_ASSERT_TRUE(json_equal(made, shown_id));
	CU_ASSERT_FALSE(shows_key(file, made));
	CU_ASSERT_EQUAL(stat(file, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);

	refuses(find("key", "new"), &args, "never replaced");
	CU_ASSERT_EQUAL(chmod(file, 0644), 0);
	refuses(find("key", "show-id"), &args, "0600");
	json_decref(made);
	json_decref(shown_id);
	unlink(file);
	rmdir(dir);
}

static void configurations_are_checked(void)
{
	static const struct {
		const char *text, *error; /* NULL: right */
	} cases[] = {
		{ "instance: a\nlinks:\n  - { name: lan0, role: lan }\n", NULL },
		{ "instance: a\nlinks:\n  - { name: lan0, role: moon }\n", ":3: " },
	};
	char file[] = "/tmp/mpg-test-mpgatectl-XXXXXX";
	const struct args args = { .operands = { file } };
	int fd = mkstemp(file);

	CU_ASSERT_NOT_EQUAL_FATAL(fd, -1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ssize_t len = (ssize_t)strlen(cases[i].text);
		char *error = NULL;
		json_t *value;

		CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
		CU_ASSERT_EQUAL(pwrite(fd, cases[i].text, len, 0), len);
		value = find("policy", "check")->run(&args, &error);
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(value, "links")), cases[i].error ? 0 : 1);
		CU_ASSERT_TRUE(cases[i].error ? error && strstr(error, cases[i].error) : !error);
		json_decref(value);
		free(error);
	}
	close(fd);
	unlink(file);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "command_lines_are_understood", command_lines_are_understood },
		{ "wrong_command_lines_are_told", wrong_command_lines_are_told },
		{ "endpoints_are_understood", endpoints_are_understood },
		{ "explain_makes_parameters", explain_makes_parameters },
		{ "commands_are_left_alone", commands_are_left_alone },
		{ "words_are_completed", words_are_completed },
		{ "tables_line_up", tables_line_up },
		{ "what_is_called_and_shown_is_in_the_interface", what_is_called_and_shown_is_in_the_interface },
		{ "keys_are_made_and_named_but_not_shown", keys_are_made_and_named_but_not_shown },
		{ "configurations_are_checked", configurations_are_checked },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("mpgatectl", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
