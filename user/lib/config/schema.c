// SPDX-License-Identifier: GPL-2.0-or-later
/* Every key that a configuration may have: the one table that libcyaml reads by. */
#include <lib/config/raw.h>

#define OPT CYAML_FLAG_OPTIONAL
#define OPT_PTR (CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER)
#define TEXT(key, flags, type, member)                                                                                 \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), type, member, 1, TEXT_MAX)
#define NUMBER(key, type, member) CYAML_FIELD_UINT_PTR(key, OPT_PTR, type, member)
#define WORD(key, flags, type, member, words)                                                                          \
	CYAML_FIELD_ENUM(key, CYAML_FLAG_STRICT | (flags), type, member, words, CYAML_ARRAY_LEN(words))
#define TEXTS(key, flags, type, member)                                                                                \
	CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), type, member, &text_entry, 0, CYAML_UNLIMITED)
#define NUMBERS(key, flags, type, member)                                                                              \
	CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | (flags), type, member, &number_entry, 0, CYAML_UNLIMITED)
#define MAPS(key, flags, type, member, count, entry)                                                                   \
	CYAML_FIELD_SEQUENCE_COUNT(key, CYAML_FLAG_POINTER | (flags), type, member, count, entry, 0, CYAML_UNLIMITED)

#define TEXT_MAX 4096 /* bytes; a path is the longest text there is */

const cyaml_strval_t cfg_role_words[3] = { { "lan", CFG_LAN }, { "path", CFG_PATH }, { "net", CFG_NET } };
const cyaml_strval_t cfg_use_words[3] = { { "primary", CFG_PRIMARY },
					  { "backup", CFG_BACKUP },
					  { "overflow", CFG_OVERFLOW } };
const cyaml_strval_t cfg_guard_words[4] = { { "auto", CFG_GUARD_AUTO },
					    { "xdp", CFG_GUARD_XDP },
					    { "xdp-generic", CFG_GUARD_XDP_GENERIC },
					    { "tc", CFG_GUARD_TC } };
const cyaml_strval_t cfg_accept_words[3] = { { "keyed", CFG_ACCEPT_KEYED },
					     { "issued", CFG_ACCEPT_ISSUED },
					     { "open", CFG_ACCEPT_OPEN } };
const cyaml_strval_t cfg_source_words[2] = { { "share", CFG_SHARE }, { "preserve", CFG_PRESERVE } };
const cyaml_strval_t cfg_mode_words[2] = { { "explicit", CFG_EXPLICIT }, { "transparent", CFG_TRANSPARENT } };
const cyaml_strval_t cfg_dialect_words[2] = { { "mpgate", CFG_DIALECT_MPGATE }, { "rfc8803", CFG_DIALECT_RFC8803 } };
const cyaml_strval_t cfg_connect_words[2] = { { "honest", CFG_HONEST }, { "early", CFG_EARLY } };
const cyaml_strval_t cfg_if_down_words[2] = { { "direct", CFG_IF_DOWN_DIRECT }, { "reject", CFG_IF_DOWN_REJECT } };
const cyaml_strval_t cfg_action_words[3] = { { "direct", RAW_DIRECT },
					     { "proxy", RAW_PROXY },
					     { "terminate", RAW_TERMINATE } };
const cyaml_strval_t cfg_mptcp_words[3] = { { "pass", CFG_MPTCP_PASS },
					    { "learned", CFG_MPTCP_LEARNED },
					    { "terminate", CFG_MPTCP_TERMINATE } };
const cyaml_strval_t cfg_transport_words[2] = { { "udp", CFG_UDP }, { "tcp", CFG_TCP } };
const cyaml_strval_t cfg_join_words[4] = { { "default", CFG_JOIN_DEFAULT },
					   { "late", CFG_JOIN_LATE },
					   { "at-once", CFG_JOIN_AT_ONCE },
					   { "never", CFG_JOIN_NEVER } };
const cyaml_strval_t cfg_steer_words[5] = { { "load-balancing", CFG_STEER_BALANCE },
					    { "active-standby", CFG_STEER_STANDBY },
					    { "smallest-delay", CFG_STEER_DELAY },
					    { "priority", CFG_STEER_PRIORITY },
					    { "redundant", RAW_REDUNDANT } };
