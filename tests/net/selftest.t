#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's own test of MPTCP, mptcp_connect, as client and server that do not know of mpgate: in all its modes, over
# links that are clean and over one that loses packets. Its source comes from Debian's package of the kernel's.
# shellcheck disable=SC2086 # names and numbers have no spaces
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

export LIMIT=480
[ -n "${MPG_LIMITED:-}" ] || SELFTEST=$("$TOP/vmtest/fetch" --selftest) || skip_all "the kernel's source cannot be had"
export SELFTEST
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "7200-7999" ], action: proxy, via: hub, connect: honest }'
# shellcheck disable=SC2034 # read by net_build
EM0="delay=2" EM1="delay=3" WITH_ROUTER=1
scenario

# It is built against headers of the kernel's tools, of which it takes a macro.
mkdir -p "$TMP/include/linux"
echo '#define __noreturn __attribute__((__noreturn__))' >"$TMP/include/linux/compiler.h"
gcc -O2 -w -I"$TMP/include" -o "$TMP/mptcp_connect" "$SELFTEST" || {
	echo "Bail out! mptcp_connect does not compile"
	exit 1
}
UP=$TMP/up DOWN=$TMP/down PORT=7200
head -c 3000000 /dev/urandom >"$UP"
head -c 2000000 /dev/urandom >"$DOWN"
head -c 900 /dev/urandom >"$TMP/little"

listens() { [ -n "$(on "$SERVER" ss -Htln "sport = :$PORT")" ]; }

# transfer CLIENT-PROTOCOL SERVER-PROTOCOL OPTIONS...: both directions at once, of one connection more.
transfer() {
	local client=$1 server=$2 any=0.0.0.0 pid status=0
	shift 2
	[ "$f" = 4 ] || any=::
	PORT=$((PORT + 1))
	on "$SERVER" "$TMP/mptcp_connect" -t 30000 -l -p $PORT -s "$server" "$@" $any <"$DOWN" >"$TMP/got-up" &
	pid=$!
	wait_for 5 listens || status=1
	on "$CLIENT" "$TMP/mptcp_connect" -t 30000 -p $PORT -s "$client" "$@" "$SERVER_IP" <"$UP" >"$TMP/got-down" ||
		status=$?
	wait $pid || status=$?
	return $status
}
# whole OPTIONS...: as plain TCP, and every byte arrives.
whole() {
	transfer TCP TCP "$@" && cmp "$UP" "$TMP/got-up" && cmp "$DOWN" "$TMP/got-down"
}
# It takes no more in a receive queue than a KiB for right.
little() { UP=$TMP/little DOWN=$TMP/little whole "$@"; }
# The same from files, by three connections of one socket.
thrice() {
	transfer TCP TCP -I 3 -i "$UP" && cmp <(cat "$UP" "$UP" "$UP") "$TMP/got-up"
}
# Both sides stop in the middle and close with bytes unread.
stops() {
	transfer TCP TCP -f 500000 && cmp -n 500000 "$UP" "$TMP/got-up" && cmp -n 500000 "$DOWN" "$TMP/got-down"
}
# End to end: MPTCP of their own.
own() {
	transfer MPTCP MPTCP "$@" && cmp "$UP" "$TMP/got-up" && cmp "$DOWN" "$TMP/got-down"
}
carried() { counter gw relay relayed; }

# modes WORDS: each mode of reading and writing.
modes() {
	local mode before
	for mode in poll mmap sendfile splice; do
		before=$(carried)
		check "IPv$f, $1: $mode" whole -m $mode
		is "$(carried)" $((before + 1)) "IPv$f, $1: $mode: was carried"
	done
}

for f in 4 6; do
	family $f
	modes "clean links, honest"
	check "IPv$f: peeks, then reads" whole -P saveAfterPeek
	check "IPv$f: keeps what it peeked" whole -P saveWithPeek
	check "IPv$f: small buffers" whole -R 8192 -S 8192
	check "IPv$f: time stamps and queue lengths beside the bytes" little -c TIMESTAMPNS,TCPINQ
	check "IPv$f: disconnects, and connects again" thrice
	check "IPv$f: stops in the middle" stops
	before=$(carried)
	check "IPv$f: MPTCP end to end" own
	is "$(carried)" "$before" "IPv$f: which is left alone"
	connect_as early >"$TMP/reload.out"
	modes "clean links, early"
	connect_as honest >"$TMP/reload.out"
done
em_set wan0 "delay=10 loss=0.5 rate=50"
em_set wan1 "delay=20 jitter=2 loss=0.5 rate=50"
for f in 4 6; do
	family $f
	modes "loss, honest"
	connect_as early >"$TMP/reload.out"
	modes "loss, early"
	connect_as honest >"$TMP/reload.out"
done
check "the hub stayed up" peer_is up
done_testing
