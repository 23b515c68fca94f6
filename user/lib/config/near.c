// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/near.h>

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define LONGEST 40U /* letters; there is no longer word to be meant */
#define SHARE 4U /* of the letters, one in so many may differ */

static bool same(char a, char b)
{
	a = a == '_' ? '-' : (char)tolower((unsigned char)a);
	b = b == '_' ? '-' : (char)tolower((unsigned char)b);
	return a == b;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Letters left out, put in, or another one, and neighbours that have changed places: so many. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned d[LONGEST + 1][LONGEST + 1];

	for (unsigned i = 0; i <= a_len; i++)
		d[i][0] = i;
	for (unsigned k = 0; k <= b_len; k++)
		d[0][k] = k;
	for (unsigned i = 1; i <= a_len; i++)
		for (unsigned k = 1; k <= b_len; k++) {
			d[i][k] =
				least(d[i - 1][k - 1] + !same(a[i - 1], b[k - 1]), least(d[i - 1][k], d[i][k - 1]) + 1);
			if (i > 1 && k > 1 && same(a[i - 1], b[k - 2]) && same(a[i - 2], b[k - 1]))
				d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1);
		}
	return d[a_len][b_len];
}

void near_offer(struct near *n, const char *word)
{
	size_t len = strlen(n->text), word_len = strlen(word), most = len > word_len ? len : word_len;
	unsigned d;

	if (!len || most > LONGEST)
		return;
	d = distance(n->text, len, word, word_len);
	if (d > most / SHARE || (n->word && d >= n->distance))
		return;
	n->word = word;
	n->distance = d;
}
