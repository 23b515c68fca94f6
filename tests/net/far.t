#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A far link beside a near one, as over a satellite: when it comes back into a transfer after a rest, the kernel goes by the pacing
# rate of before and sends few segments at a time. It is not given what it carries in seconds, for which all would wait.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by net_build
EM0='delay=30 rate=20 limit=500' EM1='delay=250 rate=10 limit=250'
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='subflows: { join: at-once, demote: no }'
SIZE=80000000
MOST=768 # KiB: a quarter of a second at 10 Mbit/s is 305, and the kernel gives 64 at a time
scenario

# holds NAMESPACE: KiB that the far link's subflow there has not sent.
holds() {
	on "$1" ss -HOtni '( sport = 8803 or dport = 8803 )' |
		sed -nE 's/.*notsent:([0-9]+).* minrtt:[0-9]{3}(\..*| .*)/\1/p' | sort -n | awk 'END { print int($1 / 1024) }'
}
# most_held NAMESPACE SECONDS: the most of them.
most_held() {
	local end=$((SECONDS + $2)) most=0 now
	while [ $SECONDS -lt $end ]; do
		now=$(holds "$1")
		most=$((now > most ? now : most))
		read -rt 0.1 <> <(:) || :
	done
	echo $most
}
# far_is USE: the far path.
far_is() { sed -i -E "s/path: b(, use: backup)? }/path: b$1 }/" "$TMP/gw.yaml" && ctl gw reload; }
# far NAME NAMESPACE ACTION PORT
far() {
	local most
	spawn long "$CLIENT" "$TOOLS/tcpload" -w 60 -n $SIZE "$3" "$SERVER_IP" "$4"
	check "$1: the far link carries something" wait_for 20 test "$(most_held "$2" 6)" -gt 0
	check "$1: it becomes a backup" far_is ', use: backup'
	most_held "$2" 3 >/dev/null
	check "$1: and a primary again" far_is ''
	most=$(most_held "$2" 3)
	diag "$1: $most KiB not sent"
	check "$1: it is given little" test "$most" -gt 0 -a "$most" -le $MOST
	stop "$SPAWNED"
}
family 4
check "IPv4: the hub is there" wait_for 20 greeted_by "$HUB_IP"
far "IPv4 upload" "$GATEWAY" sink 7002
family 6
check "IPv6: the hub is there" wait_for 20 greeted_by "$HUB_IP"
far "IPv6 download" "$HUB" get 80
done_testing
