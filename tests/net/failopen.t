#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever dies, clients stay online: through another worker, or unbonded on the normal route.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

FLOWS=6
SLOW_BYTES=300000000 # much longer at the pace of tcpload slow than this test waits
scenario

workers() { ctl "$1" --json status | jq -r '.workers[].pid' | sort -n; }
all_workers() { [ "$(workers "$1" | grep -cvx 0)" -eq "$2" ] && ! workers "$1" | grep -qx "$3"; }
relaying() { [ "$(ctl "$1" --json flows list | jq '[.flows[] | select(.state == "relaying")] | length')" -eq "$2" ]; }

# A worker of one side is killed: its connections end, no other's.
worker_killed() {
	local side=$1 count victim index pids=() pid lost
	count=$(workers "$side" | wc -l)
	for ((i = 0; i < FLOWS; i++)); do
		(exec nsenter --net="/run/netns/$CLIENT" -- "$TOOLS/tcpload" -n $SLOW_BYTES slow "$SERVER_IP" 80) >/dev/null 2>&1 &
		pids+=($!)
	done
	check "$side: $FLOWS downloads run" wait_for 10 relaying "$side" $FLOWS
	read -r index victim < <(ctl "$side" --json status | jq -r '.workers[0] | "\(.index) \(.pid)"')
	lost=$(ctl "$side" --json flows list |
		jq "[.flows[] | select(.worker == $index and .state == \"relaying\")] | length")
	kill -9 "$victim"
	check "$side: a new worker runs" wait_for 10 all_workers "$side" "$count" "$victim"
	check "$side: new connections work" load -n 1000 get "$SERVER_IP" 80
	check "$side: and are steered" greeted_by "$HUB_IP"
	# What the kernel holds of a killed connection still arrives first.
	check "$side: the killed worker's $lost connections end, no others" wait_for 30 running $((FLOWS - lost)) "${pids[@]}"
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
}
# running N PID...: that many of them are.
running() {
	local n=0 pid
	for pid in "${@:2}"; do
		gone "$pid" || n=$((n + 1))
	done
	[ $n -eq "$1" ]
}

kill_all() {
	local pid
	for pid in $(ip netns pids "$1"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = mpgated ] && kill -9 "$pid"
	done
	wait "$2" 2>/dev/null
}

noticed() {
	load conn "$SERVER_IP" 7001
	peer_is down
}
steered_again() { greeted_by "$HUB_IP"; }

# Workers that hang get no new connections, until they go on.
workers_stopped() {
	local pids
	mapfile -t pids < <(workers gw)
	kill -STOP "${pids[@]}"
	check "workers that hang are passed by" wait_for 40 unbonded
	kill -CONT "${pids[@]}"
	check "and used again when they answer" wait_for 20 steered_again
}
unbonded() { timeout 2 nsenter --net="/run/netns/$CLIENT" "$TOOLS/tcpload" greet "$SERVER_IP" 7003 | grep -qx "hello $CLIENT_IP"; }

# A network manager that throws away rules it does not know.
rules_removed() {
	local family link
	for family in -4 -6; do
		for link in lan0 wan0 wan1; do
			ip -n "$GATEWAY" $family rule del priority 7000 iif $link
		done
	done
	check "IPv$f: rules removed by others come back" wait_for 5 steered_again
}

for f in 4 6; do
	family $f
	worker_killed gw
	worker_killed hub
	rules_removed

	kill_all "$GATEWAY" "${DAEMON[gw]}"
	check "IPv$f: gateway killed: downloads go on at once" load -n 1000000 get "$SERVER_IP" 80
	check "IPv$f: gateway killed: unbonded" greeted_by "$CLIENT_IP"
	check "IPv$f: gateway killed: many of them" load -c 20 -n 100000 echo "$SERVER_IP" 7001
	check "IPv$f: it starts again over what it left" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	check "IPv$f: and steers again" wait_for 10 steered_again

	kill_all "$HUB" "${DAEMON[hub]}"
	before=$(counter gw reasons peer-down)
	# The first connections may still find the peer up; each finds its server all the same, or the peer is down after it.
	check "IPv$f: hub killed: the peer is down" wait_for 30 noticed
	check "IPv$f: hub killed: downloads go on" load -n 1000000 get "$SERVER_IP" 80
	check "IPv$f: hub killed: unbonded" greeted_by "$CLIENT_IP"
	check "IPv$f: hub killed: counted" counted gw reasons peer-down "$before"
	check "IPv$f: the hub starts again" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "IPv$f: it is found again" wait_for 60 peer_is up
	check "IPv$f: and used" wait_for 5 steered_again
done

family 4
workers_stopped

daemon_stop gw
check "gateway stopped: downloads go on" load -n 1000000 get "$SERVER_IP" 80
is "$(on "$GATEWAY" ip rule show | grep -c 7000)" 0 "gateway stopped: no rule is left"
is "$(on "$GATEWAY" ip mptcp endpoint show | wc -l)" 0 "gateway stopped: no endpoint is left"
is "$(find /sys/fs/bpf/mpgate -path "*/${MPG_PREFIX}gw/*" -type f 2>/dev/null | wc -l)" 0 "gateway stopped: no pin is left"
is "$(tc -n "$GATEWAY" filter show dev lan0 ingress | grep -c bpf)" 0 "gateway stopped: no program is left"
done_testing
