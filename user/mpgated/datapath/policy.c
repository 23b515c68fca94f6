// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policy: new inner maps for the slot that is not in force, then one write
 * that flips the generation. The slot left behind keeps its maps until the next
 * policy takes it: a program that read the old generation still finds all of it,
 * and a large trie is freed when nobody waits for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include <mpgated/datapath/internal.h>

#define FILL_CHUNK 1024U /* entries a system call */

/* The inner map of g with room for count entries; fd or -errno. */
static int inner_create(const struct datapath *dp, const struct dp_gen_map *g, unsigned count)
{
	struct bpf_map_create_opts opts = {
		.sz = sizeof(opts),
		.btf_fd = (uint32_t)dp->btf_fd,
		.btf_key_type_id = g->btf_key,
		.btf_value_type_id = g->btf_value,
		.map_flags = g->flags,
	};
	int fd = bpf_map_create(g->type, g->name, g->key_size, g->value_size, count ? count : 1, &opts);

	if (fd < 0)
		log_error("map %s with %u entries: %s", g->name, count, strerror(-fd));
	return fd;
}

/* Writes count entries; one by one where the kernel has no batches for this type. */
static int fill_entries(int fd, const struct dp_gen_map *g, const void *keys, const void *values, unsigned count)
{
	struct bpf_map_batch_opts opts = { .sz = sizeof(opts) };
	uint32_t done = count;
	int err = 0;

	if (!bpf_map_update_batch(fd, keys, values, &done, &opts))
		return 0;
	for (unsigned i = 0; i < count && !err; i++)
		err = bpf_map_update_elem(fd, (const char *)keys + (size_t)i * g->key_size,
					  (const char *)values + (size_t)i * g->value_size, BPF_ANY);
	if (err)
		log_error("filling map %s: %s", g->name, strerror(-err));
	return err;
}

static int fill_array(int fd, const struct dp_gen_map *g, const void *values, unsigned count)
{
	uint32_t keys[FILL_CHUNK];
	int err = 0;

	for (unsigned at = 0; at < count && !err; at += FILL_CHUNK) {
		unsigned n = count - at < FILL_CHUNK ? count - at : FILL_CHUNK;

		for (unsigned i = 0; i < n; i++)
			keys[i] = at + i;
		err = fill_entries(fd, g, keys, (const char *)values + (size_t)at * g->value_size, n);
	}
	return err;
}

static int fill_prefixes(int fd, const struct dp_gen_map *g, const struct policy_prefix *p, unsigned count)
{
	bool exact = g->type == BPF_MAP_TYPE_HASH;
	struct mpgate_lpm_key *keys = malloc(FILL_CHUNK * sizeof(*keys));
	uint32_t bitmaps[FILL_CHUNK];
	int err = keys ? 0 : -ENOMEM;

	for (unsigned at = 0; at < count && !err; at += FILL_CHUNK) {
		unsigned n = count - at < FILL_CHUNK ? count - at : FILL_CHUNK;

		for (unsigned i = 0; i < n; i++) {
			const struct mpgate_lpm_key *key = &p[at + i].key;

			memcpy((char *)keys + (size_t)i * g->key_size,
			       exact ? (const void *)&key->key : (const void *)key, g->key_size);
			bitmaps[i] = p[at + i].bitmap;
		}
		err = fill_entries(fd, g, keys, bitmaps, n);
	}
	free(keys);
	return err;
}

static int put_link(int fd, unsigned ifindex, const struct cfg_link *link, bool l3, uint32_t bitmap)
{
	struct mpgate_link l = {
		.flags = (link->role == CFG_LAN || bitmap ? MPGATE_LINK_CLASSIFY : 0) | (l3 ? MPGATE_LINK_L3 : 0) |
			 (link->role == CFG_PATH ? MPGATE_LINK_PATH : 0),
		.bitmap = bitmap,
	};
	uint32_t key = ifindex;
	int err;

	snprintf(l.name, sizeof(l.name), "%s", link->name);
	err = bpf_map_update_elem(fd, &key, &l, BPF_ANY);
	if (err)
		log_with(LOG_LEVEL_ERROR, LOG_FIELDS({ LOG_PATH, link->name }), "link %s in map gen_links: %s",
			 link->name, strerror(-err));
	return err;
}

