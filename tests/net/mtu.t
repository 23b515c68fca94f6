#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The path of the first subflow silently drops full-size packets: what leaves first passes all the same, the other path
# is joined, and uploads go through, whether the first bytes ride in the SYN or follow the handshake.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/box.sh
. "$(dirname "$0")/box.sh"

# shellcheck disable=SC2034 # read by net_build; 1,280 bytes are the least for IPv6
EM0="delay=5 ab.mtu=1280" EM1="delay=5"
scenario

# What the gateway itself says goes over the first path, as plain TCP.
stuck() { ! on "$GATEWAY" timeout 3 "$TOOLS/tcpload" -n 100000 sink "$SERVER_IP" 7002; }

for f in 4 6; do
	family $f
	check "IPv$f: the path does not carry what plain TCP sends" stuck
	for i in 1 2 3; do
		check "IPv$f: an upload, the first bytes in the SYN, $i" load -n 300000 sink "$SERVER_IP" 7002
	done
done
# Three SYNs whose data is lost, and there are no more of them. What such a SYN opens is plain TCP.
box hub0 strip_syn_data
for f in 4 4 4; do
	family $f
	load -n 100 get "$SERVER_IP" 80 >/dev/null
done
for f in 4 6; do
	family $f
	for i in 1 2 3; do
		check "IPv$f: an upload, the first bytes behind the handshake, $i" load -n 300000 sink "$SERVER_IP" 7002
	done
done
done_testing
