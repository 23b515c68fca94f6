# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What hard.t and slow.t share. To be sourced after lib.sh. Each figure goes to $HARD (a file) as a line
# "ROUND FAMILY CASE SETUP DIRECTION MBIT", separated by tabs.

FAMILIES=${FAMILIES:-4 6}
DIRECTIONS=${DIRECTIONS:-down up}
ROUND=1

# netem where the kernel has it, else the emulator of tests/net.
emulator() { unshare -n tc qdisc add dev lo root netem 2>/dev/null && echo netem || echo linkem; }

# record CASE SETUP DIRECTION VALUE: of family $f.
# shellcheck disable=SC2154 # which the script sets
record() { printf '%s\tIPv%s\t%s\t%s\t%s\t%s\n' "$ROUND" "$f" "$@" >>"$HARD"; }

# goodput CASE SETUP down|up BYTES: Mbit/s of one transfer, whose bytes are compared.
goodput() {
	local act=(get "$SERVER_IP" 80) begin end
	[ "$3" = down ] || act=(sink "$SERVER_IP" 7002)
	begin=$(date +%s%N)
	load -w 600 -n "$4" "${act[@]}" >"$TMP/load" || { diag "$(cat "$TMP/load")" && return 1; }
	end=$(date +%s%N)
	record "$1" "$2" "$3" "$(awk -v n="$4" -v ns=$((end - begin)) 'BEGIN { print n * 8e3 / ns }')"
	tail -n 1 "$HARD" | sed 's/^/# /'
}

# hard_start: the network, with links that can be shaped.
hard_start() {
	net_init
	HARD=${HARD:-$TMP/hard}
	modprobe -q sch_netem 2>/dev/null
	# shellcheck disable=SC2034 # the next two are read by net_build
	[ "${EMULATOR:=$(emulator)}" = netem ] || EM0=delay=0 EM1=delay=0
	# shellcheck disable=SC2034
	WITH_ROUTER=1
	if ! net_build || ! servers_start; then
		echo "Bail out! the network does not start"
		exit 1
	fi
	diag "links by $EMULATOR"
}
