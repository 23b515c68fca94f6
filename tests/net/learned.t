#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# action: terminate. A phone speaks MPTCP over two links, and there is no gateway: a hub that routing has put on the path
# takes its connections to servers that do not, and leaves those to servers that do alone.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/links.sh
. "$(dirname "$0")/links.sh"
# shellcheck source=tests/net/onpath.sh
. "$(dirname "$0")/onpath.sh"
# shellcheck source=tests/net/faces.sh
. "$(dirname "$0")/faces.sh"

BYTES=3000000
# shellcheck disable=SC2034 # of a download over shaped links
SIZE=8000000
# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1
net_init
if ! { net_build && servers_start; }; then
	echo "Bail out! the network does not start"
	exit 1
fi
on_path_make
faces_make
# shellcheck disable=SC2034 # read by seen_by
FACES_BY=(-m)
spawn servers-broken "$SERVER" "$TOOLS/tcpserve" echo:7011 echo:7012

# The gateway's namespace is the phone: its kernel has addresses at both links, and uses them.
PHONE4=10.60.10.2 PHONE6=fd60:10::2
phone_make() {
	local f
	ip -n "$GATEWAY" mptcp limits set subflows 4 add_addr_accepted 4
	for f in 10.60.20.2 fd60:20::2; do
		ip -n "$GATEWAY" mptcp endpoint add $f dev wan1 subflow fullmesh
	done
	for f in 10.60.10.2 fd60:10::2; do
		ip -n "$GATEWAY" mptcp endpoint add $f dev wan0 subflow fullmesh
	done
	ip -n "$GATEWAY" rule add from 10.60.20.2 table 61
	ip -n "$GATEWAY" route add default via 10.60.20.1 dev wan1 table 61
	ip -n "$GATEWAY" -6 rule add from fd60:20::2 table 61
	ip -n "$GATEWAY" -6 route add default via fd60:20::1 dev wan1 table 61
}
phone_make
# shellcheck disable=SC2034 # tcpload of links.sh and faces.sh is the phone's
CLIENT=$GATEWAY
load() { on "$GATEWAY" "$TOOLS/tcpload" -m "$@"; }

hub_config() { # MPTCP SOURCE
	cat >"$TMP/hub.yaml" <<-END
		instance: ${MPG_PREFIX}hub
		links: [ { name: net0, role: path } ]
		convert: { source: $2 }
		transparent: { join: [ 10.60.30.2, "fd60:30::2" ] }
		policy:
		  rules:
		    - { name: phones, from: [ 10.60.0.0/16, "fd60::/16" ], to-port: [ "80", "7000-7999" ], action: terminate, mptcp: $1 }
	END
}

# taken|not_taken NAME COMMAND...: whether the hub takes its connections.
taken() {
	local before
	before=$(counter hub relay terminated)
	check "$1" "${@:2}"
	check "$1: the hub took it" counted hub relay terminated "$before"
}
not_taken() {
	local before
	before=$(counter hub relay terminated)
	check "$1" "${@:2}"
	is "$(counter hub relay terminated)" "$before" "$1: the hub did not take it"
}
capable() { on "$SERVER" nstat -asz MPTcpExtMPCapableACKRX | awk '/MPCapable/ { print $2 }'; }
joined() { on "$1" nstat -asz MPTcpExtMPJoinAckRx | awk '/MPJoinAck/ { print $2 }'; }
# joins NAMESPACE BEFORE ARGUMENTS...: a transfer was long enough for the other link to join there.
joins() {
	load "${@:3}" >/dev/null 2>&1
	[ "$(joined "$1")" -gt "$2" ]
}
from() { if [ "$1" = 4 ]; then PHONE=$PHONE4; else PHONE=$PHONE6; fi; }

for f in 4 6; do
	family $f
	seen_by "$GATEWAY" >"$TMP/plain.$f"
done
on_path add
hub_config learned preserve
check "the hub starts, without any peer" daemon_start hub "$HUB" "$TMP/hub.yaml"

