#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What paths cost: a rule's connections stay on the paths that it names.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

RATE=20 # Mbit/s
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: only-b, to-port: [ "7002" ], action: proxy, via: hub, if-down: reject, join: at-once, paths: [ b ] }
    - { name: only-a, to-port: [ "7003" ], action: proxy, via: hub, paths: [ a ] }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, join: at-once }'
# shellcheck disable=SC2034
PEER_MORE='    ready: 2'
scenario
shape 0 $RATE
shape 1 $RATE

# Payload that went over a link, either way: probes and handshakes are small.
on "$ROUTER" nft -f - <<-END
	table inet big {
		counter acc0 { }
		counter acc1 { }
		chain in { type filter hook prerouting priority -300; meta length > 700 iifname { acc0, acc1 } counter name iifname map { acc0 : "acc0", acc1 : "acc1" }; }
		chain out { type filter hook postrouting priority 300; meta length > 700 oifname { acc0, acc1 } counter name oifname map { acc0 : "acc0", acc1 : "acc1" }; }
	}
END
big() { on "$ROUTER" nft -j list counter inet big "acc$1" | jq '.nftables[1].counter.bytes'; }
more_big() { [ "$(big "$1")" -gt "$2" ]; }
joins() { on "$GATEWAY" nstat -asz MPTcpExtMPJoinSynTx | awk '/MPJoin/ { print $2 }'; }
way_is() {
	ctl gw --json peers list | jq -e --arg a "$HUB_IP" --arg p "$1" --arg s "$2" \
		'[.ways[] | select(.address == $a and .path == $p and .state == $s)] | length == 1'
}
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 30 eval 'way_is a up && way_is b up'
}
refused() { [ "$(load conn "$SERVER_IP" 7002)" = refused ]; }

cp "$TMP/pair.key" "$TMP/hub.key"
cp "$TOP/configs/cost-gateway.yaml" "$TMP/example.yaml"
check "the example is good" "$BUILD/mpgated" -c "$TMP/example.yaml" --check

for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	check "IPv$f: a connection, so that some are opened ahead, over a" load get -n 100 "$SERVER_IP" 80
	a=$(big 0) b=$(big 1) j=$(joins)
	check "IPv$f: a rule for b" load -n 3000000 sink "$SERVER_IP" 7002
	is "$(big 0)" "$a" "IPv$f: nothing of it went over a"
	check "IPv$f: all of it over b" more_big 1 $((b + 2000000))
	is "$(joins)" "$j" "IPv$f: and nobody asked for a second path"

	load -n 6000000 sink "$SERVER_IP" 7002 >"$TMP/sink" 2>&1 &
	SINK=$!
	check "IPv$f: another one is under way" wait_for 10 more_big 1 $((b + 3500000))
	silence 1
	check "IPv$f: b dies" wait_for 20 way_is b down
	check "IPv$f: new ones are reset" wait_for 10 refused
	check "IPv$f: others go on" load -n 100 get "$SERVER_IP" 80
	is "$(big 0)" "$a" "IPv$f: it is not moved to a"
	silence_end 1
	wait $SINK
	is $? 0 "IPv$f: it goes on when b is back" || diag "$(cat "$TMP/sink")"
	is "$(big 0)" "$a" "IPv$f: over b"
	check "IPv$f: b is well" wait_for 30 way_is b up
	silence 0
	check "IPv$f: a dies" wait_for 20 way_is a down
	n=$(counter gw relay no-path)
	load greet "$SERVER_IP" 7003 >/dev/null 2>&1 &
	check "IPv$f: a rule for a goes direct" wait_for 5 counted gw relay no-path "$n"
	check "IPv$f: one for all goes over b" load -n 100 get "$SERVER_IP" 80
	silence_end 0
done
done_testing
