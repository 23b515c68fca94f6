/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guard makes of headers: those that it walks, those that hide something, and those of others. */
#include "guard_test.h"

/* A cookie, right or forged, is found behind any of them. */
static void header_variants_are_checked_too(void)
{
	EACH(family, xdp)
	{
		for (size_t i = 0; i < 2 * VARIANTS; i++) {
			bool forge = i % 2;
			struct packet p = variants[i / 2];
			struct message m;

			message_make(&m, CONNECT | COOKIE, 0, KEY_ID, forge);
			p.family = family;
			p.dst = ours(family);
			p.dport = (i / 2 + forge) % 2 ? PORT : OTHER_PORT;
			p.data = m.bytes;
			p.data_len = m.len;
			expect(p.name, guard(&p, xdp), forge ? MPGATE_R_GUARD_FORGED : MPGATE_R_GUARD_PASS);
			if (p.vlans) {
				p.vlan = 7; /* the VLAN device's business */
				expect("VLAN 7", guard(&p, xdp), -1);
			}
		}
	}
}

/* What hides the header of a SYN from guard does not get it past; what hides nothing passes. */
static void hidden_headers_are_dropped(void)
{
	EACH(family, xdp)
	{
		struct message m = {};
		struct packet p = syn(family, &m);
		struct packet chain = p;

		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
		p.data_len = chain.data_len = m.len;
		p.fragment = true;
		for (p.ip_options = 0; p.ip_options < 4; p.ip_options++)
			expect("first fragment", guard(&p, xdp), MPGATE_R_GUARD_HEADERS);
		p.flags = FLAG_ACK;
		expect("of a connection", guard(&p, xdp), -1);
		p.flags = FLAG_SYN | FLAG_ACK;
		expect("of an answer", guard(&p, xdp), -1);
		p.flags = FLAG_SYN;
		p.dport = OTHER_PORT;
		expect("first fragment, to the other port of Convert", guard(&p, xdp), MPGATE_R_GUARD_HEADERS);
		p.dport = 80;
		expect("to another port", guard(&p, xdp), -1);
		p.dport = PORT ^ 0x100;
		expect("to a port of half the number", guard(&p, xdp), -1);
		p.dport = PORT;
		p.dst = NULL;
		expect("for somebody else", guard(&p, xdp), -1);
		p.dst = ours(family);
		p.proto = IPPROTO_UDP;
		expect("of a datagram", guard(&p, xdp), -1);
		p.proto = 0;
		p.fragment = false;
		p.offset = 5;
		expect("last fragment", guard(&p, xdp), -1);
		p.fragment = true;
		expect("later fragment", guard(&p, xdp), -1);
		if (family == 4)
			continue;
		for (chain.ip_options = 7; chain.ip_options < 9; chain.ip_options++) {
			chain.dst = ours(family);
			expect("long chain", guard(&chain, xdp), MPGATE_R_GUARD_HEADERS);
			chain.dst = NULL;
			expect("long chain for somebody else", guard(&chain, xdp), -1);
		}
	}
}

/* Each bit of an offset: only what has none is the first fragment, in which a SYN is looked for. */
static void each_bit_of_an_offset_counts(void)
{
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);
		__u32 at;
		struct frame f;
		struct run r;

		p.fragment = true;
		build(&f, &p);
		at = family == 4 ? f.ip + 6 : f.tcp - 6;
		for (int bit = 0; bit < 16; bit++) {
			bool later = family == 4 ? bit < 13 : bit > 2;

			f.bytes[at] = (family == 4 ? 0x20 : 0) | 1 << bit >> 8;
			f.bytes[at + 1] = (family == 4 ? 0 : 1) | 1 << bit;
			dp_run(skel, xdp ? skel->progs.guard_xdp : skel->progs.guard_tc, &f, 0, xdp, &r);
			expect("offset", r.reason, later ? -1 : MPGATE_R_GUARD_HEADERS);
		}
		/* Cut off in the fragment header. */
		if (family == 4)
			continue;
		build(&f, &p);
		for (f.len = f.tcp - 8; f.len < f.tcp; f.len++) {
			dp_run(skel, xdp ? skel->progs.guard_xdp : skel->progs.guard_tc, &f, 0, xdp, &r);
			expect("cut off", r.reason, MPGATE_R_GUARD_HEADERS);
		}
	}
}

