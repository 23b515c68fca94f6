#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Links with a round trip of their own, and with loss: what comes before the handshake ends (SYN data, answers to it) must
# not get stuck. On links without delay such faults stay hidden.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by net_build
EM0="delay=20 rate=40" EM1="delay=30 jitter=2 rate=40 loss=0.1" EM_SRV="delay=5" WITH_ROUTER=1
scenario

# fastest NAMESPACE: ms of the fastest of five downloads, with their ends, of more than leaves at once.
fastest() {
	local i
	for i in 1 2 3 4 5; do
		on "$1" "$TOOLS/tcpload" -n 100000 get "$SERVER_IP" 80 | sed -n 's/.*total_ms=\([0-9]*\).*/\1/p'
	done | sort -n | head -n 1
}

for f in 4 6; do
	family $f
	check "IPv$f: the server speaks first" greeted_by "$HUB_IP"
	steered=$(counter gw reasons steered)
	check "IPv$f: a small download" load -n 1000 get "$SERVER_IP" 80
	check "IPv$f: a download" load -n 5000000 get "$SERVER_IP" 80
	by_hub=$(fastest "$CLIENT") plain=$(fastest "$GATEWAY")
	diag "by the hub $by_hub ms, plain $plain ms"
	check "IPv$f: the end comes as soon as without the hub, nearly" [ "$by_hub" -lt $((plain * 2)) ]
	check "IPv$f: an upload" load -n 2000000 sink "$SERVER_IP" 7002
	check "IPv$f: 20 echoes at a time" load -c 20 -n 50000 echo "$SERVER_IP" 7001
	check "IPv$f: all of them were steered" counted gw reasons steered $((steered + 27))
	is "$(load conn "$SERVER_IP" 7999)" reset "IPv$f: a refusal"
done
check "the hub stayed up" peer_is up
done_testing
