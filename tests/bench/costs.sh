#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# costs.sh: what a GB costs mpgate and what it costs `bare`, 8 flows, in one run: CPU, system calls, what waits in the
# kernel, the costliest symbols. Then the CPU once more with a share of the CPUs that is the same for client, gateway, hub
# and server, as machines of their own have it, and not one for each thread. A table into $BUILD/costs.txt, which report.sh
# takes into the document. Needs perf; without it nothing is written.
set -u
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../net/lib.sh"
# shellcheck source=tests/bench/setups.sh
. "$(dirname "$0")/setups.sh"

OUT=$BUILD/costs.txt
ROUNDS=${ROUNDS:-3}
SECONDS_EACH=3
HERTZ=1999  # samples a second and CPU
SYMBOLS=10  # that are told
CALLS=(recvfrom sendto read write epoll_wait)
GROUPS_AT=/sys/fs/cgroup/cpu # version 1; of version 2 the root, where it has that controller
grep -qsw cpu /sys/fs/cgroup/cgroup.subtree_control && GROUPS_AT=/sys/fs/cgroup
GROUPED= # while everybody has the same share

put() { printf '%s\t%s\t%s\n' "$SETUP${GROUPED:+, shares}" "$1" "$2" >>"$TMP/costs"; }
per_gb() { put "$1" "$(calc "$2 / $GB")"; }
group_of() { echo "$GROUPS_AT/mpgate-bench-$1"; }
grouped_hosts() {
	[ -z "$GROUPED" ] || echo $BASHPID >"$(group_of "$CLIENT")/cgroup.procs"
	hosts "$@"
}
# transfer COMMAND...: it runs beside the transfer; GB and TOOK are those of it then.
transfer() {
	local pid
	# shellcheck disable=SC2086 # two words
	grouped_hosts -c 8 -t $SECONDS_EACH bulk ${BULK_AT:-$SERVER4 80} >"$TMP/load" &
	pid=$!
	"$@"
	wait $pid
	GB=$(calc "$(field count <"$TMP/load") / 1e9") TOOK=$(field seconds <"$TMP/load")
}
all_pids() { with_children "${SETUP_PIDS[@]}" | paste -sd,; }

