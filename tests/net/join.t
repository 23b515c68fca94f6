#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A connection gets its second subflow when it pays: after so many bytes, or when it is at work, or waits, for so long; at
# once or never where its rule says so; and in any case when its path dies. Other programs' MPTCP connections get what
# the kernel's path manager gives them.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

RATE=20 # Mbit/s
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: at-once, to-port: [ "7001" ], action: proxy, via: hub, connect: early, join: at-once }
    - { name: never, to-port: [ "7002" ], action: proxy, via: hub, connect: early, join: never }
    - { name: late, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
# shellcheck disable=SC2034
GATEWAY_MORE='subflows: { after-kib: 256, after-ms: 1000 }'
scenario
shape 0 $RATE
shape 1 $RATE

joins() { on "${1:-$GATEWAY}" nstat -asz MPTcpExtMPJoinSynTx | awk '/MPJoin/ { print $2 }'; }
joined() { [ "$(joins "$3")" -ge $(($1 + $2)) ]; }
way_is() {
	ctl gw --json peers list | jq -e --arg a "$HUB_IP" --arg p "$1" --arg s "$2" \
		'[.ways[] | select(.address == $a and .path == $p and .state == $s)] | length == 1'
}
# hub_of 4|6: the hub is reached over that family.
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 way_is b up
}
pause() { read -rt "$1" <> <(:) || :; }
# Waits in the background for its input to end.
held() {
	rm -f "$TMP/hold.in"
	mkfifo "$TMP/hold.in"
	exec 9<>"$TMP/hold.in"
	load "$@" <"$TMP/hold.in" >"$TMP/hold" 2>&1 9>&- &
	HELD=$!
	wait_for 10 grep -q held "$TMP/hold"
}
let_end() {
	exec 9>&-
	wait "$HELD"
}
# subflows_of PORT NUMBER
subflows_of() { [ "$(on "$GATEWAY" ss -Htn state established "dport = $1" | wc -l)" -eq "$2" ]; }
pm_type() { on "$GATEWAY" sysctl -n net.mptcp.pm_type; }
sent() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.tx.bytes'; }
carries() { [ "$(sent "$1")" -gt $(($2 + 300000)) ]; }

is "$(pm_type)" 1 "mpgate is the path manager"
for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	before=$(joins)
	check "IPv$f: late: 20 short transfers" load -c 4 -n 30000 -t 0 get "$SERVER_IP" 80
	is "$(joins)" "$before" "IPv$f: late: they have one subflow each"
	check "IPv$f: late: a longer one" load -n 2000000 get "$SERVER_IP" 80
	is "$(joins)" $((before + 1)) "IPv$f: late: it has got a second"
	check "IPv$f: late: it idles" held -n 1 hold "$SERVER_IP" 7003
	pause 1.5
	is "$(joins)" $((before + 1)) "IPv$f: late: one that idles has one"
	let_end
	check "IPv$f: never: a long transfer" load -n 2000000 sink "$SERVER_IP" 7002
	is "$(joins)" $((before + 1)) "IPv$f: never: it has one"
	check "IPv$f: at once: a short one, and it idles" held -n 1 hold "$SERVER_IP" 7001
	check "IPv$f: at once: it has two" wait_for 3 joined "$before" 2
	let_end
done

# What says that it wants no second path goes on over it when its own dies, and so does what is too young to have one.
for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	for how in cut silence; do
		check "IPv$f: $how: both ways are up" wait_for 30 eval 'way_is a up && way_is b up'
		before=$(sent 0)
		load -n 12000000 sink "$SERVER_IP" 7002 >"$TMP/sink" 2>&1 &
		PIDS+=($!)
		SINK=$!
		pause 1
		if [ $how = cut ]; then link_cut 0; else silence 0; fi
		wait $SINK
		is $? 0 "IPv$f: $how: the transfer goes on over the other link" || diag "$(cat "$TMP/sink")"
		if [ $how = cut ]; then link_mend 0; else silence_end 0; fi
	done
done

