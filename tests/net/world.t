#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What mpgate promises, in a network as the world has it: the kernel's defaults, NAT that forgets after 20 seconds, firewalls
# that drop what they were not told of, a hop of 1,280 bytes, two LANs, a net behind the hub.
# ALONE: both links must have their share.
# shellcheck disable=SC2086 # numbers and addresses have no spaces
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/world.sh
. "$(dirname "$0")/world.sh"

ROUNDS=10 # of 20 connections
SIZE=6000000

# What the server sees of a connection that goes the normal way, over link 0.
direct_ip() { if [ "$f" = 4 ]; then echo 10.60.110.1; else echo "$CLIENT6"; fi; }
sent() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.tx.bytes'; }
got() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.rx.bytes'; }
more() { [ "$("$1" "$2")" -gt "$3" ]; }
second_lan() { [ "$(on "$HOST" "$TOOLS/tcpload" greet "$SERVER_IP" 7003 2>&1 | head -n 1)" = "hello $HUB_IP" ]; }

# shares NAME sent|got COMMAND...: of the bytes of a transfer each link carries a tenth at least.
shares() {
	local name=$1 way=$2 a b
	a=$("$way" 0) b=$("$way" 1)
	check "$name" "${@:3}"
	check "$name: link 0 carries a part" more "$way" 0 $((a + SIZE / 10))
	check "$name: link 1 carries a part" more "$way" 1 $((b + SIZE / 10))
}

echoes() {
	local i
	for ((i = 0; i < ROUNDS; i++)); do
		load -c 20 -n 50000 echo "$SERVER_IP" 7001 || return
	done
}

# idle: a connection by way of the hub that says nothing for longer than NAT remembers, then goes on. One that went directly,
# as when no worker had its turn for a second, is forgotten rightly: then another one.
idle() {
	on "$CLIENT" bash -c "for i in {1..20}; do
			exec 8<>/dev/tcp/$SERVER_IP/7003; read -rt 20 -u 8 from || exit 3
			echo \"\$from\"; [ \"\$from\" != 'hello $HUB_IP' ] || break
		done
		[ \"\$from\" = 'hello $HUB_IP' ] || exit 4
		read -rt $((NAT_SECONDS + NAT_SECONDS / 2)) <> <(:); printf b >&8; read -rN 1 -t 20 -u 8 two && [ \$two = b ]"
}

# All ways to the hub work, and every connection has its paths again, which may take a join's SYN some tries.
to_hub() { on "$GATEWAY" ss -Hn "$1" state established "dport = 8803" | wc -l; }
all_up() {
	ctl gw --json peers list | jq -e '[.ways[] | select(.state != "up")] | length == 0' &&
		[ "$(to_hub -t)" -ge $((2 * $(to_hub -M))) ]
}
# That way was up before the cut, and may not be known to be down yet; a join that is lost is not tried again.
works() { on "$GATEWAY" "$TOOLS/tcpload" -f "10.60.$((10 + 10 * $1)).2" conn "$SERVER4" 7001; }
in_mid_download() { # LINK: it is cut, while both are used
	local pid a b status
	a=$(sent 0) b=$(sent 1)
	load -n $SIZE get "$SERVER_IP" 80 >"$TMP/get.out" 2>&1 &
	pid=$!
	wait_for 10 more sent 0 $((a + SIZE / 20)) && wait_for 10 more sent 1 $((b + SIZE / 20)) || return
	link_cut "$1"
	wait $pid
	status=$?
	link_mend "$1"
	wait_for 10 works "$1" && wait_for 40 all_up || return
	[ $status -eq 0 ] || cat "$TMP/get.out"
	return $status
}

# As rules are by default; what goes to 7001, 7002 and 7998 is early.
POLICY='    - { name: early, to-port: [ "7001-7002", "7998" ], action: proxy, via: hub, connect: early }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub }'
GATEWAY_MORE=
net_init
if ! { WITH_ROUTER=1 net_build && world && servers_start && pair_configs; }; then
	echo "Bail out! the network does not start"
	exit 1
fi
sed -i 's/^  - { name: lan0, role: lan }/&\n  - { name: lan1, role: lan }/' "$TMP/gw.yaml"
spawn own-gw "$GATEWAY" "$TOOLS/tcpserve" greet:8080
spawn own-hub "$HUB" "$TOOLS/tcpserve" greet:8080
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is found" wait_for 10 peer_is up
check "over both links" wait_for 20 all_up
shape 0 20
shape 1 30

idlers=()
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
	check "IPv$f: those of the second LAN, too" second_lan
	idle >"$TMP/idle$f" 2>&1 &
	idlers+=($!)
done
for f in 4 6; do
	family $f
	shares "IPv$f: a download" sent load -n $SIZE get "$SERVER_IP" 80
	shares "IPv$f: an upload" got load -n $SIZE sink "$SERVER_IP" 7002
	check "IPv$f: many echoes, 20 at a time" echoes
	is "$(load conn "$SERVER_IP" 7999)" refused "IPv$f: a closed port is refused"
	is "$(load conn "$SERVER_IP" 7998)" reset "IPv$f: early: the client is reset"
	for link in 1 0; do
		check "IPv$f: link $link is cut: the download ends well" in_mid_download $link
	done
done
for f in 4 6; do
	wait "${idlers[0]}"
	status=$?
	idlers=("${idlers[@]:1}")
	check "IPv$f: an idle connection outlives NAT's timers" [ $status -eq 0 ]
done

for f in 4 6; do
	family $f
	[ $f = 4 ] && wan=10.60.10.2 inner=10.60.30.2 || wan=fd60:10::2 inner=fd60:30::2
	check "IPv$f: the LAN reaches the gateway's WAN address" on "$CLIENT" "$TOOLS/tcpload" greet $wan 8080
	check "IPv$f: so does the other LAN" on "$HOST" "$TOOLS/tcpload" greet $wan 8080
	check "IPv$f: what is behind the hub reaches its address" on "$INNER" "$TOOLS/tcpload" greet $inner 8080
done

# The hub goes, and comes back.
for f in 4 6; do
	family $f
	check "IPv$f: the hub is up again" wait_for 60 peer_is up
	check "IPv$f: and used" wait_for 10 greeted_by "$HUB_IP"
	daemon_stop hub
	check "IPv$f: no hub: clients go the normal way" wait_for 10 greeted_by "$(direct_ip)"
	check "IPv$f: no hub: a download" load -n $SIZE get "$SERVER_IP" 80
	check "IPv$f: the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
done
check "it is found" wait_for 60 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub again" wait_for 10 greeted_by "$HUB_IP"
done
daemon_stop gw
for f in 4 6; do
	family $f
	check "IPv$f: no gateway daemon: clients go the normal way" wait_for 10 greeted_by "$(direct_ip)"
done
done_testing
