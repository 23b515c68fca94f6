#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A download uses both links; it survives the loss of either, and the reset of a subflow over either. The lost link is
# used again when it is back.
# ALONE: the rates of both links are compared.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

SIZE=16000000
# As it is by default, with connections opened ahead.
# shellcheck disable=SC2034 # read by pair_configs
PEER_MORE=
scenario
shape 0 20
shape 1 30

# sent 0|1: bytes that went down a link so far.
sent() { ip -n "$ROUTER" -s -j link show dev "acc$1" | jq '.[0].stats64.tx.bytes'; }
more_than() { [ "$(sent "$1")" -gt "$2" ]; }

# both NAME: a download puts at least a fifth of its bytes on either link.
both() {
	local a b
	a=$(sent 0) b=$(sent 1)
	check "$1: the download works" load -n $SIZE get "$SERVER_IP" 80
	check "$1: link 0 carries a part" more_than 0 $((a + SIZE / 5))
	check "$1: link 1 carries a part" more_than 1 $((b + SIZE / 5))
}

# with_cut NAME LINK: that link is lost in mid-download.
with_cut() {
	local before pid
	before=$(sent "$2")
	load -n $SIZE get "$SERVER_IP" 80 >"$TMP/get.out" 2>&1 &
	pid=$!
	check "$1: it is in use" wait_for 10 more_than "$2" $((before + SIZE / 10))
	link_cut "$2"
	wait $pid
	ok $? "$1: the download ends well" || diag "$(cat "$TMP/get.out")"
	link_mend "$2"
}

# The subflows over one link, in the gateway; ss -K resets them, and says which.
subflows() { on "$GATEWAY" ss "${@:2}" -Htn state established "dport = 8803 and ( $(local_of "$1") )"; }
local_of() { echo "src 10.60.$((10 + 10 * $1)).2 or src [fd60:$((10 + 10 * $1))::2]"; }

# with_reset NAME LINK: the subflow over that link is reset in mid-download.
with_reset() {
	local before pid killed
	before=$(sent "$2")
	load -n $SIZE get "$SERVER_IP" 80 >"$TMP/get.out" 2>&1 &
	pid=$!
	check "$1: it is in use" wait_for 10 more_than "$2" $((before + SIZE / 10))
	killed=$(subflows "$2" -K)
	like "$killed" 8803 "$1: it is reset"
	is "$(subflows "$2")" "" "$1: it is gone"
	check "$1: the download is not over yet" kill -0 $pid
	wait $pid
	ok $? "$1: the download ends with all its bytes" || diag "$(cat "$TMP/get.out")"
}

for f in 4 6; do
	family $f
	both "IPv$f"
	for link in 1 0; do
		with_reset "IPv$f: subflow over link $link reset" $link
	done
	for link in 1 0; do
		with_cut "IPv$f: link $link cut" $link
		before=$(sent $link)
		# The path comes back by itself; connections made after that use it again.
		again() {
			load -n $((SIZE / 4)) get "$SERVER_IP" 80 && more_than "$link" $((before + SIZE / 20))
		}
		check "IPv$f: link $link is used again" wait_for 30 again
	done
done
done_testing
