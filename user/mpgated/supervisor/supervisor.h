/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor: the one process with privileges. It owns the configuration,
 * the data plane, the paths, the peers' state and the workers, all on one
 * libuv loop. supervisor.c starts and stops, reload.c puts configurations in
 * force; the other parts each work on their own member of struct supervisor.
 */
#ifndef MPGATED_SUPERVISOR_H
#define MPGATED_SUPERVISOR_H

#include <time.h>
#include <uv.h>

#include <lib/config/config.h>
#include <lib/convert.h>
#include <lib/policy.h>
#include <mpgated/control/control.h>
#include <mpgated/datapath/datapath.h>
#include <mpgated/supervisor/by_path.h>
#include <mpgated/supervisor/child.h>
#include <mpgated/supervisor/cost.h>
#include <mpgated/supervisor/discover.h>
#include <mpgated/supervisor/features.h>
#include <mpgated/supervisor/health.h>
#include <mpgated/supervisor/identity.h>
#include <mpgated/supervisor/links.h>
#include <mpgated/supervisor/maplog.h>
#include <mpgated/paths/paths.h>
#include <mpgated/supervisor/quality.h>
#include <mpgated/supervisor/stall.h>
#include <mpgated/supervisor/rank.h>
#include <mpgated/supervisor/scrape.h>
#include <mpgated/worker/worker.h>

enum peer_state { PEER_UNKNOWN, PEER_UP, PEER_DOWN };

/* A peer in its slot, which it keeps over reloads. */
struct peer {
	struct supervisor *sup;
	char *name; /* NULL: the slot is free */
	unsigned slot;
	struct subkey send; /* what our cookies for it are made with */
	struct subkey next_send; /* the same of a configuration that is not in force yet */
	bool keyed, private_tlvs;
	bool transparent; /* it is on the path, or not: it has no address, and is always up */
	bool left_out; /* see config_left_out() */
	struct mpgate_addr address[CFG_PEER_ENDS]; /* as config_ends() has them */
	__be16 port[CFG_PEER_ENDS]; /* of each; the first one also where there is no address */
	unsigned address_count;
	unsigned own_count; /* of them, the first: at its own port */
	enum peer_state state;
	bool silent; /* up, and yet new connections go to others of its groups: see health_silent() */
	uint64_t parked; /* bits by worker: it has connections that the peer opened for our requests */
	bool parks, parked_since; /* there are some, or were lately; since the last look */
	enum trouble last_trouble, past_trouble; /* what kind of error: */
	char last_error[128]; /* empty while it is up */
	char past_error[128]; /* the last one, of probes and of connections; it stays */
	uint64_t erred; /* ms of the loop's clock: when that was; 0: none yet */
	struct health health;
	int first; /* the way that workers were told to take, -1: none yet */
	struct probe *probes; /* under way, of probe.c */
	uint64_t next_try; /* ms of the loop's clock */
	uv_timer_t timer; /* next probe */
	bool handles; /* timer is initialised */
};

/* What peers may use towards us, of both ages: read with the configuration, and never again. */
struct keyring {
	struct datapath_key *keys;
	unsigned *owner; /* by the same index: the peer's in config.peers; in their order */
	unsigned count;
};

struct worker_proc {
	struct child child; /* keep it first: see worker_of() */
	struct supervisor *sup;
	bool full;
	bool silent; /* has not answered for a while */
	bool behind; /* has yet to be sent the new snapshot */
	unsigned reports_left; /* messages that are taken of it in this period */
	bool asked; /* its answer to the last question for flows is awaited */
	struct flow_record *flows; /* that answer, NULL: none */
	unsigned flow_count;
	bool more_flows;
	int ring_fd; /* while it is being started */
	__be16 port; /* of its steering listeners */
	struct listener listeners[WORKER_LISTENERS];
	unsigned listener_count;
	unsigned places; /* bits: where it listens for Convert, see listen.c */
};

/* Who waits for a list of flows. They are listed in s->workers[].flows while done runs. */
struct flows_waiter {
	struct flows_waiter *next;
	struct flows_wanted wanted;
	void (*done)(void *arg);
	void *arg;
};

/* Does what is steered reach the workers? */
struct watchdog {
	bool stopped; /* it does not: nothing is steered */
	uint64_t again, accepted, answered; /* counters when all was well last */
	uint64_t retry; /* ms of the loop's clock: when it is tried again */
	unsigned pause_s; /* until the next try */
	unsigned tested[MPGATE_MAX_LINKS]; /* the interface that a test was made on, by index in cfg->links */
	bool failed; /* the last test */
	bool confirmed, refuted; /* by what became of clients when a test failed */
	uint64_t steered; /* SYNs given to workers, when all was well last */
	unsigned mute; /* checks in a row since then that saw some, and no connection */
	bool zoned; /* it is stopped for that */
};

struct supervisor_answers;

