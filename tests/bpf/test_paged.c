/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets whose headers are not in one piece: wherever the linear part ends, steer and guard see what is behind it. */
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "guard_test.h"
#include "live.h"

#define MTU 9000
#define EXTRA 4096 /* the kernel splits no packet that fits a page */

static struct test_policy policy;
static __u32 link_id;
static int listener[2];

/* Sends the frame with so much data behind it, and its first bytes only in the linear part. */
static void send_split(struct frame *f, int family, __u32 linear)
{
	static const __u8 data[EXTRA];
	static struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	static int fd = -1;
	struct virtio_net_hdr split = { .hdr_len = linear };
	struct iovec parts[] = { { &split, sizeof(split) }, { f->bytes, f->len }, { (void *)data, EXTRA } };
	struct msghdr msg = { &to, sizeof(to), parts, 3, NULL, 0, 0 };
	__u32 at = f->ip + (family == 4 ? 2 : 4), announced = f->len - f->ip - (family == 4 ? 0 : 40) + EXTRA;
	int one = 1;

	if (fd < 0) {
		live_enter(live_client_ns);
		fd = socket(AF_PACKET, SOCK_RAW, 0);
		to.sll_ifindex = (int)if_nametoindex("mpg-far");
		live_enter(live_gateway_ns);
		if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)))
			err(1, "packet socket");
	}
	f->bytes[at] = announced >> 8;
	f->bytes[at + 1] = announced;
	if (sendmsg(fd, &msg, 0) != (ssize_t)(sizeof(split) + f->len + EXTRA))
		err(1, "frame");
}

/* The kernel may handle it a little later. */
static void expect_counted(const char *what, struct frame *f, int family, __u32 linear, enum mpgate_reason reason)
{
	__u64 before = counted(reason);
	int left = LIVE_DEADLINE_MS;

	send_split(f, family, linear);
	while (counted(reason) == before && --left)
		poll(NULL, 0, 1);
	if (counted(reason) != before + 1)
		printf("\n    %s, IPv%d, %u bytes", what, family, linear);
	CU_ASSERT_EQUAL_FATAL(counted(reason), before + 1);
}

static void steer_sees_all_headers(void)
{
	__u16 sport = 1000;

	live_attach(skel->progs.steer, link_id);
	EACH_FAMILY(family)
	{
		struct packet p = { .family = family, .ip_options = 4 };
		struct frame f;

		build(&f, &p);
		for (__u32 linear = ETH_HLEN; linear <= f.tcp + 20; linear++) {
			p.sport = sport++;
			build(&f, &p);
			expect_counted("SYN", &f, family, linear, MPGATE_R_STEERED);
		}
	}
}

static void guard_sees_all_headers(void)
{
	live_attach(skel->progs.guard_tc, link_id);
	EACH_FAMILY(family)
	{
		for (int forge = 0; forge < 2; forge++) {
			struct message m;
			struct packet p = syn(family, &m);
			struct frame f;

			message_make(&m, CONNECT | COOKIE, 0, KEY_ID, forge);
			p.data_len = m.len;
			p.ip_options = 1;
			build(&f, &p);
			for (__u32 linear = ETH_HLEN; linear <= f.len; linear++) {
				build(&f, &p);
				expect_counted("SYN", &f, family, linear,
					       forge ? MPGATE_R_GUARD_FORGED : MPGATE_R_GUARD_PASS);
			}
			p.fragment = true;
			for (__u32 linear = ETH_HLEN; linear <= f.tcp + 20; linear++) {
				build(&f, &p);
				expect_counted("first fragment", &f, family, linear, MPGATE_R_GUARD_HEADERS);
			}
		}
	}
}

/* What was seen at once is not looked at again. */
static void guard_judges_once(void)
{
	settings.accept = MPGATE_ACCEPT_OPEN;
	settings.unchecked_rate = 1;
	settings.unchecked_burst = 2;
	dp_settings(skel, &settings);
	EACH_FAMILY(family)
	{
		struct message m;
		struct packet p = syn(family, &m);
		struct frame f;

		message_make(&m, CONNECT, 0, KEY_ID, false);
		p.data_len = m.len;
		p.src = family == 4 ? "10.77.0.99" : "fd77:0:0:99::1"; /* has proved no key */
		for (int i = 0; i < 3; i++) {
			build(&f, &p);
			expect_counted("SYN", &f, family, f.len,
				       i < 2 ? MPGATE_R_GUARD_UNCHECKED : MPGATE_R_GUARD_RATE);
		}
	}
}

static void prepare(void)
{
	struct mpgate_listener worker = { .alive = 1 };
	__u32 zero = 0;

	link_id = live_open();
	sh("ip link set " TEST_LINK " mtu %d", MTU);
	live_enter(live_client_ns);
	sh("ip link set mpg-far mtu %d", MTU);
	live_enter(live_gateway_ns);
	settings.loaded = 1;
	settings.backlog = 64;
	data_plane_open();
	policy_make(skel, &policy, 0, 10, link_id, 0);
	dp_peer(skel, 4, 1);
	worker.port = listen_both(listener);
	map_set(skel->maps.listeners, &zero, &worker);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "steer sees all headers", steer_sees_all_headers },
		{ "guard sees all headers", guard_sees_all_headers },
		{ "guard judges once", guard_judges_once },
		CU_TEST_INFO_NULL,
	};

	prepare();
	return run_tests("paged", tests);
}
