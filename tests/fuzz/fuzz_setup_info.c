/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vendor options of DHCP, in both versions; the same input as the text that DHCP clients give. What is taken is an
 * address that a peer can have, or a name of a host's letters.
 */
#include <stdint.h>
#include <string.h>

#include <lib/setup_info.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_info(const struct setup_info *info)
{
	CHECK(info->port && (info->count || info->domain[0]) && info->count <= SETUP_ADDRESSES);
	for (unsigned i = 0; i < info->count; i++)
		CHECK(!addr_is_special(&info->address[i]) && !addr_is_link_local(&info->address[i]));
	for (const char *c = info->domain; *c; c++)
		CHECK(*c > ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[SETUP_OPTION_MAX];
	struct setup_info info;
	char text[1200];
	bool v6;
	int n;

	for (unsigned i = 0; i < 2; i++)
		if (!setup_info_parse(i, data, size, 32473, &info))
			check_info(&info);
	if (size >= sizeof(text))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	n = setup_info_bytes(text, bytes, sizeof(bytes));
	CHECK(n <= (int)sizeof(bytes));
	n = setup_info_line(text, &v6, bytes);
	CHECK(n <= (int)sizeof(bytes));
	return 0;
}
