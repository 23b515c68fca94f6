#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Descriptors run out in a worker: no client is reset. What steer gave it before it heard of that goes directly, all others
# take the normal route, and when there are descriptors again connections go by the hub.
# ALONE: what a worker gets before the supervisor has told steer to pass it by must fit into its reserve.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

LIMIT_FDS=512
BEYOND=300 # connections, of two descriptors each
GATEWAY_MORE='workers: 1'
HUB_MORE='workers: 1'
net_init
if ! { net_build && servers_start && pair_configs && daemon_start hub "$HUB" "$TMP/hub.yaml"; }; then
	echo "Bail out! the network or a daemon does not start"
	exit 1
fi
DAEMON_BY=(prlimit "--nofile=$LIMIT_FDS")
check "the gateway starts with $LIMIT_FDS descriptors" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is found" wait_for 10 peer_is up

for f in 4 6; do
	family $f
	passed=$(counter gw reasons no-listener)
	check "IPv$f: it works" greeted_by "$HUB_IP"
	check "IPv$f: $BEYOND connections at a time work" hold "$BEYOND"
	check "IPv$f: the rest takes the normal route" counted gw reasons no-listener "$passed"
	check "IPv$f: and is told from those within" greeted_by "$CLIENT_IP"
	check "IPv$f: they end well" let_go
	check "IPv$f: new ones go by the hub again" wait_for 10 greeted_by "$HUB_IP"
done

# Those that are held need one more each when their clients are answered.
check "connect: honest" connect_as honest
for f in 4 6; do
	family $f
	for i in 1 2 3 4; do
		check "IPv$f, honest: $BEYOND connections at once work, $i" load -c $BEYOND -n 1000 echo "$SERVER_IP" 7001
	done
done
is "$(counter gw relay client-gone)" 0 "no server was dialed for in vain"
check "connect: early" connect_as early
daemon_stop gw
daemon_stop hub

# The same on the hub: it says so, and the gateway goes directly.
DAEMON_BY=()
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
DAEMON_BY=(prlimit "--nofile=$LIMIT_FDS")
check "the hub starts with $LIMIT_FDS descriptors" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "it is found" wait_for 30 peer_is up
for f in 4 6; do
	family $f
	direct=$(counter gw relay direct)
	check "IPv$f: a full hub: $BEYOND connections at a time work" hold "$BEYOND"
	check "IPv$f: a full hub: some go directly" counted gw relay direct "$direct"
	check "IPv$f: they end well" let_go
	check "IPv$f: new ones go by the hub again" wait_for 30 greeted_by "$HUB_IP"
done
done_testing
