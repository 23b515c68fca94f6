/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS answers as they come from strangers (RFC 1035, RFC 2782): parsing, and the order in which the servers of a
 * service are used. Pure: no I/O; nothing that an answer holds is believed.
 */
#ifndef LIB_DNS_H
#define LIB_DNS_H

#include <mpgate/abi.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_LETTERS 253 /* of a name as text: 255 bytes in a message (RFC 1035, 2.3.4) */
#define DNS_NAME (DNS_LETTERS + 1)
#define DNS_RECORDS 64U /* of an answer that are kept: SRV records of the first priorities, else the first ones */
#define DNS_ALIASES 8U /* CNAMEs that are followed from a name, one after the other */
#define DNS_SERVICE "_convert._tcp." /* before a domain: where its converters are */
#define DNS_DOMAIN (DNS_NAME - (sizeof(DNS_SERVICE) - 1)) /* bytes of one that may stand behind it, NUL included */

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_SRV = 33 };

struct dns_srv {
	uint16_t priority, weight, port;
	char target[DNS_NAME]; /* empty: "." */
};

struct dns_answer {
	uint32_t ttl; /* seconds, the least of what was found, with its aliases; UINT32_MAX: nothing was */
	unsigned count;
	union {
		struct dns_srv srv[DNS_RECORDS];
		struct mpgate_addr addr[DNS_RECORDS]; /* of DNS_A and DNS_AAAA */
	};
};

/*
 * The records of that name and type in an answer of len bytes: those that it has for the name itself, or for what
 * CNAMEs in it say that it is. 0, also when there is none; -EBADMSG: it is no DNS answer; *out is then undefined.
 */
int dns_parse(const uint8_t *msg, size_t len, const char *name, enum dns_type type, struct dns_answer *out);

/*
 * Puts the n records in the order of RFC 2782: by priority; then by lot, where one with more weight has a better
 * chance to come first. The lots are drawn by the seed alone: the same records have the same order.
 */
void dns_order(struct dns_srv *srv, unsigned n, uint64_t seed);

/*
 * From records in their order to those that can be used: with a target and a port, and, since a peer has one port, with
 * that of the first of them; at most max. Moves them to the front; their number.
 */
unsigned dns_usable(struct dns_srv *srv, unsigned n, unsigned max);

#define DNS_TARGETS 8U /* whose addresses are asked for */
#define DNS_EACH 4U /* addresses of one version that are kept for a target */

/* What is known of a target: v[0] IPv4, v[1] IPv6. */
struct dns_target {
	struct mpgate_addr v[2][DNS_EACH];
	unsigned count[2];
};

/* Keeps those of the answer that a peer can have: no loopback, multicast or link-local one. */
void dns_add(struct dns_target *t, unsigned v6, const struct dns_answer *a);
/*
 * At most max addresses of n targets (DNS_TARGETS): before a target gives a second one of a version, each gives one of
 * either. In the order of the targets, IPv6 first; none twice. Their number.
 */
unsigned dns_choose(const struct dns_target *t, unsigned n, struct mpgate_addr *out, unsigned max);

#endif