# Other programs in the gateway: the server of port 7101 speaks MPTCP, and is not steered.
# foreign NAME: one opens a connection, which gets the number of further subflows that the kernel would make.
foreign() {
	rm -f "$TMP/own.in"
	mkfifo "$TMP/own.in"
	exec 8<>"$TMP/own.in"
	on "$GATEWAY" "$TOOLS/tcpload" -m -n 1 hold "$SERVER_IP" 7101 <"$TMP/own.in" >"$TMP/own" 2>&1 8>&- &
	OWN=$!
	check "$1: joined" wait_for 5 subflows_of 7101 $((1 + $2))
	pause 0.3
	check "$1: so often, no more" subflows_of 7101 $((1 + $2))
}
foreign_end() {
	exec 8>&-
	wait $OWN
	is $? 0 "$1: it ends well"
}
# announced NAME: one is a server, whose endpoint the client is told.
announced() {
	local before
	before=$(on "$SERVER" nstat -asz MPTcpExtAddAddr | awk '/AddAddr/ { print $2 }')
	check "$1: announces" on "$SERVER" "$TOOLS/tcpload" -m -n 20000000 echo "$GATEWAY_IP" 7201
	is "$(on "$SERVER" nstat -asz MPTcpExtAddAddr | awk '/AddAddr/ { print $2 }')" $((before + 1)) "$1: the client is told"
}
gateway_ip() { if [ "$f" = 4 ]; then GATEWAY_IP=10.60.10.2 MORE=10.60.20.77; else GATEWAY_IP=fd60:10::2 MORE=fd60:20::77; fi; }

from_more() { [ "$(on "$GATEWAY" ss -Htn state established "dport = 7101" | grep -cF "$MORE")" = "$1" ]; }
more_removed() {
	on "$GATEWAY" ip mptcp endpoint delete id "$(on "$GATEWAY" ip mptcp endpoint show | awk -v a="$MORE" '$1 == a { print $3 }')"
}
spawn own-server "$GATEWAY" "$TOOLS/tcpserve" -m echo:7201
foreign_all() {
	local f
	for f in 4 6; do
		family $f
		gateway_ip
		foreign "IPv$f, $1: opened" 1
		foreign_end "IPv$f, $1: opened"
		on "$GATEWAY" ip addr add "$MORE/$((f == 4 ? 32 : 128))" dev wan1 nodad 2>/dev/null
		on "$GATEWAY" ip mptcp endpoint add "$MORE" dev wan1 subflow
		foreign "IPv$f, $1: one endpoint more" 2
		more_removed
		check "IPv$f, $1: without it again" wait_for 20 from_more 0 # mpgate looks every five seconds
		on "$GATEWAY" ip mptcp endpoint add "$MORE" dev wan1 subflow
		check "IPv$f, $1: and with it" wait_for 20 from_more 1
		foreign_end "IPv$f, $1: one endpoint more"
		more_removed
		on "$GATEWAY" ip mptcp endpoint add "$MORE" dev wan1 signal
		announced "IPv$f, $1: accepted"
		more_removed
		on "$GATEWAY" ip addr del "$MORE/$((f == 4 ? 32 : 128))" dev wan1
	done
}
check "all ways are up" wait_for 60 eval 'way_is a up && way_is b up'
foreign_all mpgate

sed -i 's/^subflows: .*/subflows: { path-manager: kernel }/' "$TMP/gw.yaml"
check "a reload gives it back to the kernel" ctl gw reload
is "$(pm_type)" 0 "it is the kernel's"
foreign_all kernel
family 4
before=$(joins)
check "kernel: a short transfer" load -n 30000 get "$SERVER_IP" 80
check "kernel: is joined at once" wait_for 3 joined "$before" 1

sed -i '/^subflows: .*/d' "$TMP/gw.yaml"
check "a reload takes it again" ctl gw reload
is "$(pm_type)" 1 "mpgate is the path manager again"
kill -KILL "${DAEMON[gw]}"
wait "${DAEMON[gw]}" 2>/dev/null
is "$(pm_type)" 1 "a killed daemon leaves it"
check "the next one starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "and stops" daemon_stop gw
is "$(pm_type)" 0 "and gives it back"
check "once more" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
kill -KILL "${DAEMON[gw]}"
wait "${DAEMON[gw]}" 2>/dev/null
echo 'subflows: { path-manager: kernel }' >>"$TMP/gw.yaml"
check "killed, and the next one leaves it to the kernel" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
is "$(pm_type)" 0 "which has it again"
# A quarter of the bytes in a quarter of the time: 512 KiB in 2 s.
sed -i 's/^subflows: .*/subflows: { after-kib: 2048, after-ms: 8000 }/' "$TMP/gw.yaml"
shape 0 4
shape 1 4
for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	before=$(joins)
	check "IPv$f: late: some bytes over a slow path" load -n 1500000 get "$SERVER_IP" 80
	is "$(joins)" $((before + 1)) "IPv$f: late: it has got a second path"
done
done_testing
