# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The network of lib.sh made as unkind as the world. Source it after lib.sh; a scenario picks what it needs, or takes all:
# WITH_ROUTER=1 net_build && world.
#
#   host  ── lan1 ┐                 ┌ acc0: NAT                      ┌ srv0 ── server
#   client ─ lan0 ┴ gateway: NAT, ══╪ acc1: NAT, a 1,280-byte hop ═ router
#                   firewall        └                                └ hub0 ── hub: firewall ── net1 ── inner

HOST=${MPG_PREFIX}host INNER=${MPG_PREFIX}inner
ALL_NS+=("$HOST" "$INNER")
# shellcheck disable=SC2034 # the next are for the scenarios
HOST4=10.60.2.2 HOST6=fd60:2::2 INNER4=10.60.60.2 INNER6=fd60:60::2
NAT_SECONDS=20 # a connection that says nothing for so long is forgotten

rules() { on "$1" nft -f -; }

# world_nat: IPv4 of either access link leaves with one address of the carrier's; IPv6 keeps its addresses, but only what the
# inside began comes in. What was forgotten is dropped, as where there is no entry to translate it by.
world_nat() {
	sysctls "$ROUTER" net.netfilter.nf_conntrack_tcp_timeout_established=$NAT_SECONDS \
		net.netfilter.nf_conntrack_tcp_timeout_unacknowledged=$NAT_SECONDS net.netfilter.nf_conntrack_tcp_loose=0
	ip -n "$ROUTER" addr add 10.60.110.1/32 dev lo
	ip -n "$ROUTER" addr add 10.60.120.1/32 dev lo
	rules "$ROUTER" <<-'END'
		table inet carrier {
			chain forward {
				type filter hook forward priority filter; policy accept;
				ct state invalid drop
				oifname "acc*" ct state new drop
			}
			chain leave {
				type nat hook postrouting priority srcnat;
				iifname "acc0" meta nfproto ipv4 snat ip to 10.60.110.1
				iifname "acc1" meta nfproto ipv4 snat ip to 10.60.120.1
			}
		}
	END
}

# world_gateway: what a home router has: NAT for the LAN, and a firewall that drops what it was not told of. The line with
# the mark is the one that docs/operations.md asks for.
world_gateway() {
	rules "$GATEWAY" <<-'END'
		table inet home {
			chain input {
				type filter hook input priority filter; policy drop;
				ct state established,related accept
				ct state invalid drop
				iifname "lo" accept
				meta l4proto { icmp, ipv6-icmp } accept
				iifname "lan*" tcp dport { 22, 8080 } accept
				meta mark and 0xffff0000 == 0x6d700000 accept
			}
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established,related accept
				ct state invalid drop
				iifname "lan*" accept
			}
			chain leave {
				type nat hook postrouting priority srcnat;
				oifname "wan*" meta nfproto ipv4 masquerade
			}
		}
	END
}

# world_hub: lets Convert in, and what its own nets say.
world_hub() {
	rules "$HUB" <<-'END'
		table inet hub {
			chain input {
				type filter hook input priority filter; policy drop;
				ct state established,related accept
				ct state invalid drop
				iifname "lo" accept
				meta l4proto { icmp, ipv6-icmp } accept
				tcp dport 8803 accept
				iifname "net1" tcp dport 8080 accept
			}
		}
	END
}

# world_hop: between router and hub 1,280 bytes fit for what uses access link 1; who sends more is told so by ICMP.
world_hop() {
	ip -n "$ROUTER" rule add iif acc1 lookup 20
	ip -n "$ROUTER" -6 rule add iif acc1 lookup 20
	ip -n "$ROUTER" route add 10.60.30.0/24 dev hub0 mtu lock 1280 table 20
	ip -n "$ROUTER" -6 route add fd60:30::/64 dev hub0 mtu lock 1280 table 20
	ip -n "$ROUTER" route replace 10.60.20.0/24 dev acc1 src 10.60.20.1 mtu lock 1280
	ip -n "$ROUTER" -6 route replace fd60:20::/64 dev acc1 mtu lock 1280
}

# world_nets: another LAN, and a net behind the hub, as of containers.
world_nets() {
	ns_add "$HOST" "$INNER"
	link_veth "$HOST" eth0 "$GATEWAY" lan1
	addr "$HOST" eth0 2 2
	addr "$GATEWAY" lan1 2 1
	default_via "$HOST" 2 1
	link_veth "$INNER" eth0 "$HUB" net1
	addr "$INNER" eth0 60 2
	addr "$HUB" net1 60 1
	default_via "$INNER" 60 1
	# The home's NAT has its LANs' IPv4; their IPv6 must find its way.
	ip -n "$ROUTER" -6 route replace fd60:2::/64 via fd60:10::2
}

# world_strict: as distributions set a router; loosened where mpgate must.
world_strict() {
	on "$GATEWAY" sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$f; done'
}

world() {
	world_nets
	world_nat
	world_gateway
	world_hub
	world_hop
	world_strict
}
