/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a gateway asks of a peer, as a Convert message. */
#ifndef MPGATED_REQUEST_H
#define MPGATED_REQUEST_H

#include <mpgated/worker/conn.h>

struct convert_msg;

/* The peer that c was dialed to first; NULL: there was a reload, and its slot may mean another. */
const struct snapshot_peer *request_peer(const struct worker *w, const struct conn *c);

/*
 * The Convert message for c towards p, into buf. early: the client's first bytes follow it. Built again for the same
 * connection it has the same cookie, of which a hub takes one. Its length, -ETIME when that has become too old, or
 * another -errno.
 */
int request_build(struct worker *w, struct conn *c, const struct snapshot_peer *p, bool early, uint8_t *buf,
		  size_t cap);
/* The same, and the client's first bytes behind it: where they stand, in the worker's buffer, and how many they are. */
int request_compose(struct worker *w, struct conn *c, const struct snapshot_peer *p, const uint8_t **at, size_t *len);
/* The message that parks c, a connection that we keep open for requests of p. Its length or -errno. */
int request_park(struct worker *w, struct conn *c, const struct snapshot_peer *p, uint8_t *buf, size_t cap);
/*
 * Can the request be said with another cookie than the one that answer m, an Error, refuses or misses? One that is
 * refused is forgotten, and a new one asked for: c is dialed anew twice at most.
 */
bool request_other_cookie(struct worker *w, struct conn *c, const struct convert_msg *m);
/* Does m, an Error, refuse the request for its time alone? Then the peer did nothing, and its clock is known. */
bool request_stale(struct worker *w, struct conn *c, const struct snapshot_peer *p, const struct convert_msg *m);

/* The slot of another peer that c may be sent to, by its rule, and that is up; -1: none. */
int request_stand_in(const struct worker *w, const struct conn *c);
/* Makes it c's peer, for a request that nobody was asked yet. False: there is none. */
bool request_move(struct worker *w, struct conn *c);
/* A rule of the snapshot; NULL: there is none of that id. */
const struct snapshot_rule *request_rule(const struct worker *w, uint32_t id);

#endif
