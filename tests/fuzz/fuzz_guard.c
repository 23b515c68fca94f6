/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard's view of a Convert message against that of the workers' parser: what a worker takes, guard does not call
 * broken, and both find the TLVs that a cookie covers at the same places.
 */
#include <stdint.h>
#include <string.h>

#include <lib/convert.h>

#include "../../bpf/tlvs.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A worker found this, or NULL; guard found it at that word, 0: nowhere. */
static void check_place(const uint8_t *found, const uint8_t *data, unsigned word)
{
	CHECK(found ? found == data + (size_t)word * 4 : !word);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mpgate_guard_scratch scratch = { { 0 } };
	struct convert_fault fault;
	struct convert_msg m;
	unsigned found;

	if (convert_parse(CONVERT_CONVERTER, true, data, size, &m, &fault) != CONVERT_OK) {
		/* Whatever it is, the walk ends. */
		memcpy(scratch.words, data, size < CONVERT_MAX_LEN ? size : CONVERT_MAX_LEN);
		if (size > 1)
			guard_walk(&scratch, data[1]);
		return 0;
	}
	memcpy(scratch.words, data, m.len);
	found = guard_walk(&scratch, (unsigned)m.len / 4);
	/* An issued cookie is none to guard. */
	if (m.has & CONVERT_HAS_COOKIE && m.cookie.len != sizeof(struct convert_cookie))
		return 0;
	CHECK(!(found & GUARD_BAD));
	if (found & GUARD_UNUSUAL)
		return 0;
	/* Park is never in a SYN, and guard does not know it. */
	check_place(m.has & CONVERT_HAS_PARK ? NULL : m.connect_tlv.data, data, GUARD_CONNECT(found));
	check_place(m.source_tlv.data, data, GUARD_SOURCE(found));
	/* The value of a cookie is behind its TLV's header. */
	check_place(m.cookie.data ? m.cookie.data - CONVERT_HEADER_LEN : NULL, data, GUARD_COOKIE(found));
	CHECK(!(m.has & CONVERT_HAS_CONNECT) || m.connect_tlv.len == CONVERT_CONNECT_LEN);
	return 0;
}
