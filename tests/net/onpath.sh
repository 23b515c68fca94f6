# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# A hub that routing puts on the path, and transparent mode there. Source after lib.sh; needs WITH_ROUTER.

OURS='allow-source: [ 10.60.1.0/24, "fd60:1::/64" ]'

# way_configs: what pair_configs wrote gets a peer "way" of transparent mode, by a key of its own, which the hub knows as
# "gw-way".
way_configs() {
	rm -f "$TMP/way.key"
	"$CTL" key new "$TMP/way.key" >/dev/null || return 1
	sed -i 's/^peers:/&\n  - { name: way, mode: transparent, key-file: way.key }/' "$TMP/gw.yaml"
	sed -i "s|^peers:|transparent: { join: [ 10.60.30.2, \"fd60:30::2\" ] }\n&\n  - { name: gw-way, key-file: way.key, $OURS }|" \
		"$TMP/hub.yaml"
}

# way_preserves: the hub keeps the sources of both its peers' hosts.
way_preserves() {
	sed -i -e 's/source: share/source: preserve/' -e "s|^  - { name: gw,.*|  - { name: gw, key-file: pair.key, $OURS }|" \
		"$TMP/hub.yaml"
}

# on_path add|del: the router leads what comes from the access links or from the server by the hub, which gives it back;
# and its own errors about what the hub sent.
on_path() {
	local dev f
	for f in -4 -6; do
		for dev in acc0 acc1 srv0; do
			ip -n "$ROUTER" $f rule "$1" iif $dev table 60 priority 100
		done
	done
	ip -n "$ROUTER" rule "$1" iif lo to 10.60.1.0/24 table 60 priority 100
	ip -n "$ROUTER" -6 rule "$1" iif lo to fd60:1::/64 table 60 priority 100
}

# on_path_make: what on_path leads to.
on_path_make() {
	ip -n "$ROUTER" route add default via 10.60.30.2 table 60
	ip -n "$ROUTER" -6 route add default via fd60:30::2 table 60
	sysctls "$HUB" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# a_minute_later gw|hub: doubts of a daemon whether servers break on MPTCP are a minute older, as two outages would be.
a_minute_later() {
	local map=/sys/fs/bpf/mpgate/$MPG_PREFIX$1/v1/learned bytes
	bpftool -j map dump pinned "$map" | jq -r '
		def number: reduce (.[:8] | reverse[]) as $b (0; . * 256 + ($b | ltrimstr("0x") | explode
			| reduce .[] as $d (0; . * 16 + (if $d > 96 then $d - 87 else $d - 48 end))));
		def bytes: . as $n | [range(8)] | reduce .[] as $i ([[], $n]; [.[0] + [.[1] % 256], (.[1] / 256 | floor)]) | .[0];
		.[] | "\(.key | join(" ")) \(((.value | number) - 60000000000 | bytes | map(tostring)) + .value[8:] | join(" "))"' |
		while read -ra bytes; do
			bpftool map update pinned "$map" key "${bytes[@]:0:20}" value "${bytes[@]:20}"
		done
}
