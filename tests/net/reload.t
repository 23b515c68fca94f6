#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The policy changes under load and no connection is lost; a bad file changes nothing.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

FLOWS=6
SLOW_BYTES=20000000
RELOADS=10
scenario

# policy RULE...: writes the gateway's file with these rules in front of the usual one.
policy() {
	local rule
	POLICY=
	for rule; do POLICY+="    - $rule"$'\n'; done
	POLICY+=$DEFAULT_POLICY
	pair_configs
}
# The key is made anew by pair_configs; here it stays.
keep_key() {
	cp -p "$TMP/pair.key" "$TMP/pair.saved"
	"$@"
	mv "$TMP/pair.saved" "$TMP/pair.key"
}
rules() { ctl gw --json policy show | jq -r '[.rules[].name] | join(" ")'; }
rules_are() { [ "$(rules)" = "$1" ]; }

not_up() { ! peer_is up; }

for f in 4 6; do
	family $f
	pids=()
	for ((i = 0; i < FLOWS; i++)); do
		load -n $SLOW_BYTES -s $i slow "$SERVER_IP" 80 >"$TMP/slow$i.out" 2>&1 &
		pids+=($!)
	done
	# New connections all the time, too: none may fail.
	load -c 2 -t 4 rate "$SERVER_IP" 7001 >"$TMP/rate.out" 2>&1 &
	rate=$!
	failed=0
	for ((i = 0; i < RELOADS; i++)); do
		keep_key policy "{ name: extra-$f-$i, to-port: [ \"$((9000 + i))\" ], action: direct }"
		ctl gw reload >/dev/null || failed=$((failed + 1))
		rules_are "extra-$f-$i all" || failed=$((failed + 1))
	done
	is $failed 0 "IPv$f: $RELOADS reloads, each in force when reload returns"
	wait $rate
	ok $? "IPv$f: no new connection failed meanwhile" || diag "$(cat "$TMP/rate.out")"
	failed=0
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=$((failed + 1))
	done
	is $failed 0 "IPv$f: no running download was lost" || diag "$(cat "$TMP"/slow*.out)"

	keep_key policy "{ name: keep-echo, to-port: [ \"7001\" ], action: direct }"
	kill -HUP "${DAEMON[gw]}"
	check "IPv$f: SIGHUP reloads" wait_for 5 rules_are "keep-echo all"
	before=$(counter gw reasons rule-direct)
	check "IPv$f: the new rule works" load -n 1000 echo "$SERVER_IP" 7001
	check "IPv$f: and is counted" counted gw reasons rule-direct "$before"

	keep_key policy "{ name: wrong, no-such-key: 1 }"
	line=$(grep -n no-such-key "$TMP/gw.yaml" | cut -d: -f1)
	output=$(ctl gw reload 2>&1)
	is $? 1 "IPv$f: reload of a bad file fails"
	like "$output" "gw.yaml:$line:" "IPv$f: and names file and line"
	is "$(rules)" "keep-echo all" "IPv$f: the policy in force stays"
	kill -HUP "${DAEMON[gw]}"
	check "IPv$f: SIGHUP with a bad file is logged" wait_for 5 grep -q "gw.yaml:$line:" "$TMP/gw.log"
	is "$(rules)" "keep-echo all" "IPv$f: and changes nothing"
	check "IPv$f: connections still work" load -n 100000 get "$SERVER_IP" 80
	check "IPv$f: and are steered" greeted_by "$HUB_IP"
