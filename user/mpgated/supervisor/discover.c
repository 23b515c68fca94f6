// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/discover.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lib/keys.h>
#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/supervisor.h>

#define SERVERS "/etc/resolv.conf"
#define LOOK_MS 1000
#define PATIENCE_MS 120000U /* for an answer: more than all tries at all name servers take */

static const char *const result_texts[RESOLVE_RESULTS] = {
	[RESOLVE_FOUND] = "",
	[RESOLVE_IN_PART] = "DNS: not all addresses could be asked for",
	[RESOLVE_NO_RECORD] = "DNS: no SRV record that can be used",
	[RESOLVE_NO_ADDRESS] = "DNS: the names in the SRV records have no address that can be used",
	[RESOLVE_SILENT] = "DNS: no name server answers in time",
	[RESOLVE_FAILED] = "DNS: no name server gives an answer",
	[RESOLVE_MALFORMED] = "DNS: a malformed answer",
	[RESOLVE_NO_OPTION] = "DHCP: the option says nothing for us",
};

const char *discover_error(const struct discover *d, const struct discovered *f)
{
	if (!f->domain[0] && !d->option.len)
		return "DHCP: no option has come yet";
	return f->answered ? result_texts[f->result] : "";
}

const struct discovered *discover_get(const struct supervisor *s, unsigned slot)
{
	const struct discovered *f = s->discover.peers ? &s->discover.peers[slot] : NULL;

	return f && f->domain ? f : NULL;
}

/* --- what it says */

static bool is_none(const struct mpgate_addr *a)
{
	static const struct mpgate_addr none;

	return !memcmp(a, &none, sizeof(none));
}

static bool is_awaited(const struct discover *d, unsigned slots, const struct resolve_answer *a)
{
	return a->slot < slots && a->number && d->peers[a->slot].number == a->number;
}

const char *discover_check(const struct discover *d, unsigned slots, const struct resolve_answer *a)
{
	bool found = a->result <= RESOLVE_IN_PART;

	if (!is_awaited(d, slots, a) && !d->forgotten)
		return "an answer to no question";
	if (a->result >= RESOLVE_RESULTS || a->count > CFG_PEER_ADDRESSES)
		return "no answer";
	if (found != (a->count > 0) || found != (a->port > 0) || (!found && a->ttl))
		return "addresses without a port, or a port without addresses";
	for (unsigned i = 0; i < CFG_PEER_ADDRESSES; i++) {
		if (i >= a->count ? !is_none(&a->address[i])
				  : addr_is_special(&a->address[i]) || addr_is_link_local(&a->address[i]))
			return "an address that no peer has";
		for (unsigned k = 0; k < i && i < a->count; k++)
			if (!memcmp(&a->address[k], &a->address[i], sizeof(a->address[i])))
				return "an address twice";
	}
	return NULL;
}

/* An address that this machine has, or gives to others, is no peer's. */
static bool is_ours(const struct supervisor *s, const struct mpgate_addr *a)
{
	struct cfg_error err;

	for (unsigned i = 0; i < s->local_count; i++)
		if (!memcmp(&s->local[i], a, sizeof(*a)))
			return true;
	return config_pool_check(s->cfg, a, 1, &err) != 0;
}

static void drop_ours(const struct supervisor *s, struct resolve_answer *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->count; i++)
		if (!is_ours(s, &a->address[i]))
			a->address[n++] = a->address[i];
	a->count = (uint16_t)n;
	if (!n && a->result <= RESOLVE_IN_PART)
		a->result = RESOLVE_NO_ADDRESS;
}

/* --- what is done with it */

static int find_peer(const struct supervisor *s, unsigned slot)
{
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		if (s->peer_slot[i] == slot)
			return (int)i;
	return -1;
}

static void fill(const struct discovered *f, struct cfg_peer *c)
{
	c->port = f->port;
	c->address_count = f->count;
	memcpy(c->address, f->address, f->count * sizeof(f->address[0]));
}

