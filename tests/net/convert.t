#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Convert clients that are not mpgate: open and issued modes, every error a client can provoke, and no open relay.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

hub_with() {
	HUB_ACCEPT="  accept: $1
  allow-from: [ 10.60.10.0/24, \"fd60:10::/64\" ]"
	pair_configs && daemon_start hub "$HUB" "$TMP/hub.yaml"
}

# convert NAME WANTED ARGUMENTS...: what the client prints, lines joined by spaces.
convert() {
	local name=$1 wanted=$2
	shift 2
	like "$(on "$GATEWAY" "$TOOLS/convtool" "$@" | tr '\n' ' ')" "$wanted" "$name"
}

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
		# shellcheck disable=SC2086
		convert "$name: Info lists MPTCP" '^extensions .*1e.* ok $' $how info "$HUB_IP" 8803
		# shellcheck disable=SC2086
		convert "$name: Connect" '^ok data hello $' $how connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
	done
	name="open, IPv$f"
	convert "$name: closed port" '^error 96 ' connect "$HUB_IP" 8803 "$SERVER_IP" 7999 x
	convert "$name: no such server" '^error 97 ' connect "$HUB_IP" 8803 "${SERVER_IP%2}99" 7001 x
	convert "$name: outside allow-to" '^error 32 ' connect "$HUB_IP" 8803 "$other" 7001 x
	convert "$name: the hub itself" '^error 32 ' connect "$HUB_IP" 8803 "$own" 8803 x
	convert "$name: loopback" '^error 1 ' connect "$HUB_IP" 8803 "$loopback" 7001 x
	convert "$name: multicast" '^error 1 ' connect "$HUB_IP" 8803 "$multicast" 7001 x
	convert "$name: TCP-AO cannot be asked for" '^error 33 1d' -o 1d020000 connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
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
		# SACK permitted (4) and time stamps (8), as the server's SYN+ACK has them.
		convert "$name: extended Connect" '^ext-tcp-header .*(0402080a|080a).* ok data hello $' -o 04020802 \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
	else
		skip "$name: extended Connect" "the SYN+ACK cannot be read on this kernel"
	fi
	before=$(counter hub reasons guard-source)
	is "$(on "$CLIENT" "$TOOLS/convtool" info "$HUB_IP" 8803)" silent "$name: outside allow-from: no answer"
	check "$name: outside allow-from: counted" counted hub reasons guard-source "$before"
done
daemon_stop hub

check "the hub starts with accept: issued" hub_with issued
for f in 4 6; do
	family $f
	for how in "" -f; do
		name="issued, IPv$f${how:+, $how}"
		# shellcheck disable=SC2086
		convert "$name: a cookie is asked for" '^error 3 00[0-9a-f]{8,} $' $how connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
		# shellcheck disable=SC2086
		convert "$name: with the cookie it works" '^error 3 00[0-9a-f]{8,} ok data hello $' $how -C \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7001 hello
		# shellcheck disable=SC2086
		convert "$name: a wrong cookie" '^error 32 ' $how -c 000102030405060708090a0b0c0d0e0f10111213 \
			connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
	done
done
daemon_stop hub

check "the hub starts with accept: keyed" hub_with keyed
for f in 4 6; do
	family $f
	convert "keyed, IPv$f: no cookie, no connection" '^error 32 ' connect "$HUB_IP" 8803 "$SERVER_IP" 7001 x
done
done_testing
