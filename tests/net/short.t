#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A path is silent for some seconds during a download, which is less than probes in their turn would see: its subflow is
# made anew when it is back, and not left to TCP, which rests for as long again. One whose transfer ends is left alone.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

OUTAGE=5 # seconds: TCP has sent again after 3.5, and would after 7 once more
RATE=20 # Mbit/s
scenario
shape 0 $RATE
shape 1 $RATE

pause() { read -rt "$1" <> <(:) || :; }
sent() { ip -n "$ROUTER" -s -j link show dev acc1 | jq '.[0].stats64.tx.bytes'; }
carries() { [ "$(sent)" -gt $(($1 + 300000)) ]; }
renewed() { grep -c "wan1 answers again in IPv$f" "$TMP/gw.log"; }
renewed_since() { [ "$(renewed)" -gt "$1" ]; }
second() { if [ "$f" = 4 ]; then echo 10.60.20.2; else echo "[fd60:20::2]"; fi; }
subflows() { on "$GATEWAY" ss -Htn state established "src $(second) and dport = 8803" | awk '{ print $3 }' | sort; }
# hub_of 4|6: the hub is reached over that family.
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 greeted_by "$HUB_IP"
}
download() {
	load -t "$1" gap "$SERVER_IP" 80 >"$TMP/gap" 2>&1 &
	DOWNLOAD=$!
	check "IPv$f: the second link carries a part" wait_for 10 carries "$(sent)"
}

for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	again=$(renewed)
	download 16
	before=$(subflows)
	silence 1
	pause $OUTAGE
	silence_end 1
	check "IPv$f: the subflow is made anew" wait_for 5 renewed_since "$again"
	check "IPv$f: the link carries again" wait_for 5 carries "$(sent)"
	is "$(comm -12 <(echo "$before") <(subflows) | grep -c .)" 0 "IPv$f: over another subflow"
	wait "$DOWNLOAD"
	is $? 0 "IPv$f: the download goes on"
	diag "$(grep gap_ms "$TMP/gap")"

	again=$(renewed)
	download 3
	wait "$DOWNLOAD"
	pause $OUTAGE
	is "$(renewed)" "$again" "IPv$f: a transfer that ends is no outage"
done
done_testing
