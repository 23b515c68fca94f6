/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A leg of a connection: see leg.c. Part of conn.h. */
#ifndef MPGATED_LEG_H
#define MPGATED_LEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct worker;

/* Bytes that wait for a socket to become writable; no memory while empty. */
struct parked {
	uint8_t *data;
	uint32_t off, len; /* of what is left */
};

/*
 * A socket of a connection. There may be none yet: the other one may come first, and either may be the one that was
 * dialed.
 */
struct leg {
	int fd; /* -1: none */
	bool mptcp : 1; /* made or accepted as an MPTCP socket */
	bool dialed : 1; /* by us; else accepted */
	bool young : 1; /* accepted, and the handshake may not be over: see leg_settle() */
	bool in : 1,
		out : 1; /* may be readable, may be writable: cleared by EAGAIN or a short transfer, set by an event */
	bool hangup : 1; /* FIN or error seen by poll: read to the end */
	bool urgent : 1; /* urgent data seen by poll */
	bool eof : 1; /* read to the end */
	bool broken : 1; /* reset, or otherwise not to be written to or read from any more */
	bool shut : 1; /* our FIN is sent, or due with the other leg's */
	bool ended : 1; /* both directions have ended, and it has to stay open */
	bool unsent : 1; /* our FIN waits until the kernel has sent all before it */
	bool asked_sent : 1; /* it is to tell when it has */
	bool watched_out : 1;
	bool plain : 1; /* of a peer: it fell back to plain TCP, which is counted */
	bool full : 1; /* nothing is read for it until it takes what is there */
	uint32_t ahead; /* bytes read for it at a time, see still_ahead(); 0: it has had little yet */
	struct parked parked; /* to be written to fd */
};

/* A read gave less than asked for: is that all? The mark of urgent data ends a read, a FIN is found by another one. */
static inline bool leg_is_dry(const struct leg *l)
{
	return !l->hangup && !l->urgent;
}

/* Gives a leg its socket, which is the connection's from here on. */
void leg_accepted(struct leg *l, int fd, bool mptcp);
void leg_dialed(struct leg *l, int fd, bool mptcp);
/* A dialed leg failed with err. True: it had been accepted before it was reset, and relay_event() reads what was said.
 */
bool leg_was_reset(struct leg *l, int err);
/*
 * Sends our FIN, or sets l->unsent: to be called again when something was acknowledged, see tcp_may_shutdown(). 0 or
 * -errno.
 */
int leg_shutdown(struct worker *w, struct conn *c, struct leg *l);
void leg_close(struct worker *w, struct leg *l, bool reset);
/*
 * Starts to report what happens on a leg of c. Being writable is reported where it is waited for: on dialed legs, on
 * accepted ones whose handshake may not be over, and once something is parked (leg_watch_out()).
 */
int leg_watch(struct worker *w, struct conn *c, struct leg *l);
/* For a leg that was watched as another connection's; what happened meanwhile is reported again. */
int leg_watch_again(struct worker *w, struct conn *c, struct leg *l);
int leg_watch_out(struct worker *w, struct conn *c, struct leg *l);
/* Does what is due once an accepted leg's handshake is over, if it is. */
void leg_settle(struct leg *l);
/* Writes data to l, parking what does not fit. 0 or -errno (the leg is broken, or -ENOBUFS). */
int leg_write(struct worker *w, struct conn *c, struct leg *l, const uint8_t *data, size_t len);
int leg_flush(struct worker *w, struct leg *l); /* 0 or -errno; l->out and l->parked tell whether all went */
/* Both for the first that a leg sends: FIRST_SEGMENT bytes of it leave before, and apart from, the rest. */
int leg_write_first(struct worker *w, struct conn *c, struct leg *l, const uint8_t *data, size_t len);
int leg_flush_first(struct worker *w, struct leg *l);
/* Puts a copy of data behind what is parked. 0, -ENOMEM, -ENOBUFS (the worker's bound). */
int park(struct worker *w, struct parked *p, const uint8_t *data, size_t len);
void unpark(struct worker *w, struct parked *p);

#endif