struct supervisor {
	uv_loop_t loop;
	uv_signal_t sigterm, sigint, sighup, sigchld;
	uv_timer_t clock, second, watch;
	char *path; /* of the configuration file */
	struct config *cfg;
	uint32_t link_bitmap[MPGATE_MAX_LINKS]; /* of the policy in force, by index in cfg->links */
	unsigned prefixes; /* in the policy in force */
	uint16_t *peer_slot; /* index in cfg->peers -> slot */
	struct keyring keyring;
	struct datapath *dp;
	struct paths *paths;
	struct control *control;
	const struct supervisor_answers *answers;
	struct scrape scrape;
	struct shared_memory *shm; /* a sealed memfd */
	int shm_fd;
	unsigned replay_buckets; /* of its table and guard's, for the daemon's life */
	uv_timer_t flows_late; /* the present question for flows is given up */
	uint32_t question; /* its number */
	bool asking; /* it is under way */
	struct flows_wanted wanted; /* and for these */
	struct flows_waiter *waiters; /* the first one is asked for first */
	struct watchdog watchdog;
	struct worker_proc workers[MPGATE_MAX_WORKERS];
	unsigned worker_count;
	int waiting[CFG_LISTEN_ADDRESSES]; /* errno why nobody listens at that place yet, 0: somebody does; listen.c */
	struct peer *peers; /* by slot */
	struct health_path main_path[2]; /* that of the main table's default route, by family; no name: none */
	bool health_changed; /* of some way to a peer */
	unsigned probes; /* under way, of all peers */
	uv_timer_t peers_timer; /* looks which peers are in use */
	unsigned peer_slots;
	char **rules; /* by id - 1: a name keeps its number for the daemon's life */
	unsigned rule_count;
	uint32_t *rule_id; /* index in cfg->rules -> id */
	struct links links;
	struct ranks ranks;
	struct cost cost;
	struct quality quality;
	struct stall_link stall[MPGATE_MAX_LINKS]; /* by index in cfg->links */
	struct datapath_attached attached[MPGATE_MAX_LINKS]; /* by index in cfg->links */
	unsigned ifindex[MPGATE_MAX_LINKS]; /* where that is attached, 0: nowhere */
	struct subkey issuing; /* secret of issued cookies, for the daemon's life */
	char self[IDENTITY_MAX]; /* what our end ids are made from, see identity.h */
	size_t self_len;
	int snapshot_fd; /* what a new worker gets */
	bool snapshot_due; /* it could not be made; tried again */
	int cgroup_fd; /* of the workers; negative: none, for that errno */
	struct by_path by_path;
	int run_fd; /* of what host_run() took, -1: none was asked for */
	enum mpgate_hosts hosts; /* of this machine's own connections, those that are carried */
	bool hosts_late; /* what it takes is being attached */
	bool synack; /* its program is attached */
	bool features[FEATURE_COUNT]; /* which of them work */
	uint64_t started; /* ms */
	time_t loaded_at;
	unsigned generation;
	struct mpgate_addr *local; /* this machine's addresses, as the workers know them */
	unsigned local_count;
	uint32_t families_told; /* see addresses.c */
	struct maplog maplog;
	struct discover discover;
	bool stopping;
};

/* What the operator is told, of the supervisor given as arg: the control socket's methods, and what HTTP serves. */
struct supervisor_answers {
	const struct control_method *methods;
	struct http_source texts;
	void (*look)(void *supervisor); /* every few seconds: the log says what is wrong; NULL: nothing does */
	void (*second)(void *supervisor); /* once a second: what was is kept; NULL: it is not */
};

/* supervisor.c: runs until a signal ends it. The process's exit code. */
int supervisor_run(const char *path, const struct supervisor_answers *answers);

/* reload.c */
/* Puts s->cfg in force, at the start. 0, or -errno, logged. */
int supervisor_load(struct supervisor *s);
/* Reads the configuration again. 0 or -errno with err filled in and the running one still in force. */
int supervisor_reload(struct supervisor *s, struct cfg_error *err);
/* A peer has other addresses in s->cfg->peers[cfg_index]: puts them in force. */
void supervisor_readdress(struct supervisor *s, unsigned cfg_index);
/* What the rules in force say of paths, before the paths get that configuration. */
void supervisor_tell_rules(struct supervisor *s);
/* Refreshes the workers' view of this machine's addresses. True: it changed. */
bool supervisor_local(struct supervisor *s);
/* Makes the snapshot that new workers get and sends it to those that run. */
int supervisor_publish(struct supervisor *s);

/* links.c, see links.h as well. Event of the paths: a link came, went or changed. */
void supervisor_link(void *s, unsigned i, const struct paths_link *l);

/* quality_apply.c: event of the paths: there is a new sample. */
void quality_sampled(void *s);

/* addresses.c */
/* -EADDRINUSE with err: an address of this machine is in the pool of cfg. 0, or another -errno. */
int addresses_check(const struct supervisor *s, const struct config *cfg, struct cfg_error *err);
uint32_t addresses_families(const struct supervisor *s); /* of which this machine has addresses: SNAPSHOT_IPV* */
void addresses_tell(struct supervisor *s); /* logs what is amiss with them, when that or the configuration changes */

