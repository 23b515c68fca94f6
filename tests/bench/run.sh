#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make bench: mpgate beside plain routed TCP and a pair of HAProxy, in one run, in namespaces. Rounds are interleaved:
# each figure of each setup is taken once a round. Raw values: $BUILD/bench.tsv; report.sh writes docs/benchmarks.md.
# ROUNDS, SECONDS_EACH, IDLE and MANY change how long it takes. FIGURES chooses among unshaped, segments, many, growth,
# memory, shaped, delays and transparent: the rest of the raw values then stays as it was. BEFORE: the build of another
# tree of mpgate, to be compared in the same run.
set -u
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../net/lib.sh"
# shellcheck source=tests/net/onpath.sh
. "$(dirname "$0")/../net/onpath.sh"
# shellcheck source=tests/bench/setups.sh
. "$(dirname "$0")/setups.sh"

PEER_MORE= # what a user has who sets nothing
ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-4}
IDLE=${IDLE:-6000}
MANY=${MANY:-60000}
MANY_SECONDS=15 # no longer, for who does not get so far
ALL_FIGURES="unshaped routes segments many growth memory shaped delays transparent"
FIGURES=${FIGURES:-$ALL_FIGURES}
SETUPS=(plain haproxy haproxy256 native mpgate ${BEFORE:+before})
OUT=$BUILD/bench.tsv
export LIMIT=3600

# record FIGURE VALUE. PREFIX: of all figures, for now.
PREFIX=
record() {
	printf '%s\t%s\t%s\t%s\n' "$ROUND" "$SETUP" "$PREFIX$1" "$2" >>"$OUT"
	echo "  round $ROUND  $SETUP  $PREFIX$1  $2"
}

# The gateway's part of the CPU seconds that both have spent since it had spent $1 and both $2.
gateway_part() { calc "($(cpu_of "${DAEMON[gw]}") - $1) / ($(proxy_cpu) - $2)"; }
# pss [PID...]: KiB of these processes.
pss() {
	local pid
	for pid; do cat "/proc/$pid/smaps_rollup"; done 2>/dev/null | awk '/^Pss:/ { s += $2 } END { print s + 0 }'
}

