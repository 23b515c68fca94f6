#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A slow link beside a fast one is not given more than it carries: both together are not slower than the fast one alone, although
# no link is made a backup, once a transfer has shown which one is slow. In both directions, over IPv4 and IPv6.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

SIZE=10000000
# What goes to 81 and 7012 takes the better link alone.
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: alone, to-port: [ "81", "7012" ], action: proxy, via: hub, connect: early, join: never }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='subflows: { demote: no }'
scenario
spawn alone "$SERVER" "$TOOLS/tcpserve" http:81 sink:7012
shape 0 40
shape 1 2

# took ACTION PORT: ms of $SIZE bytes.
took() { load -n $SIZE "$1" "$SERVER_IP" "$2" | sed -n 's/.*total_ms=\([0-9]*\).*/\1/p'; }
# no_slower NAME ACTION PORT ALONE-PORT: the median of three takes no longer with both links than over the better one, by one in
# ten. One in ten or twenty transfers has Linux itself drop segments at the receiver (docs/paths.md).
no_slower() {
	local both alone
	alone=$(took "$2" "$4")
	took "$2" "$3" >/dev/null
	both=$(for _ in 1 2 3; do took "$2" "$3"; done | sort -n | sed -n 2p)
	diag "$1: $both ms, alone $alone ms"
	check "$1: is not slower than over the better link alone" test $((both * 9)) -le $((alone * 10))
}
# paced NAMESPACE: a subflow there has a most that it is paced at.
paced() { on "$1" ss -HOtni '( sport = 8803 or dport = 8803 )' | grep -Eq 'pacing_rate [0-9]+bps/[0-9]+bps'; }
# paces NAME NAMESPACE ACTION PORT: while it transfers; and the other end of the range, equal links, are not.
paces() {
	spawn long "$CLIENT" "$TOOLS/tcpload" -n $((60 * SIZE)) "$3" "$SERVER_IP" "$4"
	check "$1: the slow link's subflow is paced" wait_for 10 paced "$2"
	shape 1 40
	check "$1: no more when the link is as fast" wait_for 20 eval "! paced $2"
	kill "$SPAWNED"
	wait "$SPAWNED" 2>/dev/null
	shape 1 2
}

family 4
check "IPv4: the hub is there" wait_for 20 greeted_by "$HUB_IP"
no_slower "IPv4 upload" sink 7002 7012
paces "IPv4 upload" "$GATEWAY" sink 7002
family 6
check "IPv6: the hub is there" wait_for 20 greeted_by "$HUB_IP"
no_slower "IPv6 download" get 80 81
paces "IPv6 download" "$HUB" get 80
done_testing
