#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever dies, clients stay online: through another worker, or unbonded on the normal route.
# LONG: it waits for peers to be taken for dead, and to be back.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

FLOWS=6
TIMERS_S=6 # longer than the supervisor's timers
GATEWAY_TIMEOUTS="idle: $((4 + ${MPG_SLOW:-1}))"
# Of a download that must last until it was seen: an emulated CPU takes its time for that.
[ -n "${MPG_SLOW:-}" ] && PACE=1M || PACE=3M
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
	[ "$n" -eq "$1" ]
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

# Workers that hang get no new connections; those that hang on are replaced, and what they had is reset.
killed() { ctl "$1" --json status | jq '[.workers[].killed] | add'; }
killed_more() { [ "$(killed "$1")" -gt "$2" ]; }
workers_stopped() {
	local pids
	mapfile -t pids < <(workers gw)
	kill -STOP "${pids[@]}"
	check "workers that hang: doctor says so" wait_for 10 finds gw worker "does not answer"
	check "workers that hang are passed by" wait_for 40 unbonded
	check "and replaced" wait_for 40 all_workers gw "${#pids[@]}" "${pids[0]}"
	check "which is counted" killed_more gw 0
	check "and noted by doctor" finds gw worker-restarts "since it hung"
	check "and steers again" wait_for 20 steered_again
}
# The kernel goes on to give a hub's hung worker its share of new connections.
hub_worker_stopped() {
	local count victim index before curl status tries
	before=$(killed hub)
	count=$(workers hub | wc -l)
	on "$CLIENT" curl -sS -m 60 -o /dev/null --limit-rate 1M "$URL/$SLOW_BYTES" 2>/dev/null &
	curl=$!
	check "IPv$f: a download runs over the hub" wait_for 10 relaying hub 1
	index=$(ctl hub --json flows list | jq '.flows[0].worker')
	victim=$(ctl hub --json status | jq -r ".workers[] | select(.index == $index) | .pid")
	kill -STOP "$victim"
	check "IPv$f: a hub's worker that hangs is replaced" wait_for 30 all_workers hub "$count" "$victim"
	check "IPv$f: which is counted" killed_more hub "$before"
	wait $curl
	status=$?
	is "$status" 56 "IPv$f: the hung worker's download is reset"
	check "IPv$f: the hub is found again" wait_for 60 peer_is up
	tries=0
	while [ $tries -lt 20 ] && timeout 5 nsenter --net="/run/netns/$CLIENT" \
		"$TOOLS/tcpload" greet "$SERVER_IP" 7003 | grep -qx "hello $HUB_IP"; do
		tries=$((tries + 1))
	done
	is $tries 20 "IPv$f: all new connections work, over the hub"
}
unbonded() { timeout 2 nsenter --net="/run/netns/$CLIENT" "$TOOLS/tcpload" greet "$SERVER_IP" 7003 | grep -qx "hello $CLIENT_IP"; }

# What steer wrote down of a connection is gone before a worker takes it, as when that one hung for a minute.
FLOW_TABLE=/sys/fs/bpf/mpgate/${MPG_PREFIX}gw/v1/flows
flow_key() { bpftool -j map getnext pinned "$FLOW_TABLE" 2>/dev/null | jq -er '.next_key | join(" ")'; }
entry_lost() {
	local pids pid key unknown
	unknown=$(counter gw relay no-pending)
	mapfile -t pids < <(workers gw)
	kill -STOP "${pids[@]}"
	load greet "$SERVER_IP" 7003 >"$TMP/lost" &
	pid=$!
	check "IPv$f: a connection waits for a worker" wait_for 5 flow_key
	while key=$(flow_key); do
		# shellcheck disable=SC2086 # one word a byte
		bpftool map delete pinned "$FLOW_TABLE" key $key
	done
	kill -CONT "${pids[@]}"
	wait $pid
	is "$(head -n 1 "$TMP/lost")" "hello $GATEWAY_IP" "IPv$f: steer's entry is lost: it goes direct"
	check "IPv$f: steer's entry is lost: counted" counted gw relay no-pending "$unknown"
}

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

# end_download SIDE HOW: a download that is cut off must not look complete. HOW is fault_in_worker or daemon_stop.
end_download() {
	local pid status
	on "$CLIENT" curl -sS -m 60 -o /dev/null --limit-rate 1M "$URL/$SLOW_BYTES" 2>/dev/null &
	pid=$!
	check "IPv$f, $1: a download runs" wait_for 10 relaying "$1" 1
	"$2" "$1"
	wait $pid
	status=$?
	is "$status" 56 "IPv$f, $1: $2 resets it"
}
fault_in_worker() {
	local victim
	victim=$(ctl "$1" --json flows list | jq '.flows[0].worker')
	victim=$(ctl "$1" --json status | jq -r ".workers[] | select(.index == $victim) | .pid")
	kill -SEGV "$victim"
}

