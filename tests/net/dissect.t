#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The Wireshark dissector: what it says of real connections, of every test vector, and of captures that are cut or damaged.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

for tool in tshark text2pcap editcap; do
	command -v $tool >/dev/null || skip_all "no $tool (package tshark)"
done

# Asked of the kernel; where it cannot, Convert follows the handshake.
NO_TFO=
! "$BUILD/vmtest/probe" 2>/dev/null | grep -qE '^feature mptcp-tfo-(client|server|no-cookie) degraded' ||
	NO_TFO='this kernel has no TCP Fast Open on MPTCP sockets'

# shark NAME ARGUMENTS...: tshark over a capture. What it prints besides is kept in shark.err, for no_lua_error.
shark() {
	local name=$1
	shift
	tshark -X "lua_script:$TOP/configs/wireshark/mpgate-convert.lua" -r "$TMP/$name.pcap" "$@" 2>>"$TMP/shark.err"
}
# fields NAME FILTER FIELD...: a line for each packet that matches, fields with a space between.
fields() {
	local name=$1 filter=$2 field args=()
	shift 2
	for field; do args+=(-e "$field"); done
	shark "$name" -Y "$filter" -T fields -E separator=/s -E aggregator=, "${args[@]}"
}
# whole NAME ARGUMENTS...: every detail of every packet can be shown, and no line of it says that Lua failed.
whole() {
	shark "$@" -V >"$TMP/whole" && ! grep -i 'lua error' "$TMP/whole"
}
no_lua_error() { ! grep -iE 'lua|error' "$TMP/shark.err"; }

LIMIT=400
# A busy machine may give curl its turn later than the default of 1 ms.
# shellcheck disable=SC2034 # read by pair_configs
[ -n "${MPG_SLOW:-}" ] || GATEWAY_TIMEOUTS="first-bytes-ms: 50"
# The hub has connections parked, too, over which it asks for a host behind the gateway.
# shellcheck disable=SC2034 # so are these
PEER_MORE='    ready: 0
    park: 2
    accept-to: [ 10.60.1.0/24, "fd60:1::/64" ]'
# shellcheck disable=SC2034
HUB_MORE='publish:
  - { name: inside, address: [ 10.60.30.2 ], port: [ "7001" ], to: 10.60.1.2, via: gw }
  - { name: inside6, address: [ "fd60:30::2" ], port: [ "7001" ], to: "fd60:1::2", via: gw }'
scenario
spawn inside "$CLIENT" "$TOOLS/tcpserve" echo:7001
parked() { [ "$(ctl hub --json peers list | jq '.peers[0].parked')" -ge 1 ]; }
check "the gateway parks connections with the hub" wait_for 10 parked
KEY=0x$("$CTL" key show-id "$TMP/pair.key" | grep -oE '[0-9a-f]{8}' | head -n 1)

