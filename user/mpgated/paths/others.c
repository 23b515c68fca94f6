// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Other programs that manage the same things: which of those that are known run in this network namespace, and what
 * somebody has set that gets in the way of paths. Nothing depends on it: it is for the operator.
 */
#include <mpgated/paths/internal.h>

#include <dirent.h>
#include <errno.h>
#include <lib/fields.h>
#include <lib/log.h>
#include <linux/mptcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NETLINK "/proc/thread-self/net/netlink"
#define FILE_OWN "/proc/thread-self/ns/net"

/* As the kernel has their names: 15 letters. */
static const struct {
	const char *program, *what;
	bool conflict;
} known[] = {
	{ "NetworkManager", "sets addresses and routes of links", false },
	{ "systemd-network",
	  "sets addresses and routes of links, and removes others' when it starts, unless told not to", false },
	{ "netifd", "sets addresses and routes of links", false },
	{ "connmand", "sets addresses and routes of links", false },
	{ "dhclient", "sets addresses and routes of links", false },
	{ "dhcpcd", "sets addresses and routes of links", false },
	{ "udhcpc", "sets addresses and routes of links", false },
	{ "pppd", "sets addresses and routes of links", false },
	{ "ModemManager", "sets up modems", false },
	{ "mwan3track", "chooses links by rules", false },
	{ "mwan3rtmon", "chooses links by rules", false },
	{ "mptcpd", "is an MPTCP path manager, as mpgate is", true },
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static bool read_name(long pid, char name[PATHS_PROGRAM])
{
	char path[40];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(name, PATHS_PROGRAM, f) != NULL;
	fclose(f);
	if (ok)
		name[strcspn(name, "\n")] = '\0';
	return ok;
}

struct netlink_socket {
	uint64_t protocol, port, groups;
};

/* The next one of this network namespace. */
static bool next_socket(FILE *f, struct netlink_socket *s)
{
	char line[256], *field[4];

	while (f && fgets(line, sizeof(line), f))
		/* Behind the socket's address. */
		if (fields_split(line, " \n", field, 4) >= 4 && fields_number(field[1], 10, INT32_MAX, &s->protocol) &&
		    fields_number(field[2], 10, UINT32_MAX, &s->port) &&
		    fields_number(field[3], 16, UINT32_MAX, &s->groups))
			return true;
	return false;
}

static bool has_socket(long pid)
{
	FILE *f = fopen(FILE_NETLINK, "re");
	struct netlink_socket s;
	bool has = false;

	while (!has && next_socket(f, &s))
		has = s.port == (uint64_t)pid;
	if (f)
		fclose(f);
	return has;
}

/*
 * The namespace of a process that may do what we may not, or is another user's, cannot be read. Most of those that are
 * known have a netlink socket, and the first one has the number of its process.
 */
static bool is_here(long pid)
{
	char path[40];
	struct stat own, other;

	snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
	if (stat(FILE_OWN, &own))
		return false;
	if (stat(path, &other))
		return errno == EACCES && has_socket(pid);
	return own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

bool others_name(uint32_t port, char name[PATHS_PROGRAM])
{
	name[0] = '\0';
	/* A socket's port is the process, unless that has several or has chosen one. */
	return port && port <= INT32_MAX && is_here(port) && read_name(port, name);
}

static struct paths_other *add(struct others *o, const char *program, int pid, bool conflict)
{
	struct paths_other *n = o->count < PATHS_OTHERS ? &o->list[o->count++] : &o->overflow;

	memset(n, 0, sizeof(*n));
	snprintf(n->program, sizeof(n->program), "%s", program);
	n->pid = pid;
	n->conflict = conflict;
	return n;
}

static const struct paths_other *find(const struct others *o, const char *program)
{
	for (unsigned i = 0; i < o->count; i++)
		if (!strcmp(o->list[i].program, program))
			return &o->list[i];
	return NULL;
}

static void look_at(struct others *o, long pid)
{
	char name[PATHS_PROGRAM];

	if (!read_name(pid, name))
		return;
	for (unsigned i = 0; i < KNOWN; i++)
		if (!strcmp(name, known[i].program) && !find(o, name) && is_here(pid))
			snprintf(add(o, name, (int)pid, known[i].conflict)->what, PATHS_WHAT, "%s", known[i].what);
}

static void find_programs(struct others *o)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char *end;
		long pid = strtol(e->d_name, &end, 10);

		if (!*end && pid > 0)
			look_at(o, pid);
	}
	if (dir)
		closedir(dir);
}

/* Who has set it, if there is one here who might. */
static void guess(const struct others *o, struct paths_other *n, const char *const *programs)
{
	for (; *programs; programs++) {
		const struct paths_other *found = find(o, *programs);

		if (!found)
			continue;
		snprintf(n->program, sizeof(n->program), "%s", found->program);
		n->pid = found->pid;
		return;
	}
}