# bulk_of FLOWS: throughput, and what a GB cost.
bulk_of() {
	local cpu busy out gb took gateway
	cpu=$(proxy_cpu) busy=$(machine_busy)
	[ "$SETUP" != mpgate ] || gateway=$(cpu_of "${DAEMON[gw]}")
	# shellcheck disable=SC2086 # two words
	out=$(hosts -c "$1" -t "$SECONDS_EACH" bulk ${BULK_AT:-$SERVER4 80}) || return
	gb=$(calc "$(field count <<<"$out") / 1e9") took=$(field seconds <<<"$out")
	record "bulk $1 flows, Gbit/s" "$(calc "$gb * 8 / $took")"
	[ ${#SETUP_PIDS[@]} -eq 0 ] || record "CPU s per GB, $1 flows" "$(calc "($(proxy_cpu) - $cpu) / $gb")"
	record "machine s per GB, $1 flows" "$(calc "($(machine_busy) - $busy) / $gb")"
	[ "$SETUP" != mpgate ] || record "gateway's part of CPU, $1 flows" "$(gateway_part "$gateway" "$cpu")"
}

# rate_of SUFFIX [COMMAND]: of all hosts to the server, or by another command to $TO.
rate_of() {
	local out cpu busy count gateway
	cpu=$(proxy_cpu) busy=$(machine_busy)
	[ "$SETUP" != mpgate ] || gateway=$(cpu_of "${DAEMON[gw]}")
	out=$("${2:-hosts}" -c 16 -t "$SECONDS_EACH" rate "${TO:-$SERVER4}" 7001) || return
	count=$(field count <<<"$out")
	record "connections per second$1" "$(calc "$count / $(field seconds <<<"$out")")"
	record "machine s per 1,000 connections$1" "$(calc "($(machine_busy) - $busy) * 1000 / $count")"
	[ "$SETUP" != mpgate ] || record "gateway's part of CPU, connections$1" "$(gateway_part "$gateway" "$cpu")"
}

# MANY connections, a second's worth at a time: how many a second, and the last quarter of the time beside the first.
many_of() {
	local out count=0 slice=()
	while [ $count -lt "$MANY" ] && [ ${#slice[@]} -lt $MANY_SECONDS ]; do
		out=$(hosts -c 16 -t 1 rate "$SERVER4" 7001) || out="count=0 seconds=1" # it has no ports left
		slice+=("$(calc "$(field count <<<"$out") / $(field seconds <<<"$out")")")
		count=$((count + $(field count <<<"$out")))
	done
	record "connections per second, $MANY of them$1" "$(mean "${slice[@]}")"
	record "$MANY connections, last quarter / first$1" \
		"$(calc "$(mean "${slice[@]: -(${#slice[@]} + 3) / 4}") / $(mean "${slice[@]:0:(${#slice[@]} + 3) / 4}")")"
}
mean() { printf '%s\n' "$@" | awk '{ s += $1 } END { printf "%.4f", s / NR }'; }
# In a network that is new each time, with as many connections in TIME_WAIT as the kernel keeps by itself.
many() {
	for SETUP in haproxy256 mpgate ${BEFORE:+before}; do
		KEEP_TIME_WAIT=1 net_make
		"${SETUP}_start" && many_of ""
		"${SETUP}_stop"
		net_end
	done
	KEEP_TIME_WAIT=1 net_make
	honest many_of ", honest"
	net_end
}

# open_connections COMMAND...: beside $OPEN idle ones.
open_connections() {
	local pid
	mkfifo "$TMP/hold.in"
	hosts -n "$OPEN" hold $SERVER4 7001 <"$TMP/hold.in" >"$TMP/hold.out" 2>&1 &
	pid=$!
	exec 9>"$TMP/hold.in"
	if wait_for 60 grep -q held "$TMP/hold.out"; then "$@"; fi
	exec 9>&-
	wait $pid
	rm -f "$TMP/hold.in"
}

# What grows with the number of connections that are open, and of peers of a hub, is seen here; nothing should.
growth() {
	local i n
	SETUP=mpgate
	for n in 1 100 10000; do
		GATEWAY_MORE="$ROOM" HUB_MORE="$ROOM" mpgate_start && OPEN=$n open_connections grown_by "$n open connections"
		mpgate_stop
	done
	for ((i = 1; i < 4000; i++)); do
		[ -e "$TMP/$i.key" ] || "$CTL" key new "$TMP/$i.key" >/dev/null
	done
	for n in 1 100 4000; do
		# Not in the environment, which has no room for it.
		HUB_MORE=$(for ((i = 1; i < n; i++)); do echo "  - { name: p$i, key-file: $i.key }"; done)
		mpgate_start && grown_by "$n peers"
		mpgate_stop
	done
	HUB_MORE=
}
ROOM="limits: { connections: 20000 }"
grown_by() {
	PREFIX="$1: "
	read -rt 3 <> <(:) # what is open is no longer young, and has its keep-alives
	bulk_of 8
	rate_of ""
	PREFIX=
}

# Bytes of the kernel's structures that connections have.
kernel_memory() {
	awk '$1 ~ /^(TCP|TCPv6|MPTCP|MPTCPv6|sock_inode_cache|filp|dentry|eventpoll_.*|lsm_.*|skbuff_.*|kmalloc-.*)$/ {
		s += $2 * $4 } END { printf "%d", s }' /proc/slabinfo
}

# The gateway's processes alone when idle, then what each of IDLE connections adds to all processes, and to the kernel:
# of the latter a proxy has the half of what there is more than without proxies.
memory() {
	local before after kernel pids
	mapfile -t pids < <(on "$GATEWAY" true && for pid in $(ip netns pids "$GATEWAY"); do
		grep -qE '^(mpgated|haproxy|ld-linux.*)$' "/proc/$pid/comm" && echo "$pid"
	done)
	[ ${#SETUP_PIDS[@]} -eq 0 ] || record "idle gateway, PSS KiB" "$(pss "${pids[@]}")"
	# shellcheck disable=SC2046 # one word a process
	before=$(pss $(with_children "${SETUP_PIDS[@]}")) kernel=$(kernel_memory)
	OPEN=$IDLE open_connections memory_of
}
memory_of() {
	# shellcheck disable=SC2046 # one word a process
	after=$(pss $(with_children "${SETUP_PIDS[@]}"))
	kernel=$(calc "($(kernel_memory) - $kernel) / $IDLE")
	if [ ${#SETUP_PIDS[@]} -eq 0 ]; then
		KERNEL_PLAIN=$kernel
		return
	fi
	record "user memory per idle connection, bytes" "$(calc "($after - $before) * 1024 / $IDLE")"
	record "kernel and user memory per idle connection, a proxy, KiB" \
		"$(calc "(($kernel - $KERNEL_PLAIN) / 1024 + ($after - $before) / $IDLE) / 2")"
}

# Shaped links: goodput, and small requests beside a bulk transfer.
shaped() {
	local out bulk
	out=$(load -c 1 -t "$SECONDS_EACH" bulk $SERVER4 80) || return
	record "shaped goodput, Mbit/s" "$(calc "$(field count <<<"$out") * 8 / 1e6 / $(field seconds <<<"$out")")"
	load -c 1 -t "$((SECONDS_EACH + 2))" bulk $SERVER4 80 >/dev/null &
	bulk=$!
	read -rt 1 <> <(:) # past its slow start
	out=$(load -n 200 -t "$SECONDS_EACH" rr $SERVER4 7001)
	record "small request beside bulk, p99 ms" "$(field p99_ms <<<"$out")"
	wait $bulk
}

# delay_of connect|first [COMMAND]: the median of 15 requests.
delay_of() {
	local i
	for ((i = 0; i < 15; i++)); do
		"${2:-load}" -n 1000 get "${TO:-$SERVER4}" 80 | field "$1_ms"
	done | sort -n | sed -n 8p
}
delay_figures() {
	record "time to connect${1:-}, ms" "$(delay_of connect)"
	record "time to first byte${1:-}, ms" "$(delay_of first)"
}
HONEST="${DEFAULT_POLICY/early/honest}"
# honest COMMAND...: once more with mpgate as it is by default.
honest() {
	SETUP=mpgate
	POLICY=$HONEST mpgate_start && "$@"
	mpgate_stop
}

# The other way: from the server's place to a service behind the gateway, directly, and as the hub publishes it.
outside() { on "$SERVER" "$TOOLS/tcpload" "$@"; }
PUBLISHED="publish:
  - { name: inside, address: [ $HUB4 ], port: [ \"80\", \"7001\" ], to: $CLIENT4, via: gw }"
PARKED="    park: 2
    accept-to: [ $CLIENT4 ]
    allow-source: [ \"0.0.0.0/0\" ]"
published() {
	local inside
	spawn inside "$CLIENT" "$TOOLS/tcpserve" http:80 echo:7001
	inside=$SPAWNED
	wait_for 5 outside conn "$CLIENT4" 7001
	SETUP=plain
	TO=$CLIENT4 "$@"
	SETUP=mpgate
	HUB_MORE=$PUBLISHED PEER_MORE=$PARKED mpgate_start && wait_for 10 outside conn "$HUB4" 7001 && TO=$HUB4 "$@"
	mpgate_stop
	stop "$inside"
}
published_rate() { rate_of ", published" outside; }
published_delay() { record "time to connect, published, ms" "$(delay_of connect outside)"; }

# transparent COMMAND...: plain TCP by way of a hub that routing has put on the path, and mpgate in transparent mode there.
transparent() {
	PREFIX="transparent: "
	on_path add
	SETUP=plain
	plain_start
	"$@"
	SETUP=mpgate
	transparent_start && "$@"
	mpgate_stop
	on_path del
	PREFIX=
}

each() {
	for SETUP in "${SETUPS[@]}"; do
		if "${SETUP}_start"; then
			"$@"
		else
			echo "bench: $SETUP does not start" >&2
		fi
		"${SETUP}_stop"
	done
}

unshaped_figures() {
	bulk_of 1
	bulk_of 8
	rate_of ""
	[ -n "$PREFIX" ] || rate_of ", one host" load
}
# Look-ups in the kernel's routing tables for what comes from the LAN, for each packet: here acknowledgements. The link has
# an index that none of another namespace has.
LAN_INDEX=4242
routes_figures() {
	local family server packets looked
	for family in 4 6; do
		server=SERVER$family packets=$(lan_packets)
		looked=$(perf stat -a -x ' ' -e fib:fib_table_lookup --filter "iif == $LAN_INDEX" \
			-e fib6:fib6_table_lookup --filter "iif == $LAN_INDEX" \
			ip netns exec "$CLIENT" "$TOOLS/tcpload" -c 8 -t 2 bulk "${!server}" 80 2>&1 >/dev/null |
			awk '/fib/ { n += $1 } END { print n }')
		record "route look-ups a packet of the LAN, IPv$family" "$(calc "$looked / ($(lan_packets) - $packets)")"
	done
}
lan_packets() { ip -n "$GATEWAY" -s -j link show dev lan0 | jq '.[0].stats64.rx.packets'; }
bare_figures() {
	SETUP=bare
	if bare_start; then
		bulk_of 1
		bulk_of 8
	fi
	bare_stop
}
# Packets of MTU size on the access links, as a NIC has them.
segments() {
	segments_of 1
	PREFIX="MTU-size packets: "
	each segment_figures
	PREFIX=
	segments_of 65535
}
segment_figures() {
	bulk_of 1
	bulk_of 8
}
# segments_of N: so many at most leave as one packet.
segments_of() {
	local i
	for i in 0 1; do
		ip -n "$GATEWAY" link set wan$i gso_max_segs "$1"
		ip -n "$ROUTER" link set acc$i gso_max_segs "$1"
	done
}
wanted() { [[ " $FIGURES " == *" $1 "* ]]; }
shaped_figures() {
	shaped
	[ "$SETUP" = plain ] || return
	# The other link alone.
	net_use 1
	record "shaped goodput of the other link, Mbit/s" "$(load -t "$SECONDS_EACH" bulk $SERVER4 80 |
		awk -F'[= ]' '{ printf "%.4f", $2 * 8 / 1e6 / $4 }')"
	net_use 0
}

shape_both() { shape 0 20 && shape 1 40; }
shape_end() {
	tc -n "$GATEWAY" qdisc del dev wan0 root
	tc -n "$GATEWAY" qdisc del dev wan1 root
	tc -n "$ROUTER" qdisc del dev acc0 root
	tc -n "$ROUTER" qdisc del dev acc1 root
}

# net_end: another net may be built then.
net_end() {
	stop "${PIDS[@]}"
	PIDS=()
	net_remove
	mkdir -p "$RUN" "$TMP"
}

net_init
if [ "$FIGURES" = "$ALL_FIGURES" ]; then
	: >"$OUT"
else
	for figures in "unshaped|bulk|machine s|CPU s|gateway's|connections per second(\t|, one|, hon|, pub)" 'memory|.*(PSS KiB|idle connection)' \
		'shaped|(shaped|small request)' 'delays|time to' "many|.*$MANY " 'segments|MTU-size' 'routes|route look' \
		'growth|[0-9]+ (open connections|peers):' 'transparent|transparent:'; do
		wanted "${figures%%|*}" && sed -Ei "/^[^\t]*\t[^\t]*\t(${figures#*|})/d" "$OUT"
	done
fi
echo "bench: $ROUNDS rounds on $(uname -r), $(nproc) CPUs"
net_make
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	if wanted unshaped; then
		each unshaped_figures
		bare_figures
		honest rate_of ", honest"
		published published_rate
	fi
	if wanted routes && command -v perf >/dev/null; then each routes_figures; fi
	wanted segments && segments
	wanted growth && growth
	# In processes that have carried nothing yet.
	wanted memory && each memory
	wanted shaped || continue
	shape_both
	each shaped_figures
	shape_end
done
net_end

if wanted many; then
	for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do many; done
fi

# What is transparent needs a router beside the hub.
if wanted transparent; then
	WITH_ROUTER=1 net_make
	on_path_make
	for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
		transparent unshaped_figures
		shape_both
		transparent shaped_figures
		shape_end
	done
	net_end
fi

# Delays: 40 ms of round trip on the access links, 10 ms to the server.
if wanted delays || wanted transparent; then
	WITH_ROUTER=1 EM0=delay=20 EM1=delay=20 EM_SRV=delay=5 net_make
	on_path_make
	for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
		wanted transparent && transparent delay_figures
		wanted delays || continue
		each delay_figures
		SETUP=mpgate
		PEER_MORE='    ready: 0' mpgate_start && delay_figures " with ready: 0"
		mpgate_stop
		honest delay_figures ", honest"
		published published_delay
	done
	net_end
fi

if [ -x "$BUILD/tests/bench/bench_bpf" ]; then
	"$BUILD/tests/bench/bench_bpf" >"$BUILD/bench_bpf.txt" || echo "bench: bench_bpf failed" >&2
fi
(unset MPG_LIMITED && "$(dirname "$0")/profile.sh")
(unset MPG_LIMITED && "$(dirname "$0")/costs.sh")
"$(dirname "$0")/report.sh" "$OUT"
