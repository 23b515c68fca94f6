// SPDX-License-Identifier: GPL-2.0-or-later
/* The workers' copy of the configuration (struct snapshot), laid out in one memfd. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

#define MEMORY_SHARE 32
#define KEYS_PER_PEER 2 /* the present one and the previous one */

int keyring_load(const struct supervisor *s, const struct config *cfg, const uint16_t *slots, struct keyring *out)
{
	unsigned room = cfg->peer_count * KEYS_PER_PEER + 1;
	struct keyring k = { calloc(room, sizeof(*k.keys)), calloc(room, sizeof(*k.owner)), 0 };
	int ret = k.keys && k.owner ? 0 : -ENOMEM;

	for (unsigned i = 0; !ret && i < cfg->peer_count * KEYS_PER_PEER; i++) {
		const struct cfg_peer *p = &cfg->peers[i / KEYS_PER_PEER];
		const char *file = i % KEYS_PER_PEER ? p->previous_key_file : p->key_file;
		struct key key;

		if (!file || p->same_key >= 0)
			continue;
		ret = key_file_load(file, &key);
		if (ret) {
			log_error("%s: %s", file, strerror(-ret));
			break;
		}
		key_derive(&key, s->self, s->self_len, &k.keys[k.count].key);
		key_wipe(&key, sizeof(key));
		k.keys[k.count].peer = slots[i / KEYS_PER_PEER];
		k.owner[k.count] = i / KEYS_PER_PEER;
		/* The previous key may be the present one. */
		if (!k.count || k.keys[k.count].key.id != k.keys[k.count - 1].key.id)
			k.count++;
	}
	if (ret)
		keyring_free(&k);
	else
		*out = k;
	return ret;
}

void keyring_free(struct keyring *k)
{
	if (k->keys)
		key_wipe(k->keys, k->count * sizeof(*k->keys));
	free(k->keys);
	free(k->owner);
	*k = (struct keyring){ 0 };
}

/* Grows the image by an array; the pointer to it is good until the next call. */
static void *add(uint8_t **image, uint32_t *size, struct snapshot_array *a, unsigned count, size_t each)
{
	size_t at = (*size + 7U) & ~7U;
	uint8_t *mem = calloc(1, at + count * each);

	if (!mem)
		return NULL;
	/* realloc() would not wipe what it leaves, and there are sub-keys in it. */
	memcpy(mem, *image, *size);
	key_wipe(*image, *size);
	free(*image);
	*image = mem;
	*size = (uint32_t)(at + count * each);
	a->offset = (uint32_t)at;
	a->count = count;
	return mem + at;
}

/* The kernel sees TCP short of memory from a sixteenth of it on (tcp_mem); by themselves those that stand still get
 * half. */
static uint64_t kernel_bytes(const struct config *c)
{
	if (c->limits.kernel_mib)
		return (uint64_t)c->limits.kernel_mib << 20;
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / MEMORY_SHARE;
}

/* Published: its way is the hub's, which has no paths to choose from. */
/* The second path may be any. */
static enum cfg_setup rule_setup(const struct config *c, const struct cfg_rule *r)
{
	return r->published || !r->proxy || config_steers(r) ? CFG_SETUP_SINGLE
	       : r->setup				     ? r->setup
							     : c->subflows.setup;
}

static void fill_settings(const struct supervisor *s, struct snapshot *h)
{
	const struct config *c = s->cfg;

	h->accept = c->convert.accept;
	h->listening = c->convert.listening;
	h->preserve = c->convert.source == CFG_PRESERVE;
	h->per_subscriber = c->convert.per_subscriber;
	h->workers = s->worker_count;
	h->families = addresses_families(s);
	h->log_mappings = config_logs_mappings(c);
	h->pool_from = c->convert.pool_ports.from;
	h->pool_to = c->convert.pool_ports.to;
	key_of_self(s->self, s->self_len, h->pool_key);
	h->window = c->convert.window;
	h->pending_per_client = c->convert.pending_per_client;
	h->replay_buckets = s->replay_buckets;
	h->first_bytes_ms = c->timeouts.first_bytes_ms;
	h->peer_s = c->timeouts.peer;
	h->connect_s = c->timeouts.connect;
	h->header_s = c->timeouts.header;
	h->idle_s = c->timeouts.idle;
	h->half_closed_s = c->timeouts.half_closed;
	h->keepalive_s = c->timeouts.keepalive;
	h->connections = (c->limits.connections + s->worker_count - 1) / s->worker_count;
	h->buffer_bytes = (uint64_t)c->limits.buffer_mib << 20;
	h->kernel_bytes = kernel_bytes(c) / s->worker_count;
	h->joins = paths_manages(s->paths);
	h->join = c->subflows.join;
	h->join_some_at_once = c->subflows.join == CFG_JOIN_AT_ONCE;
	for (unsigned i = 0; i < c->rule_count; i++)
		h->races |= rule_setup(c, &c->rules[i]) != CFG_SETUP_SINGLE;
	for (unsigned i = 0; i < c->rule_count; i++)
		h->join_some_at_once |= c->rules[i].join == CFG_JOIN_AT_ONCE;
	for (unsigned i = 0; i < c->rule_count; i++)
		h->steers |= config_steers(&c->rules[i]);
	for (unsigned i = 0; i < c->group_count; i++)
		h->stand_ins |= c->groups[i].peer_count > 1;
	h->join_ms = c->subflows.after_ms;
	h->join_bytes = (uint64_t)c->subflows.after_kib << 10;
	h->issuing = s->issuing;
}

