#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Readers that stand still, clients and servers: what the kernels of gateway and hub hold for them has a bound, others go
# on as before, and so do they when they read again.
# ALONE: rates are compared.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

READERS=100 BYTES=20000000
EACH=8 # MB that a download may cost gateway and hub together: left to itself the kernel took 8.5 of 12 already
LIMIT_MIB=8 BOUND=24 # kernel-mib; MB with what moves, and what is not counted yet
KEEPS=80 TURNS=3 MOST_TURNS=10 # per cent; at least and at most so many
LITTLE=500000 # bytes, which fit the limit and do not fit those who read nothing
STILL_PORT=7090
OTHER4=10.60.1.3 OTHER6=fd60:61::3 # another client; an IPv6 /64 is one
PLENTY_MIB=8192
LIMIT=600
GATEWAY_MORE="limits: { kernel-mib: $PLENTY_MIB }" HUB_MORE=$GATEWAY_MORE
scenario
ip -n "$CLIENT" addr add $OTHER4/24 dev eth0
ip -n "$CLIENT" addr add $OTHER6/64 dev eth0 nodad
ip -n "$GATEWAY" addr add fd60:61::1/64 dev lan0 nodad
# held NAMESPACE...: MB in the queues of its sockets.
held() {
	local ns
	for ns; do
		on "$ns" ss -Htmn
		on "$ns" ss -HMmn
	done | grep -o 'skmem:([^)]*' | tr -d 'a-z:(' | awk -F, '{ sum += $1 + $6 } END { printf "%d", sum / 1e6 }'
}
# within MB NAMESPACE...
within() {
	local most=$1 now
	shift
	now=$(held "$@")
	echo "$now MB"
	[ "$now" -le "$most" ]
}
# bulk FROM: the bytes that 2 s carry.
bulk() { load -t 2 -c 4 -f "$1" bulk "$SERVER_IP" 80 | sed -n 's/^count=\([0-9]*\) .*/\1/p'; }
quiet() {
	local before
	before=$(counter gw relay bytes-up)-$(counter gw relay bytes-down)
	read -rt 1 <> <(:) || :
	[ "$(counter gw relay bytes-up)-$(counter gw relay bytes-down)" = "$before" ]
}
# Those of downloads have ended their side.
begun() {
	local state=(state established)
	[ "$1" = "$STILL_PORT" ] || state=(state fin-wait-1 state fin-wait-2)
	[ "$(on "$CLIENT" ss -Htn "${state[@]}" dport = "$1" | wc -l)" -ge "$2" ]
}

# start down|up NAME COUNT BYTES FROM: that many that stand still, downloads that nobody reads or uploads to a server that
# does not.
start() {
	local action=late port=80
	[ "$1" = down ] || action=sink port=$STILL_PORT
	# exec, so that the pid is its own.
	(exec nsenter --net="/run/netns/$CLIENT" -- "$TOOLS/tcpload" -c "$3" -n "$4" -f "$5" $action "$SERVER_IP" $port) \
		<"$TMP/in" >"$TMP/$2.out" 2>&1 9>&- &
	STARTED=$!
	wait_for 60 begun $port "$3"
}
stand_still() {
	mkfifo "$TMP/in" && exec 9<>"$TMP/in"
	kill -STOP "$STILL_SERVER"
}
let_go() {
	exec 9>&-
	rm "$TMP/in"
	kill -CONT "$STILL_SERVER"
}
# abandon: they end without having read; what their kernels hold goes with them.
abandon() {
	kill -9 "$many" "$STILL_SERVER"
	wait "$many" "$STILL_SERVER"
	exec 9>&-
	rm "$TMP/in"
	server_start
}
server_start() {
	spawn still-server "$SERVER" "$TOOLS/tcpserve" sink:$STILL_PORT
	STILL_SERVER=$SPAWNED
	wait_for 5 on "$SERVER" "$TOOLS/tcpload" -n 1 sink "$SERVER4" $STILL_PORT
}
begin() { # down|up
	stand_still
	start "$1" many "$READERS" "$BYTES" "${!client}" || return
	many=$STARTED
	wait_for 40 quiet
}

# goes_on down|up: bulk of another client keeps its rate beside them. What else the machine does takes from a rate and adds
# nothing: the best of some turns beside them is compared with the best of as many alone, until it is good, or was given
# enough turns to become so.
goes_on() {
	local alone beside best_alone=1 best_beside=0 turns=0
	while [ "$turns" -lt "$TURNS" ] || [ $((100 * best_beside / best_alone)) -lt "$KEEPS" ]; do
		[ "$turns" -lt "$MOST_TURNS" ] || break
		turns=$((turns + 1))
		beside=$(bulk "${!other}")
		abandon
		alone=$(bulk "${!other}")
		[ "$beside" -le "$best_beside" ] || best_beside=$beside
		[ "$alone" -le "$best_alone" ] || best_alone=$alone
		begin "$1" || return
	done
	KEPT=$((100 * best_beside / best_alone))
	[ "$KEPT" -ge "$KEEPS" ]
}

ended_well() { wait "$1" || { sort "$TMP/$2.out" | uniq -c | tail -n 5 && return 1; }; }
# limit gw|hub [MIB]: its kernel-mib, by a reload; plenty.
limit() {
	sed -i '/^limits/d' "$TMP/$1.yaml"
	echo "limits: { kernel-mib: ${2:-$PLENTY_MIB} }" >>"$TMP/$1.yaml"
	ctl "$1" reload
}

server_start
for f in 4 6; do
	family $f
	client=CLIENT$f other=OTHER$f
	for way in down up; do
		check "IPv$f $way: $READERS that nobody reads come to rest" begin "$way"
		# Uploads differ less: there the client's kernel has no more to give.
		[ $way = up ] || check "IPv$f $way: they do not cost much" within $((EACH * READERS)) "$GATEWAY" "$HUB"
		diag "$(held "$GATEWAY") MB at the gateway, $(held "$HUB") MB at the hub"
		check "IPv$f $way: bulk beside them keeps $KEEPS % of its rate" goes_on "$way"
		diag "$KEPT %"
		let_go
		check "IPv$f $way: read at last, all is there" ended_well "$many" many
	done
	is "$(counter gw relay still) $(counter hub relay still)" "${before:-0 0}" "IPv$f: none was reset"

	# The client that holds most loses them, and nobody else.
	limit gw $LIMIT_MIB >"$TMP/reload.out"
	stand_still
	gw=$(counter gw relay still) hub=$(counter hub relay still)
	start down few 2 $LITTLE "${!other}"
	few=$STARTED
	start down many $READERS $BYTES "${!client}"
	many=$STARTED
	check "IPv$f: over the limit, readers are reset" wait_for 30 counted gw relay still "$gw"
	check "IPv$f: until the rest fits" wait_for 30 within $BOUND "$GATEWAY"
	let_go
	check "IPv$f: not those of another client" ended_well "$few" few
	wait "$many"
	limit gw >"$TMP/reload.out"

	limit hub $LIMIT_MIB >"$TMP/reload.out"
	stand_still
	start up many $READERS $BYTES "${!client}"
	many=$STARTED
	check "IPv$f: the same at the hub" wait_for 30 counted hub relay still "$hub"
	check "IPv$f: until the rest fits there" wait_for 30 within $BOUND "$HUB"
	let_go
	wait "$many"
	limit hub >"$TMP/reload.out"
	before="$(counter gw relay still) $(counter hub relay still)"
done
done_testing
