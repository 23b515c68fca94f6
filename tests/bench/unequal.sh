#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# unequal.sh: goodput over two unequal links, beside that of the better one alone. A table for docs/paths.md, on standard
# output. PAIRS: "MBIT+MBIT[/MS[+MS]] ..." with the time that the shapers' queues hold; CC: congestion control of gateway
# and hub; MIB: of a transfer; ROUNDS: how often each is measured, in turn. EMULATED: "OPTIONS|OPTIONS" of linkem for the
# two links, such as "delay=10|delay=30 loss=2". FAMILY: 6, over IPv6. SUBFLOWS: more of `subflows` at both ends, such as "pace: no".
set -u
export MPG_LIMITED=1 # it takes longer than a scenario may
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/tap.sh
. tests/net/tap.sh
# shellcheck source=tests/net/lib.sh
. tests/net/lib.sh

PAIRS=${PAIRS:-40+2 40+2/300 40+4 20+1 50+10 50+10/300 20+20 40+20}
CC=${CC:-cubic bbr}
MIB=${MIB:-24}
ROUNDS=${ROUNDS:-3}
# Ports of 81 and 7012 are those of the better link alone: the first subflow takes the path of the best default route.
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: alone, to-port: [ "81", "7012" ], action: proxy, via: hub, connect: early, join: never }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
EMULATED=${EMULATED:-}
# shellcheck disable=SC2034 # read by pair_configs
[ -z "${SUBFLOWS:-}" ] || GATEWAY_MORE="subflows: { $SUBFLOWS }" HUB_MORE="subflows: { $SUBFLOWS }"
# shellcheck disable=SC2034 # read by net_build
EM0=${EMULATED%|*} EM1=${EMULATED#*|}
scenario >/dev/null
spawn alone "$SERVER" "$TOOLS/tcpserve" http:81 sink:7012

# queue 0|1 MBIT MS
queue() {
	local side em=EM$1
	if [ -n "${!em}" ]; then
		em_set "wan$1" "${!em} rate=$2 limit=$(($2 * $3 / 8))"
		return
	fi
	for side in "$GATEWAY wan$1" "$ROUTER acc$1"; do
		# shellcheck disable=SC2086 # two words
		set -- $1 $2 $3 $side
		tc -n "$4" qdisc replace dev "$5" root tbf rate "$2mbit" burst 32k latency "$3ms"
	done
}
# rate ACTION PORT: Mbit/s.
rate() {
	local begin=$EPOCHREALTIME
	load -n $((MIB << 20)) "$1" "$SERVER_IP" "$2" >"$TMP/load.out" 2>&1 || { cat "$TMP/load.out" >&2; echo 0; return; }
	awk -v a="$begin" -v b="$EPOCHREALTIME" -v n=$((MIB << 20)) 'BEGIN { printf "%.1f\n", n * 8 / (b - a) / 1e6 }'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
both_ways() {
	local way action alone both
	for way in up down; do
		if [ $way = up ]; then action="sink 7002 7012"; else action="get 80 81"; fi
		# shellcheck disable=SC2086 # three words
		set -- $action
		rm -f "$TMP"/*.rates
		for ((r = 0; r < ROUNDS; r++)); do
			rate "$1" "$3" >>"$TMP/alone.rates"
			rate "$1" "$2" >>"$TMP/both.rates"
		done
		alone=$(median <"$TMP/alone.rates") both=$(median <"$TMP/both.rates")
		awk -v a="$alone" -v b="$both" 'BEGIN { printf " %.1f | %.1f | %.2f |", a, b, a ? b / a : 0 }'
	done
}

echo "| Mbit/s, ms of queue | | upload: best alone | bonded | ratio | download: best alone | bonded | ratio |"
echo "|---|---|---|---|---|---|---|---|"
family "${FAMILY:-4}"
for pair in $PAIRS; do
	[[ $pair =~ ^([0-9]+)\+([0-9]+)(/([0-9]+)(\+([0-9]+))?)?$ ]] || exit 2
	ms0=${BASH_REMATCH[4]:-50}
	ms1=${BASH_REMATCH[6]:-$ms0}
	rates=("${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}")
	queue 0 "${rates[0]}" "$ms0"
	queue 1 "${rates[1]}" "$ms1"
	for cc in $CC; do
		for ns in "$GATEWAY" "$HUB"; do sysctls "$ns" net.ipv4.tcp_congestion_control="$cc"; done
		# What it has found out of the links before is not true of these.
		daemon_stop gw
		daemon_start gw "$GATEWAY" "$TMP/gw.yaml" && wait_for 20 ways_are up || exit 1
		echo "| ${rates[0]} + ${rates[1]}, $ms0 and $ms1 | $cc |$(both_ways)"
	done
done
