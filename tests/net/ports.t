#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Local ports: a subflow holds none through its TIME_WAIT, so that many short connections over two paths all get through
# and all are joined, with few ports.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

PORTS=200
ROUNDS=4 # of three quarters of the ports
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='subflows: { join: at-once }' # connections are short here
scenario
works=$(ctl gw --json status | jq '.features[] | select(.name == "mptcp-bind-no-port") | .works')
[ "$works" = true ] || skip_all "this kernel has no IP_BIND_ADDRESS_NO_PORT for MPTCP"
on "$GATEWAY" sysctl -qw net.ipv4.ip_local_port_range="20000 $((20000 + PORTS - 1))"

joins() { on "$GATEWAY" nstat -asz MPTcpExtMPJoinSynAckRx | awk '/MPJoin/ { print $2 }'; }
# What has fallen back to plain TCP has no join: a SYN that meets what the hub remembers of the port's last connection is
# sent again without its data.
fallen() { on "$GATEWAY" nstat -asz MPTcpExtMPCapableDataFallback | awk '/Fallback/ { print $2 }'; }
joined() { [ $(($(joins) + $(fallen))) -ge "$1" ]; }
# Ports are used again a second after their connection's end.
rested() { [ "$(on "$GATEWAY" ss -Htn state time-wait "dport = 8803" | wc -l)" -eq 0 ] || read -rt 1.5 <> <(:) || :; }

# held NUMBER: so many connections at a time, until all are joined; JOINED says whether that was so.
held() {
	local ready=$TMP/held.out hold=$TMP/hold pid
	rm -f "$hold" && mkfifo "$hold"
	load -n "$1" hold "$SERVER_IP" 7001 <"$hold" >"$ready" 2>&1 &
	pid=$!
	exec 8>"$hold"
	wait_for 20 grep -q "held $1" "$ready" || diag "$(cat "$ready")"
	JOINED=no
	wait_for 10 joined $((before + $1)) && JOINED=yes
	exec 8>&-
	wait "$pid"
}

for f in 4 6; do
	family $f
	direct=$(counter gw relay direct) failed=$(counter gw relay peer-failed) resource=$(counter gw relay resource)
	for ((r = 0; r < ROUNDS; r++)); do
		before=$(($(joins) + $(fallen)))
		check "IPv$f, round $r: connections are held" held $((PORTS * 3 / 4))
		check "IPv$f, round $r: all are joined" test "$JOINED" = yes
		rested
	done
	is "$(counter gw relay direct)" "$direct" "IPv$f: none went direct"
	is "$(counter gw relay peer-failed)" "$failed" "IPv$f: none failed at the peer"
	is "$(counter gw relay resource)" "$resource" "IPv$f: nothing was lacking"
done
done_testing
