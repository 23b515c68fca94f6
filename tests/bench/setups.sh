# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What is compared. For each setup: NAME_start and NAME_stop; SETUP_PIDS holds the proxies' main processes.
# Source after tests/net/lib.sh.

PROXY_PORT=5000
JOIN_TABLE=120
SETUP_PIDS=()
BULK_AT= # address and port of bulk transfers, where it is not the server

plain_start() { SETUP_PIDS=(); }
plain_stop() { :; }

mpgate_start() {
	pair_start || return 1
	SETUP_PIDS=("${DAEMON[gw]}" "${DAEMON[hub]}")
}
mpgate_stop() {
	daemon_stop gw
	daemon_stop hub
}

# Transparent mode, with the hub on the path already.
transparent_start() {
	pair_configs && way_configs || return 1
	sed -i 's/via: hub, connect: early/via: way/' "$TMP/gw.yaml"
	daemon_start hub "$HUB" "$TMP/hub.yaml" && daemon_start gw "$GATEWAY" "$TMP/gw.yaml" || return 1
	SETUP_PIDS=("${DAEMON[gw]}" "${DAEMON[hub]}")
	wait_for 10 taken
}
taken() { load conn "$SERVER4" 7001 && counted hub relay taken 0; }

# The daemon and its tool of another tree.
before_start() { BUILD=$BEFORE CTL=$BEFORE/mpgatectl mpgate_start; }
before_stop() { mpgate_stop; }

# Two HAProxy under mptcpize: nft TPROXY in front of the first, PROXY v2 between them, the second connects to the
# original destination.
haproxy_configs() {
	local tune=$1 mptcp=$2
	cat >"$TMP/ha-gw.cfg" <<-END
		global
			maxconn 8000
			$tune
		defaults
			mode tcp
			timeout connect 10s
			timeout client 1h
			timeout server 1h
		listen steered
			bind :$PROXY_PORT transparent
			bind :::$PROXY_PORT v6only transparent
			server hub ${mptcp}10.60.30.2:$PROXY_PORT send-proxy-v2
	END
	cat >"$TMP/ha-hub.cfg" <<-END
		global
			maxconn 8000
			$tune
		defaults
			mode tcp
			timeout connect 10s
			timeout client 1h
			timeout server 1h
		listen peers
			bind ${mptcp}:$PROXY_PORT accept-proxy
			server original 0.0.0.0
	END
}

haproxy_net() {
	on "$GATEWAY" nft -f - <<-END
		table inet bench {
			chain steer {
				type filter hook prerouting priority mangle;
				meta l4proto tcp socket transparent 1 meta mark set 1 accept
				iifname lan0 meta nfproto ipv4 tcp dport { 80, 7000-7999 } tproxy ip to :$PROXY_PORT meta mark set 1 accept
				iifname lan0 meta nfproto ipv6 tcp dport { 80, 7000-7999 } tproxy ip6 to :$PROXY_PORT meta mark set 1 accept
			}
		}
	END
	ip -n "$GATEWAY" rule add fwmark 1 lookup 100
	ip -n "$GATEWAY" route add local default dev lo table 100
	ip -n "$GATEWAY" -6 rule add fwmark 1 lookup 100
	ip -n "$GATEWAY" -6 route add local default dev lo table 100
	joins_net
}
# The kernel's path manager joins over both links, and at once.
joins_net() {
	local i n
	on "$GATEWAY" ip mptcp limits set subflows 8 add_addr_accepted 8
	on "$HUB" ip mptcp limits set subflows 8 add_addr_accepted 8
	for i in 0 1; do
		n=$((10 + 10 * i))
		on "$GATEWAY" ip mptcp endpoint add 10.60.$n.2 dev wan$i subflow
		ip -n "$GATEWAY" rule add from 10.60.$n.2 lookup $((JOIN_TABLE + i))
		ip -n "$GATEWAY" route add default via 10.60.$n.1 dev wan$i table $((JOIN_TABLE + i))
	done
}

haproxy_net_undo() {
	on "$GATEWAY" nft delete table inet bench
	ip -n "$GATEWAY" rule del fwmark 1
	ip -n "$GATEWAY" -6 rule del fwmark 1
	ip -n "$GATEWAY" route flush table 100
	ip -n "$GATEWAY" -6 route flush table 100
	joins_undo
}
joins_undo() {
	local i
	on "$GATEWAY" ip mptcp endpoint flush
	for i in 0 1; do
		ip -n "$GATEWAY" rule del lookup $((JOIN_TABLE + i))
		ip -n "$GATEWAY" route flush table $((JOIN_TABLE + i))
	done
}

