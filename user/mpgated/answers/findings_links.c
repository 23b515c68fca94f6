// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong with links: of all that are configured, and of paths by IP version. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <mpgated/answers/findings.h>
#include <mpgated/answers/why.h>

#define YOUNG_MS 20000U /* the daemon: peers have had no time to answer yet */

/* What can be done about each reason why a path is not used. "%s" is the link. */
static const struct {
	enum finding_id id;
	const char *remedy;
	enum severity severity;
	bool told;
} reasons[] = {
	[WHY_DOWN] = { FINDING_LINK_DOWN, "ip link set %s up; if it is: look at the cable, the modem, the other end",
		       SEVERITY_WARNING, false },
	[WHY_TENTATIVE] = { FINDING_ADDRESS_NOT_READY,
			    "wait a moment; if it stays so, another machine has the address: ip addr show dev %s",
			    SEVERITY_WARNING, false },
	[WHY_TWIN] = { FINDING_SAME_ADDRESS, "give %s an address of its own, or take it out of the configuration",
		       SEVERITY_WARNING, true },
	[WHY_NO_ADDRESS] = { FINDING_NO_ADDRESS, "give %s an address: by DHCP, or ip addr add", SEVERITY_WARNING,
			     false },
	[WHY_NO_GATEWAY] = { FINDING_NO_GATEWAY,
			     "each access link needs a default route of its own, with another metric: ip route add "
			     "default via ADDRESS dev %s metric NUMBER (ip -6 route); or say gateway at the link in "
			     "the "
			     "configuration",
			     SEVERITY_WARNING, true },
	[WHY_FOREIGN_RULE] = { FINDING_FOREIGN_RULE,
			       "ip rule (ip -6 rule) shows it: exclude the hub's addresses, or packets of %s, from it",
			       SEVERITY_WARNING, true },
	[WHY_NO_ROUTE] = { FINDING_NO_ROUTE, "ip route show dev %s: a route to the peer's addresses is missing there",
			   SEVERITY_WARNING, true },
	[WHY_HELD] = { FINDING_HELD_BACK,
		       "look at the line, the modem or the radio of %s; it is used when it has stayed up",
		       SEVERITY_WARNING, true },
	[WHY_DEAD] = { FINDING_PATH_DEAD,
		       "does this access work at all (ping -I %s), and do firewalls on the way let TCP to the peer's "
		       "port through? peers list has the error of each way",
		       SEVERITY_WARNING, true },
	[WHY_PLAIN] = { FINDING_PATH_PLAIN,
			"something on the way over %s takes MPTCP options away; another port may come through: ports "
			"at the peer, and in convert of the hub",
			SEVERITY_WARNING, true },
	[WHY_UNKNOWN] = { FINDING_NO_ANSWER, "peers list says how the probes over %s fare", SEVERITY_WARNING, false },
};

/* The interfaces that there are. From /proc, since the kernel takes no lock of links for that. */
static void list_interfaces(char *text, size_t size)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	char line[512], name[IF_NAMESIZE + 1];
	size_t len = 0;

	text[0] = '\0';
	while (f && len < size && fgets(line, sizeof(line), f)) {
		/* Two lines of titles have no name. */
		if (sscanf(line, " %16[^: |]:", name) != 1 || !strchr(line, ':') || !strcmp(name, "lo") ||
		    !strncmp(name, "mpgate", 6))
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "", name);
	}
	if (f)
		fclose(f);
}

static void add_absent(const struct cfg_link *c, struct findings *all)
{
	struct finding *f = finding_add(all, c->role == CFG_LAN ? SEVERITY_ERROR : SEVERITY_WARNING,
					FINDING_LINK_ABSENT, "link %s", c->name);
	char names[FINDING_TEXT / 2];

	list_interfaces(names, sizeof(names));
	finding_text(f, "absent: this machine has no interface of that name; it is used as soon as it appears");
	finding_remedy(f, "is the name right? There are: %s", *names ? names : "none");
}

