// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/blank.h>

#include <string.h>

static const struct {
	const char *bytes, *name;
} blanks[] = {
	{ "\xc2\xa0", "no-break space U+00A0" },
	{ "\xe2\x80\x82", "en space U+2002" },
	{ "\xe2\x80\x83", "em space U+2003" },
	{ "\xe2\x80\x87", "figure space U+2007" },
	{ "\xe2\x80\x89", "thin space U+2009" },
	{ "\xe2\x80\x8b", "zero width space U+200B" },
	{ "\xe2\x80\xaf", "narrow no-break space U+202F" },
	{ "\xe3\x80\x80", "ideographic space U+3000" },
	{ "\xef\xbb\xbf", "byte order mark U+FEFF" },
};

const char *blank_name(const char *text, size_t len, size_t *bytes)
{
	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++) {
		*bytes = strlen(blanks[i].bytes);
		if (*bytes <= len && !memcmp(text, blanks[i].bytes, *bytes))
			return blanks[i].name;
	}
	return NULL;
}
