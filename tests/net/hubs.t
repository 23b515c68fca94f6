#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two hubs in a group: clients are shared out by weight and stick to their hub; one that dies without a word, ends or is
# drained gets no new connections, and gets its clients back; what it carries goes on. Without any, all goes direct.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/hubs.sh
. "$(dirname "$0")/hubs.sh"

CLIENTS=24 # addresses on the LAN, in each family, from .100 on
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hubs, connect: honest }'
# shellcheck disable=SC2034
GATEWAY_MORE='groups:
  - { name: hubs, peers: [ hub, hub2 ], choose: client, weights: [ 3, 1 ] }'

clients() {
	local i
	for ((i = 100; i < 100 + CLIENTS; i++)); do
		ip -n "$CLIENT" addr add "10.60.1.$i/24" dev eth0
		ip -n "$CLIENT" addr add "fd60:1::$i/64" dev eth0 nodad
	done
}
# lan N: its address. hub_of N: which hub a connection of that client comes from: 1, 2, or 0: none.
lan() { if [ "$FAMILY" = 4 ]; then echo "10.60.1.$1"; else echo "fd60:1::$1"; fi; }
hub_of() {
	case $(timeout 8 nsenter --net="/run/netns/$CLIENT" "$TOOLS/tcpload" -f "$(lan "$1")" greet "$SERVER_IP" 7003 2>&1 | head -n 1) in
	"hello $HUB4" | "hello $HUB6") echo 1 ;;
	"hello $HUB2_4" | "hello $HUB2_6") echo 2 ;;
	"hello $(lan "$1")" | "hello $GATEWAY_IP") echo 0 ;;
	*) echo failed ;;
	esac
}
# shares: the hub of each client, in their order.
shares() {
	local i
	for ((i = 100; i < 100 + CLIENTS; i++)); do hub_of "$i"; done | paste -sd' '
}
all_by() { [ "$(shares)" = "$(yes "$1" | head -n "$CLIENTS" | paste -sd' ')" ]; }
as_before() { [ "$(shares)" = "$before" ]; }
peer_says() { ctl gw --json peers list | jq -r --arg p "$1" ".peers[] | select(.name == \$p) | .$2"; }
both_up() { [ "$(peer_says hub state) $(peer_says hub2 state)" = "up up" ]; }
paths_are_up() { ctl gw --json paths list | jq -e 'all(.paths[]; .health4 == "up" and .health6 == "up")' >/dev/null; }
# counted COUNTER COMMAND...: what the command says, and by how much the counter grew meanwhile.
counted() {
	local was said
	was=$(counter gw relay "$1")
	said=$("${@:2}")
	echo "$said $(($(counter gw relay "$1") - was))"
}
# client_of HUB: the first client of that hub.
client_of() {
	local i=100 hub
	for hub in $before; do
		[ "$hub" != "$1" ] || break
		i=$((i + 1))
	done
	echo $i
}
explained() { ctl gw --json policy explain "$(lan "$1")" "$TARGET" | jq -r .peer; }
# carried_begin: the first hub carries a download for a while. carried_end: it has all of it.
carried_begin() {
	load -f "$(lan "$ONE")" -n 20000000 slow "$SERVER_IP" 80 >"$TMP/slow.out" 2>&1 &
	SLOW=$!
	wait_for 5 carries
}
carries() { [ "$(peer_says hub connections)" -gt 0 ]; }
carried_end() { wait "$SLOW" || { cat "$TMP/slow.out" && return 1; }; }
drained() { [ "$(peer_says hub last_error) $(peer_says hub2 last_error)" = "$TOLD $TOLD" ]; }
TOLD='it says: resource exceeded'

# goes EVENT BACK...: the first hub is no more to be used, from now on; the command gives it back. What comes within a
# second may be sent there first.
goes() {
	local what="IPv$FAMILY, $CONNECT: $1"
	is "$(counted direct hub_of "$ONE")" "2 0" "$what: who comes just then is taken to the second"
	read -rt 1 <> <(:) || :
	is "$(counted moved shares)" "$(yes 2 | head -n "$CLIENTS" | paste -sd' ') 0" "$what: all after a second go there at once"
	check "$what: the paths are as good as before" paths_are_up
	"${@:2}"
	check "$what: its clients come back to it" wait_for 30 as_before
}

stage
second_hub
clients
check "the first hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the second hub starts" daemon_start hub2 "$HUB2" "$TMP/hub2.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "both hubs are up" wait_for 10 both_up

for FAMILY in 4 6; do
	family $FAMILY
	CONNECT=honest
	connect_as $CONNECT >/dev/null
	before=$(shares)
	diag "IPv$FAMILY: $before"
	one=$(tr -cd 1 <<<"$before" | wc -c) two=$(tr -cd 2 <<<"$before" | wc -c)
	is $((one + two)) $CLIENTS "IPv$FAMILY: each client has a hub"
	check "IPv$FAMILY: the heavier one has more clients, the other some" test "$one" -gt "$two" -a "$two" -gt 0
	check "IPv$FAMILY: clients stick to theirs" as_before
	ONE=$(client_of 1)
	TARGET=$([ $FAMILY = 4 ] && echo "$SERVER_IP:80" || echo "[$SERVER_IP]:80")
	is "$(explained "$ONE") $(explained "$(client_of 2)")" "hub hub2" "IPv$FAMILY: explain names it"

	for CONNECT in honest early; do
		connect_as $CONNECT >/dev/null
		check "IPv$FAMILY, $CONNECT: the first hub carries a download" carried_begin
		ctl hub drain start >/dev/null
		goes "drained" ctl hub drain stop
		dead hub0
		goes "dead" alive
		check "IPv$FAMILY, $CONNECT: the download goes on to its end" carried_end
	done
	daemon_stop hub
	goes "ended" daemon_start hub "$HUB" "$TMP/hub.yaml"
	ctl hub drain start >/dev/null
	ctl hub2 drain start >/dev/null
	is "$(hub_of "$ONE")" 0 "IPv$FAMILY: both drained: who comes just then goes direct"
	check "IPv$FAMILY: the reason can be read" wait_for 5 drained
	is "$(counted direct hub_of "$ONE")" "0 0" "IPv$FAMILY: later ones are not taken at all"
	ctl hub drain stop >/dev/null
	ctl hub2 drain stop >/dev/null
	check "IPv$FAMILY: both back" wait_for 90 as_before
done

# In the order of the file.
sed -i 's/, choose: client, weights: \[ 3, 1 \]//' "$TMP/gw.yaml"
ctl gw reload >/dev/null
family 4
FAMILY=4 CONNECT=order
check "in order: all clients have the first" all_by 1
before=$(shares)
dead hub0
# Until it is down.
wait_for 15 finds gw peer-silent "others of its group take its place" &
SILENT=$!
goes "dead" alive
check "in order, dead: doctor said so" wait $SILENT
is "$(ctl gw drain start 2>&1 | grep -c 'no hub')" 1 "a gateway cannot be drained"
done_testing
