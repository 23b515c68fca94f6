/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the ways to a peer: one for each of its addresses over each path with an address of that family (or
 * over the default route where no path has one). Says which probe is due, and which way new connections take. Pure: no
 * I/O; times are ms of a clock that the caller reads.
 */
#ifndef MPGATED_HEALTH_H
#define MPGATED_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include <lib/config/config.h>
#include <mpgated/ipc/shared.h>
#include <mpgated/supervisor/trouble.h>

#define HEALTH_WAYS WAYS_SHARED /* to a peer, that are probed; a connection has no more than 8 subflows */
#define HEALTH_ERROR 64
#define HEALTH_UNSURE 3U /* probes in a row: then that is how the path is, and the next one has time */
#define HEALTH_SYN_DATA_LOST 3U /* probes in a row say that data in SYNs is not taken; fewer, that SYNs got lost */
#define HEALTH_SYN_DATA_EACH 8U /* probes: where data in SYNs is not taken, every so many try it again */

#define HEALTH_PATIENT_EACH 4U /* probes of a way that is down: every so many wait as long as is allowed */

#define HEALTH_IDLE_MS 30000U /* between probes of a way that is up */
#define HEALTH_BUSY_MS 2000U /* the same while the peer is in use: of the way that is used */
#define HEALTH_SPARE_MS 5000U /* the same, of the others */
#define HEALTH_USE_MS 30000U /* so long after its last use a peer counts as in use */
#define HEALTH_PAUSE_MS 1000U /* at least from one probe of a way to the next, whoever asks for them */
#define HEALTH_BACKOFF_MAX_MS 60000U /* between probes of a way that is down, when all are */
#define HEALTH_PUT_OFF 30U /* times in a row, at most */
#define HEALTH_PATIENCE_MS 2000U /* for an answer, where there is another way: SYNs are repeated after one second */
#define HEALTH_QUICK_MS 200U /* the same, and for a connection's SYN, where another peer can take over; or: */
#define HEALTH_QUICK_RTTS 3U
#define HEALTH_LATE_MS 20U /* and half a round trip more than one; at most: */
#define HEALTH_LATE_MOST_MS 800U /* SYNs are repeated after one second */
#define HEALTH_PATIENCE_RTTS 4U /* and so many round trips */
#define HEALTH_SYN_RTTS 2U /* until a SYN is said again, where that is more than the kernel's second */
#define HEALTH_SYN_MAX_S 30U
#define HEALTH_TOOK 2U /* times what the last one took a probe may take, */
#define HEALTH_TOOK_MAX_MS 60000U /* and no longer */
#define HEALTH_SHARE                                                                                                   \
	5U /* of a way's time its probes take a fifth at most: on a slow link they are much of what it carries */

#define HEALTH_TRIPS 4U /* round trips of a probe: handshake, message, end */

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN };

/* A path, or (name empty) the default route. */
struct health_path {
	char name[16]; /* of its link */
	bool v6;
	bool backup; /* its subflows are, while there are others */
	struct mpgate_addr from; /* all zero: the kernel chooses */
};

struct health_way {
	struct health_path path;
	uint8_t address; /* index of the peer's */
	uint8_t state; /* enum health_state */
	uint8_t syn_data; /* enum syn_data */
	bool syn_data_sure; /* the last probe says the same */
	uint8_t syn_data_lost; /* probes in a row whose SYN data was not taken */
	bool plain; /* it answers in plain TCP only */
	bool joins; /* further subflows belong where it announces (Joins), not to this address */
	bool probing;
	uint8_t unsure; /* probes in a row that were */
	uint8_t put_off; /* how often in a row */
	bool answers; /* what the last probe found was said by a converter, though it may be a refusal */
	bool vain; /* the last probe was for a suspicion, and it is up */
	bool suspect; /* a connection over it failed: probed as soon as may be */
	uint8_t probes; /* begun, modulo HEALTH_SYN_DATA_EACH */
	uint32_t rtt_us; /* of the last probe */
	uint32_t took_ms; /* the last probe that was answered, from begin to end */
	uint32_t backoff_ms;
	uint64_t next, began; /* ms: the next probe; begin of the last one */
	uint64_t last; /* ms: end of the last one, 0: none */
	uint8_t trouble; /* enum trouble: what kind of error, while it is down */
	char error[HEALTH_ERROR]; /* empty while it is up */
};

struct health {
	struct health_way way[HEALTH_WAYS]; /* by address of the peer, then best path first */
	unsigned count;
	unsigned apart; /* addresses so far apart are the same one, at another port; 0: none are */
	uint64_t used; /* ms: last use of the peer, 0: never */
	bool spare; /* another peer can take over */
	bool complained; /* a connection had to wait for it, and no probe was answered since */
};

