#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who vanishes without a word is noticed: what it had is ended on gateway and hub within the time of the probes.
# LONG: it waits for probes that have no answer.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# A peer is given up after 9 s, a client after four times as long. A kernel gives an MPTCP socket that lost its last
# subflow a minute more.
GATEWAY_TIMEOUTS='keepalive: 1'
HUB_MORE='timeouts: { keepalive: 1 }'
# Half of the connections are honest, half are early.
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: honest, to-port: [ "7001" ], action: proxy, via: hub, connect: honest }
    - { name: early, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
PEER_S=9 CLIENT_S=36 LAST_SUBFLOW_S=60 SPARE_S=15
scenario
works=$(ctl gw --json status | jq '.features[] | select(.name == "mptcp-keepalive") | .works')

flows() { [ "$(ctl "$1" --json flows list | jq '.flows | length')" -eq "$2" ]; }
vanish() { on "$1" nft 'table inet gone { chain i { type filter hook input priority raw; policy drop; };
	chain o { type filter hook output priority raw; policy drop; }; }'; }
appear() { on "$1" nft delete table inet gone; }

# held: a connection of each family that says nothing after its first byte.
held() {
	local f port
	exec 9<>"$TMP/hold.in"
	for f in 4 6; do
		family "$f"
		for port in 7001 7003; do
			load -n 1 hold "$SERVER_IP" "$port" <"$TMP/hold.in" >"$TMP/hold.$f.$port" 2>&1 9>&- &
			PIDS+=($!)
			wait_for 10 grep -q held "$TMP/hold.$f.$port" || { cat "$TMP/hold.$f.$port" && return 1; }
		done
	done
}
mkfifo "$TMP/hold.in"

check "connections of both families" held
check "they are with the gateway" flows gw 4
check "and with the hub" flows hub 4
read -rt $((PEER_S + 3)) <> <(:) || :
check "idle ones stay" flows gw 4
vanish "$CLIENT"
check "the client vanishes: its connections end at the gateway" wait_for $((CLIENT_S + SPARE_S)) flows gw 0
check "and at the hub" wait_for 5 flows hub 0
appear "$CLIENT"

check "connections of both families again" held
check "they are with the gateway" wait_for 5 flows gw 4
vanish "$SERVER"
check "the server vanishes: its connections end at the hub" wait_for $((PEER_S + SPARE_S)) flows hub 0
check "and clients are told by the gateway" wait_for $SPARE_S flows gw 0
appear "$SERVER"

if [ "$works" = true ]; then
	# What is under way is sent again as often as the kernel is told to, and only what is idle is probed: one of each.
	on "$HUB" sysctl -qw net.ipv4.tcp_retries2=4
	check "connections of both families again" held
	for f in 4 6; do
		family $f
		load -n 300000000 slow "$SERVER_IP" 80 >"$TMP/slow.$f" 2>&1 & # longer than this test waits
		PIDS+=($!)
	done
	check "they are with the hub" wait_for 5 flows hub 6
	read -rt 2 <> <(:) || : # until nothing is under way on those that are idle
	vanish "$GATEWAY"
	check "the gateway vanishes: its connections end at the hub, in mid-transfer and idle" \
		wait_for $((PEER_S + LAST_SUBFLOW_S + SPARE_S)) flows hub 0
	check "and idle clients are told by the gateway" wait_for $SPARE_S flows gw 2
	appear "$GATEWAY"
else
	skip "the gateway vanishes" "this kernel takes no times for keep-alives of MPTCP sockets"
fi
for f in 4 6; do
	family $f
	check "IPv$f: new connections go by the hub" wait_for 60 greeted_by "$HUB_IP"
done
done_testing
