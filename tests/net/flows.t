#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What steer hands to the workers: a client keeps its worker, so that its connections keep their order; and what cannot be
# carried is reset where the rule says reject, whatever the cause is.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# Workers of the hub can change the order, too.
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='workers: 2' HUB_MORE='workers: 1'
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: must, to-port: [ "7003" ], action: proxy, via: hub, connect: early, if-down: reject }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
scenario
spawn order "$SERVER" "$TOOLS/tcpserve" order:7006
wait_for 5 on "$SERVER" "$TOOLS/tcpload" conn "$SERVER4" 7006

mapfile -t WORKERS < <(ctl gw --json status | jq -r '.workers[].pid')
is ${#WORKERS[@]} 2 "the gateway has two workers"

# Pairs of connections while one worker stands still: none overtakes the other through the other worker.
in_order() {
	local pid before
	before=$(counter gw reasons steered)
	kill -STOP "$1"
	load -c 8 -n 1 order "$SERVER_IP" 7006 >"$TMP/order" &
	pid=$!
	check "IPv$f: pairs of connections while worker $2 stands still" wait_for 10 counted gw reasons steered $((before + 15))
	kill -CONT "$1"
	wait $pid
	is "$(sort "$TMP/order" | uniq -c | xargs)" "8 swapped 0" "IPv$f: they reach the server in order"
}
for f in 4 6; do
	family $f
	in_order "${WORKERS[0]}" 0
	in_order "${WORKERS[1]}" 1
done

FLOW_TABLE=/sys/fs/bpf/mpgate/${MPG_PREFIX}gw/v1/flows
flow_key() { bpftool -j map getnext pinned "$FLOW_TABLE" 2>/dev/null | jq -er '.next_key | join(" ")'; }
forget_flows() {
	local key
	while key=$(flow_key); do
		# shellcheck disable=SC2086 # one word a byte
		bpftool map delete pinned "$FLOW_TABLE" key $key
	done
}
rules_change() { sed -i '/name: must/d' "$TMP/gw.yaml" && ctl gw reload && daemon_stop hub; }

# while_waiting NAME COMMAND: what happens to a connection when that is done before a worker takes it.
while_waiting() {
	local pid
	kill -STOP "${WORKERS[@]}"
	load conn "$SERVER_IP" 7003 >"$TMP/conn" &
	pid=$!
	check "IPv$f, $1: a connection waits for a worker" wait_for 5 flow_key
	check "IPv$f, $1: it happens" "$2"
	kill -CONT "${WORKERS[@]}"
	wait $pid
	is "$(cat "$TMP/conn")" reset "IPv$f, $1: the connection is reset"
}

cp "$TMP/gw.yaml" "$TMP/gw.before"
for f in 4 6; do
	family $f
	is "$(load conn "$SERVER_IP" 7003)" ok "IPv$f: a rule that says reject carries"
	while_waiting "its entry is lost" forget_flows
	while_waiting "the rule is removed, the peer fails" rules_change
	cp "$TMP/gw.before" "$TMP/gw.yaml"
	check "IPv$f: the rule is back" ctl gw reload
	check "IPv$f: the hub starts again" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "IPv$f: it is found again" wait_for 60 peer_is up
done

# A service on the hub itself, which a rule of all ports catches.
spawn hub-service "$HUB" "$TOOLS/tcpserve" greet:7003
wait_for 5 on "$HUB" "$TOOLS/tcpload" conn "$HUB4" 7003
for f in 4 6; do
	family $f
	before=$(counter gw reasons peer-address)
	is "$(load greet "$HUB_IP" 7003)" "hello $CLIENT_IP" "IPv$f: a service on the peer is reached directly"
	check "IPv$f: and that is counted" counted gw reasons peer-address "$before"
done

# All workers hang: nobody listens.
refused() { [ "$(load conn "$SERVER_IP" 7003)" = refused ]; }
kill -STOP "${WORKERS[@]}"
no_listener() { [ "$(ctl gw --json policy explain 10.60.1.2 "$SERVER4:7001" | jq -r .reason)" = no-listener ]; }
check "workers that hang are found out" wait_for 40 no_listener
for f in 4 6; do
	family $f
	before=$(counter gw reasons no-listener)
	check "IPv$f: no worker listens: refused" refused
	check "IPv$f: no worker listens: counted" counted gw reasons no-listener "$before"
	check "IPv$f: no worker listens: another rule's go direct" [ "$(load conn "$SERVER_IP" 7001)" = ok ]
done
check "resets are counted" [ "$(counter gw reasons reset)" -ge 2 ]
kill -CONT "${WORKERS[@]}"
done_testing
