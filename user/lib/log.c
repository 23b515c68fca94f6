// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/log.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAIN_PROCESS "mpgated"
#define MESSAGE 1024 /* bytes of a line with what stands before it; more is cut */
#define RECORD 2048 /* of a line with its fields; fields that do not fit are left out */

const char *log_journal = "/run/systemd/journal/socket";

static const char *log_who = "mpgate";
static enum log_level log_max = LOG_LEVEL_INFO;
static unsigned lost; /* lines since the last one that was written */
static bool levels; /* standard error is read by the journal */
static int journal = -1; /* its socket, for fields */

/* As systemd.exec(5) has it: the device and number of what the journal reads. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

static int open_journal(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", log_journal);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

void log_setup(const char *who, enum log_level max)
{
	log_who = who;
	log_max = max;
	levels = is_journal();
	if (journal >= 0)
		close(journal);
	journal = levels ? open_journal() : -1;
}

/* Or whoever is to read it stands still. Where that cannot be told the write tells. */
static bool takes_more(void)
{
	struct pollfd p = { .fd = journal >= 0 ? journal : STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) != 0;
}

/*
 * UTC. Not by gmtime_r(): it takes a lock, and reads a file at first, and what is told of a fault is told in a signal's
 * handler. Years begin in March here, so that a leap day is the last of one; the day 0 is that of the year 0.
 */
static int print_time(char *buf, size_t size)
{
	unsigned days, era, year, day, month;
	struct timespec now;
	unsigned second;

	clock_gettime(CLOCK_REALTIME, &now);
	second = (unsigned)(now.tv_sec % 86400);
	days = (unsigned)(now.tv_sec / 86400) + 719468;
	era = days / 146097; /* of 400 years */
	day = days % 146097;
	year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month = month < 10 ? month + 3 : month - 9;
	return snprintf(buf, size, "%04u-%02u-%02uT%02u:%02u:%02u.%03ldZ", era * 400 + year + (month <= 2), month,
			day + 1, second / 3600, second / 60 % 60, second % 60, now.tv_nsec / 1000000);
}

/* What stands before the text: its length, or 0. */
static int print_head(char *buf, size_t size, enum log_level level)
{
	static const char *const names[] = { [LOG_LEVEL_ERROR] = "error: ", [LOG_LEVEL_WARN] = "warning: " };
	const char *name = level <= LOG_LEVEL_WARN ? names[level] : "";
	int n;

	if (levels)
		return snprintf(buf, size, "<%d>%s: ", level, log_who);
	n = print_time(buf, size);
	return n + snprintf(buf + n, size - (size_t)n, " %s: %s", log_who, name);
}

/* A field a line (the journal's native protocol), so the text has no line breaks. False: it has not taken it. */
static bool tell_journal(enum log_level level, const struct log_field *fields, char *text)
{
	bool main = !strcmp(log_who, MAIN_PROCESS);
	char buf[RECORD];
	int n;

	for (char *at = text; (at = strchr(at, '\n'));)
		*at = ' ';
	n = snprintf(buf, sizeof(buf),
		     "PRIORITY=%d\nSYSLOG_IDENTIFIER=" MAIN_PROCESS "\nMPGATE_PROCESS=%s\nMESSAGE=%s%s%s\n", level,
		     log_who, main ? "" : log_who, main ? "" : ": ", text);
	for (; fields && fields->name; fields++) {
		int m = snprintf(buf + n, sizeof(buf) - (size_t)n, "%s=%s\n", fields->name, fields->value);

		if (m < 0 || (size_t)(n + m) >= sizeof(buf))
			break;
		n += m;
	}
	return write(journal, buf, (size_t)n) == n;
}

/* In one write, so that lines of several processes do not mix. */
static void print(enum log_level level, const struct log_field *fields, const char *fmt, va_list ap)
{
	char buf[MESSAGE];
	int n = print_head(buf, sizeof(buf), level);
	int room = (int)sizeof(buf) - n - 1, m = vsnprintf(buf + n, (size_t)room, fmt, ap);

	if (journal >= 0 && tell_journal(level, fields, buf + n))
		return;
	n += m < 0 ? 0 : m < room ? m : room - 1;
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
		return;
}

static void __attribute__((format(printf, 2, 3))) print_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(level, NULL, fmt, ap);
	va_end(ap);
}

/* Whether a line of that level is to be written now; what was lost before is told first. */
static bool begin(enum log_level level)
{
	unsigned missing;

	if (level > log_max)
		return false;
	if (!takes_more()) {
		__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
		return false;
	}
	missing = __atomic_exchange_n(&lost, 0, __ATOMIC_RELAXED);
	if (missing)
		print_line(LOG_LEVEL_WARN, "%u lines are missing here: the log was not read", missing);
	return true;
}

void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	va_list ap;

	if (!begin(level))
		return;
	va_start(ap, fmt);
	print(level, fields, fmt, ap);
	va_end(ap);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!begin(level))
		return;
	va_start(ap, fmt);
	print(level, NULL, fmt, ap);
	va_end(ap);
}