/* All inner maps of one generation; fd[] is filled as far as it went. */
static int build(const struct datapath *dp, const struct config *cfg, const struct policy_image *img,
		 const unsigned *ifindex, const bool *l3, int fd[DP_GEN_COUNT])
{
	const struct {
		const void *values;
		unsigned count, room;
	} arrays[DP_GEN_COUNT] = {
		[DP_gen_links] = { .room = dp->gen[DP_gen_links].max_entries },
		[DP_gen_policy] = { &img->policy, 1, 1 },
		[DP_gen_rules] = { img->rules, img->policy.rules, img->policy.rules },
		[DP_gen_bitmaps] = { img->bitmaps, img->bitmap_count, img->bitmap_count },
		[DP_gen_ports] = { img->ports, MPGATE_PORTS, MPGATE_PORTS },
		[DP_gen_lpm] = { .room = img->lpm_count },
		[DP_gen_exact] = { .room = img->exact_count },
		[DP_gen_groups] = { img->groups, img->group_count, img->group_count },
		/* Never another size: programs check an index against that of the template (lookups are inlined). */
		[DP_gen_hits] = { .room = dp->gen[DP_gen_hits].max_entries },
	};
	const struct cfg_link host = { .name = (char[]){ CFG_HOST }, .role = CFG_LAN };
	int err = 0;

	for (unsigned i = 0; i < DP_GEN_COUNT && !err; i++) {
		fd[i] = inner_create(dp, &dp->gen[i], arrays[i].room);
		err = fd[i] < 0 ? fd[i] : fill_array(fd[i], &dp->gen[i], arrays[i].values, arrays[i].count);
	}
	for (unsigned i = 0; i < cfg->link_count && !err; i++) {
		if (ifindex[i])
			err = put_link(fd[DP_gen_links], ifindex[i], &cfg->links[i], l3[i], img->link_bitmap[i]);
	}
	if (!err)
		err = put_link(fd[DP_gen_links], MPGATE_HOST_IFINDEX, &host, false, img->host_bitmap);
	if (!err)
		err = fill_prefixes(fd[DP_gen_lpm], &dp->gen[DP_gen_lpm], img->lpm, img->lpm_count);
	if (!err)
		err = fill_prefixes(fd[DP_gen_exact], &dp->gen[DP_gen_exact], img->exact, img->exact_count);
	return err;
}

static int put_slot(const struct dp_gen_map *g, uint32_t slot, int fd)
{
	uint32_t value = (uint32_t)fd;
	int err = bpf_map_update_elem(g->fd, &slot, &value, BPF_ANY);

	if (err)
		log_error("map %s, slot %u: %s", g->name, slot, strerror(-err));
	return err;
}

static int publish(struct datapath *dp, const int fd[DP_GEN_COUNT])
{
	struct mpgate_settings s = dp->settings;
	uint32_t slot = s.loaded ? 1 - s.generation : s.generation;
	int err = 0;

	for (unsigned i = 0; i < DP_GEN_COUNT && !err; i++)
		err = put_slot(&dp->gen[i], slot, fd[i]);
	if (err)
		return err;
	s.generation = slot;
	s.loaded = 1;
	err = dp_write_settings(dp, &s);
	/*
	 * The kernel ends a write to a map of maps when no program runs any more that could see what was there
	 * before. Writing the same again therefore waits until nobody uses the old generation, and its slot may be
	 * filled as soon as the next policy comes.
	 */
	if (!err)
		put_slot(&dp->gen[DP_gen_hits], slot, fd[DP_gen_hits]);
	return err;
}

int datapath_set_policy(struct datapath *dp, const struct config *cfg, const struct policy_image *img,
			const unsigned *ifindex, const bool *l3)
{
	int fd[DP_GEN_COUNT];
	int err;

	for (unsigned i = 0; i < DP_GEN_COUNT; i++)
		fd[i] = -1;
	err = build(dp, cfg, img, ifindex, l3, fd);
	if (!err)
		err = publish(dp, fd);
	if (!err) {
		dp_close_fd(&dp->inner_links);
		dp_close_fd(&dp->inner_hits);
		dp->inner_links = fd[DP_gen_links];
		dp->inner_hits = fd[DP_gen_hits];
		fd[DP_gen_links] = fd[DP_gen_hits] = -1;
	}
	for (unsigned i = 0; i < DP_GEN_COUNT; i++)
		dp_close_fd(&fd[i]);
	return err;
}

int datapath_link_up(struct datapath *dp, unsigned ifindex, const struct cfg_link *link, bool l3, uint32_t bitmap)
{
	return dp->inner_links < 0 ? 0 : put_link(dp->inner_links, ifindex, link, l3, bitmap);
}

int datapath_link_gone(struct datapath *dp, unsigned ifindex)
{
	uint32_t key = ifindex;
	int err = dp->inner_links < 0 ? 0 : bpf_map_delete_elem(dp->inner_links, &key);

	return err == -ENOENT ? 0 : err;
}
