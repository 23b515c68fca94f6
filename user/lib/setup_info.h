/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where converters are, in a vendor option of DHCP: 125 of DHCPv4 (RFC 3925, 4) or 17 of DHCPv6 (RFC 8415, 21.17),
 * below an enterprise number that the configuration gives. Its sub-options: docs/setup-information.md. Pure: no I/O; a
 * DHCP server is a stranger.
 */
#ifndef LIB_SETUP_INFO_H
#define LIB_SETUP_INFO_H

#include <stdbool.h>

#include <lib/addr.h>
#include <lib/dns.h>

#define SETUP_OPTION_MAX 512U /* bytes of the option: far more than what is read from it */
#define SETUP_ADDRESSES 4U
#define SETUP_PORT 8803 /* where the option says none */

struct setup_info {
	struct mpgate_addr address[SETUP_ADDRESSES];
	unsigned count;
	uint16_t port; /* host order */
	char domain[DNS_DOMAIN]; /* empty: none */
};

/*
 * The option's bytes, without its code and length. 0: *out has addresses that a peer can have, or a domain; -ENOENT:
 * neither is there for that enterprise; -EBADMSG: malformed. *out is untouched on failure.
 */
int setup_info_parse(bool v6, const uint8_t *data, size_t len, uint32_t enterprise, struct setup_info *out);

/*
 * Bytes as DHCP clients give them to scripts: "00007ed9..." or "0:0:7e:d9:...". Their number, at most max; -EINVAL:
 * that is no such text, -E2BIG: they are more.
 */
int setup_info_bytes(const char *text, uint8_t *out, size_t max);

/* The file that keeps the last option, of an instance: one line, "dhcp4" or "dhcp6", and the bytes as above. */
#define SETUP_FILE "/run/mpgate/%s.dhcp"
#define SETUP_NAMES                                                                                                    \
	{                                                                                                              \
		"dhcp4", "dhcp6"                                                                                       \
	}
#define SETUP_NAME_MAX 6U /* bytes, with the blank behind it */
/* Reads such a line: how many bytes are in out (SETUP_OPTION_MAX), or -errno as setup_info_bytes(). */
int setup_info_line(char *line, bool *v6, uint8_t *out);

#endif
