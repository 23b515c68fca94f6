#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A join that the kernel finishes late: the server's process is in a call on the socket when a second path joins, and the
# first bytes on that path belong further on in the stream. See hold_joins.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# One way over path 0 takes 200 ms. What is sent first arrives at 0 ms, the join at 200, what is sent next at 400; the
# server's first call lasts from 100 to 300.
EM0=delay=200 scenario
spawn stall "$HUB" "$TOOLS/stallserve" -m 9000 100 200
joins() { on "$HUB" nstat -asz | awk '$1 == "MPTcpExtMPJoinAckRx" { print $2 }'; }
more_joins() { [ "$(joins)" -gt "$1" ]; }

check "hold_joins works here" eval 'ctl hub --json status | jq -e ".features[] | select(.name == \"hold_joins\") | .works"'
for f in 4 6; do
	family $f
	before=$(joins)
	check "IPv$f: the bytes arrive that were sent" on "$GATEWAY" "$TOOLS/tcpload" -m -n 300000 echo "$HUB_IP" 9000
	check "IPv$f: the second path has joined" more_joins "$before"
done
done_testing
