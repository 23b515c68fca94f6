// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/dscp.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	int value;
} names[] = {
	{ "cs0", 0 },	{ "df", 0 },	{ "be", 0 },	{ "le", 1 },	{ "cs1", 8 },	{ "af11", 10 }, { "af12", 12 },
	{ "af13", 14 }, { "cs2", 16 },	{ "af21", 18 }, { "af22", 20 }, { "af23", 22 }, { "cs3", 24 },	{ "af31", 26 },
	{ "af32", 28 }, { "af33", 30 }, { "cs4", 32 },	{ "af41", 34 }, { "af42", 36 }, { "af43", 38 }, { "cs5", 40 },
	{ "va", 44 },	{ "ef", 46 },	{ "cs6", 48 },	{ "cs7", 56 },
};

int dscp_parse(const char *text)
{
	size_t digits = strspn(text, "0123456789"), i;

	/* Two digits hold every value; more would need an overflow check. */
	if (digits > 0 && digits <= 2 && text[digits] == '\0') {
		unsigned long value = strtoul(text, NULL, 10);

		return value < DSCP_COUNT ? (int)value : -EINVAL;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(text, names[i].name) == 0)
			return names[i].value;
	return -EINVAL;
}

const char *dscp_name(unsigned i)
{
	return i < sizeof(names) / sizeof(names[0]) ? names[i].name : NULL;
}
