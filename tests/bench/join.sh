#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# join.sh: what late joins spare and cost, beside joins at once. A table for docs/benchmarks.md, on standard output; about
# five minutes. Links of 40 Mbit/s, 20 and 30 ms. ROUNDS: how often each is measured, in turn; AFTER: other thresholds, as
# "after-kib: 64, after-ms: 500".
set -u
export MPG_LIMITED=1 # it takes longer than a scenario may
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/tap.sh
. tests/net/tap.sh
# shellcheck source=tests/net/lib.sh
. tests/net/lib.sh

ROUNDS=${ROUNDS:-5}
MODES=(late at-once)
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE="subflows: { join: late${AFTER:+, $AFTER} }"
EM0="delay=20 rate=40" EM1="delay=30 rate=40" WITH_ROUTER=1 scenario >/dev/null

# A page of the web, as connections: how many of which size. Half are of 8 KiB or less, one in fifty is long.
MIX="30:4096 20:8192 20:20480 15:51200 9:102400 4:307200 2:2097152"

joins() { on "$GATEWAY" nstat -asz MPTcpExtMPJoinSynTx | awk '/MPJoin/ { print $2 }'; }
mode() {
	sed -i "s/^subflows: .*/subflows: { join: $1${AFTER:+, $AFTER} }/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
}
# took BYTES: ms of a download.
took() { load -n "$1" get "$SERVER_IP" 80 | sed -n 's/.*total_ms=\([0-9.]*\).*/\1/p'; }
# mix: joins of such a page, the connections of a size at the same time.
mix() {
	local before part
	before=$(joins)
	for part in $MIX; do
		load -c "${part%:*}" -n "${part#*:}" get "$SERVER_IP" 80 >/dev/null
	done
	echo $(($(joins) - before))
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

for f in 4 6; do
	family $f
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 greeted_by "$HUB_IP"
	for ((r = 0; r < ROUNDS; r++)); do
		for m in "${MODES[@]}"; do
			mode "$m"
			for n in 4096 30000 200000 1000000 10000000; do
				took $n >>"$TMP/$f.$m.$n"
			done
			mix >>"$TMP/$f.$m.joins"
		done
	done
done

echo "| | IPv4: late | at once | ratio | IPv6: late | at once | ratio |"
echo "|---|---|---|---|---|---|---|"
# row NAME FILE
row() {
	local f late now line="| $1 |"
	for f in 4 6; do
		late=$(median <"$TMP/$f.late.$2") now=$(median <"$TMP/$f.at-once.$2")
		line+=" $late | $now | $(awk -v a="$late" -v b="$now" 'BEGIN { printf "%.2f", b ? a / b : 0 }') |"
	done
	echo "$line"
}
for n in 4096 30000 200000 1000000 10000000; do row "download of $n bytes, ms" $n; done
row "joins of 100 connections of a web page" joins
