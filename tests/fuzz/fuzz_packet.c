/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet parser of the BPF programs against a second one, written here from the RFCs with nothing but offsets and a
 * length. Byte 0 of the input chooses Ethernet or raw IP. Both must agree on the result and, for TCP, on every field.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALIGN_IP 2 /* bytes before an Ethernet header, as in the kernel: the IP header is then aligned */

struct view {
	enum parse_result result;
	unsigned family, dscp, flags, tcp_len, ip_off, tcp_off, payload, sport, dport, vlan;
	const uint8_t *saddr, *daddr;
};

static unsigned be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void view_tcp(const uint8_t *p, size_t size, size_t off, int announced, struct view *v)
{
	if (off + 20 > size) {
		v->result = PARSE_SHORT;
		return;
	}
	v->tcp_off = off;
	v->tcp_len = (p[off + 12] >> 4) * 4;
	v->flags = p[off + 13];
	v->sport = be16(p + off);
	v->dport = be16(p + off + 2);
	v->result = PARSE_TCP;
	if (v->tcp_len < 20 || (announced >= 0 && (unsigned)announced < v->tcp_len))
		v->result = PARSE_BAD;
	v->payload = announced >= 0 ? announced - v->tcp_len : 0;
}

static void view_ipv4(const uint8_t *p, size_t size, size_t off, struct view *v)
{
	unsigned header, total;

	v->result = PARSE_SHORT;
	if (off + 20 > size)
		return;
	v->result = PARSE_OTHER;
	header = (p[off] & 15) * 4;
	if (p[off + 9] == 1 && !(be16(p + off + 6) & 0x3fff)) {
		v->family = 4;
		v->ip_off = off;
		v->tcp_off = off + header;
		v->result = PARSE_ICMP;
	}
	if (p[off + 9] != 6)
		return;
	total = be16(p + off + 2);
	v->result = PARSE_BAD;
	if (p[off] >> 4 != 4 || header < 20)
		return;
	v->family = 4;
	v->result = PARSE_FRAGMENTED;
	if (be16(p + off + 6) & 0x3fff) {
		v->tcp_off = be16(p + off + 6) & 0x1fff ? 0 : off + header;
		return;
	}
	v->result = PARSE_BAD;
	if (total != 0 && total < header + 20)
		return;
	v->ip_off = off;
	v->dscp = p[off + 1] / 4;
	v->saddr = p + off + 12;
	v->daddr = p + off + 16;
	view_tcp(p, size, off + header, total ? (int)(total - header) : -1, v);
}

static void view_ipv6(const uint8_t *p, size_t size, size_t off, struct view *v)
{
	size_t at = off + 40;
	unsigned next, total, headers = 0;

	v->result = PARSE_SHORT;
	if (at > size)
		return;
	v->family = 6;
	next = p[off + 6];
	total = be16(p + off + 4);
	while (next == 0 || next == 43 || next == 60 || next == 44) {
		v->result = PARSE_LONG;
		if (headers++ == 6)
			return;
		v->result = PARSE_FRAGMENTED;
		if (next == 44) {
			if (at + 8 > size)
				v->tcp_off = PARSE_BEHIND;
			else if (be16(p + at + 2) & 0xfff8)
				v->tcp_off = 0;
			else if (p[at] == 6)
				v->tcp_off = at + 8;
			else if (p[at] == 0 || p[at] == 43 || p[at] == 60 || p[at] == 44)
				v->tcp_off = PARSE_BEHIND;
			return;
		}
		v->result = PARSE_SHORT;
		if (at + 8 > size)
			return;
		v->result = PARSE_OTHER;
		if (next == 43 && p[at + 3])
			return;
		next = p[at];
		at += (p[at + 1] + 1) * 8;
	}
	v->result = PARSE_OTHER;
	if (next == 58 && !headers) {
		v->family = 6;
		v->ip_off = off;
		v->tcp_off = at;
		v->result = PARSE_ICMP;
	}
	if (next != 6)
		return;
	v->result = PARSE_BAD;
	if (p[off] >> 4 != 6 || (total != 0 && total < at - off - 40 + 20))
		return;
	v->ip_off = off;
	v->dscp = (be16(p + off) >> 6) & 0x3f;
	v->saddr = p + off + 8;
	v->daddr = p + off + 24;
	view_tcp(p, size, at, total ? (int)(total - (at - off - 40)) : -1, v);
}

