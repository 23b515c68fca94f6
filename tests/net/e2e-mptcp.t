#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Connections that speak MPTCP from end to end are left alone.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

scenario
# MP_CAPABLE handshakes that the server completed.
capable() { on "$SERVER" nstat -asz MPTcpExtMPCapableACKRX | awk '/MPCapable/ { print $2 }'; }

for f in 4 6; do
	family $f
	steered=$(counter gw reasons steered)
	passed=$(counter gw reasons mptcp)
	before=$(capable)
	check "IPv$f: MPTCP client, MPTCP server: bytes arrive" load -m -n 1000000 echo "$SERVER_IP" 7101
	is "$(capable)" $((before + 1)) "IPv$f: the server itself spoke MPTCP"
	is "$(counter gw reasons steered)" "$steered" "IPv$f: it was not steered"
	is "$(counter gw reasons mptcp)" $((passed + 1)) "IPv$f: its SYN was passed and counted"
	check "IPv$f: a plain client of the same server is steered" load -n 1000000 echo "$SERVER_IP" 7101
	is "$(counter gw reasons steered)" $((steered + 1)) "IPv$f: and counted"
done
done_testing
