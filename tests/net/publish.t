#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sessions from the network side: a service behind a gateway that nothing leads to (NAT, and a firewall that lets nothing
# in), published at an address of the hub. The hub reaches it over connections that the gateway keeps open; the inside
# server sees the real source, and who comes from outside is told what the inside server said.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by net_build and pair_configs
WITH_ROUTER=1
PEER_MORE='    park: 2
    accept-to: [ 10.60.1.0/24, "fd60:1::/64" ]
    allow-source: [ "0.0.0.0/0", "::/0" ]'
# shellcheck disable=SC2034
HUB_MORE='publish:
  - { name: inside, address: [ 10.60.30.2 ], port: [ "80", "7001-7099" ], to: 10.60.1.2, via: gw }
  - { name: inside6, address: [ "fd60:30::2" ], port: [ "80", "7001-7099" ], to: "fd60:1::2", via: gw }
  - { name: moved, address: [ 10.60.30.2 ], port: [ "8000-8009" ], to: 10.60.1.2, to-port: "7000-7009", via: gw }
  - { name: moved6, address: [ "fd60:30::2" ], port: [ "8000-8009" ], to: "fd60:1::2", to-port: "7000-7009", via: gw }
  - { name: elsewhere, address: [ 10.60.30.2 ], port: [ "8200" ], to: 10.60.40.2, to-port: "80", via: gw }
  - { name: elsewhere6, address: [ "fd60:30::2" ], port: [ "8200" ], to: "fd60:40::2", to-port: "80", via: gw }
  - { name: early, address: [ 10.60.30.2 ], port: [ "8301" ], to: 10.60.1.2, to-port: "7001", via: gw, connect: early }
  - { name: early6, address: [ "fd60:30::2" ], port: [ "8301" ], to: "fd60:1::2", to-port: "7001", via: gw, connect: early }'

# outside ARGUMENTS...: tcpload from the network.
outside() { on "$SERVER" "$TOOLS/tcpload" "$@"; }
# says PORT WORD: how an attempt from outside ends.
says() { is "$(outside -t 10 conn "$HUB_IP" "$1" 2>&1 | head -n 1)" "$2" "$3"; }
greeted() { [ "$(outside greet "$HUB_IP" "$1" 2>&1 | head -n 1)" = "hello $2" ]; }
reaches() { outside -n 1000 echo "$HUB_IP" 7001; }
refused_by_hub() { [ "$(outside -t 5 conn "$HUB_IP" 7001 2>&1 | head -n 1)" = refused ]; }
parked() { [ "$(ctl hub --json peers list | jq '.peers[0].parked')" -ge "$1" ]; }

net_init
net_build || { echo "Bail out! no network" && exit 1; }
# What the gateway opens looks like the router's own, and nothing is let in towards it.
on "$ROUTER" nft -f - <<'END'
table inet nat {
	chain post { type nat hook postrouting priority 100; oifname "hub0" iifname "acc*" masquerade; }
	chain closed { type filter hook forward priority 0; oifname "acc*" ct state new drop; }
}
END
spawn inside "$CLIENT" "$TOOLS/tcpserve" http:80 echo:7001 sink:7002 greet:7003 rst:7004 first:7005
spawn inside-mptcp "$CLIENT" "$TOOLS/tcpserve" -m http:7080
pair_configs
if ! daemon_start hub "$HUB" "$TMP/hub.yaml" || ! daemon_start gw "$GATEWAY" "$TMP/gw.yaml"; then
	echo "Bail out! a daemon does not start"
	exit 1
fi

check "the gateway parks connections with the hub" wait_for 10 parked 2
check "where SYNs to the published addresses come in is offered as a link" \
	eval '"$CTL" --complete -i "${MPG_PREFIX}hub" policy explain --link "" | grep -qx net0'
for f in 4 6; do
	family $f
	check "IPv$f: the inside server sees the real source" greeted 7003 "$SERVER_IP"
	check "IPv$f: bytes both ways" outside -n 2000000 echo "$HUB_IP" 7001
	check "IPv$f: the inside server ends first" outside -n 100000 first "$HUB_IP" 7005
	check "IPv$f: a download" outside -n 5000000 get "$HUB_IP" 80
	check "IPv$f: at another port inside" greeted 8003 "$SERVER_IP"
	check "IPv$f: a rule that says early" outside -n 100000 echo "$HUB_IP" 8301
	check "IPv$f: who speaks MPTCP from outside" outside -m -n 100000 echo "$HUB_IP" 7001
	says 7099 refused "IPv$f: a closed port looks closed"
	says 7004 reset "IPv$f: a reset is a reset"
	before=$(counter gw relay not-authorized)
	says 8200 refused "IPv$f: what accept-to does not have: the hub itself answers"
	check "IPv$f: counted" counted gw relay not-authorized "$before"
	before=$(counter gw relay accepted-parked)
	says 6999 refused "IPv$f: what is not published is the hub's own"
	is "$(counter gw relay accepted-parked)" "$before" "IPv$f: no peer was asked"
	is "$(ctl hub --json policy explain "$SERVER_IP" "$([ $f = 4 ] && echo "$HUB_IP" || echo "[$HUB_IP]"):7001" |
		jq -r '"\(.reason) \(.peer)"')" "held gw" "IPv$f: explain says so"
done

# A burst, of more than are parked.
for f in 4 6; do
	family $f
	check "IPv$f: 100 at once" outside -c 100 -n 100 echo "$HUB_IP" 7001
	check "IPv$f: 100 at once where the rule says early" outside -c 100 -n 100 echo "$HUB_IP" 8301
done

is "$(counter hub relay silent)" 0 "none of them had to say its SYN again"

# Both access links carry it.
family 4
shape 0 40
shape 1 40
sent() { ip -n "$GATEWAY" -j -s link show "wan$1" | jq '.[0].stats64.tx.bytes'; }
before0=$(sent 0) before1=$(sent 1)
outside -t 4 bulk "$HUB_IP" 80 >"$TMP/bulk" 2>&1
over0=$(($(sent 0) - before0)) over1=$(($(sent 1) - before1))
check "a download from outside takes both links ($over0 and $over1 bytes)" \
	[ $((2 * (over0 < over1 ? over0 : over1))) -ge $((over0 > over1 ? over0 : over1)) ]
on "$GATEWAY" tc qdisc del dev wan0 root && on "$GATEWAY" tc qdisc del dev wan1 root

# One link dies while a transfer is under way.
outside -n 60000000 slow "$HUB_IP" 80 >"$TMP/slow" 2>&1 &
slow=$!
read -rt 1 <> <(:) || :
link_cut 0
check "a link is cut: the transfer goes on" wait "$slow"
check "new ones go over the other link" wait_for 20 reaches
link_mend 0

# The gateway goes, and comes back.
stop "${DAEMON[gw]}"
for f in 4 6; do
	family $f
	check "IPv$f: without the gateway the hub itself answers" wait_for 10 refused_by_hub
done
for name in inside inside6; do
	check "doctor at the hub says why: $name" wait_for 10 finds hub publish "publish $name no gateway of gw has parked"
done
daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
for f in 4 6; do
	family $f
	check "IPv$f: with it, it is there again" wait_for 20 reaches
done

# The hub starts anew.
stop "${DAEMON[hub]}"
daemon_start hub "$HUB" "$TMP/hub.yaml"
for f in 4 6; do
	family $f
	check "IPv$f: the hub starts anew: it is there again" wait_for 45 reaches
done
done_testing
