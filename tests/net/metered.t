#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A path that costs is used while the others are full, until its quota is used up; over restarts as well. Rules that want one
# path at a time have it.
# LONG: paths are full, and no more, when that has lasted.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

RATE=20 # Mbit/s
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: standby, to-port: [ "7002" ], action: proxy, via: hub, join: at-once, paths: [ a, b ], steer: active-standby }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, join: at-once }'
# shellcheck disable=SC2034
GATEWAY_MORE='metrics: { listen: 127.0.0.1 }'
stage
# capacity A, use B
paths_are() { sed -i "s/^  - { name: wan0.*/  - { name: wan0, role: path, path: a, down-mbit: $1, up-mbit: $1 }/; s/^  - { name: wan1.*/  - { name: wan1, role: path, path: b, $2 }/" "$TMP/gw.yaml"; }
paths_are 1000 "use: overflow"
shape 0 $RATE
shape 1 $RATE
if ! { daemon_start hub "$HUB" "$TMP/hub.yaml" && daemon_start gw "$GATEWAY" "$TMP/gw.yaml" && wait_for 20 ways_are up; }; then
	echo "Bail out! a daemon does not start"
	exit 1
fi

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
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 30 eval 'way_is a up && way_is b up'
}
way_is() {
	ctl gw --json peers list | jq -e --arg a "$HUB_IP" --arg p "$1" --arg s "$2" \
		'[.ways[] | select(.address == $a and .path == $p and .state == $s)] | length == 1'
}
logged() { [ "$(grep -c "$1" "$TMP/gw.log")" -ge "${2:-1}" ]; }
usage() { ctl gw --json paths list | jq ".usage[] | select(.by == \"$1\" and .name == \"$2\") | $3"; }
download() {
	load -t "$1" gap "$SERVER_IP" 80 >"$TMP/gap" 2>&1 &
	DOWNLOAD=$!
}
rests() { grep "path b: " "$TMP/gw.log" | tail -n 1 | grep -q "as configured"; }
FULL="path b: primary: the paths that are cheaper are full"

check "IPv4: the hub is there" hub_of 4
b=$(big 1)
check "IPv4: as fast as a is" load -t 5 gap "$SERVER_IP" 80
is "$(big 1)" "$b" "IPv4: it is not full by what it can: nothing over b"
paths_are $RATE "use: overflow"
check "a is what it is" ctl gw reload
download 9
check "IPv4: a is full" wait_for 8 logged "$FULL"
check "IPv4: so b carries as well" wait_for 5 more_big 1 $((b + 1000000))
wait $DOWNLOAD
is $? 0 "IPv4: the download goes on" || diag "$(cat "$TMP/gap")"
check "IPv6: the hub is there" hub_of 6
b=$(big 1)
check "IPv6: still full" load -t 3 gap "$SERVER_IP" 80
check "IPv6: b carries as well" more_big 1 $((b + 500000))
check "b rests when a could carry all" wait_for 20 rests
b=$(big 1)
for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	check "IPv$f: a short transfer" load -n 1500000 get "$SERVER_IP" 80
	is "$(big 1)" "$b" "IPv$f: nothing over b"
done

# What it took is known by path, rule and day.
used=$(usage path b ".up + .down")
[ "$used" -gt 2000000 ]
ok $? "b has its bytes of today" || diag "$used"
is "$(usage path b '.days | length')" 1 "which is one day"
[ "$(usage rule all .down)" -gt 10000000 ]
ok $? "the rule has its own" || diag "$(usage rule all .)"
is "$(usage rule standby .down)" 0 "and another has none"
check "metrics say so as well" eval 'on "$GATEWAY" curl -s "http://127.0.0.1:9803/metrics" | grep "^mpgate_rule_bytes_total{rule=\"all\",direction=\"down\"} [0-9]\{8\}"'

# Its quota is used up by that.
quota=$((used >> 20))
paths_are $RATE "use: primary, quota-mib: $quota"
check "a quota that is used up" ctl gw reload
check "is told" wait_for 5 logged "path b: backup: its quota of $quota MiB is used up until 20[0-9-]*\$"
b=$(big 1)
check "a long transfer" load -t 4 gap "$SERVER_IP" 80
is "$(big 1)" "$b" "nothing over b"
check "the daemon ends" daemon_stop gw
check "it is written down" grep -q '^path b ' "$TMP/state/${MPG_PREFIX}gw.usage"
check "and starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "it knows that at once" wait_for 3 logged "path b: backup: its quota" 2
[ "$(usage path b ".up + .down")" -ge "$used" ]
ok $? "it goes on counting" || diag "$(usage path b .)"
[ "$(usage rule all .down)" -gt 10000000 ]
ok $? "also by rule"
paths_are $RATE "use: primary, quota-mib: $((quota + 1000))"
check "more quota" ctl gw reload
check "ends that" wait_for 5 logged "path b: its quota is not used up any more"

# One at a time: a, and b when that is lost.
for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	b=$(big 1)
	load -n 12000000 sink "$SERVER_IP" 7002 >"$TMP/sink" 2>&1 &
	SINK=$!
	a=$(big 0)
	check "IPv$f: standby: a carries it" wait_for 10 more_big 0 $((a + 4000000))
	is "$(big 1)" "$b" "IPv$f: standby: b does not"
	link_cut 0
	wait $SINK
	is $? 0 "IPv$f: standby: it goes on over b without a byte lost" || diag "$(cat "$TMP/sink")"
	check "IPv$f: standby: it did" more_big 1 $((b + 3000000))
	link_mend 0
done

# A hub whose quota is used up says so, and is taken again when it has more.
hub_quota() {
	sed -i "s/^  - { name: net0.*/  - { name: net0, role: path, quota-mib: $1 }/" "$TMP/hub.yaml"
	ctl hub reload
}
check "a hub with a quota" hub_quota 1
check "that is used up" wait_for 5 grep -q "quota: new requests are told to go elsewhere" "$TMP/hub.log"
for f in 4 6; do
	family $f
	check "IPv$f: connections go direct" wait_for 5 greeted_by "$CLIENT_IP"
done
says() { ctl gw --json peers list | jq -e --arg e "$1" '.peers[0].last_error == $e'; }
check "the gateway knows why" wait_for 10 says "it says: resource exceeded"
check "more quota" hub_quota 100000
check "the hub takes requests again" wait_for 5 grep -q "quota: new requests are taken again" "$TMP/hub.log"
check "and has them" wait_for 70 greeted_by "$HUB6"

# A file that is broken costs what was in it, and no more.
check "the daemon ends" daemon_stop gw
echo nonsense >"$TMP/state/${MPG_PREFIX}gw.usage"
check "a broken file: it starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "a broken file: that is told" logged "${MPG_PREFIX}gw.usage: cannot be read, and what paths were used for begins at 0: it is broken"
check "and ends" daemon_stop gw
export STATE_DIRECTORY=/proc/none
check "no place to write: it starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "no place to write: that is told" wait_for 5 logged "/proc/none/${MPG_PREFIX}gw.usage: what paths were used for cannot be written down"
check "no place to write: it carries connections" wait_for 20 greeted_by "$HUB_IP"
done_testing