/* Programs could not be attached, or not yet. */
static void look_at_hooks(const struct supervisor *s, unsigned i, struct findings *all)
{
	const struct links *l = &s->links;
	const struct cfg_link *c = &s->cfg->links[i];
	struct finding *f;

	/* Its list is the job's while that runs. */
	for (unsigned k = 0; k < l->present.count && !l->job.running; k++) {
		const struct service *v = &l->present.link[k];

		if (strcmp(v->name, c->name) != 0)
			continue;
		if (v->foreign_xdp) {
			f = finding_add(all, SEVERITY_NOTE, FINDING_FOREIGN_XDP, "link %s", c->name);
			finding_text(f, "the XDP program %s (id %u) is not ours, and sees all packets first",
				     *v->foreign_name ? v->foreign_name : "without a name", v->foreign_xdp);
			finding_remedy(f,
				       "if packets are missing here, it may drop them or lead them elsewhere: bpftool "
				       "prog show id %u",
				       v->foreign_xdp);
		}
		if (!v->error || s->ifindex[i])
			continue;
		f = finding_add(all, SEVERITY_ERROR, FINDING_NOT_SERVED, "link %s", c->name);
		f->told = true;
		finding_text(f, "not served: %s cannot be attached: %s", v->attached.failed, strerror(-v->error));
		finding_remedy(f, "%s",
			       v->error == -EBUSY
				       ? "another program is attached there: bpftool net, tc filter show; take it "
					 "off, or say guard: tc at the link where it is XDP"
				       : "the log has more; it is tried again every 5 s");
	}
}

/* False: nothing else is to be said of it. */
static bool look_at_link(const struct supervisor *s, unsigned i, struct findings *all)
{
	const struct cfg_link *c = &s->cfg->links[i];
	const struct paths_link *l = paths_get(s->paths, i);
	struct finding *f;
	char text[160];

	if (!l->ifindex) {
		add_absent(c, all);
		return false;
	}
	if (link_kind_unfit(&l->kind, c->role, text, sizeof(text))) {
		f = finding_add(all, SEVERITY_ERROR, FINDING_LINK_UNFIT, "link %s", c->name);
		f->told = true;
		finding_text(f, "not served: %s", text);
		finding_remedy(f, "name another interface in the configuration");
		return false;
	}
	if (link_kind_caution(&l->kind, c->role, text, sizeof(text))) {
		f = finding_add(all, SEVERITY_WARNING, FINDING_LINK_CAUTION, "link %s", c->name);
		f->told = true;
		finding_text(f, "%s", text);
		finding_remedy(f, "serve its parent instead, or set that down");
	}
	look_at_hooks(s, i, all);
	return true;
}

static bool has_address(const struct paths_link *l)
{
	return addr_is_set(&l->addr[0]) || addr_is_set(&l->addr[1]);
}

static bool has_path(const struct supervisor *s, unsigned v6)
{
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (s->cfg->links[i].role == CFG_PATH && addr_is_set(&paths_get(s->paths, i)->addr[v6]))
			return true;
	return false;
}

/* A LAN without IPv6 is a usual one; without IPv4, where this machine has it, hardly. */
static void look_at_lan_address(const struct supervisor *s, unsigned i, struct findings *all)
{
	const struct paths_link *l = paths_get(s->paths, i);
	const char *name = s->cfg->links[i].name;
	bool none = !has_address(l);

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct finding *f;

		if (addr_is_set(&l->addr[v6]) || (none ? v6 : !has_path(s, v6)))
			continue;
		f = finding_add(all,
				none ? SEVERITY_ERROR
				: v6 ? SEVERITY_NOTE
				     : SEVERITY_WARNING,
				FINDING_NO_ADDRESS, "link %s", name);
		finding_text(f,
			     "no %saddress: replies to its clients have no route back, so those that are steered wait "
			     "in vain",
			     none ? ""
			     : v6 ? "IPv6 "
				  : "IPv4 ");
		finding_remedy(f, "ip addr add ADDRESS/LENGTH dev %s; it is the clients' gateway%s", name,
			       none ? "" : ", if there are any with this version");
	}
}

