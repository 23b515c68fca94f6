// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong with this machine: sysctls, the kernel, firewalls, other programs; and with our own processes. */
#include <stdio.h>
#include <string.h>

#include <mpgated/answers/findings.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/supervisor/listen.h>

static bool has_role(const struct supervisor *s, enum cfg_role role)
{
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (s->cfg->links[i].role == role)
			return true;
	return false;
}

/* Is there a link with clients of that IP version? */
static bool has_clients(const struct supervisor *s, unsigned v6)
{
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (s->cfg->links[i].role == CFG_LAN && addr_is_set(&paths_get(s->paths, i)->addr[v6]))
			return true;
	return false;
}

static bool dials(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		if (config_dials(&s->cfg->peers[i]))
			return true;
	return false;
}

/* What paths set or warn of; somebody may have changed it since. */
static void look_at_forwarding(const struct supervisor *s, struct findings *all)
{
	static const char *const names[] = { "ipv4/ip_forward", "ipv6/conf/all/forwarding" };
	static const char *const shown[] = { "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding" };
	bool router = has_role(s, CFG_LAN) || s->cfg->transparent.accept;
	struct finding *f;
	int value;

	for (unsigned v6 = 0; v6 < 2 && router; v6++) {
		if (sysctl_get(names[v6], &value) < 0 || value || (has_role(s, CFG_LAN) && !has_clients(s, v6)))
			continue;
		f = finding_add(all, SEVERITY_ERROR, FINDING_NO_FORWARDING, "%s", shown[v6]);
		finding_text(f, "0: nothing is forwarded in IPv%u, and what has no normal way is not steered either",
			     v6 ? 6 : 4);
		finding_remedy(f, "sysctl -w %s=1, and the same in /etc/sysctl.d", shown[v6]);
	}
}

/* The stricter of the link's own and that of all counts. */
static void look_at_rp_filter(const struct supervisor *s, struct findings *all)
{
	struct finding *f;
	int every, own;

	if (sysctl_get("ipv4/conf/all/rp_filter", &every) < 0)
		return;
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		char name[sizeof("ipv4/conf//rp_filter") + IF_NAMESIZE];
		const struct paths_link *l = paths_get(s->paths, i);

		snprintf(name, sizeof(name), "ipv4/conf/%s/rp_filter", l->name);
		if (!l->ifindex || s->cfg->links[i].role == CFG_NET || sysctl_get(name, &own) < 0 ||
		    (own > every ? own : every) != 1)
			continue;
		f = finding_add(all, SEVERITY_WARNING, FINDING_RP_FILTER, "net.ipv4.conf.%s.rp_filter", l->name);
		finding_text(f,
			     "1 (strict): the kernel drops packets that come over %s when the best route back is "
			     "another one",
			     l->name);
		finding_remedy(f, "mpgate sets it to 2 within a minute; find out who changes it back (sysctl.d, a "
				  "network manager)");
	}
}

static void look_at_mptcp(const struct supervisor *s, struct findings *all)
{
	struct finding *f;
	int value;

	if (sysctl_get("mptcp/enabled", &value) == 0 && !value) {
		f = finding_add(all, SEVERITY_ERROR, FINDING_MPTCP_OFF, "net.mptcp.enabled");
		finding_text(f, "0: no Multipath TCP connection can be opened or accepted");
		finding_remedy(f, "sysctl -w net.mptcp.enabled=1, and the same in /etc/sysctl.d");
	}
	if (paths_is_blackholed(s->paths)) {
		f = finding_add(all, SEVERITY_ERROR, FINDING_BLACKHOLE, "net.mptcp.blackhole_timeout");
		f->told = true;
		finding_text(f, "the kernel's blackhole detection has struck within the last hour: new connections are "
				"plain TCP, and not bonded");
		finding_remedy(f, "sysctl -w net.mptcp.blackhole_timeout=0; find out who turned it on");
	} else if (dials(s) && sysctl_get("mptcp/blackhole_timeout", &value) == 0 && value) {
		f = finding_add(all, SEVERITY_WARNING, FINDING_BLACKHOLE, "net.mptcp.blackhole_timeout");
		finding_text(f, "%d: after an outage of seconds the kernel would make plain TCP of all new connections",
			     value);
		finding_remedy(f,
			       "sysctl -w net.mptcp.blackhole_timeout=0, as mpgate does at its start and at a reload; "
			       "find out who turned it on");
	}
}

