#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A hub that routing puts on the path, in short: transparent mode, what speaks MPTCP from end to end, and what a rule
# terminates. transparent.t, transparent-back.t and learned.t have all of it; this is what a VM has time for.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/onpath.sh
. "$(dirname "$0")/onpath.sh"

# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: way }'
# shellcheck disable=SC2034
HUB_MORE='policy:
  rules:
    - { name: phones, from: [ 10.60.1.0/24, "fd60:1::/64" ], to-port: [ 7001 ], action: terminate, mptcp: terminate }
    - { name: learned, from: [ 10.60.1.0/24, "fd60:1::/64" ], to-port: [ 7003 ], action: terminate, mptcp: learned }'
stage
way_configs
way_preserves
on_path_make
on_path add
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"

# took COUNTER NUMBER NAME COMMAND...: the hub takes so many of the command's connections by the way that it counts there.
took() {
	local before
	before=$(counter hub relay "$1")
	check "$3" "${@:4}"
	is "$(counter hub relay "$1")" $((before + $2)) "$3: the hub took $2"
}
greeted_phone() { [ "$(load -m greet "$SERVER_IP" 7003 2>&1 | head -n 1)" = "hello $CLIENT_IP" ]; }
# joins BEFORE: a transfer was long enough for the other link to join at the hub.
joins() {
	load -n 20000000 get "$SERVER_IP" 80
	[ "$(joined)" -gt "$1" ]
}
joined() { on "$HUB" nstat -asz MPTcpExtMPJoinAckRx | awk '/MPJoinAck/ { print $2 }'; }
capable() { on "$SERVER" nstat -asz MPTcpExtMPCapableACKRX | awk '/MPCapable/ { print $2 }'; }

for f in 4 6; do
	family $f
	before=$(joined)
	took taken 1 "IPv$f: transparent: a download" load -n 1000000 get "$SERVER_IP" 80
	check "IPv$f: transparent: paths join at the hub" wait_for 10 joins "$before"
	took taken 1 "IPv$f: transparent: the server sees its client" greeted_by "$CLIENT_IP"
	is "$(load conn "$SERVER_IP" 7099)" refused "IPv$f: transparent: a closed port is closed"
	before=$(capable)
	took terminated 0 "IPv$f: MPTCP from end to end" load -m -n 100000 echo "$SERVER_IP" 7101
	is "$(capable)" $((before + 1)) "IPv$f: it is the server's own"
	took terminated 1 "IPv$f: mptcp: terminate" load -m -n 100000 echo "$SERVER_IP" 7001
	took terminated 0 "IPv$f: mptcp: learned: the first connection" greeted_phone
	took terminated 1 "IPv$f: mptcp: learned: the next one" greeted_phone
done
for f in 4 6; do
	family $f
	ctl hub drain start >/dev/null
	took taken 0 "IPv$f: drained, the hub lets them pass" load -n 100000 get "$SERVER_IP" 80
	took terminated 0 "IPv$f: drained: those of phones, too" load -m -n 100000 echo "$SERVER_IP" 7001
	ctl hub drain stop >/dev/null
	took taken 1 "IPv$f: and takes them again" load -n 100000 get "$SERVER_IP" 80
done
daemon_stop hub
for f in 4 6; do
	family $f
	check "IPv$f: without the hub" load -n 100000 get "$SERVER_IP" 80
done
done_testing
