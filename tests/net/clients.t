#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that people use, through rules as they are by default: what each finds out about a server is what it finds without
# mpgate.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

IPERF_PORT=7201 TIMES=${TIMES:-10}
PORTS=7001,7990,7991,7999
LIMIT=400
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub }'
# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1
stage
on "$SERVER" nft -f - <<-'END'
	table inet wall {
		chain in {
			type filter hook input priority filter; policy accept;
			tcp dport 7990 drop
			tcp dport 7991 reject with icmpx type admin-prohibited
		}
	}
END
sysctls "$ROUTER" net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
spawn iperf "$SERVER" iperf3 -s -p $IPERF_PORT
wait_for 5 grep -q listening "$TMP/iperf.log"

# A name with addresses of both families, as the clients' resolver has it: hosts ADDRESS...
hosts() { printf '%s server.test\n' "$@" >"$TMP/hosts"; }
named() { on "$CLIENT" unshare -m sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$TMP/hosts" "$@"; }

# A /29 with a server that has open, closed and filtered ports, and nobody else.
scan() {
	on "$CLIENT" nmap -"$f" -sT -n -Pn -p $PORTS --max-retries 1 --host-timeout 60s -oG - "$@" |
		sed -n 's/.*Host: \([^ ]*\) .*Ports: \(.*\)/\1 \2/p'
}
all_scans() {
	f=4
	scan 10.60.40.0/29
	f=6
	scan fd60:40::/125
}
# What each client says when the first address of a name is refused, unreachable, or silent; and what it gets.
falls_back() { # FIRST SECOND
	hosts "$1" "$2"
	echo "curl $(named curl -sS --max-time 20 -o /dev/null -w '%{http_code} %{remote_ip}' http://server.test/1000 2>&1)"
	echo "wget $(named wget -q -T 5 -t 1 -O - http://server.test/1000 2>&1 | wc -c)"
	echo "psql $(named psql "host=$1,$2 port=7999,7001 connect_timeout=5" -c '' 2>&1 | grep -c 'refused')"
	echo "retry $(named curl --retry 2 --retry-delay 1 --retry-connrefused -o /dev/null http://server.test:7999/ 2>&1 | grep -c 'Will retry')"
}
ABSENT6=fd60:40::77
all_clients() {
	falls_back "$ABSENT6" "$SERVER4"
	falls_back "$SERVER6" "$SERVER4"
	falls_back "$SERVER4" "$SERVER6"
}

all_scans >"$TMP/scan.plain"
all_clients >"$TMP/clients.plain"
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is found" wait_for 10 peer_is up
held=$(counter gw relay approved)
all_scans >"$TMP/scan.honest"
check "nmap finds what it finds without" diff "$TMP/scan.plain" "$TMP/scan.honest"
check "that was many ports" [ "$(grep -c open "$TMP/scan.honest")" -eq 2 ]
all_clients >"$TMP/clients.honest"
check "clients fall back, and try again, as they do without" diff "$TMP/clients.plain" "$TMP/clients.honest"
check "by way of the hub" counted gw relay approved "$held"
for f in 4 6; do
	family $f
	ok=0
	for ((i = 0; i < TIMES; i++)); do
		on "$CLIENT" timeout 20 iperf3 -c "$SERVER_IP" -p $IPERF_PORT --bidir -n 1M >"$TMP/bidir" 2>&1 && ok=$((ok + 1))
	done
	is $ok "$TIMES" "IPv$f: iperf3 in both directions at a time"
done
diag "$(cat "$TMP/scan.plain" "$TMP/clients.plain")"
done_testing
