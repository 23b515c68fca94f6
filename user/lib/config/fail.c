// SPDX-License-Identifier: GPL-2.0-or-later
/* A message with its place in a file. */
#include <errno.h>
#include <stdio.h>

#include <lib/config/where.h>

int where_vfail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, va_list ap)
{
	int n;
	char *c;

	if (line)
		n = snprintf(err->text, sizeof(err->text), "%s:%u: ", name, line);
	else
		n = snprintf(err->text, sizeof(err->text), "%s: ", name);
	if (n > 0 && (size_t)n < sizeof(err->text))
		vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, ap);
	for (c = err->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
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