const cyaml_strval_t cfg_setup_words[4] = { { "default", CFG_SETUP_DEFAULT },
					    { "single", CFG_SETUP_SINGLE },
					    { "stagger", CFG_SETUP_STAGGER },
					    { "duplicate", CFG_SETUP_DUPLICATE } };
const cyaml_strval_t cfg_choose_words[2] = { { "order", CFG_CHOOSE_ORDER }, { "client", CFG_CHOOSE_CLIENT } };
const cyaml_strval_t cfg_manager_words[2] = { { "auto", CFG_MANAGER_AUTO }, { "kernel", CFG_MANAGER_KERNEL } };
const cyaml_strval_t cfg_from_words[2] = { { "file", 0 }, { "dhcp", 1 } };
static const cyaml_strval_t default_words[] = { { "direct", RAW_DIRECT }, { "proxy", RAW_PROXY } };
/* Not CYAML_BOOL, which takes any word it does not know for true. */
static const cyaml_strval_t bool_words[] = { { "false", 0 }, { "true", 1 }, { "no", 0 },
					     { "yes", 1 },   { "off", 0 },  { "on", 1 } };
static const cyaml_strval_t detour_words[2] = { { "auto", 0 }, { "no", 1 } };

static const cyaml_schema_value_t text_entry = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX) };

static const cyaml_schema_value_t number_entry = { CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned) };

static const cyaml_schema_field_t link_fields[] = {
	TEXT("name", 0, struct raw_link, name),
	WORD("role", 0, struct raw_link, role, cfg_role_words),
	TEXT("path", OPT, struct raw_link, path),
	WORD("use", OPT, struct raw_link, use, cfg_use_words),
	WORD("guard", OPT, struct raw_link, guard, cfg_guard_words),
	WORD("early-classify", OPT, struct raw_link, early_classify, bool_words),
	WORD("detour", OPT, struct raw_link, no_detour, detour_words),
	NUMBER("up-mbit", struct raw_link, up_mbit),
	NUMBER("down-mbit", struct raw_link, down_mbit),
	NUMBER("quota-mib", struct raw_link, quota_mib),
	NUMBER("quota-reset-day", struct raw_link, quota_day),
	TEXT("congestion", OPT, struct raw_link, congestion),
	NUMBER("mark", struct raw_link, mark),
	TEXTS("gateway", OPT, struct raw_link, gateway),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t link_entry = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_link,
								     link_fields) };

