// SPDX-License-Identifier: GPL-2.0-or-later
/* Every netlink parser on every message of the input: no read outside of it, no output out of bounds. */
#include <lib/nl_parse.h>
#include <libmnl/libmnl.h>
#include <linux/mptcp.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const struct nlmsghdr *nlh)
{
	struct nl_route hops[NL_ROUTE_HOPS];
	struct nl_link link;
	struct nl_address address;
	struct nl_rule rule;
	struct nl_endpoint endpoint;
	struct nl_limits limits;
	struct nl_mptcp_event event;
	struct nl_subflow subflow;
	struct nl_way way;
	uint32_t group;
	uint16_t id;
	int n = nl_parse_route(nlh, hops);

	if (n > NL_ROUTE_HOPS)
		abort();
	for (int i = 0; i < n; i++)
		if (hops[i].dst_len > 128 || hops[i].zero)
			abort();
	if (nl_parse_link(nlh, &link) == 0 && (strnlen(link.name, NL_NAME) == NL_NAME || !link.ifindex))
		abort();
	if (nl_parse_rule(nlh, &rule) == 0 && strnlen(rule.iif, NL_NAME) == NL_NAME)
		abort();
	nl_parse_address(nlh, &address);
	nl_parse_way(nlh, &way);
	nl_parse_endpoint(nlh, &endpoint);
	nl_parse_limits(nlh, &limits);
	nl_parse_genl_family(nlh, &id);
	nl_parse_genl_group(nlh, MPTCP_PM_EV_GRP_NAME, &group);
	nl_parse_mptcp_event(nlh, &event);
	nl_parse_subflow(nlh, &subflow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own size: aligned, as a socket's buffer is, and with its end watched. */
	char *copy = malloc(size ? size : 1);
	int left = (int)size;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	for (struct nlmsghdr *m = (struct nlmsghdr *)copy; nl_message_ok(m, left); m = mnl_nlmsg_next(m, &left))
		parse(m);
	free(copy);
	return 0;
}
