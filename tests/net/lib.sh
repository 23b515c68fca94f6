# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Namespaces, links, daemons and captures for the demo, the scenarios and the benchmarks. Source it, then net_build.
#
#   client ── lan0 gateway wan0 ══╗
#                          wan1 ══╬═ server (routes as well) ── net0 hub
#
# The server's namespace routes between the access links and the hub, so that the hub is off the way that plain
# traffic takes. With WITH_ROUTER set routing moves to a namespace of its own, with a link to the server.

NET_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$NET_DIR/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
TOOLS=$BUILD/tests/net

# Namespaces: $MPG_PREFIX + role. Two runs with one prefix exclude each other.
MPG_PREFIX=${MPG_PREFIX:-mpg-}
CLIENT=${MPG_PREFIX}client GATEWAY=${MPG_PREFIX}gateway HUB=${MPG_PREFIX}hub
SERVER=${MPG_PREFIX}server ROUTER=$SERVER
ALL_NS=("$CLIENT" "$GATEWAY" "$HUB" "$SERVER" "${MPG_PREFIX}router" "${MPG_PREFIX}hub2")

SERVER4=10.60.40.2 SERVER6=fd60:40::2
# The next are for the scripts that source this.
# shellcheck disable=SC2034 # read there
CLIENT4=10.60.1.2 CLIENT6=fd60:1::2 HUB4=10.60.30.2 HUB6=fd60:30::2

TMP=
PIDS=()
RUN=/run/mpgate-test/$MPG_PREFIX

# on NAMESPACE COMMAND...: runs it there. nsenter, not `ip netns exec`: that one hides bpffs behind a new /sys.
on() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" -- "$@"
}

