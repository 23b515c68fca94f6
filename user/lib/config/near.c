// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/near.h>

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LONGEST 40U /* letters; there is no longer word to be meant */
#define PART (LONGEST + 1) /* as a distance: farther than all that is near by its letters */
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

static bool is_part(const char *text, const char *word)
{
	size_t len = strlen(text), n;

	for (; *word; word += n + (word[n] == '-')) {
		n = strcspn(word, "-");
		if (n == len && !strncmp(word, text, n))
			return true;
	}
	return false;
}

void near_offer(struct near *n, const char *word)
{
	size_t len = strlen(n->text), word_len = strlen(word), most = len > word_len ? len : word_len;
	unsigned d;

	if (!len || most > LONGEST)
		return;
	d = distance(n->text, len, word, word_len);
	if (d > most / SHARE)
		d = is_part(n->text, word) ? PART : PART + 1;
	if (d == PART && n->word && n->distance == PART && !n->other)
		n->other = word;
	if (d > PART || (n->word && d >= n->distance))
		return;
	n->word = word;
	n->distance = d;
}

const char *near_text(const struct near *n, char text[NEAR_TEXT])
{
	bool both = n->other && n->distance == PART;

	text[0] = '\0';
	if (n->word)
		snprintf(text, NEAR_TEXT, "; did you mean '%s'%s%s%s?", n->word, both ? " or '" : "",
			 both ? n->other : "", both ? "'" : "");
	return text;
}
