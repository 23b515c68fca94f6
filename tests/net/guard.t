#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Forged, stale and replayed Convert SYNs are dropped before a socket exists, each for its own counted reason. A worker
# refuses what guard could not see, since it came after the handshake.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

HUB_ACCEPT='  accept: keyed
  allow-from: [ 10.60.10.0/24, "fd60:10::/64", 10.60.20.0/24, "fd60:20::/64" ]'
# A group of their own: /proc shows a process as root's when it must not be dumped, else as that group's.
DAEMON_BY=(setpriv --regid 1 --clear-groups)
scenario
check "no probe waits for an answer" wait_for 10 ways_are up

# sockets: SYNs that reached a socket of the hub so far (a SYN+ACK was the answer).
answers() { packets answers$f "src $HUB_IP and tcp src port 8803 and dst portrange 20000-30001"; }

# forge KIND REASON TIMES NAME [SOURCE]: that SYN is counted under that reason (and passed TIMES times). END: whose
# end id it has.
END=synforge
forge() {
	local before pass
	before=$(counter hub reasons "$2")
	pass=$(counter hub reasons guard-pass)
	check "$4: sent" on "$GATEWAY" "$TOOLS/synforge" -k "$TMP/pair.key" -e "$END" "$1" "${5:-$GATEWAY_IP}" "$HUB_IP" 8803 "$SERVER_IP" 7001
	check "$4: counted as $2" wait_for 5 counted hub reasons "$2" "$before"
	is "$(($(counter hub reasons guard-pass) - pass))" "$3" "$4: passed $3 times"
}

# late KIND COUNTER ANSWER NAME: the same after the handshake is answered so, and counted.
late() {
	local before
	before=$(counter hub relay "$2")
	is "$(on "$GATEWAY" "$TOOLS/synforge" -l -k "$TMP/pair.key" -e "$END" "$1" "$GATEWAY_IP" "$HUB_IP" 8803 "$SERVER_IP" 7001 |
		paste -sd' ')" "$3" "$4: $3"
	check "$4: counted as $2" wait_for 5 counted hub relay "$2" "$before"
}

for f in 4 6; do
	family $f
	# The gateway's own probes of the hub would be counted among what passed.
	kill -STOP "${DAEMON[gw]}"
	capture answers$f "$HUB" net0 tcp
	for kind in forged unknown moved; do
		forge $kind guard-forged 0 "IPv$f $kind"
	done
	forge stale guard-stale 0 "IPv$f stale"
	forge early guard-stale 0 "IPv$f from the future"
	END=${MPG_PREFIX}hub
	forge valid guard-own 0 "IPv$f with the hub's own end id"
	END=synforge
	forge none guard-no-cookie 0 "IPv$f without a cookie"
	forge malformed guard-malformed 0 "IPv$f malformed"
	forge valid guard-source 0 "IPv$f from outside allow-from" "$([ $f = 4 ] && echo 10.60.1.1 || echo fd60:1::1)"
	capture_end answers$f
	is "$(answers)" 0 "IPv$f: none of them was answered"

	capture answers$f "$HUB" net0 tcp
	forge valid guard-pass 1 "IPv$f valid"
	forge repeated guard-pass 2 "IPv$f repeated from the same port"
	forge replayed guard-replay 1 "IPv$f replayed from another port"
	answered() { [ "$(answers)" -ge 3 ]; }
	check "IPv$f: the valid ones were answered" wait_for 5 answered
	capture_end answers$f

	for kind in forged unknown moved none; do
		late $kind not-authorized "error 32" "IPv$f $kind, after the handshake"
	done
	for kind in stale early; do
		late $kind stale-cookie "error 32 clock 0" "IPv$f $kind, after the handshake"
	done
	END=${MPG_PREFIX}hub
	late valid not-authorized "error 32" "IPv$f with the hub's own end id, after the handshake"
	END=synforge
	check "IPv$f: which is said" grep -q 'has our own end id: give the two instances different names' "$TMP/hub.log"
	late malformed malformed reset "IPv$f malformed, after the handshake"
	late valid relayed ok "IPv$f valid, after the handshake"
	late replayed replayed "ok reset" "IPv$f replayed, after the handshake"
	kill -CONT "${DAEMON[gw]}"
	check "IPv$f: clients are served meanwhile" load -n 1000 get "$SERVER_IP" 80
	check "IPv$f: and steered" greeted_by "$HUB_IP"
done

owner() { stat -c %u:%g "/proc/$1/maps"; }
for side in gw hub; do
	is "$(owner "${DAEMON[$side]}")" 0:0 "$side: a crash of the supervisor leaves no dump, with keys in it"
	is "$(owner "$(ctl $side --json status | jq '.workers[0].pid')")" 0:0 "$side: nor does one of a worker"
done
done_testing
