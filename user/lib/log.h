/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to standard error, one line each: "<level>mpgated[worker]: text" (the <n> prefix of sd-daemon(3)). A reader
 * that stands still holds nothing up: lines that do not fit are dropped, and their number is told later.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* who: "mpgated", "worker 1": printed in each line; not copied. max: messages above it are dropped. */
void log_setup(const char *who, enum log_level max);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
