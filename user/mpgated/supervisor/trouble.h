/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a probe of a peer, or a connection to it, came to nothing, where somebody can do something about it. */
#ifndef MPGATED_TROUBLE_H
#define MPGATED_TROUBLE_H

#include <errno.h>
#include <stdint.h>

#include <mpgate/convert.h>

enum trouble {
	TROUBLE_OTHER,
	TROUBLE_SILENT, /* nobody answers */
	TROUBLE_REFUSED, /* somebody is there, and nothing listens at that port */
	TROUBLE_UNREACHABLE,
	TROUBLE_NO_CONVERTER, /* something else listens there */
	TROUBLE_KEY, /* what follows the peer says itself */
	TROUBLE_SELF,
	TROUBLE_DESTINATION,
	TROUBLE_SOURCE,
};

static inline enum trouble trouble_of_errno(int err)
{
	return err == ETIMEDOUT				   ? TROUBLE_SILENT
	       : err == ECONNREFUSED			   ? TROUBLE_REFUSED
	       : err == ENETUNREACH || err == EHOSTUNREACH ? TROUBLE_UNREACHABLE
							   : TROUBLE_OTHER;
}

/* Of an Error of Convert and its enum convert_refusal. */
static inline enum trouble trouble_of_refusal(uint8_t code, uint8_t refusal)
{
	static const enum trouble all[] = {
		[CONVERT_REFUSED] = TROUBLE_KEY,	   [CONVERT_REFUSED_DESTINATION] = TROUBLE_DESTINATION,
		[CONVERT_REFUSED_SOURCE] = TROUBLE_SOURCE, [CONVERT_REFUSED_SELF] = TROUBLE_SELF,
		[CONVERT_REFUSED_CLOCK] = TROUBLE_OTHER,
	};

	if (code != CONVERT_E_NOT_AUTHORIZED)
		return TROUBLE_OTHER;
	return refusal < sizeof(all) / sizeof(all[0]) ? all[refusal] : TROUBLE_KEY;
}

#endif
