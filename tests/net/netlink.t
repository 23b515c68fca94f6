#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel that holds netlink requests up, or never answers them, keeps nothing waiting but what it was asked for: the
# operator is answered, workers are started anew, peers are probed. What was missed is made good later.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

[ -z "${SAN:-}" ] || skip_all "the address sanitizer wants to be loaded first"
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_TIMEOUTS='peer: 1'
stage

# requests pass|hold|lose: what becomes of the gateway's from now on; see nlhold.c.
requests() {
	local -A fate=([pass]=0 [hold]=1 [lose]=2)
	# shellcheck disable=SC2059 # a byte
	printf "\\x0${fate[$1]}\\0\\0\\0\\0\\0\\0\\0" | dd of="$TMP/nlhold" conv=notrunc status=none
}
met() { [ "$(od -An -td4 -j4 -N4 "$TMP/nlhold")" -gt 0 ]; }

gateway_start() {
	local DAEMON_BY=(env "LD_PRELOAD=$TOOLS/nlhold.so" "NLHOLD=$TMP/nlhold")
	daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
}

status() { timeout 20 "$CTL" -i "${MPG_PREFIX}gw" --json status; }
link_up() { status | jq -e --arg n "$1" ".links[] | select(.name == \$n) | .up == $2"; }
worker_pid() { status | jq '.workers[0].pid'; }
worker_is_new() {
	local pid
	pid=$(worker_pid)
	[ "$pid" -gt 0 ] && [ "$pid" != "$1" ]
}
hub_down() {
	load conn "$SERVER4" 7001
	peer_is down
}
rules_set() { on "$GATEWAY" ip -"$1" rule | grep -q '^7000:'; }
no_rules() { ! rules_set 4 && ! rules_set 6; }
limits_raised() { on "$GATEWAY" ip mptcp limits | grep -q 'subflows 8'; }
guard_is() { status | jq -e --arg n "$1" --arg g "$2" '.links[] | select(.name == $n) | .guard == $g'; }
backup_on() { on "$GATEWAY" ip mptcp endpoint show | grep -E "^$1 .* backup .*dev wan1"; }

requests pass
limits=$(on "$GATEWAY" ip mptcp limits)
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" gateway_start
check "the peer is up" wait_for 10 ways_are up

# works_without WHAT: all that needs no netlink goes on.
works_without() {
	local pid f
	pid=$(worker_pid)
	check "$1: the operator is answered" test "$pid" -gt 0
	kill -9 "$pid"
	check "$1: a worker is started anew" wait_for 20 worker_is_new "$pid"
	for f in 4 6; do
		family $f
		check "$1: IPv$f: connections go by the hub" wait_for 20 greeted_by "$HUB_IP"
	done
	daemon_stop hub
	check "$1: a peer that is gone is down" wait_for 20 hub_down
	check "$1: the hub is back" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "$1: so is the peer, over all its ways" wait_for 60 ways_are up
	pid=$(status | jq '[.workers[].killed] | add')
	is "$pid" 0 "$1: no worker was thought to hang"
}

for fate in hold lose; do
	requests $fate
	on "$GATEWAY" ip link set wan1 multicast off
	check "$fate: the kernel does not carry out what it is asked" wait_for 20 met
	works_without $fate
	link_cut 1
	sed -i 's/path: b }/path: b, use: backup, guard: xdp-generic }/' "$TMP/gw.yaml"
	on "$GATEWAY" ip mptcp limits set subflows 2
	timeout 30 "$CTL" -i "${MPG_PREFIX}gw" reload >"$TMP/reload.out" 2>&1
	is $? 1 "$fate: a reload does not wait for ever"
	like "$(cat "$TMP/reload.out")" "applied in part" "$fate: and says what it lacks"
	check "$fate: what is known of links is old" link_up wan1 true
	[ $fate = lose ] || check "$fate: programs are not attached" guard_is wan1 none
	requests pass
	check "$fate: it is made good when the kernel answers again" wait_for 20 link_up wan1 false
	check "$fate: limits that somebody has lowered, too" wait_for 20 limits_raised
	link_mend 1
	check "$fate: a link that is back is seen" wait_for 20 link_up wan1 true
	for f in 4 6; do
		family $f
		address=10.60.20.2
		[ $f = 4 ] || address=fd60:20::2
		check "$fate: IPv$f: so is what the reload changed" wait_for 20 backup_on $address
	done
	check "$fate: and how the link is guarded" wait_for 20 guard_is wan1 xdp-generic
	check "$fate: the peer is up" wait_for 40 ways_are up
	sed -i 's/path: b, use: backup, guard: xdp-generic }/path: b }/' "$TMP/gw.yaml"
	check "$fate: a reload works again" ctl gw reload
done

requests lose
check "the daemon can be stopped meanwhile" daemon_stop gw
check "it has left its rules: IPv4" rules_set 4
check "it has left its rules: IPv6" rules_set 6
requests pass
check "the next start works" gateway_start
check "the next stop, too" daemon_stop gw
check "which leaves no rule" no_rules
is "$(on "$GATEWAY" ip mptcp limits)" "$limits" "and the limits as they were before the first start"
done_testing
