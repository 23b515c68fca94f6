/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Peers without a network, for tests of peers.c: links as the test sets them, probes that end as it says, by the clock
 * of loop.h. Configurations are texts, keys are files in a directory of the test's own (config_test.h).
 */
#ifndef TESTS_UNIT_PEERS_SCRIPT_H
#define TESTS_UNIT_PEERS_SCRIPT_H

#include <mpgated/supervisor/probe.h>
#include <mpgated/supervisor/supervisor.h>

#define SCRIPT_LINKS 8U
#define SCRIPT_WORKERS 2U

/* A probe under way. */
struct probe {
	struct probe *next; /* of its peer */
	struct peer *peer;
	unsigned address;
	struct health_path path;
	uint64_t patience, begun; /* ms */
	probe_done done;
};

/* What peers.c sees of the world, and does to it. */
struct script {
	struct supervisor s;
	struct paths_link link[SCRIPT_LINKS]; /* found by name, whatever the configuration's order is */
	unsigned link_count;
	enum paths_health told[MPGATE_MAX_LINKS][2]; /* to the paths, by index in the configuration and family */
	struct mpgate_peer steer[MPGATE_MAX_PEERS]; /* as steer was told, by slot */
	uint32_t tag_key[MPGATE_MAX_PEERS]; /* the name of the key that SYNs get their tag from, by slot; 0: none */
	char joins[ADDR_TEXT]; /* of which the paths were told last where its joins go: */
	bool announces; /* where it announces */
	int fails; /* errno with which probes cannot be made, 0: they can */
	unsigned begun; /* probes, so far */
};

extern struct script script;

/* What a probe finds: SYN data taken, not taken; no answer. */
extern const struct health_result script_good, script_no_syn_data, script_silent, script_joins;

/* A supervisor without peers, whose configuration has these links only. Ends the one before. */
void script_new(const char *links);
/* Ends what is left. True: nothing is, and nothing leaked. */
bool script_end(void);
/* The supervisor takes another configuration; false: it cannot, and text in err. */
bool script_load(const char *text, struct cfg_error *err);
/* A link that is up with these addresses (NULL: none) and the metric of its default routes; without any it is down. */
struct paths_link *script_link(const char *name, const char *v4, const char *v6, uint32_t metric);

struct peer *script_peer(const char *name);
/* The probe of an address over a link ("": by the default route) that is under way; NULL: none. */
struct probe *script_probe(const char *peer, unsigned address, const char *link);
/* It ends. False: there is none. */
bool script_ends(const char *peer, unsigned address, const char *link, const struct health_result *r);
/* All that are under way end, of all peers. */
void script_all_end(const struct health_result *r);

#endif