static void find_endpoints(struct path_set *p, struct others *o)
{
	static const char *const likely[] = { "mptcpd", "NetworkManager", NULL };
	struct nl_list all = { 0 };
	const struct nl_endpoint *v;

	if (mptcp_pm_dump(&p->pm, &all) < 0)
		all.n = 0;
	v = all.v;
	for (unsigned i = 0; i < all.n; i++) {
		const struct nl_address *a = paths_find_address(&p->addrs, &v[i].addr);
		const struct path_link *l = a ? path_link_of(p, a->ifindex) : NULL;
		char text[ADDR_TEXT];
		struct paths_other *n;

		if (!l || l->role != CFG_PATH || endpoints_is_ours(p, &v[i]) ||
		    (v[i].flags & MPTCP_PM_ADDR_FLAG_IMPLICIT))
			continue;
		n = add(o, "", 0, true);
		snprintf(n->what, sizeof(n->what), "has set the MPTCP endpoint %u, at %s of %s", v[i].id,
			 addr_print(&v[i].addr, text), l->pub.name);
		guess(o, n, likely);
	}
	nl_list_free(&all);
}

/* The groups of a socket are a bitmap there, the first in the lowest bit. */
static void find_listeners(struct path_set *p, struct others *o)
{
	unsigned own = p->events ? mnl_socket_get_portid(p->events) : 0;
	FILE *f = p->pm.events && p->pm.events <= 32 ? fopen(FILE_NETLINK, "re") : NULL;
	struct netlink_socket s;
	char name[PATHS_PROGRAM];

	while (next_socket(f, &s)) {
		if (s.protocol != NETLINK_GENERIC || s.port == own || !(s.groups & (1U << (p->pm.events - 1))))
			continue;
		others_name((unsigned)s.port, name);
		if (!*name || !find(o, name))
			snprintf(add(o, name, *name ? (int)s.port : 0, false)->what, PATHS_WHAT,
				 "listens to what happens to MPTCP connections");
	}
	if (f)
		fclose(f);
}

static void find_rules(const struct path_set *p, struct others *o)
{
	static const char *const likely[] = { "mwan3track", "mwan3rtmon", "NetworkManager", "systemd-network", NULL };

	for (unsigned i = 0; i < 2 * p->count; i++) {
		const struct path_link *l = &p->links[i / 2];
		const struct paths_route *r = &l->pub.route[i % 2];
		struct paths_other *n;

		if (!r->stray_rule)
			continue;
		n = add(o, "", 0, true);
		n->told = true; /* by reach.c */
		snprintf(n->what, sizeof(n->what), "has the rule %u, which takes IPv%d packets of %s to table %u",
			 r->stray_rule, i % 2 ? 6 : 4, l->pub.name, r->stray_table);
		guess(o, n, likely);
	}
}

static void find_rest(const struct path_set *p, struct others *o)
{
	static const char *const managers[] = { "mptcpd", NULL }, *const removers[] = { "systemd-network",
											"NetworkManager", NULL };
	struct paths_other *n;

	if (p->joins.managed && !p->joins.foreign) {
		n = add(o, "", 0, true);
		snprintf(n->what, sizeof(n->what),
			 "had set net.mptcp.pm_type to 1 before, and manages others' connections");
		guess(o, n, managers);
	}
	if (p->removed.count) {
		n = add(o, p->removed.program, (int)p->removed.pid, true);
		n->told = true; /* by monitor.c */
		snprintf(n->what, sizeof(n->what),
			 "has removed rules or routes of mpgate, %u in all; they are set again", p->removed.count);
		if (!n->program[0])
			guess(o, n, removers);
	}
}

static bool was_there(const struct others *o, const struct paths_other *n)
{
	for (unsigned i = 0; i < o->count; i++)
		if (!strcmp(o->list[i].program, n->program) && !strcmp(o->list[i].what, n->what))
			return true;
	return false;
}

static void tell(const struct others *before, const struct others *now)
{
	for (unsigned i = 0; i < now->count; i++) {
		const struct paths_other *n = &now->list[i];
		char who[PATHS_PROGRAM + 24];

		if (n->told || was_there(before, n))
			continue;
		if (n->program[0])
			snprintf(who, sizeof(who), "%s (process %d)", n->program, n->pid);
		else
			snprintf(who, sizeof(who), "somebody");
		if (n->conflict)
			log_warn("%s %s", who, n->what);
		else
			log_info("%s %s", who, n->what);
	}
}

void others_look(struct path_set *p)
{
	struct others before = p->others;

	p->others.count = 0;
	find_programs(&p->others);
	find_endpoints(p, &p->others);
	find_listeners(p, &p->others);
	find_rules(p, &p->others);
	find_rest(p, &p->others);
	tell(&before, &p->others);
}
