#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A path that was silent for half a minute is used again as soon as it answers; one whose probes alone were lost keeps its
# subflows; one whose routes come later than its carrier does not miss them.
# LONG: outages take their time.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

OUTAGE=25 # seconds: by then the kernel sends again every ten to twenty
RATE=20 # Mbit/s
scenario
shape 0 $RATE
shape 1 $RATE

way_is() {
	ctl gw --json peers list | jq -e --arg a "$HUB_IP" --arg s "$1" \
		'[.ways[] | select(.address == $a and .path == "b" and .state == $s)] | length == 1'
}
sent() { ip -n "$ROUTER" -s -j link show dev acc1 | jq '.[0].stats64.tx.bytes'; }
carries() { [ "$(sent)" -gt $(($1 + 300000)) ]; }
subflows() { on "$GATEWAY" ss -Htn state established "src $1 and dport = 8803" | awk '{ print $3 }' | sort; }
# Ports of the running download's subflow over the second link: of all that are there, the one with most bytes.
second() { if [ "$f" = 4 ]; then echo 10.60.20.2; else echo "[fd60:20::2]"; fi; }
download() {
	load -t "$1" gap "$SERVER_IP" 80 >"$TMP/gap" 2>&1 &
	DOWNLOAD=$!
	check "IPv$f: $2: the second link carries a part" wait_for 10 carries "$(sent)"
}
downloaded() {
	wait "$DOWNLOAD"
	is $? 0 "IPv$f: $1: the download goes on"
	diag "$(grep gap_ms "$TMP/gap")"
}
pause() { read -rt "$1" <> <(:) || :; }
# hub_of 4|6: the hub is reached over that family.
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 way_is up
}

for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	check "IPv$f: it carries connections" greeted_by "$HUB_IP"
	download $((OUTAGE + 20)) silence
	silence 1
	check "IPv$f: silence: found" wait_for 20 way_is down
	pause $((OUTAGE - 10))
	silence_end 1
	check "IPv$f: silence: the link carries again as soon as it can" wait_for 8 carries "$(sent)"
	downloaded silence
	check "IPv$f: silence: that is told" grep -q "wan1 answers again in IPv$f" "$TMP/gw.log"
done

for f in 4 6; do
	check "IPv$f: probes: the hub is there" hub_of $f
	again=$(grep -c "wan1 answers again in IPv$f" "$TMP/gw.log")
	download 30 probes
	before=$(subflows "$(second)")
	silence 1 "tcp flags syn / fin,syn,rst,ack"
	check "IPv$f: probes: they are lost" wait_for 20 way_is down
	pause 6
	silence_end 1
	check "IPv$f: probes: they are answered again" wait_for 10 way_is up
	check "IPv$f: probes: the link still carries" wait_for 8 carries "$(sent)"
	is "$(comm -12 <(echo "$before") <(subflows "$(second)"))" "$before" "IPv$f: probes: over the same subflows"
	is "$(grep -c "wan1 answers again in IPv$f" "$TMP/gw.log")" "$again" "IPv$f: probes: it was never silent"
	downloaded probes
done

for f in 4 6; do
	check "IPv$f: unplugged: the hub is there" hub_of $f
	download 20 unplugged
	ip -n "$GATEWAY" link set wan1 down
	pause 2
	ip -n "$GATEWAY" link set wan1 up
	ip -n "$GATEWAY" -6 addr replace fd60:20::2/64 dev wan1 nodad
	pause 1
	net_use 0
	check "IPv$f: unplugged: the link carries again when its routes are back" wait_for 8 carries "$(sent)"
	downloaded unplugged
done

done_testing
