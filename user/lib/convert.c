// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/convert.h>

#include <errno.h>
#include <string.h>

#include <lib/addr.h>

#define WORD 4U /* lengths on the wire count 32-bit words */
#define TLV_HEAD 2U /* type and length */
#define ERROR_HEAD 4U /* type, length, code and the zero byte before an echoed message */
#define ECHO_MAX (CONVERT_MAX_LEN - CONVERT_HEADER_LEN - ERROR_HEAD)
#define DSCP_MAX 63U

/* TCP option kinds that Convert names (6.2.5). */
enum { OPT_EOL = 0, OPT_NOP = 1, OPT_MSS = 2, OPT_WSCALE = 3, OPT_SACK = 5 };
#define OPT_HEAD 2U /* kind and length */

/* What each TLV may look like, and who may send it. */
static const struct tlv_rule {
	uint8_t type;
	uint8_t min_words, max_words;
	enum convert_side receiver;
	bool private_use;
	unsigned bit;
} tlv_rules[] = {
	{ CONVERT_INFO, 1, 1, CONVERT_CONVERTER, false, CONVERT_HAS_INFO },
	{ CONVERT_CONNECT, CONVERT_CONNECT_WORDS, UINT8_MAX, CONVERT_CONVERTER, false, CONVERT_HAS_CONNECT },
	{ CONVERT_COOKIE, 1, UINT8_MAX, CONVERT_CONVERTER, false, CONVERT_HAS_COOKIE },
	{ CONVERT_ORIG_SOURCE, CONVERT_CONNECT_WORDS, CONVERT_CONNECT_WORDS, CONVERT_CONVERTER, true,
	  CONVERT_HAS_ORIG_SOURCE },
	/* Longer ones carry attributes that a later version added; those are not looked at. */
	{ CONVERT_FLOW_ATTRS, 1, UINT8_MAX, CONVERT_CONVERTER, true, CONVERT_HAS_FLOW_ATTRS },
	{ CONVERT_PARK, 1, 1, CONVERT_CONVERTER, true, CONVERT_HAS_PARK },
	{ CONVERT_EXT_TCP_HEADER, 1, UINT8_MAX, CONVERT_CLIENT, false, CONVERT_HAS_EXT_TCP_HEADER },
	{ CONVERT_EXTENSIONS, 1, UINT8_MAX, CONVERT_CLIENT, false, CONVERT_HAS_EXTENSIONS },
	{ CONVERT_ERROR, 1, UINT8_MAX, CONVERT_CLIENT, false, CONVERT_HAS_ERROR },
	{ CONVERT_CLOCK, CONVERT_CLOCK_WORDS, CONVERT_CLOCK_WORDS, CONVERT_CLIENT, true, CONVERT_HAS_CLOCK },
	{ CONVERT_JOINS, 1, 1, CONVERT_CLIENT, true, CONVERT_HAS_JOINS },
};

/* A parse on its way: the message as far as it has arrived. */
struct parse {
	enum convert_side side;
	bool private_tlvs;
	const uint8_t *buf;
	size_t have; /* bytes of the message in buf */
	struct convert_fault *fault;
};

/* Ends the parse: a client resets, a converter owes an Error that echoes what it received (6.2.8). */
static enum convert_result refuse(const struct parse *p, enum convert_error code)
{
	struct convert_fault *f = p->fault;
	size_t echo = p->have < ECHO_MAX ? p->have : ECHO_MAX;

	if (p->side == CONVERT_CLIENT)
		return CONVERT_RESET;
	f->code = code;
	f->value[0] = 0;
	memcpy(f->value + 1, p->buf, echo);
	f->value_len = 1 + echo;
	return CONVERT_FAULT;
}

static enum convert_result refuse_version(const struct parse *p)
{
	if (p->side == CONVERT_CLIENT)
		return CONVERT_RESET;
	p->fault->code = CONVERT_E_VERSION;
	p->fault->value[0] = CONVERT_VERSION;
	p->fault->value_len = 1;
	return CONVERT_FAULT;
}

/*
 * The fixed header (6.1). The magic comes first: without it these bytes are no
 * Convert message of any version. No other field of another version is known.
 */
