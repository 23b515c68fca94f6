// SPDX-License-Identifier: GPL-2.0-or-later
/* Convert and the plain numbers of a configuration. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>
#include <lib/config/meant.h>

#define DEFAULT_METRICS_PORT 9803
#define DEFAULT_WINDOW 30 /* seconds */
#define DEFAULT_UNCHECKED_RATE 2000
#define DEFAULT_PENDING 512
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

	if (!raw->metrics.listen && raw->metrics.token_file)
		return cfg_fail(b, "metrics.token-file", "metrics: a token-file needs a listen address");
	if (!raw->metrics.listen)
		return raw->metrics.port ? cfg_fail(b, "metrics.port", "metrics: a port needs a listen address") : 0;
	if (addr_parse(raw->metrics.listen, &addr) < 0)
		return cfg_fail(b, "metrics.listen", "'%s' %s", raw->metrics.listen,
				meant_address(raw->metrics.listen, "is no address"));
	r = cfg_take_number(b, "metrics.port", raw->metrics.port, DEFAULT_METRICS_PORT, 1, MAX_PORT, &port);
	if (r)
		return r;
	b->cfg->metrics_port = (uint16_t)port;
	r = raw->metrics.token_file ? cfg_copy_path(b, &b->cfg->metrics_token_file, raw->metrics.token_file) : 0;
	return r ? r : cfg_copy_text(&b->cfg->metrics_listen, raw->metrics.listen);
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

int cfg_build_numbers(struct build *b)
{
	int r = build_instance(b);

	b->cfg->host = b->raw->host;
	return r ? r : build_numbers(b);
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
			r = cfg_fail(b, item, "'%s' %s", texts[i],
				     meant_address(texts[i], unicast ? "is no unicast address" : "is no address"));
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
		r = cfg_take_number(b, "convert.port", raw->port, CFG_CONVERT_PORT, 1, MAX_PORT, &port);
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
