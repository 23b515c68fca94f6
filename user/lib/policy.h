/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy compiler: a configuration becomes an image of the gen_* maps.
 * Pure: the same configuration gives the same image, and nothing is touched.
 */
#ifndef LIB_POLICY_H
#define LIB_POLICY_H

#include <lib/config/config.h>

/* Prefixes of all rules, both sides; a set counts once a side. Two full sets fit. */
#define POLICY_MAX_PREFIXES (2 * CFG_MAX_PREFIXES)

struct policy_prefix {
	struct mpgate_lpm_key key; /* of an exact entry, prefixlen covers the whole address */
	uint32_t bitmap;
};

struct policy_image {
	struct mpgate_policy policy;
	struct mpgate_rule *rules; /* policy.rules */
	struct mpgate_bitmap *bitmaps; /* bitmap 0 has no rule at all */
	unsigned bitmap_count;
	uint32_t *ports; /* 65536: destination port (host order) -> bitmap */
	struct policy_prefix *lpm; /* shorter than a host address */
	unsigned lpm_count;
	struct policy_prefix *exact; /* /32 and /128 */
	unsigned exact_count;
	struct mpgate_group *groups; /* one a config group */
	unsigned group_count;
	uint32_t link_bitmap[MPGATE_MAX_LINKS]; /* by index into config.links */
	uint32_t host_bitmap; /* of this machine itself */
};

/*
 * peer_slot maps an index into cfg->peers to the peer's slot; rule_id an index into cfg->rules to the rule's
 * number (both stable over reloads, kept by the supervisor); client_key says which clients get which peer of a group
 * that is chosen from by client. Returns 0, -ENOMEM, or -E2BIG when a limit of abi.h
 * is passed; *out is filled only on success and freed with policy_free().
 */
int policy_compile(const struct config *cfg, const uint16_t *peer_slot, const uint32_t *rule_id,
		   const uint64_t client_key[2], struct policy_image *out);
void policy_free(struct policy_image *img);

#endif
