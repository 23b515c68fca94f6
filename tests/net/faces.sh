# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What a client may meet in a server's place, and what it sees of that. Source after lib.sh; needs WITH_ROUTER.

# Targets, as LAST-PART-OF-ADDRESS:PORT of $SERVER_IP's net: open, closed, and what the firewall below says; an address
# that nobody has, and those of no way.
TARGETS=(2:7001 2:7999 2:7990 2:7991 2:7992 2:7993 2:7994 2:7995 99:7001 66:7001 67:7001)
FACES_BY=() # options of tcpload
FACES_QUIET_S=5 # a client that has heard nothing for so long

faces_make() {
	local ns
	on "$SERVER" nft -f - <<-'END'
		table inet wall {
			chain in {
				type filter hook input priority filter; policy accept;
				tcp dport 7990 drop
				tcp dport 7991 reject with tcp reset
				tcp dport 7992 reject with icmpx type port-unreachable
				tcp dport 7993 reject with icmpx type host-unreachable
				tcp dport 7994 reject with icmpx type admin-prohibited
				tcp dport 7995 reject with icmpx type no-route
			}
		}
	END
	# An ICMP error for each, though their client is one and the same.
	for ns in "$ROUTER" "$SERVER"; do sysctls "$ns" net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0; done
	ip -n "$ROUTER" route add unreachable 10.60.40.66
	ip -n "$ROUTER" -6 route add unreachable fd60:40::66
	ip -n "$ROUTER" route add prohibit 10.60.40.67
	ip -n "$ROUTER" -6 route add prohibit fd60:40::67
}

# seen_by NAMESPACE: what who connects from there sees of each target, a line each.
seen_by() {
	local t got pids=() i=0
	for t in "${TARGETS[@]}"; do
		(
			got=$(timeout $FACES_QUIET_S nsenter --net="/run/netns/$1" -- "$TOOLS/tcpload" "${FACES_BY[@]}" conn \
				"${SERVER_IP%2}${t%:*}" "${t#*:}")
			echo "$t ${got:-silence}"
		) >"$TMP/seen.$i" &
		pids+=($!)
		i=$((i + 1))
	done
	wait "${pids[@]}"
	cat "$TMP"/seen.?* && rm "$TMP"/seen.?*
}