/* Clients are there, or will be. */
static void look_at_lan(const struct supervisor *s, unsigned i, struct findings *all)
{
	const struct cfg_link *c = &s->cfg->links[i];
	const struct paths_link *l = paths_get(s->paths, i);
	struct finding *f;

	if (!l->up) {
		f = finding_add(all, SEVERITY_WARNING, FINDING_LINK_DOWN, "link %s", c->name);
		finding_text(f, "down, or without carrier: no client is there");
		finding_remedy(f, reasons[WHY_DOWN].remedy, c->name);
	} else if (c->role == CFG_LAN && !l->l3) {
		look_at_lan_address(s, i, all);
	}
}

static void look_at_path(const struct supervisor *s, unsigned i, struct findings *all)
{
	const struct cfg_link *c = &s->cfg->links[i];
	const struct paths_link *l = paths_get(s->paths, i);
	char text[2][160];
	enum why why[2];

	for (unsigned f = 0; f < 2; f++) {
		why[f] = why_find(s, i, f, text[f], sizeof(text[f]));
		if (why[f] == WHY_UNKNOWN && uv_now(&s->loop) - s->started < YOUNG_MS)
			why[f] = WHY_NONE;
		if (why[f] == WHY_PLAIN && !why_bonds(s)) /* it is said of the peer */
			why[f] = WHY_NONE;
	}
	for (unsigned f = 0; f < 2; f++) {
		bool both = why[0] == why[1] && !strcmp(text[0], text[1]);
		struct finding *n;

		/* A version that the link does not have is no news, where it has the other. */
		if (why[f] >= WHY_NONE || !reasons[why[f]].remedy || (both && f) ||
		    (why[f] == WHY_NO_ADDRESS && has_address(l)))
			continue;
		n = finding_add(all, reasons[why[f]].severity, reasons[why[f]].id, "path %s (%s)%s", c->path, c->name,
				both ? ""
				: f  ? " in IPv6"
				     : " in IPv4");
		n->told = reasons[why[f]].told;
		finding_text(n, "%s", text[f]);
		finding_remedy(n, reasons[why[f]].remedy, c->name);
	}
}

/* Does nothing lead to any peer? Else what is wrong with single paths does less harm. */
static void look_at_all_paths(const struct supervisor *s, struct findings *all)
{
	unsigned usable = 0, paths = 0, peers = 0;
	char text[160];
	struct finding *f;

	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		if (s->cfg->links[i].role != CFG_PATH)
			continue;
		paths++;
		for (unsigned v6 = 0; v6 < 2; v6++)
			usable += why_find(s, i, v6, text, sizeof(text)) >= WHY_REFUSED;
	}
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		peers += config_dials(&s->cfg->peers[i]);
	if (paths == 1 && peers) {
		f = finding_add(all, SEVERITY_NOTE, FINDING_ONE_PATH, "paths");
		finding_text(f, "there is one: with no second there is nothing to bond, and none that takes over");
		finding_remedy(f, "say role: path and a path at each link that leads to the peers");
	}
	if (usable || !paths)
		return;
	f = finding_add(all, SEVERITY_ERROR, FINDING_NO_PATH, "paths");
	finding_text(f, "none of the %u can be used: nothing is bonded", paths);
	finding_remedy(f, "what is wrong with each stands below");
}

void findings_links(const struct supervisor *s, struct findings *all)
{
	look_at_all_paths(s, all);
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		if (!look_at_link(s, i, all))
			continue;
		if (s->cfg->links[i].role == CFG_PATH)
			look_at_path(s, i, all);
		else
			look_at_lan(s, i, all);
	}
}
