// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong with peers: those that we dial, and those that ask us. */
#include <stdio.h>
#include <string.h>

#include <lib/addr.h>
#include <mpgate/convert.h>
#include <mpgated/answers/findings.h>

#define LATELY_S 600U /* so long ago an error still says something */
#define SEEN_S 300U /* a peer that dials us is heard of twice a minute, when it is well */
#define MISSED_S 40U /* not heard of for so long, and somebody asks with another key: it may be that one */
#define CLOCK_S 5 /* that clocks may differ by without a word */

/* What can be done about the error of a peer. */
static const char *const remedies[] = {
	[TROUBLE_OTHER] = "its own log, and mpgatectl doctor there, say more",
	[TROUBLE_SILENT] =
		"is it on, is the address right, and do firewalls on the way and there let TCP to this port in? "
		"peers list has the error of each way",
	[TROUBLE_REFUSED] = "does mpgated run there, with convert.listen, and is this its port?",
	[TROUBLE_UNREACHABLE] = "paths list says what is wrong with the paths; ip route get ADDRESS",
	[TROUBLE_NO_CONVERTER] = "is something else than a converter there: is this its port?",
	[TROUBLE_KEY] = "compare mpgatectl key show-id FILE at both ends: one file for both",
	[TROUBLE_SELF] = "give the two ends different instance names (or each its own /etc/machine-id)",
	[TROUBLE_DESTINATION] = "put the server's net into allow-to there, or a rule with action: direct in front of "
				"the one that took it",
	[TROUBLE_SOURCE] = "put the client's net into allow-source of this peer there",
};

static struct finding *add(struct findings *all, const struct peer *p, enum severity severity, enum finding_id id,
			   bool told)
{
	struct finding *f = finding_add(all, severity, id, "peer %s", p->name);

	f->told = told;
	return f;
}

static unsigned age_s(const struct supervisor *s, uint64_t ms)
{
	return (unsigned)((uv_now(&s->loop) - ms) / 1000);
}

/* False: it is down, and that is all there is to say. */
static bool look_at_state(const struct supervisor *s, const struct peer *p, struct findings *all)
{
	const struct discovered *d = discover_get(s, p->slot);
	struct finding *f;

	if (p->left_out) {
		f = add(all, p, SEVERITY_ERROR, FINDING_PEER_LEFT_OUT, true);
		finding_text(f, "%s", p->last_error);
		finding_remedy(f, "make another key for one of both: mpgatectl key new FILE");
	} else if (d && !d->count) {
		const char *error = discover_error(&s->discover, d);

		f = add(all, p, SEVERITY_ERROR, FINDING_PEER_NO_ADDRESS, true);
		finding_text(f, "no address yet: %s", *error ? error : "DNS is being asked");
		finding_remedy(f, "docs/setup-information.md says what must be in DNS, or come by DHCP");
	} else if (p->state == PEER_DOWN) {
		f = add(all, p, SEVERITY_ERROR, FINDING_PEER_DOWN, true);
		finding_text(f, "down: %s; rules that name it alone do as if-down says",
			     *p->last_error ? p->last_error : "no answer");
		finding_remedy(f, "%s", remedies[*p->last_error ? p->last_trouble : TROUBLE_SILENT]);
	} else if (p->silent) {
		f = add(all, p, SEVERITY_WARNING, FINDING_PEER_SILENT, true);
		finding_text(f, "connections and probes have no answer: others of its group take its place");
		finding_remedy(f, "%s", remedies[TROUBLE_SILENT]);
	} else {
		return true;
	}
	return false;
}

static void look_at_plain(const struct peer *p, struct findings *all)
{
	int first = health_first(&p->health);
	struct finding *f;

	if (first < 0 || !p->health.way[first].plain)
		return;
	f = add(all, p, SEVERITY_WARNING, FINDING_PEER_PLAIN, true);
	finding_text(f, "it answers in plain TCP only: nothing is bonded that goes there");
	finding_remedy(f,
		       "something on the way takes MPTCP options away, or net.mptcp.enabled is 0 there; another port "
		       "may come through: ports at the peer, and in convert of the hub");
}

static void look_at_clock(int32_t ahead, const struct peer *p, struct findings *all)
{
	char text[CLOCK_TEXT];
	struct finding *f;

	if (ahead > -CLOCK_S && ahead < CLOCK_S)
		return;
	f = add(all, p, SEVERITY_WARNING, FINDING_CLOCK, true);
	finding_text(f, "its clock is %s; connections go on, by the hub's", clock_print(ahead, text));
	finding_remedy(f, "set both by NTP: chronyc tracking, timedatectl");
}

/* It is up, and yet something of ours failed or was refused. */
static void look_at_past(const struct supervisor *s, const struct peer *p, struct findings *all)
{
	struct finding *f;

	if (!p->past_error[0] || age_s(s, p->erred) > LATELY_S)
		return;
	f = add(all, p,
		p->past_trouble == TROUBLE_DESTINATION || p->past_trouble == TROUBLE_SOURCE ? SEVERITY_WARNING
											    : SEVERITY_NOTE,
		FINDING_PEER_ERROR, true);
	finding_text(f, "up, but %u s ago: %s", age_s(s, p->erred), p->past_error);
	finding_remedy(f, "%s", remedies[p->past_trouble]);
}

