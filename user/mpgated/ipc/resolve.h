/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the supervisor and the resolver (resolver/resolver.h) say to each other: packets of these lengths, without
 * descriptors. A question is answered once, unless the process ends before.
 */
#ifndef MPGATED_RESOLVE_H
#define MPGATED_RESOLVE_H

#include <lib/config/config.h>
#include <lib/dns.h>
#include <lib/setup_info.h>

#define RESOLVE_MOST 16U /* questions that are open at a time */

enum resolve_result {
	RESOLVE_FOUND,
	RESOLVE_IN_PART, /* some addresses; others could not be asked for */
	RESOLVE_NO_RECORD, /* no SRV record that can be used */
	RESOLVE_NO_ADDRESS, /* no address of its targets that can be used */
	RESOLVE_SILENT, /* no name server answers in time */
	RESOLVE_FAILED, /* they fail, or refuse to answer, or are not there */
	RESOLVE_MALFORMED, /* what they say is no answer */
	RESOLVE_NO_OPTION, /* the option of DHCP has nothing for us, or is malformed */
	RESOLVE_RESULTS
};

/* The first packet. */
struct resolve_start {
	uint64_t seed; /* of dns_order() */
};

struct resolve_question {
	uint32_t slot, number; /* of the peer; of the question: they are in the answer */
	uint32_t enterprise; /* 0: of DNS; else as for setup_info_parse() */
	uint16_t v6; /* DHCP: 1: option 17 of DHCPv6, 0: option 125 of DHCPv4 */
	uint16_t len; /* DHCP: bytes of data */
	union {
		char domain[DNS_DOMAIN]; /* DNS: NUL-terminated */
		uint8_t data[SETUP_OPTION_MAX];
	};
};

struct resolve_answer {
	uint32_t slot, number;
	uint32_t result; /* enum resolve_result */
	uint32_t ttl; /* seconds; what follows is all 0 unless something was found */
	uint16_t port; /* host order */
	uint16_t count; /* of addresses, the rest is 0 */
	struct mpgate_addr address[CFG_PEER_ADDRESSES];
};

#endif
