/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What steer must not take for granted: what stands in front of a packet when it was not gate that wrote it there, or
 * not for this link or policy. And guard: that what comes on a link is for it.
 */
#include <linux/if_link.h>

#include "live.h"
#include "program_test.h"

static struct test_policy policy;
static struct mpgate_settings settings = { .loaded = 1 };
static __u32 link_id;
static int listener[2];
static __be16 port;

static void worker_set(__u32 worker, __be16 its_port, __u16 alive)
{
	struct mpgate_listener l = { .port = its_port, .alive = alive };

	map_set(skel->maps.listeners, &worker, &l);
}

/* An XDP program that puts meta in front of each packet. */
static int meta_program(const struct mpgate_meta *meta)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = -(int)sizeof(*meta) },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_xdp_adjust_meta },
		{ .code = BPF_LDX | BPF_W | BPF_MEM,
		  .dst_reg = 2,
		  .src_reg = 6,
		  .off = offsetof(struct xdp_md, data_meta) },
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = 3, .src_reg = 6, .off = offsetof(struct xdp_md, data) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 4, .src_reg = 2 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 4, .imm = sizeof(*meta) },
		{ .code = BPF_JMP | BPF_JGT | BPF_X, .dst_reg = 4, .src_reg = 3, .off = 4 },
		{ .code = BPF_ST | BPF_W | BPF_MEM, .dst_reg = 2, .off = 0, .imm = (int)meta->magic },
		{ .code = BPF_ST | BPF_W | BPF_MEM, .dst_reg = 2, .off = 4, .imm = (int)meta->generation },
		{ .code = BPF_ST | BPF_W | BPF_MEM, .dst_reg = 2, .off = 8, .imm = (int)meta->rule },
		{ .code = BPF_ST | BPF_W | BPF_MEM, .dst_reg = 2, .off = 12, .imm = (int)meta->ifindex },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "meta", "GPL", insns, sizeof(insns) / sizeof(*insns), NULL);

	if (fd < 0)
		err(1, "meta program");
	return fd;
}

static void only_what_gate_wrote_for_this_link_counts(void)
{
	const struct mpgate_meta right = { MPGATE_META_MAGIC, 0, 9, link_id };
	struct {
		const char *name;
		struct mpgate_meta meta;
		bool hit;
	} cases[] = {
		{ "gate's", right, true },
		{ "another's", right, false },
		{ "of another policy", right, false },
		{ "of another link", right, false },
	};

	cases[1].meta.magic++;
	cases[2].meta.generation++;
	cases[3].meta.ifindex++;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int prog = meta_program(&cases[i].meta);

		if (bpf_xdp_attach(link_id, prog, 0, NULL))
			err(1, "attach");
		EACH_FAMILY(family)
		{
			__u64 before[MPGATE_REASON_COUNT], after[MPGATE_REASON_COUNT];
			int fd;

			dp_counters(skel, before);
			fd = live_connect(family, 80);
			dp_counters(skel, after);
			CU_ASSERT(fd >= 0);
			close(fd);
			CU_ASSERT_EQUAL(after[MPGATE_R_STEERED], before[MPGATE_R_STEERED] + 1);
			if ((after[MPGATE_R_GATE_HIT] != before[MPGATE_R_GATE_HIT]) != cases[i].hit)
				printf("\n    %s", cases[i].name);
			CU_ASSERT_EQUAL(after[MPGATE_R_GATE_HIT] - before[MPGATE_R_GATE_HIT], cases[i].hit);
		}
		bpf_xdp_detach(link_id, 0, NULL);
		close(prog);
	}
}

static __u64 unchecked(const struct packet *p)
{
	__u64 before[MPGATE_REASON_COUNT], after[MPGATE_REASON_COUNT];
	struct frame f;

	build(&f, p);
	dp_counters(skel, before);
	live_send(&f);
	dp_counters(skel, after);
	return after[MPGATE_R_GUARD_UNCHECKED] - before[MPGATE_R_GUARD_UNCHECKED];
}

/* The kernel takes the outer tag off before tc sees the frame: what is for a VLAN device is judged there, once. */
static void guard_leaves_vlans_to_their_devices(void)
{
	settings.accept = MPGATE_ACCEPT_KEYED;
	settings.convert_port[0] = htons(8803);
	dp_settings(skel, &settings);
	dp_local(skel, 4, SERVER4);
	dp_local(skel, 6, SERVER6);
	live_attach(skel->progs.guard_tc, link_id);
	EACH_FAMILY(family)
	{
		struct packet p = { .family = family, .dport = 8803 };

		CU_ASSERT_EQUAL(unchecked(&p), 1);
		p.vlans = 1; /* a priority, no VLAN */
		CU_ASSERT_EQUAL(unchecked(&p), 1);
		for (p.vlan = 20; p.vlans <= 2; p.vlans++)
			CU_ASSERT_EQUAL(unchecked(&p), 0);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "only what gate wrote for this link counts", only_what_gate_wrote_for_this_link_counts },
		{ "guard leaves VLANs to their devices", guard_leaves_vlans_to_their_devices },
		CU_TEST_INFO_NULL,
	};

	link_id = live_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, 10, link_id, 0);
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 1);
	port = listen_both(listener);
	worker_set(0, port, 1);
	dp_clients(skel, 0);
	live_attach(skel->progs.steer, link_id);
	return run_tests("edges", tests);
}
