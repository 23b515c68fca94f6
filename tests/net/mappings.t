#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The log of mappings: lines in a file and in the daemon's log; as IPFIX over UDP to nfcapd (nfdump), and over TCP, read by
# ipfixDump (libfixbuf). What they understood is compared with the lines. A collector that is away harms nothing.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

POOL4=10.77.7.0/28 POOL6=fd77:7::/64
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest }'
scenario
fails() { ! "$@"; }
ip -n "$SERVER" route add "$POOL4" via 10.60.30.2
ip -n "$SERVER" route add "$POOL6" via fd60:30::2
sed -i "s|^  source: share|&\n  pool: [ $POOL4, \"$POOL6\" ]|" "$TMP/hub.yaml"
MAPS=$TMP/maps.log

# logs WORDS: where mappings are logged from now on; nowhere without.
logs() {
	sed -i '/^mapping-log:/d' "$TMP/hub.yaml"
	[ -z "$1" ] || echo "mapping-log: { $1 }" >>"$TMP/hub.yaml"
	ctl hub reload
}
# lines COUNT WHAT: so many lines of the file say begin, or end.
lines() { [ "$(grep -c " $2 tcp " "$MAPS")" -eq "$1" ]; }
# A line's value.
value() { sed -E "s/.* $1=([^ ]*).*/\\1/"; }

load greet "$SERVER4" 7003 >/dev/null
is "$(counter hub relay mappings)" 0 "nothing is logged unasked"
check "a file that cannot be written to is refused" fails logs "file: /nonexistent/maps.log"
check "and named" grep -q "mapping-log: /nonexistent/maps.log: No such file" "$TMP/hub.log"

# --- lines
check "a file, and the daemon's log" logs "log: true, file: maps.log"
for f in 4 6; do
	family $f
	: >"$MAPS"
	check "IPv$f: connections" hold 3
	check "IPv$f: a line for each begin" wait_for 5 lines 3 begin
	check "IPv$f: and none for an end yet" lines 0 end
	is "$(value mapped <"$MAPS" | sort)" "$(ctl hub --json flows list | jq -r '.flows[].mapped' | sort)" \
		"IPv$f: it has the address and port that the server sees"
	is "$(value source <"$MAPS" | sort)" "$(ctl hub --json flows list | jq -r '.flows[].client' | sort)" \
		"IPv$f: and those of the client"
	is "$(value server <"$MAPS" | sort -u)" "$(ctl hub --json flows list | jq -r '.flows[].server' | sort -u)" \
		"IPv$f: and the server's"
	is "$(value peer <"$MAPS" | sort -u)" gw "IPv$f: and the peer"
	let_go
	check "IPv$f: a line for each end" wait_for 5 lines 3 end
	is "$(sed -E 's/.* (begin|end) //' "$MAPS" | sort | uniq -c | awk '{ print $1 }' | sort -u)" 2 "IPv$f: of the same"
	: >"$MAPS"
	is "$(load conn "$SERVER_IP" 7999)" refused "IPv$f: a server that refuses"
	check "IPv$f: has a begin and an end, too" wait_for 5 lines 1 end
done
check "the daemon's log has them" grep -qE 'mapping-log: .*T.*Z begin tcp peer=gw source=10.60.1.2:' "$TMP/hub.log"
mv "$MAPS" "$MAPS.1"
check "a reload opens the file anew" ctl hub reload
check "so that it can be rotated" wait_for 5 test -e "$MAPS"
load greet "$SERVER4" 7003 >/dev/null
check "and goes on" wait_for 5 lines 1 end
is "$(stat -c %a "$MAPS")" 640 "not everybody may read it"

