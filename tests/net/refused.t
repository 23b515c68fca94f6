#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Servers that refuse, reset or cannot be reached, and a hub that breaks off: the client is reset, the reason is counted. A
# gateway that is short of ports carries on without the hub.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# The request waits at the hub; the end of the hub's answer has come.
asked() { on "$HUB" ss -Htn state established "sport = 8803" | grep -q '^ *[1-9]'; }
ended() { on "$GATEWAY" ss -Htn state close-wait "dport = 8803" | grep -q .; }

# fast_closes src|dst: packets from or to the hub that capture fast$f has with MP_FASTCLOSE (RFC 8684, 3.5).
fast_closes() { tcpdump -nr "$TMP/fast$f.pcap" "tcp $1 port 8803" 2>/dev/null | grep -c 'mptcp[^,]* fast-close'; }
resets() { grep -c '^reset$' "$TMP/servers.log"; }
more_resets() { [ "$(resets)" -gt "$1" ]; }

# An emulated CPU may find out that there is no such server later than the daemons would wait.
# shellcheck disable=SC2034 # read by pair_configs
[ -z "${MPG_SLOW:-}" ] || HUB_MORE='timeouts: { connect: 60 }' GATEWAY_TIMEOUTS='connect: 60'
# fast_closes src|dst: packets from or to the hub that capture fast$f has with MP_FASTCLOSE (RFC 8684, 3.5).
fast_closes() { tcpdump -nr "$TMP/fast$f.pcap" "tcp $1 port 8803" 2>/dev/null | grep -c 'mptcp[^,]* fast-close'; }
resets() { grep -c '^reset$' "$TMP/servers.log"; }
more_resets() { [ "$(resets)" -gt "$1" ]; }

scenario

# one NAME GW-COUNTER HUB-COUNTER ADDRESS PORT: the client is reset and both sides know why.
one() {
	local gw hub
	gw=$(counter gw relay "$2")
	hub=$(counter hub relay "$3")
	is "$(load conn "$4" "$5")" reset "$1: the client is reset"
	check "$1: counted on the gateway" wait_for 5 counted gw relay "$2" "$gw"
	check "$1: counted on the hub" wait_for 5 counted hub relay "$3" "$hub"
}

for f in 4 6; do
	family $f
	one "IPv$f: closed port" refused refused "$SERVER_IP" 7999
	one "IPv$f: no such server" unreachable unreachable "${SERVER_IP%2}99" 7001
	one "IPv$f: where the hub may not go" convert-error not-authorized "${HUB_IP%2}1" 7001
	capture fast$f "$ROUTER" hub0 tcp port 8803
	is "$(load conn "$SERVER_IP" 7004)" reset "IPv$f: a reset of the server reaches the client"
	capture_end fast$f
	check "IPv$f: a reset of the server: MP_FASTCLOSE to the gateway" [ "$(fast_closes src)" -gt 0 ]
	before=$(resets)
	capture fast$f "$ROUTER" hub0 -s 128 tcp port 8803
	check "IPv$f: a client resets in mid-transfer" load -n 20000000 abort "$SERVER_IP" 7002
	check "IPv$f: that reaches the server" wait_for 10 more_resets "$before"
	capture_end fast$f
	check "IPv$f: a reset of the client: MP_FASTCLOSE to the hub" [ "$(fast_closes dst)" -gt 0 ]
	is "$(load conn "$SERVER_IP" 7001)" ok "IPv$f: the next connection works"
done

# A connection that is bound to a path's address has the ports of that address, where binding takes one.
OWN_PORTS=
! "$BUILD/vmtest/probe" 2>/dev/null | grep -q '^feature mptcp-bind-no-port degraded' ||
	OWN_PORTS="this kernel takes a port of the path's own for a bound connection"
# One port is left: for a connection to each address of the hub, and for others elsewhere.
on "$GATEWAY" ip mptcp limits set subflows 0 add_addr_accepted 0
sysctls "$GATEWAY" net.ipv4.ip_local_port_range="20000 20000"
family 4
coproc HOLD { load -n 3 hold "$SERVER_IP" 7001; }
read -rt 30 held <&"${HOLD[0]}"
is "$held" "held 3" "no port is left: three connections are held"
# The third may still leave from the other path's address, which has a port as well, once a probe found the first one's without.
by_hub=$(ctl gw --json peers list | jq '.peers[].connections')
if [ -z "$OWN_PORTS" ] || [ "$by_hub" != 3 ]; then
	is "$by_hub" 2 "no port is left: two of them by the hub"
fi
for f in 4 6; do
	family $f
	resource=$(counter gw relay resource)
	if [ -n "$OWN_PORTS" ]; then
		skip "IPv$f: no port is left" "$OWN_PORTS"
		continue
	fi
	check "IPv$f: no port is left: the next goes direct" greeted_by "$GATEWAY_IP"
	check "IPv$f: no port is left: counted" counted gw relay resource "$resource"
	check "IPv$f: no port is left: the hub is not to blame" peer_is up
done
sysctls "$GATEWAY" net.ipv4.ip_local_port_range="32768 60999"
eval "exec ${HOLD[1]}>&-"

# Half an answer, with the end right behind it. Meanwhile the supervisor neither asks the hub nor misses its workers.
daemon_stop gw
check "the gateway starts anew" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is up" wait_for 10 peer_is up
mapfile -t workers < <(ctl gw --json status | jq -r '.workers[].pid')
bad=$(counter gw relay convert-bad)
kill -STOP "${DAEMON[gw]}"
daemon_stop hub
spawn cut "$HUB" "$TOOLS/tcpserve" cut:8803
for f in 4 6; do
	family $f
	kill -STOP "$SPAWNED"
	load conn "$SERVER_IP" 7001 >"$TMP/half" &
	pid=$!
	check "IPv$f: half an answer and the end: asked for" wait_for 10 asked
	kill -STOP "${workers[@]}"
	kill -CONT "$SPAWNED"
	check "IPv$f: half an answer and the end: both are there" wait_for 10 ended
	kill -CONT "${workers[@]}"
	wait $pid
	is "$(cat "$TMP/half")" reset "IPv$f: half an answer and the end: the client is reset"
done
kill -CONT "${DAEMON[gw]}"
check "half an answer and the end: both are counted" counted gw relay convert-bad $((bad + 1))
done_testing
