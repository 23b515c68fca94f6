/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file as libcyaml loads it: what was written, not yet what
 * it means. Shared by the files of config only. A pointer that is NULL was not
 * given; enums that were not given have their first value.
 */
#ifndef LIB_CONFIG_RAW_H
#define LIB_CONFIG_RAW_H

#include <cyaml/cyaml.h>

#include <lib/config/config.h>

struct raw_link {
	char *name, *path, *congestion;
	uint32_t *mark;
	enum cfg_role role;
	enum cfg_use use;
	enum cfg_guard guard;
	uint8_t early_classify, no_detour; /* 0 or 1 */
	uint32_t *up_mbit, *down_mbit, *quota_mib, *quota_day;
	char **gateway;
	unsigned gateway_count;
};

struct raw_convert {
	char **listen, **join;
	unsigned listen_count, join_count;
	uint32_t *port, *window, *unchecked_rate, *pending;
	enum cfg_accept accept;
	enum cfg_source source;
	char **allow_from, **allow_to, **pool;
	unsigned allow_from_count, allow_to_count, pool_count;
	char *pool_ports;
	uint32_t *per_subscriber;
	unsigned *ports;
	unsigned ports_count;
};

/* What is built from it is checked in mapping.c. */
struct raw_mapping_log {
	uint8_t log; /* 0 or 1 */
	char *file, *collector;
	uint32_t *port, *domain;
	enum cfg_transport transport;
};

struct raw_transparent {
	char **join;
	unsigned join_count;
	uint32_t *port;
};

struct raw_peer {
	char *name;
	char **address, **allow_source, **accept_to;
	unsigned address_count, allow_source_count, accept_to_count;
	uint32_t *port, *ready, *park;
	unsigned *ports;
	unsigned ports_count;
	enum cfg_mode mode;
	uint8_t dhcp; /* 0 or 1 */
	char *key_file, *previous_key_file, *domain;
	enum cfg_dialect dialect;
};

struct raw_group {
	char *name;
	char **peers;
	unsigned peers_count;
	unsigned *weights;
	unsigned weights_count;
	enum cfg_choose choose;
};

struct raw_set {
	char *name, *file;
	char **prefixes;
	unsigned prefixes_count;
};

enum raw_action { RAW_DIRECT, RAW_PROXY, RAW_TERMINATE };

/* A rule of the policy, or an entry of `publish`: its `address` and `port` are in to and to_port. */
struct raw_rule {
	char *name, *link, *from_set, *to_set, *via, *target, *target_port;
	char **from, **to, **to_port, **dscp;
	unsigned from_count, to_count, to_port_count, dscp_count;
	enum raw_action action;
	enum cfg_connect connect;
	enum cfg_if_down if_down;
	enum cfg_mptcp mptcp;
	enum cfg_join join;
	char **paths;
	unsigned paths_count;
	unsigned *weights; /* refused: the kernel has none */
	unsigned weights_count;
	unsigned steer; /* enum cfg_steer, or RAW_REDUNDANT */
	enum cfg_setup setup;
};
#define RAW_REDUNDANT (CFG_STEER_PRIORITY + 1)

struct raw_config {
	char *instance;
	uint32_t *workers;
	int host; /* of bool_words */
	struct raw_link *links;
	unsigned links_count;
	struct raw_convert *convert;
	struct raw_transparent *transparent;
	struct raw_peer *peers;
	unsigned peers_count;
	struct raw_group *groups;
	unsigned groups_count;
	struct raw_set *sets;
	unsigned sets_count;
	struct {
		enum raw_action def;
		struct raw_rule *rules;
		unsigned rules_count;
	} policy;
	struct raw_mapping_log *mapping_log;
	struct raw_rule *publish;
	unsigned publish_count;
	struct {
		uint32_t *first_bytes_ms, *peer, *connect, *header, *idle, *half_closed, *keepalive;
	} timeouts;
	struct {
		enum cfg_manager manager;
		enum cfg_join join;
		enum cfg_setup setup;
		uint8_t no_demotion;
		uint8_t no_pacing;
		uint32_t *after_kib, *after_ms;
	} subflows;
	struct {
		uint32_t *enterprise;
	} dhcp;
	struct {
		uint32_t *connections, *request_rate, *buffer_mib, *kernel_mib;
	} limits;
	struct {
		char *listen, *token_file;
		uint32_t *port;
	} metrics;
	struct {
		uint32_t *value, *mask;
	} mark;
};

extern const struct cyaml_schema_value raw_schema;

/* Words of the enums, in order of their values; for the schema and for config_print(). */
extern const cyaml_strval_t cfg_role_words[3], cfg_use_words[3], cfg_guard_words[4], cfg_accept_words[3],
	cfg_source_words[2], cfg_mode_words[2], cfg_dialect_words[2], cfg_connect_words[2], cfg_if_down_words[2],
	cfg_action_words[3], cfg_mptcp_words[3], cfg_transport_words[2], cfg_join_words[4], cfg_manager_words[2],
	cfg_choose_words[2], cfg_from_words[2], cfg_steer_words[5], cfg_setup_words[4];

#endif
