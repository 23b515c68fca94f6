// SPDX-License-Identifier: GPL-2.0-or-later
/* Links, Convert, peers, groups and the plain numbers of a configuration. */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lib/config/build.h>

#define DEFAULT_PORT 8803 /* of Convert; none is assigned (RFC 8803, 11.1) */
#define DEFAULT_METRICS_PORT 9803
#define DEFAULT_WINDOW 30 /* seconds */
#define DEFAULT_UNCHECKED_RATE 2000
#define DEFAULT_PENDING 512
#define DEFAULT_READY 2
#define DEFAULT_CONNECTIONS 8192
#define DEFAULT_REQUEST_RATE 4000 /* with the default window, 8 MiB for guard and 8 MiB for the workers */
#define DEFAULT_BUFFER_MIB 64
#define MAX_SECONDS (30 * 86400) /* of a timeout: its milliseconds fit an int */
#define DEFAULT_KEEPALIVE 15 /* seconds; NAT on mobile links forgets after 20 to 30 */
#define MAX_KEEPALIVE 3600 /* four times that still fits what Linux takes, 32,767 */
#define DEFAULT_JOIN_KIB 128
#define MAX_JOIN_KIB 1048576
#define DEFAULT_JOIN_MS 1000
#define MIN_JOIN_MS 100
#define MAX_JOIN_MS 60000
#define MAX_RATE 1000000
#define MAX_CONNECTIONS 1000000 /* what file descriptors and ports of one machine allow, roughly */
#define MAX_BUFFER_MIB 65536
#define MAX_PORT 65535
#define MAX_READY 8 /* of a worker, ahead; each is a socket or more of the peer */
#define MAX_PARK 32 /* of a worker, all the time */

static unsigned cpu_count(void)
{
	cpu_set_t set;
	unsigned n;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	n = (unsigned)CPU_COUNT(&set);
	return n < MPGATE_MAX_WORKERS ? n : MPGATE_MAX_WORKERS;
}

static int build_metrics(struct build *b)
{
	const struct raw_config *raw = b->raw;
	struct mpgate_addr addr;
	unsigned port;
	int r;

	if (!raw->metrics.listen)
		return raw->metrics.port ? cfg_fail(b, "metrics.port", "metrics: a port needs a listen address") : 0;
	if (addr_parse(raw->metrics.listen, &addr) < 0)
		return cfg_fail(b, "metrics.listen", "'%s' is no address", raw->metrics.listen);
	r = cfg_take_number(b, "metrics.port", raw->metrics.port, DEFAULT_METRICS_PORT, 1, MAX_PORT, &port);
	if (r)
		return r;
	b->cfg->metrics_port = (uint16_t)port;
	return cfg_copy_text(&b->cfg->metrics_listen, raw->metrics.listen);
}

static int build_mark(struct build *b)
{
	const struct raw_config *raw = b->raw;
	struct config *cfg = b->cfg;
	int r = cfg_take_number(b, "mark.value", raw->mark.value, MPGATE_MARK, 1, UINT32_MAX, &cfg->mark.value);

	if (!r)
		r = cfg_take_number(b, "mark.mask", raw->mark.mask, MPGATE_MARK_MASK, 1, UINT32_MAX, &cfg->mark.mask);
	if (!r && cfg->mark.value & ~cfg->mark.mask)
		r = cfg_fail(b, "mark.value", "mark: the value 0x%x has bits that are not in the mask 0x%x",
			     cfg->mark.value, cfg->mark.mask);
	return r;
}

