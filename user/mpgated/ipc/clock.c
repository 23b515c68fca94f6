// SPDX-License-Identifier: GPL-2.0-or-later
/* The clocks of peers, as far as our cookies have to go by them (docs/protocol.md, "A clock that is wrong"). */
#include <stdio.h>

#include <mpgated/ipc/shared.h>

uint32_t peer_time(const struct peer_shared *p, uint32_t ours)
{
	return ours + __atomic_load_n(&p->clock, __ATOMIC_RELAXED);
}

bool peer_told_time(struct peer_shared *p, const struct subkey *key, uint32_t stamp, const uint8_t nonce[8],
		    const struct convert_msg *answer, uint32_t ours, int32_t *differs)
{
	uint32_t theirs;

	if (!(answer->has & CONVERT_HAS_CLOCK) || clock_check(key, stamp, nonce, &answer->clock, &theirs))
		return false;
	*differs = (int32_t)(theirs - ours);
	__atomic_store_n(&p->clock, theirs - ours, __ATOMIC_RELAXED);
	return true;
}

const char *clock_print(int32_t ahead, char text[CLOCK_TEXT])
{
	uint32_t differs = ahead < 0 ? -(uint32_t)ahead : (uint32_t)ahead;

	snprintf(text, CLOCK_TEXT, "%u s %s ours", differs, ahead < 0 ? "behind" : "ahead of");
	return text;
}
