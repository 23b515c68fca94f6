// SPDX-License-Identifier: GPL-2.0-or-later
/* PolicyShow and PolicyExplain: what is in force, and what it would do. */
#include <stdlib.h>
#include <string.h>

#include <mpgated/answers/answers.h>
#include <mpgated/paths/sysctl.h>

static void add_bytes(const struct supervisor *s, uint32_t id, json_t *o)
{
	uint64_t bytes[2] = { 0 };

	for (unsigned w = 0; w < s->worker_count && id - 1 < MPGATE_MAX_RULES; w++)
		for (unsigned d = 0; d < 2; d++)
			bytes[d] += s->shm->rule_bytes[w][id - 1][d];
	json_set_int(o, "bytes_up", bytes[0]);
	json_set_int(o, "bytes_down", bytes[1]);
}

json_t *method_policy_show(void *arg, const json_t *parameters, const char **error, char **why)
{
	struct supervisor *s = arg;
	uint64_t hits[MPGATE_MAX_RULES] = { 0 };
	json_t *o, *rules;
	char *text = config_print(s->cfg);

	(void)parameters;
	if (!text || datapath_rule_hits(s->dp, hits, s->cfg->rule_count) < 0) {
		free(text);
		return method_fail(error, why, "the policy could not be read");
	}
	o = json_object();
	rules = json_array();
	for (unsigned i = 0; i < s->cfg->rule_count; i++) {
		const struct cfg_rule *c = &s->cfg->rules[i];
		json_t *r = json_object();

		json_set_text(r, "name", c->name);
		json_set_int(r, "hits", hits[i]);
		add_bytes(s, s->rule_id[i], r);
		json_set_text(r, "action", c->terminate ? "terminate" : c->proxy ? "proxy" : "direct");
		if (c->proxy)
			json_set_text(r, "via", s->cfg->groups[c->group].name);
		json_array_append_new(rules, r);
	}
	json_set_text(o, "text", text);
	json_object_set_new(o, "rules", rules);
	free(text);
	return o;
}

static bool has_rules(const struct supervisor *s, unsigned link)
{
	return s->cfg->links[link].role == CFG_LAN || s->link_bitmap[link];
}

/* The link a question is about: the named one, or the first that is up and has rules. -1: none. */
static int explain_link(const struct supervisor *s, const char *name)
{
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct paths_link *l = paths_get(s->paths, i);

		if (l->ifindex && (name ? !strcmp(l->name, name) : l->up && has_rules(s, i)))
			return (int)i;
	}
	return -1;
}

/* Is there nobody but this machine itself whose connections rules are for? */
static bool is_alone(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (has_rules(s, i))
			return false;
	return s->hosts;
}

static bool is_ours(const struct supervisor *s, const struct mpgate_addr *a)
{
	for (unsigned i = 0; i < s->local_count; i++)
		if (!memcmp(&s->local[i], a, sizeof(*a)))
			return true;
	return false;
}

