/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the BPF programs cost, in ns a packet, by BPF_PROG_TEST_RUN. One line a case: NAME min median max, then the
 * differences to an empty program and the ratio that the design sets goals for. The cases take turns within each round,
 * so that a slow moment of the machine hits them alike.
 */
#include "../bpf/harness.h"

#include <linux/pkt_cls.h>
#include <time.h>

#include <mpgate/convert.h>
#include <mpgate/siphash.h>

#define ROUNDS 15
#define REPEAT 200000
#define PORT 8803

struct bench {
	const char *name;
	int fd, generation;
	int reason; /* that must be counted, so that the right thing is measured; -1: none */
	struct frame frame;
	double ns[ROUNDS];
};

static struct mpgate_bpf *skel;
static struct mpgate_settings settings = {
	.loaded = 1, .backlog = 64, .accept = MPGATE_ACCEPT_KEYED, .cookie_window = 60000
};
static __u32 link_id;

static int empty_program(enum bpf_prog_type type, int ret)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = ret },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, "empty", "GPL", insns, 2, NULL);

	if (fd < 0)
		err(1, "empty program");
	return fd;
}

static void run(struct bench *b, int round)
{
	struct __sk_buff skb = { .ifindex = link_id };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = b->frame.bytes, .data_size_in = b->frame.len, .repeat = REPEAT);

	if (b->generation >= 0) {
		o.ctx_in = &skb;
		o.ctx_size_in = sizeof(skb);
		settings.generation = b->generation;
	}
	dp_settings(skel, &settings);
	if (bpf_prog_test_run_opts(b->fd, &o))
		err(1, "%s", b->name);
	b->ns[round] = o.duration;
}

/* The kernel refuses bpf_sk_assign under BPF_PROG_TEST_RUN: what ends in a socket counts assign-failed here. */
static void check(struct bench *b, struct bpf_program *prog, bool xdp)
{
	struct run r;

	settings.generation = b->generation > 0;
	dp_settings(skel, &settings);
	dp_run(skel, prog, &b->frame, xdp ? 0 : link_id, xdp, &r);
	if (r.reason != b->reason)
		errx(1, "%s: %s", b->name, reason_name(r.reason));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct bench *b)
{
	qsort(b->ns, ROUNDS, sizeof(*b->ns), compare);
	return b->ns[ROUNDS / 2];
}

enum {
	TC_EMPTY,
	STEER_UDP,
	STEER_TCP,
	STEER_OUR_PORT,
	DIRECT_10,
	DIRECT_1000,
	PROXY_10,
	PROXY_1000,
	XDP_EMPTY,
	XDP_OTHER,
	XDP_UNSIGNED,
	XDP_FORGED,
	XDP_VALID,
	CASES
};

static struct bench cases[CASES] = {
	[TC_EMPTY] = { "tc_empty", .reason = -1 },
	[STEER_UDP] = { "steer_udp", .reason = MPGATE_R_OTHER },
	[STEER_TCP] = { "steer_tcp_not_ours", .reason = MPGATE_R_OTHER },
	[STEER_OUR_PORT] = { "steer_tcp_established", .reason = MPGATE_R_ESTABLISHED },
	[DIRECT_10] = { "syn_direct_10_rules", .reason = MPGATE_R_RULE_DIRECT, .generation = 0 },
	[DIRECT_1000] = { "syn_direct_1000_rules", .reason = MPGATE_R_RULE_DIRECT, .generation = 1 },
	[PROXY_10] = { "syn_steered_10_rules", .reason = MPGATE_R_ASSIGN_FAILED, .generation = 0 },
	[PROXY_1000] = { "syn_steered_1000_rules", .reason = MPGATE_R_ASSIGN_FAILED, .generation = 1 },
	[XDP_EMPTY] = { "xdp_empty", .reason = -1, .generation = -1 },
	[XDP_OTHER] = { "guard_not_convert", .reason = -1, .generation = -1 },
	[XDP_UNSIGNED] = { "guard_other_form", .reason = MPGATE_R_GUARD_FORGED, .generation = -1 },
	[XDP_FORGED] = { "guard_forged", .reason = MPGATE_R_GUARD_FORGED, .generation = -1 },
	[XDP_VALID] = { "guard_valid", .reason = MPGATE_R_GUARD_PASS, .generation = -1 },
};

