#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A path that comes and goes is left alone for longer and longer.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

RATE=20 # Mbit/s
scenario
shape 0 $RATE
shape 1 $RATE

sent() { ip -n "$ROUTER" -s -j link show dev acc1 | jq '.[0].stats64.tx.bytes'; }
carries() { [ "$(sent)" -gt $(($1 + 300000)) ]; }
pause() { read -rt "$1" <> <(:) || :; }
paths_b() { ctl gw --json paths list | jq -r ".paths[] | select(.name == \"b\") | .$1"; }
held() { [ "$(paths_b why)" = "held back: it comes and goes" ]; }
has_endpoint() { [ "$(paths_b "endpoint4")" != null ]; }
not() { ! "$@"; }

family 4
check "the hub is there" wait_for 20 greeted_by "$HUB_IP"
for _ in 1 2 3 4 5 6; do
	link_cut 1
	pause 0.3
	link_mend 1
	pause 0.3
done
check "the path is held back" wait_for 5 held
check "doctor says so" finds gw held-back "path b (wan1) held back"
check "and has no endpoint" not has_endpoint
check "connections go by the hub" greeted_by "$HUB_IP"
check "when it stays it is used again" wait_for 30 has_endpoint
check "and not held back" not held
load -t 5 gap "$SERVER_IP" 80 >"$TMP/gap" 2>&1 &
DOWNLOAD=$!
check "the second link carries a part" wait_for 10 carries "$(sent)"
wait "$DOWNLOAD"
is $? 0 "the download goes on"
done_testing