static enum convert_result parse_header(const struct parse *p, size_t len, size_t *total)
{
	static const uint8_t magic[] = { CONVERT_MAGIC >> 8, CONVERT_MAGIC & 0xff };

	for (size_t i = 0; i < sizeof(magic) && 2 + i < len; i++)
		if (p->buf[2 + i] != magic[i])
			return CONVERT_RESET;
	if (len < CONVERT_HEADER_LEN)
		return CONVERT_MORE;
	if (p->buf[0] != CONVERT_VERSION)
		return refuse_version(p);
	if (p->buf[1] == 0)
		return CONVERT_RESET;
	*total = p->buf[1] * WORD;
	return CONVERT_OK;
}

static const struct tlv_rule *find_rule(const struct parse *p, uint8_t type)
{
	for (size_t i = 0; i < sizeof(tlv_rules) / sizeof(tlv_rules[0]); i++) {
		const struct tlv_rule *r = &tlv_rules[i];

		if (r->type == type && r->receiver == p->side && (!r->private_use || p->private_tlvs))
			return r;
	}
	return NULL;
}

/* Port and address, as Connect and Original Source have them. */
static void get_endpoint(const uint8_t *tlv, struct mpgate_addr *addr, __be16 *port)
{
	memcpy(port, tlv + TLV_HEAD, sizeof(*port));
	memcpy(addr, tlv + TLV_HEAD + sizeof(*port), sizeof(*addr));
}

/* Fills msg from a TLV whose length is right; false when its contents are malformed. */
static bool take_tlv(const uint8_t *tlv, size_t len, struct convert_msg *msg)
{
	switch (tlv[0]) {
	case CONVERT_CONNECT:
		get_endpoint(tlv, &msg->dst, &msg->dst_port);
		msg->tcp_options = (struct convert_bytes){ tlv + CONVERT_CONNECT_LEN, len - CONVERT_CONNECT_LEN };
		msg->connect_tlv = (struct convert_bytes){ tlv, len };
		return !addr_is_special(&msg->dst);
	case CONVERT_PARK:
		msg->connect_tlv = (struct convert_bytes){ tlv, len };
		break;
	case CONVERT_ORIG_SOURCE:
		get_endpoint(tlv, &msg->src, &msg->src_port);
		msg->source_tlv = (struct convert_bytes){ tlv, len };
		return !addr_is_special(&msg->src);
	case CONVERT_FLOW_ATTRS:
		msg->dscp = tlv[2];
		msg->attr_flags = tlv[3];
		return msg->dscp <= DSCP_MAX;
	case CONVERT_EXT_TCP_HEADER:
		msg->ext_tcp_header = (struct convert_bytes){ tlv + WORD, len - WORD };
		break;
	case CONVERT_EXTENSIONS:
		msg->extensions = (struct convert_bytes){ tlv + WORD, len - WORD };
		break;
	case CONVERT_COOKIE:
		msg->cookie = (struct convert_bytes){ tlv + WORD, len - WORD };
		break;
	case CONVERT_CLOCK:
		msg->clock = (struct convert_bytes){ tlv + WORD, len - WORD };
		break;
	case CONVERT_ERROR:
		msg->error = tlv[2];
		msg->error_value = (struct convert_bytes){ tlv + 3, len - 3 };
		break;
	}
	return true;
}

/* The TLV at *at (6.2.1): takes it and moves *at past it. */
static enum convert_result parse_tlv(const struct parse *p, size_t total, size_t *at, struct convert_msg *msg)
{
	const uint8_t *tlv = p->buf + *at;
	const struct tlv_rule *rule;
	size_t words;

	if (p->have - *at < TLV_HEAD)
		return CONVERT_MORE;
	rule = find_rule(p, tlv[0]);
	if (!rule)
		return refuse(p, CONVERT_E_UNSUPPORTED);
	words = tlv[1];
	if (msg->has & rule->bit || words < rule->min_words || words > rule->max_words || words * WORD > total - *at)
		return refuse(p, CONVERT_E_MALFORMED);
	if (words * WORD > p->have - *at)
		return CONVERT_MORE;
	if (!take_tlv(tlv, words * WORD, msg))
		return refuse(p, CONVERT_E_MALFORMED);
	msg->has |= rule->bit;
	*at += words * WORD;
	return CONVERT_OK;
}