static void tell(const struct peer *p, const struct discovered *f, uint32_t ttl)
{
	char list[CFG_PEER_ADDRESSES * ADDR_TEXT] = "", text[ADDR_TEXT];

	for (unsigned i = 0; i < f->count; i++) {
		size_t n = strlen(list);

		snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "", addr_print(&f->address[i], text));
	}
	log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s: %s%s says %s, port %u, for %u s", p->name,
		 f->domain[0] ? "DNS of " : "DHCP", f->domain, list, f->port, ttl);
}

static void put_in_force(struct supervisor *s, unsigned slot, const struct discovered *f)
{
	int i = find_peer(s, slot);

	if (i < 0)
		return;
	fill(f, &s->cfg->peers[i]);
	s->discover.changed(s, (unsigned)i);
}

static void try_later(struct discovered *f, uint64_t now)
{
	f->backoff_ms = f->backoff_ms ? 2 * f->backoff_ms : DISCOVER_BACKOFF_MIN_MS;
	if (f->backoff_ms > DISCOVER_BACKOFF_MAX_MS)
		f->backoff_ms = DISCOVER_BACKOFF_MAX_MS;
	f->next = now + f->backoff_ms;
}

static void note_failure(const struct peer *p, struct discovered *f, enum resolve_result result)
{
	if (!f->answered || f->result != result)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s: %s%s%s%s", p->name,
			 result_texts[result], f->domain[0] ? ", domain " : "", f->domain,
			 f->count ? "; its addresses stay" : "");
}

/* Those that were found stay while others that they may stand for cannot be asked for, unless they are of no use. */
static bool is_taken(const struct peer *p, const struct discovered *f, const struct resolve_answer *a)
{
	return a->result == RESOLVE_FOUND || (a->result == RESOLVE_IN_PART && (!f->count || p->state == PEER_DOWN));
}

/* What came by DHCP last may be for others: it takes nothing from those that it does not speak of. */
static void judge_option(struct discover *d, struct discovered *f, enum resolve_result result, uint64_t now)
{
	struct dhcp_option *o = &d->option, *u = &d->useful;

	if (result != RESOLVE_NO_OPTION) {
		*u = *o;
	} else if (u->len && (o->v6 != u->v6 || o->len != u->len || memcmp(o->data, u->data, u->len) != 0)) {
		u->file = o->file;
		*o = *u;
		f->next = now;
	}
}

static void take(struct supervisor *s, struct resolve_answer *a)
{
	struct peer *p = &s->peers[a->slot];
	struct discovered *f = &s->discover.peers[a->slot];
	uint64_t now = uv_now(&s->loop);
	bool differs;

	f->number = 0;
	s->discover.open--;
	drop_ours(s, a);
	if (a->result != RESOLVE_FOUND) {
		note_failure(p, f, (enum resolve_result)a->result);
		try_later(f, now);
	}
	if (!f->domain[0])
		judge_option(&s->discover, f, (enum resolve_result)a->result, now);
	if (is_taken(p, f, a)) {
		uint32_t ttl = a->ttl < DISCOVER_TTL_MIN   ? DISCOVER_TTL_MIN
			       : a->ttl > DISCOVER_TTL_MAX ? DISCOVER_TTL_MAX
							   : a->ttl;

		differs = f->port != a->port || f->count != a->count ||
			  memcmp(f->address, a->address, sizeof(f->address)) != 0;
		f->port = a->port;
		f->count = a->count;
		memcpy(f->address, a->address, sizeof(f->address));
		if (a->result == RESOLVE_FOUND) {
			f->backoff_ms = 0;
			f->next = now + ttl * 1000ULL;
		}
		if (differs) {
			tell(p, f, ttl);
			put_in_force(s, a->slot, f);
		}
	}
	f->answered = true;
	f->result = (enum resolve_result)a->result;
}

/* --- questions */

static void ask(struct discover *d, unsigned slot, uint64_t now)
{
	struct discovered *f = &d->peers[slot];
	struct resolve_question q = { .slot = slot, .number = d->number + 1 ? d->number + 1 : 1 };

	if (f->domain[0]) {
		snprintf(q.domain, sizeof(q.domain), "%s", f->domain);
	} else {
		q.enterprise = d->enterprise;
		q.v6 = d->option.v6;
		q.len = (uint16_t)d->option.len;
		memcpy(q.data, d->option.data, d->option.len);
	}
	if (packet_send(d->child.socket, &q, sizeof(q), NULL, 0) < 0)
		return; /* at the next look */
	f->number = d->number = q.number;
	f->asked = now;
	d->open++;
}

