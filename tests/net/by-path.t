#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What subflows have by the path that they leave from: congestion control and mark of the configuration, and patience for SYNs by
# the measured round trip. As the kernel lists its sockets, on both sides, for first and further subflows.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

WAY_MS=700 # one way, of a long link

# has NS ADDRESS CONTROL MARK: all subflows of the connections held that leave from there, and there are some.
has() {
	on "$1" ss -HOtnie state established '( sport = 8803 or dport = 8803 )' | awk -v at="$2" -v cc="$3" -v mark="fwmark:$4" '
		index($3, at) != 1 { next }
		{ n++; ok = 0; for (i = 5; i <= NF; i++) { ok += $i == cc; ok += $i == mark } bad += ok != 2 }
		END { exit !n || bad }'
}
# plain NS ADDRESS: none there has a mark.
plain() {
	on "$1" ss -HOtnie state established '( sport = 8803 or dport = 8803 )' | awk -v at="$2" '
		index($3, at) == 1 { n++; bad += /fwmark:/ || !/ cubic / } END { exit !n || bad }'
}
held() { # a connection that is there until let_go
	rm -f "$TMP/hold.in"
	mkfifo "$TMP/hold.in"
	exec 9<>"$TMP/hold.in"
	load -n 1 hold "$SERVER_IP" 7001 <"$TMP/hold.in" >"$TMP/held" 2>&1 9>&- &
	wait_for 10 grep -q held "$TMP/held"
}
let_go() { exec 9>&-; wait_for 10 no_flows; }
no_flows() { [ "$(ctl gw --json flows list | jq '.flows | length')" -eq 0 ]; }
syn_again() { on "$GATEWAY" nstat -asz TcpExtTCPSynRetrans | awk '/SynRetrans/ { print $2 }'; }
said_once() {
	local before
	before=$(syn_again)
	load -n 1000 get "$SERVER_IP" 80 && [ "$(syn_again)" -eq "$before" ]
}
known_as_long() {
	ctl gw --json peers list | jq -e "[.ways[] | select(.state == \"up\" and .rtt_us > ${WAY_MS}000)] | length == 2"
}

# shellcheck disable=SC2034 # read by net_build
EM0="delay=1" EM1="delay=1" GATEWAY_MORE='subflows: { join: at-once }'
stage
edit() { sed -i "s/path: $1 .*}/path: $1 $2}/" "$TMP/gw.yaml"; }
# by_family: the gateway's connections to the hub are of that family from now on.
by_family() {
	family "$1"
	sed -i "s/    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	[ "$1" = 4 ] && at=(10.60.10.2: 10.60.20.2 10.60.30.2:) || at=('[fd60:10::2]:' '[fd60:20::2]' '[fd60:30::2]:')
}
ways_up() { ctl gw --json peers list | jq -e '.ways | length == 2 and all(.state == "up")'; }
gwip() { ip -n "$GATEWAY" "$@"; }
nodad=(nodad)
declare -A own=([4]=10.60.20.2/24 [6]=fd60:20::2/64) other=([4]=10.60.10.2/24 [6]=fd60:10::2/64)
twin() { # the second link has the first one's address, and that only
	saved=$(gwip -"$1" -o route show dev wan1)
	gwip -"$1" addr del "${own[$1]}" dev wan1
	gwip -"$1" addr add "${other[$1]}" dev wan1 noprefixroute "${nodad[@]:0:$(($1 == 6))}"
}
untwin() {
	gwip -"$1" addr del "${other[$1]}" dev wan1
	gwip -"$1" addr add "${own[$1]}" dev wan1 "${nodad[@]:0:$(($1 == 6))}"
	while read -r r; do
		# shellcheck disable=SC2086 # words of a route
		gwip -"$1" route replace $r dev wan1
	done < <(sed 's/ proto kernel.*//; s/ linkdown//' <<<"$saved")
}
why_not() { ctl gw --json paths list | jq -e --arg p "$1" --arg w "$2" '.paths[] | select(.link == $p) | .why // "" | contains($w)'; }
sed -i 's/net0, role: path/&, congestion: reno, mark: 7/' "$TMP/hub.yaml"
by_family 4
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
for f in 4 6; do
	by_family $f
	edit a ', congestion: reno, mark: 17'
	edit b ', congestion: nowhere, mark: 18'
	check "IPv$f: a reload" ctl gw reload
	check "IPv$f: the hub is up over both ways" wait_for 10 ways_up
	check "IPv$f: a connection" held
	check "IPv$f: its first subflow has what its path has" wait_for 5 has "$GATEWAY" "${at[0]}" reno 0x11
	check "IPv$f: and its second, but what does not exist" wait_for 5 has "$GATEWAY" "${at[1]}" cubic 0x12
	check "IPv$f: both at the hub what its link has" wait_for 5 has "$HUB" "${at[2]}" reno 0x7
	check "IPv$f: it ends" let_go
	twin "$f"
	check "IPv$f: two links with one address: it is said" wait_for 5 grep -q "wan1: wan0 has the same IPv$f address, so it is not used in IPv$f" "$TMP/gw.log"
	check "IPv$f: and mpgatectl knows why" wait_for 5 why_not wan1 "wan0 has the same address"
	check "IPv$f: doctor says what to do" finds gw same-address "in IPv$f wan0 has the same address"
	if [ "$f" = 4 ] && [ -e /proc/sys/net/mptcp/blackhole_timeout ]; then
		sysctls "$GATEWAY" net.mptcp.blackhole_timeout=1
		check "IPv$f: doctor's findings are logged" wait_for 10 grep -q "blackhole_timeout: 1: " "$TMP/gw.log"
		check "IPv$f: but this one, which was said" eval '! grep "give wan1 an address of its own" "$TMP/gw.log"'
		sysctls "$GATEWAY" net.mptcp.blackhole_timeout=0
	fi
	check "IPv$f: a connection" held
	check "IPv$f: the first one's mark is that of the address" wait_for 5 has "$GATEWAY" "${at[0]}" reno 0x11
	check "IPv$f: it ends" let_go
	untwin "$f"
	check "IPv$f: each has its own again" wait_for 20 ways_up
	check "IPv$f: which is said" grep -q "wan1: no other path keeps its IPv$f address from it any more" "$TMP/gw.log"
	edit a ''
	edit b ', congestion: reno, mark: 19'
	check "IPv$f: another reload" ctl gw reload
	check "IPv$f: a connection behind it" held
	check "IPv$f: has the new control and mark" wait_for 10 has "$GATEWAY" "${at[1]}" reno 0x13
	check "IPv$f: or none any more" wait_for 10 plain "$GATEWAY" "${at[0]}"
	check "IPv$f: it ends, too" let_go
done
check "a congestion control that there is not is said" grep -q 'link wan1: congestion control nowhere: this kernel does not have it' "$TMP/gw.log"

em_set wan0 "delay=$WAY_MS"
em_set wan1 "delay=$WAY_MS"
for f in 6 4; do
	by_family $f
	check "IPv$f: a reload for long links" ctl gw reload
	check "IPv$f: they are found to be long" wait_for 60 known_as_long
	check "IPv$f: a SYN is soon said once, though the answer takes more than a second" wait_for 30 said_once
done
done_testing
