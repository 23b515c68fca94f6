/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP errors: those that quote a packet of a connection of this machine are marked, all others pass as they are. */
#include "program_test.h"

#define DATA_LEN 64

static __u32 link_id;
static int listener[2], ends[2][2]; /* of a connection over loopback, by family */
static __u16 our_port[2], other_port[2]; /* our end is the accepted one */

/* An error as a hop sends it, about a packet that our end sent to the other one. */
struct error {
	const char *name;
	__u8 type; /* 0: packet too big */
	__u8 proto; /* of the quoted packet; 0: TCP */
	__u16 fragment; /* its flags and offset */
	int options; /* words of IPv4 options in it */
	__u16 other; /* another port of the other end */
	int truncate; /* bytes left of the quote, 0: all */
	__u8 version; /* of IP in it; 0: the right one */
	int outer_options; /* words of IPv4 options of the error itself */
	__u16 outer_fragment;
};

static const char *our_address(int family)
{
	return family == 4 ? "127.0.0.1" : "::1";
}

static const char *other_address(int family)
{
	return family == 4 ? "127.0.0.9" : "fd77::1";
}

/* The quoted packet, built as one that comes in, then cut out of its frame. */
static int quote(const struct error *e, int family, __u8 *out)
{
	struct packet p = { .family = family,
			    .src = our_address(family),
			    .dst = other_address(family),
			    .flags = FLAG_ACK,
			    .proto = e->proto,
			    .ip_options = family == 4 ? e->options : 0,
			    .sport = our_port[family == 6],
			    .dport = e->other ?: other_port[family == 6] };
	struct frame f;
	int len;

	build(&f, &p);
	if (family == 4) {
		f.bytes[f.ip + 6] = e->fragment >> 8;
		f.bytes[f.ip + 7] = e->fragment;
	}
	if (e->version)
		f.bytes[f.ip] = e->version << 4 | (f.bytes[f.ip] & 15);
	len = e->truncate ?: (int)(f.tcp - f.ip + 8); /* what RFC 792 wants at least */
	memcpy(out, f.bytes + f.ip, len);
	return len;
}

static void build_error(struct frame *f, const struct error *e, int family)
{
	static const __u8 too_big[2][2] = { { 3, 4 }, { 2, 0 } };
	struct packet p = { .family = family,
			    .proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
			    .src = family == 4 ? "10.77.0.9" : "fd77::9",
			    .dst = family == 4 ? SERVER4 : SERVER6,
			    .ip_options = e->outer_options };
	__u8 icmp[8 + DATA_LEN] = { e->type ?: too_big[family == 6][0], e->type ? 0 : too_big[family == 6][1] };
	int len = 8 + quote(e, family, icmp + 8);

	build(f, &p);
	if (e->outer_fragment) {
		f->bytes[f->ip + 6] = e->outer_fragment >> 8;
		f->bytes[f->ip + 7] = e->outer_fragment;
	}
	memcpy(f->bytes + f->tcp, icmp, len);
	f->len = f->tcp + len;
}

static void expect(const struct error *e, int family, enum mpgate_reason want)
{
	struct frame f;
	struct run r;

	build_error(&f, e, family);
	dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
	if (r.reason != (int)want)
		printf("\n    %s, IPv%d: %s", e->name, family, reason_name(r.reason));
	CU_ASSERT_EQUAL(r.reason, (int)want);
	CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
	CU_ASSERT_EQUAL(r.mark, want == MPGATE_R_ICMP_ERROR ? 0x6d705678 : 0x5678);
	CU_ASSERT_EQUAL(memcmp(r.out.bytes, f.bytes, f.len), 0);
}

static void errors_about_our_connections_are_marked(void)
{
	static const struct {
		struct error e;
		int family; /* 0: both */
	} cases[] = {
		{ { .name = "packet too big" }, 0 },
		{ { .name = "unreachable", .type = 3 }, 4 },
		{ { .name = "time exceeded", .type = 11 }, 4 },
		{ { .name = "parameter problem", .type = 12 }, 4 },
		{ { .name = "unreachable", .type = 1 }, 6 },
		{ { .name = "time exceeded", .type = 3 }, 6 },
		{ { .name = "parameter problem", .type = 4 }, 6 },
		{ { .name = "options", .options = 4 }, 4 },
		{ { .name = "options of its own", .outer_options = 2 }, 4 },
		{ { .name = "do not fragment it", .outer_fragment = 0x4000 }, 4 },
		{ { .name = "do not fragment", .fragment = 0x4000 }, 4 },
		{ { .name = "first fragment", .fragment = 0x2000 }, 4 },
	};

	EACH_FAMILY(family)
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (!cases[i].family || cases[i].family == family)
			expect(&cases[i].e, family, MPGATE_R_ICMP_ERROR);
}

static void others_pass(void)
{
	static const struct {
		struct error e;
		int family;
	} cases[] = {
		{ { .name = "echo request", .type = 8 }, 4 },
		{ { .name = "redirect", .type = 5 }, 4 },
		{ { .name = "echo request", .type = 128 }, 6 },
		{ { .name = "neighbour solicitation", .type = 135 }, 6 },
		{ { .name = "about UDP", .proto = IPPROTO_UDP }, 0 },
		{ { .name = "later fragment", .fragment = 1 }, 4 },
		{ { .name = "another connection: only the listener is found", .other = 1 }, 0 },
		{ { .name = "cut before the ports", .truncate = 20 }, 4 },
		{ { .name = "cut in the header", .truncate = 19 }, 4 },
		{ { .name = "cut before the ports", .truncate = 40 }, 6 },
		{ { .name = "in fragments", .outer_fragment = 0x2000 }, 4 },
		{ { .name = "about no IPv4", .version = 6 }, 4 },
		{ { .name = "about no IPv6", .version = 4 }, 6 },
	};

	EACH_FAMILY(family)
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (!cases[i].family || cases[i].family == family)
			expect(&cases[i].e, family, MPGATE_R_OTHER);
}

static void connect_pair(int family)
{
	struct sockaddr_in6 a = {}, b = {};
	socklen_t len = sizeof(a);
	int i = family == 6;

	if (getsockname(listener[i], (void *)&a, &len))
		err(1, "listener");
	b.sin6_family = a.sin6_family;
	inet_pton(a.sin6_family, other_address(family),
		  family == 4 ? (void *)&((struct sockaddr_in *)&b)->sin_addr : &b.sin6_addr);
	ends[i][0] = socket(a.sin6_family, SOCK_STREAM, 0);
	if (ends[i][0] < 0 || bind(ends[i][0], (void *)&b, len) || connect(ends[i][0], (void *)&a, len) ||
	    getsockname(ends[i][0], (void *)&b, &len))
		err(1, "connection");
	ends[i][1] = accept(listener[i], NULL, NULL);
	if (ends[i][1] < 0)
		err(1, "connection");
	our_port[i] = ntohs(a.sin6_port);
	other_port[i] = ntohs(b.sin6_port);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "errors about our connections are marked", errors_about_our_connections_are_marked },
		{ "others pass", others_pass },
		CU_TEST_INFO_NULL,
	};

	link_id = net_open();
	skel = dp_open();
	dp_settings(skel, &(struct mpgate_settings){ .loaded = 0 });
	listen_both(listener);
	connect_pair(4);
	connect_pair(6);
	return run_tests("icmp", tests);
}
