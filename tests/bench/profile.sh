#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# profile.sh: where the CPU goes while mpgate carries bulk transfers, and while it carries short connections: shares by
# process, and the costliest symbols of the proxies. Into $BUILD/profile.txt, which report.sh takes into the document.
# Needs perf; without it nothing is written.
set -u
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../net/lib.sh"
# shellcheck source=tests/bench/setups.sh
. "$(dirname "$0")/setups.sh"

OUT=$BUILD/profile.txt
PERF_SECONDS=4

shares() { perf report -i "$TMP/perf.data" --no-children -g none "$@" 2>/dev/null | grep -vE '^(#|$)' | head -n "$TOP"; }

# profile TITLE LOAD-ARGUMENTS...
profile() {
	local title=$1 pid
	shift
	hosts "$@" >/dev/null 2>&1 &
	pid=$!
	perf record -qag -o "$TMP/perf.data" sleep $PERF_SECONDS >/dev/null 2>&1
	wait $pid
	echo "$title: all CPU time by process"
	TOP=5 shares --sort comm
	echo "$title: of the proxies' part"
	TOP=14 shares --comm mpgated --percentage relative --sort symbol
	echo
}

rm -f "$OUT"
command -v perf >/dev/null || { echo "profile: no perf here" && exit 0; }
net_init
net_make
mpgate_start || exit 1
{
	profile "8 bulk flows" -c 8 -t $((PERF_SECONDS + 2)) bulk "$SERVER4" 80
	profile "short connections, 16 at a time" -c 16 -t $((PERF_SECONDS + 2)) rate "$SERVER4" 7001
} >"$TMP/profile.txt"
mpgate_stop
if POLICY="${DEFAULT_POLICY/early/honest}" mpgate_start; then
	profile "the same, connect: honest" -c 16 -t $((PERF_SECONDS + 2)) rate "$SERVER4" 7001 >>"$TMP/profile.txt"
fi
mpgate_stop
mv "$TMP/profile.txt" "$OUT"
