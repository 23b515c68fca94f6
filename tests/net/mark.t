#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A firewall that writes marks in PREROUTING takes steered packets away: that is noticed, said, and nothing is steered
# until it works again. Another mark can be configured.
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

firewall() {
	on "$GATEWAY" nft -f - <<-END
		table inet marks {
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
done_testing
