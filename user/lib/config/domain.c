// SPDX-License-Identifier: GPL-2.0-or-later
/* Peers whose addresses are not in the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>
#include <lib/config/meant.h>
#include <lib/dns.h>

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */

/* Labels with a dot between each two of them, and one at the end or none. */
static bool is_domain(const char *name)
{
	size_t n;

	do {
		n = strcspn(name, ".");
		if (!n || n > LABEL_MAX)
			return false;
		name += n + (name[n] == '.');
	} while (*name);
	return true;
}

/* Who writes a name for an address means what DNS says of it. */
static int check_addresses(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];

	for (unsigned k = 0; k < raw->address_count; k++)
		if (meant_host(raw->address[k]))
			return cfg_fail(b, cfg_at(b, "peers[%u].address[%u]", i, k),
					"peer '%s': '%.64s' is a host name: write its addresses, which `getent ahosts` "
					"tells of it, or `domain` instead, if DNS has SRV records for it",
					raw->name, raw->address[k]);
	return 0;
}

int cfg_check_domain(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];
	const char *place = cfg_at(b, raw->domain ? "peers[%u].domain" : "peers[%u].from", i);
	const char *what = raw->domain ? "a domain" : "from: dhcp";
	int r;

	if (!raw->domain && !raw->dhcp)
		return check_addresses(b, i);
	if (raw->domain && raw->dhcp)
		return cfg_fail(b, place, "peer '%s': either a domain or from: dhcp", raw->name);
	if (raw->address_count || raw->port)
		return cfg_fail(b, place, "peer '%s': either address and port, or %s that says them", raw->name, what);
	if (raw->mode == CFG_TRANSPARENT)
		return cfg_fail(b, place,
				"peer '%s': mode: transparent goes without %s: routing puts the peer on the path",
				raw->name, what);
	if (raw->dhcp && !b->cfg->enterprise)
		return cfg_fail(b, place, "peer '%s': from: dhcp needs dhcp.enterprise", raw->name);
	if (raw->dhcp)
		return 0;
	r = cfg_check_name(b, place, "domain", raw->domain, DNS_DOMAIN - 1);
	if (!r && !is_domain(raw->domain))
		r = cfg_fail(b, place, "peer '%s': '%s' is no domain", raw->name, raw->domain);
	return r;
}

static int copy_domain(struct cfg_peer *peer, const char *domain)
{
	size_t len = strlen(domain);
	int r = cfg_copy_text(&peer->domain, domain);

	if (!r && peer->domain[len - 1] == '.')
		peer->domain[len - 1] = '\0';
	return r;
}

int cfg_build_domain(struct build *b, unsigned i)
{
	const struct raw_peer *raw = &b->raw->peers[i];
	struct cfg_peer *peer = &b->cfg->peers[i];
	int r = raw->domain ? copy_domain(peer, raw->domain) : 0;

	if (r)
		return r;
	peer->dhcp = raw->dhcp;
	peer->address = calloc(CFG_PEER_ADDRESSES, sizeof(*peer->address));
	return peer->address ? 0 : -ENOMEM;
}