static void ask_due(struct discover *d)
{
	uint64_t now = uv_now(&d->sup->loop);

	if (!d->child.pid || d->child.ending || d->renewing)
		return;
	for (unsigned i = 0; i < d->sup->peer_slots; i++) {
		const struct discovered *f = &d->peers[i];

		if (!f->domain || (!f->domain[0] && !d->option.len))
			continue;
		if (f->number && now - f->asked >= PATIENCE_MS) {
			child_kill(&d->child, "it does not answer");
			return;
		}
		if (!f->number && f->next <= now && d->open < RESOLVE_MOST)
			ask(d, i, now);
	}
}

/* What is still open is asked for again, as what was of no use the last time; or all. */
static void forget_questions(struct discover *d, bool all)
{
	for (unsigned i = 0; i < d->sup->peer_slots; i++) {
		struct discovered *f = &d->peers[i];

		if (all || f->number || f->result != RESOLVE_FOUND) {
			f->number = 0;
			f->next = 0;
		}
	}
	d->open = d->forgotten = 0;
}

/* --- the process */

/* The answer to an open question is of no use any more. */
static void give_up(struct discover *d, struct discovered *f)
{
	d->forgotten += f->number != 0;
	d->open -= f->number != 0;
	f->number = 0;
}

/* The option of DHCP, or who reads it, is another one. */
static void ask_dhcp_again(struct discover *d)
{
	for (unsigned i = 0; i < d->sup->peer_slots; i++) {
		struct discovered *f = &d->peers[i];

		if (!f->domain || f->domain[0])
			continue;
		give_up(d, f);
		f->next = 0;
		f->backoff_ms = 0;
	}
}

static void look(uv_timer_t *t)
{
	struct discover *d = t->data;
	struct stat servers;

	file_stat(SERVERS, &servers);
	if (dhcp_option_look(&d->option, d->sup->cfg->instance))
		ask_dhcp_again(d);
	if (d->child.pid && !d->renewing && memcmp(&servers, &d->servers, sizeof(servers)) != 0) {
		log_info("DNS is asked for all peers again: " SERVERS " has changed");
		d->renewing = true;
		d->child.watch.ends = 0; /* it ends since it is told to: the next one need not wait */
		kill(d->child.pid, SIGTERM);
	}
	ask_due(d);
}

static int begin(struct child *c)
{
	struct discover *d = (struct discover *)(void *)c;
	const struct supervisor *s = d->sup;
	struct resolve_start start;
	uint64_t key[2];
	int ret;

	if (s->cgroup_fd >= 0)
		cgroup_add(s->cgroup_fd, c->pid); /* in host mode: what it asks over TCP needs no peer */
	/* The same after a restart, and another one for other gateways. */
	key_of_self(s->self, s->self_len, key);
	start.seed = key[0];
	file_stat(SERVERS, &d->servers);
	forget_questions(d, d->renewing);
	d->renewing = false;
	ret = packet_send(c->socket, &start, sizeof(start), NULL, 0);
	if (!ret)
		ask_due(d);
	return ret;
}

static void readable(struct child *c)
{
	struct discover *d = (struct discover *)(void *)c;
	struct resolve_answer a;
	const char *wrong;
	unsigned n;
	int ret;

	for (unsigned i = 0; i < RESOLVE_MOST; i++) {
		ret = packet_receive(c->socket, &a, sizeof(a), NULL, 0, &n, MSG_DONTWAIT);
		if (ret == -EAGAIN || ret == -EINTR)
			return;
		wrong = ret == 1   ? discover_check(d, d->sup->peer_slots, &a)
			: ret == 0 ? NULL
				   : "a message that it has no reason to send";
		if (wrong)
			child_kill(c, wrong);
		if (wrong || ret == 0) {
			child_listen(c, false); /* when it has ended: SIGCHLD tells */
			return;
		}
		if (is_awaited(d, d->sup->peer_slots, &a))
			take(d->sup, &a);
		else
			d->forgotten--;
	}
}

