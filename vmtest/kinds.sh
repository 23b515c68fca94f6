# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2086 # names and numbers have no spaces
# Links of every kind for kinds.t, between the gateway and its client or its router. To be sourced after tests/net/lib.sh.

# The gateway's device under test, and the far side's; their network.
DEV=kind0 FAR=far0
NET=50

# How a device of each kind comes into being over the link BASE: make_KIND NAMESPACE BASE NAME HOST; HOST is its number
# in the network. What lies below gets addresses of 192.168.77.0/24.

make_plain() {
	ip -n "$1" link set "$2" name "$3"
}
make_vlan() {
	ip -n "$1" link set "$2" up
	ip -n "$1" link add "$3" link "$2" type vlan id 5
}
make_bridge() {
	ip -n "$1" link set "$2" up
	ip -n "$1" link add "$3" type bridge && ip -n "$1" link set "$2" master "$3"
}
make_bridge-vlan() {
	ip -n "$1" link set "$2" up
	ip -n "$1" link add below0 type bridge vlan_filtering 1 && ip -n "$1" link set below0 up &&
		ip -n "$1" link set "$2" master below0 && bridge -n "$1" vlan add dev "$2" vid 5 &&
		bridge -n "$1" vlan add dev below0 vid 5 self && ip -n "$1" link add "$3" link below0 type vlan id 5
}
# The port of a bridge is named in place of the bridge, which has the addresses.
make_bridge-port() {
	make_bridge "$1" "$2" above0 && ip -n "$1" link set "$2" down && make_plain "$@"
	HAS_ADDRESS=above0
}
make_bond() {
	ip -n "$1" link set "$2" down
	ip -n "$1" link add "$3" type bond mode active-backup miimon 100 && ip -n "$1" link set "$2" master "$3"
}
make_bond-port() {
	make_bond "$1" "$2" above0 && ip -n "$1" link set "$2" down && make_plain "$@" && ip -n "$1" link set above0 up
	HAS_ADDRESS=above0
}
# A table for the VRF of its own, with a way out, and ways in from the main table.
make_vrf() {
	make_vrf_over "$1" "$2" "$3" && HAS_ADDRESS=$2
}
make_vrf-port() {
	make_vrf_over "$1" "$2" above0 && make_plain "$@"
	VRF=above0
}
# Sockets that are in no VRF take what comes in one.
make_vrf-accept() {
	on "$1" sysctl -qw net.ipv4.tcp_l3mdev_accept=1 && make_vrf-port "$@"
}
make_vrf_over() {
	ip -n "$1" link add "$3" type vrf table 77 && ip -n "$1" link set "$3" up && ip -n "$1" link set "$2" master "$3" || return
	VRF=$3
	# As the kernel wants it with a VRF: its rule first, the local table behind.
	ip -n "$1" rule add priority 32765 lookup local && ip -n "$1" -6 rule add priority 32765 lookup local
}
make_macvlan() {
	ip -n "$1" link set "$2" up
	ip -n "$1" link add "$3" link "$2" type macvlan mode bridge
}
# Over a link that has an address of the same network: Linux answers ARP for both addresses on both.
make_macvlan-both() {
	make_macvlan "$@" && addr "$1" "$2" $NET 9
}
make_ipvlan() {
	ip -n "$1" link set "$2" up
	ip -n "$1" link add "$3" link "$2" type ipvlan mode l2
}
below() { ip -n "$1" addr add "192.168.77.$3/24" dev "$2" && ip -n "$1" link set "$2" up; }
make_wireguard() {
	local peer=$((3 - $4))
	below "$1" "$2" "$4"
	wg genkey >"$TMP/wg.$4"
	[ -e "$TMP/wg.$peer" ] || wg genkey >"$TMP/wg.$peer"
	ip -n "$1" link add "$3" type wireguard
	KEYS+=("$1 $3 $4")
	[ "${#KEYS[@]}" -lt 2 ] || wireguard_keys
}
wireguard_keys() {
	local ns dev host
	for key in "${KEYS[@]}"; do
		read -r ns dev host <<<"$key"
		on "$ns" wg set "$dev" listen-port 51820 private-key "$TMP/wg.$host" \
			peer "$(wg pubkey <"$TMP/wg.$((3 - host))")" allowed-ips 0.0.0.0/0,::/0 endpoint "192.168.77.$((3 - host)):51820" || return
	done
}
make_gre() {
	below "$1" "$2" "$4"
	ip -n "$1" link add "$3" type gre local "192.168.77.$4" remote "192.168.77.$((3 - $4))"
}
# pppd at both ends of two pipes.
make_ppp() {
	local in=$TMP/ppp.$((3 - $4)) out=$TMP/ppp.$4
	[ -p "$in" ] || mkfifo "$in" "$out"
	spawn "pppd-$3" "$1" bash -c "exec pppd notty nodetach noauth local nodefaultroute noipdefault noaccomp nopcomp novj noccp \
		ifname $3 10.60.$NET.$4:10.60.$NET.$((3 - $4)) +ipv6 lcp-echo-interval 0 <>'$in' 1<>'$out'"
	NO_WAIT=1
}
# Both ends at once; the second is moved.
make_netkit() {
	local peer
	[ "$1" = "$GATEWAY" ] || return 0
	ip -n "$1" link add "$3" type netkit || return
	peer=$(ip -n "$1" -j link show dev "$3" | jq -r '.[0].link')
	ip -n "$1" link set "$peer" netns "$OTHER" name $FAR
}
# Those of which the far side knows nothing.
far_of() {
	case $1 in
	bridge-vlan) echo vlan ;;
	vlan | wireguard | gre | ppp | netkit) echo "$1" ;;
	*) echo plain ;;
	esac
}
# How its device is asked for, to see whether this kernel has it.
type_of() {
	case $1 in
	bridge-vlan) echo vlan ;;
	bridge*) echo bridge ;;
	bond*) echo bond ;;
	vrf*) echo vrf ;;
	macvlan*) echo macvlan ;;
	*) echo "$1" ;;
	esac
}
has_kind() {
	case $1 in
	ppp) modprobe -q ppp_async && [ -c /dev/ppp ] && command -v pppd ;;
	# These cannot be without a table, ends or a link below.
	vrf) ip -n "$CLIENT" link add try0 type vrf table 99 && ip -n "$CLIENT" link del try0 ;;
	gre) ip -n "$CLIENT" link add try0 type gre local 192.0.2.1 remote 192.0.2.2 && ip -n "$CLIENT" link del try0 ;;
	vlan) ip -n "$CLIENT" link add try0 link eth0 type vlan id 9 && ip -n "$CLIENT" link del try0 ;;
	macvlan | ipvlan) ip -n "$CLIENT" link add try0 link eth0 type "$1" && ip -n "$CLIENT" link del try0 ;;
	*) ip -n "$CLIENT" link add try0 type "$1" && ip -n "$CLIENT" link del try0 ;;
	esac
} >/dev/null 2>&1