/* host.c */
/* Carries those of this machine's own connections that the configuration and host_run() say, and no others. */
void host_settle(struct supervisor *s);
void host_check(struct supervisor *s); /* the same, once the kernel has attached what took it too long */
/*
 * Has the connections of a process and of its children carried from here on. 0 or -errno, logged. group: "", or the
 * cgroup whose processes' are, where this daemon may not move any: the process has to enter it, and be said again.
 */
int host_run(struct supervisor *s, pid_t pid, char *group, size_t size);
void host_close(struct supervisor *s);

/* workers.c */
int workers_memory(struct supervisor *s); /* what is shared with them */
int workers_start(struct supervisor *s);
/* To be called when addresses have come, and every few seconds: listens where listen_open() could not yet. */
void workers_listen(struct supervisor *s);
void workers_stop(struct supervisor *s); /* kills and reaps them */
void workers_reap(struct supervisor *s); /* after SIGCHLD */
void workers_update(struct supervisor *s); /* sends the present snapshot to all */

/* flows.c */
void flows_open(struct supervisor *s);
/*
 * Asks all workers for those of their flows; done is called later, when all have answered or 3 s are over, and other
 * questions before. *wanted: zeroed before it was filled in. 0 or -ENOMEM.
 */
int flows_ask(struct supervisor *s, const struct flows_wanted *wanted, void (*done)(void *arg), void *arg);
/* A worker's answer, checked: n records, which are flows.c's now. */
void flows_answered(struct worker_proc *p, struct flow_record *records, unsigned n, bool more);
void flows_lost(struct worker_proc *p); /* it will not answer */
void flows_close(struct supervisor *s); /* nobody waits after this */

/* watchdog.c: to be called before the first connection is steered, then every few seconds. */
void watchdog_check(struct supervisor *s);

/* slots.c */
/*
 * Gives every peer of cfg a slot and reads its key; 0 or -errno with err. slots: cfg index -> slot, cfg->peer_count.
 * Nothing is in force before peers_commit(), which cannot fail and goes by s->cfg and s->peer_slot.
 */
int peers_assign(struct supervisor *s, const struct config *cfg, uint16_t *slots, struct cfg_error *err);

/* peers.c */
void peers_commit(struct supervisor *s);
/* Frees the slots that s->cfg does not name and starts to probe the new ones. */
void peers_settle(struct supervisor *s);
/*
 * The peer has other addresses in s->cfg->peers[cfg_index] than before, or another port. What is known of addresses
 * that stay is kept; with another port, or when none stays, it is another peer.
 */
void peers_readdress(struct supervisor *s, unsigned cfg_index);
/*
 * A worker could not reach it, or had a request refused; slow: has waited for it longer than is usual. No verdict, but
 * probes are due.
 */
void peers_suspect(struct supervisor *s, unsigned slot, bool slow);
/* What a connection to it met, for the operator. */
void peers_note_error(struct supervisor *s, unsigned slot, enum trouble trouble, const char *what);
/* That path may have died: the ways over it, to peers that are used, are probed. */
void peers_suspect_path(struct supervisor *s, const char *link);
void peers_paths_changed(struct supervisor *s); /* links or addresses have */
/* Of a link of the configuration: up when a peer answers over it, down when none does of those that are probed so. */
enum health_state peers_path_health(const struct supervisor *s, unsigned link, bool v6);
void peers_close(struct supervisor *s);

/* ways.c */
/* The paths, best first, of IPv4 and then of IPv6: up to 2 * MPGATE_MAX_LINKS. Notes which the main table prefers. */
unsigned ways_list_paths(struct supervisor *s, struct health_path *out);
/* Why connections begin over other links than this one; NULL: they need not. */
const char *ways_later(const struct supervisor *s, unsigned link);
void ways_tell(const struct peer *p); /* to workers, for rules that say which paths they use */
/* The shortest round trip that probes over a link have found lately, us; 0: none has. */
uint32_t ways_rtt(const struct supervisor *s, const char *link, uint64_t now);

/* groups.c */
void groups_settle(struct supervisor *s); /* after peers_commit(): which peers others can stand in for */
/* Who stands in for a peer in use is used as well: it is to be known whether it can. */
void groups_use(const struct supervisor *s, bool used[MPGATE_MAX_PEERS]);
/* Finds out whether p is silent, and tells steer. *next is then not later than when that may change. */
void groups_look_silent(struct peer *p, uint64_t now, uint64_t *next);

/* parked.c */
void peers_tell_steer(const struct peer *p);
/* A worker has the first connection that this peer opened for our requests, or no more: steer is to know. */
void peers_parked(struct supervisor *s, unsigned slot);
void peers_look_at_parked(struct peer *p); /* every second */
void peers_worker_gone(struct supervisor *s); /* with all that was parked there */

/* snapshot.c */
/* Writes the configuration for the workers into a new memfd: its descriptor or -errno. */
int snapshot_make(struct supervisor *s);
/* Reads all keys that the peers of cfg may use towards us. 0 or -errno, logged; *out is left alone then. */
int keyring_load(const struct supervisor *s, const struct config *cfg, const uint16_t *slots, struct keyring *out);
void keyring_free(struct keyring *k); /* wipes it, too */

#endif