/* The direct rule is made the last one, so that all words are looked at, as for the rule that proxies. */
static void policies(struct test_policy t[2])
{
	static const __u32 counts[] = { 10, 1000 };

	for (__u32 slot = 0; slot < 2; slot++) {
		__u32 last = counts[slot] - 2, port = 81, index;
		struct mpgate_bitmap b = {};

		policy_make(skel, &t[slot], slot, counts[slot], link_id, 0);
		b.rules[last / 64] = 1ULL << (last % 64);
		index = policy_bitmap(&t[slot], &b);
		fd_set_elem(t[slot].ports, &port, &index);
	}
}

/* A Convert message of a Connect TLV and a cookie, signed as the key of main() signs. */
static int convert_message(__u8 *out, __u32 form, bool forge)
{
	struct convert_cookie cookie = {
		.form = htonl(form), .key_id = htonl(1), .end = htonl(2), .timestamp = htonl(time(NULL))
	};
	struct siphash_tag tag;
	__u64 w[6] = {};
	struct siphash s;

	memcpy(out, (__u8[]){ 1, 17, 0x22, 0x63, CONVERT_CONNECT, CONVERT_CONNECT_WORDS, 0, 80 }, 8);
	memset(out + 8, 0x20, 16);
	memcpy(w, &cookie, CONVERT_COOKIE_SIGNED);
	memcpy((__u8 *)w + CONVERT_COOKIE_SIGNED, out + 4, 20);
	siphash_init(&s, 11, 22);
	for (int i = 0; i < 5; i++)
		siphash_word(&s, w[i]);
	siphash_final(&s, w[5], 44, &tag);
	memcpy(cookie.tag, &tag, 16);
	cookie.tag[0] ^= forge;
	memcpy(out + 24, (__u8[]){ CONVERT_COOKIE, CONVERT_COOKIE_WORDS, 0, 0 }, 4);
	memcpy(out + 28, &cookie, sizeof(cookie));
	return 68;
}

static void packets(void)
{
	static const __u8 options[20] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7 };
	struct packet syn = { .options = options, .options_len = sizeof(options) };
	struct packet other = { .flags = FLAG_ACK }, udp = { .proto = IPPROTO_UDP };
	int tc = bpf_program__fd(skel->progs.steer), xdp = bpf_program__fd(skel->progs.guard_xdp);
	__u8 message[128];

	build(&cases[STEER_UDP].frame, &udp);
	build(&cases[STEER_TCP].frame, &other);
	cases[TC_EMPTY].frame = cases[XDP_EMPTY].frame = cases[XDP_OTHER].frame = cases[STEER_TCP].frame;
	syn.dport = 81;
	build(&cases[DIRECT_10].frame, &syn);
	syn.dport = 80;
	build(&cases[PROXY_10].frame, &syn);
	cases[DIRECT_1000].frame = cases[DIRECT_10].frame;
	cases[PROXY_1000].frame = cases[PROXY_10].frame;
	syn.dport = PORT;
	syn.data = message;
	syn.data_len = convert_message(message, CONVERT_COOKIE_FORM + 1, true);
	build(&cases[XDP_UNSIGNED].frame, &syn);
	convert_message(message, CONVERT_COOKIE_FORM, true);
	build(&cases[XDP_FORGED].frame, &syn);
	convert_message(message, CONVERT_COOKIE_FORM, false);
	build(&cases[XDP_VALID].frame, &syn);
	for (int i = 0; i < CASES; i++)
		cases[i].fd = i < XDP_EMPTY ? tc : xdp;
	cases[TC_EMPTY].fd = empty_program(BPF_PROG_TYPE_SCHED_CLS, TC_ACT_UNSPEC);
	cases[XDP_EMPTY].fd = empty_program(BPF_PROG_TYPE_XDP, XDP_DROP);
}

