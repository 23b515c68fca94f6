#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# early-classify: the rule of a SYN is found at XDP, what follows is the same, and the link is clean afterwards.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: no-echo, link: lan0, to-port: [ "7001" ], action: direct }
    - { name: all, link: lan0, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: early }'
GATEWAY_MORE='metrics: { listen: 127.0.0.1 }'
BYTES=1000000

# early true|false: what the gateway's file says of it.
early() { sed -i "s/name: lan0, role: lan.*}/name: lan0, role: lan, early-classify: $1 }/" "$TMP/gw.yaml"; }

# hook ROLE: where the daemon says that its program is attached on the lan link.
hook() { ctl gw --json status | jq -r ".links[] | select(.name == \"lan0\") | .$1"; }
xdp() { ip -n "$GATEWAY" -j link show dev lan0 | jq -r '.[0].xdp.prog.id // "none"'; }

# counted_once NAME GATED REASON COMMAND...: the command succeeds; one SYN left for REASON, and gate found GATED rules.
counted_once() {
	local name=$1 gated=$2 reason=$3 hits before
	shift 3
	hits=$(counter gw reasons gate-hit)
	before=$(counter gw reasons "$reason")
	check "$name" "$@"
	is $(($(counter gw reasons "$reason") - before)) 1 "$name: counted as $reason"
	is $(($(counter gw reasons gate-hit) - hits)) "$gated" "$name: $gated found by gate"
}

refused() { [ "$(load conn "$SERVER_IP" 9999)" = refused ]; }

net_init
if ! { net_build && servers_start && pair_configs && early true && daemon_start hub "$HUB" "$TMP/hub.yaml" &&
	daemon_start gw "$GATEWAY" "$TMP/gw.yaml" && wait_for 10 peer_is up; }; then
	echo "Bail out! the network or a daemon does not start"
	exit 1
fi

is "$(hook gate)" xdp "gate runs at native XDP"
like "$(xdp)" '^[0-9]+$' "the kernel says so too"
for f in 4 6; do
	family $f
	counted_once "IPv$f: a download" 1 steered load -n $BYTES -s $f get "$SERVER_IP" 80
	counted_once "IPv$f: the server sees the hub" 1 steered greeted_by "$HUB_IP"
	counted_once "IPv$f: a rule that says direct" 1 rule-direct load -n 1000 echo "$SERVER_IP" 7001
	counted_once "IPv$f: no rule" 1 no-rule refused
done

metrics() { on "$GATEWAY" curl -sS --max-time 5 http://127.0.0.1:9803/metrics | sed -n "s/^$1 //p"; }
is "$(metrics 'mpgate_packets_total{reason="gate-hit"}')" "$(counter gw reasons gate-hit)" "the metrics say the same"

# What gate found holds for one policy only. The one in force after a reload is asked by gate, too.
early false
check "it is switched off by a reload" ctl gw reload
is "$(hook gate) $(xdp)" "none none" "nothing is left at XDP"
family 4
counted_once "then steer finds the rule itself" 0 steered greeted_by "$HUB_IP"
early true
sed -i 's/name: no-echo, link: lan0, to-port: .*}/name: other, link: lan0, to-port: [ "80" ], action: direct }/' "$TMP/gw.yaml"
check "and on again, with another policy" ctl gw reload
is "$(hook gate)" xdp "gate is back"
for f in 4 6; do
	family $f
	counted_once "IPv$f: now direct" 1 rule-direct load -n $BYTES -s $f get "$SERVER_IP" 80
	counted_once "IPv$f: now steered" 1 steered load -n $BYTES -s $f echo "$SERVER_IP" 7001
done

programs() { on "$GATEWAY" bpftool net show | grep -cE '^(lan0|wan[01])\('; }
some_programs() { [ "$(programs)" -gt 0 ]; }
check "bpftool finds programs on the links" some_programs
daemon_stop gw
is "$(xdp)" none "after the end: no XDP program on the link"
is "$(programs)" 0 "after the end: nothing on any link"
is "$(find "/sys/fs/bpf/mpgate/${MPG_PREFIX}gw" -type f 2>/dev/null | wc -l)" 0 "after the end: no pin"
for f in 4 6; do
	family $f
	check "IPv$f: after the end: the normal route" greeted_by "$CLIENT_IP"
done
done_testing
