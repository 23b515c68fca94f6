// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of prefixes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>
#include <lib/config/meant.h>

static int compare_prefixes(const void *a, const void *b)
{
	const struct prefix *x = a, *y = b;
	int r;

	if (x->family != y->family)
		return x->family - y->family;
	r = memcmp(x->addr, y->addr, sizeof(x->addr));
	return r ? r : x->len - y->len;
}

void cfg_prefixes_tidy(struct cfg_prefixes *list)
{
	unsigned i, kept = 0;

	if (!list->count)
		return;
	/* A prefix sorts right before all that it covers. */
	qsort(list->p, list->count, sizeof(*list->p), compare_prefixes);
	for (i = 1; i < list->count; i++)
		if (!prefix_covers(&list->p[kept], &list->p[i]))
			list->p[++kept] = list->p[i];
	list->count = kept + 1;
}

bool cfg_prefixes_cover(const struct cfg_prefixes *list, const struct prefix *p)
{
	unsigned low = 0, high = list->count;

	/* None covers another, so only the last one that does not sort after p can cover it. */
	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (compare_prefixes(&list->p[mid], p) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && prefix_covers(&list->p[low - 1], p);
}

int cfg_append_prefixes(struct build *b, const char *place, char **texts, unsigned count, struct cfg_prefixes *out)
{
	struct prefix *p;
	char item[160], words[MEANT_TEXT];
	unsigned i;

	if (count > CFG_MAX_PREFIXES - out->count)
		return cfg_fail(b, place, "more than %u prefixes", CFG_MAX_PREFIXES);
	p = realloc(out->p, (out->count + count + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	out->p = p;
	for (i = 0; i < count; i++) {
		int r = prefix_parse(texts[i], &p[out->count]);

		if (r) {
			snprintf(item, sizeof(item), "%s[%u]", place, i);
			return cfg_fail(b, item, "'%s' %s", texts[i], meant_prefix(texts[i], r, words));
		}
		out->count++;
	}
	return 0;
}

int cfg_build_prefixes(struct build *b, const char *place, char **texts, unsigned count, struct cfg_prefixes *out)
{
	int r;

	r = cfg_check_list(b, place);
	if (!r && count)
		r = cfg_append_prefixes(b, place, texts, count, out);
	if (!r)
		cfg_prefixes_tidy(out);
	return r;
}