static void on_end(struct child *c, int status, unsigned delay)
{
	const struct discover *d = (struct discover *)(void *)c;

	if (!c->stopping && !d->renewing)
		log_error("the resolver ended (wait status %#x); a new one starts in %u ms", (unsigned)status, delay);
}

static const struct child_kind kind = { .name = START_RESOLVER, .begin = begin, .readable = readable, .ended = on_end };

static int start(struct discover *d, struct supervisor *s)
{
	int ret;

	d->sup = s;
	dhcp_option_look(&d->option, s->cfg->instance);
	d->peers = calloc(MPGATE_MAX_PEERS, sizeof(*d->peers));
	if (!d->peers)
		return -ENOMEM;
	child_init(&d->child, &s->loop, &kind, 0);
	uv_timer_init(&s->loop, &d->timer);
	d->timer.data = d;
	uv_timer_start(&d->timer, look, LOOK_MS, LOOK_MS);
	ret = child_start(&d->child);
	return ret;
}

/* --- configurations */

/* As in struct discovered. */
static const char *domain_of(const struct cfg_peer *c)
{
	return c->dhcp ? "" : c->domain;
}

void discover_fill(const struct supervisor *s, struct config *cfg, const uint16_t *slots)
{
	for (unsigned i = 0; i < cfg->peer_count; i++) {
		const struct discovered *f = discover_get(s, slots[i]);

		const char *domain = domain_of(&cfg->peers[i]);

		if (f && domain && !strcmp(f->domain, domain))
			fill(f, &cfg->peers[i]);
	}
}

static void forget(struct discovered *f, struct discover *d)
{
	give_up(d, f);
	free(f->domain);
	*f = (struct discovered){ 0 };
}

static bool any_domain(const struct config *cfg)
{
	for (unsigned i = 0; i < cfg->peer_count; i++)
		if (domain_of(&cfg->peers[i]))
			return true;
	return false;
}

void discover_settle(struct supervisor *s)
{
	struct discover *d = &s->discover;
	const char *domain[MPGATE_MAX_PEERS] = { NULL };
	int ret = 0;

	if (!d->peers && any_domain(s->cfg))
		ret = start(d, s);
	if (ret)
		log_error("the resolver cannot be started: %s", strerror(-ret));
	if (!d->peers)
		return;
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		if (s->cfg->peers[i].same_key < 0)
			domain[s->peer_slot[i]] = domain_of(&s->cfg->peers[i]);
	for (unsigned i = 0; i < MPGATE_MAX_PEERS; i++) {
		struct discovered *f = &d->peers[i];

		if (f->domain && (!domain[i] || strcmp(f->domain, domain[i]) != 0))
			forget(f, d);
		if (domain[i] && !f->domain)
			f->domain = strdup(domain[i]); /* without memory: at the next reload */
	}
	if (d->enterprise != s->cfg->enterprise)
		ask_dhcp_again(d);
	d->enterprise = s->cfg->enterprise;
	ask_due(d);
}

void discover_hurry(struct supervisor *s)
{
	for (unsigned i = 0; s->discover.peers && i < s->peer_slots; i++) {
		struct discovered *f = &s->discover.peers[i];

		if (f->domain && f->result != RESOLVE_FOUND)
			f->next = 0;
	}
}

void discover_reap(struct discover *d)
{
	if (d->peers)
		child_reap(&d->child);
}

void discover_close(struct discover *d)
{
	if (!d->peers)
		return;
	child_stop(&d->child);
	/* It has nothing to put in order. */
	if (d->child.pid)
		kill(d->child.pid, SIGKILL);
	while (d->child.pid) {
		child_reap(&d->child);
		poll(NULL, 0, 1);
	}
	for (unsigned i = 0; i < MPGATE_MAX_PEERS; i++)
		free(d->peers[i].domain);
	free(d->peers);
	d->peers = NULL;
	uv_close((uv_handle_t *)&d->timer, NULL);
}
