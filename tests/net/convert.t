#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Convert clients that are not mpgate: open and issued modes, every error a client can provoke, and no open relay.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# Asked of the kernel, for a client that sends data in its SYN with MPTCP.
NO_TFO=
! "$BUILD/vmtest/probe" 2>/dev/null | grep -qE '^feature mptcp-tfo-(client|server|no-cookie) degraded' ||
	NO_TFO='this kernel has no TCP Fast Open on MPTCP sockets'

# One worker, since each has its own cookies and requests in waiting.
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='workers: 1' HUB_MORE='workers: 1'
hub_with() {
	HUB_ACCEPT="  accept: $1
  pending-per-client: 1
  allow-from: [ 10.60.10.0/24, \"fd60:10::/64\" ]"
	pair_configs && daemon_start hub "$HUB" "$TMP/hub.yaml"
}

# A gateway without a key, as for a converter that is not ours.
plain_gateway() {
	PEER_ADDRESS="\"$HUB_IP\"" pair_configs && sed -i 's/key-file: .*/dialect: rfc8803/' "$TMP/gw.yaml" &&
		daemon_start gw "$GATEWAY" "$TMP/gw.yaml" && wait_for 10 peer_is up
}

# convert NAME WANTED ARGUMENTS...: what the client prints, lines joined by spaces.
convert() {
	local name=$1 wanted=$2
	shift 2
	like "$(on "$GATEWAY" "$TOOLS/convtool" "$@" | tr '\n' ' ')" "$wanted" "$name"
}

waiting() { ctl hub --json flows list | jq -e --arg to "${SERVER_IP%2}66" '.flows[] | select(.server | contains($to))'; }

net_init
if ! { net_build && servers_start && hub_with open; }; then
	echo "Bail out! the network or the hub does not start"
	exit 1
fi

for f in 4 6; do
	family $f
	own=${HUB_IP} other=${HUB_IP%2}1
	[ $f = 4 ] && loopback=127.0.0.1 multicast=224.0.0.1 || loopback=::1 multicast=ff02::1
	for how in "" -f -m -mf; do
		name="open, IPv$f${how:+, $how}"
		if [ "$how" = -mf ] && [ -n "$NO_TFO" ]; then
			skip "$name" "$NO_TFO"
			continue
		fi
		# shellcheck disable=SC2086 # one word or none
		convert "$name: Info lists MPTCP" '^extensions .*1e.* ok $' $how info "$HUB_IP" 8803
		# shellcheck disable=SC2086 # one word or none
		convert "$name: Connect" '^ok data hello $' $how connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
	done
	name="open, IPv$f"
	convert "$name: closed port" '^error 96 ' connect "$HUB_IP" 8803 "$SERVER_IP" 7999 x
	mkfifo "$TMP/keep.in" && exec 9<>"$TMP/keep.in"
	on "$GATEWAY" "$TOOLS/convtool" -k connect "$HUB_IP" 8803 "$SERVER_IP" 7999 x <"$TMP/keep.in" >"$TMP/keep.out" 9>&- &
	keeper=$!
	check "$name: a client stays after its Error" wait_for 5 grep -q '^error 96 ' "$TMP/keep.out"
	convert "$name: and is not counted among those in waiting" '^ok data hello $' connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
	exec 9>&-
	wait $keeper
	rm "$TMP/keep.in"
	convert "$name: no such server" '^error 97 ' connect "$HUB_IP" 8803 "${SERVER_IP%2}99" 7001 x
	convert "$name: outside allow-to" '^error 32 ' connect "$HUB_IP" 8803 "$other" 7001 x
	convert "$name: the hub itself" '^error 32 ' connect "$HUB_IP" 8803 "$own" 8803 x
	convert "$name: loopback" '^error 1 ' connect "$HUB_IP" 8803 "$loopback" 7001 x
	convert "$name: multicast" '^error 1 ' connect "$HUB_IP" 8803 "$multicast" 7001 x
	convert "$name: TCP-AO cannot be asked for" '^error 33 1d' -o 1d020000 connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
	convert "$name: time stamps of the client's own" '^error 33 08' -o 080a0000000100000000 \
		connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
	convert "$name: MPTCP with a value" '^error 33 1e' -o 1e040001 connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
	convert "$name: TFO cannot be asked for" '^error 33 22' -o 2202 connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
	convert "$name: version 2" '^error 0 01' -x 02012263 raw "$HUB_IP" 8803
	convert "$name: length 0" '^reset ' -x 01002263 raw "$HUB_IP" 8803
	convert "$name: TLV of length 0" '^error 1 ' -x 010222630a000000 raw "$HUB_IP" 8803
	convert "$name: TLV beyond the message" '^error 1 ' -x 010222630a050000 raw "$HUB_IP" 8803
	convert "$name: unknown TLV" '^error 2 ' -x 0102226363010000 raw "$HUB_IP" 8803
	convert "$name: TLV 0" '^error 2 ' -x 0102226300010000 raw "$HUB_IP" 8803
	convert "$name: the same TLV twice" '^error 1 ' -x 010322630101000001010000 raw "$HUB_IP" 8803
	# Connect to the echo server, then an Original Source (192).
	[ $f = 4 ] && addr=00000000000000000000ffff0a3c2802 || addr=fd600040000000000000000000000002
	convert "$name: no private TLVs from strangers" '^error 2 ' -x "010b22630a051b59${addr}c0051b59$addr" \
		raw "$HUB_IP" 8803
	if ctl hub --json status | jq -e '.features[] | select(.name == "read_synack") | .works' >/dev/null; then
		convert "$name: Info lists all that is served" '^extensions 1e0408' info "$HUB_IP" 8803
		# SACK permitted (4) and time stamps (8), as the server's SYN+ACK has them.
		convert "$name: extended Connect" '^ext-tcp-header .*(0402080a|080a).* ok data hello $' -o 04020802 \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
		convert "$name: MPTCP towards a server that has it" '^ext-tcp-header .*1e0[0-9a-f]01.* ok data hello $' -o 1e02 \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7101 hello
		convert "$name: MPTCP towards one that has not" '^ext-tcp-header ([^ ]*) ok data hello $' -o 1e02 \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
	else
		convert "$name: Info lists MPTCP alone, as no option is served" '^extensions 1e(00)* ' info "$HUB_IP" 8803
		skip "$name: extended Connect" "the SYN+ACK cannot be read on this kernel"
	fi
	before=$(counter hub reasons guard-source)
	is "$(on "$CLIENT" "$TOOLS/convtool" info "$HUB_IP" 8803)" silent "$name: outside allow-from: no answer"
	check "$name: outside allow-from: counted" counted hub reasons guard-source "$before"
	ip -n "$ROUTER" route add blackhole "${SERVER_IP%2}66"
	spawn waiting$f "$GATEWAY" "$TOOLS/convtool" connect "$HUB_IP" 8803 "${SERVER_IP%2}66" 7001 x
	check "$name: a request waits for a mute server" wait_for 5 waiting
	convert "$name: too many of them" '^error 64 1e' connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
done
daemon_stop hub

check "the hub starts with accept: issued" hub_with issued
for f in 4 6; do
	family $f
	for how in "" -f; do
		name="issued, IPv$f${how:+, $how}"
		# shellcheck disable=SC2086 # one word or none
		convert "$name: a cookie is asked for" '^error 3 00[0-9a-f]{8,} $' $how connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
		# shellcheck disable=SC2086 # one word or none
		convert "$name: with the cookie it works" '^error 3 00[0-9a-f]{8,} ok data hello $' $how -C \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
		# shellcheck disable=SC2086 # one word or none
		convert "$name: a wrong cookie" '^error 32 ' $how -c 000102030405060708090a0b0c0d0e0f10111213 \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
	done
	name="issued, IPv$f, mpgate"
	check "$name: a gateway without a key starts" plain_gateway
	is "$(load greet "$SERVER_IP" 7003)" "hello $HUB_IP" "$name: it asks for a cookie"
	is "$(load greet "$SERVER_IP" 7003)" "hello $HUB_IP" "$name: and uses it"
	kill -STOP "${DAEMON[gw]}" # the supervisor: no probe finds out, nor is one handed a cookie
	daemon_stop hub
	check "$name: the hub starts anew, with another secret" daemon_start hub "$HUB" "$TMP/hub.yaml"
	asked=$(counter hub relay cookie-issued)
	is "$(load greet "$SERVER_IP" 7003)" "hello $HUB_IP" "$name: a refused cookie is forgotten, a new one asked for"
	check "$name: and used" load conn "$SERVER_IP" 7001
	is "$(counter hub relay cookie-issued)" $((asked + 1)) "$name: once"
	kill -CONT "${DAEMON[gw]}"
	is "$(load conn "${HUB_IP%2}1" 7001)" reset "$name: refused with a new one as well: the client is reset"
	daemon_stop gw
done
daemon_stop hub

check "the hub starts with accept: keyed" hub_with keyed
for f in 4 6; do
	family $f
	convert "keyed, IPv$f: no cookie, no connection" '^error 32 ' connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
done
daemon_stop hub

# What becomes of a server is in the value of the Error as well: seconds to wait (30), or the ICMP code.
# shellcheck disable=SC2034 # read by pair_configs
HUB_MORE='workers: 1
timeouts: { connect: 2 }'
check "the hub starts with timeouts: connect: 2" hub_with open
for f in 4 6; do
	family $f
	before=$(counter hub relay connect-timeout)
	convert "IPv$f: a server that says nothing" '^error 65 1e $' connect "$HUB_IP" 8803 "${SERVER_IP%2}66" 7001 x
	check "IPv$f: a server that says nothing: counted" counted hub relay connect-timeout "$before"
	# Linux's router says "host unreachable" to IPv4, "no route" to IPv6, and "prohibited" to either, which an IPv4
	# socket takes for the former.
	ip -n "$ROUTER" route add unreachable "${SERVER_IP%2}77"
	ip -n "$ROUTER" route add prohibit "${SERVER_IP%2}88"
	[ $f = 4 ] && codes=(01 01) || codes=(00 01)
	convert "IPv$f: an unreachable server" "^error 97 ${codes[0]} $" connect "$HUB_IP" 8803 "${SERVER_IP%2}77" 7001 x
	convert "IPv$f: a prohibited server" "^error 97 ${codes[1]} $" connect "$HUB_IP" 8803 "${SERVER_IP%2}88" 7001 x
done
done_testing
