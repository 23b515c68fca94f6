/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may have what from the hub. Nothing here answers or closes; hub.c does
 * what follows. RFC 8803, 9 (an operator decides who may use a converter).
 */
#ifndef MPGATED_ACCESS_H
#define MPGATED_ACCESS_H

#include <lib/convert.h>
#include <mpgated/worker/conn.h>

/* Who sent the message, by its cookie. */
struct request {
	struct convert_msg msg;
	bool keyed; /* by a valid keyed cookie */
	bool private_tlvs;
	unsigned slot; /* of the peer, when keyed */
};

enum access {
	ACCESS_GRANTED,
	ACCESS_REFUSED,
	ACCESS_STALE, /* a keyed cookie of another time */
	ACCESS_REPLAYED, /* a keyed cookie that was used before */
	ACCESS_NO_COOKIE, /* one is to be issued */
};

/*
 * Judges the cookie of a whole message, at `now` (s since 1970). A keyed cookie that is granted is spent, and fills in
 * the rest of *r.
 */
enum access access_request(struct worker *w, struct request *r, const struct mpgate_addr *client, uint32_t now);
/* Is a client's address one that may speak Convert to us (allow-from)? */
bool access_source(const struct worker *w, const struct mpgate_addr *a);
/* May a connection go there (allow-to, and never this machine itself)? */
bool access_destination(const struct worker *w, const struct mpgate_addr *dst);

#endif
