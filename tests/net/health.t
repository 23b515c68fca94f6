#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A link that dies without a word (carrier up, packets lost): new connections take the other path within seconds, and
# what is not bonded as well; both come back with it. In both families, while the peer is in use and after a rest.
# LONG: it waits for probes, at rest and in use.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

WITHIN=5 # seconds, after which new connections work
scenario

# dies 0|1: that access link is silent.
dies() {
	silence "$1"
	net_back_by $((1 - $1))
}
# Plain answers to the client come back over that link: another network's routing, which knows of the death.
net_back_by() {
	PLAIN=$1
	net_back
}

# way 4|6 PATH FIELD: of the way to the hub's address of that family over a path.
way() {
	ctl gw --json peers list | jq -r --arg a "$(family "$1" && echo "$HUB_IP")" --arg p "$2" \
		".ways[] | select(.address == \$a and .path == \$p) | .$3"
}
way_is() { [ "$(way "$1" "$2" state)" = "$3" ]; }
path_is() { [ "$(ctl gw --json paths list | jq -r --arg p "$2" ".paths[] | select(.name == \$p) | .health$1")" = "$3" ]; }
first_is() { [ "$(way "$1" "$2" first)" = true ]; }
detour() { on "$GATEWAY" ip "-$1" rule | grep -q '^32765:.*lookup 700[23] '; }
# unused: so long that the peer does not count as in use: its ways are asked every 30 s.
unused() {
	local before
	before=$(on "$ROUTER" nft list counter inet asked syns | grep -o 'packets [0-9]*')
	read -rt 12 <> <(:) || :
	[ "$before" = "$(on "$ROUTER" nft list counter inet asked syns | grep -o 'packets [0-9]*')" ]
}
not() { ! "$@"; }
# direct: the server sees the client itself: port 7101 is not steered.
direct() { timeout 1 nsenter --net="/run/netns/$CLIENT" "$TOOLS/tcpload" conn "$SERVER_IP" 7101 2>/dev/null | grep -q ok; }
quick() { timeout 1 nsenter --net="/run/netns/$CLIENT" "$TOOLS/tcpload" greet "$SERVER_IP" 7003 2>/dev/null | grep -qx "hello $HUB_IP"; }

on "$ROUTER" nft -f - <<-END
	table inet asked {
		counter syns { }
		chain in { type filter hook prerouting priority -310; tcp dport 8803 tcp flags syn counter name syns; }
	}
END
for f in 4 6; do
	check "IPv$f: every way is found to be up" wait_for 10 eval "way_is $f a up && way_is $f b up"
	check "IPv$f: paths list shows it" eval "path_is $f a up && path_is $f b up"
done
check "the first address over the path of the default route comes first" first_is 4 a

for f in 4 6; do
	family $f
	if [ $f = 6 ]; then
		sed -i "s/^    address: .*/    address: [ \"$HUB6\" ]/" "$TMP/gw.yaml"
		ctl gw reload >/dev/null
		check "IPv6: the peer is up" wait_for 10 eval "peer_is up && way_is 6 a up && way_is 6 b up"
	fi
	for rest in used rested; do
		[ $rest = rested ] && check "IPv$f: nobody uses the peer" wait_for 40 unused
		[ $rest = rested ] || check "IPv$f, $rest: the hub carries connections" greeted_by "$HUB_IP"
		capture dead "$ROUTER" acc0 dst port 8803
		dies 0
		began=$SECONDS
		check "IPv$f, $rest: connections work again" wait_for $((WITHIN + 2)) quick
		took=$((SECONDS - began))
		diag "after $took s"
		check "IPv$f, $rest: within $WITHIN s" test $took -le $((WITHIN * ${MPG_SLOW:-1}))
		check "IPv$f, $rest: the way over the dead path is down" wait_for 5 way_is $f a down
		check "IPv$f, $rest: the other is up" way_is $f b up
		check "IPv$f, $rest: the peer is up" peer_is up
		check "IPv$f, $rest: paths list shows the dead one" wait_for 5 path_is $f a down
		check "IPv$f, $rest: what goes direct leaves by the other" wait_for 5 detour $f
		check "IPv$f, $rest: and arrives" wait_for 5 direct
		is "$(on "$GATEWAY" ip route get "${CLIENT_IP}" | grep -o 'dev [a-z0-9]*')" "dev lan0" "IPv$f, $rest: own nets as before"
		capture_end dead
		silence_end 0
		net_back_by 0
		check "IPv$f, $rest: the path is alive again" wait_for 35 path_is $f a up
		check "IPv$f, $rest: the default route is taken again" wait_for 5 not detour $f
		check "IPv$f, $rest: it is the first to be taken" wait_for 5 first_is $f a
		check "IPv$f, $rest: connections go by it" wait_for 5 quick
	done
done

family 4
dies 0
dies 1
check "all paths dead: the peer is down" wait_for 20 peer_is down
check "and no detour is taken" wait_for 5 not detour 4
silence_end 0
silence_end 1
net_back_by 0
check "they live: the peer is up" wait_for 70 peer_is up
done_testing
