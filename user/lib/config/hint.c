// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/config.h>

#include <stdio.h>

/*
 * Linux's MPTCP scheduler fills each subflow's window: what goes over a much slower link comes late, and the fast one
 * waits for it. From about this ratio on, both together carry less than the fast one alone.
 */
#define UNEQUAL 8U

bool config_hint(const struct config *cfg, const unsigned *mbit, char text[CFG_HINT])
{
	const struct cfg_link *slow = NULL, *fast = NULL;
	unsigned least = 0, most = 0;

	for (unsigned i = 0; i < cfg->link_count; i++) {
		const struct cfg_link *l = &cfg->links[i];

		if (l->role != CFG_PATH || l->use != CFG_PRIMARY || !mbit[i])
			continue;
		if (!slow || mbit[i] < least) {
			slow = l;
			least = mbit[i];
		}
		if (!fast || mbit[i] > most) {
			fast = l;
			most = mbit[i];
		}
	}
	if (!slow || most / least < UNEQUAL)
		return false;
	snprintf(text, CFG_HINT,
		 "link %s has %u Mbit/s and link %s %u: bonded they can be slower than %s alone; `use: backup` for %s "
		 "avoids that",
		 slow->name, least, fast->name, most, fast->name, slow->name);
	return true;
}