done
is "$("$BUILD/mpgated" -c "$TMP/gw.yaml" --check 2>/dev/null; echo $?)" 1 "--check of the bad file exits 1"
keep_key policy
check "--check of a good file exits 0" "$BUILD/mpgated" -c "$TMP/gw.yaml" --check
like "$("$BUILD/mpgated" 2>&1)" "mpgated: -c FILE is missing.*usage" "a command line without a file is told so"
like "$("$BUILD/mpgated" f.yaml 2>&1)" "'f.yaml' is too much; a configuration is given as -c f.yaml" "and one without -c"
# A hub that no longer takes the key refuses the first connections; the next do without it.
peer_refuses() {
	load greet "$SERVER_IP" 7003
	peer_is down
}
for f in 4 6; do
	family $f
	mv "$TMP/pair.key" "$TMP/pair.saved"
	"$CTL" key new "$TMP/pair.key" >/dev/null
	check "IPv$f: the hub has another key" ctl hub reload
	mv -f "$TMP/pair.saved" "$TMP/pair.key"
	check "IPv$f: the peer that refuses is down" wait_for 8 peer_refuses
	check "IPv$f: connections go unbonded" greeted_by "$CLIENT_IP"
	check "IPv$f: the hub has the key again" ctl hub reload
	check "IPv$f: the peer is up again" wait_for 20 peer_is up
done
# A peer that moves while it is probed: the old address says nothing about the new one.
sed -i "s/10.60.30.2, \"fd60:30::2\"/10.60.30.77/" "$TMP/gw.yaml"
check "a peer may move" ctl gw reload
check "and is not up before it answered there" wait_for 5 not_up
sed -i "s/10.60.30.77/10.60.30.2, \"fd60:30::2\"/" "$TMP/gw.yaml"
check "it moves back" ctl gw reload
check "and is up at once" wait_for 5 peer_is up

# Its slot becomes another peer's while connections wait for it: that one has nothing to do with how they end.
all_up() { ctl gw --json peers list | jq -e 'all(.peers[]; .state == "up")'; }
two_wait() { [ "$(ctl gw --json flows list | jq '[.flows[] | select(.state == "connecting")] | length')" -eq 2 ]; }
move() { # NAME ADDRESS: the peer's
	sed -i "s/name: hub.*/name: $1/; s/via: hub[0-9]*/via: $1/; s/address: .*/address: [ \"$2\" ]/" "$TMP/gw.yaml"
	ctl gw reload && wait_for 10 all_up
}
check "a peer has one address" move hub "$HUB4"
ip -n "$ROUTER" rule add to "$HUB4" ipproto tcp dport 8803 blackhole
load conn "$SERVER4" 7001 >"$TMP/conn4" &
pids=($!)
load conn "$SERVER6" 7001 >"$TMP/conn6" &
pids+=($!)
check "two connections wait for it" wait_for 5 two_wait
check "another peer comes in its place" move hub2 "$HUB6"
check "and a third in its slot" move hub3 "$HUB6"
wait "${pids[@]}"
is "$(cat "$TMP/conn4" "$TMP/conn6")" $'ok\nok' "they go on directly"
is "$(grep -c 'peer hub3 is down' "$TMP/gw.log")" 0 "and the third is not to blame"
ip -n "$ROUTER" rule del to "$HUB4" ipproto tcp dport 8803 blackhole
check "it is the one in use" greeted_by "$HUB6"

# What somebody else takes away.
endpoints_are() { [ "$(on "$GATEWAY" ip mptcp endpoint show | grep -c .)" = "$1" ]; }
on "$GATEWAY" ip mptcp endpoint flush
check "MPTCP endpoints come back" wait_for 20 endpoints_are 4
daemon_stop gw
sysctls "$GATEWAY" net.mptcp.enabled=0
output=$(on "$GATEWAY" timeout 20 "$BUILD/mpgated" -c "$TMP/gw.yaml" 2>&1)
is $? 1 "without MPTCP the daemon does not start"
like "$output" "net.mptcp.enabled" "and says what to set"
sysctls "$GATEWAY" net.mptcp.enabled=1

# A service manager that wants to hear that all is well (WatchdogSec=).
DAEMON_BY=(env WATCHDOG_USEC=60000000)
check "the gateway starts under a watchdog" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "which hears of it" "$TOOLS/notify" "$TMP/gw.notify" $((20 * ${MPG_SLOW:-1})) WATCHDOG=1
done_testing
