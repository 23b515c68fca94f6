#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Something on the way takes MPTCP options out of all but SYNs: the handshake is one of MPTCP, then connections fall back
# to plain TCP. They work, and each is counted on both sides.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

CONNECTIONS=5
BYTES=300000
scenario
on "$ROUTER" nft 'table inet strip { chain f { type filter hook forward priority 0;
	tcp flags & syn == 0 reset tcp option mptcp; }; }' 2>"$TMP/nft.err" ||
	skip_all "this kernel's nft strips no options: $(head -n 1 "$TMP/nft.err")"

by_peer() { ctl "$1" --json peers list | jq '.peers[0].fallbacks'; }
counts() { [ "$(counter "$1" relay fallback-tcp)" -eq "$2" ] && [ "$(by_peer "$1")" -eq "$2" ]; }
flows() { [ "$(ctl "$1" --json flows list | jq '.flows | length')" -eq 0 ]; }

for f in 4 6; do
	family $f
	gw=$(by_peer gw) hub=$(by_peer hub)
	for ((i = 0; i < CONNECTIONS; i++)); do
		load -n $BYTES echo "$SERVER_IP" 7001 >>"$TMP/echo.out" 2>&1 || break
	done
	is $i $CONNECTIONS "IPv$f: connections work"
	check "IPv$f: they end" wait_for 5 flows gw
	check "IPv$f: at the hub as well" wait_for 5 flows hub
	check "IPv$f: each is counted at the gateway, by peer" wait_for 2 counts gw $((gw + CONNECTIONS))
	check "IPv$f: and at the hub" wait_for 2 counts hub $((hub + CONNECTIONS))
done
done_testing
