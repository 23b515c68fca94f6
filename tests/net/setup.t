#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A request goes over two paths, at once (setup: duplicate) or when the first is late (stagger): when that one loses SYNs, or
# their answers, the second carries the connection, and the server sees one. What has lost leaves no trace.
# LONG: what is lost, restarted or down takes its time to be found again.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# Emulated links, since their delays decide who is first.
# shellcheck disable=SC2034 # read by net_build and pair_configs
EM0="delay=3" EM1="delay=3" HUB_MORE='workers: 4'
NEAR="delay=3" FAR="delay=40"
ALL='    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: hub, connect: honest, setup: duplicate }'
POLICY=$ALL

pause() { read -rt "$1" <> <(:) || :; }
joins() { on "$GATEWAY" nstat -asz MPTcpExtMPJoinSynTx | awk '/MPJoin/ { print $2 }'; }
# link_is IF OPTIONS: from now on; the emulator hears of it by a signal.
link_is() { em_set "$1" "$2" && pause 0.5; }
# download_joins BEFORE: one that ends too soon is not joined.
download_joins() { load -n 3000000 get "$SERVER_IP" 80 && [ "$(joins)" -gt "$1" ]; }
opened() { on "$SERVER" nstat -asz TcpPassiveOpens | awk '/Passive/ { print $2 }'; }
# setup_as WORD: how the gateway's rule sets up from now on.
setup_as() {
	sed -i "s/setup: [a-z]*/setup: $1/" "$TMP/gw.yaml"
	ctl gw reload
}
# hub_of 4|6: the hub is reached over that family.
hub_of() {
	family "$1"
	sed -i "s/^    address: .*/    address: [ \"$HUB_IP\" ]/" "$TMP/gw.yaml"
	ctl gw reload >/dev/null
	wait_for 20 ways_up && wait_for 20 in_syn
}
ways_up() { ctl gw --json peers list | jq -e '.ways | length == 2 and all(.state == "up")'; }
one_up() { ctl gw --json peers list | jq -e '[.ways[] | select(.state == "up")] | length == 1'; }
in_syn() { [ "$(ctl gw --json peers list | jq -r '.peers[].syn_data')" = yes ]; }
# lose syns|answers|resets: on the first path, those of requests in SYNs; probes are shorter. resets: the hub gets a RST for its answer.
lose() {
	local length=$((f == 4 ? 150 : 170)) what="tcp dport 8803 tcp flags & (syn | ack) == syn meta length > " how=drop
	[ "$1" = resets ] && how="reject with tcp reset"
	on "$ROUTER" nft -f - <<-END
		table inet lose {
			chain in {
				type filter hook prerouting priority -150;
				iifname "acc0" $what $length $([ "$1" = syns ] && echo drop || echo ct mark set 1)
			}
			chain out {
				type filter hook forward priority 300;
				oifname "acc0" tcp sport 8803 tcp flags & (syn | ack) == (syn | ack) ct mark 1 $how
			}
		}
	END
}
whole() { on "$ROUTER" nft delete table inet lose; }
# once NAME CONNECTIONS THREADS: so many connections, of each of so many threads; the server sees as many.
once() {
	local before
	before=$(opened)
	check "$1: $(($2 * $3)) connections" load -n "$2" -c "$3" times "$SERVER_IP" 7001
	is "$(opened)" $((before + $2 * $3)) "$1: the server has seen each once"
}
# took N: the median time to connect of so many, us.
took() {
	load -n "$1" times "$SERVER_IP" 7001 |
		sed -n 's/.*connect_ms=\([0-9]*\)\.\([0-9]*\) byte.*/\1\2/p' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
# less A TIMES B: A is less than that part of B.
less() { [ -n "$1" ] && [ -n "$3" ] && [ $(($1 * $2)) -lt "$3" ]; }
# nearly A B: the same, but for a few on a busy machine.
nearly() { [ "$1" -gt $(($2 - 10)) ] && [ "$1" -lt $(($2 + 10)) ]; }
# quiet NAME: nothing is left, and nothing that could alarm was counted.
quiet() {
	local side
	for side in gw hub; do
		check "$1: no connection is left ($side)" wait_for 15 none_left $side
		check "$1: no descriptor is ($side)" wait_for 5 descriptors_as_before $side
	done
	is "$(counted_badly)" "$BAD" "$1: nothing has failed"
}
none_left() { [ "$(ctl "$1" --json flows list | jq ".flows | length")" = 0 ]; }
workers_of() { pgrep -P "${DAEMON[$1]}" -f 'mpgated: worker'; }
descriptors() {
	local pid
	for pid in $(workers_of "$1"); do ls "/proc/$pid/fd"; done | wc -l
}
descriptors_as_before() { [ "$(descriptors "$1")" -le "${FDS[$1]}" ]; }
counted_badly() {
	local name
	for name in peer-failed direct convert-bad convert-error; do counter gw relay $name; done
	for name in replayed client-gone malformed not-authorized resource reset; do counter hub relay $name; done
	ctl hub --json stats | jq '.reasons[] | select(.name == "guard-replay").value'
}

declare -A FDS
scenario
for f in 4 6; do
	check "IPv$f: the hub is there" hub_of $f
	once "IPv$f: first" 1 8
	wait_for 15 none_left gw && wait_for 15 none_left hub
	FDS[gw]=$(descriptors gw) FDS[hub]=$(descriptors hub) BAD=$(counted_badly)
	raced=$(counter gw relay raced) copies=$(counter hub relay copies)
	once "IPv$f: both arrive" 25 12
	is "$(counter gw relay raced)" $((raced + 300)) "IPv$f: each went over two paths"
	# On a busy machine some copies are over before they are looked at, or a third is sent.
	check "IPv$f: and came in two copies" counted hub relay copies $((copies + 200))
	quiet "IPv$f: both arrive"

	# Where one is far, its copy is late; or wins, when it is the other that is far.
	link_is wan1 "$FAR"
	taken=$(counter hub relay copies-taken) second=$(counter gw relay raced-second)
	once "IPv$f: the second is far" 5 10
	check "IPv$f: it does not win" nearly "$(counter gw relay raced-second)" "$second"
	link_is wan1 "$NEAR"
	link_is wan0 "$FAR"
	once "IPv$f: the first is far" 5 10
	check "IPv$f: the second wins" nearly "$(counter gw relay raced-second)" $((second + 50))
	check "IPv$f: it was the first to arrive" nearly "$(counter hub relay copies-taken)" "$taken"
	link_is wan0 "$NEAR"
	quiet "IPv$f: far"

	second=$(counter gw relay raced-second)
	lose answers
	once "IPv$f: the first path's answers get lost" 5 20
	check "IPv$f: the second path wins" nearly "$(counter gw relay raced-second)" $((second + 100))
	check "IPv$f: with what came as a copy" counted hub relay copies-taken "$taken"
	joined=$(joins)
	check "IPv$f: a download is joined over the first path" wait_for 10 download_joins "$joined"
	setup_as stagger
	once "IPv$f: the same, one after the other" 5 20
	setup_as duplicate
	connect_as early
	check "IPv$f: the same, with more than a SYN takes" load -n 50000 -c 10 echo "$SERVER_IP" 7001
	connect_as honest
	whole
	quiet "IPv$f: answers lost"

	second=$(counter gw relay raced-second) taken=$(counter hub relay copies-taken)
	lose resets
	once "IPv$f: something on the first path resets what the hub answers" 5 20
	check "IPv$f: the second path wins" nearly "$(counter gw relay raced-second)" $((second + 100))
	check "IPv$f: the copy has taken over" counted hub relay copies-taken $((taken + 10))
	whole
	quiet "IPv$f: answers reset"

	lose syns
	duplicate=$(took 9)
	setup_as stagger
	stagger=$(took 9)
	setup_as single
	single=$(took 1)
	diag "us to connect: duplicate $duplicate, stagger $stagger, single $single"
	check "IPv$f: SYNs lost: duplicate is faster than single" less "$duplicate" 3 "$single"
	check "IPv$f: SYNs lost: stagger is faster than single" less "$stagger" 2 "$single"
	check "IPv$f: SYNs lost: and slower than duplicate" less "$duplicate" 1 "$stagger"
	whole
	setup_as stagger
	raced=$(counter gw relay raced)
	once "IPv$f: nothing lost, one after the other" 20 1
	check "IPv$f: none had to go over two paths" nearly "$(counter gw relay raced)" "$raced"
	setup_as duplicate
	quiet "IPv$f: SYNs lost"
done

# The hub starts anew in between.
load -n 100 -c 8 times "$SERVER_IP" 7001 >"$TMP/times" 2>&1 &
TIMES=$!
wait_for 10 test -s "$TMP/times"
check "the hub ends, while connections are set up" daemon_stop hub
check "and starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
wait $TIMES
check "it is found" wait_for 30 eval 'peer_is up && ways_up && in_syn'
check "no connection is left" wait_for 10 none_left hub
once "after that" 10 10

# With one path there is nothing to choose from.
link_is wan1 "down=1"
check "one path is silent" wait_for 20 one_up
raced=$(counter gw relay raced)
once "one path" 10 1
is "$(counter gw relay raced)" "$raced" "one path: none went over two"
link_is wan1 "$NEAR"
check "it is back" wait_for 30 ways_up

# What is opened ahead comes first. all_ready N: so many, of each worker.
all_ready() { [ "$(on "$GATEWAY" ss -HtnM state established "dport = 8803" | wc -l)" -ge $(($1 * $(workers_of gw | wc -l))) ]; }
sed -i 's/^    ready: 0/    ready: 2/' "$TMP/gw.yaml"
ctl gw reload >/dev/null
check "connections are opened ahead" wait_for 20 eval 'load -n 1 times "$SERVER_IP" 7001 && counted gw relay ready-used 0'
check "each worker has two" wait_for 20 all_ready 2
raced=$(counter gw relay raced) used=$(counter gw relay ready-used)
once "opened ahead" 1 1
is "$(counter gw relay raced)" "$raced" "opened ahead: none went over two paths"
is "$(counter gw relay ready-used)" $((used + 1)) "opened ahead: one was used"
sed -i 's/^    ready: 2/    ready: 0/' "$TMP/gw.yaml"

# To a converter of another kind a message goes once, behind the handshake that is over first.
sed -i 's/^    key-file: .*/&\n    dialect: rfc8803/' "$TMP/gw.yaml"
sed -i 's/key-file: pair.key/&, dialect: rfc8803/' "$TMP/hub.yaml"
ctl hub reload >/dev/null
ctl gw reload >/dev/null
check "rfc8803: the hub is there" wait_for 20 eval 'peer_is up && ways_up'
copies=$(counter hub relay copies) raced=$(counter gw relay raced) second=$(counter gw relay raced-second)
link_is wan0 "$FAR"
once "rfc8803" 5 10
link_is wan0 "$NEAR"
is "$(counter gw relay raced)" $((raced + 50)) "rfc8803: handshakes went over two paths"
check "rfc8803: the second wins" counted gw relay raced-second $((second + 9))
is "$(counter hub relay copies)" "$copies" "rfc8803: no message came twice"
done_testing