# Workers without a supervisor finish what they have; a connection that says nothing ends with its idle time-out.
supervisor_killed() {
	local pids curl silent
	mapfile -t pids < <(workers gw)
	on "$CLIENT" curl -sS -m 200 -o "$TMP/got" --limit-rate "$PACE" "$URL/30000000" &
	curl=$!
	on "$CLIENT" bash -c "exec 8<>/dev/tcp/$SERVER_IP/7001 && read -r -u 8" 2>/dev/null &
	silent=$!
	check "IPv$f: a download and a silent connection" wait_for 10 relaying gw 2
	kill -9 "${DAEMON[gw]}"
	check "IPv$f: supervisor killed: the next are unbonded" wait_for 5 greeted_by "$CLIENT_IP"
	wait $curl
	is "$? $(stat -c %s "$TMP/got")" "0 30000000" "IPv$f: supervisor killed: the download comes to its end"
	check "IPv$f: supervisor killed: the workers leave with the last connection" wait_for 20 running 0 "${pids[@]}"
	wait $silent
	check "IPv$f: supervisor killed: started again" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	check "IPv$f: supervisor killed: steers again" wait_for 10 steered_again
}

nothing_left() {
	is "$(on "$GATEWAY" ip rule show | grep -c 7000)" 0 "$1: no rule is left"
	is "$(on "$GATEWAY" ip mptcp endpoint show | wc -l)" 0 "$1: no endpoint is left"
	is "$(find /sys/fs/bpf/mpgate -path "*/${MPG_PREFIX}gw/*" -type f 2>/dev/null | wc -l)" 0 "$1: no pin is left"
	is "$(tc -n "$GATEWAY" filter show dev lan0 ingress | grep -c bpf)" 0 "$1: no program is left"
}

pinned() { [ -e "$FLOW_TABLE" ]; }
started() { grep -q 'instance ' "$TMP/start.log"; }
# stopped_at pinned|started SIGNAL...: a gateway is told to stop as soon as it has come so far.
stopped_at() {
	local pid point=$1 name="stopped when $1" signal
	shift
	: >"$TMP/start.log" # of the one before: it would do for this one's
	(exec nsenter --net="/run/netns/$GATEWAY" -- "$BUILD/mpgated" -c "$TMP/gw.yaml") </dev/null >>"$TMP/start.log" 2>&1 &
	pid=$!
	PIDS+=("$pid")
	until "$point" || gone "$pid"; do :; done
	for signal; do kill "-$signal" "$pid"; done
	check "$name: it is gone ($*)" wait_for 5 gone "$pid"
	wait "$pid"
	is $? 0 "$name: in order" || diag "$(cat "$TMP/start.log")"
	nothing_left "$name"
}

# A gateway that takes its time to stop: its timers are due before it has.
stopped_late() {
	local name="stopped, in no hurry"
	check "$name: it starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	: >"$TMP/gw.log"
	kill -TERM "${DAEMON[gw]}"
	until grep -q stopping "$TMP/gw.log"; do :; done
	kill -STOP "${DAEMON[gw]}"
	read -rt $TIMERS_S <> <(:) || :
	kill -CONT "${DAEMON[gw]}"
	check "$name: it is gone" wait_for 5 gone "${DAEMON[gw]}"
	wait "${DAEMON[gw]}"
	is $? 0 "$name: in order" || diag "$(tail -n 20 "$TMP/gw.log")"
	nothing_left "$name"
}

for f in 4 6; do
	family $f
	supervisor_killed
	end_download gw fault_in_worker
	end_download hub fault_in_worker
	worker_killed gw
	worker_killed hub
	rules_removed
	entry_lost

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

for f in 4 6; do
	family $f
	hub_worker_stopped
	end_download hub daemon_stop
	check "IPv$f: the hub starts again" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "IPv$f: it is found again" wait_for 60 peer_is up
	check "IPv$f: and used" wait_for 5 steered_again
done
family 4
end_download gw daemon_stop
check "gateway stopped: downloads go on" load -n 1000000 get "$SERVER_IP" 80
nothing_left "gateway stopped"
stopped_at pinned TERM
stopped_at pinned INT TERM
stopped_at started TERM
stopped_late
done_testing
