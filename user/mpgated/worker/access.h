/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may have what from the hub. Nothing here answers or closes; hub.c does
 * what follows. RFC 8803, 9 (an operator decides who may use a converter).
 */
#ifndef MPGATED_ACCESS_H
#define MPGATED_ACCESS_H

#include <lib/convert.h>
#include <mpgated/worker/conn.h>
#include <mpgated/worker/replay.h>

/* Who sent the message, by its cookie. */
struct request {
	struct convert_msg msg;
	bool keyed; /* by a valid keyed cookie */
	struct replay_place place; /* of a right keyed cookie whose time is right, too; spent before or not */
	const struct snapshot_key
		*key; /* that its cookie was made with, also if its time or end is not right; NULL: none */
};

/* Both in seconds: since 1970, by shared_cookie_time(); of CLOCK_BOOTTIME. */
struct access_clock {
	uint32_t wall, boot;
};
struct access_clock access_now(const struct worker *w);

enum access {
	ACCESS_GRANTED,
	ACCESS_REFUSED,
	ACCESS_STALE, /* a keyed cookie of another time */
	ACCESS_OWN, /* a keyed cookie with our own end id */
	ACCESS_REPLAYED, /* a keyed cookie that was used before */
	ACCESS_NO_COOKIE, /* one is to be issued */
};

/*
 * Judges the cookie of a whole message. A keyed cookie that is granted is spent, and fills in the rest of *r.
 */
enum access access_request(struct worker *w, struct request *r, const struct mpgate_addr *client,
			   const struct access_clock *clock);
/* The key of that name; NULL: no peer has it. */
const struct snapshot_key *access_key(const struct worker *w, uint32_t id);
/* May its Original Source be the source towards the server (the peer's allow-source, and never this machine's)? */
bool access_preserved(const struct worker *w, const struct request *r);
/* Is a client's address one that may speak Convert to us (allow-from)? */
bool access_source(const struct worker *w, const struct mpgate_addr *a);
/* Is its Original Source to be the source towards the server? */
bool access_preserves(const struct worker *w, const struct request *r);
/* May a connection go there (the peer's accept-to, or else allow-to, and never this machine itself)? */
bool access_destination(const struct worker *w, const struct request *r);

#endif
