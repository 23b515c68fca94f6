#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A daemon is killed and does not start again: `mpgated --clean INSTANCE` puts back all that it has set, and nothing else.
# It refuses while a daemon runs, and where it would be the wrong one's.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/state.sh
. "$(dirname "$0")/state.sh"

# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='host: true'
stage
GW=${MPG_PREFIX}gw
# Of scenarios before, which killed daemons of these names in namespaces that are gone.
grep -lxE "instance ${MPG_PREFIX}(gw|hub)" /run/mpgate/net-* 2>/dev/null | xargs -r rm
sed -i 's/name: net0, role: path/&, guard: xdp-generic/' "$TMP/hub.yaml"

# is_as FILE NAMESPACE INSTANCE: the state there is as the file has it. What differs is in $TMP/differs.
is_as() { state "$2" "$3" | diff "$1" - >"$TMP/differs"; }
put_back() { # NAME FILE NAMESPACE INSTANCE
	wait_for 5 is_as "$2" "$3" "$4"
	is "$(cat "$TMP/differs")" "" "$1: everything is as it was"
}
clean() { on "$1" "$BUILD/mpgated" --clean "$2" >"$TMP/clean" 2>&1; }
# refused NAMESPACE INSTANCE WHY NAME: it is not done, and why is said.
refused() {
	clean "$1" "$2"
	is $? 1 "$4: refused"
	check "$4: and why" grep -q "$3" "$TMP/clean" || diag "$(cat "$TMP/clean")"
	check "$4: nothing was changed" grep -q 'nothing was changed' "$TMP/clean"
}
# What holds BPF programs to links, of an instance: numbers that are never used again.
links() {
	local link
	for link in /sys/fs/bpf/mpgate/"$1"/v*/links/*; do
		[ ! -e "$link" ] || bpftool -j link show pinned "$link" | jq .id
	done
}
attached() {
	local id
	for id; do bpftool link show id "$id" 2>/dev/null; done
}
killed() { # NAME
	kill -9 "${DAEMON[$1]}"
	wait "${DAEMON[$1]}" 2>/dev/null
}

carried() { on "$CLIENT" ss -Htn state established "dport = 7001" | wc -l; }

# What was set before, by others too.
on "$GATEWAY" ip mptcp limits set subflows 3 add_addr_accepted 1
ip -n "$GATEWAY" addr add 10.60.99.1/32 dev lo
on "$GATEWAY" ip mptcp endpoint add 10.60.99.1 id 5 signal
ip -n "$GATEWAY" rule add from 10.60.99.1 lookup 500 priority 500
ip -n "$GATEWAY" -6 rule add from fd60:99::1 lookup 500 priority 500
ip -n "$GATEWAY" route add 10.60.98.0/24 dev lan0 table 500
ip -n "$GATEWAY" -6 route add fd60:98::/64 dev lan0 table 500
sysctls "$GATEWAY" net.ipv4.conf.{lan0,wan0,wan1}.rp_filter=1 net.ipv4.tcp_fastopen=0

# The kernel has given each link its own address.
settled() { [ -z "$(ip -n "$1" -6 addr show tentative)" ]; }
wait_for 10 settled "$GATEWAY" && wait_for 10 settled "$HUB"
state "$GATEWAY" "$GW" >"$TMP/gw.before"
state "$HUB" "${MPG_PREFIX}hub" >"$TMP/hub.before"
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is up" wait_for 10 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f: connections are carried" greeted_by "$HUB_IP"
done
family 4
check "some stay" hold 4
mapfile -t ids < <(links "$GW")
check "programs are attached" [ -n "$(attached "${ids[@]}")" ]
refused "$GATEWAY" "$GW" 'another daemon of this instance is running' "while it runs"
refused "$GATEWAY" other 'another mpgated runs in this network namespace' "another name, while it runs"
check "it runs on" peer_is up

killed gw
is "$(carried)" 4 "a kill of the supervisor alone: what is carried goes on"
check "a kill leaves much" eval '! is_as "$TMP/gw.before" "$GATEWAY" "$GW"'
like "$(cat "$TMP/differs")" '(7000|7001):.*mptcp|proto 109|rp_filter' "such as rules and sysctls"
check "programs, too" [ -n "$(attached "${ids[@]}")" ]
refused "$CLIENT" "$GW" "was in another network namespace: ip netns exec $GATEWAY mpgated --clean $GW\$" "in another network namespace"
refused "$GATEWAY" other "is of instance $GW: mpgated --clean $GW" "another name"
refused "$GATEWAY" a.b "the name must not be empty" "no name"
like "$(ctl gw status 2>&1)" "no daemon runs as instance $GW, and one that was killed .*mpgated --clean $GW " "mpgatectl says so"
# What somebody has set since is not ours.
sysctls "$GATEWAY" net.ipv4.conf.wan1.rp_filter=0
sed 's/^\(net.ipv4.conf.wan1.rp_filter\) = 1$/\1 = 0/' "$TMP/gw.before" >"$TMP/gw.want"
check "it is cleaned" clean "$GATEWAY" "$GW" || diag "$(cat "$TMP/clean")"
put_back "gateway" "$TMP/gw.want" "$GATEWAY" "$GW"
is "$(attached "${ids[@]}")" "" "no program is attached"
is "$(carried)" 0 "what was carried is reset"
let_go
for f in 4 6; do
	family $f
	check "IPv$f: connections go the normal way" greeted_by "$CLIENT_IP"
done
is "$(ctl gw status 2>&1 | grep -c clean)" 0 "and no more when it is"
check "again: there is nothing to do" clean "$GATEWAY" "$GW"
put_back "again" "$TMP/gw.want" "$GATEWAY" "$GW"
# note COOKIE: as one of that name leaves it in that namespace.
note() {
	NOTE=/run/mpgate/net-$1
	printf 'end\ninstance %s\n' "$GW" >"$NOTE"
}
# It lasts as long as what it reads from is open here.
exec {held}> >(exec unshare --net cat >/dev/null)
nameless=$!
PIDS+=("$nameless")
wait_for 5 grep -qx cat /proc/$nameless/comm
note "$(nsenter --net --target $nameless python3 -c 'import socket, sys; print(int.from_bytes(socket.socket().getsockopt(socket.SOL_SOCKET, 71, 8), sys.byteorder))')"
refused "$GATEWAY" "$GW" "nsenter --net --target $nameless mpgated --clean $GW\$" "in one without a name"
exec {held}>&-
rm "$NOTE"
note 18446744073709551615
refused "$GATEWAY" "$GW" "if it is gone: rm $NOTE, and then the same again" "notes of one that is gone"
check "what was said is done" rm "$NOTE"
check "and then the same again" clean "$GATEWAY" "$GW"
check "the gateway starts again" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is up again" wait_for 10 peer_is up
daemon_stop gw
put_back "a stop" "$TMP/gw.want" "$GATEWAY" "$GW"

mapfile -t ids < <(links "${MPG_PREFIX}hub")
killed hub
# As one of an older version leaves it: it did not say whose it is.
left=$(grep -lx "instance ${MPG_PREFIX}hub" /run/mpgate/net-*)
check "the hub's originals are there" sed -i '/^instance /d' "$left"
like "$(ip -n "$HUB" -o link show net0)" xdpgeneric "so is its XDP program"
check "the hub is cleaned" clean "$HUB" "${MPG_PREFIX}hub" || diag "$(cat "$TMP/clean")"
put_back "hub" "$TMP/hub.before" "$HUB" "${MPG_PREFIX}hub"
is "$(attached "${ids[@]}")" "" "no program is attached there"
done_testing
