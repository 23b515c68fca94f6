/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of IPFIX (RFC 7011) with mappings in them: the NAT session events of RFC 8158, with a template for each mix
 * of IP versions. No I/O.
 */
#ifndef LIB_IPFIX_H
#define LIB_IPFIX_H

#include <lib/mapping.h>

#define IPFIX_MESSAGE 1232 /* bytes: with headers of IPv6 and UDP it fits any path (RFC 7011, 10.3.3) */

/* A message that is being made. */
struct ipfix {
	uint8_t data[IPFIX_MESSAGE];
	size_t len;
	size_t set; /* where the set that is open begins; 0: none is */
	unsigned records; /* data records in it */
};

/*
 * Begins a message. domain: observation domain id; sequence: data records that were sent in this session before it
 * (RFC 7011, 3.1).
 */
void ipfix_begin(struct ipfix *m, uint32_t domain, uint32_t sequence);
/* All templates, at the begin of a message: once for a TCP connection, over UDP again and again (RFC 7011, 8.4). */
void ipfix_put_templates(struct ipfix *m);
/* Puts a record behind what is there. False: it does not fit, and nothing has changed. */
bool ipfix_put(struct ipfix *m, const struct mapping *mapping);
/* Closes it; now: s since 1970. m->data has m->len bytes to be sent. */
void ipfix_end(struct ipfix *m, uint32_t now);

#endif
