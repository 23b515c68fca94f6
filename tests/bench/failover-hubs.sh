#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# failover-hubs.sh: when the first of two hubs fails, how long until a new connection comes to its server over the second,
# how long the slowest took to connect meanwhile, how many came to nothing; and how long after its return it is used again.
# A table for docs/operations.md, on standard output; two minutes. WHAT: some of the failures. One way takes 20 ms over the first link, 30 over the second.
set -u
export MPG_LIMITED=1 # it takes longer than a scenario may
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/tap.sh
. tests/net/tap.sh
# shellcheck source=tests/net/lib.sh
. tests/net/lib.sh
# shellcheck source=tests/net/hubs.sh
. tests/net/hubs.sh

# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hubs, connect: honest }'
# shellcheck disable=SC2034
GATEWAY_MORE='groups: [ { name: hubs, peers: [ hub, hub2 ] } ]'

ms() { echo $(($(date +%s%N) / 1000000)); }
up() { [ "$(ctl gw --json peers list | jq -r "[.peers[].state] | join(\" \")")" = "up up" ]; }

# The whole daemon at once, with all that it carries.
killed() {
	local pid
	for pid in ${DAEMON[hub]} $(pgrep -P "${DAEMON[hub]}"); do kill -KILL "$pid"; done
}
unkilled() { daemon_start hub "$HUB" "$TMP/hub.yaml"; }
ended() { daemon_stop hub; }
unended() { daemon_start hub "$HUB" "$TMP/hub.yaml"; }
# Its machine, without a word.
silent() { dead hub0; }
unsilent() { alive; }
# The router in front of it says that it is not there.
unreachable() {
	on "$ROUTER" nft -f - <<-END
		table inet dead {
			chain to {
				type filter hook forward priority 0
				oifname "hub0" reject with icmpx type host-unreachable
			}
		}
	END
}
ununreachable() { alive; }
drained() { ctl hub drain start >/dev/null; }
undrained() { ctl hub drain stop >/dev/null; }

# A connection every 50 ms, whatever becomes of those before; of each when it began, how long it took, and who the server saw.
connection() {
	local began said
	began=$(ms)
	said=$(timeout 10 nsenter --net="/run/netns/$CLIENT" "$TOOLS/tcpload" greet "$SERVER_IP" 7003 2>&1 | head -n 1)
	case $said in hello*) ;; *) said="hello -" ;; esac
	echo "$began $(($(ms) - began)) ${said#hello }"
}
connections() {
	while [ ! -e "$TMP/enough" ]; do
		connection &
		read -rt 0.05 <> <(:)
	done >"$TMP/connections"
	wait
}
by_second() { awk -v t="$1" -v h="$SECOND" '$1 >= t && $3 == h { n++ } END { exit !n }' "$TMP/connections"; }
by_first() { awk -v t="$1" -v h="$HUB_IP" '$1 >= t && $3 == h { n++ } END { exit !n }' "$TMP/connections"; }

measure() {
	local went back
	rm -f "$TMP/enough"
	connections &
	read -rt 2 <> <(:)
	went=$(ms)
	"$1"
	wait_for 30 by_second "$went" || echo "not by the second hub" >&2
	read -rt 3 <> <(:)
	back=$(ms)
	"un$1"
	wait_for 60 by_first "$back" || echo "not by the first hub again" >&2
	touch "$TMP/enough"
	wait $!
	awk -v what="$1" -v f="$f" -v went="$went" -v back="$back" -v one="$HUB_IP" -v two="$SECOND" '
		$1 + $2 < went { next }
		$3 != "-" && $1 < back && $2 > slowest { slowest = $2 }
		$3 != one && $3 != two { $3 == "-" ? failed++ : direct++ }
		!second && $3 == two { second = $1 + $2 }
		$1 >= back && !first && $3 == one { first = $1 + $2 }
		END { printf "| %s | IPv%s | %d | %d | %d, %d | %d |\n", what, f, second - went, slowest, failed, direct, first - back }
	' "$TMP/connections"
}

EM0=delay=20 EM1=delay=30 stage >/dev/null
second_hub >/dev/null
daemon_start hub "$HUB" "$TMP/hub.yaml"
daemon_start hub2 "$HUB2" "$TMP/hub2.yaml"
daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
echo "| the first hub is | hub over | by the second after, ms | slowest connection, ms | failed, direct | by the first again after, ms |"
echo "|---|---|---|---|---|---|"
for f in 4 6; do
	family $f
	SECOND=$HUB2_4
	[ $f = 4 ] || SECOND=$HUB2_6
	for what in ${WHAT:-drained ended killed unreachable silent}; do
		wait_for 60 up
		measure "$what"
	done
done
