#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mixes of IPv4 and IPv6: clients and servers of one version over an access of the other alone; a hub that has no address of
# a server's version says so when it starts, and peers then go the normal way, or are told why not.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

GATEWAY_MORE='subflows: { join: at-once }' # what idles has two as well
# shellcheck disable=SC2034
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest }'
scenario
other() { echo $((10 - $1)); }

# access_only 4|6: the gateway has no address of the other version on its access links. What goes there needs a route
# even so, or the gateway itself would call it unreachable.
access_only() {
	local i
	for i in 0 1; do
		ip -n "$GATEWAY" -"$(other "$1")" addr flush dev wan$i scope global
		ip -n "$GATEWAY" -"$(other "$1")" route replace default dev wan0 metric 100
	done
}
access_both() {
	local i
	for i in 0 1; do
		addr "$GATEWAY" wan$i $((10 + 10 * i)) 2
		ip -n "$GATEWAY" route flush default
		ip -n "$GATEWAY" -6 route flush default
	done 2>/dev/null
	net_use 0
}
paths_of() { # how many path addresses of that version there are
	ctl gw --json paths list | jq "[.paths[] | select(.address$1)] | length"
}
no_paths_of() { [ "$(paths_of "$1")" -eq 0 ]; }
two_paths_of() { [ "$(paths_of "$1")" -eq 2 ]; }
subflows() { [ "$(ctl gw --json flows list | jq '[.flows[].subflows] | min')" -eq "$1" ]; }

for access in 6 4; do
	access_only $access
	f=$(other $access)
	family "$f"
	check "IPv$access-only access" wait_for 15 no_paths_of "$f"
	check "the hub is up over it" wait_for 30 peer_is up
	check "an IPv$f client reaches an IPv$f server over it" wait_for 30 greeted_by "$HUB_IP"
	before=$(counter gw reasons steered) held=$(counter gw reasons held)
	check "IPv$f over IPv$access: a download" load -n 5000000 -s 1 get "$SERVER_IP" 80
	check "IPv$f over IPv$access: both ways, 20 at a time" load -c 20 -n 100000 echo "$SERVER_IP" 7001
	is $(($(counter gw reasons steered) - before + $(counter gw reasons held) - held)) 21 "IPv$f over IPv$access: all were carried"
	is "$(load conn "$SERVER_IP" 7999)" refused "IPv$f over IPv$access: a closed port is closed"
	hold 2
	check "IPv$f over IPv$access: over both links" wait_for 10 subflows 2
	let_go
	family $access
	check "IPv$access over IPv$access: as ever" greeted_by "$HUB_IP"
	access_both
	check "access of both versions again" wait_for 15 two_paths_of "$f"
	check "the hub is up" wait_for 30 peer_is up
done

# --- a hub without an address of the server's version; peers reach it by the other
hub_without() { # 4|6
	ip -n "$HUB" -"$1" addr flush dev net0 scope global
	[ "$1" = 4 ] || sysctls "$HUB" net.ipv6.conf.net0.accept_ra=0
}
# turned_away BEFORE: a connection went the normal way, and the hub was asked.
turned_away() { greeted_by "$CLIENT_IP" && counted hub relay no-family "$1"; }
hub_with_both() {
	addr "$HUB" net0 30 2 2>/dev/null
	default_via "$HUB" 30 1
}
for f in 6 4; do
	family "$f"
	hub_without "$f"
	check "a hub without IPv$f says so" wait_for 20 grep -q "this machine has no IPv$f address: peers go another way to IPv$f servers" "$TMP/hub.log"
	check "so does doctor" finds hub no-family "IPv$f this hub has no address of it"
	check "it is up by its other address" wait_for 30 peer_is up
	before=$(counter hub relay no-family)
	check "IPv$f: clients reach their servers, the normal way" wait_for 30 greeted_by "$CLIENT_IP"
	check "IPv$f: since the hub says no, which it counts" wait_for 30 turned_away "$before"
	check "IPv$f: and says" grep -q "$SERVER_IP.*this machine has no IPv$f address" "$TMP/hub.log"
	check "IPv$f: so does the gateway" grep -q "$SERVER_IP.*the peer says: .*esource" "$TMP/gw.log"
	sed -i 's/connect: honest/&, if-down: reject/' "$TMP/gw.yaml"
	check "IPv$f: by a rule that says reject" ctl gw reload
	is "$(load conn "$SERVER_IP" 7001)" refused "IPv$f: they are reset"
	sed -i 's/, if-down: reject//' "$TMP/gw.yaml"
	ctl gw reload
	family "$(other "$f")"
	check "IPv$(other "$f"): as ever" greeted_by "$HUB_IP"
	daemon_stop hub
	: >"$TMP/hub.log"
	check "a start like that" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "says it, too" grep -q "this machine has no IPv$f address" "$TMP/hub.log"
	hub_with_both
	check "the address is back" wait_for 30 peer_is up
	family "$f"
	check "IPv$f: carried again" wait_for 20 greeted_by "$HUB_IP"
	: >"$TMP/hub.log"
done
done_testing
