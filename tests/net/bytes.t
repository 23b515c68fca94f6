#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every byte arrives, in both directions, in all sizes, with half-close either way, and many connections at a time.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

scenario
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
	check "IPv$f: 50 downloads at a time" load -c 50 -n 300000 get "$SERVER_IP" 80
	check "IPv$f: 50 echoes at a time" load -c 50 -n 300000 echo "$SERVER_IP" 7001
	check "IPv$f: all of them were steered" counted gw reasons steered $((before + 6 * 4 + 100 - 1))
	check "IPv$f: the server sees the hub" greeted_by "$HUB_IP"
done
no_flows() { [ "$(ctl "$1" --json flows list | jq '.flows | length')" = 0 ]; }
check "no connection is left on the gateway" wait_for 10 no_flows gw
check "no connection is left on the hub" wait_for 10 no_flows hub
done_testing
