#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pool of addresses at the hub, which no link has: a subscriber keeps one of them, in either family, whatever worker it
# meets and after a restart too; it has a bound of connections, beyond which they go the normal way. An address of the
# machine itself in the pool is refused.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

POOL4=10.77.7.0/28 POOL6=fd77:7::/64
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest }'
scenario
fails() { ! "$@"; }

# pool WORDS: those of the hub's convert, from now on.
pool() {
	sed -i -e '/^  pool/d' -e '/^  connections-per/d' -e "s|^  source: share|&\n${1//|/\\n}|" "$TMP/hub.yaml"
	ctl hub reload
}

# Where the server sees the client come from, from source FROM.
seen() { load -f "$1" greet "$SERVER_IP" 7003 2>/dev/null | sed -n 's/^hello //p'; }
in_pool() {
	case $1 in 10.77.7.[0-9] | 10.77.7.1[0-5] | fd77:7::* | fd77:7:0:0:*) ;; *) return 1 ;; esac
}
# keeps_one FROM: ten connections of that source come from one address of the pool.
keeps_one() {
	local first next i
	first=$(seen "$1")
	in_pool "$first" || { echo "seen: $first" && return 1; }
	for i in 1 2 3 4 5 6 7 8 9; do
		next=$(seen "$1")
		[ "$next" = "$first" ] || { echo "connection $i: $next, not $first" && return 1; }
	done
	SEEN=$first
}

for n in 11 12 13 14 15 16 17 18; do
	ip -n "$CLIENT" addr add "10.60.1.$n/24" dev eth0
	ip -n "$CLIENT" addr add "fd60:1:0:$n::2/64" dev eth0 nodad preferred_lft 0
done
ip -n "$GATEWAY" route add fd60:1::/56 via fd60:1::2 dev lan0
ip -n "$SERVER" route add "$POOL4" via 10.60.30.2
ip -n "$SERVER" route add "$POOL6" via fd60:30::2
ip -n "$ROUTER" route add fd60:1::/56 via fd60:10::2

family 4
check "a pool with an address of the hub itself is refused" fails pool '  pool: [ 10.60.30.0/29 ]'
check "and named" grep -q 'convert.pool: 10.60.30.2 is an address of this machine' "$TMP/hub.log"
check "nothing has changed" greeted_by 10.60.30.2 7003
check "a pool of both families" pool "  pool: [ $POOL4, \"$POOL6\" ]"

source_of() { if [ "$f" = 4 ]; then echo "10.60.1.$1"; else echo "fd60:1:0:$1::2"; fi; }
declare -A FIRST
for f in 4 6; do
	family $f
	check "IPv$f: a client keeps one address of it" keeps_one "$CLIENT_IP"
	FIRST[$f]=$SEEN
	different=
	for n in 11 12 13 14 15 16 17 18; do
		check "IPv$f: so does another" keeps_one "$(source_of $n)"
		[ "$SEEN" = "${FIRST[$f]}" ] || different=1
	done
	is "$different" 1 "IPv$f: not all have the same"
	check "IPv$f: bytes both ways" load -n 5000000 -s 1 echo "$SERVER_IP" 7001
	check "IPv$f: 50 at a time" load -c 50 -n 20000 echo "$SERVER_IP" 7001
	is "$(load conn "$SERVER_IP" 7999)" refused "IPv$f: a closed port is a closed port"
	hold 3
	is "$(ctl hub --json flows list | jq -r '[.flows[] | select(.role == "hub") | .mapped | sub(":[0-9]+$"; "") | gsub("[][]"; "")] | unique | join(" ")')" \
		"${FIRST[$f]}" "IPv$f: flows list shows it"
	let_go
done

# Two addresses of one /64.
f=6
family 6
ip -n "$CLIENT" addr add fd60:1::99/64 dev eth0 nodad preferred_lft 0
is "$(seen fd60:1::99)" "${FIRST[6]}" "IPv6: another address of the client's /64 has the same one"

# Who comes through the hub finds nothing there.
sed -i 's|allow-to: .*|allow-to: [ "0.0.0.0/0", "::/0" ]|' "$TMP/hub.yaml"
check "a hub that lets connect to everywhere" ctl hub reload
for f in 4 6; do
	family $f
	late=$(on "$GATEWAY" "$TOOLS/synforge" -l -k "$TMP/pair.key" -s "$HUB_IP" valid "$GATEWAY_IP" "$HUB_IP" 8803 "${FIRST[$f]}" 7001)
	is "$late" "error 32" "IPv$f: but not to the pool"
done

daemon_stop hub
check "the hub starts anew" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway finds it" wait_for 20 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f: steered again" wait_for 20 keeps_one "$CLIENT_IP"
	is "$SEEN" "${FIRST[$f]}" "IPv$f: the client has the address of before"
done

# Ports.
sysctls "$HUB" net.ipv4.ip_local_port_range="20000 39999"
check "ports of the pool" pool "  pool: [ $POOL4, \"$POOL6\" ]|  pool-ports: 30000-30009"
# ports_used: eight connections have such ports. A reload has reached the workers soon after it has returned.
ports_used() {
	local n
	hold 8 || return 1
	n=$(ctl hub --json flows list | jq -r '.flows[].mapped' | grep -cE ':3000[0-9]$')
	let_go
	[ "$n" -eq 8 ]
}
for f in 4 6; do
	family $f
	if on "$HUB" "$TOOLS/portrange"; then
		check "IPv$f: are those that are used" wait_for 20 ports_used
	else
		skip "IPv$f: are those that are used" "no IP_LOCAL_PORT_RANGE before Linux 6.3"
	fi
done

# Bounds.
check "ten connections a subscriber" pool "  pool: [ $POOL4, \"$POOL6\" ]|  connections-per-subscriber: 10"
for f in 4 6; do
	family $f
	before=$(counter hub relay subscriber-limit)
	check "IPv$f: ten connections" hold 10
	check "IPv$f: the eleventh works" greeted_by "$CLIENT_IP"
	check "IPv$f: the normal way, since the subscriber has as many as it may" counted hub relay subscriber-limit "$before"
	other=$(source_of 12)
	check "IPv$f: another subscriber is served by the hub" in_pool "$(seen "$other")"
	let_go
	check "IPv$f: when they have ended, so is this one" wait_for 10 keeps_one "$CLIENT_IP"
done
check "the gateway may not go the normal way" sed -i 's/connect: honest/&, if-down: reject/' "$TMP/gw.yaml"
check "by its rule" ctl gw reload
for f in 4 6; do
	family $f
	check "IPv$f: ten connections" hold 10
	is "$(load conn "$SERVER_IP" 7001)" refused "IPv$f: the eleventh is reset" ||
		diag "$(ctl hub --json flows list | jq -c '[.flows[] | [.client, .mapped, .state]]'; tail -n 5 "$TMP/hub.log")"
	let_go
done

# A worker that dies takes what it had counted with it.
check "ten connections again" hold 10
for pid in $(ctl hub --json status | jq '.workers[].pid'); do kill -9 "$pid"; done
let_go
check "workers that died have counted nothing" wait_for 20 keeps_one "$CLIENT_IP"
check "so that ten may be opened" hold 10
let_go
done_testing
