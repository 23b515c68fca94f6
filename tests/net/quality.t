#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A link that is so slow beside the other one that bonding would lose is found out and made a backup, in both directions,
# and comes back when it is better, with the same subflows. Equal links are left alone, and so is the last one.
# ALONE: times are compared.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

SIZE=10000000
# What goes to 81 and 7012 takes the better link alone.
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: alone, to-port: [ "81", "7012" ], action: proxy, via: hub, connect: early, join: never }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
# A slow link that is paced does no harm, so nothing would be found.
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='subflows: { pace: no }' HUB_MORE='subflows: { pace: no }'
scenario
spawn alone "$SERVER" "$TOOLS/tcpserve" http:81 sink:7012
shape 0 40
shape 1 2

# path_is NAME RANK [WHY]: as paths list says.
path_is() {
	ctl gw --json paths list |
		jq -e --arg p "$1" --arg r "$2" --arg w "${3:-}" '.paths[] | select(.name == $p) | .rank == $r and ((.rank_why // "") | contains($w))'
}
# over LINK: local ports of subflows over it that carry data, one that transfers.
over() { ctl gw --json paths subflows | jq -r --arg p "$1" '[.subflows[] | select(.path == $p and .sent + .received > 20000) | .local] | join(" ")'; }
# hub_of 4|6: the hub is reached over that family.
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 way_up
}
way_up() { ctl gw --json peers list | jq -e --arg a "$HUB_IP" '[.ways[] | select(.address == $a and .state == "up")] | length == 2'; }
# took ACTION PORT: ms of $SIZE bytes.
took() { load -n $SIZE "$1" "$SERVER_IP" "$2" | sed -n 's/.*total_ms=\([0-9]*\).*/\1/p'; }
# long ACTION PORT: in the background, longer than it is needed; long_end.
long() {
	spawn long "$CLIENT" "$TOOLS/tcpload" -n $((60 * SIZE)) "$1" "$SERVER_IP" "$2"
	LONG=$SPAWNED
}
long_end() {
	kill "$LONG"
	wait "$LONG" 2>/dev/null
}
# no_slower NAME ACTION PORT ALONE-PORT: the median of three takes no longer with both links than over the better one, by one in
# ten. In one of ten or twenty transfers Linux itself drops segments at the receiver (docs/paths.md).
no_slower() {
	local both alone
	alone=$(took "$2" "$4")
	both=$(for _ in 1 2 3; do took "$2" "$3"; done | sort -n | sed -n 2p)
	diag "$1: $both ms, alone $alone ms"
	check "$1: is not slower than over the better link alone" test $((both * 9)) -le $((alone * 10))
}
# found NAME ACTION PORT
found() {
	long "$2" "$3"
	check "$1: the slow link becomes a backup" wait_for 20 path_is b backup "bonding loses by it"
	read -rt 4 <> <(:) || : # longer than a proof: one that its transfer does not outlast proves nothing
	check "$1: and stays one" path_is b backup "bonding loses by it"
	check "$1: the fast one does not" path_is a primary
	long_end
}

check "IPv4: the hub is there" hub_of 4
found "IPv4 upload" sink 7002
no_slower "IPv4 upload" sink 7002 7012

link_cut 0
check "the only link that is left is a primary" wait_for 10 path_is b primary "no other path is well"
link_mend 0
check "until the other one is back" wait_for 30 path_is b backup "bonding loses by it"
check "which is used again" wait_for 30 way_up

shape 1 40
long get 80
check "it is better: its subflow is there, a backup" wait_for 10 eval '[ -n "$(over a)" ]'
check "it becomes a primary" wait_for 40 path_is b primary
check "both carry" wait_for 5 eval '[ -n "$(over a)" ] && [ -n "$(over b)" ]'
ports="$(over a) $(over b)"
read -rt 5 <> <(:) || : # longer than a trial
check "equal links are left alone" eval 'path_is a primary && path_is b primary'
is "$(over a) $(over b)" "$ports" "by the same subflows"
long_end
alone=$(took get 81) both=$(took get 80)
diag "equal links: $both ms, alone $alone ms"
check "equal links are faster than one" test $((both * 13)) -le $((alone * 10))

# It gets worse under way: the subflow stays where it is.
long get 80
read -rt 2 <> <(:) || : # what is listed is of this transfer
check "another transfer" wait_for 10 eval '[ -n "$(over a)" ] && [ -n "$(over b)" ]'
ports="$(over a) $(over b)"
shape 1 2
check "the link is worse again: it becomes a backup" wait_for 30 path_is b backup "bonding loses by it"
is "$(over a) $(over b)" "$ports" "with the same subflows"
long_end
# It is on trial only, so far.
check "what its transfer does not outlast proves nothing" wait_for 5 path_is b primary

check "IPv6: the hub is there" hub_of 6
found "IPv6 download" get 80
no_slower "IPv6 download" get 80 81
done_testing
