/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links without an Ethernet header: a TUN device, whose other end is this process. */
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "live.h"
#include "program_test.h"
#include "variants.h"

static struct test_policy policy;
static struct mpgate_settings settings = { .loaded = 1, .backlog = 64, .accept = MPGATE_ACCEPT_KEYED };
static __u32 link_id;
static int tun, listener[2];

/* The kernel handles a written packet before write() returns or soon after: waits until the reason is counted. */
static void expect_counted(const struct packet *p, enum mpgate_reason reason)
{
	__u64 before[MPGATE_REASON_COUNT], now[MPGATE_REASON_COUNT];
	struct frame f;
	int left = LIVE_DEADLINE_MS;

	build(&f, p);
	dp_counters(skel, before);
	CU_ASSERT_EQUAL(write(tun, f.bytes + f.ip, f.len - f.ip), (ssize_t)(f.len - f.ip));
	do {
		dp_counters(skel, now);
	} while (now[reason] == before[reason] && !poll(NULL, 0, 1) && --left);
	CU_ASSERT_EQUAL(now[reason], before[reason] + 1);
}

/* Reads from the device until a TCP packet with these flags comes. */
static bool wait_for(int family, __u8 flags, struct frame *f)
{
	struct pollfd wait = { .fd = tun, .events = POLLIN };
	int version = family == 4 ? 4 : 6;

	while (poll(&wait, 1, LIVE_DEADLINE_MS) == 1) {
		ssize_t n = read(tun, f->bytes, sizeof(f->bytes));

		f->ip = 0;
		f->tcp = family == 4 ? 20 : 40;
		f->len = n;
		if (n >= (ssize_t)f->tcp + 20 && f->bytes[0] >> 4 == version && (f->bytes[f->tcp + 13] & 0x3f) == flags)
			return true;
	}
	return false;
}

static void a_syn_is_steered(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .family = family };
		struct frame f;

		expect_counted(&p, MPGATE_R_STEERED);
		CU_ASSERT(wait_for(family, FLAG_SYN | FLAG_ACK, &f));
		p.proto = IPPROTO_UDP;
		expect_counted(&p, MPGATE_R_OTHER);
	}
}

/* All but those with an Ethernet header's tags, each from a port of its own. */
static void every_header_variant(bool guard)
{
	__u16 sport = guard ? 40000 : 30000;

	EACH_FAMILY(family)
	{
		for (size_t i = 0; i < VARIANTS; i++) {
			struct packet p = variants[i];

			if (p.vlans)
				continue;
			p.family = family;
			p.sport = sport++;
			if (guard) {
				p.dport = 8803;
				p.data = "noise";
				p.data_len = 5;
			}
			expect_counted(&p, guard ? MPGATE_R_GUARD_MALFORMED : MPGATE_R_STEERED);
			if (guard) /* fragments are none of its business */
				continue;
			p.fragment = true;
			expect_counted(&p, MPGATE_R_FRAGMENT);
			p.fragment = false;
			p.offset = 5;
			expect_counted(&p, MPGATE_R_FRAGMENT);
		}
	}
}

static void every_header_variant_is_steered(void)
{
	every_header_variant(false);
}

static void a_reject_comes_back(void)
{
	dp_peer(skel, 4, 0);
	EACH_FAMILY(family)
	{
		struct packet p = { .family = family, .sport = CLIENT_PORT + 1, .data = "early", .data_len = 5 };
		struct frame f;

		expect_counted(&p, MPGATE_R_PEER_DOWN_REJECT);
		CU_ASSERT_FATAL(wait_for(family, FLAG_RST | FLAG_ACK, &f));
		CU_ASSERT_EQUAL(tcp_sum(&f, family), 0);
	}
	dp_peer(skel, 4, 1);
}

static void guard_checks_too(void)
{
	live_attach(skel->progs.guard_tc_l3, link_id);
	every_header_variant(true);
}

static void setup(void)
{
	struct ifreq request = { .ifr_name = "mpg-tun", .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct mpgate_listener worker = { .alive = 1 };
	__u32 zero = 0;

	live_open();
	sh("[ -e /dev/net/tun ] || modprobe tun"); /* nothing else loads it where no udev runs */
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &request))
		err(1, "TUN");
	sh("ip link set mpg-tun up && ip route add " CLIENT4 "/32 dev mpg-tun && ip route add " CLIENT6
	   "/128 dev mpg-tun");
	sh("echo 0 >/proc/sys/net/ipv4/conf/mpg-tun/rp_filter");
	link_id = if_nametoindex("mpg-tun");
	skel = dp_open();
	settings.convert_port[0] = htons(8803);
	dp_settings(skel, &settings);
	dp_local(skel, 4, SERVER4);
	dp_local(skel, 6, SERVER6);
	policy_make(skel, &policy, 0, 10, link_id, MPGATE_RULE_REJECT);
	dp_peer(skel, 4, 1);
	worker.port = listen_both(listener);
	map_set(skel->maps.listeners, &zero, &worker);
	live_attach(skel->progs.steer_l3, link_id);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a syn is steered", a_syn_is_steered },
		{ "every header variant is steered", every_header_variant_is_steered },
		{ "a reject comes back", a_reject_comes_back },
		{ "guard checks too", guard_checks_too },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("l3", tests);
}
