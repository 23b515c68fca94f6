#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What delay does to plain TCP and to a pair of gateway and hub, measured over links of netem; for kernels that have it.
# Each figure goes to $DELAYS (a file) as a line "ROUND FAMILY SETUP FIGURE VALUE", separated by tabs. No time is asserted:
# a point holds when its figure could be taken, with all bytes as they should be.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../tests/net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../tests/net/lib.sh"

ROUNDS=${ROUNDS:-1}
READY=4 # connections to the hub opened ahead, of each worker
SAMPLES=9 # connections for one figure, whose median is taken
# One way, ms; half of the round trip.
ACCESS_MS=20 SERVER_MS=5
LINK_MS=(10 30) LINK_MBIT=(20 40)
LINK_BYTES=(10000000 20000000) # four seconds of each link
BOTH_BYTES=30000000

# delayed MS NS IF [NS IF]: so much on the way out of these.
delayed() {
	local ms=$1
	shift
	while [ $# -gt 0 ]; do
		tc -n "$1" qdisc replace dev "$2" root handle 1: netem delay "${ms}ms" limit 10000 || return
		shift 2
	done
}
limited() { tc -n "$1" qdisc add dev "$2" parent 1: handle 2: tbf rate "$3mbit" burst 32k latency 50ms; }

# record SETUP FIGURE VALUE
record() { printf '%s\tIPv%s\t%s\t%s\t%s\n' "$ROUND" "$f" "$1" "$2" "$3" >>"$DELAYS"; }
field() { sed -nE "s/.*\\b$1=([0-9.]+).*/\\1/p" "$2"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# first_bytes SETUP: time to connect and to the first byte, as the client sees them; figures named with $AT.
AT=
first_bytes() {
	local i
	: >"$TMP/samples"
	# One ahead: neighbours, routes and the peer's address are known then.
	load -n 1000 get "$SERVER_IP" 80 || return
	for ((i = 0; i < SAMPLES; i++)); do
		load -n 1000 get "$SERVER_IP" 80 >>"$TMP/samples" || return
	done
	record "$1" "connect$AT" "$(field connect_ms "$TMP/samples" | median)"
	record "$1" "first-byte$AT" "$(field first_ms "$TMP/samples" | median)"
}

# goodput SETUP BYTES: Mbit/s of one download, whose bytes are compared.
goodput() {
	load -n "$2" get "$SERVER_IP" 80 >"$TMP/samples" || return
	record "$1" goodput "$(awk -v bytes="$2" -v ms="$(field total_ms "$TMP/samples")" 'BEGIN { print bytes * 8 / 1e3 / ms }')"
}

# through SETUP PEER-LINE COMMAND...: both families by way of a new pair, whose peer has that line more.
through() {
	local setup=$1 PEER_MORE=$2
	shift 2
	check "round $ROUND, $setup: gateway and hub start" pair_start
	for f in 4 6; do
		family $f
		check "round $ROUND, $setup, IPv$f: steered" greeted_by "$HUB_IP"
		check "round $ROUND, $setup, IPv$f" "$1" "$setup" "${@:2}"
	done
	daemon_stop gw
	daemon_stop hub
}

delay_figures() {
	for f in 4 6; do
		family $f
		check "round $ROUND, plain, IPv$f" first_bytes plain
	done
	through early '    ready: 0' first_bytes
	through ready "    ready: $READY" first_bytes
}

goodput_figures() {
	local i
	for i in 0 1; do
		net_use $i
		for f in 4 6; do
			family $f
			check "round $ROUND, link $i alone, IPv$f" goodput link$i "${LINK_BYTES[i]}"
		done
	done
	net_use 0
	through bonded '' goodput $BOTH_BYTES
}

# fresh_net: the network anew, without what shaped it before.
fresh_net() {
	stop "${PIDS[@]}"
	PIDS=()
	net_remove
	mkdir -p "$RUN"
	WITH_ROUTER=1 net_build && servers_start
}

net_init
DELAYS=${DELAYS:-$TMP/delays}
: >"$DELAYS"
modprobe -q sch_netem 2>/dev/null
fresh_net || { echo "Bail out! the network does not start" && exit 1; }
delayed 1 "$SERVER" eth0 2>/dev/null || skip_all "this kernel has no netem"

# Without any delay: what the CPU takes.
tc -n "$SERVER" qdisc del dev eth0 root
ROUND=1 AT=-undelayed delay_figures
check "delays can be set" delayed $ACCESS_MS "$GATEWAY" wan0 "$GATEWAY" wan1 "$ROUTER" acc0 "$ROUTER" acc1
check "also of the server" delayed $SERVER_MS "$SERVER" eth0 "$ROUTER" srv0
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do delay_figures; done

check "the network starts again" fresh_net
for i in 0 1; do
	check "link $i has its delay" delayed "${LINK_MS[i]}" "$GATEWAY" wan$i "$ROUTER" acc$i
	check "and its rate, up" limited "$GATEWAY" wan$i "${LINK_MBIT[i]}"
	check "and its rate, down" limited "$ROUTER" acc$i "${LINK_MBIT[i]}"
done
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do goodput_figures; done
done_testing