static void look_at_features(const struct supervisor *s, struct findings *all)
{
	const struct datapath_feature *v;
	unsigned n = datapath_features(s->dp, &v);
	struct finding *f;

	for (unsigned i = 0; i < n + FEATURE_COUNT; i++) {
		bool program = i < n;
		const char *name = program ? v[i].name : features[i - n].name;
		int error = program ? v[i].why : 0;

		if (program ? v[i].works : s->features[i - n])
			continue;
		f = finding_add(all, SEVERITY_NOTE, FINDING_FEATURE, "%s", name);
		f->told = true;
		finding_text(f, "not available here%s%s; instead: %s", error ? ": " : "", error ? strerror(error) : "",
			     program ? v[i].degraded : features[i - n].degraded);
		finding_remedy(f, "nothing need be done; docs/kernels.md says which kernels have it");
	}
	if (!s->watchdog.stopped)
		return;
	f = finding_add(all, SEVERITY_ERROR, FINDING_DELIVERY, "firewall");
	f->told = true;
	if (s->watchdog.zoned) {
		finding_text(f, "steered SYNs reach the workers and become no connections, so nothing is steered");
		finding_remedy(f, "see conntrack zones");
		return;
	}
	finding_text(f,
		     "steered packets do not reach the workers, so nothing is steered: a firewall drops them in INPUT, "
		     "or writes marks in PREROUTING");
	finding_remedy(f,
		       "nft add rule inet filter input meta mark and 0x%08x == 0x%08x accept; and let what sets marks "
		       "(meta mark set ct mark) keep these bits. It is tried again after 30 s, later less often",
		       s->cfg->mark.mask, s->cfg->mark.value);
}

/* What is known of others, by name. */
static const char *manager_remedy(const char *program)
{
	if (!strcmp(program, "NetworkManager"))
		return "nmcli connection modify NAME connection.mptcp-flags disabled, for each path link";
	if (!strcmp(program, "systemd-network"))
		return "ManageForeignRoutingPolicyRules=no and ManageForeignRoutes=no in networkd.conf";
	if (!strcmp(program, "mptcpd"))
		return "one path manager a network namespace: stop it, or say subflows: { path-manager: kernel }";
	return "docs/operations.md, \"Other managers\", says how both get along";
}

static void look_at_others(const struct supervisor *s, struct findings *all)
{
	unsigned n;
	const struct paths_other *v = paths_others(s->paths, &n);

	for (unsigned i = 0; i < n; i++) {
		struct finding *f;

		if (!v[i].conflict)
			continue;
		f = finding_add(all, SEVERITY_WARNING, FINDING_OTHER_PROGRAM, "%s",
				v[i].program[0] ? v[i].program : "another program");
		f->told = true;
		finding_text(f, "%s", v[i].what);
		finding_remedy(f, "%s", manager_remedy(v[i].program));
	}
}

static void look_at_zones(const struct supervisor *s, struct findings *all)
{
	const char *where = paths_zones(s->paths);
	struct finding *f;

	if (!*where)
		return;
	f = finding_add(all, SEVERITY_WARNING, FINDING_CONNTRACK_ZONES, "conntrack zones");
	finding_text(f,
		     "what comes in is put in a zone (%s), and what this machine answers is in none: a firewall that "
		     "drops invalid packets lets no connection of mpgate come about",
		     where);
	finding_remedy(f,
		       "put what leaves in the same zone: ct zone set in a chain of type filter hook output priority "
		       "raw, by oifname; or leave zones out");
}

static void look_at_workers(const struct supervisor *s, struct findings *all)
{
	struct finding *f;

	for (unsigned i = 0; i < s->worker_count; i++) {
		const struct worker_proc *w = &s->workers[i];
		const char *what = !w->child.pid ? "does not run, and is started again"
				   : w->silent	 ? "does not answer: new connections pass it by"
				   : w->full	 ? "is full: new connections pass it by, or go unbonded"
						 : NULL;

		if (!what && !w->child.restarts)
			continue;
		f = finding_add(all, what ? SEVERITY_ERROR : SEVERITY_NOTE,
				what ? FINDING_WORKER : FINDING_WORKER_RESTARTS, "worker %u", i);
		f->told = true;
		if (what)
			finding_text(f, "%s", what);
		else
			finding_text(f, "was started again %u times since the start, %u of them since it hung or lied",
				     w->child.restarts, w->child.killed);
		finding_remedy(f, "%s",
			       what && w->full
				       ? "limits.connections, or LimitNOFILE= of the unit, is too small"
				       : "the log says why it ended; a worker that dies again and again is a fault "
					 "of mpgate: report it");
	}
}

