/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /metrics and the status page over HTTP: a process of its own, since its parser is for whoever can reach the address.
 * It is nobody, holds one listener, and asks the supervisor for each text (MSG_METRICS). What it serves or does not
 * holds up nobody else.
 */
#ifndef MPGATED_HTTP_H
#define MPGATED_HTTP_H

#include <stdint.h>

#include <lib/keys.h>
#include <mpgated/control/metrics.h>

/* What it asks for: the value of MSG_METRICS. */
enum http_text {
	HTTP_METRICS,
	HTTP_OPENMETRICS,
	HTTP_STATUS, /* what is, as JSON */
	HTTP_HISTORY, /* what was, as JSON */
	HTTP_TEXTS,
};

/* Takes over a malloc'ed text of len bytes; NULL: there is none. */
typedef void (*http_done)(void *arg, char *text, size_t len);

/* Who makes the texts, of `arg` that is given beside it. */
struct http_source {
	metrics_render metrics;
	/* HTTP_STATUS and HTTP_HISTORY: done is called once, before this returns or later. NULL: there are none. */
	void (*page)(void *arg, enum http_text which, http_done done, void *done_arg);
};

/* Who gets the page. /metrics is for everybody who can reach the address. */
enum http_guard {
	HTTP_CLOSED, /* nobody: it is not on loopback, and there is no token */
	HTTP_LOCAL, /* this machine: loopback, by a name that nobody else can lead here */
	HTTP_TOKEN, /* who has the token */
};

/* Its first packet, with the listener. */
struct http_start {
	uint32_t guard; /* enum http_guard */
	struct key token;
};

/* The process that is started as START_METRICS. Never returns. */
void http_main(void) __attribute__((noreturn));

#endif
