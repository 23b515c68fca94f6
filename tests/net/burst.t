#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# connect: honest: who comes in a burst finds connections to the hub that are open already, when there was a burst before.
# ALONE: how many there are a second after the first is a matter of time.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

BURST=50 FIND=45
REST_S=6 # longer than what is opened ahead waits
# shellcheck disable=SC2034 # read by pair_configs
PEER_MORE='    ready: 2'
# shellcheck disable=SC2034
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest }'
scenario
for f in 4 6; do
	family $f
	check "IPv$f: $BURST connections at a time" load -c $BURST -n 100 echo "$SERVER_IP" 7001
	read -rt $REST_S <> <(:) || :
	check "IPv$f: one connection after a rest" greeted_by "$HUB_IP"
	read -rt 1 <> <(:) || :
	used=$(counter gw relay ready-used)
	check "IPv$f: $BURST at a time" load -c $BURST -n 100 echo "$SERVER_IP" 7001
	check "IPv$f: $FIND of them find one that is there" [ $(($(counter gw relay ready-used) - used)) -ge $FIND ]
done
done_testing
