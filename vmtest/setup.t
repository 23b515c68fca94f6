#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How long a connection takes to be set up where SYNs get lost, by what `setup` says; over links of netem, or of
# tests/net/linkem where the kernel has no netem. Each connection is a line "FAMILY SETUP PERCENT MS" in $SETUP (a file), separated by tabs. What is asserted is a
# ratio: with 5 % lost, of the 99th percentiles.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../tests/net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../tests/net/lib.sh"

ROUNDS=${ROUNDS:-5}
CONNECTIONS=${CONNECTIONS:-60} # of each kind, in a round
AT_ONCE=4
ACCESS_MS=20 SERVER_MS=5 # one way
GOAL=30 # percent

# delayed MS NS IF [NS IF]: so much on the way out of these.
delayed() {
	local ms=$1
	shift
	while [ $# -gt 0 ]; do
		tc -n "$1" qdisc replace dev "$2" root netem delay "${ms}ms" limit 10000 || return
		shift 2
	done
}

# lose PERCENT: of the SYNs of requests, their repetitions, and the answers to both, in each direction. Probes, which are
# shorter, lose none: what is compared is set-up alone. A SYN is known to the router's connection tracking once it has
# left; so the hub drops it, by a code point.
lose() {
	on "$ROUTER" nft -f - <<-END || return
		table inet lose {
			chain in {
				type filter hook prerouting priority -150;
				iifname "acc*" tcp dport 8803 tcp flags & (syn | ack) == syn meta nfproto ipv4 meta length > 150 ct mark set 1
				iifname "acc*" tcp dport 8803 tcp flags & (syn | ack) == syn meta nfproto ipv6 meta length > 170 ct mark set 1
				ct mark 1 tcp flags & (syn | ack) == syn ip dscp set 8
				ct mark 1 tcp flags & (syn | ack) == syn ip6 dscp set 8
			}
			chain out {
				type filter hook postrouting priority 300;
				oifname "acc*" tcp flags & (syn | ack) == (syn | ack) ct mark 1 numgen random mod 100 < $1 drop
			}
		}
	END
	on "$HUB" nft -f - <<-END
		table inet lose {
			chain in {
				type filter hook prerouting priority -300;
				tcp dport 8803 tcp flags & (syn | ack) == syn ip dscp 8 numgen random mod 100 < $1 drop
				tcp dport 8803 tcp flags & (syn | ack) == syn ip6 dscp 8 numgen random mod 100 < $1 drop
			}
		}
	END
}
whole() { on "$ROUTER" nft delete table inet lose && on "$HUB" nft delete table inet lose; }
ways_up() { ctl gw --json peers list | jq -e '.ways | length == 2 and all(.state == "up")'; }
in_syn() { [ "$(ctl gw --json peers list | jq -r '.peers[].syn_data')" = yes ]; }

set_up_as() {
	sed -i "s/setup: [a-z]*/setup: $1/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
}

# connections SETUP PERCENT: their times to connect. Where much is lost some clients give up, which ends a quarter of a round.
connections() {
	load -n "$((CONNECTIONS / AT_ONCE))" -c "$AT_ONCE" times "$SERVER_IP" 7001 >"$TMP/times" || [ "$2" -gt 5 ] || return
	sed -n 's/^connect_ms=\([0-9.]*\) .*/\1/p' "$TMP/times" |
		awk -v OFS='\t' -v f="IPv$f" -v setup="$1" -v lost="$2" '{ print f, setup, lost, $1 }' >>"$SETUP"
}
# p99 SETUP PERCENT: us.
p99() {
	awk -F'\t' -v f="IPv$f" -v s="$1" -v l="$2" '$1 == f && $2 == s && $3 == l { print int($4 * 1000) }' "$SETUP" |
		sort -n | awk '{ v[NR] = $1 } END { print v[int(NR * 99 / 100)] }'
}

net_init
SETUP=${SETUP:-$TMP/setup}
: >"$SETUP"
modprobe -q sch_netem 2>/dev/null
# shellcheck disable=SC2034 # read by net_build and pair_configs
WITH_ROUTER=1
POLICY='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest, setup: single }'
if unshare --net tc qdisc add dev lo root netem delay 1ms 2>/dev/null; then
	NETEM=1
else
	# shellcheck disable=SC2034 # read by net_build
	EM0="delay=$ACCESS_MS" EM1="delay=$ACCESS_MS" EM_SRV="delay=$SERVER_MS"
fi
if ! net_build || ! servers_start; then
	echo "Bail out! the network does not start"
	exit 1
fi
if [ -n "${NETEM:-}" ]; then
	check "the links have their delay" delayed $ACCESS_MS "$GATEWAY" wan0 "$GATEWAY" wan1 "$ROUTER" acc0 "$ROUTER" acc1
	check "the server has its" delayed $SERVER_MS "$SERVER" eth0 "$ROUTER" srv0
fi
for f in 4 6; do
	family $f
	PEER_ADDRESS="\"$HUB_IP\""
	check "IPv$f: gateway and hub start" pair_start
	for lost in 0 5 20; do
		direct=$(counter gw relay direct)
		# In turns, so that a busy host is so for all of them.
		for ((round = 1; round <= ROUNDS; round++)); do
			for setup in single stagger duplicate; do
				set_up_as $setup
				check "IPv$f, $setup, $lost %, round $round: the hub is there" wait_for 20 eval 'ways_up && in_syn'
				lose $lost
				check "IPv$f, $setup, $lost %, round $round: $CONNECTIONS connections" connections $setup $lost
				whole
			done
		done
		is "$(counter gw relay direct)" "$direct" "IPv$f, $lost %: all by way of the hub"
	done
	diag "IPv$f: 99th percentiles at 5 %, us: single $(p99 single 5), stagger $(p99 stagger 5), duplicate $(p99 duplicate 5)"
	check "IPv$f: of 5 % lost, duplicate takes no more than $GOAL % of single" \
		test $((100 * $(p99 duplicate 5))) -le $((GOAL * $(p99 single 5)))
	daemon_stop gw
	daemon_stop hub
done
done_testing
