/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/names.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/near.h>
#include <mpgatectl/client.h>

/* The methods that tell them. */
static const struct source {
	const char *kind, *method, *array;
	const char *only; /* member that is true of those that count; NULL: all do */
} sources[] = {
	[ARGS_WANT_LINK] = { "link", "Status", "links", "rules" },
	[ARGS_WANT_PEER] = { "peer", "Peers", "peers", NULL },
	[ARGS_WANT_RULE] = { "rule", "PolicyShow", "rules", NULL },
	[ARGS_WANT_PATH] = { "path", "Paths", "paths", NULL },
};

static const struct source *find_source(enum args_want want)
{
	return want < sizeof(sources) / sizeof(sources[0]) && sources[want].kind ? &sources[want] : NULL;
}

json_t *names_known(const char *instance, enum args_want want)
{
	const struct source *s = find_source(want);
	char *error = NULL;
	json_t *answer = s ? client_call(instance, s->method, NULL, &error) : NULL;
	json_t *names = answer ? json_array() : NULL;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, s ? s->array : ""), i, one)
	{
		if (!s->only || json_is_true(json_object_get(one, s->only)))
			json_array_append(names, json_object_get(one, "name"));
	}
	json_decref(answer);
	free(error);
	return names;
}

static bool is_wrong(const struct args *args, enum args_option option, char **error)
{
	const char *name = args->option[option];
	enum args_want want = args_options[option].want;
	json_t *names = name && find_source(want) ? names_known(args->instance, want) : NULL;
	struct near near = { .text = name };
	bool known = !names;
	char text[NEAR_TEXT];
	const json_t *one;
	size_t i;

	json_array_foreach(names, i, one)
	{
		known = known || !strcmp(json_string_value(one), name);
		near_offer(&near, json_string_value(one));
	}
	if (!known && asprintf(error, "%s: there is no %s '%s'%s", args_options[option].name, sources[want].kind, name,
			       near_text(&near, text)) < 0)
		*error = NULL;
	json_decref(names);
	return !known;
}

bool names_wrong(const struct args *args, char **error)
{
	for (int i = 0; i < ARGS_OPTIONS; i++)
		if (is_wrong(args, i, error))
			return true;
	return false;
}
