#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A firewall that writes marks in PREROUTING takes steered packets away: that is noticed, said, and nothing is steered
# until it works again; at a start without a client. Another mark can be configured.
# LONG: it waits for the watchdog.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# Its own bits are the lower ones; the firewall below leaves those of others alone.
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='mark: { value: 0x4200, mask: 0xff00 }'
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: must, to-port: [ "7002" ], action: proxy, via: hub, connect: early, if-down: reject }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
scenario

for f in 4 6; do
	family $f
	check "IPv$f: with another mark it is steered" greeted_by "$HUB_IP"
	is "$(ip -n "$GATEWAY" "-$f" rule show priority 7000 | grep -c 'fwmark 0x4200/0xff00')" 3 "IPv$f: rules on that mark"
done
sed 's/value: 0x4200/value: 0x4300/' "$TMP/gw.yaml" >"$TMP/other.yaml"
cp "$TMP/gw.yaml" "$TMP/gw.before"
cp "$TMP/other.yaml" "$TMP/gw.yaml"
like "$(ctl gw reload 2>&1)" "mark cannot change" "a reload does not change it"
cp "$TMP/gw.before" "$TMP/gw.yaml"

# firewall [4|6]: of that family alone.
firewall() {
	local table=inet
	[ -z "${1:-}" ] || table=$([ "$1" = 4 ] && echo ip || echo ip6)
	on "$GATEWAY" nft -f - <<-END
		table $table marks {
			chain pre {
				type filter hook prerouting priority mangle; policy accept;
				meta mark set meta mark & 0x0000000f | 0x1
			}
		}
	END
}
explained() { ctl gw --json policy explain "$CLIENT_IP" "${URL#http://}:7003" | jq -r .reason; }
is_explained() { [ "$(explained)" = "$1" ]; }
delivery() { ctl gw --json status | jq '.features[] | select(.name == "delivery") | .works'; }
is "$(delivery)" true "status: delivery works"

# In each family: the first client is served in spite of it, unbonded, and the next at once.
for f in 4 6; do
	family $f
	firewall
	check "IPv$f: the firewall takes marks away: a client gets to its server" greeted_by "$CLIENT_IP"
	is "$(explained)" undelivered "IPv$f: explain says it"
	is "$(delivery)" false "IPv$f: status says it"
	check "IPv$f: the next connections are unbonded at once" timeout 2 nsenter --net="/run/netns/$CLIENT" \
		"$TOOLS/tcpload" greet "$SERVER_IP" 7003
	is "$(load conn "$SERVER_IP" 7002)" refused "IPv$f: where the rule says reject: refused"
	on "$GATEWAY" nft delete table inet marks
	check "IPv$f: it is tried again" wait_for 60 is_explained steered
	check "IPv$f: and works" greeted_by "$HUB_IP"
done
is "$(grep -c 'steered SYNs came again' "$TMP/gw.log")" 2 "the log says it once each time"
check "and that it works again" wait_for 10 grep -q 'reach the workers again' "$TMP/gw.log"

# A start behind such a firewall: no client has to find out. Nothing of the test is seen on a wire.
NOBODY='host 192.0.2.254 or host 2001:db8:ffff:ffff::fffe'
restart() {
	daemon_stop gw
	daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
}
said() { grep -q "$1" "$TMP/gw.log"; }
capture lan "$CLIENT" eth0
capture wan "$ROUTER" any
check "a start without a firewall" restart
is "$(delivery)" true "status: delivery works"
check "the peer is up" wait_for 10 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f: clients are steered" greeted_by "$HUB_IP"
	firewall $f
	check "IPv$f: a start behind the firewall" restart
	is "$(delivery)" false "IPv$f: status says what it does before a client comes"
	check "IPv$f: and so the log" said 'a test packet that was steered did not reach its socket'
	check "IPv$f: the first client is served at once" timeout 2 nsenter --net="/run/netns/$CLIENT" \
		"$TOOLS/tcpload" greet "$SERVER_IP" 7003
	is "$(counter gw reasons steered)" 0 "IPv$f: and was never steered"
	on "$GATEWAY" nft delete table "$([ $f = 4 ] && echo ip || echo ip6)" marks
	check "IPv$f: a start without it" restart
	check "IPv$f: the peer is up" wait_for 10 peer_is up
	check "IPv$f: is as before" greeted_by "$HUB_IP"
done

# One that drops nothing but the test's packets costs the first half minute.
on "$GATEWAY" nft 'add table inet bogons; add chain inet bogons pre { type filter hook prerouting priority raw; };
	add rule inet bogons pre ip daddr 192.0.2.0/24 drop; add rule inet bogons pre ip6 daddr 2001:db8::/32 drop'
check "a start behind a firewall that drops the test alone" restart
is "$(delivery)" false "which is taken for one that harms"
check "until clients try" wait_for 60 is_explained steered
for f in 4 6; do
	family $f
	check "IPv$f: and are served bonded" greeted_by "$HUB_IP"
done
check "which is said" wait_for 10 said 'reach the workers again'
is "$(delivery)" true "and stays so"
capture_end lan
capture_end wan
is "$(packets lan "$NOBODY")" 0 "no test was seen in the LAN"
is "$(packets wan "$NOBODY")" 0 "nor behind the paths"
done_testing
