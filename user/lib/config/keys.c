// SPDX-License-Identifier: GPL-2.0-or-later
/* Key files, of the peers and of the status page: that they can be read, and that each peer's key has a name of its
 * own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lib/config/build.h>
#include <lib/keys.h>

/* Who uses which key, to find names that two would share. */
struct key_use {
	uint32_t id;
	unsigned peer;
};

static int read_key(struct build *b, const char *place, const char *path, struct key *key)
{
	int r = key_file_load(path, key);

	if (r == -EACCES && access(path, R_OK) == 0)
		return cfg_fail(b, place, "key file '%s' can be read by others: its mode must be 0600", path);
	if (r == -EINVAL)
		return cfg_fail(b, place, "'%s' holds no key", path);
	return r ? cfg_fail(b, place, "key file '%s': %s", path, strerror(-r)) : 0;
}

static int load_key(struct build *b, unsigned i, bool previous, struct key_use *use)
{
	const struct cfg_peer *peer = &b->cfg->peers[i];
	struct key key;
	int r = read_key(b, cfg_at(b, "peers[%u].%s", i, previous ? "previous-key-file" : "key-file"),
			 previous ? peer->previous_key_file : peer->key_file, &key);

	if (r)
		return r;
	*use = (struct key_use){ key_id(&key), i };
	key_wipe(&key, sizeof(key));
	return 0;
}

static int compare_key_uses(const void *a, const void *b)
{
	const struct key_use *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->peer < y->peer ? -1 : x->peer > y->peer;
}

static int check_token(struct build *b)
{
	struct key key;
	int r = 0;

	if (b->cfg->metrics_token_file) {
		r = read_key(b, "metrics.token-file", b->cfg->metrics_token_file, &key);
		key_wipe(&key, sizeof(key));
	}
	return r;
}

int cfg_check_keys(struct build *b)
{
	struct key_use *uses = calloc(b->cfg->peer_count * 2 + 1, sizeof(*uses));
	unsigned i, n = 0;
	int r = uses ? keys_init() : -ENOMEM;

	for (i = 0; i < b->cfg->peer_count && !r; i++) {
		if (b->cfg->peers[i].key_file)
			r = load_key(b, i, false, &uses[n++]);
		if (!r && b->cfg->peers[i].previous_key_file)
			r = load_key(b, i, true, &uses[n++]);
	}
	if (!r)
		r = check_token(b);
	if (!r)
		qsort(uses, n, sizeof(*uses), compare_key_uses);
	for (i = 1; i < n && !r; i++)
		if (uses[i].id == uses[i - 1].id && uses[i].peer != uses[i - 1].peer)
			b->cfg->peers[uses[i].peer].same_key = (int)uses[i - 1].peer;
	free(uses);
	return r;
}

int config_left_out(const struct config *cfg, unsigned peer, char *text, size_t size)
{
	int other = cfg->peers[peer].same_key;

	if (other < 0)
		return 0;
	snprintf(text, size, "left out: its key has the name of a key of peer %s; give each a key of its own",
		 cfg->peers[other].name);
	return 1;
}