# wait_for SECONDS COMMAND...: until the command succeeds; 1 when the time is over. MPG_SLOW: times longer, for an
# emulated CPU.
wait_for() {
	local end=$((SECONDS + $1 * ${MPG_SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -ge $end ] && return 1
		read -rt 0.05 <> <(:) || :
	done
}

# stop PID...: asks, then kills. A daemon that does not end well fails the script (cleanup).
BAD_ENDS=
stop() {
	local pid status
	for pid; do
		kill "$pid" 2>/dev/null || continue
		if ! wait_for 20 gone "$pid"; then
			bad_end "$pid" "had to be killed"
			kill -9 "$pid" 2>/dev/null
		fi
		wait "$pid" 2>/dev/null
		status=$?
		case $status in 0 | 127 | 137) ;; *) bad_end "$pid" "ended with status $status" ;; esac
	done
}
# 127: no child of ours; 137: killed, which scripts do.
bad_end() { # PID WHAT
	local name
	for name in "${!DAEMON[@]}"; do
		[ "${DAEMON[$name]}" != "$1" ] || BAD_ENDS+="$name $2: $(tail -n 20 "$TMP/$name.log")"$'\n'
	done
}
# A zombie of ours counts as gone: it is reaped by wait.
gone() { ! grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status" 2>/dev/null; }

# Ends what an interrupted or killed run left in our namespaces, and removes them; so for its files and pins.
net_remove() {
	local ns pid side
	for ns in "${ALL_NS[@]}"; do
		[ -e "/run/netns/$ns" ] || continue
		# shellcheck disable=SC2046 # one word a process
		stop $(ip netns pids "$ns" 2>/dev/null)
		ip netns del "$ns" 2>/dev/null
	done
	for pid in "$RUN"/*.pid; do
		[ -e "$pid" ] || continue
		leftover "$pid"
	done
	[ ! -s "$RUN/tmp" ] || rm -rf "$(cat "$RUN/tmp")"
	for side in gw gw2 hub hub2; do
		rm -rf "/sys/fs/bpf/mpgate/$MPG_PREFIX$side" "/run/mpgate/$MPG_PREFIX$side".{sock,dhcp}
	done
}

# leftover FILE: a daemon or emulator of a killed run; its name is checked, since pids are used again.
leftover() {
	local pid name
	read -r pid name <"$1"
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$name" ] && kill -9 "$pid" 2>/dev/null
	rm -f "$1"
}

cleanup() {
	local status=$?
	trap '' INT TERM HUP # timeout passes on what the script has had already, which must not end this
	trap - EXIT
	stop "${PIDS[@]}" 2>/dev/null
	if [ -n "$BAD_ENDS" ]; then
		printf '# %s\n' "${BAD_ENDS//$'\n'/$'\n# '}"
		status=1
	fi
	net_remove
	rm -rf "$RUN"
	alone restore_host
	exit $status
}

# The namespaces get cubic, which the host must allow them. What it allowed before is kept in a file until the last run,
# of any prefix, has ended.
HOST_ALLOWED=${RUN%/*}/allowed
allow_cubic() {
	local now
	now=$(sysctl -n net.ipv4.tcp_allowed_congestion_control)
	case " $now " in *" cubic "*) return ;; esac
	echo "$now" >"$HOST_ALLOWED"
	sysctl -qw net.ipv4.tcp_allowed_congestion_control="$now cubic"
}
restore_host() {
	[ -z "$(find "${RUN%/*}" -mindepth 1 -type d)" ] || return
	[ ! -e "$HOST_ALLOWED" ] || sysctl -qw net.ipv4.tcp_allowed_congestion_control="$(cat "$HOST_ALLOWED")"
	rm -f "$HOST_ALLOWED"
	rmdir "${RUN%/*}" /run/mpgate
} 2>/dev/null
# alone COMMAND...: while no other run does so.
alone() { (flock 9 && "$@") 9</run; }

# First call of every script: needs root; makes $TMP; everything is undone at exit. A script that hangs is ended after
# LIMIT seconds.
net_init() {
	[ "$(id -u)" -eq 0 ] || { echo "needs root" >&2 && exit 1; }
	if [ -z "${MPG_LIMITED:-}" ]; then
		export MPG_LIMITED=1
		exec timeout --foreground -k 20 "${LIMIT:-240}" "$0"
	fi
	net_remove
	TMP=$(mktemp -d /tmp/mpgate-test.XXXXXX)
	export STATE_DIRECTORY=$TMP/state
	trap cleanup EXIT
	trap 'trap "" INT TERM HUP; exit 130' INT
	trap 'trap "" INT TERM HUP; exit 143' TERM HUP
	alone mkdir -p "$RUN"
	echo "$TMP" >"$RUN/tmp"
	alone allow_cubic
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
}

# spawn NAME NAMESPACE COMMAND...: in the background; log in $TMP/NAME.log; pid in $SPAWNED. Ended at exit.
spawn() {
	local name=$1 ns=$2
	shift 2
	# exec, so that the pid is that of the command itself.
	(exec nsenter --net="/run/netns/$ns" -- "$@") </dev/null >>"$TMP/$name.log" 2>&1 &
	spawned "$name" $!
}
spawned() {
	SPAWNED=$2
	PIDS+=("$2")
	wait_for 2 exec_done "$2"
	echo "$2 $(cat "/proc/$2/comm" 2>/dev/null)" >"$RUN/$1.pid"
}
exec_done() { case $(cat "/proc/$1/comm" 2>/dev/null) in bash | nsenter | setpriv) return 1 ;; esac; }

# --- topology

sysctls() {
	local ns=$1
	shift
	on "$ns" sysctl -qw "$@"
}

# Namespaces as the kernel makes them: whatever helps is for the daemon to set. Only congestion control is not left to the
# machine, whose own (bbr here and there) does not share links that are shaped.
ns_add() {
	local ns
	for ns; do
		ip netns add "$ns"
		sysctls "$ns" net.ipv4.tcp_congestion_control=cubic
		ip -n "$ns" link set lo up
	done
}

# addr NS IF N HOST: 10.60.N.HOST/24 and fd60:N::HOST/64, and up.
addr() {
	ip -n "$1" addr add "10.60.$3.$4/24" dev "$2"
	ip -n "$1" addr add "fd60:$3::$4/64" dev "$2" nodad
	ip -n "$1" link set "$2" up
}

# link_veth NS1 IF1 NS2 IF2 [OPTIONS of the first]
link_veth() { ip link add "$2" "${@:5}" netns "$1" type veth peer name "$4" netns "$3"; }

# link_em NS1 IF1 NS2 IF2 "OPTIONS" [-3]: through the emulator, control file $TMP/IF1.em (see em_set). -3: no Ethernet.
link_em() {
	local options
	read -ra options <<<"$5"
	echo "${options[*]}" >"$TMP/$2.em"
	# shellcheck disable=SC2086 # none or one word
	"$TOOLS/linkem" ${6:-} -f "$TMP/$2.em" "$1:$2" "$3:$4" </dev/null >>"$TMP/linkem-$2.log" 2>&1 &
	spawned "linkem-$2" $!
	EM_PID[$2]=$SPAWNED
	wait_for 5 ip -n "$3" link show dev "$4" || { cat "$TMP/linkem-$2.log" >&2; return 1; }
}
declare -A EM_PID

# em_set IF "OPTIONS": new parameters for an emulated link.
em_set() {
	echo "$2" >"$TMP/$1.em"
	kill -HUP "${EM_PID[$1]}"
}

default_via() {
	ip -n "$1" route replace default via "10.60.$2.$3"
	ip -n "$1" -6 route replace default via "fd60:$2::$3"
}

# The machine has less than half a GiB.
is_small() { [ "$(cut -f2 /proc/sys/net/ipv4/tcp_mem)" -lt 8192 ]; }

# Each access link is a veth pair, or emulated when EM0 or EM1 holds linkem options. EM_SRV: the router's link to the
# server (with WITH_ROUTER only).
net_build() {
	local i em
	if [ -n "${WITH_ROUTER:-}" ]; then ROUTER=${MPG_PREFIX}router; else ROUTER=$SERVER; fi
	ns_add "$CLIENT" "$GATEWAY" "$HUB" "$SERVER"
	[ "$ROUTER" = "$SERVER" ] || ns_add "$ROUTER"
	# What the kernel has for TCP all of them share here, and each its own elsewhere.
	if is_small; then
		for i in "$CLIENT" "$SERVER"; do
			sysctls "$i" net.ipv4.tcp_wmem="4096 16384 262144" net.ipv4.tcp_rmem="4096 131072 262144"
		done
	fi
	sysctls "$GATEWAY" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	sysctls "$ROUTER" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

	# shellcheck disable=SC2086 # none or two words
	link_veth "$GATEWAY" lan0 "$CLIENT" eth0 ${LAN_INDEX:+index $LAN_INDEX}
	addr "$CLIENT" eth0 1 2
	addr "$GATEWAY" lan0 1 1
	default_via "$CLIENT" 1 1
	for i in 0 1; do
		em=EM$i
		if [ -n "${!em:-}" ]; then
			link_em "$GATEWAY" wan$i "$ROUTER" acc$i "${!em}" || return 1
		else
			link_veth "$GATEWAY" wan$i "$ROUTER" acc$i
		fi
		addr "$GATEWAY" wan$i $((10 + 10 * i)) 2
		addr "$ROUTER" acc$i $((10 + 10 * i)) 1
	done
	link_veth "$HUB" net0 "$ROUTER" hub0
	addr "$HUB" net0 30 2
	addr "$ROUTER" hub0 30 1
	default_via "$HUB" 30 1
	if [ "$ROUTER" = "$SERVER" ]; then
		ip -n "$SERVER" addr add "$SERVER4/32" dev lo
		ip -n "$SERVER" addr add "$SERVER6/128" dev lo nodad
	else
		if [ -n "${EM_SRV:-}" ]; then
			link_em "$SERVER" eth0 "$ROUTER" srv0 "$EM_SRV" || return 1
		else
			link_veth "$SERVER" eth0 "$ROUTER" srv0
		fi
		addr "$SERVER" eth0 40 2
		addr "$ROUTER" srv0 40 1
		default_via "$SERVER" 40 1
	fi
	net_use 0
}

# net_use 0|1: plain traffic takes that access link, both ways. The gateway has a default route over either, as an
# access network would give it.
net_use() {
	local i n metric
	for i in 0 1; do
		ip -n "$GATEWAY" route del default dev wan$i 2>/dev/null
		ip -n "$GATEWAY" -6 route del default dev wan$i 2>/dev/null
	done
	for i in 0 1; do
		n=$((10 + 10 * i)) metric=$((i == $1 ? 100 : 200))
		ip -n "$GATEWAY" route add default via "10.60.$n.1" dev wan$i metric $metric
		ip -n "$GATEWAY" -6 route add default via "fd60:$n::1" dev wan$i metric $metric
	done
	PLAIN=$1
	net_back
}
net_back() {
	local n=$((10 + 10 * PLAIN))
	ip -n "$ROUTER" route replace 10.60.1.0/24 via "10.60.$n.2"
	ip -n "$ROUTER" -6 route replace fd60:1::/64 via "fd60:$n::2"
}

# shape 0|1 MBIT: rate of an access link, both ways.
shape() {
	local side
	for side in "$GATEWAY wan$1" "$ROUTER acc$1"; do
		# shellcheck disable=SC2086 # two words
		set_rate $side "$2"
	done
}
set_rate() { tc -n "$1" qdisc replace dev "$2" root tbf rate "$3mbit" burst 32k latency 50ms; }

# link_cut 0|1, link_mend 0|1: the far end goes down, so the gateway loses its carrier. Routes of the router come back with it.
link_cut() { ip -n "$ROUTER" link set "acc$1" down; }
link_mend() {
	ip -n "$ROUTER" link set "acc$1" up
	ip -n "$ROUTER" addr replace "fd60:$((10 + 10 * $1))::1/64" dev "acc$1" nodad
	wait_for 5 net_back
}

# silence 0|1 [MATCH]: the router drops what it gets from that access link and would send over it, all or what matches;
# both ends keep their carrier. silence_end 0|1.
silence() {
	on "$ROUTER" nft -f - <<-END
		table inet silence$1 {
			chain in { type filter hook prerouting priority -300; iifname "acc$1" ${2:-} drop; }
			chain out { type filter hook postrouting priority 300; oifname "acc$1" ${2:-} drop; }
		}
	END
}
silence_end() { on "$ROUTER" nft delete table inet "silence$1"; }

# --- servers and clients

# servers_start: one of each kind, plain TCP on 80 and 70xx, MPTCP on 71xx; nothing listens on 7999.
servers_start() {
	spawn servers "$SERVER" "$TOOLS/tcpserve" http:80 echo:7001 sink:7002 greet:7003 rst:7004 first:7005
	spawn servers-mptcp "$SERVER" "$TOOLS/tcpserve" -m http:7180 echo:7101
	wait_for 5 on "$SERVER" "$TOOLS/tcpload" greet "$SERVER4" 7003 &&
		wait_for 5 on "$SERVER" "$TOOLS/tcpload" conn "$SERVER4" 7101
}

# load ARGUMENTS...: tcpload on the client.
load() { on "$CLIENT" "$TOOLS/tcpload" "$@"; }

# hold N: that many connections to the echo server, a byte each way, open until let_go.
hold() {
	mkfifo "$TMP/hold.in"
	load -n "$1" hold "$SERVER_IP" 7001 <"$TMP/hold.in" >"$TMP/hold.out" 2>&1 &
	HELD=$!
	exec 9>"$TMP/hold.in"
	wait_for 20 grep -q held "$TMP/hold.out" || { cat "$TMP/hold.out" && return 1; }
}
let_go() {
	exec 9>&-
	wait "$HELD"
	rm -f "$TMP/hold.in"
}

# family 4|6: sets SERVER_IP, HUB_IP, CLIENT_IP, GATEWAY_IP and URL.
# shellcheck disable=SC2034 # read by the scripts that source this
family() {
	if [ "$1" = 4 ]; then
		SERVER_IP=$SERVER4 HUB_IP=$HUB4 CLIENT_IP=$CLIENT4 GATEWAY_IP=10.60.10.2 URL=http://$SERVER4
	else
		SERVER_IP=$SERVER6 HUB_IP=$HUB6 CLIENT_IP=$CLIENT6 GATEWAY_IP=fd60:10::2 URL=http://[$SERVER6]
	fi
}

# greeted_by ADDRESS [PORT]: the server sees connections of the client come from there.
greeted_by() { [ "$(load greet "$SERVER_IP" "${2:-7003}" 2>&1 | head -n 1)" = "hello $1" ]; }

# --- daemons

CTL=$BUILD/mpgatectl

# daemon_start NAME NAMESPACE CONFIG: waits for READY; pid in DAEMON[NAME], log in $TMP/NAME.log. DAEMON_BY: a command that
# starts it.
declare -A DAEMON
DAEMON_BY=()
daemon_start() {
	local name=$1 ns=$2 config=$3 sock=$TMP/$1.notify waiter
	"$TOOLS/notify" "$sock" $((20 * ${MPG_SLOW:-1})) &
	waiter=$!
	wait_for 5 test -S "$sock"
	NOTIFY_SOCKET=$sock spawn "$name" "$ns" "${DAEMON_BY[@]}" "$BUILD/mpgated" -c "$config"
	DAEMON[$name]=$SPAWNED
	if ! wait_for 20 either_gone $waiter "$SPAWNED" || ! gone $waiter; then
		kill $waiter 2>/dev/null
		wait $waiter 2>/dev/null
		diag "$name did not become ready: $(tail -n 20 "$TMP/$name.log")"
		return 1
	fi
	wait $waiter
}
either_gone() { gone "$1" || gone "$2"; }
daemon_stop() { stop "${DAEMON[$1]}"; }

DEFAULT_POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'

# A pair as the scenarios use it: instances gw and hub with a new key. POLICY, PEER_MORE, GATEWAY_TIMEOUTS, GATEWAY_MORE,
# HUB_ACCEPT, HUB_MORE change it. Without PEER_MORE no connections are opened ahead, so that what is on the wire can be
# counted. An emulated CPU lets the client's first bytes come later than the daemon would wait for them.
pair_configs() {
	local timeouts=${GATEWAY_TIMEOUTS:-}
	[ -z "${MPG_SLOW:-}" ] || timeouts+="${timeouts:+, }first-bytes-ms: $((10 * MPG_SLOW))"
	rm -f "$TMP/pair.key"
	"$CTL" key new "$TMP/pair.key" || return 1
	cat >"$TMP/gw.yaml" <<-END
		instance: ${MPG_PREFIX}gw
		links:
		  - { name: lan0, role: lan }
		  - { name: wan0, role: path, path: a }
		  - { name: wan1, role: path, path: b }
		peers:
		  - name: hub
		    address: [ ${PEER_ADDRESS:-"10.60.30.2, \"fd60:30::2\""} ]
		    port: 8803
		    mode: explicit
		    key-file: pair.key
		${PEER_MORE-    ready: 0}
		policy:
		  default: direct
		  rules:
		${POLICY:-$DEFAULT_POLICY}
		${timeouts:+timeouts: { $timeouts \}}
		${GATEWAY_MORE:-}
	END
	cat >"$TMP/hub.yaml" <<-END
		instance: ${MPG_PREFIX}hub
		links:
		  - { name: net0, role: path }
		convert:
		  listen: [ "0.0.0.0", "::" ]
		  port: 8803
		${HUB_ACCEPT:-  accept: keyed}
		  source: share
		  allow-to: [ "10.60.40.0/24", "fd60:40::/64" ]
		peers:
		  - { name: gw, key-file: pair.key }
		${HUB_MORE:-}
	END
}

# scenario: everything up: network, servers, hub and gateway, or the script ends as failed; stage: all but the daemons.
scenario() {
	net_init
	net_build && servers_start && pair_start && return
	echo "Bail out! the network or a daemon does not start"
	exit 1
}
stage() {
	net_init
	net_build && servers_start && pair_configs && return
	echo "Bail out! the network does not start"
	exit 1
}

pair_start() {
	pair_configs || return 1
	daemon_start hub "$HUB" "$TMP/hub.yaml" || return 1
	daemon_start gw "$GATEWAY" "$TMP/gw.yaml" || return 1
	wait_for 10 peer_is up
}

# ctl gw|hub ARGUMENTS...
ctl() {
	local instance=$1
	shift
	"$CTL" -i "$MPG_PREFIX$instance" "$@"
}

# connect_as honest|early: how the rules of the gateway connect from now on, by a reload.
connect_as() {
	sed -i "s/connect: [a-z]*/connect: $1/" "$TMP/gw.yaml"
	ctl gw reload
}

# peer_is up|down: what the gateway thinks of the hub.
peer_is() { [ "$(ctl gw --json peers list | jq -r '.peers[] | select(.name == "hub") | .state')" = "$1" ]; }

# ways_are STATE: all of the gateway's to the hub, in both families. While IPv6 neighbours look for each other a probe's SYN
# may be said again, a second after the peer is up.
ways_are() { ctl gw --json peers list | jq -e ".ways | length == 4 and all(.state == \"$1\")"; }

# counter gw|hub reasons|relay NAME: its value now.
counter() { ctl "$1" --json stats | jq --arg n "$3" ".$2[] | select(.name == \$n) | .value"; }

# counted gw|hub reasons|relay NAME MORE-THAN
counted() { [ "$(counter "$1" "$2" "$3")" -gt "$4" ]; }

# finds gw|hub NAME [TEXT]: doctor has a finding of that name, with TEXT in its subject, text or remedy, and exits 1 if it is
# more than a note.
finds() {
	local all status
	all=$(ctl "$1" --json doctor)
	status=$?
	jq -e --arg n "$2" --arg t "${3:-}" --argjson s $status '.findings[] | select(.name == $n and (.severity == "note" or $s == 1)) |
		[.subject, .text, .remedy] | join(" ") | select(contains($t))' <<<"$all"
}

# --- captures

# capture NAME NAMESPACE IF FILTER...: starts tcpdump into $TMP/NAME.pcap; capture_end NAME flushes it.
declare -A CAPTURE
capture() {
	local name=$1 ns=$2 dev=$3
	shift 3
	: >"$TMP/capture-$name.log"
	spawn "capture-$name" "$ns" tcpdump -Z root --immediate-mode -nUi "$dev" -w "$TMP/$name.pcap" "$@"
	CAPTURE[$name]=$SPAWNED
	wait_for 5 grep -q 'listening on' "$TMP/capture-$name.log"
}
capture_end() {
	wait_for 5 still "$TMP/$1.pcap"
	stop "${CAPTURE[$1]}"
}
# still FILE: it has not grown for a quarter of a second.
still() {
	local before
	before=$(stat -c %s "$1")
	read -rt 0.25 <> <(:) || :
	[ "$before" = "$(stat -c %s "$1")" ]
}
# packets NAME FILTER...: how many captured packets match.
packets() {
	local name=$1
	shift
	tcpdump -nr "$TMP/$name.pcap" "$@" 2>/dev/null | wc -l
}
# packet_lines NAME FILTER...: each packet as one line: what tcpdump says of it, then its bytes from the IP header on.
packet_lines() {
	local name=$1
	shift
	tcpdump -nvxr "$TMP/$name.pcap" "$@" 2>/dev/null | awk '
		/^\t0x/ { sub(/^[^:]*:/, ""); gsub(/ /, ""); hex = hex $0; next }
		/^[0-9]/ { if (hex != "") print text, hex; text = ""; hex = "" }
		{ text = text " " $0 }
		END { if (hex != "") print text, hex }'
}
