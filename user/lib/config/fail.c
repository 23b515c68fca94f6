// SPDX-License-Identifier: GPL-2.0-or-later
/* A message with its place in a file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lib/config/blank.h>
#include <lib/config/where.h>

#define ERROR_TEXT sizeof(((struct cfg_error *)0)->text)

/* Bytes that a terminal would act on get a mark, and what looks like a blank its name. */
static void make_visible(char text[ERROR_TEXT])
{
	char raw[ERROR_TEXT];
	size_t len = 0;

	snprintf(raw, sizeof(raw), "%s", text);
	for (const char *c = raw; *c && len + 1 < ERROR_TEXT;) {
		size_t bytes;
		const char *name = blank_name(c, strlen(c), &bytes);
		bool control = (unsigned char)*c < ' ' || *c == 0x7f;

		if (!name)
			bytes = 1;
		len += (size_t)snprintf(text + len, ERROR_TEXT - len, name ? "<%s>" : "%.1s",
					name	  ? name
					: control ? "?"
						  : c);
		c += bytes;
	}
}

int where_vfail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, va_list ap)
{
	int n;

	if (line)
		n = snprintf(err->text, sizeof(err->text), "%s:%u: ", name, line);
	else
		n = snprintf(err->text, sizeof(err->text), "%s: ", name);
	if (n > 0 && (size_t)n < sizeof(err->text))
		vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, ap);
	make_visible(err->text);
	return -EINVAL;
}

int where_fail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = where_vfail(err, name, line, fmt, ap);
	va_end(ap);
	return r;
}
