#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A hop of some 1,300 bytes behind which two have 1,500: ICMP errors about steered connections reach their sockets, on the side
# of the client and on the side of the server (source: preserve).
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

#   client eth0 ── h0 hop1 m0 ═narrow═ m1 hop2 h1 ── lan0 gateway
HOP1=${MPG_PREFIX}hop1 HOP2=${MPG_PREFIX}hop2
ALL_NS+=("$HOP1" "$HOP2")
declare -A NARROW=([early]=1300 [honest]=1290) # each time anew: what the kernel has learned of a path stays
BYTES=300000
# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1

hops_build() {
	ns_add "$HOP1" "$HOP2"
	sysctls "$HOP1" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	sysctls "$HOP2" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n "$GATEWAY" link del lan0
	link_veth "$CLIENT" eth0 "$HOP1" h0
	link_veth "$HOP1" m0 "$HOP2" m1
	link_veth "$HOP2" h1 "$GATEWAY" lan0
	addr "$CLIENT" eth0 1 2
	addr "$HOP1" h0 1 1
	addr "$HOP1" m0 2 1
	addr "$HOP2" m1 2 2
	addr "$HOP2" h1 3 2
	addr "$GATEWAY" lan0 3 1
	default_via "$CLIENT" 1 1
	default_via "$HOP1" 2 2
	default_via "$HOP2" 3 1
	ip -n "$HOP2" route add 10.60.1.0/24 via 10.60.2.1
	ip -n "$HOP2" -6 route add fd60:1::/64 via fd60:2::1
	ip -n "$GATEWAY" route add 10.60.1.0/24 via 10.60.3.2
	ip -n "$GATEWAY" -6 route add fd60:1::/64 via fd60:3::2
}
narrow() {
	ip -n "$HOP1" link set m0 mtu "$1"
	ip -n "$HOP2" link set m1 mtu "$1"
}

net_init
if ! { net_build && hops_build && servers_start && pair_start; }; then
	echo "Bail out! the network or a daemon does not start"
	exit 1
fi

for mode in early honest; do
	check "connect: $mode" connect_as $mode
	narrow "${NARROW[$mode]}"
	for f in 4 6; do
		family $f
		before=$(counter gw relay relayed)
		errors=$(counter gw reasons icmp-error)
		check "IPv$f, $mode: a download through the narrow hop" timeout 20 nsenter --net="/run/netns/$CLIENT" \
			"$TOOLS/tcpload" -n $BYTES get "$SERVER_IP" 80
		check "IPv$f, $mode: both ways at once" timeout 20 nsenter --net="/run/netns/$CLIENT" \
			"$TOOLS/tcpload" -n $BYTES echo "$SERVER_IP" 7001
		is $(($(counter gw relay relayed) - before)) 2 "IPv$f, $mode: both went by the hub"
		check "IPv$f, $mode: the hop's errors reached their sockets" counted gw reasons icmp-error "$errors"
	done
done

# Between hub and server: the errors are for the client, whose address the hub uses.
sed -i -e 's/source: share/source: preserve/' \
	-e 's|^  - { name: gw,.*|  - { name: gw, key-file: pair.key, allow-source: [ 10.60.1.0/24, "fd60:1::/64" ] }|' "$TMP/hub.yaml"
check "source: preserve" ctl hub reload
ip -n "$ROUTER" route replace 10.60.1.0/24 via 10.60.30.2
ip -n "$ROUTER" -6 route replace fd60:1::/64 via fd60:30::2
ip -n "$ROUTER" link set srv0 mtu "${NARROW[early]}"
for f in 4 6; do
	family $f
	before=$(counter hub reasons icmp-error)
	check "IPv$f, preserve: the server sees the client" greeted_by "$CLIENT_IP"
	check "IPv$f, preserve: an upload through the narrow hop" timeout 20 nsenter --net="/run/netns/$CLIENT" \
		"$TOOLS/tcpload" -n $BYTES sink "$SERVER_IP" 7002
	check "IPv$f, preserve: the hop's errors reached their sockets" counted hub reasons icmp-error "$before"
done
done_testing
