#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Paths whose queues are seconds long and full: probes wait in them for longer than they may take, and the paths are not
# dead for that, since they carry what fills them.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

QUEUE_KIB=512 LONG_US=2500000 # 4 s of 1 Mbit/s; more than the 2 s that a probe is given
BYTES=$((4 << 20)) # some 17 s of both
# shellcheck disable=SC2034 # read by net_build and pair_configs
EM0="delay=10 rate=1 limit=$QUEUE_KIB" EM1=$EM0 GATEWAY_MORE='subflows: { join: at-once }'
scenario

both_are_long() {
	ctl gw --json paths list | jq -e --argjson us "$LONG_US" '[.paths[] | select(.rtt_us > $us)] | length == 2' >/dev/null
}
deaths() { grep -E 'over wan.: |is down' "$TMP/gw.log" | grep -cv 'answers again'; }

for case in "4 up sink 7002" "6 down get 80"; do
	# shellcheck disable=SC2086 # words
	set -- $case
	family "$1"
	load -w 60 -n $BYTES "$3" "$SERVER_IP" "$4" >"$TMP/load" 2>&1 &
	pid=$!
	check "IPv$1 $2: the round trips of both paths are long" wait_for 30 both_are_long
	wait $pid
	ok $? "IPv$1 $2: the transfer ends well" || diag "$(cat "$TMP/load")"
	is "$(deaths)" 0 "IPv$1 $2: no path was taken for dead" || diag "$(tail -n 5 "$TMP/gw.log")"
done
done_testing
