#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Addresses, gateways and devices of paths come, go and change under transfers in both families, each over both links: no
# byte is lost, and the path is used again.
# LONG: a transfer for each change.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

SIZE=3600000
# A hub for each IP version: it is one, by two names.
PEER_ADDRESS=$HUB4
PEER_MORE="    ready: 0
  - { name: hub6, address: [ \"$HUB6\" ], key-file: pair6.key, ready: 0 }"
HUB_MORE='  - { name: gw6, key-file: pair6.key }'
POLICY='    - { name: four, to: [ 0.0.0.0/0 ], to-port: [ "80", "7000-7999" ], action: proxy, via: hub, join: at-once }
    - { name: six, to: [ "::/0" ], to-port: [ "80", "7000-7999" ], action: proxy, via: hub6, join: at-once }'
# Which links carry something is to depend on addresses alone.
GATEWAY_MORE='subflows: { demote: no }'
net_init
"$CTL" key new "$TMP/pair6.key" >/dev/null
if ! net_build || ! servers_start || ! pair_start; then
	echo "Bail out! the network or a daemon does not start"
	exit 1
fi
shape 0 8
shape 1 8

gwip() { ip -n "$GATEWAY" "$@"; }
pause() { read -rt "$1" <> <(:) || :; }
not() { ! "$@"; }
path() { ctl gw --json paths list | jq -r ".paths[] | select(.link == \"$1\") | .$2"; }
path_is() { [ "$(path "$1" "$2")" = "$3" ]; }
both_are() { path_is "$1" address4 "$2" && path_is "$1" address6 "$3"; }
joins() { on "$HUB" nstat -asz MPTcpExtMPJoinAckRx | awk '/MPJoin/ { print $2 }'; }
# Bytes that came from the hubs over a link so far, by family. Probes and handshakes are far less than MUCH.
MUCH=60000
on "$ROUTER" nft -f - <<-END
	table inet carried {
		counter c04 { }
		counter c06 { }
		counter c14 { }
		counter c16 { }
		chain out {
			type filter hook postrouting priority 300
			oifname "acc0" ip version 4 tcp sport 8803 counter name c04
			oifname "acc0" ip6 version 6 tcp sport 8803 counter name c06
			oifname "acc1" ip version 4 tcp sport 8803 counter name c14
			oifname "acc1" ip6 version 6 tcp sport 8803 counter name c16
		}
	}
END
received() { on "$ROUTER" nft -j list counter inet carried "c$1$2" | jq '.nftables[1].counter.bytes'; } # LINK-NUMBER 4|6
more_received() { [ "$(received "$1" "$2")" -gt "$3" ]; }
ways_up() { ctl gw --json peers list | jq -e '.ways | length == 4 and all(.state == "up")'; }

# Transfers in either family; then both links carry both.
begin() { # begin NAME
	local l f
	local -A start=()
	for l in 0 1; do
		for f in 4 6; do start[$l$f]=$(received $l $f); done
	done
	load -n "${2:-$SIZE}" -s 4 get "$SERVER4" 80 >"$TMP/get4" 2>&1 &
	GET4=$!
	load -n "${2:-$SIZE}" -s 6 get "$SERVER6" 80 >"$TMP/get6" 2>&1 &
	GET6=$!
	for l in 0 1; do
		for f in 4 6; do
			wait_for 10 more_received $l $f $((start[$l$f] + MUCH)) || ok 1 "$1: link $l carries IPv$f"
		done
	done
}
carries() { # carries NAME LINK: both families take it again
	local f now=([4]="$(received "$2" 4)" [6]="$(received "$2" 6)")
	for f in 4 6; do
		check "$1: IPv$f takes the path" wait_for 10 more_received "$2" $f $((now[f] + MUCH))
	done
}
end() { # end NAME
	wait $GET4
	ok $? "$1: IPv4: all bytes arrive" || diag "$(cat "$TMP/get4")"
	wait $GET6
	ok $? "$1: IPv6: all bytes arrive" || diag "$(cat "$TMP/get6")"
}
again() { # again NAME: new connections take both
	begin "$1, afterwards" 1500000
	end "$1, afterwards"
}
# As managers of networks set it: an address beside another one of its net outlives that.
sysctls "$GATEWAY" net.ipv4.conf.all.promote_secondaries=1
check "all ways are up" wait_for 20 ways_up

# --- another address: DHCP renewal, the old one first gone or the new one first there
default1() {
	gwip route replace default via 10.60.20.1 dev wan1 metric 200
	gwip -6 route replace default via fd60:20::1 dev wan1 metric 200
}
change() { # change LINK N OLD NEW FIRST
	local n=$2
	[ "$5" = new ] && gwip addr add "10.60.$n.$4/24" dev "$1" && gwip addr add "fd60:$n::$4/64" dev "$1" nodad
	gwip addr del "10.60.$n.$3/24" dev "$1"
	gwip addr del "fd60:$n::$3/64" dev "$1"
	[ "$5" = new ] || { pause 0.3; gwip addr add "10.60.$n.$4/24" dev "$1"; gwip addr add "fd60:$n::$4/64" dev "$1" nodad; }
	net_use 0
}
for case in "wan1 20 2 3 old" "wan1 20 3 4 new" "wan0 10 2 3 new"; do
	read -r link n old new first <<<"$case"
	begin "$link: $first first"
	change "$link" "$n" "$old" "$new" "$first"
	check "$link: $first first: the new addresses" wait_for 5 both_are "$link" "10.60.$n.$new" "fd60:$n::$new"
	carries "$link: $first first" $((n / 10 - 1))
	end "$link: $first first"
done

# --- the same address for longer: nothing happens
begin "renewal"
before=$(joins)
for i in 1 2 3 4; do
	gwip addr change 10.60.20.4/24 dev wan1 valid_lft $((600 + i)) preferred_lft $((300 + i))
	gwip addr change fd60:20::4/64 dev wan1 valid_lft $((600 + i)) preferred_lft $((300 + i))
	pause 0.1
done
end "renewal"
is "$(joins)" "$before" "renewal: a longer lifetime makes no joins"
check "renewal: the addresses stay" both_are wan1 10.60.20.4 fd60:20::4

# --- deprecated, then gone
begin "deprecated" $((SIZE * 2))
before=$(joins)
gwip addr add 10.60.20.5/24 dev wan1
gwip addr add fd60:20::5/64 dev wan1 nodad
pause 0.2
check "deprecated: another address changes nothing" both_are wan1 10.60.20.4 fd60:20::4
gwip addr change 10.60.20.4/24 dev wan1 preferred_lft 0
gwip addr change fd60:20::4/64 dev wan1 preferred_lft 0
check "deprecated: new subflows have the other address" wait_for 5 both_are wan1 10.60.20.5 fd60:20::5
carries "deprecated: what is there goes on" 1
is "$(joins)" "$before" "deprecated: nothing is joined for it"
gwip addr del 10.60.20.4/24 dev wan1
gwip addr del fd60:20::4/64 dev wan1
net_use 0
carries "deprecated: gone" 1
end "deprecated"
again "deprecated"

# --- no gateway: not used, and that is said; one by configuration, in another table
why() { path wan1 why; }
why_is() { [ "$(why)" = "$1" ]; }
gateway_is() { path_is wan1 gateway4 "$1" && path_is wan1 gateway6 "$2" && path_is wan1 gateway4_from "$3" && path_is wan1 gateway6_from "$3"; }
# A router takes no router advertisements, unless it is told to: that is the usual reason.
no_gateway_told() { why_is "IPv4: no gateway known; IPv6: no gateway known: router advertisements are not taken, since accept_ra is 1 and forwarding on"; }
no_gateway() {
	gwip route flush default dev wan1
	gwip -6 route flush default dev wan1
}
leaves_alone() { # leaves_alone NAME: IPv4 and IPv6 go over the first link, and nothing over the second
	local f
	for f in 4 6; do
		check "$1: IPv$f leaves the second path alone" not more_received 1 $f $((left[f] + MUCH))
	done
}
reload_with() { # reload_with SED
	sed -i "$1" "$TMP/gw.yaml"
	ctl gw reload >/dev/null || diag "$(tail -n 3 "$TMP/gw.log")"
}
ways_are_2() { ctl gw --json peers list | jq -e '.ways | length == 2'; }
check "gateway: that of the main table" gateway_is 10.60.20.1 fd60:20::1 "table main"
no_gateway
check "no gateway: that is said" wait_for 5 no_gateway_told
check "no gateway: no peer is asked over it" wait_for 5 ways_are_2
left=([4]="$(received 1 4)" [6]="$(received 1 6)")
load -n 400000 get "$SERVER4" 80 >/dev/null && load -n 400000 get "$SERVER6" 80 >/dev/null
ok $? "no gateway: connections go over the other path"
leaves_alone "no gateway"
check "no gateway: the log says so" wait_for 8 grep -q "wan1: no IPv4 gateway is known" "$TMP/gw.log"

reload_with 's/name: wan1, role: path, path: b/&, gateway: [ 10.60.20.1, "fd60:20::1" ]/'
check "configured: the gateway" gateway_is 10.60.20.1 fd60:20::1 configuration
check "configured: the ways are there" wait_for 10 ways_up
# In no net of an address, and an address alone.
gwip addr flush dev wan1 scope global
gwip addr add 10.60.20.7/32 dev wan1
gwip addr add fd60:20::7/128 dev wan1 nodad
check "configured, /32: the new addresses" wait_for 5 both_are wan1 10.60.20.7 fd60:20::7
check "configured, /32: the ways are there" wait_for 10 ways_up
again "configured, /32"
reload_with 's/, gateway: .*\]//'
check "configured no more: no gateway" wait_for 5 no_gateway_told

gwip addr flush dev wan1 scope global
addr "$GATEWAY" wan1 20 2
check "another table: the addresses are back" wait_for 5 both_are wan1 10.60.20.2 fd60:20::2
gwip route add default via 10.60.20.1 dev wan1 table 100
gwip -6 route add default via fd60:20::1 dev wan1 table 100
check "another table: found there" wait_for 5 gateway_is 10.60.20.1 fd60:20::1 "table 100"
check "another table: the ways are there" wait_for 10 ways_up
begin "another table"
gwip route replace default via 10.60.20.1 dev wan1 table 100 metric 5
gwip route del default via 10.60.20.1 dev wan1 table 100 metric 0
end "another table"
net_use 0
check "another table: the main one is before it" wait_for 5 gateway_is 10.60.20.1 fd60:20::1 "table main"

# --- somebody removes all that is ours
begin "strangers" $((SIZE * 2))
for i in 1 2 3; do
	for f in 4 6; do
		gwip -$f rule flush protocol 109
		for table in 7000 7002 7003; do gwip -$f route flush table $table; done
	done
	pause 0.3
done
carries "strangers" 1
end "strangers"
for f in 4 6; do
	check "strangers: IPv$f: the rules are there" wait_for 5 sh -c "ip -n $GATEWAY -$f rule | grep -q '^7001:.*lookup 7003 proto 109'"
	check "strangers: IPv$f: the routes, too" wait_for 5 sh -c "ip -n $GATEWAY -$f route show table 7003 | grep -q '^default.*proto 109'"
done

# --- who else is here
removers() { ctl gw --json paths list | jq -e --arg w "$1" '.others[] | select(.conflict and (.what | test($w)))'; }
does() { # does PROGRAM CONFLICT WHAT: it is listed
	ctl gw --json paths list |
		jq -e --arg p "$1" --argjson c "$2" --arg w "$3" '.others[] | select((.program // "") == $p and .conflict == $c and (.what | test($w)))'
}
check "strangers: that is said" grep -q "removes rules or routes of mpgate" "$TMP/gw.log"
ok "$(($(grep -c "removes rules or routes of mpgate" "$TMP/gw.log") > 2))" "strangers: and not each time"
check "strangers: and shown" wait_for 5 removers "has removed rules or routes of mpgate"
# A name and a network namespace are all that is looked at, so anything by that name will do.
cp "$(command -v sleep)" "$TMP/NetworkManager"
spawn nm "$GATEWAY" "$TMP/NetworkManager" 600
cp "$(command -v sleep)" "$TMP/mwan3track"
spawn mwan3 "$GATEWAY" "$TMP/mwan3track" 600
spawn elsewhere "$CLIENT" "$TMP/mwan3track" 600
cp "$(command -v sleep)" "$TMP/connmand"
spawn elsewhere "$CLIENT" "$TMP/connmand" 600
gwip addr add 10.60.20.99/24 dev wan1
on "$GATEWAY" ip mptcp endpoint add 10.60.20.99 id 9 subflow
spawn monitor "$GATEWAY" ip mptcp monitor
ctl gw reload >/dev/null
check "others: NetworkManager is no trouble" wait_for 5 does NetworkManager false "sets addresses"
check "others: the log says so, once" [ "$(grep -c "NetworkManager (process [0-9]*) sets addresses" "$TMP/gw.log")" = 1 ]
check "others: who runs elsewhere is nobody's business" not does connmand false .
check "others: an endpoint at a path's address" does NetworkManager true "has set the MPTCP endpoint 9, at 10.60.20.99 of wan1"
check "others: who listens" does ip false "listens"
on "$GATEWAY" ip mptcp endpoint del id 9
for f in 4 6; do
	via=10.60.10.1 from=10.60.20.0/24
	[ $f = 4 ] || via=fd60:10::1 from=fd60:20::/64
	gwip -$f route add default via $via dev wan0 table 1
	gwip -$f rule add from $from lookup 1 priority 1001
done
taken() { why_is "the rule 1001 of somebody else takes its packets to table 1, out of wan0"; }
ctl gw reload >/dev/null
check "others: a rule takes the path's packets" wait_for 5 taken
check "others: doctor says what to do" finds gw foreign-rule "path b (wan1) the rule 1001 of somebody else"
check "others: the log says so" wait_for 8 grep -q "wan1: the rule 1001 of somebody else takes its IPv6 packets to table 1, out of wan0" "$TMP/gw.log"
check "others: and who it may be" wait_for 5 does mwan3track true "has the rule 1001, which takes IPv4 packets of wan1 to table 1"
for f in 4 6; do gwip -$f rule del priority 1001; done
ctl gw reload >/dev/null
check "others: the rule is gone" wait_for 5 not taken
check "others: and no longer shown" wait_for 5 not does mwan3track true .
if [ -x /usr/libexec/mptcpd ]; then
	spawn mptcpd "$GATEWAY" /usr/libexec/mptcpd
	ctl gw reload >/dev/null
	check "others: mptcpd" wait_for 5 does mptcpd true "is an MPTCP path manager"
	stop "$SPAWNED"
else
	diag "mptcpd is not installed"
fi
check "others: the ways are there" wait_for 20 ways_up

# --- a device that vanishes and comes back as another one: point to point, no gateway
point_to_point() {
	ip -n "$GATEWAY" link del wan1 2>/dev/null
	link_em "$GATEWAY" wan1 "$ROUTER" acc1 "$1" -3 || return 1
	gwip link set wan1 up
	ip -n "$ROUTER" link set acc1 up
	gwip addr add "10.60.20.$2" peer 10.60.20.1 dev wan1
	gwip addr add "fd60:20::$2" peer fd60:20::1 dev wan1
	ip -n "$ROUTER" addr add 10.60.20.1 peer "10.60.20.$2" dev acc1
	ip -n "$ROUTER" addr add fd60:20::1 peer "fd60:20::$2" dev acc1
	gwip route add default dev wan1 metric 200
	gwip -6 route add default dev wan1 metric 200
}
index() { ip -n "$GATEWAY" -j link show dev wan1 | jq '.[0].ifindex'; }
check "device: another one" point_to_point rate=8 2
check "device: its ways are there" wait_for 10 ways_up
check "device: it needs no gateway" gateway_is link link "table main"
begin "device" $((SIZE * 2))
before=$(index)
stop "${EM_PID[wan1]}"
wait_for 5 path_is wan1 up false
check "device: gone" wait_for 5 why_is "absent: no such link"
check "device: back as another one" point_to_point rate=8 3
ok "$(($(index) == before))" "device: its number is another"
check "device: with another address" wait_for 5 both_are wan1 10.60.20.3 fd60:20::3
carries "device" 1
end "device"
gwip route flush default dev wan1
gwip -6 route flush default dev wan1
reload_with 's/name: wan1, role: path, path: b/&, gateway: [ link ]/'
check "device: without a route, by configuration" gateway_is link link configuration
check "device: its ways are there" wait_for 10 ways_up

# --- a VLAN device, whose carrier is that of the device below
vlan() {
	stop "${EM_PID[wan1]}"
	link_veth "$GATEWAY" under1 "$ROUTER" und1
	gwip link set under1 up
	ip -n "$ROUTER" link set und1 up
	gwip link add link under1 name wan1 type vlan id 100 2>/dev/null &&
		ip -n "$ROUTER" link add link und1 name acc1 type vlan id 100
}
reload_with 's/, gateway: .*\]//'
if vlan; then
	addr "$GATEWAY" wan1 20 2
	addr "$ROUTER" acc1 20 1
	shape 1 8
	net_use 0
	check "VLAN: its ways are there" wait_for 10 ways_up
	begin "VLAN"
	ip -n "$ROUTER" link set und1 down
	check "VLAN: the carrier is gone" wait_for 5 path_is wan1 up false
	ip -n "$ROUTER" link set und1 up
	ip -n "$ROUTER" addr replace fd60:20::1/64 dev acc1 nodad
	gwip -6 addr replace fd60:20::2/64 dev wan1 nodad
	net_use 0
	carries "VLAN" 1
	end "VLAN"
else
	diag "this kernel has no VLAN devices"
fi

# --- with the unit's rights: the namespace of who may do more is not to be read, but he has a socket here
daemon_stop gw
DAEMON_BY=(setpriv --bounding-set "-all$(sed -n 's/^CapabilityBoundingSet=//; T; s/ *CAP_/,+/gp' "$TOP/configs/mpgated@.service" | tr '[:upper:]' '[:lower:]')")
for name in ModemManager pppd; do cp "$(command -v ip)" "$TMP/$name"; done
spawn mm "$GATEWAY" "$TMP/ModemManager" monitor
spawn pppd "$CLIENT" "$TMP/pppd" monitor
check "rights: it starts with the unit's" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "rights: it has them alone" grep -q '^CapBnd:[[:space:]]*000000c0000034e0$' "/proc/${DAEMON[gw]}/status"
check "rights: others are named" wait_for 10 does ModemManager false "sets up modems"
check "rights: who runs elsewhere is not" not does pppd false .
done_testing
