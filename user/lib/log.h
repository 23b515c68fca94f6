/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages, one line each. Where standard error is the journal's (JOURNAL_STREAM) they go to it with their level and
 * with fields; where it does not take that, as lines "<level>who: text" (sd-daemon(3)). Else to standard error, with
 * the time: "2026-11-28T20:46:01.123Z who: text", warnings and errors named before the text. A reader that stands still
 * holds nothing up: lines that do not fit are dropped, and their number is told later.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* What a message is about, for the journal: a name as below, and text without line breaks. */
struct log_field {
	const char *name, *value;
};
#define LOG_PEER "MPGATE_PEER"
#define LOG_PATH "MPGATE_PATH" /* a link, by its interface: of paths, or another one */
#define LOG_CLIENT "MPGATE_CLIENT"
#define LOG_SERVER "MPGATE_SERVER"
/* LOG_FIELDS({ LOG_PEER, name }, ...): an array that ends with a NULL name. */
#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__, { NULL, NULL } })

/* Where the journal listens. For tests, before log_setup(). */
extern const char *log_journal;

/*
 * who: "mpgated", "worker 1": printed in each line; not copied. max: messages above it are dropped. Before a process
 * gives up its rights: it may open a socket.
 */
void log_setup(const char *who, enum log_level max);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* With fields; NULL: none. */
void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
