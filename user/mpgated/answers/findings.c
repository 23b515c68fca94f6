// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/answers/findings.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
#define X(id, name) [FINDING_##id] = name,
	FINDINGS(X)
#undef X
};

/* There is no room left: the place of one of the least severe, where that is less severe. */
static struct finding *lesser(struct findings *all, enum severity severity)
{
	struct finding *least = &all->list[0];

	all->left_out++;
	for (unsigned i = 1; i < FINDINGS_MOST; i++)
		if (all->list[i].severity >= least->severity)
			least = &all->list[i];
	return least->severity > severity ? least : &all->rest;
}

struct finding *finding_add(struct findings *all, enum severity severity, enum finding_id id, const char *subject, ...)
{
	struct finding *f = all->count < FINDINGS_MOST ? &all->list[all->count++] : lesser(all, severity);
	va_list ap;

	f->severity = severity;
	f->name = names[id];
	f->told = false;
	f->text[0] = f->remedy[0] = '\0';
	va_start(ap, subject);
	vsnprintf(f->subject, sizeof(f->subject), subject, ap);
	va_end(ap);
	return f;
}

void finding_text(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

void finding_remedy(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->remedy, sizeof(f->remedy), fmt, ap);
	va_end(ap);
}
