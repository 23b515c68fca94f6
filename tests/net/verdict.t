#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What one client meets is no verdict about the peer: a host with a code point that the access drops goes direct, and the
# peer stays up for all others. (IPv4: on MPTCP sockets over IPv6 Linux sets no code point, so there all go by the hub.)
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

DROPPED=46
CONNECTIONS=5
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_TIMEOUTS='peer: 1'
# shellcheck disable=SC2034
PEER_ADDRESS=$HUB4
scenario
on "$ROUTER" nft -f - <<-END
	table inet access {
		chain in { type filter hook prerouting priority -300; tcp dport 8803 ip dscp $DROPPED drop; }
	}
END
for f in 4 6; do
	family $f
	if [ $f = 6 ]; then
		sed -i "s/^    address: .*/    address: [ \"$HUB6\" ]/" "$TMP/gw.yaml"
		check "the peer has another address" ctl gw reload
		check "and is up" wait_for 10 peer_is up
	fi
	direct=$(counter gw relay direct)
	for ((i = 0; i < CONNECTIONS; i++)); do
		is "$(load -d $DROPPED conn "$SERVER_IP" 7001)" ok "IPv$f: connection $i of the host works"
		check "IPv$f: and then one of another by the hub" greeted_by "$HUB_IP"
	done
	is "$(counter gw relay direct)" $((direct + (f == 4 ? CONNECTIONS : 0))) "IPv$f: those that were dropped went direct"
done
is "$(grep -c 'peer hub is down' "$TMP/gw.log")" 0 "the peer was up all the time"
done_testing
