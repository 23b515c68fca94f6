#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SYNs with data get lost on the way: each connection falls back to TCP on both sides, and carries all bytes there are.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

lossy() {
	on "$ROUTER" nft -f - <<-'END'
		table inet lossy {
			chain forward {
				type filter hook forward priority filter; policy accept;
				tcp dport 8803 tcp flags & (syn | ack) == syn meta length > 400 drop
			}
		}
	END
}
whole() { on "$ROUTER" nft delete table inet lossy; }
in_syns() { load -n 100 echo "$SERVER_IP" 7001 && counted gw relay syn-data "$1"; }

WITH_ROUTER=1 scenario
shape 0 20
shape 1 30
for f in 4 6; do
	family $f
	for round in 1 2; do
		wait_for 15 in_syns "$(counter gw relay syn-data)"
		lossy
		lost=$(counter gw relay syn-data-lost)
		check "IPv$f: echoes whose SYNs' data is lost ($round)" load -c 20 -n 50000 echo "$SERVER_IP" 7001
		whole
		check "IPv$f: it was lost ($round)" counted gw relay syn-data-lost "$lost"
	done
done
done_testing
