/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ICMP error about a SYN whose server cannot be reached. */
#ifndef MPGATED_UNREACHABLE_H
#define MPGATED_UNREACHABLE_H

#include <lib/addr.h>

#define UNREACHABLE_MAX 256 /* bytes of a frame */

/*
 * Destination Unreachable (RFC 792; RFC 4443, 3.1) of that code about the SYN in `syn`, a frame of len bytes with an
 * Ethernet header, for who sent it. It comes from the server's address: which router could not reach that is not known
 * here. Returns the length of the frame at out; 0: there is no SYN.
 */
size_t unreachable_make(uint8_t out[UNREACHABLE_MAX], const uint8_t *syn, size_t len, const struct mpgate_tuple *tuple,
			uint8_t code);
/* The code of such an error for what connect() failed with; -1: it failed for another reason. */
int unreachable_code(int err, bool v4);

#endif
