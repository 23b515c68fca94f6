// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/fields.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

unsigned fields_split(char *line, const char *between, char **field, unsigned n)
{
	unsigned count = 0;
	char *at = NULL;

	for (char *f = strtok_r(line, between, &at); f; f = strtok_r(NULL, between, &at)) {
		if (count < n)
			field[count] = f;
		count++;
	}
	return count;
}

bool fields_number(const char *field, int base, uint64_t most, uint64_t *out)
{
	char *end;
	unsigned long long v;

	/* No sign, no space, no 0x. */
	if (!isxdigit((unsigned char)*field) || (field[0] == '0' && (field[1] | 32) == 'x'))
		return false;
	errno = 0;
	v = strtoull(field, &end, base);
	if (errno || *end || v > most)
		return false;
	*out = v;
	return true;
}
