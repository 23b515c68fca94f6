#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Thousands of connections to the Convert port that say nothing, many times what the hub may carry: gateways, and what
# they open ahead, are not affected.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

SILENT=3000
ROUNDS=10
# shellcheck disable=SC2034 # read by pair_configs
PEER_MORE='    ready: 2'
HUB_MORE='limits: { connections: 100 }
timeouts: { header: 60 }'
ulimit -n $((SILENT + 100)) 2>/dev/null || skip_all "$SILENT descriptors are not to be had"
scenario

flood() {
	mkfifo "$TMP/flood.in"
	on "$SERVER" "$TOOLS/tcpload" -n $SILENT silent "$HUB_IP" 8803 <"$TMP/flood.in" >"$TMP/flood.out" 2>&1 &
	FLOOD=$!
	exec 9>"$TMP/flood.in"
}
flooded() { grep -q "held $SILENT" "$TMP/flood.out"; }
ebb() {
	exec 9>&-
	wait "$FLOOD"
	rm -f "$TMP/flood.in"
}
echoes() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		load -c 5 -n 20000 echo "$SERVER_IP" 7001 || return
	done
}

for f in 4 6; do
	family $f
	check "IPv$f: the hub carries connections" greeted_by "$HUB_IP"
	direct=$(counter gw relay direct) failed=$(counter gw relay peer-failed)
	out=$(counter hub relay pushed-out) full=$(counter hub relay resource)
	flood
	check "IPv$f: all go by it during the flood" echoes
	check "IPv$f: the flood is there" wait_for 30 flooded
	check "IPv$f: all go by it with $SILENT strangers connected" echoes
	is "$(counter gw relay direct)" "$direct" "IPv$f: none went directly"
	is "$(counter gw relay peer-failed)" "$failed" "IPv$f: none failed"
	is "$(counter hub relay resource)" "$full" "IPv$f: the hub was never short"
	check "IPv$f: strangers were pushed out" counted hub relay pushed-out $((out + SILENT * 9 / 10))
	ebb
done
done_testing
