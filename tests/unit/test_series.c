// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/answers/counters.c user/mpgated/answers/quality.c user/mpgated/answers/usage.c
// SOURCES: user/mpgated/answers/doctor.c user/mpgated/answers/findings.c
// SOURCES: user/mpgated/answers/json.c user/mpgated/control/metrics.c
// LIBS: jansson libuv
/* The text of /metrics: no series is there twice, whatever links, rules and peers share, or a scrape is refused. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/answers/findings.h>

#include "cunit.h"

#define LINKS 4U
#define PEERS 2U
#define SERIES 1024U

/* --- the rest of the daemon */

static struct paths_link paths[LINKS];
static struct paths_sample samples[LINKS];

int datapath_counters(struct datapath *dp, uint64_t counters[MPGATE_REASON_COUNT])
{
	(void)dp;
	memset(counters, 0, MPGATE_REASON_COUNT * sizeof(*counters));
	return 0;
}

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	(void)p;
	return &paths[index];
}

const struct paths_sample *paths_get_sample(const struct paths *p, unsigned index)
{
	(void)p;
	return &samples[index];
}

const struct paths_subflow *paths_subflows(const struct paths *p, unsigned *count, unsigned *total)
{
	(void)p;
	*count = *total = 0;
	return NULL;
}

const char *rank_why(const struct supervisor *s, unsigned link, enum paths_rank *rank)
{
	(void)s;
	(void)link;
	*rank = PATHS_RANK_USE;
	return NULL;
}

const char *ways_later(const struct supervisor *s, unsigned link)
{
	(void)s, (void)link;
	return NULL;
}

uint64_t cost_used(const struct supervisor *s, unsigned link, uint32_t *again)
{
	(void)s;
	*again = 0;
	return link;
}

/* What findings_look() says: of what, by the journal's field, and the text. */
static char said[1024];

void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	len += (size_t)snprintf(said + len, sizeof(said) - len, "%d %s=%s ", level, fields->name ? fields->name : "",
				fields->name ? fields->value : "");
	va_start(ap, fmt);
	len += (size_t)vsnprintf(said + len, sizeof(said) - len, fmt, ap);
	va_end(ap);
	snprintf(said + len, sizeof(said) - len, "\n");
}

/* What is found, the least first, and one of it twice. */
static unsigned notes;
static const char *link_found; /* a subject */

void findings_links(const struct supervisor *s, struct findings *all)
{
	(void)s;
	for (unsigned i = 0; i < notes; i++)
		finding_add(all, SEVERITY_NOTE, FINDING_FEATURE, "%u", i);
	if (link_found)
		finding_text(finding_add(all, SEVERITY_NOTE, FINDING_FOREIGN_XDP, "%s", link_found), "x");
}

void findings_machine(const struct supervisor *s, struct findings *all)
{
	(void)s;
	for (unsigned i = 0; i < 2; i++)
		finding_text(finding_add(all, SEVERITY_WARNING, FINDING_OTHER_PROGRAM, "mptcpd"), "%u", i);
}

void findings_peers(const struct supervisor *s, struct findings *all)
{
	struct finding *f = finding_add(all, SEVERITY_ERROR, FINDING_PEER_DOWN, "peer %s", "one");

	(void)s;
	finding_text(f, "down: %s", "no answer");
	finding_remedy(f, "switch it %s", "on");
}

/* --- */

/* Two IP versions of one provider, two cards of another: with quotas, too. */
static struct cfg_link links[LINKS] = {
	{ .name = (char *)"wan0", .role = CFG_PATH, .path = (char *)"dsl", .quota_mib = 10 },
	{ .name = (char *)"wan1", .role = CFG_PATH, .path = (char *)"dsl", .quota_mib = 10 },
	{ .name = (char *)"wwan0", .role = CFG_PATH, .path = (char *)"lte" },
	{ .name = (char *)"lan0", .role = CFG_LAN, .path = (char *)"lan0" },
};