/*
 * What a probe found. error NULL: there was an answer. A connection whose SYN data is not taken goes on in plain TCP,
 * so that a probe tells either of the two only.
 */
struct health_result {
	const char *error;
	enum trouble trouble; /* what kind of error */
	bool answers; /* by a converter: the way is good */
	bool waited; /* for a queue of its path, until the peer had no more patience: says nothing */
	bool plain, plain_known;
	bool joins, joins_known; /* the answer has Joins; it is one that would have it */
	bool unsure; /* packets were lost: it is up, and what else was found is left for the next probe, which is soon
		      */
	enum syn_data syn_data; /* SYN_DATA_UNKNOWN: it had none in its SYN */
	uint32_t rtt_us;
};

/* Of v4[i]: is the peer's address i IPv4? paths: best first. What is known of ways that stay is kept. */
void health_set_ways(struct health *h, const bool *v4, unsigned addresses, const struct health_path *paths,
		     unsigned path_count, uint64_t now);
/*
 * The peer has other addresses: to[i] is the new index of the one that had index i, -1: it has it no more. Probes under
 * way are given up. health_set_ways() is to follow.
 */
void health_readdress(struct health *h, const int *to);
/* The way whose probe is due, -1: none; *next is then when one will be, UINT64_MAX: never. */
int health_due(const struct health *h, uint64_t now, uint64_t *next);
/* How long to wait for the answer of a probe over this way: at most max, or twice what the last one took. */
uint64_t health_patience(const struct health *h, unsigned way, uint64_t max);
void health_begin(struct health *h, unsigned way, uint64_t now);
/* Is the next probe over this way to have data in its SYN? */
bool health_tries_syn_data(const struct health *h, unsigned way);
/* The probe over that way has ended. */
void health_end(struct health *h, unsigned way, const struct health_result *r, uint64_t now);
/* The probe says nothing, or could not be made: again after a pause. False: too often by now, it may be for good. */
bool health_put_off(struct health *h, unsigned way, uint64_t now);
/* The way of this address and path, -1: it is no longer one. */
int health_find(const struct health *h, unsigned address, const struct health_path *path);
/* The peer is used; called every second or so. */
void health_used(struct health *h, uint64_t now);
/* A connection to the peer failed or was refused: probes decide what that means. */
void health_suspect(struct health *h, uint64_t now);
/* The path of that name may have died. True: the peer is used, and has ways over it that are up. */
bool health_suspect_path(struct health *h, const char *link, uint64_t now);
/* A connection has had no answer for health_quick_ms(): now it matters whether probes have. */
void health_complain(struct health *h, uint64_t now);
/* How long the best way to the peer may take for a handshake and an answer, as far as is known; 0: nothing is. */
uint32_t health_slow_ms(const struct health *h);
/* How long an answer may take before others of its group take over: by the best way's round trip. */
uint32_t health_quick_ms(const struct health *h);
/*
 * It is up as far as is known, but a connection has complained, and no probe under way has been answered in time
 * either. Else *next is when that may be so, UINT64_MAX: not as things are.
 */
bool health_silent(const struct health *h, uint64_t now, uint64_t *next);
/* The best way to that address, of those that are up; -1: none is. */
int health_best(const struct health *h, unsigned address);
/* The best way to that address over another path than the best one, of those that are up and bond; -1: none. */
int health_second(const struct health *h, unsigned address);
/* A handshake over that way that takes longer than this is late: it is usual by the last probe. */
uint32_t health_late_ms(const struct health *h, unsigned way);
/*
 * The best of all; -1: none is up. The same address at another port, where more paths bond that are no backups, or else
 * more of all, or else a better one: further subflows of a connection go to its port.
 */
int health_first(const struct health *h);
/* Do further subflows of connections to that address belong where it announces? As the last answer of a way that is up
 * says. */
bool health_joins(const struct health *h, unsigned address);
/* Up: one way is. Down: all were found to be. */
enum health_state health_state(const struct health *h);
/* The longest round trip of the ways over a path that are up, as their last probes found it; 0: none is. */
uint32_t health_path_rtt_us(const struct health *h, const char *name, bool v6);
/* After how many seconds a SYN is to be sent again, by its path's round trip; 0: the kernel's own time will do. */
uint32_t health_syn_timeout_s(uint32_t rtt_us);
/* Of a path, to all addresses: up: one is, or was refused by the peer itself; down: there are some, and none is. */
enum health_state health_of_path(const struct health *h, const char *name, bool v6);

#endif
