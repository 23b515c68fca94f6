#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A hub is out of reach for some seconds while clients connect: afterwards connections are MPTCP and bonded at once,
# with the kernel's default settings. Where somebody turns blackhole detection on again, its strike is told.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

BLACKHOLE=net.mptcp.blackhole_timeout
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_TIMEOUTS='peer: 4'
net_init
net_build && servers_start || exit 1
before=$(on "$GATEWAY" sysctl -n $BLACKHOLE 2>/dev/null) || skip_all "this kernel has no blackhole detection"
check "the kernel has it on by default" test "$before" -gt 0
pair_start || exit 1
is "$(on "$GATEWAY" sysctl -n $BLACKHOLE)" 0 "the gateway turns it off"
is "$(on "$HUB" sysctl -n $BLACKHOLE)" "$before" "the hub leaves it"

# struck: how often the kernel of the gateway has given up MPTCP.
struck() { on "$GATEWAY" nstat -asz MPTcpExtBlackhole | awk '/Blackhole/ { print $2 }'; }
hub_lost() { ip -n "$ROUTER" route add blackhole "$HUB4" && ip -n "$ROUTER" -6 route add blackhole "$HUB6"; }
hub_found() { ip -n "$ROUTER" route del blackhole "$HUB4" && ip -n "$ROUTER" -6 route del blackhole "$HUB6"; }
# waits NUMBER: so many connections of the gateway to the hub have sent their third SYN or a later one.
waits() { [ "$(on "$GATEWAY" ss -Hton state syn-sent "dport = 8803" | grep -cE 'timer:\(on,[^,]*,([2-9])\)')" -ge "$1" ]; }
# outage: clients connect while the hub is out of reach, until the kernel has sent SYNs for three seconds.
outage() {
	local pids=() i
	hub_lost
	for i in 1 2 3; do
		load conn "$SERVER_IP" 7001 >/dev/null 2>&1 &
		pids+=($!)
	done
	check "$1: connections wait for the hub" wait_for 10 waits 1
	hub_found
	wait "${pids[@]}"
}
bonded() {
	local fallbacks
	fallbacks=$(counter gw relay fallback-tcp)
	greeted_by "$HUB_IP" && [ "$(counter gw relay fallback-tcp)" = "$fallbacks" ]
}

for f in 4 6; do
	family $f
	outage "IPv$f"
	check "IPv$f: the peer is up again" wait_for 20 peer_is up
	check "IPv$f: the next connection goes by the hub, over MPTCP" bonded
done
is "$(struck)" 0 "the kernel has not given up MPTCP"

family 4
on "$GATEWAY" sysctl -qw $BLACKHOLE="$before"
outage "turned on by somebody"
if [ "$(struck)" -gt 0 ]; then
	check "its strike is told" wait_for 20 grep -q 'blackhole detection has struck' "$TMP/gw.log"
	check "the peer is shown to answer in plain TCP" wait_for 60 eval '[ "$(ctl gw --json peers list | jq -r ".peers[0].transport")" = tcp ]'
else
	diag "it did not strike here"
fi
done_testing
