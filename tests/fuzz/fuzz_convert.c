// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The Convert parser: every input as a client and as a converter would read
 * it, with and without the private TLVs. What is accepted must lie inside the
 * input, mean the same when written again, and need its last byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/convert.h>
#include <lib/keys.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const struct convert_bytes *b, const uint8_t *data, size_t len)
{
	CHECK(!b->data || (b->data >= data && b->data + b->len <= data + len));
}

static bool same_bytes(const struct convert_bytes *a, const struct convert_bytes *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static void walk_options(const struct convert_bytes *options)
{
	struct convert_bytes value;
	size_t at = 0, before;
	uint8_t kind;
	int r;

	do {
		before = at;
		r = convert_options_next(options, &at, &kind, &value);
		if (r == 1) {
			CHECK(at > before && at <= options->len);
			CHECK(kind > 3 && kind != 5);
			check_inside(&value, options->data, options->len);
		}
	} while (r == 1);
	CHECK(r == 0 ? at == options->len : at == before);
}

static void check_cookie(const struct convert_msg *m)
{
	const struct subkey key = { .k0 = 1, .k1 = 2, .id = 3, .end = 4 };
	const uint8_t nonce[8] = { 5 };
	const struct mpgate_addr client = { { 0 } };
	uint32_t id;

	CHECK(!cookie_key_id(&m->cookie, &id) ||
	      cookie_check(&key, 0, 30, &m->cookie, &m->connect_tlv, &m->source_tlv) == -EKEYREJECTED);
	CHECK(cookie_check(&key, 0, 30, &m->cookie, &m->connect_tlv, &m->source_tlv));
	CHECK(clock_check(&key, 0, nonce, &m->clock, &id));
	CHECK(issued_check(&key, 0, &client, &m->cookie));
}

static int write_again(const struct convert_msg *m, uint8_t buf[CONVERT_MAX_LEN])
{
	struct convert_writer w;

	convert_begin(&w, buf, CONVERT_MAX_LEN);
	if (m->has & CONVERT_HAS_INFO)
		convert_put_info(&w);
	if (m->has & CONVERT_HAS_PARK)
		convert_put_park(&w);
	if (m->has & CONVERT_HAS_CONNECT)
		convert_put_connect(&w, &m->dst, m->dst_port, &m->tcp_options);
	if (m->has & CONVERT_HAS_ORIG_SOURCE)
		convert_put_orig_source(&w, &m->src, m->src_port);
	if (m->has & CONVERT_HAS_FLOW_ATTRS)
		convert_put_flow_attrs(&w, m->dscp, m->attr_flags);
	if (m->has & CONVERT_HAS_COOKIE)
		convert_put_cookie(&w, m->cookie.data, m->cookie.len);
	if (m->has & CONVERT_HAS_EXTENSIONS)
		convert_put_extensions(&w, m->extensions.data, m->extensions.len);
	if (m->has & CONVERT_HAS_EXT_TCP_HEADER)
		convert_put_ext_tcp_header(&w, m->ext_tcp_header.data, m->ext_tcp_header.len);
	if (m->has & CONVERT_HAS_ERROR)
		convert_put_error(&w, m->error, m->error_value.data, m->error_value.len);
	if (m->has & CONVERT_HAS_CLOCK)
		convert_put_clock(&w, m->clock.data);
	if (m->has & CONVERT_HAS_JOINS)
		convert_put_joins(&w);
	return convert_end(&w);
}

static void check_same(const struct convert_msg *a, const struct convert_msg *b)
{
	CHECK(a->has == b->has);
	CHECK(memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0 && a->dst_port == b->dst_port);
	CHECK(memcmp(&a->src, &b->src, sizeof(a->src)) == 0 && a->src_port == b->src_port);
	CHECK(a->dscp == b->dscp && a->attr_flags == b->attr_flags && a->error == b->error);
	CHECK(same_bytes(&a->tcp_options, &b->tcp_options));
	/* Of Park, reserved bytes: they are not looked at, and written as zero. */
	CHECK(a->has & CONVERT_HAS_PARK || same_bytes(&a->connect_tlv, &b->connect_tlv));
	CHECK(same_bytes(&a->source_tlv, &b->source_tlv));
	CHECK(same_bytes(&a->cookie, &b->cookie));
	CHECK(same_bytes(&a->extensions, &b->extensions));
	CHECK(same_bytes(&a->ext_tcp_header, &b->ext_tcp_header));
	CHECK(same_bytes(&a->error_value, &b->error_value));
	CHECK(same_bytes(&a->clock, &b->clock));
}

static void check_message(enum convert_side side, bool private_tlvs, const uint8_t *data, size_t size,
			  const struct convert_msg *m)
{
	uint8_t buf[CONVERT_MAX_LEN];
	struct convert_fault fault;
	struct convert_msg again;
	int len;

	CHECK(m->len >= CONVERT_HEADER_LEN && m->len <= CONVERT_MAX_LEN && m->len <= size && m->len % 4 == 0);
	check_inside(&m->tcp_options, data, m->len);
	check_inside(&m->connect_tlv, data, m->len);
	check_inside(&m->source_tlv, data, m->len);
	check_inside(&m->ext_tcp_header, data, m->len);
	check_inside(&m->extensions, data, m->len);
	check_inside(&m->cookie, data, m->len);
	check_inside(&m->error_value, data, m->len);
	check_inside(&m->clock, data, m->len);
	walk_options(&m->tcp_options);
	walk_options(&m->ext_tcp_header);
	check_cookie(m);
	CHECK(convert_parse(side, private_tlvs, data, m->len - 1, &again, &fault) == CONVERT_MORE);
	len = write_again(m, buf);
	CHECK(len > 0 && (size_t)len <= m->len);
	CHECK(convert_parse(side, private_tlvs, buf, len, &again, &fault) == CONVERT_OK);
	check_same(m, &again);
}

/* The answer to a fault is a message that a client takes. */
static void check_fault(const struct convert_fault *fault)
{
	uint8_t buf[CONVERT_MAX_LEN];
	struct convert_writer w;
	struct convert_msg m;
	int len;

	convert_begin(&w, buf, sizeof(buf));
	convert_put_error(&w, fault->code, fault->value, fault->value_len);
	len = convert_end(&w);
	CHECK(len > 0);
	CHECK(convert_parse(CONVERT_CLIENT, false, buf, len, &m, NULL) == CONVERT_OK);
	CHECK(m.has == CONVERT_HAS_ERROR && m.error == fault->code);
}

static void check_side(enum convert_side side, bool private_tlvs, const uint8_t *data, size_t size)
{
	struct convert_fault fault;
	struct convert_msg m;

	switch (convert_parse(side, private_tlvs, data, size, &m, &fault)) {
	case CONVERT_OK:
		check_message(side, private_tlvs, data, size, &m);
		break;
	case CONVERT_MORE:
		CHECK(size < CONVERT_MAX_LEN);
		CHECK(convert_parse(side, private_tlvs, data, size / 2, &m, &fault) == CONVERT_MORE);
		break;
	case CONVERT_RESET:
		break;
	case CONVERT_FAULT:
		CHECK(side == CONVERT_CONVERTER);
		check_fault(&fault);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (unsigned i = 0; i < 4; i++)
		check_side(i & 1 ? CONVERT_CLIENT : CONVERT_CONVERTER, i & 2, data, size);
	return 0;
}
