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

for f in 4 6; do
	family $f
	check "IPv$f: the server speaks first" greeted_by "$HUB_IP"
	steered=$(counter gw reasons steered)
	check "IPv$f: a small download" load -n 1000 get "$SERVER_IP" 80
	check "IPv$f: a download" load -n 5000000 get "$SERVER_IP" 80
	check "IPv$f: an upload" load -n 2000000 sink "$SERVER_IP" 7002
	check "IPv$f: 20 echoes at a time" load -c 20 -n 50000 echo "$SERVER_IP" 7001
	check "IPv$f: all of them were steered" counted gw reasons steered $((steered + 22))
	is "$(load conn "$SERVER_IP" 7999)" reset "IPv$f: a refusal"
done
check "the hub stayed up" peer_is up
done_testing
