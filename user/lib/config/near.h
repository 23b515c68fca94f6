/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What somebody may have meant who wrote a word that is not known: the words that are known are offered one by one. */
#ifndef LIB_CONFIG_NEAR_H
#define LIB_CONFIG_NEAR_H

struct near {
	const char *text; /* what was written */
	const char *word; /* the nearest of those offered; NULL: none is near */
	unsigned distance;
};

/* A quarter of the letters may differ; capitals, and '_' for '-', do not count. */
void near_offer(struct near *n, const char *word);

#endif
