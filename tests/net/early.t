#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Early connect: Connect and the client's first bytes ride in the SYN; without TFO they follow the handshake; a protocol
# in which the server speaks first does not wait.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/box.sh
. "$(dirname "$0")/box.sh"

# Asked of the kernel; where it cannot, Convert follows the handshake and the rest of this holds all the same.
NO_TFO=
! "$BUILD/vmtest/probe" 2>/dev/null | grep -qE '^feature mptcp-tfo-(client|server|no-cookie) degraded' ||
	NO_TFO='this kernel has no TCP Fast Open on MPTCP sockets'
# is_syn GOT WANTED NAME: as is, for what needs data in a SYN.
is_syn() { if [ -n "$NO_TFO" ]; then skip "$3" "$NO_TFO"; else is "$@"; fi; }

# A busy machine may give curl its turn later than the default of 1 ms.
# shellcheck disable=SC2034 # read by pair_configs
[ -n "${MPG_SLOW:-}" ] || GATEWAY_TIMEOUTS="first-bytes-ms: 50"
scenario

# The SYNs to the hub that carry a Connect to port 80 (TLV 10, 5 words), and those with a client's request in it too.
CONNECT=0a050050
REQUEST=474554202f # "GET /"
syns() { packet_lines "$1" | grep -F 'Flags [S],' | grep -c -- "$2"; }

for f in 4 6; do
	family $f
	capture syn$f "$ROUTER" acc0 tcp port 8803
	check "IPv$f: a download works" on "$CLIENT" curl -sS -o /dev/null --max-time 20 "$URL/1000"
	capture_end syn$f
	is_syn "$(syns syn$f "01..2263.*$CONNECT")" 1 "IPv$f: Connect rides in the SYN"
	is_syn "$(syns syn$f "mptcp.* capable.*$CONNECT")" 1 "IPv$f: the same SYN has MP_CAPABLE"
	is_syn "$(syns syn$f "$CONNECT.*$REQUEST")" 1 "IPv$f: the client's first bytes are in it"
	check "IPv$f: the server speaks first" greeted_by "$HUB_IP"
done

# The hub gets no data in one SYN, which is forgiven; then in none. (It would set its kernel's sysctl again after a while.)
takes_data() { ctl gw --json peers list | jq -e '.peers[0].syn_data == "yes"'; }
# forgiven NAME: one SYN's data is lost, the next carries Connect again. The supervisor is stopped meanwhile: a probe would
# find out that the hub takes none. A busy machine may lose a second SYN by itself, which ends it until the gateway has
# probed the hub anew: hence some tries. A failed download ends them.
TRIES=4
forgiven() {
	local i status
	for ((i = 0; i < TRIES; i++)); do
		wait_for 60 takes_data || return
		kill -STOP "${DAEMON[gw]}"
		forgiven_once "$1-$i"
		status=$?
		kill -CONT "${DAEMON[gw]}"
		[ "$status" -eq 2 ] || return "$status"
	done
	return 1
}
# 0: so it is, 1: a download failed, 2: there was no Connect in the SYN.
forgiven_once() {
	box hub0 strip_syn_data
	on "$CLIENT" curl -sS -o /dev/null --max-time 20 "$URL/1000" || return 1
	box_gone hub0
	capture "$1" "$ROUTER" acc0 tcp port 8803
	on "$CLIENT" curl -sS -o /dev/null --max-time 20 "$URL/1000" || return 1
	capture_end "$1"
	[ "$(syns "$1" "$CONNECT")" = 1 ] || return 2
}
for f in 4 6; do
	family $f
	ONCE="IPv$f: a SYN's data is lost: downloads work, and the next Connect rides in the SYN again"
	if [ -n "$NO_TFO" ]; then skip "$ONCE" "$NO_TFO"; else check "$ONCE" forgiven once$f; fi
done
box hub0 strip_syn_data
# Each way to the hub is asked for itself, and until all were SYN data is tried over another one.
known_everywhere() {
	greeted_by "$HUB_IP" && ctl gw --json peers list | jq -e '[.ways[] | select(.syn_data != "no")] | length == 0'
}
for f in 4 6; do
	family $f
	check "IPv$f, no TFO: the first download works" on "$CLIENT" curl -sS -o /dev/null --max-time 20 "$URL/1000"
	check "IPv$f, no TFO: the second, too" on "$CLIENT" curl -sS -o /dev/null --max-time 20 "$URL/1000"
	check "IPv$f, no TFO: no way takes it" wait_for 30 known_everywhere
	before=$(counter gw relay after-handshake)
	capture late$f "$ROUTER" acc0 tcp port 8803
	check "IPv$f, no TFO: the next download works" on "$CLIENT" curl -sS -o /dev/null --max-time 20 "$URL/1000"
	capture_end late$f
	is "$(syns late$f "$CONNECT")" 0 "IPv$f, no TFO: no Connect in the SYN any more"
	is "$(packet_lines late$f | grep -vF 'Flags [S' | grep -c "$CONNECT")" 1 "IPv$f, no TFO: it follows the handshake"
	check "IPv$f, no TFO: that is counted" counted gw relay after-handshake "$before"
	check "IPv$f, no TFO: the server speaks first" greeted_by "$HUB_IP"
done
LOST="SYN data that was not acknowledged is counted"
if [ -n "$NO_TFO" ]; then skip "$LOST" "$NO_TFO"; else check "$LOST" counted gw relay syn-data-lost 0; fi
done_testing
