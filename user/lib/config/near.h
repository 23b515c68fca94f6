/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What somebody may have meant who wrote a word that is not known: the words that are known are offered one by one. */
#ifndef LIB_CONFIG_NEAR_H
#define LIB_CONFIG_NEAR_H

struct near {
	const char *text; /* what was written */
	const char *word; /* the nearest of those offered; NULL: none is near */
	const char *other; /* one that is as near, of those that have the text as a part; NULL: none */
	unsigned distance;
};
#define NEAR_TEXT 80 /* bytes */

/*
 * A quarter of the letters may differ; capitals, and '_' for '-', do not count. What is not near so may be a part of
 * the word, between two '-' or at an end.
 */
void near_offer(struct near *n, const char *word);
/* "; did you mean 'x'?", or nothing; returns text. */
const char *near_text(const struct near *n, char text[NEAR_TEXT]);

#endif
