// SPDX-License-Identifier: GPL-2.0-or-later
/* The findings, for all who tell of them: Doctor, Status, /metrics, the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/answers/findings.h>

static const char *const severity_names[] = {
	[SEVERITY_ERROR] = "error", [SEVERITY_WARNING] = "warning", [SEVERITY_NOTE] = "note"
};

/* Of one severity in the order in which they were found, which is that of their addresses before they are sorted. */
static int worse_first(const void *a, const void *b)
{
	const struct finding *const *x = a, *const *y = b;

	if ((*x)->severity != (*y)->severity)
		return (*x)->severity < (*y)->severity ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

const struct findings *findings_find(const struct supervisor *s)
{
	static struct findings found, sorted;
	const struct finding *order[FINDINGS_MOST];

	found.count = found.left_out = 0;
	findings_links(s, &found);
	findings_machine(s, &found);
	findings_peers(s, &found);
	for (unsigned i = 0; i < found.count; i++)
		order[i] = &found.list[i];
	qsort(order, found.count, sizeof(order[0]), worse_first);
	for (unsigned i = 0; i < found.count; i++)
		sorted.list[i] = *order[i];
	sorted.count = found.count;
	sorted.left_out = found.left_out;
	return &sorted;
}

static void count(const struct findings *all, unsigned n[SEVERITIES])
{
	memset(n, 0, SEVERITIES * sizeof(n[0]));
	for (unsigned i = 0; i < all->count; i++)
		n[all->list[i].severity]++;
}

json_t *findings_list(const struct findings *all, bool notes)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < all->count; i++) {
		const struct finding *f = &all->list[i];
		json_t *o;

		if (f->severity == SEVERITY_NOTE && !notes)
			continue;
		o = json_object();
		json_set_text(o, "severity", severity_names[f->severity]);
		json_set_text(o, "name", f->name);
		json_set_text(o, "subject", f->subject);
		json_set_text(o, "text", f->text);
		json_set_text(o, "remedy", f->remedy);
		json_array_append_new(list, o);
	}
	return list;
}

static void summary(const struct findings *all, const unsigned n[SEVERITIES], char *text, size_t size)
{
	int len = 0;

	if (!n[SEVERITY_ERROR] && !n[SEVERITY_WARNING])
		len = snprintf(text, size, "nothing is wrong");
	for (unsigned i = 0; i < SEVERITIES; i++)
		if (n[i])
			len += snprintf(text + len, size - (size_t)len, "%s%u %s%s", len ? ", " : "", n[i],
					severity_names[i], n[i] > 1 ? "s" : "");
	if (all->left_out)
		snprintf(text + len, size - (size_t)len, ", and %u more", all->left_out);
}

json_t *method_doctor(void *arg, const json_t *parameters, const char **error, char **why)
{
	const struct findings *all = findings_find(arg);
	unsigned n[SEVERITIES];
	json_t *o = json_object();
	char text[128];

	(void)parameters;
	(void)error;
	(void)why;
	count(all, n);
	summary(all, n, text, sizeof(text));
	json_object_set_new(o, "wrong", json_boolean(n[SEVERITY_ERROR] || n[SEVERITY_WARNING]));
	json_object_set_new(o, "findings", findings_list(all, true));
	json_object_set_new(o, "truncated", json_boolean(all->left_out > 0));
	json_set_text(o, "text", text);
	return o;
}

/* --- the log */

static bool has(const struct findings *all, const struct finding *f)
{
	for (unsigned i = 0; i < all->count; i++)
		if (!strcmp(all->list[i].name, f->name) && !strcmp(all->list[i].subject, f->subject))
			return true;
	return false;
}

/* What it is about, for the journal: its subject has the name, in which there is no space. */
static struct log_field about(const struct finding *f, char name[FINDING_SUBJECT])
{
	const char *field = NULL;

	if (sscanf(f->subject, "peer %79s", name) == 1)
		field = LOG_PEER;
	else if (sscanf(f->subject, "link %79s", name) == 1 || sscanf(f->subject, "path %*s (%79[^)]", name) == 1)
		field = LOG_PATH;
	return (struct log_field){ field, name };
}

void findings_look(void *supervisor)
{
	static const enum log_level levels[] = { [SEVERITY_ERROR] = LOG_LEVEL_ERROR,
						 [SEVERITY_WARNING] = LOG_LEVEL_WARN,
						 [SEVERITY_NOTE] = LOG_LEVEL_INFO };
	static struct findings before;
	const struct findings *now = findings_find(supervisor);
	char name[FINDING_SUBJECT];

	for (unsigned i = 0; i < now->count; i++) {
		const struct finding *f = &now->list[i];

		if (!f->told && !has(&before, f))
			log_with(levels[f->severity], LOG_FIELDS(about(f, name)), "%s: %s; %s", f->subject, f->text,
				 f->remedy);
	}
	for (unsigned i = 0; i < before.count && !now->left_out; i++) {
		const struct finding *f = &before.list[i];

		if (!f->told && !has(now, f))
			log_with(LOG_LEVEL_INFO, LOG_FIELDS(about(f, name)), "%s: no longer: %s", f->subject, f->text);
	}
	before.count = now->count;
	memcpy(before.list, now->list, now->count * sizeof(now->list[0]));
}

/* --- metrics */

static bool is_repeated(const struct findings *all, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (!strcmp(all->list[k].name, all->list[i].name) &&
		    !strcmp(all->list[k].subject, all->list[i].subject))
			return true;
	return false;
}

void findings_metrics(const struct supervisor *s, struct metrics_text *t)
{
	const struct findings *all = findings_find(s);
	unsigned n[SEVERITIES];

	count(all, n);
	metrics_text_family(t, "mpgate_findings", "gauge", "What mpgatectl doctor has to say, by severity");
	for (unsigned i = 0; i < SEVERITIES; i++) {
		const struct metrics_label l[] = { { "severity", severity_names[i] }, { 0 } };

		metrics_text_sample(t, l, n[i]);
	}
	metrics_text_family(t, "mpgate_finding", "gauge", "1 for each of these that is wrong");
	for (unsigned i = 0; i < all->count; i++) {
		const struct finding *f = &all->list[i];
		const struct metrics_label l[] = { { "severity", severity_names[f->severity] },
						   { "finding", f->name },
						   { "subject", f->subject },
						   { 0 } };

		/* A series that is there twice makes a scrape useless. */
		if (f->severity != SEVERITY_NOTE && !is_repeated(all, i))
			metrics_text_sample(t, l, 1);
	}
}
