#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Time-outs end what hangs, bounds turn new connections to the normal route.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

CONNECTIONS=4 # both workers together
# Until all are open, none ends; see idle().
LONG=600 SHORT=2
GATEWAY_TIMEOUTS="idle: $LONG, half-closed: 2"
GATEWAY_MORE="limits: { connections: $CONNECTIONS }"
HUB_MORE='timeouts: { header: 1, connect: 2 }'
scenario

flows() { [ "$(ctl gw --json flows list | jq '.flows | length')" -eq "$1" ]; }

# Those that steer hands over until the supervisor has told it are carried too, up to twice the limit.
within_limit() {
	local n
	n=$(ctl gw --json flows list | jq '.flows | length')
	echo "$n flows"
	[ "$n" -ge "$CONNECTIONS" ] && [ "$n" -le $((2 * CONNECTIONS)) ]
}

# idle SECONDS: the time-out from now on, by a reload.
idle() {
	sed -i "s/idle: [0-9]*/idle: $1/" "$TMP/gw.yaml"
	ctl gw reload
}

for f in 4 6; do
	family $f
	# More than the limit, one after the other: the first are steered, the rest pass.
	before=$(counter gw reasons no-listener)
	ended=$(counter gw relay idle-timeout)
	check "IPv$f: connections beyond the limit work" hold $((CONNECTIONS * 4))
	check "IPv$f: they go the normal way" counted gw reasons no-listener "$before"
	check "IPv$f: and are told from those within" greeted_by "$CLIENT_IP"
	check "IPv$f: so many are steered" within_limit
	check "IPv$f: a shorter time-out" idle $SHORT
	check "IPv$f: idle connections end" wait_for 15 flows 0
	check "IPv$f: which is counted" counted gw relay idle-timeout "$ended"
	let_go
	check "IPv$f: the longer one again" idle $LONG
	check "IPv$f: new ones are steered again" wait_for 5 greeted_by "$HUB_IP"

	# A client of the Convert port that says nothing.
	before=$(counter hub relay header-timeout)
	on "$GATEWAY" "$TOOLS/tcpload" conn "$HUB_IP" 8803 >/dev/null 2>&1 &
	wait $!
	on "$GATEWAY" bash -c "exec 8<>/dev/tcp/$HUB_IP/8803 && read -rt 10 -u 8"
	check "IPv$f: a silent client of the Convert port is dropped" wait_for 5 counted hub relay header-timeout "$before"

	# A server whose answers are lost. By number: a small machine has no /etc/protocols.
	before=$(counter hub relay connect-timeout)
	if [ $f = 4 ]; then
		on "$SERVER" ip route add blackhole "$HUB_IP/32" table 99
		on "$SERVER" ip rule add to "$HUB_IP" ipproto 6 sport 7001 lookup 99
	else
		on "$SERVER" ip -6 route add blackhole "$HUB_IP/128" table 99
		on "$SERVER" ip -6 rule add to "$HUB_IP" ipproto 6 sport 7001 lookup 99
	fi
	is "$(load conn "$SERVER_IP" 7001)" reset "IPv$f: a server that does not answer: the client is reset"
	check "IPv$f: after the connect time-out" counted hub relay connect-timeout "$before"
	on "$SERVER" ip "-$f" rule del lookup 99
done
done_testing
