// SPDX-License-Identifier: GPL-2.0-or-later
/* How paths and their subflows fare, for Paths, Subflows and /metrics. */
#include <arpa/inet.h>

#include <lib/addr.h>
#include <mpgated/answers/answers.h>

void path_forgets(const struct supervisor *s, unsigned link, unsigned f, const char *name, json_t *o)
{
	uint32_t ms = paths_get_sample(s->paths, link)->forgets_ms[f];

	if (ms)
		json_set_int(o, name, ms);
}

/* Zeros of connections that nobody looks at would pass for what there is: those to a hub are its gateways' to look at.
 */
static bool is_sampled(const struct supervisor *s, const struct paths_sample *m)
{
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		if (config_dials(&s->cfg->peers[i]))
			return true;
	return config_has_transparent(s->cfg) || m->subflows || m->segs || m->received;
}

void path_quality(const struct supervisor *s, unsigned link, json_t *o)
{
	const struct paths_sample *m = paths_get_sample(s->paths, link);
	enum paths_rank rank;
	const char *why = rank_why(s, link, &rank);

	json_set_text(o, "rank", paths_get(s->paths, link)->backup ? "backup" : "primary");
	if (!why && !paths_get(s->paths, link)->backup)
		why = ways_later(s, link);
	json_set_text(o, "rank_why", why ? why : "");
	path_forgets(s, link, 0, "forgets4_ms", o);
	path_forgets(s, link, 1, "forgets6_ms", o);
	if (!is_sampled(s, m))
		return;
	json_set_int(o, "subflows", m->subflows);
	json_set_int(o, "backups", m->backups);
	if (m->rtt_us)
		json_set_int(o, "rtt_us", m->rtt_us);
	if (m->min_rtt_us)
		json_set_int(o, "min_rtt_us", m->min_rtt_us);
	json_set_int(o, "sent", m->sent);
	json_set_int(o, "received", m->received);
	json_set_int(o, "segments", m->segs);
	json_set_int(o, "retransmitted", m->retrans);
	if (m->span_ms) {
		json_set_int(o, "sent_rate", m->span_sent * 8000 / m->span_ms);
		json_set_int(o, "received_rate", m->span_received * 8000 / m->span_ms);
	}
}

static json_t *subflow(const struct supervisor *s, const struct paths_subflow *f)
{
	char text[ADDR_TEXT];
	json_t *o = json_object();

	if (f->link < s->cfg->link_count)
		json_set_text(o, "path", s->cfg->links[f->link].path);
	json_set_int(o, "token", f->token);
	json_set_text(o, "local", addr_print_port(&f->local, htons(f->local_port), text));
	json_set_text(o, "remote", addr_print_port(&f->remote, htons(f->remote_port), text));
	json_set_text(o, "state", !f->connected ? "joining" : f->backup ? "backup" : "primary");
	json_set_int(o, "rtt_us", f->rtt_us);
	json_set_int(o, "min_rtt_us", f->min_rtt_us);
	json_set_int(o, "sent", f->sent);
	json_set_int(o, "received", f->received);
	json_set_int(o, "segments", f->segs);
	json_set_int(o, "retransmitted", f->retrans);
	return o;
}

json_t *method_subflows(void *arg, const json_t *parameters, const char **error, char **why)
{
	const struct supervisor *s = arg;
	json_t *o = json_object(), *all = json_array();
	unsigned count, total;
	const struct paths_subflow *f = paths_subflows(s->paths, &count, &total);

	(void)parameters;
	(void)error;
	(void)why;
	for (unsigned i = 0; i < count; i++)
		json_array_append_new(all, subflow(s, &f[i]));
	json_object_set_new(o, "subflows", all);
	json_object_set_new(o, "truncated", json_boolean(total > count));
	return o;
}

enum figure { SENT, RECEIVED, SEGMENTS, RETRANSMITTED, SUBFLOWS, BACKUP, RTT, FORGETS, FIGURES };

/* Of two families, where 0 is not known. */
static uint32_t least(uint32_t a, uint32_t b)
{
	return !b || (a && a < b) ? a : b;
}

static uint64_t figure(const struct supervisor *s, unsigned link, enum figure f)
{
	const struct paths_sample *m = paths_get_sample(s->paths, link);
	const uint64_t all[FIGURES] = {
		[SENT] = m->sent,	  [RECEIVED] = m->received,
		[SEGMENTS] = m->segs,	  [RETRANSMITTED] = m->retrans,
		[SUBFLOWS] = m->subflows, [BACKUP] = paths_get(s->paths, link)->backup,
		[RTT] = m->rtt_us,	  [FORGETS] = least(m->forgets_ms[0], m->forgets_ms[1]),
	};

	return all[f];
}

void metrics_paths(const struct supervisor *s, struct metrics_text *t)
{
	static const struct {
		const char *name, *kind, *text;
	} families[FIGURES] = {
		[SENT] = { "mpgate_path_sent_bytes", "counter", "Acknowledged bytes of its subflows" },
		[RECEIVED] = { "mpgate_path_received_bytes", "counter", "Bytes that its subflows got" },
		[SEGMENTS] = { "mpgate_path_segments", "counter", "Segments that its subflows sent" },
		[RETRANSMITTED] = { "mpgate_path_retransmitted", "counter", "Of those, sent again" },
		[SUBFLOWS] = { "mpgate_path_subflows", "gauge", "Subflows now" },
		[BACKUP] = { "mpgate_path_backup", "gauge", "1 while its subflows are backups" },
		[RTT] = { "mpgate_path_rtt_microseconds", "gauge", "Round trip of what it carried last" },
		[FORGETS] = { "mpgate_path_forgets_milliseconds", "gauge",
			      "A NAT on the way forgets what is silent for so long; 0: none is known" },
	};

	for (unsigned f = 0; f < FIGURES; f++) {
		metrics_text_family(t, families[f].name, families[f].kind, families[f].text);
		for (unsigned i = 0; i < s->cfg->link_count; i++) {
			const struct cfg_link *c = &s->cfg->links[i];
			/* Links may share a path, and a series that is there twice makes a scrape useless. */
			const struct metrics_label l[] = { { "path", c->path }, { "link", c->name }, { 0 } };

			if (c->role == CFG_PATH)
				metrics_text_sample(t, l, figure(s, i, (enum figure)f));
		}
	}
}