# --- IPFIX over UDP
mkdir "$TMP/flows"
collector_start() { # 4|6
	spawn "nfcapd$1" "$SERVER" nfcapd "-$1" -b "$SERVER_IP" -p 4739 -w "$TMP/flows" -t 2 -I hub
	COLLECTOR=$SPAWNED
	wait_for 5 udp_open
}
udp_open() { [ -n "$(on "$SERVER" ss -Hlun "sport = :4739")" ]; }
# What nfcapd has understood, one mapping a line: event source mapped server time. Of IPv6 it does not take the element
# postNATSourceIPv6Address (281), so that has a dash here, and below.
understood() {
	nfdump -q -R "$TMP/flows" -o raw 2>/dev/null | awk -F' += +' '
		function end() { if (event) print event, src "," sp, (src ~ /:/ ? "-" : nat) "," np, dst "," dp, at }
		{ sub(/^ +/, "") }
		/^Flow Record/ { end() }
		$1 == "nat event" { event = $2 + 0 }
		$1 == "src addr" { src = $2 }
		$1 == "dst addr" { dst = $2 }
		$1 == "src port" { sp = $2 }
		$1 == "dst port" { dp = $2 }
		$1 == "src xlt ip" { nat = $2 }
		$1 == "src xlt port" { np = $2 }
		$1 == "Event time" { at = $2; sub(/ .*/, "", at) }
		END { end() }' | sort
}
# The same from the lines; the number of the event by family and word (RFC 8158, 3.3).
written() {
	local when what source mapped server _ code
	while read -r when what _ _ source mapped server; do
		source=$(plain "${source#*=}") mapped=$(plain "${mapped#*=}") server=$(plain "${server#*=}")
		case $what,$source in begin,*:*) code=1 ;; end,*:*) code=2 ;; begin,*) code=4 ;; *) code=5 ;; esac
		echo "$code $source $mapped $server $(date -d "$when" +%s%3N)"
	done <"$MAPS" | if [ "${1:-}" = nfcapd ]; then sed -E 's/^([12] [^ ]+) [^ ]*,/\1 -,/'; else cat; fi | sort
}
# [address]:port as address,port
plain() {
	local a=${1%:*}
	a=${a#[}
	echo "${a%]},${1##*:}"
}
traffic() { # 12 connections, and what they leave behind
	local lines
	lines=$(grep -c . "$MAPS")
	load -c 3 -n 1000 echo "$SERVER4" 7001
	load -c 3 -n 1000 echo "$SERVER6" 7001
	wait_for 5 more_lines $((lines + 12))
}
more_lines() { [ "$(grep -c . "$MAPS")" -eq "$1" ]; }
all_understood() { [ -s "$TMP/written" ] && understood >"$TMP/understood" && cmp "$TMP/written" "$TMP/understood"; }

for f in 4 6; do
	family $f
	rm -f "$TMP"/flows/*
	check "IPv$f: nfcapd listens" collector_start $f
	check "IPv$f: a collector" logs "file: maps.log, collector: \"$SERVER_IP\", domain: 77"
	: >"$MAPS"
	check "IPv$f: connections of both families" traffic
	is "$(grep -c . "$MAPS")" 12 "IPv$f: begins and ends of six"
	written nfcapd >"$TMP/written"
	check "IPv$f: nfcapd has understood the same" wait_for 10 all_understood ||
		diag "$(diff "$TMP/written" "$TMP/understood" | head)"
	stop "$COLLECTOR"
	like "$(cat "$TMP/nfcapd$f.log")" "Observation domain 77 from: $HUB_IP" "IPv$f: from us, of that domain"
	is "$(grep -c "Sequence Errors: [^0]\|Bad Packets: [^0]" "$TMP/nfcapd$f.log")" 0 "IPv$f: without an error"
	is "$(counter hub relay mapping-records-lost)" "${LOST:-0}" "IPv$f: nothing was lost"

	# The collector is away.
	check "IPv$f: connections while the collector is away" traffic
	check "IPv$f: more of them" traffic
	check "IPv$f: what it does not get is counted" wait_for 5 counted hub relay mapping-records-lost "${LOST:-0}"
	check "IPv$f: and said" grep -q "mapping-log: the collector does not get what is sent: Connection refused" "$TMP/hub.log"
	is "$(grep -c . "$MAPS")" 36 "IPv$f: the file has all"
	LOST=$(counter hub relay mapping-records-lost)
done

# --- IPFIX over TCP: a file with messages one behind the other is what ipfixDump reads
tcp_collector() { # 4|6
	spawn "tcp$1" "$SERVER" perl -MIO::Socket::IP -e '
		my $l = IO::Socket::IP->new(Listen => 1, LocalAddr => $ARGV[0], LocalPort => 4739, ReuseAddr => 1) or die $@;
		open(my $out, ">", $ARGV[1]) or die; $out->autoflush(1);
		while (my $c = $l->accept) { while (sysread($c, my $b, 65536)) { print $out $b } }' "$SERVER_IP" "$TMP/stream"
	COLLECTOR=$SPAWNED
	wait_for 5 tcp_open
}
tcp_open() { [ -n "$(on "$SERVER" ss -Hltn "sport = :4739")" ]; }
# What ipfixDump has understood: event source mapped server time peer.
dumped() {
	TZ=UTC ipfixDump --in "$TMP/stream" 2>/dev/null | sed -E 's/:0+([0-9a-f])/:\1/g' | awk -F' : ' '
		function end() { if (event) print event, src "," sp, nat "," np, dst "," dp, at, peer }
		/data record/ { end() }
		/natEvent :/ { event = $2 }
		/ sourceIPv[46]Address :/ { src = $2 }
		/destinationIPv[46]Address :/ { dst = $2 }
		/sourceTransportPort :/ { sp = $2 }
		/destinationTransportPort :/ { dp = $2 }
		/postNATSourceIPv[46]Address :/ { nat = $2 }
		/postNAPTSourceTransportPort :/ { np = $2 }
		/observationTimeMilliseconds :/ { at = $2 }
		/userName :/ { peer = $2; sub(/.*\) /, "", peer) }
		END { end() }' | while read -r event source mapped server day clock peer; do
		echo "$event $source $mapped $server $(date -ud "$day $clock" +%s%3N) $peer"
	done | sort
}
all_dumped() { dumped >"$TMP/dumped" && cmp "$TMP/written" "$TMP/dumped"; }
dialed() { [ -n "$(on "$SERVER" ss -Htn state established "sport = :4739")" ]; }
for f in 4 6; do
	family $f
	LOST=$(counter hub relay mapping-records-lost)
	check "IPv$f: a collector over TCP" tcp_collector $f
	check "IPv$f: it is told" logs "file: maps.log, collector: \"$SERVER_IP\", transport: tcp"
	: >"$MAPS"
	check "IPv$f: connections of both families" traffic
	check "IPv$f: and more, in later messages" traffic
	written | sed 's/$/ gw/' >"$TMP/written"
	check "IPv$f: ipfixDump has understood the same" wait_for 10 all_dumped ||
		diag "$(diff "$TMP/written" "$TMP/dumped" | head)"
	is "$(counter hub relay mapping-records-lost)" "$LOST" "IPv$f: nothing was lost"
	stop "$COLLECTOR"
	check "IPv$f: connections while the collector is away" traffic
	check "IPv$f: and more" traffic
	check "IPv$f: what it does not get is counted" wait_for 5 counted hub relay mapping-records-lost "$LOST"
	is "$(grep -c . "$MAPS")" 48 "IPv$f: the file has all"
	# It comes back, and is dialed.
	rm -f "$TMP/stream"
	check "IPv$f: the collector again" tcp_collector $f
	check "IPv$f: is dialed" wait_for 10 dialed
	check "IPv$f: connections" traffic
	tail -n 12 "$MAPS" >"$MAPS.last"
	MAPS=$MAPS.last written | sed 's/$/ gw/' >"$TMP/written"
	check "IPv$f: it gets what comes" wait_for 10 all_dumped ||
		diag "$(diff "$TMP/written" "$TMP/dumped" | head)"
	stop "$COLLECTOR"
done

# The process that logs has no rights, and one that dies is replaced; what was written down meanwhile is not lost.
check "a file again" logs "file: maps.log"
: >"$MAPS"
logger() { pgrep -P "${DAEMON[hub]}" -f "mapping-log"; }
check "there is one process for it" wait_for 5 logger
is "$(awk '/^Uid:/ { print $2 }' "/proc/$(logger)/status")" "$(id -u mpgate 2>/dev/null || echo 65534)" \
	"which is not root"
kill -9 "$(logger)"
check "it is killed: connections go on" traffic
check "its successor has written all" more_lines 12
check "a log that is off" logs ""
load greet "$SERVER4" 7003 >/dev/null
before=$(counter hub relay mappings)
load greet "$SERVER4" 7003 >/dev/null
is "$(counter hub relay mappings)" "$before" "costs nothing more"
done_testing