static int build_numbers(struct build *b)
{
	const struct raw_config *raw = b->raw;
	struct config *cfg = b->cfg;
	const struct {
		const char *place;
		const uint32_t *given;
		unsigned fallback, min, max, *out;
	} numbers[] = {
		{ "workers", raw->workers, 0, 0, MPGATE_MAX_WORKERS, &cfg->workers },
		{ "timeouts.first-bytes-ms", raw->timeouts.first_bytes_ms, 1, 0, 1000, &cfg->timeouts.first_bytes_ms },
		{ "timeouts.peer", raw->timeouts.peer, 5, 1, MAX_SECONDS, &cfg->timeouts.peer },
		{ "timeouts.connect", raw->timeouts.connect, 15, 1, MAX_SECONDS, &cfg->timeouts.connect },
		{ "timeouts.header", raw->timeouts.header, 5, 1, MAX_SECONDS, &cfg->timeouts.header },
		{ "timeouts.idle", raw->timeouts.idle, 7200, 1, MAX_SECONDS, &cfg->timeouts.idle },
		{ "timeouts.half-closed", raw->timeouts.half_closed, 300, 1, MAX_SECONDS, &cfg->timeouts.half_closed },
		{ "timeouts.keepalive", raw->timeouts.keepalive, DEFAULT_KEEPALIVE, 0, MAX_KEEPALIVE,
		  &cfg->timeouts.keepalive },
		{ "subflows.after-kib", raw->subflows.after_kib, DEFAULT_JOIN_KIB, 1, MAX_JOIN_KIB,
		  &cfg->subflows.after_kib },
		{ "subflows.after-ms", raw->subflows.after_ms, DEFAULT_JOIN_MS, MIN_JOIN_MS, MAX_JOIN_MS,
		  &cfg->subflows.after_ms },
		{ "dhcp.enterprise", raw->dhcp.enterprise, 0, 1, UINT32_MAX, &cfg->enterprise },
		{ "limits.connections", raw->limits.connections, 0, 0, MAX_CONNECTIONS, &cfg->limits.connections },
		{ "limits.request-rate", raw->limits.request_rate, DEFAULT_REQUEST_RATE, 1, MAX_RATE,
		  &cfg->limits.request_rate },
		{ "limits.buffer-mib", raw->limits.buffer_mib, DEFAULT_BUFFER_MIB, 1, MAX_BUFFER_MIB,
		  &cfg->limits.buffer_mib },
		{ "limits.kernel-mib", raw->limits.kernel_mib, 0, 0, MAX_BUFFER_MIB, &cfg->limits.kernel_mib },
	};
	unsigned i;
	int r = 0;

	for (i = 0; i < CYAML_ARRAY_LEN(numbers) && !r; i++)
		r = cfg_take_number(b, numbers[i].place, numbers[i].given, numbers[i].fallback, numbers[i].min,
				    numbers[i].max, numbers[i].out);
	if (!cfg->workers)
		cfg->workers = cpu_count();
	cfg->subflows.manager = raw->subflows.manager;
	cfg->subflows.join = raw->subflows.join ? raw->subflows.join : CFG_JOIN_LATE;
	cfg->subflows.no_demotion = raw->subflows.no_demotion;
	cfg->subflows.no_pacing = raw->subflows.no_pacing;
	cfg->subflows.setup = raw->subflows.setup ? raw->subflows.setup : CFG_SETUP_SINGLE;
	if (!cfg->limits.connections)
		cfg->limits.connections = DEFAULT_CONNECTIONS;
	if (!r)
		r = build_mark(b);
	return r ? r : build_metrics(b);
}

static int build_instance(struct build *b)
{
	const char *name = b->raw->instance ? b->raw->instance : "default";
	int r = cfg_check_name(b, "instance", "instance", name, CFG_NAME_MAX);

	if (r)
		return r;
	/* It names a directory of pins, and bpffs takes no dots. */
	if (strchr(name, '.'))
		return cfg_fail(b, "instance", "instance '%s': '.' is not allowed here", name);
	return cfg_copy_text(&b->cfg->instance, name);
}

