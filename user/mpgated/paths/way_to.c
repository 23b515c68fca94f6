// SPDX-License-Identifier: GPL-2.0-or-later
/* For who explains: where a packet of this machine would go. With a socket of its own, beside the thread's. */
#include <mpgated/paths/netlink.h>
#include <mpgated/paths/paths.h>
#include <mpgated/paths/route.h>

#include <errno.h>
#include <linux/netlink.h>

int paths_way_to(const struct mpgate_addr *to, unsigned *ifindex)
{
	static const struct mpgate_addr any4 = { .b = { [10] = 0xff, [11] = 0xff } }, any6;
	struct nl_sock s = { 0 };
	struct nl_way way = { 0 };
	int err = nl_open(NETLINK_ROUTE, &s);

	if (!err)
		err = route_ask(&s, addr_is_v4(to) ? &any4 : &any6, to, 0, &way);
	nl_close(&s);
	if (err == -ENETUNREACH || err == -EHOSTUNREACH || err == -EACCES)
		err = way.oif = 0;
	if (!err)
		*ifindex = way.oif;
	return err;
}
