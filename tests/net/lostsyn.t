#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SYNs with data get lost on the way, or the first packets behind SYNs: connections fall back to TCP, some after the
# gateway has sent much over MPTCP, and carry all bytes there are.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# drop NAME MATCH: until `whole NAME`, in the router.
drop() {
	on "$ROUTER" nft -f - <<-END
		table inet $1 {
			chain forward {
				type filter hook forward priority filter; policy accept;
				tcp dport 8803 $2 drop
			}
		}
	END
}
whole() { on "$ROUTER" nft delete table inet "$1"; }
# larger BYTES: SYNs of more than that get lost.
larger() { drop larger "tcp flags & (syn | ack) == syn meta length > $1"; }
# beheaded NAME: echoes of which the first packets behind the SYN are lost. What arrives first is out of order and does
# not have the option of the handshake.
beheaded() {
	drop first "tcp flags & syn == 0 ct original packets < 4"
	before=$(counter gw relay fallback-tcp)
	check "IPv$f: echoes whose first packets are lost, $1" load -c 20 -n 50000 echo "$SERVER_IP" 7001
	whole first
	check "IPv$f: some fell back, $1" counted gw relay fallback-tcp "$before"
}
in_syns() { load -n 100 echo "$SERVER_IP" 7001 && counted gw relay syn-data "$1"; }
behind_handshakes() { load -n 100 echo "$SERVER_IP" 7001 && counted gw relay after-handshake "$1"; }

WITH_ROUTER=1 scenario
shape 0 20
shape 1 30
for f in 4 6; do
	family $f
	for round in 1 2; do
		wait_for 15 in_syns "$(counter gw relay syn-data)"
		larger 400
		lost=$(counter gw relay syn-data-lost)
		check "IPv$f: echoes whose SYNs' data is lost ($round)" load -c 20 -n 50000 echo "$SERVER_IP" 7001
		whole larger
		check "IPv$f: it was lost ($round)" counted gw relay syn-data-lost "$lost"
	done
	wait_for 15 in_syns "$(counter gw relay syn-data)"
	beheaded "with data in the SYN"
	larger 120
	check "IPv$f: SYNs with data are given up" wait_for 15 behind_handshakes "$(counter gw relay after-handshake)"
	beheaded "behind the handshake"
	whole larger
done
done_testing
