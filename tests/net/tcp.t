#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the two ends of a connection see of each other as plain TCP, with connect: honest, with connect: early, and with
# mode: transparent. The cases are those of docs/tcp.md.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/onpath.sh
. "$(dirname "$0")/onpath.sh"

declare -A PORTS=([4]=7300 [6]=7400) # of the first case
SAID_S=15                            # a server may end later than its client
SILENCE_S=16 END_S=$((60 * ${MPG_SLOW:-1}))
MANY=1000 MANY_BYTES=1000
PAIRS=50
BULK_BYTES=2000000
LARGE=${LARGE:-$((1000000000 / ${MPG_SLOW:-1}))} # LIMIT=3600 LARGE=10000000000 takes some minutes
BACK_TABLE=77
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest }'
# Soon enough for a client that waits for a silent server (SILENCE_S), and longer than a kernel looks for a host that is not
# there, which are three tries of a second.
# shellcheck disable=SC2034 # read by pair_configs
HUB_MORE='timeouts: { connect: 8 }'

# Name | steps of the client | of the server (tcptalk.c), or where it is dialed instead | what both say, the client first.
# Where that is another than as plain TCP, with early connect, where the server sees the hub's address, or whenever there is
# a proxy, it follows behind another bar.
CASES='
refused            | dial read:1                                  | port 7999                             | refused                     | early: reset
unreachable        | dial read:1                                  | port 7991                             | unreachable                 | early: reset
no such host       | dial read:1                                  | host 99                               | unreachable                 | early: reset
silence            | dial read:1                                  | port 7990                             | silence                     | early: reset
client ends first  | dial send:300000 end all                     | all send:500000                       | 500000 eof, 300000 eof
server ends first  | dial all send:300000                         | send:500000 end all                   | 500000 eof, 300000 eof
nothing said       | dial end all                                 | all                                   | 0 eof, 0 eof
client resets      | dial read:100000 rst                         | flood                                 | , reset
client sends, rst  | dial read:1 send:3000000 rst                 | send:1 rest                           | , reset
server resets      | dial flood                                   | read:100000 rst                       | reset,
server sends, rst  | dial send:1 rest                             | read:1 send:3000000 rst               | reset,
linger 0, client   | dial send:1000 read:1 rst                    | read:1000 send:1 all                  | , 0 reset
linger 0, server   | dial send:1000 read:1 all                    | read:1000 send:1 pause:200 rst        | 0 reset,
simultaneous ends  | dial read:1000 appoint:500 end all           | send:1000 meet end all                | 0 eof, 0 eof
simultaneous close | dial read:1000 appoint:500 close             | send:1000 meet close                  | ,
urgent, inline     | dial urgent:1000 inline read:1000 end        | inline urgent:1000 all                | , 1000 eof
urgent, the mark   | dial urgent:1000 end all                     | read:999 pause:500 mark all           | 0 eof, urgent 0 eof         | all: 0 eof, none 1 eof
client stands still| dial pause:6000 all                          | send:8000000 end all                  | 8000000 eof, 0 eof
server stands still| dial send:8000000 end all                    | pause:6000 all                        | 0 eof, 8000000 eof
slow client        | dial all:16384/5                             | send:8000000 end all                  | 8000000 eof, 0 eof
slow server        | dial send:8000000 end all                    | all:16384/5                           | 0 eof, 8000000 eof
tiny writes        | dial send:20000/1 end all                    | send:20000/1 end all                  | 20000 eof, 20000 eof
huge writes        | dial send:32000000/32000000 end all          | all send:32000000/32000000            | 32000000 eof, 32000000 eof
port in TIME_WAIT  | port:4001 dial all close pause:300 dial all  | send:1000                             | 1000 eof 1000 eof, ,
port after a reset | port:4002 dial read:1000 rst dial all        | send:1000 pause:200                   | 1000 eof, ,
fast open          | syn:1000 send:1000 end all                   | read:1 send:1 all send:500            | taken 501 eof, 1999 eof     | all: declined 501 eof, 1999 eof
fast open, little  | syn:50 send:1000 end all                     | read:1 send:1 all send:500            | taken 501 eof, 1049 eof     | all: declined 501 eof, 1049 eof
active FTP         | dial await all                               | back:100000                           | 100000 eof 0 eof, sent      | hub: nobody 0 eof, refused
'
NAMES=() CLIENTS=() SERVERS=() SAID=() OTHERWISE=()
trim() { sed 's/^ *//; s/ *$//' <<<"$1"; }
cases_read() {
	local name client server said other
	while IFS='|' read -r name client server said other; do
		[ -n "$name" ] || continue
		NAMES+=("$(trim "$name")") CLIENTS+=("$(trim "$client")") SERVERS+=("$(trim "$server")")
		SAID+=("$(trim "$said")") OTHERWISE+=("$(trim "$other")")
	done <<<"$CASES"
}

# wanted MODE I: what is said then.
wanted() {
	case $1,${OTHERWISE[$2]} in
	early,early:* | early,hub:* | honest,hub:* | early,all:* | honest,all:* | transparent,all:*) echo "${OTHERWISE[$2]#*: }" ;;
	*) echo "${SAID[$2]}" ;;
	esac
}

