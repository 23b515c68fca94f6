#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What two unlike links carry alone and bonded. No time is asserted: a point holds when all bytes came as they should be.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../tests/net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../tests/net/lib.sh"
# shellcheck source-path=SCRIPTDIR source=hard.sh
. "$(dirname "$0")/hard.sh"

ROUNDS=${HARD_ROUNDS:-1}
SETTLED=8 # seconds that a transfer takes at the full rate: the begin shall not matter much

# A link: Mbit/s, one way ms, jitter ms, loss %. Its queue, in front of the rate, is QUEUE_MS long. The netem has a rate as well, which
# nothing reaches: netem keeps the order of packets then.
QUEUE_MS=200
declare -A CASE_LINKS=(
	[dsl-lte]='20:10:0:0 40:30:10:0'
	[1-to-10]='2:20:0:0 20:20:0:0'
	[1-to-20]='2:20:0:0 40:20:0:0'
	[satellite]='10:250:0:0 20:30:10:0'
	[loss]='20:20:0:0 20:20:0:2'
	[unshaped]='1000:0:0:0 1000:0:0:0'
)
CASES=${CASES:-dsl-lte 1-to-10 1-to-20 satellite loss unshaped}

# link_shape LINK RATE:DELAY:JITTER:LOSS: both ways.
link_shape() {
	local rate delay jitter loss side
	IFS=: read -r rate delay jitter loss <<<"$2"
	if [ "$EMULATOR" = linkem ]; then
		em_set "wan$1" "delay=$delay jitter=$jitter loss=$loss rate=$rate limit=$(queue_kib "$rate")"
		return
	fi
	for side in "$GATEWAY wan$1" "$ROUTER acc$1"; do
		# shellcheck disable=SC2086 # two words
		link_side $side "$rate" "$delay" "$jitter" "$loss" || return
	done
}
queue_kib() { awk -v r="$1" -v q="$QUEUE_MS" 'BEGIN { print r * q / 8.192 }'; }
link_side() { # NS IF RATE DELAY JITTER LOSS
	tc -n "$1" qdisc del dev "$2" root 2>/dev/null
	tc -n "$1" qdisc add dev "$2" root handle 1: netem delay "${4}ms" "${5}ms" loss "$6%" rate 10gbit limit 20000 &&
		tc -n "$1" qdisc add dev "$2" parent 1: handle 2: tbf rate "${3}mbit" burst 8k latency "${QUEUE_MS}ms"
}

# bytes_at MBIT: of a transfer.
bytes_at() { awk -v r="$1" -v s=$SETTLED 'BEGIN { n = r * s * 125000; print int(n < 3e7 ? n : 3e7) }'; }

# Where packets are lost cubic takes a tenth of the rate, so that a tenth of the bytes will do.
alone_mbit() { awk -F: '{ print $4 ? $1 / 10 : $1 }' <<<"$1"; }
alone_figures() { # CASE
	local links i=0 link d
	read -ra links <<<"${CASE_LINKS[$1]}"
	for link in "${links[@]}"; do
		net_use $i
		for d in $DIRECTIONS; do
			for f in $FAMILIES; do
				family "$f"
				check "round $ROUND, $1: link $i alone, $d, IPv$f" goodput "$1" "link$i" "$d" "$(bytes_at "$(alone_mbit "$link")")"
			done
		done
		i=$((i + 1))
	done
	net_use 0
}

# pair_with CONTROL: gateway and hub, whose second path and whose link have that congestion control; empty: the namespaces', cubic.
pair_with() {
	pair_configs || return
	if [ -n "$1" ]; then
		sed -i "s/path: b }/path: b, congestion: $1 }/" "$TMP/gw.yaml"
		sed -i "s/net0, role: path/&, congestion: $1/" "$TMP/hub.yaml"
	fi
	daemon_start hub "$HUB" "$TMP/hub.yaml" && daemon_start gw "$GATEWAY" "$TMP/gw.yaml" && wait_for 20 peer_is up
}

bonded_figures() { # CASE SETUP CONTROL
	local sum d
	sum=$(tr ' ' '\n' <<<"${CASE_LINKS[$1]}" | awk -F: '{ n += $1 } END { print n }')
	check "round $ROUND, $1: gateway and hub start" pair_with "$3"
	for f in $FAMILIES; do
		family "$f"
		check "round $ROUND, $1: IPv$f is steered" wait_for 20 greeted_by "$HUB_IP"
		for d in $DIRECTIONS; do
			check "round $ROUND, $1: both, $d, IPv$f" goodput "$1" "$2" "$d" "$(bytes_at "$sum")"
		done
	done
	daemon_stop gw
	daemon_stop hub
}

two_links() { # CASE
	local links i=0 link
	read -ra links <<<"${CASE_LINKS[$1]}"
	for link in "${links[@]}"; do
		check "$1: link $i" link_shape $i "$link"
		i=$((i + 1))
	done
	for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
		alone_figures "$1"
		bonded_figures "$1" both ''
		case $1 in dsl-lte | satellite | loss) bonded_figures "$1" both-bbr bbr ;; esac
	done
}

hard_start
for case in $CASES; do two_links "$case"; done
done_testing
