#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The demo prints its whole table, and leaves nothing behind: at its end, and when it is interrupted in mid-download.
# ALONE: it measures rates and prints them.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

LINES=('link A alone, plain TCP +[0-9.]+ Mbit/s' 'link B alone, plain TCP +[0-9.]+ Mbit/s' 'sum of both +[0-9.]+ Mbit/s'
	'bonded, unmodified curl +[0-9.]+ Mbit/s' 'bonded / sum +[0-9.]+' 'link B cut in mid-download: finished in +[0-9.]+ s'
	'bytes verified by checksum in each download +[1-9][0-9]*' 'set-up [(]time to first byte[)], plain over A +[0-9.]+ ms'
	'set-up [(]time to first byte[)], bonded +[0-9.]+ ms'
	'a closed port, plain +refused in [0-9.]+ ms' 'a closed port, bonded +refused in [0-9.]+ ms'
	'from the server in, by the hub [(]IPv4[)]: it is +10.60.40.2' 'from the server in, by the hub [(]IPv6[)]: it is +fd60:40::2')
export DEMO_BYTES=3000000

# The demo's namespaces have a prefix of their own; what it leaves goes with ours.
ALL_NS+=("${ALL_NS[@]/#$MPG_PREFIX/${MPG_PREFIX}d-}")
net_init
export MPG_PREFIX=${MPG_PREFIX}d-
unset MPG_LIMITED

# demo: starts it; its pid in DEMO.
demo() {
	set -m # an interrupt reaches it as it would from a terminal
	"$NET_DIR/demo.sh" >"$TMP/demo.out" 2>&1 </dev/null &
	DEMO=$!
	PIDS+=("$DEMO")
	set +m
}
downloading() { pgrep -g "$DEMO" -x curl && grep -q "$1" "$TMP/demo.out"; }
is_gone() { ! kill -0 -- "-$DEMO" 2>/dev/null; }

# What it had in the file system has its prefix in its name.
rest() {
	find /run/netns /run/mpgate /run/mpgate-test /sys/fs/bpf/mpgate -maxdepth 1 -name "$MPG_PREFIX*" -o \
		-name "${MPG_PREFIX#mpg-}demo-*" 2>/dev/null
	pgrep -g "$DEMO" -a
}

demo
wait "$DEMO"
ok $? "the demo ends well" || diag "$(tail -n 20 "$TMP/demo.out")"
for line in "${LINES[@]}"; do
	check "it prints: ${line%% +*}" grep -qE "^ *$line *$" "$TMP/demo.out"
done
is "$(grep -c 'checksum verified$' "$TMP/demo.out")" 4 "it verifies four downloads"
is "$(rest)" "" "nothing is left"

export DEMO_BYTES=8000000
demo
check "the next one downloads over both links" wait_for 120 downloading 'link B alone'
kill -INT -- "-$DEMO"
wait "$DEMO"
is $? 130 "it ends when it is interrupted"
check "and so does all that it started" wait_for 5 is_gone
is "$(rest)" "" "nothing is left"
done_testing