int cfg_find_link(const struct config *cfg, const char *name)
{
	unsigned i;

	for (i = 0; i < cfg->link_count; i++)
		if (strcmp(cfg->links[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* What a path gives to its packets and subflows. */
static int check_by_path(struct build *b, unsigned i)
{
	const struct raw_link *raw = &b->raw->links[i];
	static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	if (raw->role != CFG_PATH && raw->congestion)
		return cfg_fail(b, cfg_at(b, "links[%u].congestion", i),
				"link '%s': only a link with role path has a congestion control", raw->name);
	if (raw->congestion && (!raw->congestion[0] || strlen(raw->congestion) >= MPGATE_CONGESTION ||
				raw->congestion[strspn(raw->congestion, name)]))
		return cfg_fail(b, cfg_at(b, "links[%u].congestion", i),
				"'%.32s' is no name of a congestion control, such as cubic or bbr", raw->congestion);
	if (raw->role != CFG_PATH && raw->mark)
		return cfg_fail(b, cfg_at(b, "links[%u].mark", i), "link '%s': only a link with role path has a mark",
				raw->name);
	if (raw->mark && *raw->mark & b->cfg->mark.mask)
		return cfg_fail(b, cfg_at(b, "links[%u].mark", i), "link '%s': mark 0x%x has bits of mark.mask 0x%x",
				raw->name, *raw->mark, b->cfg->mark.mask);
	return 0;
}

static int check_link(struct build *b, unsigned i)
{
	const struct raw_link *raw = &b->raw->links[i];
	const char *place = cfg_at(b, "links[%u].name", i);

	if (strlen(raw->name) >= IFNAMSIZ)
		return cfg_fail(b, place, "link '%.64s': an interface name has %d letters at most", raw->name,
				IFNAMSIZ - 1);
	if (strcspn(raw->name, "/ \t\n\r\v\f:") != strlen(raw->name) || !strcmp(raw->name, ".") ||
	    !strcmp(raw->name, ".."))
		return cfg_fail(b, place, "link '%s' is no interface name", raw->name);
	if (cfg_find_link(b->cfg, raw->name) >= 0)
		return cfg_fail(b, place, "link '%s' is there twice", raw->name);
	if (!strcmp(raw->name, CFG_HOST))
		return cfg_fail(b, place, "link '%s': in rules that word is for this machine itself", raw->name);
	if (raw->role != CFG_PATH && raw->path)
		return cfg_fail(b, cfg_at(b, "links[%u].path", i), "link '%s': only a link with role path has a path",
				raw->name);
	if (raw->role != CFG_PATH && raw->use != CFG_PRIMARY)
		return cfg_fail(b, cfg_at(b, "links[%u].use", i), "link '%s': only a link with role path has a use",
				raw->name);
	if (raw->role != CFG_LAN && raw->early_classify)
		return cfg_fail(b, cfg_at(b, "links[%u].early-classify", i),
				"link '%s': only a link with role lan classifies", raw->name);
	if (raw->role != CFG_PATH && raw->no_detour)
		return cfg_fail(b, cfg_at(b, "links[%u].detour", i),
				"link '%s': only a link with role path has a detour", raw->name);
	if (raw->role != CFG_PATH && raw->gateway_count)
		return cfg_fail(b, cfg_at(b, "links[%u].gateway", i),
				"link '%s': only a link with role path has a gateway", raw->name);
	if (check_by_path(b, i) < 0)
		return -EINVAL;
	return raw->path ? cfg_check_name(b, cfg_at(b, "links[%u].path", i), "path", raw->path, CFG_NAME_MAX) : 0;
}

int cfg_build_links(struct build *b)
{
	const struct raw_config *raw = b->raw;
	unsigned i;
	int r = build_instance(b);

	if (!r)
		r = build_numbers(b);
	if (r)
		return r;
	b->cfg->host = raw->host;
	if (raw->links_count > MPGATE_MAX_LINKS)
		return cfg_fail(b, "links", "%u links are more than %d", raw->links_count, MPGATE_MAX_LINKS);
	b->cfg->links = calloc(raw->links_count + 1, sizeof(*b->cfg->links));
	if (!b->cfg->links)
		return -ENOMEM;
	for (i = 0; i < raw->links_count; i++) {
		const struct raw_link *from = &raw->links[i];
		struct cfg_link *link = &b->cfg->links[i];

		r = check_link(b, i);
		if (r)
			return r;
		b->cfg->link_count = i + 1;
		*link = (struct cfg_link){
			.role = from->role,
			.use = from->use,
			.guard = from->guard,
			.early_classify = from->early_classify,
			.no_detour = from->no_detour,
			.mark = from->mark ? *from->mark : 0,
		};
		r = cfg_build_gateway(b, i, link);
		if (r)
			return r;
		if (cfg_copy_text(&link->name, from->name) < 0 ||
		    cfg_copy_text(&link->path, from->path ? from->path : from->name) < 0 ||
		    (from->congestion && cfg_copy_text(&link->congestion, from->congestion) < 0))
			return -ENOMEM;
		r = cfg_build_cost(b, i);
		if (r)
			return r;
	}
	return 0;
}

static bool is_loopback(const struct mpgate_addr *a)
{
	static const struct prefix loopback[] = { { 4, 8, { 127 } }, { 6, 128, { [15] = 1 } } };

	return prefix_contains(&loopback[0], a) || prefix_contains(&loopback[1], a);
}

int cfg_build_addresses(struct build *b, const char *place, char **texts, unsigned count, unsigned max,
			const char *unicast, struct mpgate_addr **out, unsigned *out_count)
{
	struct mpgate_addr *list = calloc(count + 1, sizeof(*list));
	char item[160];
	unsigned i, k;
	int r = 0;

	if (!list)
		return -ENOMEM;
	if (count > max)
		r = cfg_fail(b, place, "more than %u addresses", max);
	for (i = 0; i < count && !r; i++) {
		snprintf(item, sizeof(item), "%s[%u]", place, i);
		if (addr_parse(texts[i], &list[i]) == 0 && unicast && is_loopback(&list[i]))
			r = cfg_fail(b, item, "'%s' is a loopback address: %s", texts[i], unicast);
		else if (addr_parse(texts[i], &list[i]) < 0 || (unicast && addr_is_special(&list[i])))
			r = cfg_fail(b, item, "'%s' is no %saddress", texts[i], unicast ? "unicast " : "");
		else if (addr_is_link_local(&list[i]))
			r = cfg_fail(b, item, "'%s' is link-local: such addresses are not taken here", texts[i]);
		for (k = 0; k < i && !r; k++)
			if (memcmp(&list[i], &list[k], sizeof(*list)) == 0)
				r = cfg_fail(b, item, "address '%s' is there twice", texts[i]);
	}
	if (r) {
		free(list);
		return r;
	}
	*out = list;
	*out_count = count;
	return 0;
}

static int allow_everywhere(struct cfg_prefixes *out)
{
	out->p = calloc(2, sizeof(*out->p));
	if (!out->p)
		return -ENOMEM;
	out->p[0].family = 4;
	out->p[1].family = 6;
	out->count = 2;
	return 0;
}

static int check_accept(struct build *b, const struct raw_convert *raw)
{
	unsigned i;

	if (!raw->listen_count)
		return cfg_check_list(b, "convert.listen");
	/* An issued cookie proves only that its client receives what is sent to its address. */
	if (raw->accept != CFG_ACCEPT_KEYED && !raw->allow_from_count)
		return cfg_fail(b, "convert.accept", "accept: %s needs allow-from, or anyone could use this relay",
				raw->accept == CFG_ACCEPT_OPEN ? "open" : "issued");
	for (i = 0; i < b->raw->peers_count; i++)
		if (b->raw->peers[i].key_file)
			return 0;
	if (raw->accept == CFG_ACCEPT_KEYED)
		return cfg_fail(b, "convert.accept", "accept: keyed needs a peer with a key-file");
	return 0;
}

int cfg_build_convert(struct build *b)
{
	static const struct raw_convert none;
	const struct raw_convert *raw = b->raw->convert ? b->raw->convert : &none;
	struct cfg_convert *convert = &b->cfg->convert;
	unsigned port;
	int r;

	r = check_accept(b, raw);
	if (r)
		return r;
	convert->listening = raw->listen_count > 0;
	convert->accept = raw->accept;
	convert->source = raw->source;
	r = cfg_build_addresses(b, "convert.listen", raw->listen, raw->listen_count, CFG_LISTEN_ADDRESSES, NULL,
				&convert->listen, &convert->listen_count);
	if (!r)
		r = cfg_take_number(b, "convert.port", raw->port, DEFAULT_PORT, 1, MAX_PORT, &port);
	if (r)
		return r;
	convert->port = (uint16_t)port;
	r = cfg_build_convert_ports(b);
	if (!r)
		r = cfg_take_number(b, "convert.window", raw->window, DEFAULT_WINDOW, 1, 3600, &convert->window);
	if (!r)
		r = cfg_take_number(b, "convert.unchecked-syn-rate", raw->unchecked_rate, DEFAULT_UNCHECKED_RATE, 1,
				    MAX_RATE, &convert->unchecked_rate);
	if (!r)
		r = cfg_take_number(b, "convert.pending-per-client", raw->pending, DEFAULT_PENDING, 1, UINT16_MAX,
				    &convert->pending_per_client);
	if (!r)
		r = cfg_build_prefixes(b, "convert.allow-from", raw->allow_from, raw->allow_from_count,
				       &convert->allow_from);
	if (!r && convert->allow_from.count > MPGATE_MAX_ALLOW)
		r = cfg_fail(b, "convert.allow-from", "allow-from: %u prefixes are more than %d",
			     convert->allow_from.count, MPGATE_MAX_ALLOW);
	if (!r)
		r = cfg_build_prefixes(b, "convert.allow-to", raw->allow_to, raw->allow_to_count, &convert->allow_to);
	if (!r && !convert->allow_to.count)
		r = allow_everywhere(&convert->allow_to);
	return r;
}

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
	r = cfg_take_number(b, cfg_at(b, "peers[%u].port", i), raw->port, DEFAULT_PORT, 1, MAX_PORT, &port);
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
