#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Middleboxes on one path or on both: MPTCP options are taken away, data in SYNs is taken away or makes them vanish, bytes
# are changed. Connections work, what is found is shown by path, other paths are preferred, and what goes away is found out.
# Lost packets alone are no middlebox.
# LONG: it waits for what is tried again.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/box.sh
. "$(dirname "$0")/box.sh"

# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='subflows: { join: at-once }'
scenario
for ns in "$GATEWAY" "$HUB"; do sysctls "$ns" net.mptcp.checksum_enabled=1; done

shaped_no_more() {
	local i
	for i in 0 1; do
		tc -n "$GATEWAY" qdisc del dev wan$i root
		tc -n "$ROUTER" qdisc del dev acc$i root
	done
}

# way PATH FIELD: of the way to the hub's address of this family.
way() {
	ctl gw --json peers list | jq -r --arg a "$HUB_IP" --arg p "$1" ".ways[] | select(.address == \$a and .path == \$p) | .$2"
}
way_is() { works && [ "$(way "$1" "$2")" = "$3" ]; } # probes are more frequent in use
both_are() { way_is a "$1" "$2" && [ "$(way b "$1")" = "$2" ]; }
works() { load -n 1000 echo "$SERVER_IP" 7001; }
download() { load -n 3000000 get "$SERVER_IP" 80; }
first_is() { [ "$(way "$1" first)" = true ]; }
not() { ! "$@"; }
# why_not PATH TEXT: that is in what paths list says of it; empty: nothing is.
why_not() {
	ctl gw --json paths list | jq -e --arg p "$1" --arg w "$2" \
		'.paths[] | select(.name == $p) | (.why // "") | if $w == "" then . == "" else contains($w) end' >/dev/null
}
said() { grep -c "$1" "$TMP/gw.log"; }

for f in 4 6; do
	family $f
	if [ $f = 6 ]; then
		sed -i "s/^    address: .*/    address: [ \"$HUB6\" ]/" "$TMP/gw.yaml"
		ctl gw reload >/dev/null
	fi
	check "IPv$f: nothing is wrong" wait_for 20 both_are syn_data yes
	is "$(way a transport) $(way b transport)" "mptcp mptcp" "IPv$f: and both paths have MPTCP"
	check "IPv$f: the first path is taken" first_is a

	check "IPv$f: options go on the first path" box acc0 strip_mptcp
	check "IPv$f: downloads work" download
	check "IPv$f: that is found" wait_for 20 way_is a transport tcp
	is "$(way b transport)" mptcp "IPv$f: of that path alone"
	check "IPv$f: paths list says so" why_not a "peers answer in plain TCP over it"
	check "IPv$f: and nothing of the other" why_not b ""
	check "IPv$f: doctor says what may help" finds gw path-plain "another port may come through"
	check "IPv$f: the other is taken" first_is b
	was=$(counter gw relay fallback-tcp)
	check "IPv$f: downloads work over it" download
	is "$(counter gw relay fallback-tcp)" "$was" "IPv$f: over MPTCP"
	check "IPv$f: options go on both" box acc1 strip_mptcp
	check "IPv$f: that is found as well" wait_for 20 both_are transport tcp
	check "IPv$f: doctor says what that means" finds gw peer-plain "takes MPTCP options away"
	check "IPv$f: and blames no path alone" not finds gw path-plain
	check "IPv$f: downloads work unbonded" download
	box_gone acc0
	box_gone acc1
	check "IPv$f: it is found that they are back" wait_for 40 both_are transport mptcp
	check "IPv$f: and doctor no more" wait_for 10 not finds gw peer-plain
	check "IPv$f: and the first path is taken" first_is a

	for kind in strip_syn_data drop_syn_data; do
		check "IPv$f: $kind on the first path" box acc0 $kind
		check "IPv$f: $kind: downloads work" download
		check "IPv$f: $kind: that is found" wait_for 30 way_is a syn_data no
		is "$(way b syn_data)" yes "IPv$f: $kind: of that path alone"
		is "$(way a transport)" mptcp "IPv$f: $kind: it has MPTCP"
		was=$(counter gw relay syn-data-lost)
		check "IPv$f: $kind: downloads work without" download
		is "$(counter gw relay syn-data-lost)" "$was" "IPv$f: $kind: and without the loss of a SYN"
		box_gone acc0
		check "IPv$f: $kind: it is tried again" wait_for 60 way_is a syn_data yes
	done

	shape 0 40
	shape 1 40
	load -n 20000000 get "$SERVER_IP" 80 >"$TMP/get.out" 2>&1 &
	getting=$!
	read -rt 0.7 <> <(:) || :
	check "IPv$f: bytes are changed on the first path" box acc0 alter
	check "IPv$f: a download over both has the right ones" wait $getting
	box_gone acc0
	shaped_no_more
done
is "$(said "plain TCP only")" 6 "each way is named once by the log: four, then the two of IPv6"
daemon_stop gw
blamed=$(said 'plain TCP only')

# Packets get lost and nothing else is wrong. The gateway has to find its neighbours, too.
for i in 0 1; do
	ip -n "$ROUTER" link del acc$i
	link_em "$GATEWAY" wan$i "$ROUTER" acc$i "delay=$((10 + 5 * i)) loss=5"
	addr "$GATEWAY" wan$i $((10 + 10 * i)) 2
	addr "$ROUTER" acc$i $((10 + 10 * i)) 1
done
net_use 0
sed -i "s/^    address: .*/    address: [ $HUB4, \"$HUB6\" ]/" "$TMP/gw.yaml"
check "with loss: the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "with loss: the hub is up" wait_for 20 peer_is up
for i in {1..60}; do
	family $((i % 2 ? 4 : 6))
	works || break
	read -rt 0.2 <> <(:) || :
done
is "$i" 60 "with loss: connections work"
is "$(said 'plain TCP only')" "$blamed" "with loss: no path is blamed"
is "$(ctl gw --json peers list | jq '[.ways[] | select(.transport == "tcp")] | length')" 0 "with loss: all have MPTCP"
done_testing