# build KIND lan|path: between the gateway and its client or its router.
build() {
	local far gw_host other_host ns
	HAS_ADDRESS=$DEV VRF='' KEYS=() NO_WAIT=''
	rm -f "$TMP"/wg.* "$TMP"/ppp.[12]
	[ "$2" = lan ] && OTHER=$CLIENT gw_host=1 other_host=2 || OTHER=$ROUTER gw_host=2 other_host=1
	far=$(far_of "$1")
	[ "$1" = netkit ] || link_veth "$GATEWAY" base0 "$OTHER" base1
	"make_$1" "$GATEWAY" base0 $DEV $gw_host && "make_$far" "$OTHER" base1 $FAR $other_host || return
	[ -z "$NO_WAIT" ] || { wait_for 20 ip -n "$GATEWAY" addr show dev $DEV && wait_for 20 ip -n "$OTHER" addr show dev $FAR; } || return
	if [ -n "$NO_WAIT" ]; then # pppd sees to the IPv4 addresses
		wait_for 30 has_address "$GATEWAY" $DEV && wait_for 30 has_address "$OTHER" $FAR || return
		ip -n "$GATEWAY" addr add "fd60:$NET::$gw_host/64" dev $DEV nodad
		ip -n "$OTHER" addr add "fd60:$NET::$other_host/64" dev $FAR nodad
	else
		ip -n "$GATEWAY" link set base0 up 2>/dev/null
		ip -n "$GATEWAY" link set $DEV up
		addr "$GATEWAY" "$HAS_ADDRESS" $NET $gw_host
		addr "$OTHER" $FAR $NET $other_host
	fi
	[ -z "$VRF" ] || vrf_ways "$2"
	if [ "$2" = lan ]; then
		default_via "$CLIENT" $NET 1
		ip -n "$ROUTER" route replace 10.60.$NET.0/24 via 10.60.10.2
		ip -n "$ROUTER" -6 route replace fd60:$NET::/64 via fd60:10::2
	else
		ip -n "$GATEWAY" route add default via 10.60.$NET.1 dev "$HAS_ADDRESS" metric 50
		ip -n "$GATEWAY" -6 route add default via fd60:$NET::1 dev "$HAS_ADDRESS" metric 50
	fi
	if [ "$2" = lan ]; then
		wait_for 10 load conn "$SERVER4" 7001 && wait_for 10 load conn "$SERVER6" 7001
	elif [ -z "$VRF" ]; then
		wait_for 10 on "$GATEWAY" "$TOOLS/tcpload" conn 10.60.$NET.1 7001 &&
			wait_for 10 on "$GATEWAY" "$TOOLS/tcpload" conn fd60:$NET::1 7001
	fi
}
has_address() { ip -n "$1" -4 addr show dev "$2" | grep -q inet; }
# An operator's leaks between a VRF and the rest.
vrf_ways() {
	if [ "$1" = lan ]; then
		ip -n "$GATEWAY" route add default via 10.60.10.1 dev wan0 table 77
		ip -n "$GATEWAY" -6 route add default via fd60:10::1 dev wan0 table 77
		ip -n "$GATEWAY" route add 10.60.$NET.0/24 dev "$VRF"
		ip -n "$GATEWAY" -6 route add fd60:$NET::/64 dev "$VRF"
	fi
}

# unbuild: the devices go with what is below them.
unbuild() {
	local ns pid
	for ns in "$GATEWAY" "$OTHER"; do
		for pid in $(ip netns pids "$ns"); do
			[ "$(cat "/proc/$pid/comm")" != pppd ] || stop "$pid"
		done
		printf 'link del %s\n' $DEV $FAR base0 base1 above0 below0 | ip -n "$ns" -force -batch -
		printf 'rule del priority 32765\n' | ip -n "$ns" -force -batch -
		printf 'rule del priority 32765\n' | ip -n "$ns" -6 -force -batch -
		on "$ns" sysctl -qw net.ipv4.tcp_l3mdev_accept=0
	done
	ip -n "$ROUTER" route del 10.60.$NET.0/24
	ip -n "$ROUTER" -6 route del fd60:$NET::/64
	default_via "$CLIENT" 1 1
} 2>/dev/null
