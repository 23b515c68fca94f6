# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A second hub in the network of lib.sh. Sourced behind it.
# shellcheck disable=SC2034 # read by who sources this

HUB2=${MPG_PREFIX}hub2 HUB2_4=10.60.50.2 HUB2_6=fd60:50::2
ALL_NS+=("$HUB2")

# second_hub: on a link of its own, with a key of its own.
second_hub() {
	ns_add "$HUB2"
	link_veth "$HUB2" net0 "$ROUTER" hub1
	addr "$HUB2" net0 50 2
	addr "$ROUTER" hub1 50 1
	default_via "$HUB2" 50 1
	"$CTL" key new "$TMP/hub2.key"
	sed "s/^instance: .*/instance: ${MPG_PREFIX}hub2/; s/pair.key/hub2.key/" "$TMP/hub.yaml" >"$TMP/hub2.yaml"
	sed -i "s/^peers:/&\n  - { name: hub2, address: [ $HUB2_4, \"$HUB2_6\" ], key-file: hub2.key, ready: 0 }/" "$TMP/gw.yaml"
}
# dead HUB_LINK: nothing passes between the router and that hub any more. alive: it does.
dead() {
	on "$ROUTER" nft -f - <<-END
		table inet dead {
			chain in { type filter hook prerouting priority -300; iifname "$1" drop; }
			chain out { type filter hook postrouting priority 300; oifname "$1" drop; }
		}
	END
}
alive() { on "$ROUTER" nft delete table inet dead; }
