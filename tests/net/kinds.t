#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Kinds of links: a port of a bridge is refused with a reason and its bridge is served; a macvlan is served, and what to know
# of it is said.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

BYTES=1000000
note() { ctl gw --json status | jq -r --arg l "$1" '.links[] | select(.name == $l) | .note // "none"'; }
steer_on() { ctl gw --json status | jq -r --arg l "$1" '.links[] | select(.name == $l) | .steer'; }
steers_on() { [ "$(steer_on "$1")" != none ]; }
not_on() { [ "$(steer_on "$1")" = none ]; }

scenario
is "$(note lan0)" none "an ordinary link: nothing to be said"

# The link becomes a port while the daemon runs.
ip -n "$GATEWAY" link add br0 type bridge
ip -n "$GATEWAY" addr flush dev lan0
ip -n "$GATEWAY" link set lan0 master br0
addr "$GATEWAY" br0 1 1
check "a port of a bridge is let go" wait_for 10 not_on lan0
like "$(note lan0)" "name br0 instead" "status says why, and what to do"
like "$(cat "$TMP/gw.log")" "link lan0 is not served: .*name br0 instead" "the log, too"
check "doctor says what to do" finds gw link-unfit "link lan0 not served"
like "$(ctl gw policy explain "$CLIENT4" "$SERVER4:80" --link lan0 2>&1)" "name br0 instead" "and explain"
for f in 4 6; do
	family $f
	check "IPv$f: its hosts are unbonded" wait_for 10 greeted_by "$CLIENT_IP"
done
daemon_stop gw
check "a start with it" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "is the same" not_on lan0

sed -i 's/lan0/br0/' "$TMP/gw.yaml"
check "the bridge is named" ctl gw reload
check "it is served" steers_on br0
is "$(note br0)" none "nothing to be said of it"
check "the peer is up" wait_for 10 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f, bridge: steered" greeted_by "$HUB_IP"
	check "IPv$f, bridge: a download" load -n $BYTES get "$SERVER_IP" 80
done

# It is no port any more.
ip -n "$GATEWAY" link del br0
addr "$GATEWAY" lan0 1 1
sed -i 's/br0/lan0/' "$TMP/gw.yaml"
check "the link on its own again" ctl gw reload
check "it is served again" wait_for 10 steers_on lan0
family 4
check "and steers" wait_for 10 greeted_by "$HUB_IP"

if ip -n "$GATEWAY" link add mv0 link lan0 type macvlan mode bridge 2>/dev/null; then
	ip -n "$GATEWAY" link set mv0 up
	sed -i 's/lan0/mv0/' "$TMP/gw.yaml"
	check "a macvlan over a link that is up" ctl gw reload
	check "it is served" wait_for 10 steers_on mv0
	like "$(note mv0)" "macvlan over lan0, which is up" "status says that packets may arrive elsewhere"
	check "doctor says what to do" finds gw link-caution "link mv0"
else
	diag "this kernel has no macvlan"
fi
done_testing