# talk_start NAME: the servers of all cases, with a port for each family.
talk_start() {
	local i family_ args=()
	for i in "${!SERVERS[@]}"; do
		case ${SERVERS[$i]} in port* | host*) continue ;; esac
		for family_ in 4 6; do
			args+=("$((PORTS[$family_] + i))=${SERVERS[$i]}")
		done
	done
	spawn "$1" "$SERVER" "$TOOLS/tcptalk" listen "${args[@]}"
	wait_for 5 grep -q listening "$TMP/$1.log"
}
ended() { [ "$(grep -c "^$1 " "$2")" -ge "$3" ]; }

# one LOG I: runs a case and prints what both said.
one() {
	local host=$SERVER_IP port=$((PORTS[$f] + $2)) said connections
	case ${SERVERS[$2]} in
	host*) host=${SERVER_IP%2}${SERVERS[$2]#host } port=7001 ;;
	port*) port=${SERVERS[$2]#port } ;;
	esac
	said=$(timeout "$([ "$port" = 7990 ] && echo $SILENCE_S || echo $END_S)" nsenter --net="/run/netns/$CLIENT" -- \
		"$TOOLS/tcptalk" dial "$host" "$port" "${CLIENTS[$2]}" 2>&1) || said=${said:-silence}
	case ${SERVERS[$2]} in
	port* | host*) ;;
	*)
		connections=$(grep -oE '\<(dial|syn)\>' <<<"${CLIENTS[$2]}" | wc -l)
		wait_for $SAID_S ended "$port" "$1" "$connections"
		said+=$(sed -n "s/^$port /, /p" "$1" | tr -d '\n')
		;;
	esac
	trim "$said"
}

# talk MODE: all cases in both families at one time.
talk() {
	local i f pids=()
	talk_start "talk-$1"
	for f in 4 6; do
		family $f
		for i in "${!NAMES[@]}"; do
			one "$TMP/talk-$1.log" "$i" >"$TMP/$1.$f.$i" &
			pids+=($!)
		done
	done
	wait "${pids[@]}"
	stop "$SPAWNED"
	for f in 4 6; do
		for i in "${!NAMES[@]}"; do
			is "$(cat "$TMP/$1.$f.$i")" "$(wanted "$1" "$i")" "IPv$f, $1: ${NAMES[$i]}"
		done
	done
}

# time_wait NAMESPACE sport|dport: it has a connection in TIME_WAIT, of a port where both ended at a time.
time_wait() { on "$1" ss -Htn state time-wait "$2 = $(port_of 'simultaneous ends')" | grep -q .; }
port_of() {
	local i
	for i in "${!NAMES[@]}"; do [ "${NAMES[$i]}" != "$1" ] || echo $((PORTS[$f] + i)); done
}
# The first FIN of each side gets lost: so each has said its own before it hears the other's.
fins_cross() {
	local ns table dir
	for ns in "$CLIENT" "$SERVER"; do
		[ "$ns" = "$CLIENT" ] && dir=dport || dir=sport
		for table in ip ip6; do
			[ "$table" = ip ] && f=4 || f=6
			on "$ns" nft -f - <<-END
				table $table fins {
					set said { type inet_service . inet_service; size 1024; flags dynamic; }
					chain out {
						type filter hook output priority filter; policy accept;
						tcp $dir { $(port_of 'simultaneous ends'), $(port_of 'simultaneous close') } \
							tcp flags & fin == fin tcp sport . tcp dport != @said \
							add @said { tcp sport . tcp dport } drop
					}
				}
			END
		done
	done
}

# The client asks for ECN, and what it sends is marked, as in a queue that fills: it hears of that from who takes it.
count_of() { on "$1" nstat -asz "$2" | awk -v n="$2" '$1 == n { print $2 }'; }
marks_on() {
	sysctls "$CLIENT" net.ipv4.tcp_ecn=1
	on "$CLIENT" nft -f - <<-END
		table inet marks {
			chain out {
				type filter hook output priority filter; policy accept;
				tcp dport 7002 ip ecn 2 ip ecn set ce
				tcp dport 7002 ip6 ecn 2 ip6 ecn set ce
			}
		}
	END
}
marks_off() {
	on "$CLIENT" nft delete table inet marks
	sysctls "$CLIENT" net.ipv4.tcp_ecn=2
}
marks() { # MODE
	local echoed seen taken=IpExtInCEPkts
	[ $f = 4 ] || taken=Ip6InCEPkts
	echoed=$(count_of "$CLIENT" TcpExtTCPDeliveredCE) seen=$(count_of "$SERVER" $taken)
	check "IPv$f, $1: an upload with ECN" load -n $BULK_BYTES sink "$SERVER_IP" 7002
	check "IPv$f, $1: marks are told to the client" [ "$(count_of "$CLIENT" TcpExtTCPDeliveredCE)" -gt "$echoed" ]
	seen=$(($(count_of "$SERVER" $taken) - seen))
	if [ "$1" = plain ]; then
		check "IPv$f, $1: by the server" [ $seen -gt 0 ]
	else
		is $seen 0 "IPv$f, $1: by the gateway, not by the server"
	fi
}

