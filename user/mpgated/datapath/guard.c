// SPDX-License-Identifier: GPL-2.0-or-later
/* What guard decides by: how Convert is accepted, from whom, the keys, and the clock. */
#include <stdlib.h>
#include <time.h>

#include <mpgated/datapath/internal.h>

#define BURST_SECONDS 1 /* unchecked SYNs of this many seconds may come at once */

typedef int (*compare_fn)(const void *, const void *);

/* A set of map keys that were written, sorted: what is not in it goes. */
struct key_set {
	const char *name;
	int map;
	size_t size;
	char *keys;
	unsigned count;
	compare_fn compare;
};

/*
 * Deletes the entries whose key is not in the set. The walk is over before anything is deleted: the key after a deleted
 * one is the first one again.
 */
static int prune(const struct key_set *set, unsigned max_entries)
{
	char *stale = calloc(max_entries, set->size);
	char key[sizeof(struct mpgate_lpm_key)] __attribute__((aligned(8)));
	char *next = stale;
	unsigned count = 0;
	int err;

	if (!stale)
		return -ENOMEM;
	err = bpf_map_get_next_key(set->map, NULL, key);
	while (!err && count < max_entries) {
		if (!bsearch(key, set->keys, set->count, set->size, set->compare)) {
			memcpy(next, key, set->size);
			next += set->size;
			count++;
		}
		err = bpf_map_get_next_key(set->map, key, key);
	}
	err = err == -ENOENT || !err ? 0 : err;
	for (unsigned i = 0; i < count && !err; i++) {
		err = bpf_map_delete_elem(set->map, stale + (size_t)i * set->size);
		err = err == -ENOENT ? 0 : err;
	}
	if (err)
		log_error("map %s: cannot remove what is not wanted any more: %s", set->name, strerror(-err));
	free(stale);
	return err;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_prefixes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct mpgate_lpm_key));
}

static int put_key(struct datapath *dp, const struct datapath_key *key)
{
	struct mpgate_guard_key value = {
		.k0 = key->key.k0, .k1 = key->key.k1, .peer = key->peer, .end = key->key.end
	};
	uint32_t id = key->key.id;
	int err = bpf_map_update_elem(dp->map[DP_MAP_guard_keys], &id, &value, BPF_ANY);

	key_wipe(&value, sizeof(value));
	if (err)
		log_error("key %08x of peer slot %u: %s", id, key->peer, strerror(-err));
	return err;
}

int datapath_set_keys(struct datapath *dp, const struct datapath_key *keys, unsigned count)
{
	uint32_t *ids = calloc(count ? count : 1, sizeof(*ids));
	int err = ids ? 0 : -ENOMEM;

	for (unsigned i = 0; i < count && !err; i++) {
		ids[i] = keys[i].key.id;
		err = put_key(dp, &keys[i]);
	}
	if (!err) {
		struct key_set set = { "guard_keys", dp->map[DP_MAP_guard_keys], sizeof(*ids), (char *)ids, count,
				       compare_ids };

		qsort(ids, count, sizeof(*ids), compare_ids);
		for (unsigned i = 1; i < count; i++) {
			if (ids[i] == ids[i - 1])
				log_warn("two keys have the id %08x: guard knows one of them", ids[i]);
		}
		err = prune(&set, 2 * MPGATE_MAX_PEERS);
	}
	free(ids);
	return err;
}

static void allow_key(const struct prefix *p, struct mpgate_lpm_key *key)
{
	memset(key, 0, sizeof(*key));
	key->prefixlen = MPGATE_LPM_FIXED_BITS + p->len;
	key->key.side = MPGATE_SRC;
	key->key.family = p->family;
	memcpy(key->key.addr, p->addr, p->family == 4 ? 4 : 16);
}

static int put_prefixes(struct datapath *dp, const struct cfg_prefixes *allow, struct mpgate_lpm_key *keys)
{
	uint32_t allowed = 1;

	for (unsigned i = 0; i < allow->count; i++) {
		int err;

		allow_key(&allow->p[i], &keys[i]);
		err = bpf_map_update_elem(dp->map[DP_MAP_guard_allow], &keys[i], &allowed, BPF_ANY);
		if (err) {
			log_error("prefix %u of allow-from: %s", i, strerror(-err));
			return err;
		}
	}
	return 0;
}

static void convert_settings(const struct datapath *dp, const struct config *cfg, struct mpgate_settings *s)
{
	const struct cfg_convert *c = &cfg->convert;
	static const uint32_t accept[] = {
		[CFG_ACCEPT_KEYED] = MPGATE_ACCEPT_KEYED,
		[CFG_ACCEPT_ISSUED] = MPGATE_ACCEPT_ISSUED,
		[CFG_ACCEPT_OPEN] = MPGATE_ACCEPT_OPEN,
	};

	s->accept = c->listening ? accept[c->accept] : MPGATE_ACCEPT_NONE;
	s->tags = cfg->transparent.accept;
	s->learns = config_learns(cfg);
	for (unsigned i = 0; i < MPGATE_CONVERT_PORTS; i++)
		s->convert_port[i] = htons(i && i <= c->ports.count ? c->ports.port[i - 1] : c->port);
	s->cookie_window = (uint16_t)c->window;
	s->replay_buckets = dp->replay_buckets;
	s->unchecked_rate = c->unchecked_rate;
	s->unchecked_burst = c->unchecked_rate * BURST_SECONDS;
	s->allow_from = c->allow_from.count;
}