enum convert_result convert_parse(enum convert_side side, bool private_tlvs, const uint8_t *buf, size_t len,
				  struct convert_msg *msg, struct convert_fault *fault)
{
	struct parse p = { side, private_tlvs, buf, len, fault };
	struct convert_msg m = { 0 };
	enum convert_result r;
	size_t at = CONVERT_HEADER_LEN;
	unsigned asks;

	r = parse_header(&p, len, &m.len);
	if (r != CONVERT_OK)
		return r;
	if (p.have > m.len)
		p.have = m.len;
	while (at < m.len) {
		r = parse_tlv(&p, m.len, &at, &m);
		if (r != CONVERT_OK)
			return r;
	}
	/* Every message of a client asks for one of these, for nothing beside Park; the other TLVs only go with it. */
	asks = m.has & (CONVERT_HAS_CONNECT | CONVERT_HAS_INFO | CONVERT_HAS_PARK);
	if (side == CONVERT_CONVERTER && (!asks || (asks & CONVERT_HAS_PARK && asks != CONVERT_HAS_PARK)))
		return refuse(&p, CONVERT_E_MALFORMED);
	*msg = m;
	return CONVERT_OK;
}

int convert_options_next(const struct convert_bytes *options, size_t *at, uint8_t *kind, struct convert_bytes *value)
{
	const uint8_t *o = options->data;
	size_t i = *at;

	while (i < options->len) {
		size_t left = options->len - i;

		if (o[i] == OPT_EOL || o[i] == OPT_NOP) {
			i++;
			continue;
		}
		if (left < OPT_HEAD || o[i + 1] < OPT_HEAD || o[i + 1] > left)
			return -EINVAL;
		if (o[i] != OPT_MSS && o[i] != OPT_WSCALE && o[i] != OPT_SACK) {
			*kind = o[i];
			*value = (struct convert_bytes){ o + i + OPT_HEAD, o[i + 1] - OPT_HEAD };
			*at = i + o[i + 1];
			return 1;
		}
		i += o[i + 1];
	}
	*at = i;
	return 0;
}

void convert_begin(struct convert_writer *w, uint8_t *buf, size_t cap)
{
	w->buf = buf;
	w->cap = cap < CONVERT_MAX_LEN ? cap : CONVERT_MAX_LEN;
	w->len = CONVERT_HEADER_LEN;
	w->overflow = cap < CONVERT_HEADER_LEN;
}

/* Room for a TLV with len bytes after type and length, all zero; where its value starts, or NULL. */
static uint8_t *put_tlv(struct convert_writer *w, uint8_t type, size_t len)
{
	size_t words = (TLV_HEAD + len + WORD - 1) / WORD;
	uint8_t *tlv = w->buf + w->len;

	if (w->overflow || len > CONVERT_MAX_LEN || words * WORD > w->cap - w->len) {
		w->overflow = true;
		return NULL;
	}
	memset(tlv, 0, words * WORD);
	tlv[0] = type;
	tlv[1] = words;
	w->len += words * WORD;
	return tlv + TLV_HEAD;
}

/* A TLV of bytes after skip zero bytes. */
static void put_bytes(struct convert_writer *w, uint8_t type, size_t skip, const void *data, size_t len)
{
	uint8_t *v = put_tlv(w, type, skip + len);

	if (v && len)
		memcpy(v + skip, data, len);
}

static void put_endpoint(uint8_t *v, const struct mpgate_addr *addr, __be16 port)
{
	memcpy(v, &port, sizeof(port));
	memcpy(v + sizeof(port), addr, sizeof(*addr));
}

void convert_put_info(struct convert_writer *w)
{
	put_bytes(w, CONVERT_INFO, 2, NULL, 0);
}

void convert_put_connect(struct convert_writer *w, const struct mpgate_addr *dst, __be16 port,
			 const struct convert_bytes *options)
{
	const size_t endpoint = CONVERT_CONNECT_LEN - TLV_HEAD;
	size_t len = options ? options->len : 0;
	uint8_t *v = put_tlv(w, CONVERT_CONNECT, endpoint + len);

	if (!v)
		return;
	put_endpoint(v, dst, port);
	if (len)
		memcpy(v + endpoint, options->data, len);
}

