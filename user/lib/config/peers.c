// SPDX-License-Identifier: GPL-2.0-or-later
/* Peers of a configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>

#define DEFAULT_READY 2
#define MAX_READY 8 /* of a worker, ahead; each is a socket or more of the peer */
#define MAX_PARK 32 /* of a worker, all the time */

int cfg_find_peer(const struct config *cfg, const char *name)
{
	unsigned i;

	for (i = 0; i < cfg->peer_count; i++)
		if (strcmp(cfg->peers[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int check_park(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];

	if (raw->accept_to && !raw->key_file)
		return cfg_fail(b, cfg_at(b, "peers[%u].accept-to", i), "peer '%s': accept-to needs a key-file",
				raw->name);
	if (!raw->park || !*raw->park)
		return 0;
	if (raw->dialect != CFG_DIALECT_MPGATE)
		return cfg_fail(b, cfg_at(b, "peers[%u].park", i), "peer '%s': park needs dialect mpgate", raw->name);
	if (!raw->address_count && !raw->domain && !raw->dhcp)
		return cfg_fail(b, cfg_at(b, "peers[%u].park", i), "peer '%s': park needs an address", raw->name);
	if (!raw->accept_to_count)
		return cfg_fail(b, cfg_at(b, "peers[%u].park", i),
				"peer '%s': park needs accept-to: the prefixes that it may connect to", raw->name);
	return 0;
}

static int check_transparent(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];

	if (raw->mode != CFG_TRANSPARENT)
		return 0;
	if (raw->dialect != CFG_DIALECT_MPGATE)
		return cfg_fail(b, cfg_at(b, "peers[%u].dialect", i),
				"peer '%s': mode: transparent needs dialect mpgate", raw->name);
	if (raw->address_count)
		return cfg_fail(b, cfg_at(b, "peers[%u].address", i),
				"peer '%s': mode: transparent has no address: routing puts the peer on the path",
				raw->name);
	if (raw->park && *raw->park)
		return cfg_fail(b, cfg_at(b, "peers[%u].park", i), "peer '%s': mode: transparent parks nothing",
				raw->name);
	return 0;
}

static int check_peer(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];
	int r = cfg_check_name(b, cfg_at(b, "peers[%u].name", i), "peer", raw->name, CFG_NAME_MAX);

	if (r)
		return r;
	if (cfg_find_peer(b->cfg, raw->name) >= 0)
		return cfg_fail(b, cfg_at(b, "peers[%u].name", i), "peer '%s' is there twice", raw->name);
	if (raw->dialect == CFG_DIALECT_MPGATE && !raw->key_file)
		return cfg_fail(b, cfg_at(b, "peers[%u].key-file", i),
				"peer '%s' needs a key-file (only dialect rfc8803 does without)", raw->name);
	if (raw->previous_key_file && !raw->key_file)
		return cfg_fail(b, cfg_at(b, "peers[%u].previous-key-file", i),
				"peer '%s': a previous-key-file needs a key-file", raw->name);
	/* Whoever holds a key may otherwise speak for any host, on this side's nets as well. */
	if (raw->dialect == CFG_DIALECT_MPGATE && !raw->allow_source_count &&
	    (b->cfg->convert.listening || b->cfg->transparent.accept) && b->cfg->convert.source == CFG_PRESERVE)
		return cfg_fail(
			b, cfg_at(b, "peers[%u].name", i),
			"peer '%s' needs allow-source, since convert.source is preserve: the prefixes of its hosts",
			raw->name);
	r = cfg_check_list(b, cfg_at(b, "peers[%u].address", i));
	if (!r)
		r = check_transparent(b, i);
	if (!r)
		r = cfg_check_domain(b, i);
	return r ? r : check_park(b, i);
}

static int build_peer(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];
	struct cfg_peer *peer = &b->cfg->peers[i];
	char place[32];
	unsigned port;
	int r;

	peer->mode = raw->mode;
	peer->dialect = raw->dialect;
	peer->same_key = -1;
	r = cfg_copy_text(&peer->name, raw->name);
	if (!r && raw->key_file)
		r = cfg_copy_path(b, &peer->key_file, raw->key_file);
	if (!r && raw->previous_key_file)
		r = cfg_copy_path(b, &peer->previous_key_file, raw->previous_key_file);
	if (r)
		return r;
	r = cfg_take_number(b, cfg_at(b, "peers[%u].port", i), raw->port, CFG_CONVERT_PORT, 1, UINT16_MAX, &port);
	if (r)
		return r;
	peer->port = (uint16_t)port;
	r = cfg_take_number(b, cfg_at(b, "peers[%u].ready", i), raw->ready,
			    peer->dialect == CFG_DIALECT_MPGATE ? DEFAULT_READY : 0, 0, MAX_READY, &peer->ready);
	if (r)
		return r;
	snprintf(place, sizeof(place), "peers[%u].allow-source", i);
	r = cfg_build_prefixes(b, place, raw->allow_source, raw->allow_source_count, &peer->allow_source);
	if (r)
		return r;
	r = cfg_take_number(b, cfg_at(b, "peers[%u].park", i), raw->park, 0, 0, MAX_PARK, &peer->park);
	if (r)
		return r;
	snprintf(place, sizeof(place), "peers[%u].accept-to", i);
	r = cfg_build_prefixes(b, place, raw->accept_to, raw->accept_to_count, &peer->accept_to);
	if (r)
		return r;
	snprintf(place, sizeof(place), "peers[%u].address", i);
	r = raw->domain || raw->dhcp
		    ? cfg_build_domain(b, i)
		    : cfg_build_addresses(b, place, raw->address, raw->address_count, CFG_PEER_ADDRESSES,
					  "a peer is another machine", &peer->address, &peer->address_count);
	return r ? r : cfg_build_peer_ports(b, i);
}

int cfg_build_peers(struct build *b)
{
	const struct raw_config *raw = b->raw;
	unsigned i;
	int r;

	if (raw->peers_count > MPGATE_MAX_PEERS)
		return cfg_fail(b, "peers", "%u peers are more than %d", raw->peers_count, MPGATE_MAX_PEERS);
	b->cfg->peers = calloc(raw->peers_count + 1, sizeof(*b->cfg->peers));
	if (!b->cfg->peers)
		return -ENOMEM;
	for (i = 0; i < raw->peers_count; i++) {
		r = check_peer(b, i);
		if (r)
			return r;
		b->cfg->peer_count = i + 1;
		r = build_peer(b, i);
		if (r)
			return r;
	}
	return cfg_check_keys(b);
}