/* Wider before narrower: new prefixes, then the settings, then the old prefixes go. */
int datapath_set_convert(struct datapath *dp, const struct config *cfg)
{
	const struct cfg_prefixes *allow = &cfg->convert.allow_from;
	struct mpgate_settings s = dp->settings;
	struct mpgate_lpm_key *keys;
	int err;

	if (allow->count > MPGATE_MAX_ALLOW) {
		log_error("allow-from has more than %u prefixes", MPGATE_MAX_ALLOW);
		return -E2BIG;
	}
	keys = calloc(allow->count ? allow->count : 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	err = put_prefixes(dp, allow, keys);
	convert_settings(dp, cfg, &s);
	if (!err)
		err = dp_write_settings(dp, &s);
	if (!err) {
		struct key_set set = { "guard_allow", dp->map[DP_MAP_guard_allow],
				       sizeof(*keys), (char *)keys,
				       allow->count,  compare_prefixes };

		qsort(keys, allow->count, sizeof(*keys), compare_prefixes);
		err = prune(&set, MPGATE_MAX_ALLOW);
	}
	free(keys);
	return err;
}

void datapath_know_source(struct datapath *dp, const struct mpgate_addr *source)
{
	uint64_t now = dp_now();

	bpf_map_update_elem(dp->map[DP_MAP_guard_known], source, &now, BPF_ANY); /* if not, it has a rate */
}

int datapath_set_unscale(struct datapath *dp, bool on)
{
	struct mpgate_settings s = dp->settings;

	s.unscale = on;
	return dp_write_settings(dp, &s);
}

/* A clock that was set back is told of once, and again when it is set back further. */
static void note_set_back(struct datapath *dp, uint64_t ns)
{
	uint64_t seconds = ns / NS_PER_SECOND;

	if (seconds > dp->set_back + 1)
		log_warn("the clock was set back by %llu s: cookies are judged by the time that it had",
			 (unsigned long long)seconds);
	if (seconds > dp->set_back)
		dp->set_back = seconds;
}

int datapath_sync_clock(struct datapath *dp)
{
	struct mpgate_settings s = dp->settings;
	struct timespec wall, boot;
	uint64_t offset;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	offset = (uint64_t)((int64_t)(wall.tv_sec - boot.tv_sec) * (int64_t)NS_PER_SECOND +
			    (wall.tv_nsec - boot.tv_nsec));
	if (offset <= s.wall_offset) {
		note_set_back(dp, s.wall_offset - offset);
		return 0;
	}
	dp->set_back = 0;
	s.wall_offset = offset;
	return dp_write_settings(dp, &s);
}

uint64_t datapath_wall_offset(const struct datapath *dp)
{
	return dp->settings.wall_offset;
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct mpgate_addr));
}

/* Is this address of the machine one that a listener on any address takes? */
static bool any_takes(const struct cfg_convert *c, const struct mpgate_addr *a)
{
	static const struct mpgate_addr any6, any4 = { { [10] = 0xff, 0xff } };
	const struct mpgate_addr *any = addr_is_v4(a) ? &any4 : &any6;

	for (unsigned i = 0; i < c->listen_count; i++)
		if (!memcmp(&c->listen[i], any, sizeof(*any)))
			return true;
	return false;
}

/* Makes the map have these addresses, which are sorted here, and no others. */
static int put_addrs(struct datapath *dp, enum dp_map map, struct mpgate_addr *keys, unsigned count)
{
	struct key_set set = { dp_map_name(map), dp->map[map], sizeof(*keys), (char *)keys, count, compare_addrs };
	uint32_t ours = 1;
	int err = 0;

	for (unsigned i = 0; i < count && !err; i++)
		err = bpf_map_update_elem(set.map, &keys[i], &ours, BPF_ANY);
	if (err) {
		log_error("map %s: %s", set.name, strerror(-err));
		return err;
	}
	qsort(keys, count, sizeof(*keys), compare_addrs);
	return prune(&set, MPGATE_MAX_LOCAL);
}

int datapath_set_local(struct datapath *dp, const struct config *cfg, const struct mpgate_addr *local, unsigned count)
{
	const struct cfg_convert *c = &cfg->convert;
	struct mpgate_addr *keys = calloc(count + c->listen_count + 1, sizeof(*keys));
	unsigned n = 0;
	int err, host_err;

	if (!keys)
		return -ENOMEM;
	for (unsigned i = 0; i < c->listen_count; i++)
		keys[n++] = c->listen[i];
	for (unsigned i = 0; i < count; i++)
		if (any_takes(c, &local[i]))
			keys[n++] = local[i];
	err = put_addrs(dp, DP_MAP_guard_local, keys, n);
	if (count)
		memcpy(keys, local, count * sizeof(*keys));
	host_err = put_addrs(dp, DP_MAP_host_addrs, keys, count);
	free(keys);
	return err ? err : host_err;
}
