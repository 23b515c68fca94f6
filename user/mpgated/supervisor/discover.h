/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Peers whose addresses are not in the configuration's file: the process that asks where they are
 * (resolver/resolver.h), and what is known. What it says goes into config.peers[].address of the configuration in
 * force; an answer without any address, or none at all, replaces nothing.
 */
#ifndef MPGATED_DISCOVER_H
#define MPGATED_DISCOVER_H

#include <mpgated/ipc/resolve.h>
#include <mpgated/supervisor/child.h>
#include <mpgated/supervisor/dhcp_option.h>

#define DISCOVER_TTL_MIN 30U /* seconds: no answer is asked for again sooner, */
#define DISCOVER_TTL_MAX 86400U /* or later */
#define DISCOVER_BACKOFF_MIN_MS 1000U /* after an answer that is of no use; then twice that, up to */
#define DISCOVER_BACKOFF_MAX_MS 60000U

struct supervisor;

/* What is known of a peer whose addresses are not in the file. Times are ms of the loop's clock. */
struct discovered {
	char *domain; /* empty: by DHCP; NULL: they are in the file */
	uint32_t number; /* of the question that is open, 0: none */
	uint64_t asked, next; /* when that was, and when the next one is due */
	uint32_t backoff_ms;
	enum resolve_result result; /* of the last answer */
	bool answered; /* there was one */
	uint16_t port;
	unsigned count;
	struct mpgate_addr address[CFG_PEER_ADDRESSES];
};

struct discover {
	struct child child; /* keep it first */
	struct supervisor *sup;
	/* A peer has other addresses in s->cfg now; set before the first discover_settle(). */
	void (*changed)(struct supervisor *s, unsigned cfg_index);
	struct discovered *peers; /* by slot; NULL: all were always in the file */
	uv_timer_t timer;
	uint32_t number; /* of the last question */
	unsigned open; /* questions */
	unsigned forgotten; /* questions whose answers are nobody's any more */
	struct stat servers; /* /etc/resolv.conf when the process was started; all zero: there was none */
	struct dhcp_option option, useful; /* the latter: the last one that said something for us */
	uint32_t enterprise; /* of the configuration in force */
	bool renewing; /* it was told to end, since that has changed */
};

/* Into a configuration that is to be in force: what is known of its peers. slots: as from peers_assign(). */
void discover_fill(const struct supervisor *s, struct config *cfg, const uint16_t *slots);
/* Goes by s->cfg from now on. The process is started when a peer needs it, and stays. */
void discover_settle(struct supervisor *s);
/* A path came, went or changed: who waits for an answer that may come now is asked for at once. */
void discover_hurry(struct supervisor *s);
void discover_reap(struct discover *d); /* after SIGCHLD */
void discover_close(struct discover *d); /* the loop must run on until nothing is left in it */
/* What is known of the peer in that slot, NULL: its addresses are in the file. */
const struct discovered *discover_get(const struct supervisor *s, unsigned slot);
/* For messages; empty when the last answer was good, or none has come yet. */
const char *discover_error(const struct discover *d, const struct discovered *f);

/* What is wrong with an answer that the process sent, NULL: nothing. d: what it was asked; slots: how many there are.
 */
const char *discover_check(const struct discover *d, unsigned slots, const struct resolve_answer *a);

#endif
