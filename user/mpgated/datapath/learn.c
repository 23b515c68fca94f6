// SPDX-License-Identifier: GPL-2.0-or-later
/* What workers find out about servers and MPTCP, put where steer has what it learned by itself (bpf/learn.h). */
#include <arpa/inet.h>

#include <mpgated/datapath/internal.h>

void datapath_doubt_server(struct datapath *dp, const struct mpgate_addr *addr, uint16_t port, bool breaks)
{
	struct mpgate_server server = { .addr = *addr, .port = htons(port) };
	struct mpgate_learned l = { 0 }, known;
	uint64_t now = dp_now();

	if (!breaks) {
		bpf_map_delete_elem(dp->map[DP_MAP_learned], &server);
		return;
	}
	if (!bpf_map_lookup_elem(dp->map[DP_MAP_learned], &server, &known) && now - known.time < MPGATE_LEARNED_NS)
		l = known;
	/* Of one outage many connections tell. */
	if (l.doubts && now - l.time < MPGATE_DOUBTS_APART_NS)
		return;
	l.time = now;
	l.doubts += l.doubts < MPGATE_LEARNED_DOUBTS;
	if (l.doubts >= MPGATE_LEARNED_DOUBTS)
		l.state = MPGATE_LEARNED_BREAKS;
	bpf_map_update_elem(dp->map[DP_MAP_learned], &server, &l, BPF_ANY); /* if not, nothing is remembered */
}
