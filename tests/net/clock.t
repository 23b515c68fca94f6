#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A hub's clock is set, forwards and back: connections go on by the hub, whose time the gateway follows, and no client
# notices. A gateway far from any right clock works from its start. A wrong key is not taken for a wrong clock.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

[ -z "${SAN:-}" ] || skip_all "the address sanitizer wants to be loaded first"
HOUR=3600
scenario

# clock NAME SECONDS: that daemon's clock is ahead by so much.
clock() {
	# shellcheck disable=SC2059 # the bytes of a number of 32 bits, lowest first
	printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($2 & 255)) $(($2 >> 8 & 255)) $(($2 >> 16 & 255)) $(($2 >> 24 & 255)))" |
		dd of="$TMP/$1.clock" conv=notrunc status=none
}

# with_clock NAME NAMESPACE SECONDS: the daemon starts anew, with a clock of its own.
with_clock() {
	local DAEMON_BY=(env "LD_PRELOAD=$TOOLS/clockshift.so" "CLOCKSHIFT=$TMP/$1.clock")
	daemon_stop "$1"
	clock "$1" "$3"
	daemon_start "$1" "$2" "$TMP/$1.yaml"
}
stale() { counter hub relay stale-cookie; }

check "the hub has a clock of its own" with_clock hub "$HUB" 0
check "the peer is up" wait_for 20 peer_is up
at=0
for f in 4 6; do
	family $f
	check "IPv$f: by right clocks" greeted_by "$HUB_IP"
	# Nothing but clients' connections tells the gateway.
	kill -STOP "${DAEMON[gw]}"
	at=$((at + HOUR))
	clock hub $at
	turned() {
		on "$GATEWAY" "$TOOLS/synforge" -l -k "$TMP/pair.key" valid "$GATEWAY_IP" "$HUB_IP" 8803 "$SERVER_IP" 7001 |
			grep -qx "error 32 clock $((at / 60))"
	}
	check "IPv$f: the hub's clock is set forward" wait_for 20 turned
	before=$(stale)
	check "IPv$f: the next connection goes by the hub" greeted_by "$HUB_IP"
	is $(($(stale) - before)) 1 "IPv$f: after it was told the time"
	check "IPv$f: so do others" greeted_by "$HUB_IP"
	check "IPv$f: with data both ways" load -n 100000 echo "$SERVER_IP" 7001
	is $(($(stale) - before)) 1 "IPv$f: which know it by now"
	kill -CONT "${DAEMON[gw]}"
	is "$(counter gw relay direct)" 0 "IPv$f: none of them went direct"
done

kill -STOP "${DAEMON[gw]}"
clock hub -$HOUR
check "the hub's clock is set back" wait_for 20 grep -q 'the clock was set back by' "$TMP/hub.log"
before=$(stale)
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done
is "$(stale)" "$before" "by the clock that it had"
kill -CONT "${DAEMON[gw]}"

# Nobody notices that it is gone meanwhile: connections tell the gateway, not probes.
kill -STOP "${DAEMON[gw]}"
check "it starts anew, by the clock that was set" with_clock hub "$HUB" -$HOUR
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done
kill -CONT "${DAEMON[gw]}"
check "which is said" grep -qE "peer's clock is 3[56][0-9]{2} s behind ours" "$TMP/gw.log"
check "a gateway from long ago starts" with_clock gw "$GATEWAY" -1000000000
check "the peer is up" wait_for 10 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done
check "its probes found it out" grep -qE "peer hub: its clock is [0-9]+ s ahead of ours" "$TMP/gw.log"

# RFC 8803 has no word for that, and nobody follows.
sed -i 's/^    mode: explicit/&\n    dialect: rfc8803/' "$TMP/gw.yaml"
sed -i 's/name: gw,/& dialect: rfc8803,/' "$TMP/hub.yaml"
check "the hub speaks RFC 8803 alone" ctl hub reload
check "and a gateway from long ago" with_clock gw "$GATEWAY" -1000000000
check "the peer is down" wait_for 10 peer_is down
for f in 4 6; do
	family $f
	check "IPv$f: connections go direct" greeted_by "$CLIENT_IP"
done
clock gw -$HOUR
check "by the hub's time the peer is up" wait_for 20 peer_is up

rm "$TMP/pair.key"
"$CTL" key new "$TMP/pair.key"
check "the gateway gets another key" ctl gw reload
check "the peer is down" wait_for 10 peer_is down
like "$(ctl gw --json peers list | jq -r '.peers[].last_error')" "it has another key" "since it has another key"
done_testing