/* A connection over loopback, and a packet of it as the listener's side receives it. */
static void established(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, local;
	struct packet p = { .flags = FLAG_ACK, .src = "127.0.0.1", .dst = "127.0.0.1" };
	socklen_t len = sizeof(a);

	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	fd[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd[0], (void *)&a, len) || listen(fd[0], 1) || getsockname(fd[0], (void *)&a, &len) ||
	    connect(fd[1], (void *)&a, len) || getsockname(fd[1], (void *)&local, &len))
		err(1, "connection");
	p.sport = ntohs(local.sin_port);
	p.dport = ntohs(a.sin_port);
	build(&cases[STEER_OUR_PORT].frame, &p);
}

int main(void)
{
	struct mpgate_guard_key key = { .k0 = 11, .k1 = 22 };
	struct mpgate_listener worker = { .alive = 1 };
	struct test_policy t[2];
	struct timespec wall, boot;
	int listener[2], pair[2];
	__u32 zero = 0, one = 1;

	link_id = net_open();
	skel = dp_open();
	policies(t);
	dp_peer(skel, 3, 1);
	worker.port = listen_both(listener);
	map_set(skel->maps.listeners, &zero, &worker);
	map_set(skel->maps.guard_keys, &one, &key);
	dp_local(skel, 4, SERVER4);
	settings.replay_buckets = MPGATE_REPLAY_BUCKETS;
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	settings.wall_offset = (wall.tv_sec - boot.tv_sec) * 1000000000ULL;
	settings.convert_port[0] = htons(PORT);
	packets();
	established(pair);
	for (int i = STEER_UDP; i < XDP_EMPTY; i++)
		check(&cases[i], skel->progs.steer, false);
	for (int i = XDP_OTHER; i < CASES; i++)
		check(&cases[i], skel->progs.guard_xdp, true);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CASES; i++)
			run(&cases[i], round);
	}
	for (int i = 0; i < CASES; i++) {
		double m = median(&cases[i]);

		printf("%s %.0f %.0f %.0f\n", cases[i].name, cases[i].ns[0], m, cases[i].ns[ROUNDS - 1]);
	}
	printf("difference steer_udp %.0f\n", median(&cases[STEER_UDP]) - median(&cases[TC_EMPTY]));
	printf("difference steer_tcp_not_ours %.0f\n", median(&cases[STEER_TCP]) - median(&cases[TC_EMPTY]));
	printf("difference steer_tcp_established %.0f\n", median(&cases[STEER_OUR_PORT]) - median(&cases[TC_EMPTY]));
	printf("ratio syn_direct_1000_to_10 %.2f\n", median(&cases[DIRECT_1000]) / median(&cases[DIRECT_10]));
	printf("ratio syn_steered_1000_to_10 %.2f\n", median(&cases[PROXY_1000]) / median(&cases[PROXY_10]));
	printf("difference guard_not_convert %.0f\n", median(&cases[XDP_OTHER]) - median(&cases[XDP_EMPTY]));
	printf("difference guard_other_form %.0f\n", median(&cases[XDP_UNSIGNED]) - median(&cases[XDP_EMPTY]));
	printf("difference guard_forged %.0f\n", median(&cases[XDP_FORGED]) - median(&cases[XDP_EMPTY]));
	printf("difference guard_valid %.0f\n", median(&cases[XDP_VALID]) - median(&cases[XDP_EMPTY]));
	policy_close(&t[0]);
	policy_close(&t[1]);
	mpgate_bpf__destroy(skel);
	return 0;
}
