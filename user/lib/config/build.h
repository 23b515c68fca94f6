/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of config share while the raw form becomes a struct config. */
#ifndef LIB_CONFIG_BUILD_H
#define LIB_CONFIG_BUILD_H

#include <lib/config/raw.h>
#include <lib/config/where.h>

#define CFG_NAME_MAX 31 /* bytes of a name, as in struct mpgate_rule */
#define CFG_CONVERT_PORT 8803 /* of Convert; none is assigned (RFC 8803, 11.1) */

struct build {
	const struct raw_config *raw;
	struct config *cfg;
	struct where where;
	const char *dir; /* what relative paths are relative to */
	struct cfg_error *err;
	char place[128]; /* see cfg_at() */
	char rule[32]; /* see cfg_rule_at() */
};

/* Formats a place for cfg_fail(); valid until the next call. */
const char *cfg_at(struct build *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Fills in the error for a place; returns -EINVAL. */
int cfg_fail(struct build *b, const char *place, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Letters, digits, '-', '_' and '.', at most max bytes: a name that is safe in any output. */
int cfg_check_name(struct build *b, const char *place, const char *what, const char *name, size_t max);
/* Refuses a list that was given without items: to read it as "not given" would mean the opposite. */
int cfg_check_list(struct build *b, const char *place);
/* Copies; -ENOMEM. */
int cfg_copy_text(char **out, const char *text);
/* A path as the file means it: joined to dir when relative. */
int cfg_copy_path(struct build *b, char **out, const char *path);
/* A number between min and max into *out; fallback when it was not given. */
int cfg_take_number(struct build *b, const char *place, const uint32_t *given, unsigned fallback, unsigned min,
		    unsigned max, unsigned *out);

/* Index of a name, -1: none. */
int cfg_find_link(const struct config *cfg, const char *name);
int cfg_find_peer(const struct config *cfg, const char *name);
int cfg_find_group(const struct config *cfg, const char *name);
int cfg_find_set(const struct config *cfg, const char *name);

/* Each builds its part of b->cfg; 0 or -errno with *b->err filled in. In this order. */
int cfg_build_numbers(struct build *b);
int cfg_build_links(struct build *b);
int cfg_build_cost(struct build *b, unsigned i); /* of the link i: what it carries, and its quota */
int cfg_build_gateway(struct build *b, unsigned i, struct cfg_link *out); /* of the link i as it was written */
int cfg_build_convert(struct build *b);
int cfg_build_pool(struct build *b);
int cfg_build_mapping_log(struct build *b);
int cfg_build_transparent(struct build *b);
int cfg_build_join(struct build *b); /* convert.join */
int cfg_build_peers(struct build *b);
int cfg_check_domain(struct build *b, unsigned i); /* of the peer i as it was written */
int cfg_build_domain(struct build *b, unsigned i);
int cfg_build_peer_ports(struct build *b, unsigned i);
int cfg_build_convert_ports(struct build *b);
int cfg_check_keys(struct build *b); /* the last step of it */
int cfg_build_groups(struct build *b);
int cfg_build_sets(struct build *b);
int cfg_build_publish(struct build *b);
int cfg_build_rules(struct build *b);
int cfg_build_steer(struct build *b); /* which paths rules use, and how; or why they cannot */
int cfg_check_pool(struct build *b); /* against all other addresses */

/* Of a rule of the policy or an entry of publish, by index into cfg->rules: its place and its text. */
const char *cfg_rule_at(struct build *b, unsigned i);
const struct raw_rule *cfg_rule_raw(const struct build *b, unsigned i);
const char *cfg_rule_word(const struct cfg_rule *rule); /* for messages */
/* What both have: the name, the link, the source, the ports, DSCP, connect and if-down. */
int cfg_build_rule(struct build *b, unsigned i);
/* The group that `via` names, or one made for the peer that it names. */
int cfg_build_via(struct build *b, unsigned i);
/* Refuses a rule that no peer of its group can carry by its mode. */
int cfg_check_mode(struct build *b, unsigned i);
/* Refuses a rule whose source and destination are never of one IP version. */
int cfg_check_versions(struct build *b, unsigned i);
/* A port, or "port-port". */
int cfg_build_range(struct build *b, const char *place, const char *text, struct cfg_port_range *out);

/*
 * A list of addresses at the place "<place>[i]". unicast: why a loopback address is none of them; NULL: the list may
 * have all kinds.
 */
int cfg_build_addresses(struct build *b, const char *place, char **texts, unsigned count, unsigned max,
			const char *unicast, struct mpgate_addr **out, unsigned *out_count);

/* A whole file; regular: nothing but a regular file, NUL-terminated and malloc'ed; 0 or -errno. */
int cfg_read_file(const char *path, bool regular, char **out, size_t *len);

/* A list of prefixes at the place "<place>[i]". Given without items is an error. */
int cfg_build_prefixes(struct build *b, const char *place, char **texts, unsigned count, struct cfg_prefixes *out);
/* The same behind what out holds already; does not tidy, and an empty list is none. */
int cfg_append_prefixes(struct build *b, const char *place, char **texts, unsigned count, struct cfg_prefixes *out);
/* Sorts, drops what lies inside another. */
void cfg_prefixes_tidy(struct cfg_prefixes *list);
/* Whether one prefix of a tidy list covers p. */
bool cfg_prefixes_cover(const struct cfg_prefixes *list, const struct prefix *p);

/* Refuses rules that no packet can reach, since earlier rules take all of theirs. */
int cfg_check_overlap(struct build *b);

#endif
