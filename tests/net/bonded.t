#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A download uses both links; it survives the loss of either, and the reset of a subflow over either. The lost link is
# used again when it is back.
# ALONE: the rates of both links are compared.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/links.sh
. "$(dirname "$0")/links.sh"

SIZE=16000000
# As it is by default, with connections opened ahead.
# shellcheck disable=SC2034 # read by pair_configs
PEER_MORE=
scenario
shape 0 20
shape 1 30

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
	# A probe may have come since, or a connection that is opened ahead.
	is "$(subflows "$2" | grep -F "$(awk '{ print $3 }' <<<"$killed")")" "" "$1: it is gone"
	check "$1: the download is not over yet" kill -0 $pid
	wait $pid
	ok $? "$1: the download ends with all its bytes" || diag "$(cat "$TMP/get.out")"
}

for f in 4 6; do
	family $f
	both "IPv$f" 5
	for link in 1 0; do
		with_reset "IPv$f: subflow over link $link reset" $link
	done
	for link in 1 0; do with_cut "IPv$f: link $link cut" $link; done
done
done_testing
