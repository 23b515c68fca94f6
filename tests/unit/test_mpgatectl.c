/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgatectl/args.c user/mpgatectl/client.c user/mpgatectl/complete.c user/mpgatectl/explain.c
// SOURCES: user/mpgatectl/flows.c user/mpgatectl/help.c user/mpgatectl/local.c user/mpgatectl/names.c
// SOURCES: user/mpgatectl/verbs.c
// LIBS: jansson
/* mpgatectl: its command line, and what needs no daemon. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mpgatectl/args.h>
#include <mpgatectl/complete.h>
#include <mpgatectl/explain.h>
#include <mpgatectl/help.h>

#include "cunit.h"

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
		{ ARGV("flows", "list", "--sort", "down", "--peer", "hub", "--json"), "flows", "list", NULL, NULL,
		  true },
		{ ARGV("stats", "--all"), "stats", NULL, NULL, NULL, false },
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
		{ ARGV("drain", "--json"), "drain what? start, stop", true },
		{ ARGV("policy"), "policy what? show, check, explain", false },
		{ ARGV("polcy"), "unknown command: polcy; did you mean 'policy'?", false },
		{ ARGV("peer", "list"), "unknown command: peer list; did you mean 'peers list'?", false },
		{ ARGV("peers", "lst"), "unknown command: peers lst; did you mean 'peers list'?", false },
		{ ARGV("key", "show"), "unknown command: key show; did you mean 'key show-id'?", false },
		{ ARGV("stauts"), "unknown command: stauts; did you mean 'status'?", false },
		{ ARGV("frobnicate"), "unknown command: frobnicate", false },
		{ ARGV("policy", "apply"), "unknown command: policy apply", false },
		{ ARGV("policy", "check"), "policy check: FILE is missing", false },
		{ ARGV("policy", "explain", "10.0.0.1"), "policy explain: DST:PORT is missing", false },
		{ ARGV("status", "now"), "too many words: now", false },
		{ ARGV("run"), "run: COMMAND is missing: run -- COMMAND", false },
		{ ARGV("run", "--"), "run: COMMAND is missing: run -- COMMAND", false },
		{ ARGV("run", "curl", "--", "x"), "too many words: curl", false },
		{ ARGV("status", "--", "x"), "too many words: --", false },
		{ ARGV("--jsn", "status", "--json"), "unknown option: --jsn; did you mean '--json'?", true },
		{ ARGV("status", "-i"), "--instance wants a value: INSTANCE", false },
		{ ARGV("-i", "../x", "status"), "'../x' is not the name of an instance", false },
		{ ARGV("status", "--link", "l"), "--link is not for status", false },
		{ ARGV("flows", "list", "--mptcp"), "--mptcp is not for flows list", false },
		{ ARGV("policy", "explain", "a", "b", "--dscp", "64"),
		  "'64' is not a code point: 0 to 63, or a name as af11, cs1, ef", false },
		{ ARGV("policy", "explain", "a", "b", "--dscp", "af14"),
		  "'af14' is not a code point: 0 to 63, or a name as af11, cs1, ef", false },
		{ ARGV("flows", "list", "--sort"), "--sort wants a value: BY", false },
	};
	char error[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args args;

		CU_ASSERT_EQUAL(parse(cases[i].argv, &args, error, sizeof(error)), -EINVAL);
		CU_ASSERT_STRING_EQUAL(error, cases[i].error);
		CU_ASSERT_EQUAL(args.json, cases[i].json);
	}
}

static void code_points_have_names(void)
{
	static const struct {
		char *text;
		int dscp;
	} cases[] = { { "0", 0 }, { "63", 63 }, { "ef", 46 }, { "AF11", 10 }, { "cs1", 8 }, { "le", 1 } };
	char error[256];
	struct args args;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[] = ARGV("policy", "explain", "a", "b", "--dscp", cases[i].text);

		CU_ASSERT_EQUAL(parse(argv, &args, error, sizeof(error)), 0);
		CU_ASSERT_EQUAL(args.dscp, cases[i].dscp);
	}
}

static char *helped(const struct verb *verb, const char *noun)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	help(f, verb, noun);
	fclose(f);
	return text;
}

/* Whether no line is wider than 80 columns. */
static bool fits(const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\n") > 80)
			return false;
	return true;
}

