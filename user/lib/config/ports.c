// SPDX-License-Identifier: GPL-2.0-or-later
/* Further ports of Convert, for paths that let only some through. */
#include <lib/config/build.h>

/* All at place; own: the port that is none of them, 0: not known yet. */
static int build_ports(struct build *b, const char *place, const unsigned *raw, unsigned count, unsigned own,
		       struct cfg_ports *out)
{
	int r = cfg_check_list(b, place);

	if (r)
		return r;
	if (count > CFG_PORTS - 1)
		return cfg_fail(b, place, "ports: %u are more than %d", count, CFG_PORTS - 1);
	for (unsigned i = 0; i < count; i++) {
		if (!raw[i] || raw[i] > UINT16_MAX)
			return cfg_fail(b, place, "ports: %u is not a port: 1 to %d", raw[i], UINT16_MAX);
		if (raw[i] == own || cfg_has_port(out, (uint16_t)raw[i]))
			return cfg_fail(b, place, "ports: %u is there twice", raw[i]);
		out->port[out->count++] = (uint16_t)raw[i];
	}
	return 0;
}

bool cfg_has_port(const struct cfg_ports *p, uint16_t port)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->port[i] == port)
			return true;
	return false;
}

int cfg_build_peer_ports(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];
	struct cfg_peer *peer = &b->cfg->peers[i];
	char place[32];
	bool found = raw->domain || raw->dhcp;
	int r;

	snprintf(place, sizeof(place), "peers[%u].ports", i);
	r = build_ports(b, place, raw->ports, raw->ports_count, found ? 0 : peer->port, &peer->ports);
	if (r || !peer->ports.count || found)
		return r;
	if (!peer->address_count)
		return cfg_fail(b, place, "peer '%s': ports need an address", raw->name);
	if (peer->address_count * (1 + peer->ports.count) > CFG_PEER_ENDS)
		return cfg_fail(b, place, "peer '%s': %u addresses at %u ports each are more than %d", raw->name,
				peer->address_count, 1 + peer->ports.count, CFG_PEER_ENDS);
	return 0;
}

int cfg_build_convert_ports(struct build *b)
{
	struct cfg_convert *c = &b->cfg->convert;
	const struct raw_convert *raw = b->raw->convert;
	int r = raw ? build_ports(b, "convert.ports", raw->ports, raw->ports_count, c->port, &c->ports) : 0;

	if (r || !c->ports.count)
		return r;
	if (!c->listening)
		return cfg_fail(b, "convert.ports", "convert: ports need listen");
	if (c->listen_count * (1 + c->ports.count) > CFG_LISTEN_ADDRESSES)
		return cfg_fail(b, "convert.ports", "convert: %u addresses at %u ports each are more than %d",
				c->listen_count, 1 + c->ports.count, CFG_LISTEN_ADDRESSES);
	return 0;
}
