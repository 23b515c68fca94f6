# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What a daemon sets in a machine, to see what it leaves. Source it after lib.sh.

# state NAMESPACE INSTANCE: all that a daemon sets there. Two sysctls change by themselves.
state() {
	local dev
	for f in -4 -6; do
		ip -n "$1" $f rule
		ip -n "$1" $f route show table all | sort
	done
	ip -n "$1" mptcp endpoint
	ip -n "$1" mptcp limits
	ip -n "$1" -o link | sed 's/ qlen.*//'
	tc -n "$1" qdisc
	for dev in $(ip -n "$1" -j link | jq -r '.[].ifname'); do
		tc -n "$1" filter show dev "$dev" ingress
		tc -n "$1" filter show dev "$dev" egress
	done 2>/dev/null
	on "$1" sysctl -ea --pattern '^net\.' 2>/dev/null | grep -v 'tcp_fastopen_key\|nf_conntrack_count' | sort
	find /sys/fs/bpf/mpgate "/run/mpgate/$2.sock" -path "*/$2*" 2>/dev/null
	find /sys/fs/cgroup -name "mpgate-$2*" -type d 2>/dev/null
	for dev in $(ip netns pids "$1"); do cat "/proc/$dev/comm"; done | grep -x mpgated
}
