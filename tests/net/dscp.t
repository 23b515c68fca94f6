#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The code point of a client's SYN is on the way between the proxies (not on paths to an IPv6 address, where Linux
# refuses it) and arrives at the server.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# The TOS byte, or traffic class, is the code point and two bits of ECN.
CODE_POINT=46
SYN4='tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn' SYN6='ip6[53] & 18 = 2'
DSCP4='ip[1] & 0xfc' DSCP6='ip6[0:2] & 0xfc0'
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='subflows: { path-manager: kernel }' # the daemon is stopped while connections are joined
scenario

# marked NAME CODE-POINT FILTER...: so many SYNs that match have it; SYNs: all of them.
marked() { packets "$1" "($SYN4 and $3 and $DSCP4 = $(($2 << 2))) or ($SYN6 and $3 and $DSCP6 = $(($2 << 6)))"; }
all() { packets "$1" "($SYN4 and $2) or ($SYN6 and $2)"; }

for mode in early honest; do
	joins=0
	check "connect: $mode" connect_as $mode
	check "$mode: no probe waits for an answer" wait_for 10 ways_are up
	for f in 4 6; do
		family $f
		for code in $CODE_POINT 0; do
			name="IPv$f, $mode, code point $code"
			# Nothing else is dialed meanwhile.
			kill -STOP "${DAEMON[gw]}"
			capture dscp "$ROUTER" hub0 tcp
			check "$name: a connection, for long enough" load -d "$code" -n 100 -t 0.5 rr "$SERVER_IP" 7001
			capture_end dscp
			kill -CONT "${DAEMON[gw]}"
			is "$(all dscp "dst port 8803")" "$(marked dscp "$code" "dst port 8803")" "$name: it is between the proxies"
			check "$name: of which there are SYNs" [ "$(all dscp "dst port 8803")" -gt 0 ]
			joins=$((joins + $(all dscp "dst port 8803") - 1))
			is "$(marked dscp "$code" "dst host $SERVER_IP")" 1 "$name: it arrives at the server"
			is "$(all dscp "dst host $SERVER_IP")" 1 "$name: once"
		done
	done
	check "$mode: other subflows were among them" [ $joins -gt 0 ]
done
done_testing