static void view_frame(const uint8_t *p, size_t size, bool l3, struct view *v)
{
	size_t off = l3 ? 0 : 14;
	unsigned type;

	v->result = PARSE_SHORT;
	if (size < off || size == 0)
		return;
	if (l3) {
		type = p[0] >> 4 == 4 ? 0x0800 : p[0] >> 4 == 6 ? 0x86dd : 0;
	} else {
		type = be16(p + 12);
		for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++) {
			if (size < off + 4)
				return;
			v->vlan |= be16(p + off) & 0xfff;
			type = be16(p + off + 2);
			off += 4;
		}
	}
	v->result = PARSE_OTHER;
	if (type == 0x0800)
		view_ipv4(p, size, off, v);
	else if (type == 0x86dd)
		view_ipv6(p, size, off, v);
}

static void check(bool same)
{
	if (!same)
		abort();
}

/* What follows kind and length of the first option of that kind, or -1. By plain steps over a list of options. */
static int view_option(const uint8_t *p, unsigned len, uint8_t kind)
{
	unsigned at = 0;

	while (at + 2 < len) {
		if (p[at] == 0)
			return -1;
		if (p[at] == 1) {
			at++;
			continue;
		}
		if (p[at + 1] < 2)
			return -1;
		if (p[at] == kind)
			return p[at + 2];
		at += p[at + 1];
	}
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_options options = { 0 };
	struct segment seg;
	struct view v;
	uint8_t *buf, *copy;
	bool l3;

	if (size < 1)
		return 0;
	l3 = data[0] & 1;
	size--;
	buf = malloc((l3 ? 0 : ALIGN_IP) + size ?: 1); /* ends where the packet ends, so that a read past it is seen */
	copy = buf + (l3 ? 0 : ALIGN_IP);
	memcpy(copy, data + 1, size);
	memset(&v, 0, sizeof(v));
	view_frame(copy, size, l3, &v);
	check(parse_frame(copy, copy + size, l3, &seg) == v.result);
	if (v.result == PARSE_ICMP)
		check(seg.family == v.family && seg.vlan == v.vlan && seg.ip_off == v.ip_off &&
		      seg.tcp_off == v.tcp_off);
	check(seg.family == v.family);
	check(v.result != PARSE_FRAGMENTED || seg.tcp_off == v.tcp_off);
	if (v.result == PARSE_TCP) {
		const void *saddr = v.family == 4 ? (void *)&seg.tuple.ipv4.saddr : (void *)seg.tuple.ipv6.saddr;
		const void *daddr = v.family == 4 ? (void *)&seg.tuple.ipv4.daddr : (void *)seg.tuple.ipv6.daddr;
		unsigned len = v.tcp_len - 20;
		int mptcp;

		check(seg.family == v.family && seg.dscp == v.dscp && seg.flags == v.flags && seg.tcp_len == v.tcp_len);
		check(seg.vlan == v.vlan);
		check(seg.ip_off == v.ip_off && seg.tcp_off == v.tcp_off && seg.payload == v.payload);
		check(!memcmp(saddr, v.saddr, v.family == 4 ? 4 : 16) &&
		      !memcmp(daddr, v.daddr, v.family == 4 ? 4 : 16));
		check(ntohs(v.family == 4 ? seg.tuple.ipv4.sport : seg.tuple.ipv6.sport) == v.sport);
		check(ntohs(v.family == 4 ? seg.tuple.ipv4.dport : seg.tuple.ipv6.dport) == v.dport);
		if (v.tcp_off + v.tcp_len <= size) {
			memcpy(options.bytes, copy + v.tcp_off + 20, len);
			mptcp = view_option(options.bytes, len, 30);
			check(tcp_mptcp_subtype(&options, len) == (mptcp < 0 ? -1 : mptcp / 16));
			check(tcp_option_first(&options, len, 3) == view_option(options.bytes, len, 3));
		}
	}
	free(buf);
	return 0;
}