probed() { [ -n "$(fields "$1" "$2 && convert.extension == 30" frame.number)" ]; }
for f in 4 6; do
	family $f
	[ $f = 4 ] && ip=ip layer=ip from=10.60.30.1 || ip=ip6 layer=ipv6 from=fd60:30::1
	capture c$f "$ROUTER" hub0 tcp port 8803
	check "IPv$f: a download" on "$CLIENT" curl -sS -o /dev/null --max-time 20 "$URL/100000"
	load conn "$SERVER_IP" 7999 >/dev/null
	check "IPv$f: the hub's answer to a probe is seen: MPTCP is served" wait_for 60 probed "c$f" "$layer"
	capture_end c$f

	like "$(fields c$f 'convert.connect.port == 80' "convert.connect.$ip" "convert.source.$ip" convert.cookie.version \
		convert.cookie.use convert.cookie.key convert.attrs.dscp tcp.dstport)" \
		"^$SERVER_IP $CLIENT_IP 2 0 $KEY 0 8803$" "IPv$f: who, where, and by which key"
	name="IPv$f: that is in the SYN with MP_CAPABLE, and so are the client's first bytes"
	if [ -n "$NO_TFO" ]; then
		skip "$name" "$NO_TFO"
	else
		is "$(fields c$f 'convert.connect.port == 80 && tcp.flags.syn == 1 && tcp.options.mptcp.subtype == 0' \
			convert.in_syn convert.attrs.early_data http.request.uri)" "1 1 /100000" "$name"
	fi
	stream=$(fields c$f 'convert.connect.port == 80' tcp.stream)
	is "$(fields c$f "convert && tcp.stream == $stream && tcp.srcport == 8803" convert.version convert.length \
		convert.magic)" "1 1 0x2263" "IPv$f: the answer that says connected"
	is "$(fields c$f "convert && tcp.stream == $stream" frame.number | wc -l)" 2 \
		"IPv$f: one message each way, and no other packet is taken for one"
	is "$(fields c$f 'convert.clock_off' frame.number)" "" "IPv$f: times are those of the capture"
	stream=$(fields c$f 'convert.connect.port == 7999' tcp.stream)
	is "$(fields c$f "convert.error.code && tcp.stream == $stream" convert.error.code tcp.srcport)" "96 8803" \
		"IPv$f: a refused port: Error 96"
	like "$(fields c$f "convert.error.code" _ws.col.Info)" 'Error 96 \(Connection Reset\)' "IPv$f: and its name"
	like "$(fields c$f 'convert.tlv.type == 1' convert.tlv.type convert.cookie.key | head -n 1)" "^1,22 $KEY$" \
		"IPv$f: a probe: Info, with the key"
	is "$(fields c$f 'convert.malformed || convert.unknown || convert.cut' frame.number)" "" \
		"IPv$f: nothing of it is malformed or not known"

	fields c$f convert frame.number convert.tlv.type convert.in_syn >"$TMP/once"
	shark c$f -2 -Y convert -T fields -E separator=/s -E aggregator=, -e frame.number -e convert.tlv.type -e convert.in_syn \
		>"$TMP/twice"
	check "IPv$f: a second look gives the same" diff "$TMP/once" "$TMP/twice"
	shark c$f -o tcp.relative_sequence_numbers:FALSE -Y convert -T fields -E separator=/s -E aggregator=, \
		-e frame.number -e convert.tlv.type -e convert.in_syn >"$TMP/raw"
	check "IPv$f: so do raw sequence numbers" diff "$TMP/once" "$TMP/raw"

	# What is parked is looked at apart: there MPTCP may say things again, or over another subflow.
	capture p$f "$ROUTER" hub0 tcp port 8803
	check "IPv$f: sessions from the hub's side" on "$SERVER" "$TOOLS/tcpload" -c 20 -n 100 echo "$HUB_IP" 7001
	capture_end p$f
	like "$(fields p$f 'convert.tlv.type == 195' convert.tlv.type convert.cookie.key convert.in_syn | head -n 1)" \
		"^195,22 $KEY 0$" "IPv$f: a connection is parked: Park, with the key"
	is "$(fields p$f 'convert.connect.port == 7001' "convert.connect.$ip" "convert.source.$ip" convert.cookie.key \
		tcp.srcport | sort -u)" "$CLIENT_IP $from $KEY 8803" \
		"IPv$f: requests of the hub: where, for whom, and by which key"
done