static const char *forwarding_off(bool v4)
{
	int value;

	if (sysctl_get(v4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding", &value) < 0 || value)
		return NULL;
	return v4 ? "net.ipv4.ip_forward is 0: nothing is forwarded"
		  : "net.ipv6.conf.all.forwarding is 0: nothing is forwarded";
}

/*
 * What the classifier does not see: packets of this machine itself never come in on a link, and clients to whom no
 * route leads back hear nothing of what is steered.
 */
static void add_note(const struct supervisor *s, int link, bool host, const struct mpgate_tuple *t,
		     enum mpgate_reason reason, json_t *o)
{
	char text[320], name[IF_NAMESIZE], addr[ADDR_TEXT];
	bool carried = reason == MPGATE_R_STEERED || reason == MPGATE_R_HELD;
	unsigned back;

	addr_print(&t->saddr, addr);
	if (host && s->hosts == MPGATE_HOSTS_NONE)
		json_set_text(o, "note", "this machine's own connections are not carried: see host and mpgatectl run");
	else if (host && s->hosts == MPGATE_HOSTS_RUN)
		json_set_text(o, "note",
			      "of this machine's own connections only those that mpgatectl run began are carried");
	else if (!host && !paths_get(s->paths, (unsigned)link)->up) {
		snprintf(text, sizeof(text), "%s is down, or without carrier: no such packet comes in there",
			 s->cfg->links[link].name);
		json_set_text(o, "note", text);
	} else if (!host && carried && !paths_way_to(&t->saddr, &back) &&
		   back != paths_get(s->paths, (unsigned)link)->ifindex) {
		snprintf(
			text, sizeof(text),
			"replies to %s have no route by %s (%s): such a client waits in vain; give the link an address",
			addr, s->cfg->links[link].name, back ? paths_link_name(back, name) : "none at all");
		json_set_text(o, "note", text);
	} else if (!host && !carried && reason != MPGATE_R_LOCAL && forwarding_off(addr_is_v4(&t->saddr))) {
		json_set_text(o, "note", forwarding_off(addr_is_v4(&t->saddr)));
	}
}

json_t *method_policy_explain(void *arg, const json_t *parameters, const char **error, char **why)
{
	struct supervisor *s = arg;
	const char *link = NULL, *src, *dst;
	int sport = 0, dport, dscp = 0, mptcp = 0, i;
	struct mpgate_tuple t = { 0 };
	struct datapath_explanation e;
	char unfit[160];
	bool host;
	json_t *o;

	if (json_unpack((json_t *)(uintptr_t)parameters, "{s:s, s:s, s:i, s?s, s?i, s?i, s?b}", "source", &src,
			"destination", &dst, "destination_port", &dport, "link", &link, "source_port", &sport, "dscp",
			&dscp, "mptcp", &mptcp) < 0 ||
	    addr_parse(src, &t.saddr) < 0 || addr_parse(dst, &t.daddr) < 0 || dport < 1 || dport > 65535 || sport < 0 ||
	    sport > 65535 || dscp < 0 || dscp > 63) {
		*error = "org.varlink.service.InvalidParameter";
		return NULL;
	}
	if (addr_is_v4(&t.saddr) != addr_is_v4(&t.daddr))
		return method_fail(error, why, "source and destination are of different families");
	i = explain_link(s, link);
	/* What this machine opens itself comes in on no link. */
	host = link ? !strcmp(link, CFG_HOST) : is_alone(s) || is_ours(s, &t.saddr);
	if (!host && is_ours(s, &t.saddr))
		return method_fail(
			error, why,
			"the source is this machine: its own connections do not come in on a link; leave --link out");
	if (i < 0 && !host)
		return method_fail(error, why,
				   link ? "no such link is configured and present" : "no link with rules is up");
	if (!host &&
	    link_kind_unfit(&paths_get(s->paths, (unsigned)i)->kind, s->cfg->links[i].role, unfit, sizeof(unfit)))
		return method_fail(error, why, unfit);
	if (!host && !s->ifindex[i])
		return method_fail(error, why, "that link is not served: mpgatectl doctor says why");
	t.sport = htons((uint16_t)(sport ? sport : 49152));
	t.dport = htons((uint16_t)dport);
	if (datapath_explain(s->dp, host ? MPGATE_HOST_IFINDEX : s->ifindex[i], &t, (uint8_t)dscp, mptcp, &e) < 0)
		return method_fail(error, why, "the classifier could not be asked");
	o = json_object();
	json_set_text(o, "link", host ? CFG_HOST : s->cfg->links[i].name);
	/* The program for them is not attached then. */
	if (host && s->hosts == MPGATE_HOSTS_NONE)
		e = (struct datapath_explanation){ MPGATE_R_NO_LINK, -1, -1 };
	json_set_text(o, "reason", reason_name(e.reason));
	json_set_text(o, "reason_text", reason_text(e.reason));
	add_note(s, i, host, &t, e.reason, o);
	if (e.rule >= 0 && (unsigned)e.rule < s->cfg->rule_count)
		json_set_text(o, "rule", s->cfg->rules[e.rule].name);
	if (e.peer >= 0 && (unsigned)e.peer < s->peer_slots)
		json_set_text(o, "peer", s->peers[e.peer].name);
	return o;
}
