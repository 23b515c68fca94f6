#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Connections to the hub that are opened ahead (ready: 2): used, replaced, closed when nobody needs them, and no harm when
# they turn out to be dead.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

HEADER=$((12 + 8 * ${MPG_SLOW:-1})) # they live half as long, which must outlast a start of the hub
# One worker, since each opens its own.
# shellcheck disable=SC2034 # read by pair_configs
PEER_MORE='    ready: 2' GATEWAY_TIMEOUTS="header: $HEADER, peer: 1" HUB_MORE="timeouts: { header: $HEADER }" GATEWAY_MORE='workers: 1'
CONNECT=0a050050 # the Connect TLV to port 80
download() { on "$CLIENT" curl -sS -o /dev/null --max-time 30 "$URL/${1:-1000}"; }
# Established connections to the Convert port, in the gateway's namespace; each has two subflows.
open_to_hub() { on "$GATEWAY" ss -HtnM state established "dport = 8803" | wc -l; }
ready_now() { [ "$(open_to_hub)" -ge "$1" ]; }
none_open() { [ "$(open_to_hub)" -eq 0 ]; }
# What the hub sends gets lost from now on, or again not.
mute() {
	ip -n "$HUB" route replace blackhole default
	ip -n "$HUB" -6 route replace blackhole default
}
unmute() {
	ip -n "$HUB" route del blackhole default
	ip -n "$HUB" -6 route del blackhole default
	default_via "$HUB" 30 1
}
# lost add|del from|to sport|dport: what goes between gateways and the first address of the hub, in one direction.
lost() { ip -n "$ROUTER" "-$f" rule "$1" "$2" "$HUB_IP" ipproto tcp "$3" 8803 blackhole; }
to_first() { on "$GATEWAY" ss -Htn state established "dport = 8803" | grep -cF "$HUB_IP"; }
to_other() { on "$GATEWAY" ss -Htn state established "dport = 8803" | grep -vcF "$HUB_IP"; }
# Some to the first address, whatever there was before: a reload that changes a peer closes all.
renew() { another_number && ctl gw reload && wait_for 20 renewed && wait_for 5 calm; }
# Nothing of an earlier connection is still being closed.
calm() { ! on "$GATEWAY" ss -HMna | grep -qvE '^(mptcp +)?(ESTAB|LISTEN)'; }
another_number() { sed -i 's/ready: 2/ready: 3/; t; s/ready: 3/ready: 2/' "$TMP/gw.yaml"; }
# After the first address failed it is asked again, soon, before connections go there. It takes data in SYNs.
renewed() { greeted_by "$HUB_IP" && [ "$(to_first)" -ge 2 ] && [ "$(to_other)" -eq 0 ] && [ "$(syn_data)" = yes ]; }
syn_data() { ctl gw --json peers list | jq -r '.peers[].syn_data'; }

net_init
net_build && servers_start || exit 1
for f in 4 6; do
	family $f
	# shellcheck disable=SC2034 # read by pair_configs
	[ $f = 4 ] && PEER_ADDRESS="$HUB4, \"$HUB6\"" || PEER_ADDRESS="\"$HUB6\", $HUB4"
	check "IPv$f: hub and gateway start" pair_start
	check "IPv$f: a download" download
	check "IPv$f: connections were opened ahead" counted gw relay ready-opened 0
	check "IPv$f: they are established" wait_for 5 ready_now 2

	capture ready$f "$ROUTER" acc0 tcp port 8803
	used=$(counter gw relay ready-used)
	check "IPv$f: the next download" download
	check "IPv$f: it used one" counted gw relay ready-used "$used"
	capture_end ready$f
	is "$(packet_lines ready$f | grep -F 'Flags [S' | grep -c "$CONNECT")" 0 "IPv$f: its Connect was in no SYN"
	check "IPv$f: a large download" download 3000000
	check "IPv$f: 20 echoes at a time" load -c 20 -n 50000 echo "$SERVER_IP" 7001
	check "IPv$f: the server speaks first" greeted_by "$HUB_IP"
	is "$(load conn "$SERVER_IP" 7999)" reset "IPv$f: a refusal"

	check "IPv$f: some are there again" wait_for 5 ready_now 2
	mute
	kill -STOP "${DAEMON[gw]}" # no probe finds out
	kill -9 "${DAEMON[hub]}" && wait_for 5 gone "${DAEMON[hub]}"
	daemon_start hub "$HUB" "$TMP/hub.yaml"
	unmute
	kill -CONT "${DAEMON[gw]}"
	used=$(counter gw relay ready-used)
	check "IPv$f: a hub that started anew meanwhile does not matter" download
	check "IPv$f: and one that it does not know was tried" counted gw relay ready-used "$used"

	check "IPv$f: some are there again" wait_for 5 ready_now 2
	direct=$(counter gw relay direct)
	mute
	check "IPv$f: with a mute hub a download works all the same" download
	check "IPv$f: directly" counted gw relay direct "$direct"
	unmute

	check "IPv$f: new ones are there" renew
	lost add to dport
	check "IPv$f: what is sent to the hub gets lost: a download works all the same" download
	is "$(to_first)" 0 "IPv$f: no socket goes on sending the request"
	lost del to dport

	check "IPv$f: new ones are there" renew
	direct=$(counter gw relay direct) relayed=$(counter hub relay relayed) replayed=$(counter hub relay replayed)
	kill -STOP "${DAEMON[gw]}" # no probe finds out: the same address is asked again, in a SYN
	lost add from sport
	check "IPv$f: the hub's answers get lost: a download works all the same" download
	kill -CONT "${DAEMON[gw]}"
	check "IPv$f: directly" counted gw relay direct "$direct"
	check "IPv$f: the hub refused to do it again" counted hub relay replayed "$replayed"
	is "$(counter hub relay relayed)" $((relayed + 1)) "IPv$f: and had done it once"
	lost del from sport

	check "IPv$f: they are closed when nobody needs them" wait_for 20 none_open
	daemon_stop gw
	daemon_stop hub
done
done_testing
