#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A hub is to listen on addresses that no interface has yet: it starts, says so, and begins when they come, with all its
# workers. What it listens on already goes on.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by pair_configs
PEER_ADDRESS='10.60.30.9, "fd60:30::9", 10.60.30.2, "fd60:30::2"'
# shellcheck disable=SC2034
HUB_MORE='metrics: { listen: 127.0.0.1 }' GATEWAY_MORE='metrics: { listen: 10.60.1.9 }'
stage
sed -i 's/^  listen: .*/  listen: [ 10.60.30.2, "fd60:30::2", 10.60.30.9, "fd60:30::9" ]/' "$TMP/hub.yaml"

waiting() { ctl hub --json status | jq -r '.convert.waiting | join(" ")'; }
metric() { on "$HUB" curl -sS --max-time 5 http://127.0.0.1:9803/metrics | sed -n 's/^mpgate_listen_waiting //p'; }
listens() { on "$HUB" ss -Htln "src $1 and sport = 8803" | wc -l; }
# way_is STATE ADDRESS: of the gateway's ways to that address, all are.
way_is() { ctl gw --json peers list | jq -e --arg a "$2" "[.ways[] | select(.address == \$a)] | length > 0 and all(.state == \"$1\")"; }
waits_no_more() { ! waiting | grep -qF "$1"; }
# over ADDRESS: connections of the gateway to that address of the hub.
over() { on "$HUB" ss -Htn state established "src $1 and sport = 8803" | wc -l; }
used() { [ "$(over "$1")" -gt 0 ]; }
workers() { ctl hub --json status | jq -r '.workers[].pid'; }
scraped() { on "$GATEWAY" curl -sS --max-time 5 "http://$1:9803/metrics" | grep -q mpgate_findings; }
not() { ! "$@"; }
replaced() { [ -n "$(workers)" ] && ! workers | grep -qx "$1"; }

check "the hub starts without its addresses" daemon_start hub "$HUB" "$TMP/hub.yaml"
WORKERS=$(workers | wc -l)
for f in 4 6; do
	[ $f = 4 ] && late=10.60.1.9 shown=$late || late=fd60:1::9 shown="[fd60:1::9]"
	sed -i "s/^metrics: .*/metrics: { listen: \"$late\" }/" "$TMP/gw.yaml"
	[ $f = 4 ] || daemon_stop gw
	check "IPv$f: the gateway starts without the address of its metrics" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	check "IPv$f: metrics: it is in the log" grep -qF "metrics: waiting to listen on $late port 9803: no interface has that address" "$TMP/gw.log"
	check "IPv$f: metrics: doctor says so" finds gw not-listening "metrics.listen waits for $late port 9803"
	ip -n "$GATEWAY" addr add "$late/$([ $f = 4 ] && echo 24 || echo 64)" dev lan0
	check "IPv$f: metrics: the address comes" wait_for 10 scraped "$shown"
	check "IPv$f: metrics: doctor has nothing to say" not finds gw not-listening
done
check "the hub is up, at those that it has" wait_for 20 way_is up 10.60.30.2
is "$(waiting)" "10.60.30.9:8803 (no interface has that address) [fd60:30::9]:8803 (no interface has that address)" \
	"status says what is waited for, and why"
like "$(ctl hub status)" 'waits for +10\.60\.30\.9:8803 \(no interface has that address\),\[fd60:30::9\]:8803 ' "in plain words, too"
for late in 10.60.30.9:8803 "[fd60:30::9]:8803"; do
	check "so does doctor: $late" finds hub not-listening "convert.listen waits for $late (no interface has that address)"
done
is "$(metric)" 2 "a metric has their number"
is "$(listens 10.60.30.9) $(listens '[fd60:30::9]')" "0 0" "nobody listens there"
family 4
check "connections over those that it has" hold 4
before=$(over 10.60.30.2)
check "a reload while it waits" ctl hub reload

for f in 4 6; do
	family $f
	late=$([ $f = 4 ] && echo 10.60.30.9 || echo '[fd60:30::9]')
	address=${late//[][]/}
	check "IPv$f: it is in the log" grep -qF "waiting to listen on $late:8803: no interface has that address" "$TMP/hub.log"
	# With duplicate address detection: an IPv6 address cannot be used for a second or two.
	ip -n "$HUB" addr add "$address/$([ $f = 4 ] && echo 24 || echo 64)" dev net0
	check "IPv$f: the address comes: it listens" wait_for 10 grep -qF "listening on $late:8803" "$TMP/hub.log"
	is "$(listens "$late")" "$WORKERS" "IPv$f: with each worker"
	check "IPv$f: status waits for it no more" waits_no_more "$late"
	check "IPv$f: the gateway finds it" wait_for 60 way_is up "$address"
	load -n 40000000 echo "$SERVER_IP" 7001 >"$TMP/long" 2>&1 &
	LONG=$!
	check "IPv$f: connections go there" wait_for 10 used 10.60.30.9
	wait $LONG
	ok $? "IPv$f: and end well"
	check "IPv$f: so do those of many clients" load -c 20 -n 10000 echo "$SERVER_IP" 7001
done
check "connections over what was there go on" [ "$(over 10.60.30.2)" -ge "$before" ]
let_go

# A new process of a worker listens on all of them.
victim=$(workers | head -n 1)
kill -9 "$victim"
check "a worker is replaced" wait_for 10 replaced "$victim"
is "$(listens 10.60.30.9) $(listens '[fd60:30::9]')" "$WORKERS $WORKERS" "its listeners are there"
check "connections of many clients" load -c 20 -n 10000 echo "$SERVER_IP" 7001
is "$(waiting)" "" "nothing is waited for any more"
check "doctor has nothing to say" not finds hub not-listening
is "$(metric)" 0 "the metric says so"
done_testing
