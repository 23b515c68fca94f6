// SPDX-License-Identifier: GPL-2.0-or-later
/* Which peer of a configuration is in which slot: the one that it had, by its name, or a free one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mpgated/supervisor/supervisor.h>

static int load_key(const struct supervisor *s, const struct cfg_peer *c, struct subkey *send, struct cfg_error *err)
{
	struct key key;
	int ret = key_file_load(c->key_file, &key);

	if (ret) {
		snprintf(err->text, sizeof(err->text), "%s: %s", c->key_file, strerror(-ret));
		return ret;
	}
	key_derive(&key, s->self, s->self_len, send);
	key_wipe(&key, sizeof(key));
	return 0;
}

/* Peers by name, as they are before a new configuration; and where free slots begin. */
struct directory {
	struct peer *named[MPGATE_MAX_PEERS];
	unsigned count, unused;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct peer *const *)a)->name, (*(struct peer *const *)b)->name);
}

static void list_names(struct supervisor *s, struct directory *d)
{
	d->count = d->unused = 0;
	for (unsigned i = 0; i < s->peer_slots; i++)
		if (s->peers[i].name)
			d->named[d->count++] = &s->peers[i];
	qsort(d->named, d->count, sizeof(d->named[0]), compare_names);
}

static struct peer *find_name(const struct directory *d, char *name)
{
	struct peer key = { .name = name }, *const k = &key;
	struct peer **found = bsearch(&k, d->named, d->count, sizeof(d->named[0]), compare_names);

	return found ? *found : NULL;
}

/* The slot of a peer, a free one if it is new. NULL: there is none, or no memory. */
static struct peer *claim(struct supervisor *s, struct directory *d, char *name)
{
	struct peer *p = find_name(d, name);

	if (p)
		return p;
	while (d->unused < MPGATE_MAX_PEERS && (s->peers[d->unused].name || s->peers[d->unused].handles))
		d->unused++;
	if (d->unused == MPGATE_MAX_PEERS)
		return NULL;
	p = &s->peers[d->unused];
	memset(p, 0, sizeof(*p));
	p->sup = s;
	p->slot = d->unused;
	p->first = -1;
	s->shm->peers[p->slot] = (struct peer_shared){ 0 };
	p->name = strdup(name);
	if (p->name && p->slot >= s->peer_slots)
		s->peer_slots = p->slot + 1;
	return p->name ? p : NULL;
}

int peers_assign(struct supervisor *s, const struct config *cfg, uint16_t *slots, struct cfg_error *err)
{
	static struct directory d;

	list_names(s, &d);
	for (unsigned i = 0; i < cfg->peer_count; i++) {
		const struct cfg_peer *c = &cfg->peers[i];
		struct peer *p = claim(s, &d, c->name);
		int ret;

		if (!p) {
			snprintf(err->text, sizeof(err->text), "no room for another peer of %d", MPGATE_MAX_PEERS);
			return -E2BIG;
		}
		slots[i] = (uint16_t)p->slot;
		key_wipe(&p->next_send, sizeof(p->next_send));
		ret = c->key_file ? load_key(s, c, &p->next_send, err) : 0;
		if (ret)
			return ret;
	}
	return 0;
}
