#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Servers that refuse, reset or cannot be reached: the client is reset, the reason is counted.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

scenario

# one NAME GW-COUNTER HUB-COUNTER ADDRESS PORT: the client is reset and both sides know why.
one() {
	local gw hub
	gw=$(counter gw relay "$2")
	hub=$(counter hub relay "$3")
	is "$(load conn "$4" "$5")" reset "$1: the client is reset"
	check "$1: counted on the gateway" wait_for 5 counted gw relay "$2" "$gw"
	check "$1: counted on the hub" wait_for 5 counted hub relay "$3" "$hub"
}

for f in 4 6; do
	family $f
	one "IPv$f: closed port" refused refused "$SERVER_IP" 7999
	one "IPv$f: no such server" unreachable unreachable "${SERVER_IP%2}99" 7001
	one "IPv$f: where the hub may not go" convert-error not-authorized "${HUB_IP%2}1" 7001
	is "$(load conn "$SERVER_IP" 7004)" reset "IPv$f: a reset of the server reaches the client"
	is "$(load conn "$SERVER_IP" 7001)" ok "IPv$f: the next connection works"
done
done_testing
