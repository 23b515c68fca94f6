// SPDX-License-Identifier: GPL-2.0-or-later
/* The texts of the status page: what the control socket's methods answer, put together. */
#include <stdlib.h>
#include <string.h>

#include <mpgated/answers/answers.h>

#define FLOWS_MOST 200U /* those that have carried most; all are what `mpgatectl flows list` is for */
#define SCHEMA 1 /* as that of mpgatectl --json */

static json_t *answer(struct supervisor *s, const char *method)
{
	const char *error = NULL;
	json_t *answer = NULL;
	char *why = NULL;

	for (const struct control_method *m = s->answers->methods; m->name; m++)
		if (!strcmp(m->name, method) && m->call)
			answer = m->call(s, NULL, &error, &why);
	free(why);
	return answer ? answer : json_object();
}

/* The rules alone: the text of the configuration names files. */
static json_t *rules(struct supervisor *s)
{
	json_t *policy = answer(s, "io.mpgate.PolicyShow"), *list = json_object_get(policy, "rules");

	list = list ? json_incref(list) : json_array();
	json_decref(policy);
	return list;
}

/* One that waits for the list of flows. */
struct asked {
	struct supervisor *s;
	http_done done;
	void *arg;
};

static void give(const struct asked *a, json_t *o)
{
	char *text;

	json_set_int(o, "schema", SCHEMA);
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	a->done(a->arg, text, text ? strlen(text) : 0);
}

static void flows_there(void *arg)
{
	struct asked *a = arg;
	struct supervisor *s = a->s;
	json_t *o = json_object();

	json_object_set_new(o, "status", answer(s, "io.mpgate.Status"));
	json_object_set_new(o, "doctor", answer(s, "io.mpgate.Doctor"));
	json_object_set_new(o, "paths", answer(s, "io.mpgate.Paths"));
	json_object_set_new(o, "peers", answer(s, "io.mpgate.Peers"));
	json_object_set_new(o, "rules", rules(s));
	json_object_set_new(o, "flows", flows_told(s, FLOWS_LARGEST, false, NULL, FLOWS_MOST));
	give(a, o);
	free(a);
}

void answers_page(void *supervisor, enum http_text which, http_done done, void *arg)
{
	static const struct flows_wanted wanted = { .order = FLOWS_LARGEST };
	const struct asked now = { supervisor, done, arg };
	struct asked *a;

	if (which == HTTP_HISTORY) {
		give(&now, answer(supervisor, "io.mpgate.History"));
		return;
	}
	a = malloc(sizeof(*a));
	if (a)
		*a = now;
	if (!a || flows_ask(supervisor, &wanted, flows_there, a)) {
		free(a);
		done(arg, NULL, 0);
	}
}
