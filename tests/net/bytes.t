#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every byte arrives, in both directions, in all sizes, with half-close either way, and many connections at a time.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# More than gateway and client soon can hold of a download that nobody reads.
HELD_BYTES=1500000
MANY=100 MANY_BYTES=400000
! is_small || MANY=4 # within limits.kernel-mib
small_buffers() {
	sysctls "$GATEWAY" net.ipv4.tcp_wmem="4096 16384 65536" net.ipv4.tcp_rmem="4096 131072 262144"
	sysctls "$CLIENT" net.ipv4.tcp_rmem="4096 16384 65536"
}

# late NAME THREADS BYTES: downloads of clients that end their side and read nothing until late_end.
declare -A LATE
late_begin() { mkfifo "$TMP/late.in" && exec 9<>"$TMP/late.in"; }
late() {
	load -c "$2" -n "$3" late "$SERVER_IP" 80 <"$TMP/late.in" >"$TMP/$1$f.out" 2>&1 9>&- &
	LATE[$1$f]=$!
	wait_for 10 waiting "$@"
}
waiting() { [ "$(grep -c waiting "$TMP/$1$f.out")" -eq "$2" ]; }
late_end() {
	exec 9>&-
	rm -f "$TMP/late.in"
}
late_read() { wait "${LATE[$1$f]}" || { cat "$TMP/$1$f.out" && return 1; }; }
# All daemons wait for something at one moment.
asleep() {
	local ns pid
	for ns in "$GATEWAY" "$HUB"; do
		for pid in $(ip netns pids "$ns"); do
			[ "$(cat "/proc/$pid/comm")" != mpgated ] || grep -q '^State:[[:space:]]*S' "/proc/$pid/status" || return 1
		done
	done
}
flows() { [ "$(ctl "$1" --json flows list | jq '.flows | length')" -eq "$2" ]; }
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_TIMEOUTS="half-closed: 300" GATEWAY_MORE="limits: { buffer-mib: 1 }" HUB_MORE=$GATEWAY_MORE
net_init
if ! { net_build && servers_start && pair_start; }; then
	echo "Bail out! the network or a daemon does not start"
	exit 1
fi
spawn servers-urgent "$SERVER" "$TOOLS/tcpserve" -u http:7080 echo:7081 greet:7082
wait_for 5 on "$SERVER" "$TOOLS/tcpload" greet "$SERVER4" 7082
for f in 4 6; do
	family $f
	before=$(counter gw reasons steered)
	for size in 0 1 1000 65536 1000000 50000000; do
		check "IPv$f: $size bytes down" load -n $size -s $size get "$SERVER_IP" 80
		check "IPv$f: $size bytes up, the client ends first" load -n $size -s $size sink "$SERVER_IP" 7002
		check "IPv$f: $size bytes both ways at once" load -n $size -s $size echo "$SERVER_IP" 7001
		said=$(load -n $size -s $size first "$SERVER_IP" 7005)
		# The server prints when it has seen the client's end.
		check "IPv$f: $size bytes up after the server ended first" wait_for 5 grep -qx "$said" "$TMP/servers.log"
	done
	# The last byte of each write is urgent; there is no such thing on MPTCP, so it comes as one like the others.
	check "IPv$f: urgent bytes up" load -u -n 1000000 sink "$SERVER_IP" 7002
	check "IPv$f: urgent bytes down" load -n 1000000 get "$SERVER_IP" 7080
	check "IPv$f: an urgent byte up, and nothing behind it" load -u -n 100 -t 0.1 rr "$SERVER_IP" 7001
	check "IPv$f: an urgent byte down, and nothing behind it" load -n 100 -t 0.1 rr "$SERVER_IP" 7081
	check "IPv$f: 50 downloads at a time" load -c 50 -n 300000 get "$SERVER_IP" 80
	check "IPv$f: 50 echoes at a time" load -c 50 -n 300000 echo "$SERVER_IP" 7001
	check "IPv$f: all of them were steered" counted gw reasons steered $((before + 6 * 4 + 4 + 100 - 1))
	check "IPv$f: the server sees the hub" greeted_by "$HUB_IP"
done
check "no connection is left on the gateway" wait_for 10 flows gw 0
check "no connection is left on the hub" wait_for 10 flows hub 0

# half_closed SECONDS: on the gateway, from now on.
half_closed() {
	sed -i "s/half-closed: [0-9]*/half-closed: $1/" "$TMP/gw.yaml"
	ctl gw reload
}

small_buffers
check "a short time-out for half-closed connections" half_closed 2
late_begin
for f in 4 6; do
	family $f
	check "IPv$f: a client ends its side and does not read" late one 1 $HELD_BYTES
done
read -rt 5 <> <(:) || :
check "the gateway keeps connections that have bytes to deliver, for longer than half-closed ones" flows gw 2
check "and neither works to no end" wait_for 10 asleep
# After it had no window for long Linux may leave an MPTCP connection alone for some seconds.
check "a long one again" half_closed 300
for f in 4 6; do
	family $f
	check "IPv$f: more clients that do not read than there is room for" late many $MANY $MANY_BYTES
done
for f in 4 6; do
	family $f
	check "IPv$f: others go on" load -c 8 -n 1000000 get "$SERVER_IP" 80
	check "IPv$f: and both ways at once" load -c 8 -n 1000000 echo "$SERVER_IP" 7001
done
late_end
for f in 4 6; do
	check "IPv$f: the first client reads all of it later" late_read one
	check "IPv$f: so do the others" late_read many
done
check "then the connections end on the gateway" wait_for 10 flows gw 0
check "and on the hub" wait_for 10 flows hub 0
for side in gw hub; do
	is "$(counter $side relay reset) $(counter $side relay resource)" "0 0" "$side: nobody was reset, and none for want of room"
done
done_testing