# Captures made up: packets of raw IPv4, as text2pcap reads them. A stream has a number, which is the client's port; the
# converter's is 8803.
CLIENT_HEX=c0000201 HUB_HEX=cb007101
SYN=02 ACK=10
segment() { # FROM STREAM SEQUENCE FLAGS HEX [ACKNOWLEDGES]
	local from=$CLIENT_HEX to=$HUB_HEX sport=$2 dport=8803
	[ "$1" = client ] || { from=$HUB_HEX to=$CLIENT_HEX sport=8803 dport=$2; }
	printf '000000'
	printf '4500%04x000040004006%s%s%s%04x%04x%08x%08x50%s400000000000%s' $((40 + ${#5} / 2)) 0000 "$from" "$to" \
		"$sport" "$dport" "$3" "${6:-0}" "$4" "$5" | sed 's/../ &/g'
	printf '\n'
}
# made NAME: a capture of the segments on standard input.
made() { text2pcap -q -l 101 - "$TMP/$1.pcap" >/dev/null 2>&1; }
# In one go: SYN with data; behind the handshake; cut after AT bytes, in two segments or with the first part in the SYN.
in_syn() { segment "$1" "$2" 1000 $SYN "$3"; }
behind() { segment "$1" "$2" 1000 $SYN "" && segment "$1" "$2" 1001 $ACK "$3"; }
in_two() { # FROM STREAM HEX AT
	segment "$1" "$2" 1000 $SYN "" && segment "$1" "$2" 1001 $ACK "${3:0:$4 * 2}" &&
		segment "$1" "$2" $((1001 + $4)) $ACK "${3:$4 * 2}"
}
syn_and_more() { # FROM STREAM HEX AT
	segment "$1" "$2" 1000 $SYN "${3:0:$4 * 2}" && segment "$1" "$2" $((1001 + $4)) $ACK "${3:$4 * 2}"
}

# The vectors, one a line: number, sender, bytes, "ok", "bad" or "none" (no message of Convert, or less than one), name.
vectors() {
	awk '
		function flush() {
			if (hex == "")
				return
			total = substr(hex, 1, 2) == "01" ? 4 * num(substr(hex, 3, 2)) : 4
			if (substr(hex, 5, 4) != "2263" || length(hex) < 8 || total * 2 > length(hex)) say = "none"
			else say = expect == "ok" ? "ok" : "bad"
			# A type that is private to us is known here, whatever the receiver knows.
			if (say == "bad" && name ~ /not known$/) say = "ok"
			print 10000 + n++, side, hex, say, name
			hex = name = expect = ""
		}
		function num(s) { return 16 * digit(substr(s, 1, 1)) + digit(substr(s, 2, 1)) }
		function digit(c) { return index("0123456789abcdef", c) - 1 }
		FNR == 1 { flush(); side = FILENAME ~ /converter/ ? "client" : "converter" }
		/^name: / { name = substr($0, 7) }
		/^hex: / { hex = substr($0, 6); gsub(/ /, "", hex) }
		/^expect: / { expect = $2 }
		/^$/ { flush() }
		END { flush() }' "$TOP"/tests/vectors/convert-{converter,client}.txt
}
vectors >"$TMP/vectors"
# verdicts NAME: number and verdict of each stream in which a message was found.
verdicts() {
	fields "$1" convert tcp.port convert.malformed convert.unknown |
		awk '{ split($1, p, ","); print (p[1] == 8803 ? p[2] : p[1]), (NF > 1 ? "bad" : "ok") }' | sort -u
}
for how in in_syn behind; do
	while read -r n side hex _; do $how "$side" "$n" "$hex"; done <"$TMP/vectors" | made $how
	awk '$4 != "none" { print $1, $4 }' "$TMP/vectors" | sort -u >"$TMP/wanted"
	verdicts $how >"$TMP/got"
	check "each vector, $how: malformed or not, as the parser has it" diff "$TMP/wanted" "$TMP/got"
	check "each vector, $how: all of it can be shown" whole $how
done
# What some of them say, by name.
number() { sed -n "s/^\([0-9]*\) .* \(ok\|bad\) $1\$/\1/p" "$TMP/vectors"; }
said() { # NAME FIELD...
	local filter
	filter="convert && tcp.port == $(number "$1")"
	shift
	fields in_syn "$filter" "$@"
}
while IFS='|' read -r name field wanted; do
	# shellcheck disable=SC2086 # one or more fields
	is "$(said "$name" $field)" "$wanted" "$name"
done <<-'END'
	connect, IPv6|convert.connect.ip6 convert.connect.port|2001:db8::1 8443
	connect asking for MPTCP|convert.option.kind|30
	private TLVs, IPv6|convert.source.ip6|2001:db8:7::7
	error 0: versions supported|convert.error.code convert.error.version|0 1
	error 3: the cookie to use|convert.error.code convert.cookie|3 0102030405060708090a0b0c0d0e0f1011121314
	error 33: two kinds are not supported|convert.error.code convert.error.option|33 29,19
	error 64: wait 30 seconds|convert.error.code convert.error.wait|64 30
	error 97: ICMP code 1|convert.error.code convert.error.icmp|97 1
	supported extensions: MPTCP, timestamps, TFO|convert.extension|30,8,34
	options of the server's SYN+ACK|convert.option.kind|2,4,8,1,3
END

WHOLE=$(awk '/ all that a proxy sends$/ { print $3 }' "$TMP/vectors")
for at in 1 3 5 20 $((${#WHOLE} / 2 - 1)); do
	in_two client 20000 "$WHOLE" "$at" | made two
	is "$(verdicts two)" "20000 ok" "a message that is cut after $at bytes is put together"
	syn_and_more client 20000 "$WHOLE" "$at" | made synmore
	is "$(verdicts synmore)" "20000 ok" "so it is when the first part is in the SYN"
done

# A connection that is parked: Park, the hub's answer, its request, the answer to that, as they come in segments. A request
# may be found in a capture that lacks what came before.
PARK=$(awk '/ park and cookie$/ { print $3 }' "$TMP/vectors")
TAKEN=01012263
SAYS=68656c6c6f # hello
REQUEST=${WHOLE/1609000000/1609000002} # a cookie of our form
requested() { fields "$1" convert convert.tlv.type tcp.srcport | tr '\n' /; }
# exchange SIDE HEX...: segments one after the other, each of which acknowledges all before it.
exchange() {
	local client=1001 converter=1001
	segment client 20000 1000 $SYN "" && segment converter 20000 1000 12 "" 1001
	while [ $# -gt 0 ]; do
		if [ "$1" = client ]; then
			segment client 20000 $client $ACK "$2" $converter
			client=$((client + ${#2} / 2))
		else
			segment converter 20000 $converter $ACK "$2" $client
			converter=$((converter + ${#2} / 2))
		fi
		shift 2
	done
}
exchange client "$PARK" converter $TAKEN converter "$WHOLE" client "$TAKEN$SAYS" converter "$WHOLE" | made parked
is "$(requested parked)" "195,22 20000/ 8803/10,192,193,22 8803/ 20000/" "a parked connection: four messages"
is "$(fields parked data.data data.data | head -n 1)" $SAYS "and what follows the last is data"
exchange client "$PARK" converter "$TAKEN$WHOLE" client $TAKEN | made together
is "$(requested together)" "195,22 20000/10,192,193,22 8803/ 20000/" "the request is in one segment with the answer before it"
exchange client "$PARK" converter "$TAKEN${WHOLE:0:40}" converter "${WHOLE:40}" client $TAKEN | made half
is "$(fields half convert.connect.port tcp.srcport)" 8803 "half of the request is"
exchange client "$PARK" converter $TAKEN converter "$REQUEST" client $TAKEN | made late
editcap "$TMP/late.pcap" "$TMP/cut.pcap" 1-4 && mv "$TMP/cut.pcap" "$TMP/late.pcap"
is "$(requested late)" "10,192,193,22 8803/ 20000/" "a capture that begins with the request"
for name in parked together half late; do
	is "$(verdicts $name)" "20000 ok" "$name: nothing of it is malformed"
	check "$name: all of it can be shown" whole $name
	check "$name: so it can at a second look" whole $name -2
done

# What follows a message, and what is none.
in_two client 20000 "$WHOLE$SAYS" 20 | made rest
is "$(fields rest data.data tcp.seq data.data)" "21 $SAYS" "what comes in one segment with the end of a message is data"
{
	behind client 20000 "$WHOLE"
	segment client 20000 $((1001 + ${#WHOLE} / 2)) $ACK "$WHOLE"
	behind converter 20000 01012263"$WHOLE"
} | made inside
is "$(fields inside convert frame.number convert.length | xargs)" "2 21 5 1" "bytes of the user's that look like a message"
in_syn client 20000 "$(printf 'GET / HTTP/1.1\r\n\r\n' | od -An -v -tx1 | tr -d ' \n')" | made http
is "$(fields http http.request.uri http.request.uri) $(verdicts http)" "/ " "a stream of another protocol is left to others"
is "$(shark inside -o convert.port:8804 -Y convert)" "" "the port is a preference: not the usual one"
is "$(shark inside -o convert.port:20000 -Y convert | wc -l)" 2 "the port is a preference: another one"

# shortened NAME, damaged NAME: the capture after so many bytes of each packet; each byte, behind the headers or anywhere, by a
# chance of some in a hundred. 1: one of them cannot be shown, or not without an error.
shortened() {
	local bytes
	for bytes in 41 42 43 44 45 54 60 70 80 95 110 130 150 170; do
		echo "$bytes bytes"
		editcap -s "$bytes" "$TMP/$1.pcap" "$TMP/cut.pcap" || return
		whole cut || return
	done
}
damaged() {
	local hundredths from
	for hundredths in {1..8}; do
		for from in 0 74; do
			echo "$hundredths in a hundred, from byte $from on"
			editcap -E "0.0$hundredths" --seed "$hundredths" -o "$from" "$TMP/$1.pcap" "$TMP/damaged.pcap" || return
			whole damaged -2 || return
		done
	done
}
for name in c4 c6 in_syn; do
	check "$name: cut captures can be shown" shortened $name
	check "$name: damaged captures can be shown" damaged $name
done
editcap -s 130 "$TMP/c4.pcap" "$TMP/cut.pcap"
name="what is there of a cut message is shown"
if [ -n "$NO_TFO" ]; then
	skip "$name" "$NO_TFO"
else
	is "$(fields cut 'convert.cut && convert.connect.port == 80' convert.connect.ip)" "$SERVER4" "$name"
fi
check "the messages were found without a word from Lua" no_lua_error
done_testing