static int compare_keys(const void *a, const void *b)
{
	uint32_t x = ((const struct snapshot_key *)a)->key.id, y = ((const struct snapshot_key *)b)->key.id;

	return x < y ? -1 : x > y;
}

/* The same after a restart, whatever else is in the configuration. */
static uint64_t name_hash(const char *name)
{
	uint64_t key[2];

	key_of_self(name, strlen(name), key);
	return key[0];
}

/* Keys lie in the order of their peers, whose prefixes add_prefixes() puts one behind the other. */
static int add_keys(const struct supervisor *s, uint8_t **image, uint32_t *size, struct snapshot_array *a)
{
	const struct keyring *k = &s->keyring;
	struct snapshot_key *out = add(image, size, a, k->count, sizeof(*out));
	unsigned source = 0, to = 0, peer = 0;

	for (unsigned i = 0; out && i < k->count; i++) {
		const struct cfg_peer *owner = &s->cfg->peers[k->owner[i]];

		for (; peer < k->owner[i]; peer++) {
			source += s->cfg->peers[peer].allow_source.count;
			to += s->cfg->peers[peer].accept_to.count;
		}
		out[i] = (struct snapshot_key){
			.key = k->keys[i].key,
			.slot = k->keys[i].peer,
			.private_tlvs = owner->dialect == CFG_DIALECT_MPGATE,
			.peer = name_hash(owner->name),
			.source_first = source,
			.source_count = owner->allow_source.count,
			.to_first = to,
			.to_count = owner->accept_to.count,
		};
	}
	if (out)
		qsort(out, k->count, sizeof(*out), compare_keys);
	return out ? 0 : -ENOMEM;
}

static int compare_slots(const void *a, const void *b)
{
	return (int)((const struct snapshot_peer *)a)->slot - (int)((const struct snapshot_peer *)b)->slot;
}

static const struct cfg_prefixes *peer_prefixes(const struct cfg_peer *p, bool to)
{
	return to ? &p->accept_to : &p->allow_source;
}

/* Those of all peers: accept-to, or else allow-source. */
static int add_prefixes(const struct config *cfg, bool to, uint8_t **image, uint32_t *size, struct snapshot_array *a)
{
	unsigned count = 0;
	struct prefix *out;

	for (unsigned i = 0; i < cfg->peer_count; i++)
		count += peer_prefixes(&cfg->peers[i], to)->count;
	out = add(image, size, a, count, sizeof(*out));
	for (unsigned i = 0; out && i < cfg->peer_count; i++) {
		const struct cfg_prefixes *from = peer_prefixes(&cfg->peers[i], to);

		if (from->count)
			memcpy(out, from->p, from->count * sizeof(*out));
		out += from->count;
	}
	return out ? 0 : -ENOMEM;
}

static int add_peers(const struct supervisor *s, uint8_t **image, uint32_t *size, struct snapshot_array *a)
{
	struct snapshot_peer *out = add(image, size, a, s->cfg->peer_count, sizeof(*out));

	for (unsigned i = 0; out && i < s->cfg->peer_count; i++) {
		const struct peer *p = &s->peers[s->peer_slot[i]];

		out[i].slot = (uint16_t)p->slot;
		out[i].flags = (uint16_t)((p->private_tlvs ? SNAPSHOT_PEER_PRIVATE : 0) |
					  (p->keyed ? SNAPSHOT_PEER_KEYED : 0) |
					  (p->transparent ? SNAPSHOT_PEER_TRANSPARENT : 0));
		memcpy(out[i].port, p->port, sizeof(out[i].port));
		out[i].address_count = (uint8_t)p->address_count;
		out[i].ready = (uint8_t)s->cfg->peers[i].ready;
		out[i].park = (uint8_t)s->cfg->peers[i].park;
		snprintf(out[i].name, sizeof(out[i].name), "%s", p->name);
		memcpy(out[i].address, p->address, sizeof(out[i].address));
		out[i].send = p->send;
	}
	if (out)
		qsort(out, s->cfg->peer_count, sizeof(*out), compare_slots);
	return out ? 0 : -ENOMEM;
}

