#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mode: transparent from the network side: the hub opens connections towards hosts behind the gateway, with the same tag,
# and the gateway takes them.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/links.sh
. "$(dirname "$0")/links.sh"

BYTES=3000000
SIZE=8000000 # of an upload over shaped links
# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1
# The servers' side of the hub is a link of its own, where connections begin; addresses of the gateway for joins, one a link.
# shellcheck disable=SC2034 # read by pair_configs
HUB_MORE='policy:
  rules:
    - { name: inside, to: [ 10.60.1.0/24, "fd60:1::/64" ], to-port: [ "7000-7999" ], action: proxy, via: gw }'
# shellcheck disable=SC2034 # the same
GATEWAY_MORE='transparent:
  join: [ 10.60.10.3, 10.60.20.3, "fd60:10::3", "fd60:20::3" ]'
stage
link_veth "$HUB" net1 "$ROUTER" hub1
addr "$HUB" net1 50 2
addr "$ROUTER" hub1 50 1
for i in 0 1; do
	n=$((10 + 10 * i))
	ip -n "$GATEWAY" addr add 10.60.$n.3/24 dev wan$i
	ip -n "$GATEWAY" addr add fd60:$n::3/64 dev wan$i nodad
done
sed -i -e '/^    address:/,/^    port:/d' -e '/^    ready:/d' -e '/^    mode:/d' \
	-e 's|^    key-file: pair.key|&\n    allow-source: [ 10.60.40.0/24, "fd60:40::/64" ]\n    accept-to: [ 10.60.1.0/24, "fd60:1::/64" ]|' \
	-e '/^policy:/,/action: proxy/d' "$TMP/gw.yaml"
sed -i -e 's|^  - { name: net0.*|&\n  - { name: net1, role: lan }|' \
	-e 's|^  - { name: gw,.*|  - { name: gw, mode: transparent, key-file: pair.key }|' "$TMP/hub.yaml"
sysctls "$HUB" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for f in -4 -6; do
	ip -n "$ROUTER" $f rule add iif srv0 table 61 priority 100
	for dev in acc0 acc1; do ip -n "$ROUTER" $f rule add iif $dev table 60 priority 100; done
done
ip -n "$ROUTER" route add default via 10.60.30.2 table 60
ip -n "$ROUTER" -6 route add default via fd60:30::2 table 60
ip -n "$ROUTER" route add default via 10.60.50.2 table 61
ip -n "$ROUTER" -6 route add default via fd60:50::2 table 61
spawn inside "$CLIENT" "$TOOLS/tcpserve" echo:7001 sink:7002 greet:7003
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"

outside() { on "$SERVER" "$TOOLS/tcpload" "$@"; }
greeted() { [ "$(outside greet "$CLIENT_IP" 7003 2>&1 | head -n 1)" = "hello $SERVER_IP" ]; }
for f in 4 6; do
	family $f
	taken=$(counter gw relay taken)
	check "IPv$f: the inside host sees who opens" greeted
	check "IPv$f: the gateway took it" counted gw relay taken "$taken"
	check "IPv$f: 20 echoes at a time" outside -c 20 -n 50000 echo "$CLIENT_IP" 7001
	is "$(outside conn "$CLIENT_IP" 7999)" refused "IPv$f: a closed port looks closed"
done
shape 0 20
shape 1 30
for f in 4 6; do
	family $f
	a=$(sent 0) b=$(sent 1)
	check "IPv$f: an upload" outside -n $SIZE sink "$CLIENT_IP" 7002
	check "IPv$f: link 0 carries a part" more_than 0 $((a + SIZE / 8))
	check "IPv$f: link 1 carries a part" more_than 1 $((b + SIZE / 8))
done
# Without the gateway's daemon it is a connection like any other.
daemon_stop gw
for f in 4 6; do
	family $f
	check "IPv$f: without the gateway's daemon" greeted
	check "IPv$f: bytes arrive" outside -n $BYTES echo "$CLIENT_IP" 7001
done
done_testing