static void help_is_of_what_was_named(void)
{
	static char *const argv[] = ARGV("policy", "explain", "--help"), *const noun[] = ARGV("drain", "-h");
	char error[256];
	struct args args;
	char *text = helped(NULL, NULL);

	CU_ASSERT_TRUE(fits(text));
	for (const struct verb *v = verbs; v->noun; v++) {
		char *one = helped(v, NULL);

		CU_ASSERT_PTR_NOT_NULL(strstr(text, v->help));
		CU_ASSERT_PTR_NOT_NULL(strstr(one, v->help));
		CU_ASSERT_TRUE(fits(one));
		for (int i = 0; i < ARGS_OPTIONS; i++)
			CU_ASSERT_EQUAL(!!(v->options & ARGS_BIT(i)), strstr(one, args_options[i].help) != NULL);
		free(one);
	}
	free(text);

	CU_ASSERT_EQUAL(parse(argv, &args, error, sizeof(error)), 0);
	CU_ASSERT_STRING_EQUAL(args.verb->verb, "explain");
	CU_ASSERT_EQUAL(parse(noun, &args, error, sizeof(error)), 0);
	CU_ASSERT_PTR_NULL(args.verb);
	text = helped(NULL, args.noun);
	CU_ASSERT_TRUE(strstr(text, "drain start") && strstr(text, "drain stop") && !strstr(text, "reload"));
	free(text);
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
		char addr[EXPLAIN_ADDRESS] = "";
		int port = 0;

		CU_ASSERT_EQUAL(explain_endpoint(cases[i].text, addr, &port), cases[i].addr ? 0 : -EINVAL);
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
		json_t *got = explain_ask(&args, error, sizeof(error));
		json_t *want = cases[i].want ? json_loads(cases[i].want, 0, NULL) : NULL;

		CU_ASSERT_TRUE(want ? json_equal(got, want) : !got && *error);
		json_decref(got);
		json_decref(want);
	}
}

