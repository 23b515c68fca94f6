#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Connections begin over the link that the main table prefers, until a transfer has shown that it is slow beside the other; over both
# families, past a reload, and until it is slow no more. What a rule says of its paths goes before.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

SIZE=300000
# What goes to 81 stays on the path that it begins on; 82 has an order of its own.
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: first, to-port: [ 81 ], action: proxy, via: hub, connect: early, join: never }
    - { name: ordered, to-port: [ 82 ], action: proxy, via: hub, connect: early, join: never, steer: active-standby, paths: [ a, b ] }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early, join: at-once }'
scenario
spawn more "$SERVER" "$TOOLS/tcpserve" http:81 http:82
shape 0 8
shape 1 30

down() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.tx.bytes'; }
# begins LINK [PORT]: a connection does, over that one.
begins() {
	local before
	before=$(down "$1")
	load -n "$SIZE" get "$SERVER_IP" "${2:-81}" >/dev/null && test $(($(down "$1") - before)) -ge "$SIZE"
}
both_begin() { # NAME LINK
	for f in 4 6; do
		family $f
		check "IPv$f: connections begin $1" wait_for 20 begins "$2"
	done
	check "a rule's order goes before" begins 0 82
	family 4
}

for f in 4 6; do
	family $f
	check "IPv$f: the hub is there" wait_for 20 greeted_by "$HUB_IP"
done
both_begin "as the main table prefers it" 0
family 4
check "a transfer over both" load -n 16000000 get "$SERVER_IP" 80
both_begin "over the faster link" 1
check "the log says so" grep -q "link wan0: connections begin over others first, it is slow beside them" "$TMP/gw.log"
check "so does paths list" eval 'ctl gw --json paths list | jq -e ".paths[0].rank_why == \"connections begin over others first, it is slow beside them\" and .paths[1].rank_why == null" >/dev/null'
check "a reload" ctl gw reload
both_begin "over it after a reload as well" 1
shape 0 30
check "the slow link is as fast: a transfer" load -n 40000000 get "$SERVER_IP" 80
both_begin "as the main table prefers it, again" 0
# What was found out goes when nothing is to be.
shape 0 8
check "slow again: a transfer" load -n 16000000 get "$SERVER_IP" 80
both_begin "over the faster link, again" 1
sed -i "\$a subflows: { demote: no }" "$TMP/gw.yaml"
check "demote: no" ctl gw reload
both_begin "as the main table prefers it, by configuration" 0
done_testing