static void look_at_dialed(const struct supervisor *s, const struct peer *p, struct findings *all)
{
	if (!look_at_state(s, p, all))
		return;
	look_at_plain(p, all);
	look_at_clock((int32_t)s->shm->peers[p->slot].clock, p, all);
	look_at_past(s, p, all);
}

static uint32_t now_s(const struct supervisor *s)
{
	return (uint32_t)(uv_now(&s->loop) / 1000);
}

static void look_at_refused(const struct supervisor *s, const struct peer *p, struct findings *all)
{
	static const struct {
		const char *text, *remedy;
	} reasons[] = {
		[CONVERT_REFUSED] = { "it asked over a connection that is another peer's", "its log has more" },
		[CONVERT_REFUSED_DESTINATION] = { "it asked for a server that it may not have",
						  "put the server's net into convert.allow-to (accept-to of the peer "
						  "where it "
						  "has that), or action: direct into its rules; the log has the "
						  "address" },
		[CONVERT_REFUSED_SOURCE] = { "it named a client that it may not speak for",
					     "put the client's net into allow-source of the peer; the log has the "
					     "address" },
		[CONVERT_REFUSED_SELF] = { "it has our machine-id and instance name",
					   "give the two ends different instance names" },
	};
	const struct peer_shared *h = &s->shm->peers[p->slot];
	uint32_t why = h->refusal, ago = now_s(s) - h->refused;
	struct finding *f;

	if (!h->refused || ago > LATELY_S)
		return;
	if (why == CONVERT_REFUSED_CLOCK) {
		look_at_clock((int32_t)h->ahead, p, all);
		return;
	}
	why = why < sizeof(reasons) / sizeof(reasons[0]) ? why : CONVERT_REFUSED;
	f = add(all, p, SEVERITY_WARNING, FINDING_GATEWAY_REFUSED, true);
	finding_text(f, "%u s ago %s", ago, reasons[why].text);
	finding_remedy(f, "%s", reasons[why].remedy);
}

/* True: it should have been heard of by now, and was not. */
static bool look_at_seen(const struct supervisor *s, const struct peer *p, struct findings *all)
{
	const struct peer_shared *h = &s->shm->peers[p->slot];
	struct finding *f;

	if (h->seen && now_s(s) - h->seen <= SEEN_S)
		return now_s(s) - h->seen > MISSED_S;
	f = add(all, p, SEVERITY_NOTE, FINDING_GATEWAY_UNSEEN, true);
	if (h->seen)
		finding_text(f, "nothing was heard of it for %u minutes", (now_s(s) - h->seen) / 60);
	else
		finding_text(f, "nothing was heard of it since the start of this daemon");
	finding_remedy(f, "if it is on: mpgatectl doctor there says why; do firewalls let TCP to port %u in here?",
		       s->cfg->convert.port);
	return true;
}

/* missed: peers that it may be; else it is anybody. */
static void look_at_unknown(const struct supervisor *s, unsigned missed, struct findings *all)
{
	const struct unknown_shared *u = &s->shm->unknown;
	uint32_t ago = now_s(s) - u->at;
	char text[ADDR_TEXT];
	struct finding *f;

	if (!u->at || ago > LATELY_S)
		return;
	f = finding_add(all, missed ? SEVERITY_WARNING : SEVERITY_NOTE, FINDING_UNKNOWN_KEY, "requests");
	f->told = true;
	finding_text(f, "%u so far with a key that is none of ours, the last %u s ago from %s", u->count, ago,
		     addr_print(&u->from, text));
	finding_remedy(f, "if that is a gateway of yours: compare mpgatectl key show-id FILE at both ends");
}

/* What is published leads to a gateway that has parked nothing. */
static void look_at_published(const struct supervisor *s, struct findings *all)
{
	for (unsigned i = 0; i < s->cfg->rule_count; i++) {
		const struct cfg_rule *r = &s->cfg->rules[i];
		const struct cfg_group *g = &s->cfg->groups[r->group];
		bool reached = false;
		struct finding *f;

		if (!r->published)
			continue;
		for (unsigned k = 0; k < g->peer_count; k++) {
			const struct peer *p = &s->peers[s->peer_slot[g->peers[k]]];

			reached |= p->address_count || p->parks;
		}
		if (reached)
			continue;
		f = finding_add(all, SEVERITY_ERROR, FINDING_PUBLISH, "publish %s", r->name);
		f->told = true;
		finding_text(f, "no gateway of %s has parked a connection: nobody reaches the service", g->name);
		finding_remedy(
			f, "is it on, and does it have park and accept-to at its peer? Its log says why it parks none");
	}
}

void findings_peers(const struct supervisor *s, struct findings *all)
{
	unsigned missed = 0;

	for (unsigned i = 0; i < s->cfg->peer_count; i++) {
		const struct cfg_peer *c = &s->cfg->peers[i];
		const struct peer *p = &s->peers[s->peer_slot[i]];

		if (config_dials(c) || p->left_out) {
			look_at_dialed(s, p, all);
			continue;
		}
		if (!c->key_file)
			continue;
		look_at_refused(s, p, all);
		if (!s->cfg->convert.listening)
			continue;
		missed += look_at_seen(s, p, all);
	}
	if (s->cfg->convert.listening)
		look_at_unknown(s, missed, all);
	look_at_published(s, all);
}
