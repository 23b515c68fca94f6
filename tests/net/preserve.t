#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# source: preserve: servers see the client's own address and port, and what they send there comes back to the hub, be it
# on one link or on two. With share, the default, they see the hub's.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

BYTES=5000000
SLOW_BYTES=100000000 # longer than this test looks at it
scenario
sed -i '/source: share/d' "$TMP/hub.yaml" # the default
check "source is not named" ctl hub reload

fails() { ! "$@"; }

# sources PREFIX...: those that the gateway may speak for.
sources() {
	local list
	printf -v list '"%s", ' "$@"
	sed -i "s|^  - { name: gw,.*|  - { name: gw, key-file: pair.key, allow-source: [ ${list%, } ] }|" "$TMP/hub.yaml"
}

# links_preserve LINK...: the hub has these, and servers see the client's own address.
links_preserve() {
	local links
	links=$(printf '  - %s\\n' "$@")
	sed -i -e '/source: preserve/d' -e '/^links:/,/^convert:/c links:\n'"$links"'convert:\n  source: preserve' "$TMP/hub.yaml"
	ctl hub reload
}

# back_via N: what the server sends to the client goes by the hub's address in that network.
back_via() {
	ip -n "$SERVER" route replace 10.60.1.0/24 via "10.60.$1.2"
	ip -n "$SERVER" -6 route replace fd60:1::/64 via "fd60:$1::2"
}

# seen_as ADDRESS NAME: connections of all kinds come from there, and all bytes arrive.
seen_as() {
	local steered
	steered=$(counter gw reasons steered)
	check "$2: the server sees $1" greeted_by "$1"
	check "$2: a download" load -n $BYTES -s 1 get "$SERVER_IP" 80
	check "$2: both ways at once" load -n $BYTES -s 2 echo "$SERVER_IP" 7001
	check "$2: an upload" load -n $BYTES -s 3 sink "$SERVER_IP" 7002
	check "$2: 20 at a time" load -c 20 -n 100000 echo "$SERVER_IP" 7001
	is $(($(counter gw reasons steered) - steered)) 24 "$2: all of them were steered"
	is "$(counter gw relay direct)" 0 "$2: and went by the hub"
}

# The address and port that a running download has at the client are those that its server sees.
client_port() { on "$CLIENT" ss -Htn state established "dport = :80" | awk '{ print $3 }'; }
server_sees() {
	local port
	port=$(client_port)
	[ -n "$port" ] && on "$SERVER" ss -Htn state established "sport = :80" | sed -E 's/\[::ffff:([0-9.]+)\]/\1/g' |
		awk '{ print $4 }' | grep -qFx "$port"
}
same_port() {
	spawn slow "$CLIENT" "$TOOLS/tcpload" -n $SLOW_BYTES slow "$SERVER_IP" 80
	check "$1: its address and port are the client's" wait_for 5 server_sees
	stop "$SPAWNED"
}

for f in 4 6; do
	family $f
	seen_as "$HUB_IP" "IPv$f, default"
done

check "source: preserve without allow-source is refused" fails links_preserve "{ name: net0, role: path }"
sources 10.60.1.0/24 fd60:1::/64
check "source: preserve, on one link" links_preserve "{ name: net0, role: path }"
back_via 30
for f in 4 6; do
	family $f
	seen_as "$CLIENT_IP" "IPv$f, one link"
	same_port "IPv$f, one link"
done

# A key does not let a gateway speak for everybody.
sources 10.60.2.0/24 fd60:2::/64
check "the gateway is to speak for other hosts" ctl hub reload
for f in 4 6; do
	family $f
	refused=$(counter hub relay not-authorized)
	check "IPv$f: a client that is not among them" fails load greet "$SERVER_IP" 7003
	check "IPv$f: is refused" counted hub relay not-authorized "$refused"
done
check "which is said" grep -q "source not in the peer's allow-source" "$TMP/hub.log"
sources 10.60.0.0/16 fd60::/16
check "it may speak for all" ctl hub reload
for f in 4 6; do
	family $f
	check "IPv$f: so it may for a client" greeted_by "$CLIENT_IP"
	late=$(on "$GATEWAY" "$TOOLS/synforge" -l -k "$TMP/pair.key" -s "$HUB_IP" valid "$GATEWAY_IP" "$HUB_IP" 8803 "$SERVER_IP" 7001)
	is "$late" "error 32" "IPv$f: but not for the hub itself"
done
sources 10.60.1.0/24 fd60:1::/64

# The usual place of a hub: peers on one side, servers on the other.
link_veth "$HUB" net1 "$SERVER" srv1
addr "$HUB" net1 50 2
addr "$SERVER" srv1 50 1
ip -n "$HUB" route add 10.60.40.0/24 via 10.60.50.1
ip -n "$HUB" -6 route add fd60:40::/64 via fd60:50::1
check "source: preserve, on two links" links_preserve "{ name: net0, role: path }" "{ name: net1, role: net }"
back_via 50
for f in 4 6; do
	family $f
	seen_as "$CLIENT_IP" "IPv$f, two links"
	same_port "IPv$f, two links"
done

# A worker may bind to these ports as well.
sysctls "$CLIENT" net.ipv4.ip_unprivileged_port_start=900 net.ipv4.ip_local_port_range="900 999"
for f in 4 6; do
	family $f
	same_port "IPv$f, a port below 1024"
done
done_testing
