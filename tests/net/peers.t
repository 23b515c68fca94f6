#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A peer that is down is tried again with growing delay; one that loses its address in a reload is left alone until it
# has one again; one of whose addresses the first is dead stays up, and connections do not try that.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

FAILURES=3
CONNECTIONS=5
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_TIMEOUTS='peer: 1'
# Nothing listens there: it refuses probes at once.
# shellcheck disable=SC2034
PEER_MORE="  - { name: other, address: [ $HUB4 ], port: 8804, dialect: rfc8803 }"

# peer NAME FIELD: as the gateway sees it.
peer() { ctl gw --json peers list | jq -r ".peers[] | select(.name == \"$1\") | .$2"; }

# tried_later NAME SECONDS: the next try is further away; DELAY is how far.
tried_later() {
	DELAY=$(peer "$1" next_try_s)
	[ "$DELAY" -gt "$2" ]
}

# address NAME [ADDRESS...]: of the peer hub from now on, and the rule's peer.
address() {
	local list=
	[ $# -eq 1 ] || printf -v list ', "%s"' "${@:2}"
	sed -i "/^    address: /d; s/via: [a-z]*/via: $1/" "$TMP/gw.yaml"
	[ $# -eq 1 ] || sed -i "/^  - name: hub/a\\    address: [ ${list#, } ]" "$TMP/gw.yaml"
	ctl gw reload
}
hub_down() {
	load conn "$SERVER4" 7001
	peer_is down
}

scenario
alive=${DAEMON[gw]}
check "a peer refuses probes" wait_for 5 tried_later other 0
for ((i = 1; i <= FAILURES; i++)); do
	check "failure $i: the next try is later: after $DELAY s" wait_for 20 tried_later other "$DELAY"
done

# Its address goes while it is tried every second; another one that fails afresh is the clock.
daemon_stop hub
check "the hub is gone" wait_for 10 hub_down
capture gone "$ROUTER" hub0 "dst port 8803 or dst port 8804"
check "the peer loses its address" address other
is "$(peer hub state)" passive "it is not known to be down any more: from now on it dials us"
packets=$(packets gone dst port 8803)
sed -i 's/port: 8804/port: 8805/' "$TMP/gw.yaml"
check "another peer begins anew" ctl gw reload
check "it is tried several times" wait_for 20 tried_later other 2
capture_end gone
is "$(packets gone dst port 8803)" "$packets" "the one without an address is not, meanwhile"
check "the daemon lives on" kill -0 "$alive"
check "the hub is back" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the peer has its address again" address hub "$HUB4" "$HUB6"
check "and is up" wait_for 10 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f: connections go by it" greeted_by "$HUB_IP"
done

# The supervisor stands still, with no probe of an address that says nothing under way.
still_gateway() {
	kill -STOP "$alive"
	[ -z "$(on "$GATEWAY" ss -Htn state syn-sent "dport = 8803")" ] && return
	kill -CONT "$alive"
	return 1
}
for f in 4 6; do
	family $f
	dead=${HUB_IP%2}66
	ip -n "$ROUTER" route add blackhole "$dead"
	check "IPv$f: the first of two addresses is dead" address hub "$dead" "$HUB_IP"
	check "IPv$f: the peer is up" wait_for 10 peer_is up
	downs=$(grep -c 'peer hub is down' "$TMP/gw.log")
	capture dead$f "$ROUTER" acc0 dst host "$dead"
	probed() { [ "$(packets "dead$f")" -gt 0 ]; }
	check "IPv$f: the dead one is tried again" wait_for 20 probed
	capture_end dead$f
	check "IPv$f: no probe is under way" wait_for 20 still_gateway
	capture dead$f "$ROUTER" acc0 dst host "$dead"
	for ((i = 0; i < CONNECTIONS; i++)); do
		check "IPv$f: connection $i goes by the hub" greeted_by "$HUB_IP"
	done
	capture_end dead$f
	kill -CONT "$alive"
	is "$(packets dead$f)" 0 "IPv$f: none of them tried the dead address"
	check "IPv$f: the peer is up still" peer_is up
	is "$(grep -c 'peer hub is down' "$TMP/gw.log")" "$downs" "IPv$f: and was so all the time"
done

# Addresses on both sides: each may dial the other, and nothing says who is what.
address hub "$HUB4" "$HUB6"
daemon_stop gw
sed -i "/^peers:/i\\convert: { listen: [ 0.0.0.0, \"::\" ] }" "$TMP/gw.yaml"
both_ways() { [ "$(ctl "$1" --json peers list | jq -r ".peers[] | select(.name == \"$2\") | .state")" = up ]; }
check "the gateway listens, too" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
for f in 4 6; do
	family $f
	sed -i "s|^  - { name: gw,.*|  - { name: gw, key-file: pair.key, address: [ \"$GATEWAY_IP\" ] }|" "$TMP/hub.yaml"
	check "IPv$f: the hub has the gateway's address" ctl hub reload
	check "IPv$f: the gateway has its answer" wait_for 10 both_ways gw hub
	check "IPv$f: and so has the hub" wait_for 10 both_ways hub gw
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done

# One key for two peers is a mistake that costs the second of them.
cp -p "$TMP/pair.key" "$TMP/copy.key"
sed -i "/^peers:/a\\  - { name: early, key-file: copy.key, dialect: rfc8803 }" "$TMP/hub.yaml"
check "another peer gets the same key" ctl hub reload
state() { ctl hub --json peers list | jq -r ".peers[] | select(.name == \"gw\") | .$1"; }
is "$(state state)" down "the second is left out"
like "$(state last_error)" "left out: its key has the name of a key of peer early" "and its state says why"
check "so does the log" grep -q "peer gw is down: left out" "$TMP/hub.log"
check "and doctor, with what to do" finds hub peer-left-out "mpgatectl key new FILE"
like "$("$BUILD/mpgated" -c "$TMP/hub.yaml" --check 2>&1)" "peer gw is left out" "so does --check"
sed -i "/name: early/d" "$TMP/hub.yaml"
check "it goes" ctl hub reload
check "the second is up" wait_for 10 both_ways hub gw
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub again" greeted_by "$HUB_IP"
done
done_testing
