/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink messages as tests of their parsers make them, one at a time. */
#ifndef TESTS_NL_SCRIPT_H
#define TESTS_NL_SCRIPT_H

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <string.h>

#include "cunit.h"

#define SCRIPT __attribute__((unused)) static /* not every program uses all of this */
#define MESSAGE_SIZE 2048

static char buf[MESSAGE_SIZE] __attribute__((aligned(8)));

SCRIPT struct nlmsghdr *begin(uint16_t type)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	return nlh;
}

SCRIPT void bytes(const char *text, int family, uint8_t out[16])
{
	memset(out, 0, 16);
	CU_ASSERT_EQUAL_FATAL(inet_pton(family, text, out), 1);
}

SCRIPT void put_address(struct nlmsghdr *nlh, uint16_t type, const char *text)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	uint8_t b[16];

	bytes(text, family, b);
	mnl_attr_put(nlh, type, family == AF_INET ? 4 : 16, b);
}

#endif
