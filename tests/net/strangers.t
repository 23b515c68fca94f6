#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SYNs without data are counted against a rate for each source, joins among them. A source that proves a key only after
# the handshake, where no SYN data gets through, is no stranger either.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

HUB_ACCEPT='  accept: keyed
  unchecked-syn-rate: 1'
scenario

# An address that the gateway's daemon knows nothing of.
OWN4=10.60.77.1 OWN6=fd60:77::1
ip -n "$GATEWAY" addr add "$OWN4/32" dev lo
ip -n "$GATEWAY" addr add "$OWN6/128" dev lo nodad
ip -n "$ROUTER" route add "$OWN4/32" via 10.60.10.2
ip -n "$ROUTER" -6 route add "$OWN6/128" via fd60:10::2

# Connections that say nothing in their SYNs, and nothing of Convert after them: the hub resets them.
connects() {
	local i
	for i in 1 2 3 4 5 6; do
		on "$GATEWAY" curl -gs -m 10 -o /dev/null --interface "$OWN" "http://$HUB_URL:8803/"
	done
}
# dropped: some of them are, for the rate.
dropped() {
	local before
	before=$(counter hub reasons guard-rate)
	connects
	[ "$(counter hub reasons guard-rate)" -gt "$before" ]
}
all_pass() { ! dropped; }
# prove KIND: a request after the handshake.
prove() {
	on "$GATEWAY" "$TOOLS/synforge" -l -k "$TMP/pair.key" -e synforge "$1" "$OWN" "$HUB_IP" 8803 "$SERVER_IP" 7001 |
		paste -sd' '
}

for f in 4 6; do
	family $f
	if [ $f = 4 ]; then OWN=$OWN4 HUB_URL=$HUB_IP; else OWN=$OWN6 HUB_URL=[$HUB_IP]; fi
	check "IPv$f: a stranger has a rate" dropped
	is "$(prove forged)" "error 32" "IPv$f: a forged cookie after the handshake is refused"
	check "IPv$f: and proves nothing" dropped
	is "$(prove valid)" ok "IPv$f: a valid one is taken"
	check "IPv$f: from then on nothing of it is dropped" wait_for 5 all_pass
	passed=$(counter hub reasons guard-unchecked)
	check "IPv$f: nor later" all_pass
	is "$(($(counter hub reasons guard-unchecked) - passed >= 6))" 1 "IPv$f: for they all passed guard"
done
done_testing