# --- learned
for f in 4 6; do
	family $f
	from $f
	plain=$(counter hub reasons server-plain)
	not_taken "IPv$f: the first connection" load -n $BYTES get "$SERVER_IP" 80
	is "$(counter hub reasons server-plain)" $((plain + 1)) "IPv$f: its server is found not to speak MPTCP"
	before=$(joined "$HUB")
	taken "IPv$f: the next one" load -n $BYTES get "$SERVER_IP" 80
	check "IPv$f: the other link joins, at the hub" wait_for 10 joins "$HUB" "$before" -n $BYTES get "$SERVER_IP" 80
	not_taken "IPv$f: another port of that server" greeted_by "$PHONE"
	taken "IPv$f: and again; the server sees the phone" greeted_by "$PHONE"
	load -n 1 echo "$SERVER_IP" 7001 >"$TMP/first.out"
	taken "IPv$f: 50 echoes at a time" load -c 50 -n 50000 echo "$SERVER_IP" 7001

	# Whoever speaks it keeps it, joins and all.
	before=$(capable) joins=$(joined "$SERVER")
	for n in 1 2; do
		not_taken "IPv$f: a server that speaks MPTCP, $n" load -n $BYTES echo "$SERVER_IP" 7101
	done
	is "$(capable)" $((before + 2)) "IPv$f: it is MPTCP from end to end"
	check "IPv$f: the other link joins, at the server" wait_for 10 joins "$SERVER" "$joins" -n $BYTES echo "$SERVER_IP" 7101
	not_taken "IPv$f: a client without MPTCP" on "$GATEWAY" "$TOOLS/tcpload" -n $BYTES get "$SERVER_IP" 80
	server=$SERVER_IP
	[ $f = 4 ] || server="[$SERVER_IP]"
	like "$(ctl hub policy explain "$PHONE" "$server:80")" "plain" "IPv$f: explain says so"
	like "$(ctl hub policy explain "$PHONE" "$server:80" --mptcp)" "held" "IPv$f: and that one with it is held"
	like "$(ctl hub policy explain "$PHONE" "$server:7002" --mptcp)" "mptcp.*phones|phones.*mptcp" \
		"IPv$f: or passes, while nothing is known"
done

# Both links carry a part, and either may go.
shape 0 20
shape 1 30
for f in 4 6; do
	family $f
	both "IPv$f" 8
	for link in 1 0; do with_cut "IPv$f: link $link cut" $link; done
done
for side in "$GATEWAY wan0" "$GATEWAY wan1" "$ROUTER acc0" "$ROUTER acc1"; do
	# shellcheck disable=SC2086 # two words
	tc -n ${side% *} qdisc del dev ${side#* } root
done

# Servers behind something that takes offence at the option. One that drops it makes the phone's kernel give up MPTCP for an
# hour; to set the time of that again ends it.
gives_up() { [ "$(on "$GATEWAY" nstat -asz | awk '$1 == "MPTcpExtBlackhole" { print $2 }')" -gt 0 ]; }
an_hour_later() { sysctls "$GATEWAY" net.mptcp.blackhole_timeout=3600; }
if on "$SERVER" nft -f - 2>"$TMP/nft" <<-'END'
	table inet offended {
		chain in {
			type filter hook input priority filter - 1
			tcp dport 7011 tcp option mptcp exists drop
			tcp dport 7012 tcp option mptcp exists reject with tcp reset
		}
	}
END
then
	for f in 4 6; do
		family $f
		for n in 1 2; do
			breaks=$(counter hub reasons server-breaks)
			not_taken "IPv$f: a server that drops the option, $n" load -n 1000 echo "$SERVER_IP" 7011
			is "$(counter hub reasons server-breaks)" $((breaks + 1)) "IPv$f: is counted"
			check "IPv$f: the phone gives up MPTCP" gives_up
			an_hour_later
			is "$(load conn "$SERVER_IP" 7012)" refused "IPv$f: one that resets it, $n"
			not_taken "IPv$f: which is open without" on "$GATEWAY" "$TOOLS/tcpload" -n 1000 echo "$SERVER_IP" 7012
			is "$(counter hub reasons server-breaks)" $((breaks + 2)) "IPv$f: is counted, too"
			check "IPv$f: a minute later" a_minute_later hub
		done
		taken "IPv$f: the first is taken then" load -n 1000 echo "$SERVER_IP" 7011
		taken "IPv$f: and the second" load -n 1000 echo "$SERVER_IP" 7012
	done
else
	skip "servers that take offence at MPTCP" "nft cannot do that here: $(head -n 1 "$TMP/nft")"
fi

# --- terminate
hub_config terminate share
check "mptcp: terminate" ctl hub reload
for f in 4 6; do
	family $f
	before=$(capable)
	taken "IPv$f: terminated, the server sees the hub" greeted_by "$HUB_IP"
	taken "IPv$f: a server that speaks MPTCP as well" load -n $BYTES echo "$SERVER_IP" 7101
	is "$(capable)" "$before" "IPv$f: to which it is TCP"
	refused=$(counter hub relay refused)
	seen_by "$GATEWAY" >"$TMP/seen"
	check "IPv$f: closed ports and absent hosts look as without" diff "$TMP/plain.$f" "$TMP/seen"
	check "IPv$f: by the word of the server" counted hub relay refused "$refused"
	not_taken "IPv$f: a client without MPTCP" on "$GATEWAY" "$TOOLS/tcpload" -n $BYTES get "$SERVER_IP" 80
done
check "the hub is killed" kill -9 "${DAEMON[hub]}"
wait_for 5 gone "${DAEMON[hub]}"
for f in 4 6; do
	family $f
	from $f
	check "IPv$f: a killed hub leaves connections alone" wait_for 10 greeted_by "$PHONE"
done
done_testing
