#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the operator asks is answered, as text and as one JSON value; explain agrees with what happens.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: no-echo, to-port: [ "7001" ], action: direct }
    - { name: one-host, to: [ 10.60.40.7, "fd60:40::7" ], action: direct }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
scenario
load -c 3 -n 60000000 slow "$SERVER4" 80 >/dev/null 2>&1 &
PIDS+=($!)
# At once: on a slow machine they have ended before all is asked.
three_flows() { [ "$(ctl gw --json flows list | jq '[.flows[] | select(.mptcp and .rule == "all" and .peer == "hub")] | length')" = 3 ]; }
check "flows: three, over MPTCP, with rule and peer" wait_for 10 three_flows

for side in gw hub; do
	for command in status "flows list" "paths list" "peers list" "policy show" stats; do
		check "$side: $command --json is one JSON value" eval "ctl $side --json $command | jq -es 'length == 1'"
		check "$side: $command prints something" eval "ctl $side $command | grep -q ."
	done
done

# What the daemon uses of MPTCP, as it says in its status and as vmtest/probe finds it next to it.
status_features() {
	ctl "$1" --json status | jq -r '.features[] | select(.name | test("mptcp")) |
		"feature \(.name) " + if .works then "works" else "degraded \(.degraded)" end'
}
probed_features() { on "$1" "$BUILD/vmtest/probe" | grep -E '^feature (tcp-is-mptcp|mptcp-tfo-(server|client|no-cookie)|mptcp-bind-no-port|mptcp-keepalive) '; }
is "$(status_features gw)" "$(probed_features "$GATEWAY")" "gw: status names what this kernel has of MPTCP"
is "$(status_features hub)" "$(probed_features "$HUB")" "hub: status names what this kernel has of MPTCP"
is "$(status_features gw | wc -l)" 6 "status: six such features"

# explain DESTINATION REASON RULE NAME
explain() {
	local got
	got=$(ctl gw --json policy explain "$1" "$2" | jq -r '"\(.reason) \(.rule // "-")"')
	is "$got" "$3" "$4: explained as $3"
}
for f in 4 6; do
	family $f
	if [ $f = 4 ]; then
		to=$SERVER4 host=10.60.40.7 from=$CLIENT4
	else
		to="[$SERVER6]" host="[fd60:40::7]" from=$CLIENT6
	fi
	before=$(ctl gw --json stats | jq -c .reasons)
	explain "$from" "$to:80" "steered all" "IPv$f web"
	explain "$from" "$to:7001" "rule-direct no-echo" "IPv$f echo"
	explain "$from" "$host:80" "rule-direct one-host" "IPv$f one host"
	explain "$from" "$to:9999" "no-rule -" "IPv$f other port"
	is "$(ctl gw --json stats | jq -c '[.reasons[] | select(.name == "rule-direct" or .name == "no-rule" or .name == "steered")]')" \
		"$(jq -c '[.[] | select(.name == "rule-direct" or .name == "no-rule" or .name == "steered")]' <<<"$before")" \
		"IPv$f: asking counts nothing"
	check "IPv$f: the text names rule and reason" eval "ctl gw policy explain '$from' '$to:7001' | grep -q no-echo"

	direct=$(counter gw reasons rule-direct)
	steered=$(counter gw reasons steered)
	check "IPv$f: echo works" load -n 1000 echo "$SERVER_IP" 7001
	is "$(counter gw reasons rule-direct)" $((direct + 1)) "IPv$f: and went direct, as explained"
	check "IPv$f: web works" load -n 1000 get "$SERVER_IP" 80
	is "$(counter gw reasons steered)" $((steered + 1)) "IPv$f: and was steered, as explained"
done

ctl gw policy explain nonsense >/dev/null 2>&1
is $? 2 "a wrong command line exits 2"
ctl no-such-instance status >/dev/null 2>&1
is $? 1 "an instance that does not run exits 1"
check "and is told in JSON when JSON is asked for" eval 'ctl no-such-instance --json status 2>/dev/null | jq -es "length == 1"'
done_testing
