// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/log.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static const char *log_who = "mpgate";
static enum log_level log_max = LOG_LEVEL_INFO;
static unsigned lost; /* lines since the last one that was written */

void log_setup(const char *who, enum log_level max)
{
	log_who = who;
	log_max = max;
}

/* Or whoever is to read it stands still. Where that cannot be told the write tells. */
static bool takes_more(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) != 0;
}

/* In one write, so that lines of several processes do not mix. */
static void print(enum log_level level, const char *fmt, va_list ap)
{
	char buf[1024];
	int n = snprintf(buf, sizeof(buf), "<%d>%s: ", level, log_who);
	int room = (int)sizeof(buf) - n - 1;
	int m = vsnprintf(buf + n, (size_t)room, fmt, ap);

	n += m < 0 ? 0 : m < room ? m : room - 1;
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
		return;
}

static void __attribute__((format(printf, 2, 3))) print_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(level, fmt, ap);
	va_end(ap);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	unsigned missing;
	va_list ap;

	if (level > log_max)
		return;
	if (!takes_more()) {
		__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
		return;
	}
	missing = __atomic_exchange_n(&lost, 0, __ATOMIC_RELAXED);
	if (missing)
		print_line(LOG_LEVEL_WARN, "%u lines are missing here: the log was not read", missing);
	va_start(ap, fmt);
	print(level, fmt, ap);
	va_end(ap);
}