static void wrong_endpoints_are_told(void)
{
	static const struct {
		const char *source, *destination, *error;
	} cases[] = {
		{ "host.example", "192.0.2.1:80", "'host.example' is a host name: " },
		{ "10.0.0.1", "www.example.org:80", "'www.example.org:80' is a host name: " },
		{ "10.0.0.1", "192.0.2.1", "'192.0.2.1' lacks its port, as in " },
		{ "10.0.0.1", "[2001:db8::2]", "'[2001:db8::2]' lacks its port, as in " },
		{ "10.0.0.1", "2001:db8::2:443", "'2001:db8::2:443' needs brackets in front of its port, " },
		{ "10.0.0.1", "192.0.2.1:http", "'192.0.2.1:http' needs a number for its port: 1 to 65535" },
		{ "10.0.0.1", "192.0.2.1:0", "'192.0.2.1:0' needs a number for its port: 1 to 65535" },
		{ "10.0.0.1:x", "192.0.2.1:1", "'10.0.0.1:x' needs a number for its port: 1 to 65535" },
		{ "10.0.0", "192.0.2.1:80", "'10.0.0' is not SRC[:PORT]" },
		{ "10.0.0.1", "", "'' is not DST:PORT" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct args args = { .operands = { cases[i].source, cases[i].destination }, .dscp = -1 };
		char error[256] = "";

		CU_ASSERT_PTR_NULL(explain_ask(&args, error, sizeof(error)));
		CU_ASSERT_EQUAL(strncmp(error, cases[i].error, strlen(cases[i].error)), 0);
	}
}

static void words_are_completed(void)
{
	static const struct {
		char *words[7]; /* the last one is being typed */
		const char *has, *has_not;
		enum args_want want;
		const char *instance;
	} cases[] = {
		{ { "" }, "policy\t", "show\t", ARGS_WANT_NOTHING, NULL },
		{ { "" }, "status\twhat runs", "--json", ARGS_WANT_NOTHING, NULL },
		{ { "--" }, "--version\t", "--link\t", ARGS_WANT_NOTHING, NULL },
		{ { "policy", "" }, "explain\t", "status\t", ARGS_WANT_NOTHING, NULL },
		{ { "--json", "" }, "key\t", "new\t", ARGS_WANT_NOTHING, NULL },
		{ { "--json", "status", "-" }, "--instance\t", "--json\t", ARGS_WANT_NOTHING, NULL },
		{ { "-i", "" }, "", "status\t", ARGS_WANT_INSTANCE, NULL },
		{ { "-i", "a", "key", "" }, "show-id\t", "status\t", ARGS_WANT_NOTHING, "a" },
		{ { "policy", "check", "" }, "", "--json\t", ARGS_WANT_FILE, NULL },
		{ { "policy", "check", "f", "" }, "", "--json\t", ARGS_WANT_NOTHING, NULL },
		{ { "policy", "explain", "-" }, "--link\t", "--peer\t", ARGS_WANT_NOTHING, NULL },
		{ { "policy", "explain", "--mptcp", "--" }, "--dscp\t", "--mptcp\t", ARGS_WANT_NOTHING, NULL },
		{ { "policy", "explain", "--link", "" }, "", "--json\t", ARGS_WANT_LINK, NULL },
		{ { "policy", "explain", "--dscp", "" }, "", "--json\t", ARGS_WANT_DSCP, NULL },
		{ { "policy", "explain", "" }, "", "show\t", ARGS_WANT_NOTHING, NULL },
		{ { "" }, "run\t", "show\t", ARGS_WANT_NOTHING, NULL },
		{ { "run", "" }, "--\t", "status\t", ARGS_WANT_NOTHING, NULL },
		{ { "run", "--", "" }, "", "--json\t", ARGS_WANT_COMMAND, NULL },
		{ { "run", "--", "ls", "-" }, "", "--json\t", ARGS_WANT_FILE, NULL },
		{ { "flows", "list", "-" }, "--sort\t", "--link\t", ARGS_WANT_NOTHING, NULL },
		{ { "flows", "list", "--sort", "" }, "", "--sort\t", ARGS_WANT_SORT, NULL },
		{ { "flows", "list", "--peer", "" }, "", "--sort\t", ARGS_WANT_PEER, NULL },
		{ { "flows", "list", "--rule", "" }, "", "--sort\t", ARGS_WANT_RULE, NULL },
		{ { "flows", "--path", "" }, "", "--sort\t", ARGS_WANT_PATH, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *instance;
		char *text = NULL;
		int count = 0;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		while (cases[i].words[count])
			count++;
		CU_ASSERT_EQUAL(complete_words(count, cases[i].words, &instance, f), cases[i].want);
		CU_ASSERT_STRING_EQUAL(instance ? instance : "", cases[i].instance ? cases[i].instance : "");
		fclose(f);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, cases[i].has));
		CU_ASSERT_PTR_NULL(strstr(text, cases[i].has_not));
		free(text);
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
	refuses(find("key", "show-id"), &args, "can be read by others: its mode must be 0600");
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
		{ "code_points_have_names", code_points_have_names },
		{ "help_is_of_what_was_named", help_is_of_what_was_named },
		{ "endpoints_are_understood", endpoints_are_understood },
		{ "explain_makes_parameters", explain_makes_parameters },
		{ "wrong_endpoints_are_told", wrong_endpoints_are_told },
		{ "commands_are_left_alone", commands_are_left_alone },
		{ "words_are_completed", words_are_completed },
		{ "keys_are_made_and_named_but_not_shown", keys_are_made_and_named_but_not_shown },
		{ "configurations_are_checked", configurations_are_checked },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("mpgatectl", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
