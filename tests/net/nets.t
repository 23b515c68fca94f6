#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a machine says from a path's address to its own nets does not take the path: hosts in the LAN reach a service at
# the gateway's address in the access net, and those in a second net of the hub one at the hub's.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

INSIDE=${MPG_PREFIX}router # a host in the hub's second net, which no configuration names
scenario
ns_add "$INSIDE"
link_veth "$HUB" inside0 "$INSIDE" eth0
addr "$HUB" inside0 50 1
addr "$INSIDE" eth0 50 2
default_via "$INSIDE" 50 1
spawn service-gw "$GATEWAY" "$TOOLS/tcpserve" greet:6001
spawn service-hub "$HUB" "$TOOLS/tcpserve" greet:6001

# hears NAMESPACE ADDRESS ITSELF: the service at that address sees the host.
hears() { [ "$(on "$1" "$TOOLS/tcpload" greet "$2" 6001 2>&1 | head -n 1)" = "hello $3" ]; }

for f in 4 6; do
	family $f
	check "IPv$f: from the LAN to the gateway's address in an access net" wait_for 5 hears "$CLIENT" "$GATEWAY_IP" "$CLIENT_IP"
	second=${HUB_IP/30/50}
	check "IPv$f: from the hub's second net to the hub's address in the first" wait_for 5 hears "$INSIDE" "$HUB_IP" "$second"
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done
done_testing
