/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Convert codec (RFC 8803): bytes to message and back, both sides. Pure.
 * docs/protocol.md gives the rules, docs/rfc8803.md where each is tested.
 */
#ifndef LIB_CONVERT_H
#define LIB_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mpgate/abi.h>
#include <mpgate/convert.h>

enum convert_side {
	CONVERT_CLIENT, /* we parse what a converter sent */
	CONVERT_CONVERTER, /* we parse what a client sent */
};

/* What a message has (convert_msg.has). */
#define CONVERT_HAS_INFO 0x01U
#define CONVERT_HAS_CONNECT 0x02U
#define CONVERT_HAS_EXT_TCP_HEADER 0x04U
#define CONVERT_HAS_EXTENSIONS 0x08U
#define CONVERT_HAS_COOKIE 0x10U
#define CONVERT_HAS_ERROR 0x20U
#define CONVERT_HAS_ORIG_SOURCE 0x40U
#define CONVERT_HAS_FLOW_ATTRS 0x80U
#define CONVERT_HAS_CLOCK 0x100U
#define CONVERT_HAS_PARK 0x200U
#define CONVERT_HAS_JOINS 0x400U

struct convert_bytes {
	const uint8_t *data; /* into the parsed buffer */
	size_t len;
};

/* A parsed message. Pointers point into the buffer that was parsed and live as long as it does. */
struct convert_msg {
	unsigned has;
	size_t len; /* bytes of the message; user data starts here */
	struct mpgate_addr dst; /* Connect */
	__be16 dst_port;
	struct convert_bytes tcp_options; /* Connect: after the address; may hold padding zeros */
	struct convert_bytes connect_tlv; /* whole TLVs, for the cookie's tag; Park stands in the place of Connect */
	struct convert_bytes source_tlv;
	struct mpgate_addr src; /* Original Source */
	__be16 src_port;
	uint8_t dscp, attr_flags; /* Flow Attributes */
	struct convert_bytes ext_tcp_header; /* options of the server's SYN+ACK */
	struct convert_bytes extensions; /* kinds, zero padding included */
	struct convert_bytes cookie; /* the opaque value */
	uint8_t error; /* Error: code and value */
	struct convert_bytes error_value;
	struct convert_bytes clock; /* Clock: time and tag, for clock_check() */
};

enum convert_result {
	CONVERT_OK, /* *msg is filled */
	CONVERT_MORE, /* no fault so far, the message is longer than len */
	CONVERT_RESET, /* the connection must be reset without an answer */
	CONVERT_FAULT, /* converter side only: answer with *fault, then close */
};

/* The Error a converter owes for a message it could not take. */
struct convert_fault {
	uint8_t code; /* enum convert_error */
	uint8_t value[CONVERT_MAX_LEN]; /* of the Error TLV, unpadded */
	size_t value_len;
};

/*
 * Parses the message at the start of the stream. private says whether the private TLVs (192 and up) are known to us
 * on this connection; else they are unsupported messages. A client's message without Connect, Info or Park is
 * malformed, and so is one with Park and one of the others. tcp options of Connect are checked with
 * convert_options_next() by who acts on them.
 */
enum convert_result convert_parse(enum convert_side side, bool private_tlvs, const uint8_t *buf, size_t len,
				  struct convert_msg *msg, struct convert_fault *fault);

/*
 * Walks TCP options in Connect or Extended TCP Header: *at starts at 0. Returns 1 with kind, value and length (value
 * only, 0: the converter chooses), 0 at the end, -EINVAL when an option does not fit. Kinds 0, 1, 2, 3 and 5 are
 * skipped (6.2.5).
 */
int convert_options_next(const struct convert_bytes *options, size_t *at, uint8_t *kind, struct convert_bytes *value);

/* Builds a message in a caller's buffer. After an overflow every put is ignored and convert_end() says so. */
struct convert_writer {
	uint8_t *buf;
	size_t cap;
	size_t len;
	bool overflow;
};

void convert_begin(struct convert_writer *w, uint8_t *buf, size_t cap);
void convert_put_info(struct convert_writer *w);
/* options: NULL or TCP options to ask for, copied and padded. */
void convert_put_connect(struct convert_writer *w, const struct mpgate_addr *dst, __be16 port,
			 const struct convert_bytes *options);
/* This connection is for requests of the receiver. */
void convert_put_park(struct convert_writer *w);
void convert_put_orig_source(struct convert_writer *w, const struct mpgate_addr *src, __be16 port);
void convert_put_flow_attrs(struct convert_writer *w, uint8_t dscp, uint8_t flags);
void convert_put_cookie(struct convert_writer *w, const void *cookie, size_t len);
void convert_put_extensions(struct convert_writer *w, const uint8_t *kinds, size_t count);
void convert_put_ext_tcp_header(struct convert_writer *w, const void *options, size_t len);
void convert_put_error(struct convert_writer *w, uint8_t code, const void *value, size_t len);
/* What clock_make() made. */
void convert_put_clock(struct convert_writer *w, const uint8_t clock[CONVERT_CLOCK_LEN]);
/* Further subflows come where the connection is told (ADD_ADDR), not to its own address. */
void convert_put_joins(struct convert_writer *w);
/* Writes the fixed header. Bytes of the message, or -EMSGSIZE. */
int convert_end(struct convert_writer *w);

const char *convert_error_name(uint8_t code);
/* The first byte of the error's value, which Unreachable and Not Authorized have; 0: there is none. */
uint8_t convert_error_detail(const struct convert_msg *m);
/* The same with the reason that a Not Authorized tells in its value, for the log of who asked. */
const char *convert_error_text(uint8_t code, uint8_t refusal);

#endif
