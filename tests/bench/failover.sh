#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# failover.sh: how long a running download stands still when one of two links fails, and how long after the link's return it
# carries again; the former in retransmission time-outs as well. A table for docs/operations.md, on standard output; ten
# minutes. KINDS: carrier or silent alone, SILENT: those seconds, FAMILIES: 4 or 6 alone. Links of 40 Mbit/s, 20 and 30 ms.
set -u
export MPG_LIMITED=1 # it takes longer than a scenario may
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/tap.sh
. tests/net/tap.sh
# shellcheck source=tests/net/lib.sh
. tests/net/lib.sh

EM0="delay=20 rate=40" EM1="delay=30 rate=40" WITH_ROUTER=1 scenario >/dev/null

# A router drops all, and both ends have their carrier.
silent() { silence "$1"; }
unsilent() { silence_end "$1"; }
# The modem is unplugged. What the kernel removes with it comes back as by DHCP and router advertisements.
carrier() { ip -n "$GATEWAY" link set "wan$1" down; }
uncarrier() {
	ip -n "$GATEWAY" link set "wan$1" up
	ip -n "$GATEWAY" -6 addr replace "fd60:$((10 + 10 * $1))::2/64" dev "wan$1" nodad
	net_use 0
}
# The retransmission time-out of who sends, the hub, over that link now, ms: of the subflow that has sent most.
rto() {
	local far="10.60.$((10 + 10 * $1)).2"
	[ "$f" = 4 ] || far="[fd60:$((10 + 10 * $1))::2]"
	on "$HUB" ss -Htin state established "sport = 8803 and dst $far" |
		sed -n 's/.* rto:\([0-9]*\).* bytes_sent:\([0-9]*\).*/\2 \1/p' | sort -n | tail -n 1 | cut -d' ' -f2
}
received() { ip -n "$GATEWAY" -s -j link show dev "wan$1" | jq '.[0].stats64.rx.bytes'; }
carries() { [ "$(received "$1")" -gt $(($2 + 300000)) ]; }
rest() { read -rt "$1" <> <(:) || :; }
ms() { echo $(($(date +%s%N) / 1000000)); }

# measure KIND SECONDS: over both links, one after the other; a row.
measure() {
	local link pid began gap rtos=() gaps=() times=() backs=()
	for link in 0 1; do
		load -t $(($2 + 12)) gap "$SERVER_IP" 80 >"$TMP/gap" 2>&1 &
		pid=$!
		rest 4
		rtos+=("$(rto $link)")
		"$1" $link
		rest "$2"
		"un$1" $link
		began=$(ms)
		if wait_for 7 carries $link "$(received $link)"; then
			backs+=($(($(ms) - began)))
		else
			backs+=("more than 7000")
		fi
		wait $pid || gaps+=("broken")
		gap=$(sed -n 's/^gap_ms=\([0-9]*\).*/\1/p' "$TMP/gap")
		gaps+=("$gap")
		times+=("$(awk "BEGIN { printf \"%.1f\", $gap / ${rtos[link]} }")")
	done
	echo "| $1, $2 s | IPv$f | ${gaps[0]}, ${gaps[1]} | ${rtos[0]}, ${rtos[1]} | ${times[0]}, ${times[1]} | ${backs[0]}, ${backs[1]} |"
}

echo "| what, how long | hub over | longest pause of a download, first and second link, ms | RTO before, ms | pause in RTOs | used again after, ms |"
echo "|---|---|---|---|---|---|"
for f in ${FAMILIES:-4 6}; do
	family "$f"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 greeted_by "$HUB_IP"
	case ${KINDS:-carrier} in *carrier*) measure carrier 5 ;; esac
	case ${KINDS:-silent} in *silent*) ;; *) continue ;; esac
	for seconds in ${SILENT:-2 3 5 7 10 40}; do
		measure silent "$seconds"
	done
done