void convert_put_park(struct convert_writer *w)
{
	put_bytes(w, CONVERT_PARK, 2, NULL, 0);
}

void convert_put_orig_source(struct convert_writer *w, const struct mpgate_addr *src, __be16 port)
{
	uint8_t *v = put_tlv(w, CONVERT_ORIG_SOURCE, CONVERT_CONNECT_LEN - TLV_HEAD);

	if (v)
		put_endpoint(v, src, port);
}

void convert_put_flow_attrs(struct convert_writer *w, uint8_t dscp, uint8_t flags)
{
	const uint8_t attrs[] = { dscp, flags };

	put_bytes(w, CONVERT_FLOW_ATTRS, 0, attrs, sizeof(attrs));
}

void convert_put_cookie(struct convert_writer *w, const void *cookie, size_t len)
{
	put_bytes(w, CONVERT_COOKIE, 2, cookie, len);
}

void convert_put_extensions(struct convert_writer *w, const uint8_t *kinds, size_t count)
{
	put_bytes(w, CONVERT_EXTENSIONS, 2, kinds, count);
}

void convert_put_ext_tcp_header(struct convert_writer *w, const void *options, size_t len)
{
	put_bytes(w, CONVERT_EXT_TCP_HEADER, 2, options, len);
}

void convert_put_error(struct convert_writer *w, uint8_t code, const void *value, size_t len)
{
	uint8_t *v = put_tlv(w, CONVERT_ERROR, 1 + len);

	if (!v)
		return;
	v[0] = code;
	if (len)
		memcpy(v + 1, value, len);
}

void convert_put_clock(struct convert_writer *w, const uint8_t clock[CONVERT_CLOCK_LEN])
{
	put_bytes(w, CONVERT_CLOCK, 2, clock, CONVERT_CLOCK_LEN);
}

void convert_put_joins(struct convert_writer *w)
{
	put_bytes(w, CONVERT_JOINS, 2, NULL, 0);
}

int convert_end(struct convert_writer *w)
{
	if (w->overflow)
		return -EMSGSIZE;
	w->buf[0] = CONVERT_VERSION;
	w->buf[1] = w->len / WORD;
	w->buf[2] = CONVERT_MAGIC >> 8;
	w->buf[3] = CONVERT_MAGIC & 0xff;
	return w->len;
}

const char *convert_error_name(uint8_t code)
{
	switch (code) {
	case CONVERT_E_VERSION:
		return "unsupported version";
	case CONVERT_E_MALFORMED:
		return "malformed message";
	case CONVERT_E_UNSUPPORTED:
		return "unsupported message";
	case CONVERT_E_NO_COOKIE:
		return "missing cookie";
	case CONVERT_E_NOT_AUTHORIZED:
		return "not authorized";
	case CONVERT_E_TCP_OPTION:
		return "unsupported TCP option";
	case CONVERT_E_RESOURCE:
		return "resource exceeded";
	case CONVERT_E_NETWORK:
		return "network failure";
	case CONVERT_E_RESET:
		return "connection reset by the server";
	case CONVERT_E_UNREACHABLE:
		return "destination unreachable";
	default:
		return "unknown error";
	}
}

uint8_t convert_error_detail(const struct convert_msg *m)
{
	return m->error_value.len ? m->error_value.data[0] : 0;
}

const char *convert_error_text(uint8_t code, uint8_t refusal)
{
	if (code != CONVERT_E_NOT_AUTHORIZED)
		return convert_error_name(code);
	switch (refusal) {
	case CONVERT_REFUSED_DESTINATION:
		return "not authorized: it does not let us go to that server (its allow-to or accept-to)";
	case CONVERT_REFUSED_SOURCE:
		return "not authorized: it does not let us speak as that client (its allow-source)";
	case CONVERT_REFUSED_SELF:
		return "not authorized: it has our machine-id and name";
	case CONVERT_REFUSED_CLOCK:
		return "not authorized: its clock differs from ours";
	default:
		return "not authorized: it has another key";
	}
}
