#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A firewall drops or refuses the hub's own port on one path or on both: connections go to its other port, bonded, and back
# when it is open again. A forged request is no more welcome there.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='subflows: { join: at-once }'
stage
sed -i 's/^    port: 8803/&\n    ports: [ 443 ]/' "$TMP/gw.yaml"
sed -i 's/^  port: 8803/&\n  ports: [ 443 ]/' "$TMP/hub.yaml"
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"

# closed 0|1 drop|reject [PORT]: what goes to the own port, or that one, over that access link. opened 0|1.
closed() {
	on "$ROUTER" nft -f - <<-END
		table inet closed$1 {
			chain in { type filter hook prerouting priority -300; iifname "acc$1" tcp dport ${3:-8803} $2; }
		}
	END
}
opened() { on "$ROUTER" nft delete table inet "closed$1"; }
works() { load -n 1000 echo "$SERVER_IP" 7001; }
# way PATH PORT FIELD: of the way to the hub's address of this family.
way() {
	ctl gw --json peers list | jq -r --arg a "$HUB_IP" --arg p "$1" --argjson n "$2" \
		".ways[] | select(.address == \$a and .path == \$p and .port == \$n) | .$3"
}
way_is() { works && [ "$(way "$@")" = "$WANT" ]; } # probes are more frequent in use
is_state() { WANT=$3 way_is "$1" "$2" state; }
first_is() { works && [ "$(ctl gw --json peers list | jq -r '.ways[] | select(.first) | "\(.path) \(.port)"')" = "$1" ]; }
# Established ones to that port from that address of the gateway.
used() { [ -n "$(on "$GATEWAY" ss -Htn state established "src $2 and dport = $1")" ]; }
bonded_by() {
	if [ "$f" = 4 ]; then
		used "$1" 10.60.10.2 && used "$1" 10.60.20.2
	else
		used "$1" "[fd60:10::2]" && used "$1" "[fd60:20::2]"
	fi
}
# connects PORT NAME: a new connection is carried over both paths, to that port, by its first packet.
connects() {
	local direct syn
	direct=$(counter gw relay direct)
	syn=$(counter gw relay syn-data)
	check "IPv$f: $2: connections reach the server by the hub" greeted_by "$HUB_IP"
	hold 3
	check "IPv$f: $2: over both paths, to port $1" wait_for 8 bonded_by "$1"
	let_go
	is "$(counter gw relay direct)" "$direct" "IPv$f: $2: none directly"
	# Before Linux 6.2 MPTCP has no data in SYNs.
	if ctl gw --json status | jq -e '[.features[] | select(.name | startswith("mptcp-tfo")) | .works] | all' >/dev/null; then
		check "IPv$f: $2: requests are in SYNs" counted gw relay syn-data "$syn"
	fi
}

for f in 4 6; do
	family $f
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	check "IPv$f: all ways are found" wait_for 20 ways_are up
	check "IPv$f: nothing is closed: the own port is taken" wait_for 10 first_is "a 8803"
	connects 8803 "nothing is closed"

	check "IPv$f: the own port is closed on the first path" closed 0 drop
	check "IPv$f: that is found" wait_for 15 is_state a 8803 down
	is "$(way b 8803 state) $(way a 443 state) $(way b 443 state)" "up up up" "IPv$f: of that way alone"
	check "IPv$f: the other port is taken, which both have" wait_for 10 first_is "a 443"
	connects 443 "closed on one"

	check "IPv$f: it is refused on the second" closed 1 "reject with tcp reset"
	check "IPv$f: that is found, too" wait_for 15 is_state b 8803 down
	check "IPv$f: the peer is up" peer_is up
	connects 443 "closed on both"

	opened 0
	opened 1
	check "IPv$f: open again: the own port is taken" wait_for 15 first_is "a 8803"
	connects 8803 "open again"

	check "IPv$f: the own port is closed on the better path" closed 0 "reject with tcp reset"
	check "IPv$f: and the other one on the other" closed 1 "reject with tcp reset" 443
	check "IPv$f: the better path decides" wait_for 15 eval 'is_state b 443 down && first_is "a 443"'
	opened 0
	opened 1
	check "IPv$f: open again" wait_for 20 first_is "a 8803"

	for port in 8803 443; do
		was=$(counter hub reasons guard-forged)
		check "IPv$f: a forged request to port $port is sent" on "$GATEWAY" "$TOOLS/synforge" -k "$TMP/pair.key" \
			-e synforge forged "$GATEWAY_IP" "$HUB_IP" $port "$SERVER_IP" 7001
		check "IPv$f: and guard drops it" wait_for 5 counted hub reasons guard-forged "$was"
	done
done
is "$(ctl hub --json status | jq -c .convert.ports)" "[443]" "the hub says where it listens"
sed -i 's/ports: \[ 443 \]/ports: [ 444 ]/' "$TMP/hub.yaml"
check "its ports stay while it runs" grep -q "convert.ports cannot change" <(ctl hub reload 2>&1)
done_testing
