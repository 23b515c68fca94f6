#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Links, routes, rules, MPTCP endpoints and sysctls as paths.c sets them in a namespace of their own.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
# shellcheck source=tests/net/tap.sh
. "$HERE/tap.sh"

BUILD=${BUILD:-$TOP/build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
TOOL=$BUILD/tests/net/paths_tool
NS=mpg-paths-gw-$$ FAR=mpg-paths-far-$$
PID='' MONITOR=''

[ "$(id -u)" -eq 0 ] || skip_all "needs root"
[ -x "$TOOL" ] || make -s -C "$TOP" BUILD="$BUILD" "$TOOL" >&2 || exit 1

DIR=$(mktemp -d)
cleanup() {
	local pid
	for pid in $PID $MONITOR; do
		kill -9 "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	ip netns del "$NS" 2>/dev/null
	ip netns del "$FAR" 2>/dev/null
	rm -rf "$DIR"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

gw() { nsenter --net="/run/netns/$NS" -- "$@"; }

# eventually NAME COMMAND...: the command succeeds within ten seconds, or WITHIN.
eventually() {
	local name=$1 end=$((SECONDS + ${WITHIN:-10} * ${MPG_SLOW:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ]; then
			ok 1 "$name"
			diag "$*; log: $(tail -n 15 "$DIR/log"); out: $(tail -n 5 "$DIR/out")"
			return
		fi
		read -rt 0.05 <> <(:) || :
	done
	ok 0 "$name"
}
not() { ! "$@"; }
reloaded() { [ "$(grep -c '^reload 0' "$DIR/out")" -gt "$RELOADS" ]; }
shows() { # shows PATTERN COMMAND...: its output has a line like it
	local pattern=$1
	shift
	gw "$@" 2>/dev/null | grep -Eq -- "$pattern"
}
endpoint() { shows "$1" ip mptcp endpoint show; }
route4() { shows "$2" ip -4 route show table "$1"; }
route6() { shows "$2" ip -6 route show table "$1"; }
event() { grep -Eq -- "$1" "$DIR/out"; }
last() { tail -n 1 "$DIR/out" | grep -Eq -- "$1"; }
events() { grep -c "^link .* $1 " "$DIR/out"; }
sysctl_is() { [ "$(gw cat "/proc/sys/net/$1")" = "$2" ]; }

# Everything that the daemon may touch. Rules are added behind others of the same priority, so order counts, too.
dump() {
	local name
	gw ip -4 rule
	gw ip -6 rule
	gw ip -4 route show table all | sort
	gw ip -6 route show table all | sort
	gw ip mptcp endpoint show
	gw ip mptcp limits
	for name in ipv4/tcp_{fastopen,tw_reuse} ipv4/conf/{lan0,wan0,wan1}/rp_filter mptcp/enabled ipv4/ip_forward; do
		echo "$name $(gw cat "/proc/sys/net/$name")"
	done
}

# The lock's file, found by who has it open.
lock_file() { [ -n "$PID" ] && readlink "/proc/$PID/fd"/* | grep '^/run/mpgate/net-[0-9]*$'; }

start() {
	: >"$DIR/out"
	nsenter --net="/run/netns/$NS" -- "$TOOL" "$DIR/conf" >>"$DIR/out" 2>>"$DIR/log" &
	PID=$!
	eventually "it starts" event '^ready'
}
finish() {
	local status
	kill -TERM "$PID"
	wait "$PID"
	status=$?
	PID=
	is "$status" 0 "it ends with all handles and memory given back"
}

make_wan() { # make_wan NUMBER
	ip -n "$NS" link add "wan$1" type veth peer name "far$1" netns "$FAR"
	ip -n "$FAR" link set "far$1" up
	ip -n "$NS" link set "wan$1" up
	ip -n "$NS" addr add "10.61.$1.2/24" dev "wan$1"
	ip -n "$NS" addr add "fd61:$1::2/64" dev "wan$1" nodad
	ip -n "$NS" route add default via "10.61.$1.1" dev "wan$1" metric "$((100 + $1))"
	ip -n "$NS" -6 route add default via "fd61:$1::1" dev "wan$1" metric "$((100 + $1))"
}

# Duplicate address detection of link-local addresses and their routes have settled.
settled() {
	! gw ip -6 addr show tentative | grep -q inet6 &&
		[ "$(gw ip -6 route show table all | grep -c '^local fe80')" -eq 3 ]
}

ip netns add "$NS" && ip netns add "$FAR" || exit 1
ip -n "$NS" link set lo up
gw sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 1 >/proc/sys/net/ipv4/tcp_fastopen; echo 2 >/proc/sys/net/ipv4/tcp_tw_reuse'
gw sh -c 'echo 1 >/proc/sys/net/mptcp/enabled' 2>/dev/null || skip_all "this kernel has no MPTCP"
ip -n "$NS" link add lan0 type veth peer name flan0 netns "$FAR"
ip -n "$FAR" link set flan0 up
ip -n "$NS" link set lan0 up
ip -n "$NS" addr add 10.61.9.1/24 dev lan0
ip -n "$NS" addr add fd61:9::1/64 dev lan0 nodad
make_wan 0
make_wan 1
ip -n "$NS" route add 198.51.100.0/24 via 10.61.0.9 dev wan0 mtu 1400 initcwnd 4
gw ip mptcp endpoint add 192.0.2.99 id 7 signal
eventually "the links of the test are ready" settled

printf '%s\n' "lan lan0 primary" "path wan0 primary" "path wan1 backup" listen >"$DIR/conf"
start

# --- what is set
eventually "IPv4 endpoint of a primary path" endpoint '^10.61.0.2 id 102 subflow dev wan0 *$'
eventually "IPv6 endpoint of a primary path" endpoint '^fd61::2 id 103 subflow dev wan0 *$|^fd61:0::2 id 103 subflow dev wan0 *$'
eventually "IPv4 endpoint of a backup path" endpoint '^10.61.1.2 id 104 subflow backup dev wan1 *$'
eventually "IPv6 endpoint of a backup path" endpoint '^fd61:1::2 id 105 subflow backup dev wan1 *$'
eventually "an endpoint of somebody else stays" endpoint '^192.0.2.99 id 7 signal'
eventually "limits are raised" shows 'add_addr_accepted 8 subflows 8' ip mptcp limits
for family in 4 6; do
	for link in lan0 wan0 wan1; do
		check "IPv$family rule that delivers marked packets of $link" shows \
			"^7000:.*fwmark 0x6d700000/0xffff0000 iif $link lookup 7000 proto 109" ip "-$family" rule
	done
	check "IPv$family route that delivers them" shows '^local default dev lo proto 109' \
		ip "-$family" route show table 7000
done
check "IPv4 source rule" shows '^7001:.*from 10.61.0.2 lookup 7002 proto 109' ip -4 rule
check "IPv6 source rule" shows '^7001:.*from fd61:1::2 lookup 7003 proto 109' ip -6 rule
check "IPv4 default route of the first path" route4 7002 '^default via 10.61.0.1 dev wan0 proto 109 metric 100'
check "IPv4 connected route of the first path" route4 7002 '^10.61.0.0/24 dev wan0 proto 109 .*src 10.61.0.2'
check "another route of it, with its MTU and first window" route4 7002 '^198.51.100.0/24 via 10.61.0.9 dev wan0 proto 109 mtu 1400 initcwnd 4'
check "IPv6 default route of the second path" route6 7003 '^default via fd61:1::1 dev wan1 proto 109 metric 101'
check "IPv6 connected route of the second path" route6 7003 '^fd61:1::/64 dev wan1 proto 109'
check "no route of another path in a path's table" not route4 7002 'wan1'
is "$(gw ip route get 198.18.0.1 from 10.61.1.2 | grep -o 'dev wan.')" "dev wan1" "the source address chooses the path (IPv4)"
is "$(gw ip route get 2001:db8::1 from fd61:1::2 | grep -o 'dev wan.')" "dev wan1" "the source address chooses the path (IPv6)"
check "strict reverse path filter is loosened" sysctl_is ipv4/conf/wan0/rp_filter 2
check "TCP fast open for dialing and listening" sysctl_is ipv4/tcp_fastopen 3
check "ports in TIME_WAIT are used again" sysctl_is ipv4/tcp_tw_reuse 1
gw sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_fastopen'
checked() { kill -USR1 "$PID" && sysctl_is ipv4/tcp_fastopen 3; }
eventually "a sysctl that somebody has changed is set again" checked
check "and that is told" grep -q 'sysctl net/ipv4/tcp_fastopen was changed by somebody' "$DIR/log"
check "initial state of a lan link is told" event '^link 0 lan0 present up l2 10.61.9.1 fd61:9::1 ids 0 0'
check "initial state of a path is told" event '^link 2 wan1 present up l2 10.61.1.2 fd61:1::2 ids 104 105'
is "$(events wan0)" 1 "one event for a link that has not changed"
kill -USR1 "$PID"
eventually "local addresses, IPv4" event '^local 10.61.9.1$'
eventually "local addresses, IPv6" event '^local fd61:1::2$'

# --- routes of the main table come and go
ip -n "$NS" route add 203.0.113.0/24 via 10.61.1.7 dev wan1
eventually "a new IPv4 route is copied" route4 7003 '^203.0.113.0/24 via 10.61.1.7 dev wan1 proto 109'
ip -n "$NS" route del 203.0.113.0/24
eventually "a removed IPv4 route goes" not route4 7003 '203.0.113.0'
ip -n "$NS" -6 route add 2001:db8:7::/48 via fd61:1::7 dev wan1
eventually "a new IPv6 route is copied" route6 7003 '^2001:db8:7::/48 via fd61:1::7 dev wan1 proto 109'
ip -n "$NS" -6 route del 2001:db8:7::/48
eventually "a removed IPv6 route goes" not route6 7003 '2001:db8:7::'
ip -n "$NS" route add 203.0.113.0/24 nexthop via 10.61.0.7 dev wan0 nexthop via 10.61.1.7 dev wan1
eventually "of a multipath route each path has its part" route4 7003 '^203.0.113.0/24 via 10.61.1.7 dev wan1 proto 109'
check "and the other" route4 7002 '^203.0.113.0/24 via 10.61.0.7 dev wan0 proto 109'
ip -n "$NS" route del 203.0.113.0/24
ip -n "$NS" -6 route add 2001:db8:7::/48 nexthop via fd61:0::7 dev wan0 nexthop via fd61:1::7 dev wan1
eventually "and of an IPv6 one" route6 7003 '^2001:db8:7::/48 via fd61:1::7 dev wan1 proto 109'
check "IPv6, the other part" route6 7002 '^2001:db8:7::/48 via fd61::7 dev wan0 proto 109'
ip -n "$NS" -6 route del 2001:db8:7::/48
if ip -n "$NS" nexthop add id 7 via 10.61.1.8 dev wan1 && ip -n "$NS" nexthop add id 8 via fd61:1::8 dev wan1; then
	ip -n "$NS" route add 203.0.113.0/24 nhid 7
	ip -n "$NS" -6 route add 2001:db8:7::/48 nhid 8
	eventually "a route by a next hop object, IPv4" route4 7003 '^203.0.113.0/24 via 10.61.1.8 dev wan1 proto 109'
	eventually "and IPv6" route6 7003 '^2001:db8:7::/48 via fd61:1::8 dev wan1 proto 109'
	ip -n "$NS" nexthop del id 7
	ip -n "$NS" nexthop del id 8
	eventually "it goes with the object, IPv4" not route4 7003 '^203.0.113.0/24'
	eventually "and IPv6" not route6 7003 '^2001:db8:7::/48'
fi

# --- what the machine says to its own nets does not take a path
out_of() { gw ip route get "$1" from "$2" 2>/dev/null | grep -o 'dev [a-z]*[0-9]' | head -n 1; } # out_of TO FROM
for path in 0 1; do
	is "$(out_of 10.61.9.5 10.61.$path.2)" "dev lan0" "IPv4: from the address of path $path to the LAN"
	is "$(out_of fd61:9::5 fd61:$path::2)" "dev lan0" "IPv6: from the address of path $path to the LAN"
done
ip -n "$NS" link add lan1 type veth peer name flan1 netns "$FAR"
ip -n "$FAR" link set flan1 up
ip -n "$NS" link set lan1 up
ip -n "$NS" addr add 172.31.0.1/16 dev lan1
ip -n "$NS" addr add fd31::1/64 dev lan1 nodad
leaves() { [ "$(out_of "$1" "$2")" = "dev $3" ]; } # leaves TO FROM LINK
eventually "a net of a link that no configuration names, IPv4" leaves 172.31.0.9 10.61.1.2 lan1
eventually "and IPv6" leaves fd31::9 fd61:1::2 lan1
ip -n "$NS" route add 128.0.0.0/1 via 172.31.0.9 dev lan1
ip -n "$NS" route add 192.0.2.0/24 via 10.61.9.9 dev lan0
ip -n "$NS" -6 route add 8000::/1 via fd31::9 dev lan1
ip -n "$NS" -6 route add 2001:db8:9::/48 via fd61:9::9 dev lan0
eventually "a net behind a router in the LAN, IPv4" leaves 192.0.2.7 10.61.1.2 lan0
eventually "and IPv6" leaves 2001:db8:9::7 fd61:1::2 lan0
check "but a path keeps its way to the world beside a VPN, IPv4" leaves 198.18.0.1 10.61.1.2 wan1
check "and IPv6" leaves 2001:db8::1 fd61:1::2 wan1
check "and its own net" leaves 10.61.1.9 10.61.1.2 wan1
ip -n "$NS" route del 192.0.2.0/24
ip -n "$NS" -6 route del 2001:db8:9::/48
eventually "the net is gone, IPv4" leaves 192.0.2.7 10.61.1.2 wan1
eventually "and IPv6" leaves 2001:db8:9::7 fd61:1::2 wan1
ip -n "$NS" link del lan1

# --- more changes than can be followed
# burst NUMBER: that many routes come over each path, in either family, and what was ours goes, while nobody looks.
burst() {
	local i
	for ((i = 0; i < $1; i++)); do
		echo "route add 100.64.$((i / 250)).$((i % 250))/32 via 10.61.0.1 dev wan0"
	done >"$DIR/batch4"
	for ((i = 0; i < $1; i++)); do
		printf 'route add 2001:db8:5::%x/128 via fd61:1::1 dev wan1\n' "$i"
	done >"$DIR/batch6"
	kill -STOP "$PID"
	ip -n "$NS" -batch "$DIR/batch4" && ip -n "$NS" -6 -batch "$DIR/batch6"
	gw ip rule del from 10.61.1.2 lookup 7003
	gw ip -6 rule del from fd61:1::2 lookup 7003
	gw ip route flush table 7003
	gw ip -6 route flush table 7003
	kill -CONT "$PID"
}
copied() { [ "$(gw ip "-$1" route show table "$2" | grep -c "$3")" -ge "$4" ]; } # copied 4|6 TABLE PATTERN COUNT
warned=$(grep -c 'more changes of links' "$DIR/log")
burst 5000
eventually "an overflow is told" grep -q 'more changes of links' "$DIR/log"
eventually "the rule that went meanwhile is back, IPv4" shows '^7001:.*from 10.61.1.2 lookup 7003 proto 109' ip -4 rule
eventually "and IPv6" shows '^7001:.*from fd61:1::2 lookup 7003 proto 109' ip -6 rule
eventually "the routes as well, IPv4" route4 7003 '^default via 10.61.1.1 dev wan1 proto 109'
eventually "and IPv6" route6 7003 '^default via fd61:1::1 dev wan1 proto 109'
eventually "and what came, as many as a path may have" copied 4 7002 '^100\.64\.' 1000
ip -n "$FAR" link set far1 down
eventually "afterwards the loss of a carrier is told" last '^link 2 wan1 present down'
ip -n "$FAR" link set far1 up
eventually "and its return" last '^link 2 wan1 present up'
sed -i 's/ add / del /' "$DIR/batch4" "$DIR/batch6"
ip -n "$NS" -batch "$DIR/batch4"
ip -n "$NS" -6 -batch "$DIR/batch6" 2>/dev/null # the carrier's loss has taken some
eventually "the routes that went are gone, IPv4" not route4 7002 '^100\.64\.'
eventually "and IPv6" not route6 7003 '^2001:db8:5::'
is "$((warned + 1))" "$(grep -c 'more changes of links' "$DIR/log")" "the overflow is told once"

# --- what nobody tells is looked up now and then
gw sh -c 'echo 1 >/proc/sys/net/ipv4/conf/wan0/rp_filter'
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
	kill -USR1 "$PID"
	read -rt 0.05 <> <(:) || :
done
eventually "strict reverse path filtering is loosened again" sysctl_is ipv4/conf/wan0/rp_filter 2
gw sh -c 'echo 0 >/proc/sys/net/ipv4/conf/wan0/rp_filter'

# --- carrier goes and comes
ip -n "$FAR" link set far1 down
eventually "loss of carrier is told" last '^link 2 wan1 present down l2 10.61.1.2 .* ids 0 '
eventually "the endpoint of a dead path goes while another lives" not endpoint 'id 104 '
check "the living path keeps its endpoint" endpoint 'id 102 '
ip -n "$FAR" link set far1 up
eventually "return of carrier is told" last '^link 2 wan1 present up l2 10.61.1.2 .* ids 104 '
eventually "the endpoint is back" endpoint '^10.61.1.2 id 104 subflow backup dev wan1'

# --- the address changes
ip -n "$NS" addr add 10.61.0.77/24 dev wan0
ip -n "$NS" addr add fd61:0::77/64 dev wan0 nodad
ip -n "$NS" addr add 10.61.77.1/24 dev wan1
eventually "further addresses are seen" eval 'kill -USR1 $PID; event "^local 10.61.77.1$"'
check "a further address does not replace the one in use" endpoint '^fd61:+0?:*2 id 103 '
ip -n "$NS" addr del 10.61.0.2/24 dev wan0
ip -n "$NS" addr add 10.61.0.3/24 dev wan0 2>/dev/null
eventually "the endpoint follows the address" not endpoint '^10.61.0.2 '
eventually "the source rule follows, too" not shows 'from 10.61.0.2 ' ip -4 rule
eventually "endpoint, rule and event agree" eval 'a=$(gw ip mptcp endpoint show | sed -n "s/ id 102 .*//p");
	[ -n "$a" ] && shows "from $a lookup 7002 " ip -4 rule && event "^link 1 wan0 present up l2 $a "'
ip -n "$NS" -6 addr change fd61:0::2/64 dev wan0 preferred_lft 0
eventually "a deprecated IPv6 address is left for another" endpoint '^fd61:+0?:*77 id 103 '

# --- a link is made again, with another index
ip -n "$NS" link del wan1
eventually "a link that is gone is told" event '^link 2 wan1 absent down l2 - - ids 0 0'
eventually "its endpoint is gone" not endpoint 'id 104 '
check "its source rule is gone" not shows 'lookup 7003' ip -4 rule
check "its rule for marked packets waits for it" shows 'iif wan1 \[detached\] lookup 7000' ip -4 rule
make_wan 1
eventually "the new one is told" last '^link 2 wan1 present up l2 10.61.1.2 fd61:1::2 ids 104 105'
eventually "it has its endpoint again" endpoint '^10.61.1.2 id 104 subflow backup dev wan1'
eventually "and its routes" route4 7003 '^default via 10.61.1.1 dev wan1 proto 109'
eventually "IPv6 as well" route6 7003 '^default via fd61:1::1 dev wan1 proto 109'
eventually "and its filter is loose" sysctl_is ipv4/conf/wan1/rp_filter 2

# --- endpoints and limits that somebody else took away
# Until it is noticed: a change of a link may bring them back before they are missed.
missed() {
	grep -q 'somebody removed MPTCP' "$DIR/log" && return
	gw ip mptcp endpoint del id "$1"
	kill -USR1 "$PID"
	return 1
}
for id in 102 105; do
	: >"$DIR/log"
	eventually "endpoint $id is missed" missed $id
	eventually "and made again" endpoint " id $id subflow"
done
gw ip mptcp limits set subflows 0 add_addr_accepted 0
kill -HUP "$PID"
eventually "a reload raises limits again" shows 'add_addr_accepted 8 subflows 8' ip mptcp limits

# --- renamed away and back
ip -n "$NS" link set wan1 down
ip -n "$NS" link set wan1 name other1
eventually "a renamed link counts as absent" last '^link 2 wan1 absent'
ip -n "$NS" link set other1 name wan1
ip -n "$NS" link set wan1 up
ip -n "$NS" addr add fd61:1::2/64 dev wan1 nodad 2>/dev/null
ip -n "$NS" route replace default via 10.61.1.1 dev wan1 metric 101
ip -n "$NS" -6 route replace default via fd61:1::1 dev wan1 metric 101
eventually "and as present under its name" last '^link 2 wan1 present up l2 10.61.1.2 fd61:1::2 ids 104 105'

# --- flapping faster than anybody looks
for _ in 1 2 3 4 5 6 7 8 9 10; do
	ip -n "$FAR" link set far1 down
	ip -n "$FAR" link set far1 up
done
# By now it has come and gone so often that it is held back.
WITHIN=70 eventually "after flapping the link has its endpoint" endpoint '^10.61.1.2 id 104 subflow backup dev wan1'

# --- reload: what stays is not touched
: >"$DIR/monitor"
nsenter --net="/run/netns/$NS" -- stdbuf -oL ip monitor rule route >"$DIR/monitor" 2>/dev/null &
MONITOR=$!
eventually "the monitor runs" eval 'gw ip rule add prio 9999 lookup 9999; gw ip rule del prio 9999; grep -q 9999 "$DIR/monitor"'
RELOADS=$(grep -c "^reload 0" "$DIR/out")
kill -HUP "$PID"
eventually "the same file again" reloaded
check "changes nothing" not grep -Eq 'proto 109' "$DIR/monitor"
RELOADS=$(grep -c "^reload 0" "$DIR/out")
printf '%s\n' "path wan1 backup" "path wan2 overflow" "lan lan0 primary" >"$DIR/conf"
kill -HUP "$PID"
eventually "a file without the first path" reloaded
check "the path that stays keeps its endpoint" endpoint '^10.61.1.2 id 104 subflow backup dev wan1'
check "and its table" route4 7003 '^default via 10.61.1.1 dev wan1 proto 109'
check "nothing of it was removed and added" not grep -E '^[^t].*(table 7003|lookup 7003)' "$DIR/monitor"
check "that the other is none of its nets is new" grep -q '^throw 10.61.0.0/24 table 7003' "$DIR/monitor"
check "the path that went has no endpoint" not endpoint 'wan0'
check "and no routes" not route4 7002 .
check "nor rules" not shows 'wan0|lookup 7002' ip -4 rule
check "its sysctl is as before" sysctl_is ipv4/conf/wan0/rp_filter 0
check "a new link that is absent is told" event '^link 1 wan2 absent down'
make_wan 2
eventually "when it comes it is a path" endpoint '^10.61.2.2 id 102 subflow backup dev wan2'
eventually "with a table of its own" route4 7002 '^default via 10.61.2.1 dev wan2 proto 109'
kill "$MONITOR" && wait "$MONITOR" 2>/dev/null
MONITOR=
printf '%s\n' "lan lan0 primary" "path wan0 primary" "path wan1 primary" listen >"$DIR/conf"
kill -HUP "$PID"
eventually "another use of a path shows" endpoint '^10.61.1.2 id 104 subflow dev wan1'
ip -n "$NS" link del wan2

# --- killed, and started again
kill -9 "$PID"
wait "$PID" 2>/dev/null
PID=
gw ip rule add from 10.66.66.66 lookup 7005 prio 7001 proto 109
gw ip -6 rule add from fd66::66 lookup 7005 prio 7001 proto 109
gw ip route add 10.66.0.0/16 dev lo table 7005 proto 109
gw ip -6 route add fd66::/16 dev lo table 7005 proto 109
gw ip mptcp endpoint add 192.0.2.98 id 180 subflow
gw ip rule add from 10.66.66.67 lookup 7005 prio 7001
check "state of a killed one is there" shows 'lookup 7000' ip rule
start
check "a left IPv4 rule is gone" not shows '10.66.66.66' ip -4 rule
check "a left IPv6 rule is gone" not shows 'fd66::66' ip -6 rule
check "a left IPv4 route is gone" not route4 7005 .
check "a left IPv6 route is gone" not route6 7005 .
check "a left endpoint is gone" not endpoint 192.0.2.98
check "a rule of somebody else stays" shows '10.66.66.67' ip -4 rule
is "$(gw ip -4 rule | grep -c 'fwmark 0x6d700000')" 3 "no rule is there twice"
gw ip rule del from 10.66.66.67 lookup 7005 prio 7001

# --- a second one in the same namespace
eventually "the links are settled" settled
dump >"$DIR/before"
gw timeout 10 "$TOOL" "$DIR/conf" >"$DIR/second" 2>"$DIR/second.log"
is "$?" 1 "a second daemon in the namespace does not start"
check "which is said" grep -q 'another mpgated runs in this network namespace' "$DIR/second.log"
is "$(dump | diff "$DIR/before" -)" "" "it touches nothing of the first"
finish
check "rules are gone" not shows 'proto 109' ip -4 rule
check "IPv6 rules are gone" not shows 'proto 109' ip -6 rule
check "routes are gone" not shows 'proto 109' ip -4 route show table all
check "IPv6 routes are gone" not shows 'proto 109' ip -6 route show table all
check "endpoints are gone" not endpoint 'id 1[0-9][0-9]'

# --- from a clean state to the same clean state
gw ip mptcp limits set subflows 2 add_addr_accepted 0
gw sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_fastopen; for l in lan0 wan0 wan1; do echo 0 >/proc/sys/net/ipv4/conf/$l/rp_filter; done'
eventually "the links are ready again" settled
dump >"$DIR/before"
start
check "something was set" not diff -q "$DIR/before" <(dump)
finish
is "$(dump | diff "$DIR/before" -)" "" "closing puts everything back"

# --- killed, started again, and closed: from a clean state to the same clean state
start
kill -9 "$PID"
wait "$PID" 2>/dev/null
printf '%s\n' "lan lan0 primary" "path wan1 primary" >"$DIR/conf"
: >"$DIR/log"
start
check "what a killed one set for a link that is no longer named is put back" sysctl_is ipv4/conf/wan0/rp_filter 0
LOCK=$(lock_file)
check "it holds a lock" test -e "$LOCK"
finish
is "$(dump | diff "$DIR/before" -)" "" "what a killed one set is not taken for the original"
check "nothing is left of the lock" not test -e "$LOCK"
start
kill -9 "$PID"
wait "$PID" 2>/dev/null
gw sh -c 'echo 5 >/proc/sys/net/ipv4/tcp_fastopen'
start
finish
check "what somebody else set after it was killed is the original" sysctl_is ipv4/tcp_fastopen 5
gw sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_fastopen'

# --- the lock is for root
start
is "$(stat -c '%a %U' "$(lock_file)")" "600 root" "nobody else can take the lock"
finish

# --- what others changed is left
start
gw sh -c 'echo 7 >/proc/sys/net/ipv4/tcp_fastopen'
finish
check "a sysctl that somebody else changed is left" sysctl_is ipv4/tcp_fastopen 7

# --- more addresses than the kernel has endpoints
printf '%s\n' "path wan0 primary" "path wan1 primary" >"$DIR/conf"
for i in 1 2 3 4 5; do gw ip mptcp endpoint add "192.0.2.$i" id "$((10 + i))" signal; done
start
in_use=$(gw ip mptcp endpoint show | grep -c .)
like "$in_use" '^(8|10)$' "all the kernel has are in use" # up to 6.18 it has 8, Linux 7 has room for these 10
is "$(grep -c 'room for 8 MPTCP endpoints' "$DIR/log")" $((in_use == 8)) "that there are no more is said once"
finish
is "$(gw ip mptcp endpoint show | grep -c .)" 6 "those of others stay"

# --- without IPv6
gw sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
start
check "IPv4 works without IPv6" shows 'iif wan0 lookup 7000' ip -4 rule
check "no IPv6 rule" not shows 'proto 109' ip -6 rule
check "which is said" grep -q 'IPv6 is disabled' "$DIR/log"
finish
done_testing
