// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include <mpgated/paths/kind.h>

static bool one_of(const char *kind, const char *const *kinds)
{
	for (; *kinds; kinds++)
		if (!strcmp(kind, *kinds))
			return true;
	return false;
}

/* Whose members hand all their packets on before they are looked at as packets of this machine. */
static bool takes_all(const char *kind)
{
	static const char *const kinds[] = { "bridge", "bond", "team", NULL };

	return one_of(kind, kinds);
}

static bool shares_parent(const char *kind)
{
	static const char *const kinds[] = { "macvlan", "macvtap", "ipvlan", "ipvtap", NULL };

	return one_of(kind, kinds);
}

void link_kind_find(const struct nl_link *links, unsigned count, unsigned me, struct link_kind *out)
{
	const struct nl_link *l = &links[me];

	memset(out, 0, sizeof(*out));
	memcpy(out->kind, l->kind, sizeof(out->kind));
	for (unsigned i = 0; i < count; i++) {
		if (l->master && links[i].ifindex == l->master) {
			memcpy(out->master, links[i].name, sizeof(out->master));
			memcpy(out->master_kind, l->member_kind, sizeof(out->master_kind));
		}
		if (shares_parent(l->kind) && links[i].ifindex == l->parent && links[i].up)
			memcpy(out->parent, links[i].name, sizeof(out->parent));
		out->has_members |= links[i].master == l->ifindex && takes_all(links[i].member_kind);
	}
}

bool link_kind_unfit(const struct link_kind *k, enum cfg_role role, char *why, size_t size)
{
	bool vrf = !strcmp(k->kind, "vrf"), in_vrf = !strcmp(k->master_kind, "vrf");

	if (takes_all(k->master_kind)) {
		snprintf(why, size, "it is a member of the %s %s, which takes its packets: name %s instead",
			 k->master_kind, k->master, k->master);
		return true;
	}
	/* Workers listen outside of it, and only there are the routes that deliver marked packets. */
	if (role != CFG_PATH && (vrf || in_vrf)) {
		snprintf(why, size, "it %s VRF%s%s: packets there do not reach the workers",
			 vrf ? "is a" : "lies in the", vrf ? "" : " ", vrf ? "" : k->master);
		return true;
	}
	return false;
}

bool link_kind_caution(const struct link_kind *k, enum cfg_role role, char *what, size_t size)
{
	if (role != CFG_LAN || !*k->parent)
		return false;
	snprintf(what, size,
		 "it is a %s over %s, which is up: packets for addresses that %s answers for arrive there, unbonded",
		 k->kind, k->parent, k->parent);
	return true;
}

bool link_kind_wants_tc(const struct link_kind *k)
{
	return k->has_members || takes_all(k->kind);
}
