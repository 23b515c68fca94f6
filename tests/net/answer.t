#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A server that answers before it has heard all and then closes, which resets the connection while the client still
# sends: the client gets the whole answer, as it does without mpgate.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

BYTES=50000000
ROUNDS=20
scenario
spawn early "$SERVER" "$TOOLS/tcpserve" early:7006 early:8006
check "the server listens" wait_for 5 load -n 1 post "$SERVER4" 8006

# whole PORT NAME: all answers arrive whole.
whole() {
	local i failed=0
	for ((i = 0; i < ROUNDS; i++)); do
		load -n $BYTES post "$SERVER_IP" "$1" >>"$TMP/post.out" 2>&1 || failed=$((failed + 1))
	done
	is $failed 0 "$2"
	[ $failed -eq 0 ] || diag "$(grep -E "^tcpload|failed=1" "$TMP/post.out")"
	: >"$TMP/post.out"
}

for f in 4 6; do
	family $f
	whole 8006 "IPv$f: the whole answer arrives without mpgate"
	before=$(counter gw relay relayed)
	whole 7006 "IPv$f: and by way of the hub"
	check "IPv$f: it went that way" counted gw relay relayed "$before"
done
done_testing