# Nanoseconds that each thread of the proxies has run, and waited for a CPU.
scheduled() {
	local pid
	for pid in $(with_children "${SETUP_PIDS[@]}"); do grep -s . "/proc/$pid/task/"*/schedstat; done
}
received() { on "$1" ss -HOtnmM state established | sed -n 's/.*skmem:(r\([0-9]*\),.*/\1/p' | awk '{ s += $1 } END { print s / 1048576 }'; }
look() {
	read -rt 1 <> <(:) # past the slow start
	scheduled >"$TMP/from"
	read -rt 1 <> <(:)
	scheduled >"$TMP/to"
	put "waited for a CPU / ran" "$(awk -F'[: ]' 'NR == FNR { run[$1] = $2; wait[$1] = $3; next }
		$1 in run { r += $2 - run[$1]; w += $3 - wait[$1] } END { print r ? w / r : 0 }' "$TMP/from" "$TMP/to")"
	put "unread in sockets of the gateway, MiB" "$(received "$GATEWAY")"
	put "unread in sockets of the hub, MiB" "$(received "$HUB")"
}
seconds() {
	local cpu busy
	cpu=$(proxy_cpu) busy=$(machine_busy)
	transfer "$@"
	per_gb "CPU s" "($(proxy_cpu) - $cpu)"
	per_gb "machine s" "($(machine_busy) - $busy)"
	put "Gbit/s" "$(calc "$GB * 8 / $TOOK")"
}
calls() {
	transfer perf stat -x , -o "$TMP/stat" -e "$(printf 'syscalls:sys_enter_%s,' "${CALLS[@]}")raw_syscalls:sys_enter,context-switches" \
		-p "$(all_pids)" sleep $((SECONDS_EACH + 1))
	awk -F, -v gb="$GB" '{ sub(/.*:(sys_enter_)?/, "", $3); n[$3] = $1 }
		END { read = n["recvfrom"] + n["read"]; write = n["sendto"] + n["write"]
			print "reads\t" read / gb; print "KiB a read\t" 2 * gb * 1e9 / 1024 / read; print "writes\t" write / gb
			print "epoll_wait\t" n["epoll_wait"] / gb; print "all system calls\t" n["sys_enter"] / gb
			print "context switches\t" n["context-switches"] / gb }' "$TMP/stat" |
		while IFS=$'\t' read -r what n; do put "$what" "$n"; done
}
symbols() {
	transfer perf record -q -e cpu-clock -F $HERTZ -o "$TMP/perf.data" -p "$(all_pids)" sleep $((SECONDS_EACH + 1)) 2>/dev/null
	perf report -i "$TMP/perf.data" --no-children --sort symbol -F sample,symbol 2>/dev/null |
		awk -v unit="$(calc "1000 / $HERTZ / $GB")" '$1 ~ /^[0-9]+$/ { s = $3 ~ /^bpf_/ ? "all BPF programs" : "`" $3 "`"; n[s] += $1; all += $1 }
			END { print "all symbols, ms\t" all * unit; for (s in n) print s ", ms\t" n[s] * unit }' |
		while IFS=$'\t' read -r what n; do put "$what" "$n"; done
}
each_of() { # SETUP... COMMAND
	for SETUP in "${@:1:$#-1}"; do
		"${SETUP}_start" && "${@: -1}"
		"${SETUP}_stop"
	done
}
costs() { seconds look && calls && symbols; }
shares() {
	local ns pid
	for ns in "$CLIENT" "$GATEWAY" "$HUB" "$SERVER"; do
		for pid in $(ip netns pids "$ns"); do echo "$pid" >"$(group_of "$ns")/cgroup.procs"; done
	done
	seconds look
}
rows() { # FILTER of awk: a row for each figure, in the order of the first
	awk -F'\t' -v columns="$COLUMNS_TOLD" '{ n[$2, $1]++; v[$2, $1, n[$2, $1]] = $3; if (!seen[$2]++) order[++rows] = $2 }
		function median(f, c, k, i, j, t) {
			k = n[f, c]
			if (!k) return "-"
			for (i = 2; i <= k; i++) for (j = i; j > 1 && v[f, c, j] < v[f, c, j - 1]; j--) {
				t = v[f, c, j]; v[f, c, j] = v[f, c, j - 1]; v[f, c, j - 1] = t }
			return sprintf("%.3g", k % 2 ? v[f, c, (k + 1) / 2] : (v[f, c, k / 2] + v[f, c, k / 2 + 1]) / 2)
		}
		END { m = split(columns, column, ";")
			for (i = 1; i <= rows; i++) {
				line = "| " order[i]
				for (j = 1; j <= m; j++) line = line " | " median(order[i], column[j])
				print line " |" } }' "$TMP/costs"
}

rm -f "$OUT"
command -v perf >/dev/null || { echo "costs: no perf here" && exit 0; }
net_init
net_make
for ((round = 0; round < ROUNDS; round++)); do each_of bare mpgate costs; done
GROUPED=1
for ns in "$CLIENT" "$GATEWAY" "$HUB" "$SERVER"; do mkdir -p "$(group_of "$ns")" || GROUPED=; done 2>/dev/null
[ -z "$GROUPED" ] || for ((round = 0; round < ROUNDS; round++)); do each_of bare haproxy256 mpgate shares; done
stop "${PIDS[@]}"
PIDS=()
rmdir "$(group_of "$MPG_PREFIX")"* 2>/dev/null
COLUMNS_TOLD="bare;mpgate;bare, shares;haproxy256, shares;mpgate, shares"
{
	printf '| a GB, 8 flows | %s |\n|---|---|---|---|---|---|\n' "${COLUMNS_TOLD//;/ | }"
	rows | grep -v '^| `'
	rows | grep '^| `' | sort -t '|' -k4,4gr | head -n $SYMBOLS
} >"$TMP/costs.txt"
mv "$TMP/costs.txt" "$OUT"