/* What is pinned holds programs to links when the supervisor is gone, and new links need the place. */
static void look_at_pins(const struct supervisor *s, struct findings *all)
{
	struct finding *f;
	bool mounted;

	if (datapath_is_pinned(s->dp, &mounted))
		return;
	f = finding_add(all, SEVERITY_WARNING, FINDING_NO_BPFFS, "/sys/fs/bpf");
	finding_text(f, "%s: links that come are not served, and a crash cuts connections",
		     mounted ? "what this daemon has pinned there is gone" : "no BPF file system is mounted there");
	finding_remedy(f, "%srestart mpgated; find out who took it away",
		       mounted ? "" : "mount -t bpf bpf /sys/fs/bpf, then ");
}

/* Addresses that are to be listened on, and that no interface has. */
static void look_at_listening(const struct supervisor *s, struct findings *all)
{
	static const char remedy[] =
		"give this machine the address (ip addr add), or correct it; it is used when it comes";
	unsigned places = s->cfg->convert.listen_count * (1 + s->cfg->convert.ports.count), waiting = 0;
	char text[160];
	struct finding *f;

	for (unsigned n = 0; n < places; n++)
		waiting += listen_waits(s, n, text, sizeof(text)) != NULL;
	for (unsigned n = 0; n < places; n++) {
		if (!listen_waits(s, n, text, sizeof(text)))
			continue;
		f = finding_add(all, waiting == places ? SEVERITY_ERROR : SEVERITY_WARNING, FINDING_NOT_LISTENING,
				"convert.listen");
		f->told = true;
		finding_text(f, "waits for %s%s", text, waiting == places ? ": no gateway can come" : "");
		finding_remedy(f, "%s", remedy);
	}
	if (!scrape_waits(&s->scrape))
		return;
	f = finding_add(all, SEVERITY_WARNING, FINDING_NOT_LISTENING, "metrics.listen");
	f->told = true;
	finding_text(f, "waits for %s port %u (%s): nobody can read metrics", s->cfg->metrics_listen,
		     s->cfg->metrics_port, scrape_waits(&s->scrape));
	finding_remedy(f, "%s", remedy);
}

static void look_at_modes(const struct supervisor *s, struct findings *all)
{
	struct finding *f;

	if (s->cfg->host && s->hosts != MPGATE_HOSTS_ALL) {
		f = finding_add(all, SEVERITY_ERROR, FINDING_HOST_MODE, "host mode");
		f->told = true;
		finding_text(f, "asked for, but this machine's own connections are not carried");
		finding_remedy(f, "the log says what is missing: cgroup2 must be mounted");
	}
	if (s->shm->draining) {
		f = finding_add(all, SEVERITY_NOTE, FINDING_DRAINING, "drain");
		f->told = true;
		finding_text(f, "new requests are told to go elsewhere%s",
			     s->shm->draining & DRAIN_QUOTA ? ": the quotas of all paths are used up" : "");
		finding_remedy(f, "mpgatectl drain stop takes them again");
	}
	for (unsigned v6 = 0; v6 < 2 && s->cfg->convert.listening; v6++) {
		if (addresses_families(s) & (v6 ? SNAPSHOT_IPV6 : SNAPSHOT_IPV4))
			continue;
		f = finding_add(all, SEVERITY_NOTE, FINDING_NO_FAMILY, "IPv%u", v6 ? 6 : 4);
		f->told = true;
		finding_text(f, "this hub has no address of it: gateways are told to go another way to IPv%u servers",
			     v6 ? 6 : 4);
		finding_remedy(f, "give it one, or leave these servers out of the gateways' rules");
	}
}

void findings_machine(const struct supervisor *s, struct findings *all)
{
	look_at_mptcp(s, all);
	look_at_features(s, all);
	look_at_forwarding(s, all);
	look_at_rp_filter(s, all);
	look_at_others(s, all);
	look_at_zones(s, all);
	look_at_workers(s, all);
	look_at_pins(s, all);
	look_at_listening(s, all);
	look_at_modes(s, all);
}