static int add_rules(const struct supervisor *s, uint8_t **image, uint32_t *size, struct snapshot_array *a)
{
	struct snapshot_rule *out = add(image, size, a, s->cfg->rule_count, sizeof(*out));

	for (unsigned i = 0; out && i < s->cfg->rule_count; i++) {
		const struct cfg_rule *r = &s->cfg->rules[i];
		uint16_t port = r->published ? r->ports[0].from : 0;

		out[i] = (struct snapshot_rule){
			.id = s->rule_id[i],
			.reject = r->if_down == CFG_IF_DOWN_REJECT,
			.published = r->published,
			.join = r->join,
			.steer = r->steer,
			.link_count = r->path_count,
			.setup = rule_setup(s->cfg, r),
			.target = r->target,
			.port = port,
			.target_port = r->target_port ? r->target_port : port,
		};
		for (unsigned k = 0; k < r->path_count; k++)
			out[i].links[k] = (uint8_t)paths_slot(s->paths, r->paths[k]);
		for (unsigned k = 0; r->group >= 0 && k < s->cfg->groups[r->group].peer_count; k++)
			out[i].peers[out[i].peer_count++] = s->peer_slot[s->cfg->groups[r->group].peers[k]];
	}
	return out ? 0 : -ENOMEM;
}

static int add_copy(uint8_t **image, uint32_t *size, struct snapshot_array *a, const void *from, unsigned count,
		    size_t each)
{
	void *out = add(image, size, a, count, each);

	if (!out)
		return -ENOMEM;
	if (count)
		memcpy(out, from, count * each);
	return 0;
}

static int write_memfd(const uint8_t *image, size_t size)
{
	int fd = memfd_create("mpgate-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret = 0;

	if (fd < 0)
		return -errno;
	for (size_t at = 0; !ret && at < size;) {
		ssize_t n = write(fd, image + at, size - at);

		if (n < 0)
			ret = -errno;
		else
			at += (size_t)n;
	}
	/* All workers get this one: none can change it for the others. */
	if (!ret && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		ret = -errno;
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

int snapshot_make(struct supervisor *s)
{
	struct snapshot head = { 0 };
	uint32_t size = sizeof(head);
	uint8_t *image = calloc(1, size);
	int ret = image ? 0 : -ENOMEM;

	fill_settings(s, &head);
	if (!ret)
		ret = add_peers(s, &image, &size, &head.peers);
	if (!ret)
		ret = add_keys(s, &image, &size, &head.keys);
	if (!ret)
		ret = add_rules(s, &image, &size, &head.rules);
	if (!ret)
		ret = add_copy(&image, &size, &head.allow_from, s->cfg->convert.allow_from.p,
			       s->cfg->convert.allow_from.count, sizeof(struct prefix));
	if (!ret)
		ret = add_copy(&image, &size, &head.allow_to, s->cfg->convert.allow_to.p,
			       s->cfg->convert.allow_to.count, sizeof(struct prefix));
	if (!ret)
		ret = add_prefixes(s->cfg, false, &image, &size, &head.allow_source);
	if (!ret)
		ret = add_prefixes(s->cfg, true, &image, &size, &head.accept_to);
	if (!ret)
		ret = add_copy(&image, &size, &head.pool, s->cfg->convert.pool.p, s->cfg->convert.pool.count,
			       sizeof(struct prefix));
	if (!ret)
		ret = add_copy(&image, &size, &head.local, s->local, s->local_count, sizeof(*s->local));
	if (!ret)
		ret = add_copy(&image, &size, &head.join_to, s->cfg->convert.join, s->cfg->convert.join_count,
			       sizeof(*s->cfg->convert.join));
	if (!ret) {
		head.size = size;
		memcpy(image, &head, sizeof(head));
		ret = write_memfd(image, size);
	}
	if (image)
		key_wipe(image, size);
	free(image);
	key_wipe(&head, sizeof(head));
	return ret;
}
