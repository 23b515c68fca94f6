// SPDX-License-Identifier: GPL-2.0-or-later
/* What paths carry, and what they may carry in a month. */
#include <string.h>

#include <lib/config/build.h>

#define MAX_MBIT 1000000

int cfg_build_cost(struct build *b, unsigned i)
{
	const struct raw_link *raw = &b->raw->links[i];
	struct cfg_link *link = &b->cfg->links[i];
	const struct {
		const char *key;
		const uint32_t *given;
		unsigned fallback, max, *out;
	} numbers[] = {
		{ "up-mbit", raw->up_mbit, 0, MAX_MBIT, &link->up_mbit },
		{ "down-mbit", raw->down_mbit, 0, MAX_MBIT, &link->down_mbit },
		{ "quota-mib", raw->quota_mib, 0, UINT32_MAX, &link->quota_mib },
		/* Every month has it. */
		{ "quota-reset-day", raw->quota_day, 1, 28, &link->quota_day },
	};

	for (unsigned k = 0; k < CYAML_ARRAY_LEN(numbers); k++) {
		char place[64];
		int r;

		snprintf(place, sizeof(place), "links[%u].%s", i, numbers[k].key);
		if (numbers[k].given && raw->role != CFG_PATH)
			return cfg_fail(b, place, "link '%s': only a link with role path has %s", raw->name,
					numbers[k].key);
		r = cfg_take_number(b, place, numbers[k].given, numbers[k].fallback, 1, numbers[k].max, numbers[k].out);
		if (r)
			return r;
	}
	if (raw->quota_day && !raw->quota_mib)
		return cfg_fail(b, cfg_at(b, "links[%u].quota-reset-day", i),
				"link '%s': a quota-reset-day needs a quota-mib", raw->name);
	for (unsigned k = 0; k < i; k++)
		if (link->role == CFG_PATH && b->cfg->links[k].role == CFG_PATH &&
		    !strcmp(b->cfg->links[k].path, link->path) && (link->quota_mib || b->cfg->links[k].quota_mib))
			return cfg_fail(b, cfg_at(b, "links[%u].name", i),
					"link '%s': path '%s' is that of link '%s' too, and a quota is of one",
					raw->name, link->path, b->cfg->links[k].name);
	return 0;
}
