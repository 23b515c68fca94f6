#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A path becomes a backup while it carries a download, and an ordinary one again: where its subflows stand, by either path
# manager.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

GATEWAY_MORE='subflows: { join: at-once }' scenario
shape 0 20
shape 1 20

sent() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.tx.bytes'; }
received() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.rx.bytes'; }
# bytes COMMAND LINK: in a second.
bytes() {
	local before
	before=$("$1" "$2")
	read -rt 1 <> <(:) || :
	echo $(($("$1" "$2") - before))
}
# Of one 20 Mbit/s link a second has 2.5 MB; what probes and ACKs of other subflows take is far less than a tenth.
carries() { [ "$(bytes "$1" "$2")" -gt 1000000 ]; }
rests() { [ "$(bytes "$1" "$2")" -lt 100000 ]; }
# Of the subflows over the second link that carry data the port of the one that has carried most.
second() { if [ "$f" = 4 ]; then echo 10.60.20.2; else echo "[fd60:20::2]"; fi; }
joined() {
	on "$GATEWAY" ss -OHtin state established "src $(second) and dport = 8803" |
		sed -E 's/^ *[0-9]+ +[0-9]+ +[^ ]*:([0-9]+) .* bytes_(acked|received):([0-9]+).*/\3 \1/' | awk '$1 > 20000' | sort -n | tail -n 1 | cut -d' ' -f2
}
# paced: a subflow of the sender's has a most that it is paced at.
paced() {
	local ns=$GATEWAY
	[ "$direction" = sink ] || ns=$HUB
	on "$ns" ss -HOtni '( sport = 8803 or dport = 8803 )' | grep -Eq 'pacing_rate [0-9]+bps/[0-9]+bps'
}
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 way_is_up
}
way_is_up() {
	ctl gw --json peers list | jq -e --arg a "$HUB_IP" '[.ways[] | select(.address == $a and .state == "up")] | length == 2'
}
# use LINK WORD: of the path over wan1.
use() {
	sed -i "s/name: wan1, role: path, path: b.*/name: wan1, role: path, path: b$1 }/" "$TMP/gw.yaml"
	ctl gw reload >"$TMP/reload.out" 2>&1
}

start() {
	case $1 in
	gap) spawn load "$CLIENT" "$TOOLS/tcpload" -t 60 gap "$SERVER_IP" 80 ;;
	sink) spawn load "$CLIENT" "$TOOLS/tcpload" -n 400000000 sink "$SERVER_IP" 7002 ;;
	esac
	LOAD=$SPAWNED
}

grep -q "path: b" "$TMP/gw.yaml" || bail_out "the second path has another name"
for manager in auto kernel; do
	sed -i "s/^subflows: .*/subflows: { join: at-once, path-manager: $manager }/" "$TMP/gw.yaml"
	for f in 4 6; do
		check "$manager: IPv$f: the hub is there" hub_of $f
		for direction in gap sink; do
			name="$manager: IPv$f: $direction"
			count=sent
			[ $direction = gap ] || count=received
			start $direction
			check "$name: both links carry" wait_for 20 carries $count 1
			before=$(joined)
			check "$name: a reload makes one a backup" use ', use: backup'
			check "$name: it carries nothing" wait_for 20 rests $count 1
			check "$name: the other does" wait_for 5 carries $count 0
			is "$(joined)" "$before" "$name: its subflow is there"
			if [ $manager = auto ]; then
				link_cut 0
				check "$name: it stands in for the other" wait_for 20 carries $count 1
				link_mend 0
				check "$name: the other carries again" wait_for 20 carries $count 0
				check "$name: and it rests" wait_for 20 rests $count 1
			fi
			before=$(joined)
			check "$name: a reload makes it an ordinary one" use ''
			read -rt 0.7 <> <(:) || : # the first measurements
			check "$name: which is not taken for a slow one" eval '! paced'
			check "$name: both carry" wait_for 20 carries $count 1
			is "$(joined)" "$before" "$name: over the subflows that were there"
			stop "$LOAD"
			check "$name: it ends" wait_for 20 eval '[ -z "$(joined)" ]'
		done
	done
done
done_testing
