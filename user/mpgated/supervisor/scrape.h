/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's side of the process for metrics and the status page (control/http.h): its listener, its start and
 * restart, its questions. */
#ifndef MPGATED_SCRAPE_H
#define MPGATED_SCRAPE_H

#include <mpgated/control/http.h>
#include <mpgated/ipc/message.h>
#include <mpgated/supervisor/child.h>

struct scrape {
	struct child child; /* keep it first */
	int listener;
	int waiting; /* errno: nobody listens yet, which is tried again; 0: it does */
	uv_timer_t pause; /* until the next question is looked at */
	bool due; /* an answer that comes later */
	struct message question; /* of that */
	struct http_start how;
	const struct http_source *source;
	void *arg;
	bool open;
};

/*
 * Listens on addr (an IPv4 or IPv6 address) and port, and starts the process; an address that no interface has yet is
 * waited for, which is logged. token_file: who has what is in it gets
 * the status page; NULL: this machine does, if addr is on loopback, else nobody. 0, or -errno after a message that
 * names what is wrong. s starts as zero, and must stay where it is until the loop has ended; so must source, which is
 * given arg.
 */
int scrape_open(struct scrape *s, uv_loop_t *loop, const char *addr, uint16_t port, const char *token_file,
		const struct http_source *source, void *arg);
/* Listens there when it is waited for and the address has come; without effect otherwise. */
void scrape_again(struct scrape *s, const char *addr, uint16_t port);
/* Why nobody listens yet; NULL: somebody does, or it was not opened. */
const char *scrape_waits(const struct scrape *s);
/* Ends the process; without effect when it was not opened. The loop must run on until nothing is left in it. */
void scrape_close(struct scrape *s);
void scrape_reap(struct scrape *s); /* after SIGCHLD */

#endif
