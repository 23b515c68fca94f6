// SPDX-License-Identifier: GPL-2.0-or-later
/* Which kinds of links can be served, and how. */
// SOURCES: user/mpgated/paths/kind.c
#include <string.h>

#include "cunit.h"

#include <mpgated/paths/kind.h>

enum { DEVICE = 3, OTHER };

/* A device, and a second one that is its master, its member or its parent. */
static const struct kind_case {
	struct nl_link device, other;
	bool lan_unfit, path_unfit, caution, tc;
	const char *text; /* a part of what is said */
} cases[] = {
	{ { .kind = "" }, { .kind = "" }, false, false, false, false, NULL },
	{ { .kind = "veth" }, { .name = "far" }, false, false, false, false, NULL },
	{ { .master = OTHER, .member_kind = "bridge" },
	  { .name = "br0" },
	  true,
	  true,
	  false,
	  false,
	  "name br0 instead" },
	{ { .master = OTHER, .member_kind = "bond" }, { .name = "bond0" }, true, true, false, false, "bond bond0" },
	{ { .master = OTHER, .member_kind = "team" }, { .name = "team0" }, true, true, false, false, "team0" },
	{ { .master = OTHER, .member_kind = "vrf" }, { .name = "red" }, true, false, false, false, "in the VRF red" },
	{ { .kind = "vrf" }, { .master = DEVICE, .member_kind = "vrf" }, true, false, false, false, "is a VRF" },
	{ { .kind = "bond" }, { .name = "eth0" }, false, false, false, true, NULL },
	{ { .kind = "bridge" }, { .master = DEVICE, .member_kind = "bridge" }, false, false, false, true, NULL },
	{ { .kind = "dummy" }, { .master = DEVICE, .member_kind = "bond" }, false, false, false, true, NULL },
	{ { .kind = "macvlan", .parent = OTHER },
	  { .name = "eth0", .up = true },
	  false,
	  false,
	  true,
	  false,
	  "over eth0" },
	{ { .kind = "macvlan", .parent = OTHER }, { .name = "eth0" }, false, false, false, false, NULL },
	{ { .kind = "ipvlan", .parent = OTHER }, { .name = "eth0", .up = true }, false, false, true, false, "ipvlan" },
	{ { .kind = "vlan", .parent = OTHER }, { .name = "eth0", .up = true }, false, false, false, false, NULL },
};

static void kinds_are_judged(void)
{
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct kind_case *c = &cases[i];
		struct nl_link links[2] = { c->other, c->device };
		char text[160] = "";
		struct link_kind k;

		links[0].ifindex = OTHER;
		links[1].ifindex = DEVICE;
		link_kind_find(links, 2, 1, &k);
		CU_ASSERT_EQUAL(link_kind_unfit(&k, CFG_PATH, text, sizeof(text)), c->path_unfit);
		CU_ASSERT_EQUAL(link_kind_unfit(&k, CFG_NET, text, sizeof(text)), c->lan_unfit);
		CU_ASSERT_EQUAL(link_kind_unfit(&k, CFG_LAN, text, sizeof(text)), c->lan_unfit);
		CU_ASSERT_FALSE(link_kind_caution(&k, CFG_PATH, text, sizeof(text)));
		CU_ASSERT_EQUAL(link_kind_caution(&k, CFG_LAN, text, sizeof(text)), c->caution);
		CU_ASSERT_EQUAL(link_kind_wants_tc(&k), c->tc);
		CU_ASSERT(c->text ? strstr(text, c->text) != NULL : !*text);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = { { "kinds are judged", kinds_are_judged }, CU_TEST_INFO_NULL };

	return cunit_run("kind", tests, NULL, NULL) ? 0 : 1;
}