# haproxy_start [TUNE [MPTCP PROGRAM...]]: MPTCP: how its addresses are written.
haproxy_start() {
	local tune=${1:-} mptcp=${2:-} program=(mptcpize run haproxy)
	[ $# -lt 3 ] || program=("${@:3}")
	haproxy_configs "$tune" "$mptcp"
	haproxy_net
	spawn ha-hub "$HUB" "${program[@]}" -db -f "$TMP/ha-hub.cfg"
	SETUP_PIDS=("$SPAWNED")
	spawn ha-gw "$GATEWAY" "${program[@]}" -db -f "$TMP/ha-gw.cfg"
	SETUP_PIDS+=("$SPAWNED")
	wait_for 10 proxied
}
haproxy_stop() {
	stop "${SETUP_PIDS[@]}"
	haproxy_net_undo
}
haproxy256_start() { haproxy_start "tune.bufsize 262144"; }
haproxy256_stop() { haproxy_stop; }

# HAProxy of Debian's newest suite, which speaks MPTCP by itself, and only where it is told to: between the two. It runs with
# the libraries it is made for. NATIVE: where they are, set once.
native_start() {
	local lib
	[ -n "${NATIVE:=$("$(dirname "${BASH_SOURCE[0]}")/../../vmtest/fetch" --package sid haproxy)}" ] || return
	lib=$NATIVE/usr/lib/x86_64-linux-gnu
	haproxy_start "tune.bufsize 262144" mptcp@ "$lib/ld-linux-x86-64.so.2" --library-path "$lib" "$NATIVE/usr/sbin/haproxy"
}
native_stop() { haproxy_stop; }

# The least that carries bytes, see bare.c. Clients connect to the gateway itself: BULK_AT.
bare_start() {
	joins_net
	spawn bare-hub "$HUB" "$BUILD/tests/bench/bare" -l $PROXY_PORT "$SERVER4" 80
	SETUP_PIDS=("$SPAWNED")
	spawn bare-gw "$GATEWAY" "$BUILD/tests/bench/bare" -c $PROXY_PORT "$HUB4" $PROXY_PORT
	SETUP_PIDS+=("$SPAWNED")
	# shellcheck disable=SC2034 # read by run.sh
	BULK_AT="10.60.1.1 $PROXY_PORT"
	wait_for 10 load -n 1000 get 10.60.1.1 $PROXY_PORT
}
bare_stop() {
	stop "${SETUP_PIDS[@]}"
	joins_undo
	# shellcheck disable=SC2034
	BULK_AT=
}

# The server sees the hub's address.
proxied() { [ "$(load greet "$SERVER4" 7003 | head -n 1)" = "hello $HUB4" ]; }

# with_children PID...
with_children() {
	local pid
	for pid; do
		echo "$pid"
		pgrep -P "$pid"
	done
}

# --- the network, and who loads it
HOSTS=16
# hosts ARGUMENTS...: load of HOSTS hosts of the LAN. One host keeps to one worker of the gateway, whatever it opens.
hosts() { load -f "$CLIENT4" -h $HOSTS "$@"; }

net_make() {
	local i ns
	net_build && servers_start || exit 1
	for ((i = 1; i < HOSTS; i++)); do ip -n "$CLIENT" addr add "${CLIENT4%.*}.$((${CLIENT4##*.} + i))/24" dev eth0; done
	# A minute of short connections to one address leaves so many sockets in TIME_WAIT that every search for a free port
	# is slow; that would measure the order of the setups.
	[ -z "${KEEP_TIME_WAIT:-}" ] || return 0
	for ns in "$CLIENT" "$GATEWAY" "$HUB" "$SERVER"; do sysctls "$ns" net.ipv4.tcp_max_tw_buckets=2000; done
}

# --- figures
TICKS=$(getconf CLK_TCK)
field() { sed -n "s/.*$1=\\([0-9.]*\\).*/\\1/p"; }
calc() { awk "BEGIN { printf \"%.4f\", $* }"; }
# CPU seconds of the proxies so far (user and system), of one of them, and busy seconds of the whole machine, softirq included.
proxy_cpu() { cpu_of "${SETUP_PIDS[@]}"; }
cpu_of() {
	local pid
	for pid in $(with_children "$@"); do cat "/proc/$pid/stat"; done 2>/dev/null |
		sed 's/.*) //' | awk -v t="$TICKS" '{ s += $12 + $13 } END { printf "%.2f", s / t }'
}
machine_busy() { awk -v t="$TICKS" '$1 == "cpu" { printf "%.2f", ($2 + $3 + $4 + $7 + $8) / t }' /proc/stat; }