static const cyaml_schema_field_t convert_fields[] = {
	TEXTS("listen", OPT, struct raw_convert, listen),
	TEXTS("join", OPT, struct raw_convert, join),
	NUMBER("port", struct raw_convert, port),
	NUMBERS("ports", OPT, struct raw_convert, ports),
	WORD("accept", OPT, struct raw_convert, accept, cfg_accept_words),
	TEXTS("allow-from", OPT, struct raw_convert, allow_from),
	WORD("source", OPT, struct raw_convert, source, cfg_source_words),
	TEXTS("allow-to", OPT, struct raw_convert, allow_to),
	NUMBER("window", struct raw_convert, window),
	NUMBER("unchecked-syn-rate", struct raw_convert, unchecked_rate),
	NUMBER("pending-per-client", struct raw_convert, pending),
	TEXTS("pool", OPT, struct raw_convert, pool),
	TEXT("pool-ports", OPT, struct raw_convert, pool_ports),
	NUMBER("connections-per-subscriber", struct raw_convert, per_subscriber),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t mapping_log_fields[] = {
	WORD("log", OPT, struct raw_mapping_log, log, bool_words),
	TEXT("file", OPT, struct raw_mapping_log, file),
	TEXT("collector", OPT, struct raw_mapping_log, collector),
	NUMBER("port", struct raw_mapping_log, port),
	WORD("transport", OPT, struct raw_mapping_log, transport, cfg_transport_words),
	NUMBER("domain", struct raw_mapping_log, domain),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t transparent_fields[] = {
	TEXTS("join", OPT, struct raw_transparent, join),
	NUMBER("port", struct raw_transparent, port),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t peer_fields[] = {
	TEXT("name", 0, struct raw_peer, name),
	TEXTS("address", OPT, struct raw_peer, address),
	NUMBER("port", struct raw_peer, port),
	NUMBERS("ports", OPT, struct raw_peer, ports),
	TEXT("domain", OPT, struct raw_peer, domain),
	WORD("from", OPT, struct raw_peer, dhcp, cfg_from_words),
	WORD("mode", OPT, struct raw_peer, mode, cfg_mode_words),
	TEXT("key-file", OPT, struct raw_peer, key_file),
	TEXT("previous-key-file", OPT, struct raw_peer, previous_key_file),
	WORD("dialect", OPT, struct raw_peer, dialect, cfg_dialect_words),
	NUMBER("ready", struct raw_peer, ready),
	TEXTS("allow-source", OPT, struct raw_peer, allow_source),
	NUMBER("park", struct raw_peer, park),
	TEXTS("accept-to", OPT, struct raw_peer, accept_to),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t peer_entry = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_peer,
								     peer_fields) };

static const cyaml_schema_field_t group_fields[] = {
	TEXT("name", 0, struct raw_group, name),
	TEXTS("peers", OPT, struct raw_group, peers),
	WORD("choose", OPT, struct raw_group, choose, cfg_choose_words),
	NUMBERS("weights", OPT, struct raw_group, weights),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t group_entry = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_group,
								      group_fields) };

static const cyaml_schema_field_t set_fields[] = {
	TEXT("name", 0, struct raw_set, name),
	TEXT("file", OPT, struct raw_set, file),
	TEXTS("prefixes", OPT, struct raw_set, prefixes),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t set_entry = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_set, set_fields) };

static const cyaml_schema_field_t rule_fields[] = {
	TEXT("name", 0, struct raw_rule, name),
	TEXT("link", OPT, struct raw_rule, link),
	TEXTS("from", OPT, struct raw_rule, from),
	TEXT("from-set", OPT, struct raw_rule, from_set),
	TEXTS("to", OPT, struct raw_rule, to),
	TEXT("to-set", OPT, struct raw_rule, to_set),
	TEXTS("to-port", OPT, struct raw_rule, to_port),
	TEXTS("dscp", OPT, struct raw_rule, dscp),
	WORD("action", 0, struct raw_rule, action, cfg_action_words),
	TEXT("via", OPT, struct raw_rule, via),
	WORD("connect", OPT, struct raw_rule, connect, cfg_connect_words),
	WORD("if-down", OPT, struct raw_rule, if_down, cfg_if_down_words),
	WORD("mptcp", OPT, struct raw_rule, mptcp, cfg_mptcp_words),
	WORD("join", OPT, struct raw_rule, join, cfg_join_words),
	WORD("setup", OPT, struct raw_rule, setup, cfg_setup_words),
	TEXTS("paths", OPT, struct raw_rule, paths),
	WORD("steer", OPT, struct raw_rule, steer, cfg_steer_words),
	NUMBERS("weights", OPT, struct raw_rule, weights),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t rule_entry = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_rule,
								     rule_fields) };

static const cyaml_schema_field_t publish_fields[] = {
	TEXT("name", 0, struct raw_rule, name),
	TEXTS("address", 0, struct raw_rule, to),
	TEXTS("port", 0, struct raw_rule, to_port),
	TEXT("to", 0, struct raw_rule, target),
	TEXT("to-port", OPT, struct raw_rule, target_port),
	TEXT("via", 0, struct raw_rule, via),
	TEXT("link", OPT, struct raw_rule, link),
	TEXTS("from", OPT, struct raw_rule, from),
	TEXT("from-set", OPT, struct raw_rule, from_set),
	TEXTS("dscp", OPT, struct raw_rule, dscp),
	WORD("connect", OPT, struct raw_rule, connect, cfg_connect_words),
	WORD("if-down", OPT, struct raw_rule, if_down, cfg_if_down_words),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t publish_entry = { CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_rule,
									publish_fields) };