static char *scrape(bool openmetrics)
{
	static struct mpgate_addr address = { .b = { 1 } };
	static struct cfg_peer cfg_peers[PEERS] = {
		{ .name = (char *)"one", .address = &address, .address_count = 1 },
		{ .name = (char *)"two", .address = &address, .address_count = 1 }
	};
	static struct peer peers[PEERS] = { { .name = (char *)"one" }, { .name = (char *)"two" } };
	static char *rules[] = { (char *)"dsl", (char *)"lte" };
	static uint16_t slots[PEERS] = { 1, 0 };
	struct config cfg = { .links = links, .link_count = LINKS, .peers = cfg_peers, .peer_count = PEERS };
	struct supervisor *s = calloc(1, sizeof(*s));
	size_t len;
	char *text;

	s->cfg = &cfg;
	s->shm = calloc(1, sizeof(*s->shm));
	s->worker_count = 2;
	s->peers = peers;
	s->peer_slot = slots;
	s->rules = rules;
	s->rule_count = 2;
	s->cost.count = LINKS;
	text = answers_metrics(s, openmetrics, &len);
	free(s->shm);
	free(s);
	return text;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void each_once(bool openmetrics)
{
	char *text = scrape(openmetrics), *rest, *series[SERIES] = { NULL };
	unsigned n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nmpgate_path_subflows{path=\"dsl\",link=\"wan1\"} 0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nmpgate_path_quota_used_bytes{path=\"dsl\",link=\"wan1\"} 1\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "link=\"lan0\""));
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		/* Families as well. */
		bool comment = *line == '#' && strncmp(line, "# TYPE ", 7) != 0;

		if (comment)
			continue;
		CU_ASSERT_FATAL(n < SERIES && strrchr(line, ' '));
		*strrchr(line, ' ') = '\0';
		series[n++] = line;
	}
	CU_ASSERT_TRUE(n > 100);
	qsort(series, n, sizeof(series[0]), by_text);
	for (unsigned i = 1; i < n; i++) {
		if (!strcmp(series[i - 1], series[i]))
			printf("\n# twice: %s", series[i]);
		CU_ASSERT_STRING_NOT_EQUAL(series[i - 1], series[i]);
	}
	free(text);
}

static void test_each_once(void)
{
	each_once(false);
	each_once(true);
}

static const char *member(const json_t *answer, unsigned i, const char *name)
{
	return json_string_value(json_object_get(json_array_get(json_object_get(answer, "findings"), i), name));
}

static void test_worst_first(void)
{
	json_t *answer;
	char *text;

	notes = 1;
	answer = method_doctor(NULL, NULL, NULL, NULL);
	CU_ASSERT_TRUE(json_is_true(json_object_get(answer, "wrong")));
	CU_ASSERT_TRUE(json_is_false(json_object_get(answer, "truncated")));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(answer, "text")), "1 error, 2 warnings, 1 note");
	CU_ASSERT_STRING_EQUAL(member(answer, 0, "subject"), "peer one");
	CU_ASSERT_STRING_EQUAL(member(answer, 0, "text"), "down: no answer");
	CU_ASSERT_STRING_EQUAL(member(answer, 0, "remedy"), "switch it on");
	CU_ASSERT_STRING_EQUAL(member(answer, 1, "text"), "0");
	CU_ASSERT_STRING_EQUAL(member(answer, 2, "text"), "1");
	CU_ASSERT_STRING_EQUAL(member(answer, 3, "severity"), "note");
	json_decref(answer);
	/* For status. */
	answer = findings_list(findings_find(NULL), false);
	CU_ASSERT_EQUAL(json_array_size(answer), 3);
	json_decref(answer);
	text = scrape(false);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nmpgate_findings{severity=\"error\"} 1\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "finding=\"feature\""));
	free(text);

	/* More than there is room for. */
	notes = FINDINGS_MOST;
	answer = method_doctor(NULL, NULL, NULL, NULL);
	CU_ASSERT_TRUE(json_is_true(json_object_get(answer, "truncated")));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(answer, "findings")), FINDINGS_MOST);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(answer, "text")),
			       "1 error, 2 warnings, 125 notes, and 3 more");
	json_decref(answer);
	notes = 0;
}

/* Once when it comes, once when it is over, each with the field of what it is about. */
static void test_logged(void)
{
	findings_look(NULL);
	CU_ASSERT_STRING_EQUAL(said, "3 MPGATE_PEER=one peer one: down: no answer; switch it on\n"
				     "4 = mptcpd: 0; \n4 = mptcpd: 1; \n");
	said[0] = '\0';
	link_found = "link lan0";
	findings_look(NULL);
	findings_look(NULL);
	link_found = "path dsl (wan0.7) in IPv6";
	findings_look(NULL);
	link_found = NULL;
	findings_look(NULL);
	CU_ASSERT_STRING_EQUAL(said, "6 MPGATE_PATH=lan0 link lan0: x; \n"
				     "6 MPGATE_PATH=wan0.7 path dsl (wan0.7) in IPv6: x; \n"
				     "6 MPGATE_PATH=lan0 link lan0: no longer: x\n"
				     "6 MPGATE_PATH=wan0.7 path dsl (wan0.7) in IPv6: no longer: x\n");
}

int main(void)
{
	CU_TestInfo tests[] = { { "each series is there once", test_each_once },
				{ "the worst comes first", test_worst_first },
				{ "what comes and goes is logged", test_logged },
				CU_TEST_INFO_NULL };

	return cunit_run("series", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
