# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Downloads of $SIZE bytes over both access links, and over what is left when one is cut. Source after lib.sh.

# sent 0|1: bytes that went down a link so far.
sent() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.tx.bytes'; }
more_than() { [ "$(sent "$1")" -gt "$2" ]; }

# both NAME PART: a download puts at least that part (5: a fifth) of its bytes on either link.
both() {
	local a b
	a=$(sent 0) b=$(sent 1)
	check "$1: the download works" load -n "$SIZE" get "$SERVER_IP" 80
	check "$1: link 0 carries a part" more_than 0 $((a + SIZE / $2))
	check "$1: link 1 carries a part" more_than 1 $((b + SIZE / $2))
}

# with_cut NAME LINK: that link is lost in mid-download. It comes back by itself, and connections made after that use it
# again.
with_cut() {
	local before pid
	before=$(sent "$2")
	load -n "$SIZE" get "$SERVER_IP" 80 >"$TMP/get.out" 2>&1 &
	pid=$!
	check "$1: it is in use" wait_for 10 more_than "$2" $((before + SIZE / 10))
	link_cut "$2"
	wait $pid
	ok $? "$1: the download ends well" || diag "$(cat "$TMP/get.out")"
	link_mend "$2"
	check "$1: it is used again" wait_for 30 used_again "$2" "$(sent "$2")"
}
used_again() { load -n $((SIZE / 4)) get "$SERVER_IP" 80 && more_than "$1" $(($2 + SIZE / 20)); }