static const cyaml_schema_field_t policy_fields[] = {
	WORD("default", OPT, struct raw_config, policy.def, default_words),
	MAPS("rules", OPT, struct raw_config, policy.rules, policy.rules_count, &rule_entry),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t timeout_fields[] = {
	NUMBER("first-bytes-ms", struct raw_config, timeouts.first_bytes_ms),
	NUMBER("peer", struct raw_config, timeouts.peer),
	NUMBER("connect", struct raw_config, timeouts.connect),
	NUMBER("header", struct raw_config, timeouts.header),
	NUMBER("idle", struct raw_config, timeouts.idle),
	NUMBER("half-closed", struct raw_config, timeouts.half_closed),
	NUMBER("keepalive", struct raw_config, timeouts.keepalive),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t subflow_fields[] = {
	WORD("path-manager", OPT, struct raw_config, subflows.manager, cfg_manager_words),
	WORD("join", OPT, struct raw_config, subflows.join, cfg_join_words),
	WORD("setup", OPT, struct raw_config, subflows.setup, cfg_setup_words),
	WORD("demote", OPT, struct raw_config, subflows.no_demotion, detour_words),
	WORD("pace", OPT, struct raw_config, subflows.no_pacing, detour_words),
	NUMBER("after-kib", struct raw_config, subflows.after_kib),
	NUMBER("after-ms", struct raw_config, subflows.after_ms),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t dhcp_fields[] = {
	NUMBER("enterprise", struct raw_config, dhcp.enterprise),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limit_fields[] = {
	NUMBER("connections", struct raw_config, limits.connections),
	NUMBER("request-rate", struct raw_config, limits.request_rate),
	NUMBER("buffer-mib", struct raw_config, limits.buffer_mib),
	NUMBER("kernel-mib", struct raw_config, limits.kernel_mib),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t metrics_fields[] = {
	TEXT("listen", OPT, struct raw_config, metrics.listen),
	NUMBER("port", struct raw_config, metrics.port),
	TEXT("token-file", OPT, struct raw_config, metrics.token_file),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t mark_fields[] = {
	NUMBER("value", struct raw_config, mark.value),
	NUMBER("mask", struct raw_config, mark.mask),
	CYAML_FIELD_END,
};

/* A mapping whose members sit in struct raw_config itself. */
#define SECTION(name, fields_)                                                                                         \
	{                                                                                                              \
		.key = name, .data_offset = 0,                                                                         \
		.value = {                                                                                             \
			.type = CYAML_MAPPING,                                                                         \
			.flags = CYAML_FLAG_OPTIONAL,                                                                  \
			.data_size = sizeof(struct raw_config),                                                        \
			.mapping = { .fields = fields_ },                                                              \
		},                                                                                                     \
	}

static const cyaml_schema_field_t config_fields[] = {
	TEXT("instance", OPT, struct raw_config, instance),
	NUMBER("workers", struct raw_config, workers),
	WORD("host", OPT, struct raw_config, host, bool_words),
	MAPS("links", OPT, struct raw_config, links, links_count, &link_entry),
	CYAML_FIELD_MAPPING_PTR("convert", OPT_PTR, struct raw_config, convert, convert_fields),
	CYAML_FIELD_MAPPING_PTR("transparent", OPT_PTR, struct raw_config, transparent, transparent_fields),
	MAPS("peers", OPT, struct raw_config, peers, peers_count, &peer_entry),
	MAPS("groups", OPT, struct raw_config, groups, groups_count, &group_entry),
	MAPS("prefix-sets", OPT, struct raw_config, sets, sets_count, &set_entry),
	SECTION("policy", policy_fields),
	MAPS("publish", OPT, struct raw_config, publish, publish_count, &publish_entry),
	SECTION("dhcp", dhcp_fields),
	SECTION("subflows", subflow_fields),
	SECTION("timeouts", timeout_fields),
	SECTION("limits", limit_fields),
	SECTION("metrics", metrics_fields),
	SECTION("mark", mark_fields),
	CYAML_FIELD_MAPPING_PTR("mapping-log", OPT_PTR, struct raw_config, mapping_log, mapping_log_fields),
	CYAML_FIELD_END,
};

const struct cyaml_schema_value raw_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config,
								   config_fields) };
