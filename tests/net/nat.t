#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A NAT that forgets what is silent for a few seconds, and then drops it, resets it, or gives it another port. Connections
# go on, whoever speaks first; it is found out by path and shown, and from then on they are kept. Packets that get lost are
# no such NAT.
# LONG: it waits for silences.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# The hub's keep-alives help nobody: they come after the NAT has forgotten, and the gateway's as well.
NAT_S=4 SILENCE_MS=9000 SPARE_S=20 FOUND_S=40 HOLD=30 LOSS_S=8
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_TIMEOUTS='keepalive: 5'
# shellcheck disable=SC2034
HUB_MORE='timeouts: { keepalive: 50 }'
# shellcheck disable=SC2034
GATEWAY_MORE='subflows: { join: at-once }'
scenario
# A kernel that takes no times for MPTCP sockets has these.
sysctls "$GATEWAY" net.ipv4.tcp_keepalive_time=5 net.ipv4.tcp_keepalive_intvl=1 net.ipv4.tcp_keepalive_probes=30
spawn talks "$SERVER" "$TOOLS/tcptalk" listen "7010=read:1 send:1 read:1000 send:1000 rest" \
	"7011=read:1 send:1 pause:$SILENCE_MS send:1000 read:1000 rest"

# nat 0|1 drop|reset|port: the router is one for that access link, in both families, from now on. nat_gone 0|1.
nat() {
	local is_new="ct state new tcp flags & (syn) == 0x0"
	declare -A does=(
		[drop]="iifname acc$1 $is_new drop"
		[reset]="iifname acc$1 $is_new reject with tcp reset"
		[port]="" # a new entry, and so another port
	)
	on "$ROUTER" nft -f - <<-END
		table inet carrier$1 {
			chain forward { type filter hook forward priority filter; oifname acc$1 ct state new drop; ${does[$2]}; }
			chain leave { type nat hook postrouting priority srcnat; iifname acc$1 masquerade fully-random; }
		}
	END
	sysctls "$ROUTER" net.netfilter.nf_conntrack_tcp_timeout_established=$NAT_S \
		net.netfilter.nf_conntrack_tcp_timeout_unacknowledged=$NAT_S
}
nat_gone() { on "$ROUTER" nft delete table inet "carrier$1"; }

# forgets a|b: after how long, in the family of hub_at; 0: it is not known.
forgets() {
	ctl gw --json peers list | jq --arg p "$1" --arg a "$HUB_IP" \
		'.ways[] | select(.path == $p and .address == $a) | .forgets_ms // 0'
}
forgets_nothing() { [ "$(ctl gw --json peers list | jq '[.ways[] | select(.forgets_ms)] | length')" = 0 ]; }
found() { [ "$(forgets "$1")" -gt 0 ]; }
ports() { ctl gw --json paths subflows | jq -r '[.subflows[] | select(.state != "joining") | .local] | sort | .[]'; }
subflows_are() { [ "$(ports | wc -l)" -eq "$1" ]; }

# kept: subflows stay for longer than one that is forgotten would.
kept() {
	local was
	was=$(ports)
	subflows_are 4 || return
	read -rt $((2 * NAT_S + 2)) <> <(:) || :
	[ "$(ports)" = "$was" ]
}

# talk NAME PORT STEPS: in the background. talked NAME: all that was sent has come, and the end.
declare -A TALK
talk() {
	on "$CLIENT" "$TOOLS/tcptalk" dial "$SERVER_IP" "$2" "$3" >"$TMP/$1.out" 2>&1 &
	TALK[$1]=$!
	PIDS+=($!)
}
talked() { gone "${TALK[$1]}" && [ "$(cat "$TMP/$1.out")" = eof ]; }
# silences: a connection of each family on which the client speaks after one, and one on which the server does.
silences() {
	local f
	for f in 4 6; do
		family $f
		talk "client$f" 7010 "dial send:1 read:1 pause:$SILENCE_MS send:1000 read:1000 end rest"
		talk "server$f" 7011 "dial send:1 read:1 read:1000 send:1000 end rest"
	done
}
go_on() {
	local f who
	for f in 4 6; do
		for who in client server; do
			check "$1: an IPv$f connection goes on when the $who speaks" wait_for $SPARE_S talked $who$f
		done
	done
}

# hub_at 4|6: a gateway that knows the hub by that address alone, and nothing else.
hub_at() {
	family "$1"
	daemon_stop gw
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	daemon_start gw "$GATEWAY" "$TMP/gw.yaml" && wait_for 10 peer_is up
}

check "the gateway uses IPv4" hub_at 4
nat 0 drop
nat 1 port
silences
check "connections that are silent" hold 2
go_on "dropped and with another port"
family 4
check "that drops is found" wait_for $FOUND_S found a
check "that takes another port is found" wait_for $FOUND_S found b
check "the silent connections have both paths, and keep them" wait_for 30 kept
let_go
nat_gone 0
nat_gone 1

check "the gateway uses IPv6" hub_at 6
nat 1 reset
silences
check "connections over IPv6 that are silent" hold 2
go_on "reset on one path"
family 6
check "that is found" wait_for $FOUND_S found b
let_go
is "$(forgets a)" 0 "of that path alone"
is "$(ctl gw --json paths list | jq -r '.paths[] | select(.forgets6_ms) | .name')" b "paths list has it as well"
daemon_stop gw
nat_gone 1

# Packets get lost, nothing is forgotten.
for i in 0 1; do
	ip -n "$ROUTER" link del acc$i
	link_em "$GATEWAY" wan$i "$ROUTER" acc$i "delay=$((5 + 5 * i)) loss=5"
	addr "$GATEWAY" wan$i $((10 + 10 * i)) 2
	addr "$ROUTER" acc$i $((10 + 10 * i)) 1
done
net_use 0
sed -i "s/keepalive: 5/keepalive: 3/; s/^    address: .*/    address: [ $HUB4, \"$HUB6\" ]/" "$TMP/gw.yaml"
check "with loss: the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "with loss: the hub is up" wait_for 20 peer_is up
check "with loss: silent connections" hold $HOLD
# So many more keep-alives have no answer that some subflows seem dead within these seconds.
for i in 0 1; do em_set wan$i "delay=$((5 + 5 * i)) loss=20"; done
read -rt $LOSS_S <> <(:) || :
check "with loss: nothing is taken for a NAT" forgets_nothing
let_go
done_testing