/* The smallest first fragment has the ports, but not the flags. */
static void small_fragments_are_dropped(void)
{
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);
		struct frame f;
		struct run r;

		p.fragment = true;
		p.flags = FLAG_ACK;
		build(&f, &p);
		f.len = f.tcp + 8;
		f.bytes[f.ip + (family == 4 ? 3 : 5)] -= 12; /* what its IP header announces */
		for (int other = 0; other < 2; other++) {
			f.bytes[f.tcp + 3] += other;
			dp_run(skel, xdp ? skel->progs.guard_xdp : skel->progs.guard_tc, &f, 0, xdp, &r);
			expect("eight bytes", r.reason, other ? -1 : MPGATE_R_GUARD_HEADERS);
		}
	}
}

/* An IPv6 fragment whose TCP header stands behind another header: that is not looked for. */
static void headers_behind_a_fragment_header_are_dropped(void)
{
	for (int xdp = 0; xdp < 2; xdp++) {
		for (int next = 0; next < 256; next++) {
			bool ext = next == 0 || next == 43 || next == 44 || next == 60;
			struct packet p = syn(6, NULL);
			struct frame f;
			struct run r;

			if (next == IPPROTO_TCP)
				continue;
			p.fragment = true;
			p.options = opt_join;
			p.options_len = sizeof(opt_join);
			build(&f, &p);
			f.bytes[f.ip + 40] = next;
			dp_run(skel, xdp ? skel->progs.guard_xdp : skel->progs.guard_tc, &f, 0, xdp, &r);
			expect("behind it", r.reason, ext ? MPGATE_R_GUARD_HEADERS : -1);
		}
	}
}

/* Which SYNs are judged is a matter of address and port. */
static void others_addresses_are_left_alone(void)
{
	EACH(family, xdp)
	{
		struct message m = {};
		struct packet p = syn(family, &m);

		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, true);
		p.data_len = m.len;
		expect("ours", guard(&p, xdp), MPGATE_R_GUARD_FORGED);
		p.dst = NULL;
		expect("somebody's", guard(&p, xdp), -1);
		p.data_len = 0;
		expect("somebody's, no data", guard(&p, xdp), -1);
		p.dst = ours(family);
		expect("ours, no data", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
	}
}

/* Cut off anywhere before its end, the message has no cookie that could be right, and no such packet is taken for one
 * that has. */
static void truncated_packets_get_no_pass(void)
{
	EACH(family, xdp)
	{
		struct message m;

		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
		struct packet p = syn(family, &m);
		struct frame whole;

		p.vlans = 1;
		p.ip_options = 1;
		build(&whole, &p); /* from the end of the IP header on it is known to be for us */
		for (p.truncate = ETH_HLEN; p.truncate < (int)whole.len - EARLY; p.truncate++)
			CU_ASSERT_NOT_EQUAL(guard(&p, xdp), MPGATE_R_GUARD_PASS);
	}
}

/* A packet that ends in its headers is dropped where it would be judged, and nowhere else. */
static void headers_that_end_early_are_dropped(void)
{
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);
		struct frame f;

		build(&f, &p);
		for (p.truncate = f.tcp; p.truncate < (int)f.tcp + 20; p.truncate++) {
			p.dst = ours(family);
			expect("ours", guard(&p, xdp), MPGATE_R_GUARD_HEADERS);
			p.dst = NULL;
			expect("somebody's", guard(&p, xdp), -1);
		}
		p.dst = ours(family);
		p.truncate = f.tcp - 1; /* no address can be seen; test runs of tc programs take no such frame */
		if (xdp)
			expect("no IP header", guard(&p, xdp), -1);
	}
}

/* A join carries no data: options that look like one hide nothing of what does. */
static void a_join_hides_nothing(void)
{
	EACH(family, xdp)
	{
		struct message m = {};
		struct packet p = syn(family, &m);

		p.options = opt_join;
		p.options_len = sizeof(opt_join);
		message_make(&m, CONNECT, 0, KEY_ID, false);
		p.data_len = m.len;
		expect("no cookie", guard(&p, xdp), MPGATE_R_GUARD_NO_COOKIE);
		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, true);
		p.data_len = m.len;
		expect("forged", guard(&p, xdp), MPGATE_R_GUARD_FORGED);
		m.bytes[2] = 'x';
		expect("no message", guard(&p, xdp), MPGATE_R_GUARD_MALFORMED);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "header variants are checked too", header_variants_are_checked_too },
		{ "hidden headers are dropped", hidden_headers_are_dropped },
		{ "each bit of an offset counts", each_bit_of_an_offset_counts },
		{ "small fragments are dropped", small_fragments_are_dropped },
		{ "headers behind a fragment header are dropped", headers_behind_a_fragment_header_are_dropped },
		{ "others' addresses are left alone", others_addresses_are_left_alone },
		{ "truncated packets get no pass", truncated_packets_get_no_pass },
		{ "headers that end early are dropped", headers_that_end_early_are_dropped },
		{ "a join hides nothing", a_join_hides_nothing },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("guard: headers", tests);
}
