#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two hubs have one address, and a router that knows nothing of MPTCP gives each flow to either by its addresses and ports.
# Connections are joined at the hub that has them: where it announces. So they are late, at once, when a path dies, by a
# daemon that has just started, and by the kernel's path manager.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/links.sh
. "$(dirname "$0")/links.sh"

HUB2=${MPG_PREFIX}hub2
SIZE=8000000
RATE=20 # Mbit/s, of each link
MANY=16 # connections; that all go to one hub has a chance of 1 in 32,768
PEER_ADDRESS='10.60.50.1, "fd60:50::1"'
# shellcheck disable=SC2034 # read by pair_configs
PEER_MORE=''
# shellcheck disable=SC2034
POLICY='    - { name: at-once, to-port: [ 7001 ], action: proxy, via: hub, connect: early, join: at-once }
    - { name: never, to-port: [ 7002 ], action: proxy, via: hub, connect: early, join: never }
    - { name: late, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
# shellcheck disable=SC2034
GATEWAY_MORE='subflows: { join: late }'
stage

# The second hub, the address that both have, and who deals it out.
ns_add "$HUB2"
link_veth "$HUB2" net0 "$ROUTER" hub1
addr "$HUB2" net0 31 2
addr "$ROUTER" hub1 31 1
default_via "$HUB2" 31 1
for ns in "$HUB" "$HUB2"; do
	ip -n "$ns" addr add 10.60.50.1/32 dev lo
	ip -n "$ns" addr add fd60:50::1/128 dev lo nodad
done
# deal N...: it leads to these hubs.
deal() {
	local n via4=() via6=()
	for n; do
		via4+=(nexthop via "10.60.$n.2") via6+=(nexthop via "fd60:$n::2")
	done
	ip -n "$ROUTER" route replace 10.60.50.1 "${via4[@]}"
	ip -n "$ROUTER" -6 route del fd60:50::1 2>/dev/null
	ip -n "$ROUTER" -6 route add fd60:50::1 "${via6[@]}"
}
deal 30 31
sysctls "$ROUTER" net.ipv4.fib_multipath_hash_policy=1 net.ipv6.fib_multipath_hash_policy=1

# hub_config NAME N: of the hub at 10.60.N.2.
hub_config() {
	sed -e "s/^instance: .*/instance: $MPG_PREFIX$1/" \
		-e "s|^  listen: .*|  listen: [ $PEER_ADDRESS ]\n  join: [ 10.60.$2.2, \"fd60:$2::2\" ]|" "$TMP/hub.yaml" >"$TMP/$1.new"
	mv "$TMP/$1.new" "$TMP/$1.yaml"
}
hub_config hub2 31
hub_config hub 30
check "a hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the other starts" daemon_start hub2 "$HUB2" "$TMP/hub2.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "all its ways are up" wait_for 20 ways_are up
check "each address of the peer is known to be joined elsewhere" \
	[ "$(grep -c 'are joined where the other side announces' "$TMP/gw.log")" -eq 2 ]

count_of() { on "$1" nstat -asz "MPTcpExt$2" | awk -v n="MPTcpExt$2" '$1 == n { print $2 }'; }
hubs() { echo $(($(count_of "$HUB" "$1") + $(count_of "$HUB2" "$1"))); }
joined() { [ "$(hubs MPJoinAckRx)" -ge "$1" ]; }
# tokens NAMESPACE: of each MPTCP connection at the Convert port, how many subflows it has.
tokens() { on "$1" ss -Htni state established "( sport = 8803 or sport = 8804 )" | grep -o '/[0-9a-f]*(id' | sort | uniq -c | awk '{ print $1 }'; }
# all_joined N: that many connections have two subflows each or more, and either hub has some.
all_joined() {
	local a b
	a=$(tokens "$HUB" | grep -c '^[2-9]$') b=$(tokens "$HUB2" | grep -c '^[2-9]$')
	DEALT="$a and $b"
	[ $((a + b)) -ge "$1" ] && [ "$a" -gt 0 ] && [ "$b" -gt 0 ]
}
# right NAME: no join came to a hub that has no such connection.
right() { is "$(hubs MPJoinNoTokenFound)" 0 "$1: no join came to the wrong hub"; }
received() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.rx.bytes'; }
# carries BYTES: so many have come over link LINK, since there were a and b.
carries() {
	local more=("$(($(received 0) - a))" "$(($(received 1) - b))")
	LINK=$((more[1] > more[0]))
	[ "${more[LINK]}" -gt "$1" ]
}
link_is_down() { [ "$(ctl gw --json paths list | jq '[.paths[] | select(.up)] | length')" = 1 ]; }
# long MODE PORT: a transfer to there, in the background.
long() {
	load -n $((2 * SIZE * ${MPG_SLOW:-1})) "$1" "$SERVER_IP" "$2" >"$TMP/long" 2>&1 &
	LONG=$!
	PIDS+=($!)
}
long_ends() {
	wait $LONG
	ok $? "$1: the transfer ends well" || diag "$(cat "$TMP/long")"
}

shape 0 $RATE
shape 1 $RATE
for f in 4 6; do
	family $f
	check "IPv$f: many at once" hold $MANY
	check "IPv$f: either hub has some, each with both its subflows" wait_for 10 all_joined $MANY
	diag "IPv$f: $DEALT"
	let_go
	before=$(hubs MPJoinAckRx)
	check "IPv$f: many that are joined late" load -c $MANY -n 1000000 -t 0 get "$SERVER_IP" 80
	check "IPv$f: they were" wait_for 2 joined $((before + MANY))
	right "IPv$f"
	is "$(hubs MPJoinAckRx)" "$(hubs MPJoinSynRx)" "IPv$f: each join was taken"
done

for f in 4 6; do
	family $f
	both "IPv$f" 4
	for link in 1 0; do with_cut "IPv$f: link $link cut" $link; done
	# What never asked is joined when its path dies.
	before=$(hubs MPJoinAckRx) a=$(received 0) b=$(received 1)
	long sink 7002
	check "IPv$f: never: it goes over one" wait_for 5 carries $((SIZE / 8))
	link_cut "$LINK"
	long_ends "IPv$f: never, cut"
	link_mend "$LINK"
	check "IPv$f: never, cut: it was joined" wait_for 2 joined $((before + 1))
	right "IPv$f: cuts"
done

# Hubs come and go: flows that move are reset, and what has joined goes on at the address of its hub.
for f in 4 6; do
	family $f
	check "IPv$f: dealt anew: all ways are up" wait_for 60 ways_are up
	before=$(hubs MPJoinAckRx)
	long echo 7001
	check "IPv$f: dealt anew: joined" wait_for 5 joined $((before + 1))
	deal 31
	read -rt 1 <> <(:) || :
	deal 30
	long_ends "IPv$f: dealt anew"
	deal 30 31
	right "IPv$f: dealt anew"
done

# A daemon that is killed does not know any more what was announced. What has a subflow there tells the next one.
for f in 4 6; do
	family $f
	check "IPv$f: all ways are up" wait_for 60 ways_are up
	before=$(hubs MPJoinAckRx)
	long echo 7001
	check "IPv$f: joined" wait_for 5 joined $((before + 1))
	kill -KILL "${DAEMON[gw]}"
	wait "${DAEMON[gw]}" 2>/dev/null
	check "IPv$f: the next daemon starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	before=$(hubs MPJoinAckRx)
	link_cut 1
	check "IPv$f: the link is gone" wait_for 5 link_is_down
	link_mend 1
	check "IPv$f: joined again by the next daemon" wait_for 10 joined $((before + 1))
	long_ends "IPv$f: killed"
	right "IPv$f: killed"
done

# Hubs of mode transparent as well: one set of addresses for both, at a port of its own, where IPv6 ones do not fit.
for hub in hub hub2; do
	daemon_stop $hub
	n=$([ $hub = hub ] && echo 30 || echo 31)
	echo "transparent: { join: [ \"fd60:$n::2\", 10.60.$n.2 ] }" >>"$TMP/$hub.yaml"
done
check "a hub has transparent, too" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "and the other" daemon_start hub2 "$HUB2" "$TMP/hub2.yaml"
for f in 4 6; do
	family $f
	check "IPv$f: transparent: all ways are up" wait_for 60 ways_are up
	check "IPv$f: transparent: many at once" hold $MANY
	check "IPv$f: transparent: either hub has some, each joined" wait_for 10 all_joined $MANY
	diag "IPv$f: transparent: $DEALT"
	let_go
	right "IPv$f: transparent"
done

sed -i 's/^subflows: .*/subflows: { path-manager: kernel }/' "$TMP/gw.yaml"
check "a reload gives management to the kernel" ctl gw reload
for f in 4 6; do
	family $f
	check "IPv$f: kernel: all ways are up" wait_for 60 ways_are up
	# What was opened ahead before is none of the kernel's.
	check "IPv$f: kernel: joins" wait_for 30 used_again 1 "$(sent 1)"
	both "IPv$f: kernel" 4
	with_cut "IPv$f: kernel: link 1 cut" 1
	right "IPv$f: kernel"
done
done_testing
