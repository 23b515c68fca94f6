#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# When the daemon has ended, a client may use its port again towards the same server at once, as it may without us: what
# the gateway has in TIME_WAIT for that connection would make its kernel drop the packets that it is to forward.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "7000-7999" ], action: proxy, via: hub }'
scenario
spawn talk "$SERVER" "$TOOLS/tcptalk" listen '7051=send:1000'
# The server ends first, so nobody but the gateway holds the client's port.
talks() { is "$(on "$CLIENT" timeout 10 "$TOOLS/tcptalk" dial "$SERVER_IP" 7051 "port:4${f}01 dial all close")" "1000 eof" "IPv$f: $1"; }
in_time_wait() { on "$GATEWAY" ss -Htn state time-wait "sport = 7051" | wc -l; }

taken=$(counter gw relay relayed)
for f in 4 6; do
	family $f
	talks "by the hub"
done
is "$(counter gw relay relayed)" $((taken + 2)) "both are relayed"
is "$(in_time_wait)" 2 "the gateway has both in TIME_WAIT"
daemon_stop gw
is "$(in_time_wait)" 0 "it has neither when its daemon has ended"
for f in 4 6; do
	family $f
	talks "the port is used again"
done
done_testing
