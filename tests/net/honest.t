#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# connect: honest: what a client sees of a server, or of what is in its place, is what it would see without mpgate.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/faces.sh
. "$(dirname "$0")/faces.sh"

# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest }'
# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1
stage
spawn order "$SERVER" "$TOOLS/tcpserve" order:7006
faces_make

for f in 4 6; do
	family $f
	seen_by "$CLIENT" >"$TMP/plain.$f"
done
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is found" wait_for 10 peer_is up

for f in 4 6; do
	family $f
	held=$(counter gw reasons held)
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
	check "IPv$f: their SYNs were held" counted gw reasons held "$held"
	check "IPv$f: a download" load -n 3000000 get "$SERVER_IP" 80
	check "IPv$f: many echoes" load -c 50 -n 50000 echo "$SERVER_IP" 7001
	released=$(counter gw relay released)
	seen_by "$CLIENT" >"$TMP/honest.$f"
	check "IPv$f: clients see what they see without" diff "$TMP/plain.$f" "$TMP/honest.$f"
	is "$(counter gw relay released)" "$released" "IPv$f: by the word of the hub"
	load -c 8 -n 25 order "$SERVER_IP" 7006 >"$TMP/order"
	is "$(sort "$TMP/order" | uniq -c | xargs)" "8 swapped 0" "IPv$f: connections reach the server in the order of their clients"
done

# quiet: a client that asks for a port that says nothing, in $QUIET.
quiet() {
	(exec nsenter --net="/run/netns/$CLIENT" -- timeout 20 "$TOOLS/tcpload" conn "$SERVER_IP" 7990) >"$TMP/quiet" 2>&1 &
	QUIET=$!
}
opens() { on "$SERVER" nft delete table inet wall; }
for f in 4 6; do
	family $f
	held=$(counter gw relay held) again=$(counter gw reasons held-again)
	quiet
	check "IPv$f: a silent server: the SYN comes again" wait_for 10 counted gw reasons held-again $((again + 1))
	is $(($(counter gw relay held) - held)) 1 "IPv$f: and is dialed for once"
	kill $QUIET
	wait $QUIET 2>/dev/null
done

# What a worker knew is lost with it, and not the client.
family 4
again=$(counter gw reasons held-again) held=$(counter gw reasons held)
quiet
check "a worker that holds a SYN is killed" wait_for 10 counted gw reasons held-again "$again"
for pid in $(ctl gw --json status | jq -r '.workers[].pid'); do kill -9 "$pid"; done
check "its SYN is held anew when it is said again" wait_for 10 counted gw reasons held $((held + 1))
opens
check "and its server accepts" wait_for 10 grep -q refused "$TMP/quiet"
wait $QUIET

for f in 4 6; do
	family $f
	kill -9 "${DAEMON[hub]}" && wait_for 5 gone "${DAEMON[hub]}"
	on "$HUB" nft -f - <<-'END'
		table inet mute { chain in { type filter hook input priority filter; policy drop; }; }
	END
	released=$(counter gw relay released)
	check "IPv$f: the hub dies: the SYN goes on" wait_for 20 greeted_by "$CLIENT_IP"
	check "IPv$f: by the same client, from its own address" counted gw relay released "$released"
	on "$HUB" nft delete table inet mute
	check "IPv$f: the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "IPv$f: it is found" wait_for 60 peer_is up
	check "IPv$f: and used" wait_for 10 greeted_by "$HUB_IP"
done

# A daemon that is killed as a whole leaves its programs and maps: clients go on all the same.
kill_all() {
	# shellcheck disable=SC2046 # one word a process
	kill -9 "${DAEMON[gw]}" $(ctl gw --json status | jq -r '.workers[].pid')
	wait_for 5 gone "${DAEMON[gw]}"
}
for f in 4 6; do
	family $f
	check "IPv$f: the gateway is killed" kill_all
	check "IPv$f: clients take the normal route at once" greeted_by "$CLIENT_IP"
	check "IPv$f: it starts again" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	check "IPv$f: and is used" wait_for 20 greeted_by "$HUB_IP"
done

daemon_stop gw
is "$(ip -n "$GATEWAY" -o link show type tun | wc -l)" 0 "after the end no device is left"
done_testing