# swapped: how many pairs of connections reach the server in another order than they were opened in.
swapped() { load -c 8 -n $PAIRS order "$SERVER_IP" 7006 | awk '{ sum += $2 } END { print sum + 0 }'; }

# rest NAME: what is not a case by itself.
rest() {
	local f
	for f in 4 6; do
		check "IPv$f, $1: simultaneous ends: the client is in TIME_WAIT" time_wait "$CLIENT" dport
		check "IPv$f, $1: simultaneous ends: and so is the server" time_wait "$SERVER" sport
	done
	marks_on
	for f in 4 6; do
		family $f
		marks "$1"
		check "IPv$f, $1: $MANY connections at once" load -c $MANY -n $MANY_BYTES echo "$SERVER_IP" 7001
		if [ "$1" = early ]; then
			diag "IPv$f, $1: $(swapped) of $((8 * PAIRS)) pairs are in another order at the server"
		else
			is "$(swapped)" 0 "IPv$f, $1: connections reach the server in their order"
		fi
	done
	marks_off
}
# by_hub NAME FAMILY: the same, and that way; a large transfer in that family.
by_hub() {
	local before
	check "$1: a reload" connect_as "$1"
	before=$(counter gw relay direct)
	talk "$1"
	is "$(counter gw relay direct)" "$before" "$1: none of these went directly"
	rest "$1"
	before=$(counter gw relay relayed)
	for f in 4 6; do
		family $f
		check "IPv$f, $1: the server sees the hub" greeted_by "$HUB_IP"
	done
	f=$2
	family "$f"
	check "IPv$f, $1: $LARGE bytes" load -n "$LARGE" -s "$f" get "$SERVER_IP" 80
	is $(($(counter gw relay relayed) - before)) 3 "$1: all that was by the hub"
}

# by_path: the same, with a hub that routing has put on the path.
by_path() {
	local before
	daemon_stop gw
	daemon_stop hub
	way_configs
	sed -i 's/connect: early/connect: honest/; s/via: hub/via: way/' "$TMP/gw.yaml"
	on_path_make
	on_path add
	check "transparent: the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "transparent: the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	before=$(counter hub relay taken)
	for f in 4 6; do
		family $f
		check "IPv$f, transparent: the server sees the client" greeted_by "$CLIENT_IP"
	done
	is "$(counter hub relay taken)" $((before + 2)) "transparent: by the hub"
	talk transparent
	is "$(counter hub relay taken)" "$(counter gw relay tagged)" "transparent: the hub took all of these"
	rest transparent
}

# The server dials the client's own address, and what it sends to clients goes by the hub.
preserve() {
	sed -i -e 's/source: share/source: preserve/' \
		-e 's|^  - { name: gw,.*|  - { name: gw, key-file: pair.key, allow-source: [ 10.60.1.0/24, "fd60:1::/64" ] }|' "$TMP/hub.yaml"
	ctl hub reload
	ip -n "$ROUTER" rule add iif srv0 to 10.60.1.0/24 lookup "$BACK_TABLE"
	ip -n "$ROUTER" route add default via "$HUB4" table "$BACK_TABLE"
	ip -n "$ROUTER" -6 rule add iif srv0 to fd60:1::/64 lookup "$BACK_TABLE"
	ip -n "$ROUTER" -6 route add default via "$HUB6" table "$BACK_TABLE"
	sysctls "$HUB" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}
active() { # MODE
	local i
	: >"$TMP/talk-preserve.log"
	talk_start talk-preserve
	for i in "${!NAMES[@]}"; do
		[ "${NAMES[$i]}" = 'active FTP' ] || continue
		for f in 4 6; do
			family $f
			check "IPv$f, $1: the server sees the client" greeted_by "$CLIENT_IP"
			is "$(one "$TMP/talk-preserve.log" "$i")" "${SAID[$i]}" "IPv$f, $1: active FTP"
		done
	done
	stop "$SPAWNED"
}

ulimit -Sn $((2 * MANY)) 2>/dev/null || skip_all "$((2 * MANY)) descriptors are not to be had"
cases_read
# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1
stage
check "FINs can cross on their way" fins_cross
spawn order "$SERVER" "$TOOLS/tcpserve" order:7006
on "$SERVER" nft -f - <<-'END'
	table inet wall {
		chain in {
			type filter hook input priority filter; policy accept;
			tcp dport 7990 drop
			tcp dport 7991 reject with icmpx type host-unreachable
		}
	}
END
sysctls "$ROUTER" net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
sysctls "$SERVER" net.ipv4.tcp_fastopen=3
talk plain
rest plain
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is found" wait_for 10 peer_is up
by_hub honest 4
by_hub early 6
check "source: preserve" preserve
for mode in honest early; do
	check "$mode: a reload" connect_as $mode
	active "preserve, $mode"
done
by_path
done_testing
