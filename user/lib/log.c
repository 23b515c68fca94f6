// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/log.h>

#include <stdio.h>
#include <unistd.h>

static const char *log_who = "mpgate";
static enum log_level log_max = LOG_LEVEL_INFO;

void log_setup(const char *who, enum log_level max)
{
	log_who = who;
	log_max = max;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n, room;

	if (level > log_max)
		return;
	n = snprintf(buf, sizeof(buf), "<%d>%s: ", level, log_who);
	room = (int)sizeof(buf) - n - 1;
	va_start(ap, fmt);
	int m = vsnprintf(buf + n, (size_t)room, fmt, ap);
	va_end(ap);
	n += m < 0 ? 0 : m < room ? m : room - 1;
	buf[n++] = '\n';
	/* One write a line, so that lines of several processes do not mix. */
	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
		return;
}
