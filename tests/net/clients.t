#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that people use, through rules as they are by default: what each finds out about a server is what it finds without
# mpgate.
# shellcheck disable=SC2086 # names and numbers have no spaces
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
			meta nfproto ipv6 tcp dport 7301 reject with tcp reset
			meta nfproto ipv6 tcp dport 7302 drop
			meta nfproto ipv6 tcp dport 7303 reject with icmpx type admin-prohibited
			meta nfproto ipv4 tcp dport 7304 reject with tcp reset
			meta nfproto ipv4 tcp dport 7305 drop
		}
	}
END
sysctls "$ROUTER" net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
spawn iperf "$SERVER" iperf3 -s -p $IPERF_PORT
wait_for 5 grep -q listening "$TMP/iperf.log"
# A web server that is refused, silent or unreachable in one family.
FACES="7301 7302 7303 7304 7305"
cat >"$TMP/web.cfg" <<-'END'
	defaults
		mode http
		timeout client 30s
	frontend web
		bind :7301-7305
		bind :::7301-7305 v6only
		http-request return status 200 content-type text/html lf-string "<p>from %[src].</p>"
END
spawn web "$SERVER" haproxy -db -f "$TMP/web.cfg"
cat >"$TMP/eyeballs.py" <<-'END'
	import asyncio, sys, urllib.request

	async def race(port):
	    r, w = await asyncio.open_connection("server.test", port, happy_eyeballs_delay=0.25)
	    w.write(b"GET / HTTP/1.0\r\n\r\n")
	    print((await r.read()).decode())

	if sys.argv[1] == "urllib":
	    print(urllib.request.urlopen(f"http://server.test:{sys.argv[2]}/", timeout=4).read().decode())
	else:
	    asyncio.run(asyncio.wait_for(race(int(sys.argv[2])), 20))
END

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
# by_family: IPv4 or IPv6, by the page that came; else nothing.
by_family() { sed -n 's/.*from [0-9a-f]*:.*/IPv6/p; s/.*from [0-9]*\.[0-9].*/IPv4/p'; }
# Which family clients end up with at a name whose addresses are of both, and one of which does not work.
eyeballs() {
	local port
	hosts "$SERVER6" "$SERVER4"
	for port in $FACES; do
		echo "$port curl $(named curl -sS --max-time 20 http://server.test:$port/ 2>&1 | by_family)"
		echo "$port wget $(named wget -q -T 4 -t 1 -O - http://server.test:$port/ 2>&1 | by_family)"
		[ -z "$PYTHON" ] || echo "$port asyncio $(named $PYTHON "$TMP/eyeballs.py" asyncio $port 2>&1 | by_family)"
		[ -z "$PYTHON" ] || echo "$port urllib $(named $PYTHON "$TMP/eyeballs.py" urllib $port 2>&1 | by_family)"
		[ -z "$BROWSER" ] || echo "$port $BROWSER $(named timeout 40 $BROWSER --headless --no-sandbox --disable-gpu \
			--user-data-dir="$TMP/browser" --dump-dom http://server.test:$port/ 2>/dev/null | by_family)"
	done
}
# Those that every Debian has, and those that are used where they are.
PYTHON='' BROWSER=''
! type -P python3 >"$TMP/which" || PYTHON=python3
! type -P chromium >"$TMP/which" || BROWSER=chromium
ABSENT6=fd60:40::77
all_clients() {
	eyeballs
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
for name in curl wget ${PYTHON:+asyncio urllib} $BROWSER; do
	is "$(grep -c " $name IPv[46]$" "$TMP/clients.honest")" 5 "$name reaches the server by the family that works"
done
[ -n "$PYTHON" ] || skip "asyncio reaches the server by the family that works" "no python3 here"
[ -n "$BROWSER" ] || skip "chromium reaches the server by the family that works" "no chromium here"
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
