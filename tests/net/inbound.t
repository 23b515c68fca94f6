#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two gateways publish services at one address of the hub: one that the hub dials, with an address of its own, and one
# behind NAT that parks connections. Neither reaches what is the other's. Strangers, workers that die, a reload.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

GATEWAY2=${MPG_PREFIX}gateway2 INSIDE2=${MPG_PREFIX}inside2
ALL_NS+=("$GATEWAY2" "$INSIDE2")
# shellcheck disable=SC2034 # read by net_build and pair_configs
{
	WITH_ROUTER=1
	PEER_MORE='    accept-to: [ 10.60.1.0/24, "fd60:1::/64" ]
    allow-source: [ "0.0.0.0/0", "::/0" ]'
	GATEWAY_MORE='convert: { listen: [ "0.0.0.0", "::" ], port: 8803 }'
	HUB_MORE='publish:
  - { name: one4, address: [ 10.60.30.2 ], port: [ "7001-7003" ], to: 10.60.1.2, via: gw }
  - { name: one6, address: [ "fd60:30::2" ], port: [ "7001-7003" ], to: "fd60:1::2", via: gw }
  - { name: shut4, address: [ 10.60.30.2 ], port: [ "7099" ], to: 10.60.1.2, via: gw }
  - { name: shut6, address: [ "fd60:30::2" ], port: [ "7099" ], to: "fd60:1::2", via: gw }
  - { name: two4, address: [ 10.60.30.2 ], port: [ "8003" ], to: 10.60.51.2, to-port: "7003", via: gw2 }
  - { name: two6, address: [ "fd60:30::2" ], port: [ "8003" ], to: "fd60:51::2", to-port: "7003", via: gw2 }
  - { name: foreign4, address: [ 10.60.30.2 ], port: [ "8103" ], to: 10.60.1.2, to-port: "7003", via: gw2 }
  - { name: foreign6, address: [ "fd60:30::2" ], port: [ "8103" ], to: "fd60:1::2", to-port: "7003", via: gw2 }'
}

outside() { on "$SERVER" "$TOOLS/tcpload" "$@"; }
says() { is "$(outside -t 10 conn "$HUB_IP" "$1" 2>&1 | head -n 1)" "$2" "$3"; }
greeted() { [ "$(outside greet "$HUB_IP" "$1" 2>&1 | head -n 1)" = "hello $SERVER_IP" ]; }
peer() { ctl hub --json peers list | jq -e ".peers[] | select(.name == \"$1\") | $2"; }

net_init
net_build || { echo "Bail out! no network" && exit 1; }
ns_add "$GATEWAY2" "$INSIDE2"
sysctls "$GATEWAY2" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
link_veth "$GATEWAY2" wan0 "$ROUTER" acc2
addr "$GATEWAY2" wan0 50 2
addr "$ROUTER" acc2 50 1
default_via "$GATEWAY2" 50 1
link_veth "$INSIDE2" eth0 "$GATEWAY2" lan0
addr "$INSIDE2" eth0 51 2
addr "$GATEWAY2" lan0 51 1
default_via "$INSIDE2" 51 1
on "$ROUTER" nft 'table inet nat { chain post { type nat hook postrouting priority 100;
	oifname "hub0" iifname "acc2" masquerade; }; }'
spawn inside "$CLIENT" "$TOOLS/tcpserve" echo:7001 sink:7002 greet:7003
spawn inside2 "$INSIDE2" "$TOOLS/tcpserve" greet:7003

pair_configs
"$CTL" key new "$TMP/two.key" >/dev/null
sed -i 's|  - { name: gw, key-file: pair.key }|  - { name: gw, key-file: pair.key, address: [ 10.60.10.2, "fd60:10::2" ] }\
  - { name: gw2, key-file: two.key }|' "$TMP/hub.yaml"
cat >"$TMP/gw2.yaml" <<-END
	instance: ${MPG_PREFIX}gw2
	links:
	  - { name: lan0, role: lan }
	  - { name: wan0, role: path }
	peers:
	  - { name: hub, address: [ 10.60.30.2, "fd60:30::2" ], key-file: two.key, park: 1,
	      accept-to: [ 10.60.51.0/24, "fd60:51::/64" ], allow-source: [ "0.0.0.0/0", "::/0" ] }
END
if ! daemon_start hub "$HUB" "$TMP/hub.yaml" || ! daemon_start gw "$GATEWAY" "$TMP/gw.yaml" ||
	! daemon_start gw2 "$GATEWAY2" "$TMP/gw2.yaml"; then
	echo "Bail out! a daemon does not start"
	exit 1
fi
check "the hub finds the gateway that it dials" wait_for 30 peer gw '.state == "up"'
check "the other one parks connections with it" wait_for 10 peer gw2 '.parked > 0 and .state == "passive"'

for f in 4 6; do
	family $f
	check "IPv$f: a service of the one, by its real source" greeted 7003
	check "IPv$f: bytes both ways" outside -n 1000000 echo "$HUB_IP" 7001
	check "IPv$f: 50 at once" outside -c 50 -n 100 echo "$HUB_IP" 7001
	says 7099 refused "IPv$f: its closed port looks closed"
	check "IPv$f: a service of the other, at the same address" greeted 8003
	before=$(counter gw2 relay not-authorized)
	says 8103 refused "IPv$f: what is the first one's is not reached by way of the second"
	check "IPv$f: counted" counted gw2 relay not-authorized "$before"
done
check "it is MPTCP between the proxies" peer gw '.transport == "mptcp"'

# A worker of the hub dies, with what was parked with it.
for pid in $(ctl hub --json status | jq '.workers[].pid'); do
	kill -9 "$pid"
	for f in 4 6; do
		family $f
		check "IPv$f: a worker was killed: the one is reached" wait_for 20 greeted 7003
		check "IPv$f: and the other" wait_for 20 greeted 8003
	done
done

# An entry that a reload takes out is the hub's own again; the rest goes on.
sed -i '/name: two[46]/d' "$TMP/hub.yaml"
check "a reload without them" ctl hub reload
for f in 4 6; do
	family $f
	says 8003 refused "IPv$f: it is published no more"
	check "IPv$f: the others are" greeted 7003
done

# The gateway that was dialed goes: its SYNs are for the hub itself, as soon as probes have noticed.
stop "${DAEMON[gw]}"
for f in 4 6; do
	family $f
	says 7003 refused "IPv$f: without its gateway the hub itself answers"
done
done_testing
