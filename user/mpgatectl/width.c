/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/width.h>

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LEAST 20 /* columns; less is taken for a mistake */

unsigned width_of(FILE *out)
{
	const char *told = getenv("COLUMNS");
	struct winsize size = { 0 };
	unsigned columns = 0;
	int fd = fileno(out);

	if (fd < 0 || !isatty(fd))
		return 0;
	if (told)
		columns = (unsigned)strtoul(told, NULL, 10);
	if (columns < LEAST && !ioctl(fd, TIOCGWINSZ, &size))
		columns = size.ws_col;
	return columns < LEAST ? 0 : columns;
}

/* Bytes that go on with a code point. */
static int goes_on(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

unsigned width_text(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += !goes_on(*text);
	return n;
}

size_t width_bytes(const char *text, unsigned columns)
{
	size_t n = 0;

	for (; text[n] && (columns || goes_on(text[n])); n++)
		columns -= !goes_on(text[n]);
	return n;
}
