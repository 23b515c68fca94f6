#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Four links of 2.4 kbit/s with a round trip of 2 s, of which each is away for some seconds now and then, as research by aeroplane
# has them: what they carry, and that all of it arrives. No time is asserted.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../tests/net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../tests/net/lib.sh"
# shellcheck source-path=SCRIPTDIR source=hard.sh
. "$(dirname "$0")/hard.sh"

SLOW_MBIT=0.0024 SLOW_MS=1000 SLOW_BYTES=${SLOW_BYTES:-60000}
SLOW_QUEUE=8 # packets, or KiB: a modem's
CWND=${CWND-4} # empty: as the kernel likes
AWAY_S=15 # one link after the other, with as much between

slow_build() {
	local i n
	for i in 2 3; do
		n=$((10 * i + 30))
		if [ "$EMULATOR" = linkem ]; then
			link_em "$GATEWAY" "wan$i" "$ROUTER" "acc$i" delay=0 || return
		else
			link_veth "$GATEWAY" "wan$i" "$ROUTER" "acc$i"
		fi
		addr "$GATEWAY" "wan$i" "$n" 2
		addr "$ROUTER" "acc$i" "$n" 1
		ip -n "$GATEWAY" route add default via "10.60.$n.1" dev "wan$i" metric $((100 + 100 * i))
		ip -n "$GATEWAY" -6 route add default via "fd60:$n::1" dev "wan$i" metric $((100 + 100 * i))
	done
}
# slow_set LINK DOWN: its parameters, with all packets lost or none.
slow_set() {
	local side
	if [ "$EMULATOR" = linkem ]; then
		em_set "wan$1" "rate=$SLOW_MBIT delay=$SLOW_MS limit=$SLOW_QUEUE down=$2"
		return
	fi
	for side in "$GATEWAY wan$1" "$ROUTER acc$1"; do
		# shellcheck disable=SC2086 # two words
		set -- "$1" "$2" $side
		tc -n "$3" qdisc replace dev "$4" root handle 1: netem rate 2400bit delay "${SLOW_MS}ms" limit "$SLOW_QUEUE" loss $((100 * $2))% || return
	done
}
# slow_mtu: short packets, as such links have; a packet takes four seconds. IPv6 allows no shorter ones.
slow_mtu() {
	local i
	for i in 0 1 2 3; do
		ip -n "$GATEWAY" link set "wan$i" mtu 1280 && ip -n "$ROUTER" link set "acc$i" mtu 1280 || return
	done
	ip -n "$CLIENT" link set eth0 mtu 1280 && ip -n "$HUB" link set net0 mtu 1280 && ip -n "$SERVER" link set eth0 mtu 1280
}
# slow_neighbours: such a link has no neighbours to be asked for, whose answers would wait in its queue.
slow_neighbours() {
	local i net gateway router part
	for i in 0 1 2 3; do
		net=$((10 * i + (i < 2 ? 10 : 30)))
		gateway=$(ip -n "$GATEWAY" -j link show "wan$i" | jq -r '.[0].address')
		router=$(ip -n "$ROUTER" -j link show "acc$i" | jq -r '.[0].address')
		for part in "10.60.$net." "fd60:$net::"; do
			ip -n "$GATEWAY" neigh replace "${part}1" lladdr "$router" dev "wan$i" nud permanent &&
				ip -n "$ROUTER" neigh replace "${part}2" lladdr "$gateway" dev "acc$i" nud permanent || return
		done
	done
}
# slow_window: two packets at first, and CWND at most, as what fits into such a link's queue; ten are 40 seconds of it. The daemon
# takes it over.
slow_window() {
	local ns v route
	for ns in "$GATEWAY" "$HUB"; do
		for v in -4 -6; do
			ip -n "$ns" "$v" route show default | while read -r route; do
				# shellcheck disable=SC2086 # words
				ip -n "$ns" "$v" route replace ${route%% pref *} initcwnd 2 ${CWND:+cwnd lock $CWND} || return
			done || return
		done
	done
}
# outages: one link after the other is away, until this is ended.
outages() {
	local i
	for ((i = 0; ; i = (i + 1) % 4)); do
		read -rt $AWAY_S <> <(:) || :
		slow_set $i 1
		read -rt $AWAY_S <> <(:) || :
		slow_set $i 0
	done
}
slow_pair() {
	local GATEWAY_TIMEOUTS='peer: 40, connect: 90, header: 60, keepalive: 120' PEER_MORE='    ready: 0'
	local HUB_MORE='timeouts: { connect: 90, header: 60, keepalive: 120 }' GATEWAY_MORE='subflows: { join: at-once }'
	pair_configs || return
	sed -i "s/^convert:/&\n  window: 120/" "$TMP/hub.yaml"
	sed -i "s/.*name: wan1.*/&\n  - { name: wan2, role: path, path: c }\n  - { name: wan3, role: path, path: d }/" "$TMP/gw.yaml"
	# One address for the probes of a family, as such links have nothing to give away.
	sed -i "s/    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	daemon_start hub "$HUB" "$TMP/hub.yaml" && daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
}
slow_ways_up() { ctl gw --json peers list | jq -e '.ways | length == 4 and all(.state == "up")'; }

slow_case() {
	local i d pid
	check "slow: two links more" slow_build
	check "slow: short packets" slow_mtu
	check "slow: no neighbours to be found" slow_neighbours
	check "slow: small windows" slow_window
	for i in 0 1 2 3; do check "slow: link $i" slow_set $i 0; done
	for f in $FAMILIES; do
		family "$f"
		for d in $DIRECTIONS; do
			check "slow: a link alone, $d, IPv$f" goodput slow link0 "$d" $((SLOW_BYTES / 6))
		done
		check "slow: gateway and hub start, IPv$f" slow_pair
		check "slow: all ways are found to be up, IPv$f" wait_for 120 slow_ways_up
		for d in $DIRECTIONS; do
			check "slow: all four, $d, IPv$f" goodput slow both "$d" "$SLOW_BYTES"
		done
		outages &
		pid=$!
		for d in $DIRECTIONS; do
			check "slow: all four, each away now and then, $d, IPv$f" goodput slow outages "$d" "$SLOW_BYTES"
		done
		kill $pid
		wait $pid 2>/dev/null
		for i in 0 1 2 3; do slow_set $i 0; done
		daemon_stop gw
		daemon_stop hub
	done
}

hard_start
slow_case
done_testing
