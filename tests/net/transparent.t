#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mode: transparent: the gateway dials servers from its clients' own addresses, and a hub that routing has put on the path
# takes what has the tag of its key. Without it, or with an option that is not right, connections reach their servers.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/faces.sh
. "$(dirname "$0")/faces.sh"
# shellcheck source=tests/net/links.sh
. "$(dirname "$0")/links.sh"
# shellcheck source=tests/net/onpath.sh
. "$(dirname "$0")/onpath.sh"

BYTES=3000000
SIZE=8000000 # of a download over shaped links
# shellcheck disable=SC2034 # read by net_build
WITH_ROUTER=1
# shellcheck disable=SC2034 # read by pair_configs; what is captured is short
GATEWAY_MORE='subflows: { join: at-once }'
# shellcheck disable=SC2034
POLICY='    - { name: explicit, to-port: [ 7002 ], action: proxy, via: hub }
    - { name: all, to-port: [ "80", "7000-7999" ], action: proxy, via: way }'
stage
"$CTL" key new "$TMP/other.key"
way_configs
way_preserves

on_path_make

faces_make
for f in 4 6; do
	family $f
	seen_by "$CLIENT" >"$TMP/plain.$f"
done
on_path add
# While the port for joins is in use, as by connections of a daemon before, nothing is announced; it is as soon as it can be.
announced() { [ "$(on "$HUB" ip mptcp endpoint show | grep -c 'port 8804 .*signal')" -eq "$1" ]; }
spawn squatter "$HUB" "$TOOLS/tcpserve" echo:8804
squatter=$SPAWNED
wait_for 5 on "$HUB" "$TOOLS/tcpload" conn "$HUB4" 8804
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the port for joins is in use" announced 0
check "that is said" wait_for 5 grep -q "cannot add an MPTCP endpoint for 10.60.30.2:8804 yet: Address already in use" "$TMP/hub.log"
stop "$squatter"
check "it is announced when it is free" wait_for 10 announced 2
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "explicit mode finds the hub" wait_for 10 peer_is up

# taken NAME COMMAND...: the connections of the command are the hub's.
taken() {
	local before
	before=$(counter hub relay taken)
	check "$1" "${@:2}"
	check "$1: the hub took it" counted hub relay taken "$before"
}
# not_taken NAME COMMAND...: they pass it.
not_taken() {
	local before
	before=$(counter hub relay taken)
	check "$1" "${@:2}"
	is "$(counter hub relay taken)" "$before" "$1: the hub did not take it"
}

# --- a hub on the path
KEY=$("$CTL" key show-id "$TMP/way.key" | grep -oE '[0-9a-f]{8}' | head -n 1)
# What Wireshark says of the SYNs that have the option.
tags() {
	tshark -X "lua_script:$TOP/configs/wireshark/mpgate-tag.lua" -r "$TMP/$1.pcap" -Y mpgate.tag -T fields -e tcp.flags.syn \
		-e tcp.flags.ack -e mpgate.tag.key 2>/dev/null | sort -u | xargs
}
for f in 4 6; do
	family $f
	capture "one$f" "$ROUTER" hub0 tcp or ip6
	taken "IPv$f: one connection, long enough to be joined" load -n 100 -t 1 rr "$SERVER_IP" 7001
	capture_end "one$f"
	if command -v tshark >/dev/null; then
		like "$(tags "one$f")" "^(1|True) (0|False) 0x$KEY\$" "IPv$f: its SYN has the tag, and nothing else has one"
	else
		skip "IPv$f: its SYN has the tag" "no tshark"
	fi
	# MP_CAPABLE, version 1, with the flags C and H.
	is "$(packet_lines "one$f" | grep -c 'Flags \[S\.\].*1e0c0121')" 1 "IPv$f: the hub's answer keeps joins from the server"
	joins=$(packet_lines "one$f" | grep 'Flags \[S\].*1e0c10')
	is "$(wc -l <<<"$joins")" 2 "IPv$f: each path joins"
	is "$(grep -cE '> (10\.60\.30\.2|fd60:30::2)\.8804:' <<<"$joins")" 2 "IPv$f: at an announced address"
	taken "IPv$f: the server sees its client" greeted_by "$CLIENT_IP"
	taken "IPv$f: a download" load -n $BYTES get "$SERVER_IP" 80
	taken "IPv$f: 50 echoes at a time" load -c 50 -n 50000 echo "$SERVER_IP" 7001
	released=$(counter gw relay released)
	seen_by "$CLIENT" >"$TMP/seen"
	check "IPv$f: clients see what they see without" diff "$TMP/plain.$f" "$TMP/seen"
	is "$(counter gw relay released)" "$released" "IPv$f: by the word of the server"
	taken "IPv$f: a server that speaks MPTCP itself" load -n $BYTES echo "$SERVER_IP" 7101
done
like "$(ctl gw policy explain "$CLIENT4" "$SERVER4:80")" held "explain says that such a SYN is held"

# Both links carry a part of a download, and either may go.
shape 0 20
shape 1 30
for f in 4 6; do
	family $f
	before=$(counter hub relay taken)
	both "IPv$f" 8
	check "IPv$f: the hub took it" counted hub relay taken "$before"
	for link in 1 0; do with_cut "IPv$f: link $link cut" $link; done
done
# Explicit mode of the same hub: its joins go where they went.
joined() { on "$HUB" nstat -asz | awk '$1 == "MPTcpExtMPJoinAckRx" { print $2 }'; }
for f in 4 6; do
	family $f
	before=$(joined) convert=$(counter hub relay accepted-convert)
	not_taken "IPv$f: explicit mode beside it" load -n $SIZE sink "$SERVER_IP" 7002
	check "IPv$f: by a Convert message" counted hub relay accepted-convert "$convert"
	check "IPv$f: over both paths" [ $(($(joined) - before)) -ge 1 ]
done

for side in "$GATEWAY wan0" "$GATEWAY wan1" "$ROUTER acc0" "$ROUTER acc1"; do
	# shellcheck disable=SC2086 # two words
	tc -n ${side% *} qdisc del dev ${side#* } root
done

# --- options that are not right
sources=20000
# forge KIND: such a SYN of the client passes the gateway.
forge() {
	sources=$((sources + 1))
	on "$GATEWAY" "$TOOLS/tagforge" "$TMP/way.key" "$1" "$CLIENT_IP" "$sources" "$SERVER_IP" 7001
}
for f in 4 6; do
	family $f
	taken "IPv$f: a SYN with a right tag" forge valid
	capture "bad$f" "$SERVER" eth0 "tcp[tcpflags] & tcp-syn != 0 or ip6"
	for kind in forged stale early moved again; do
		wrong=$(counter hub reasons tag-wrong)
		not_taken "IPv$f: $kind" forge $kind
		check "IPv$f: $kind: counted" wait_for 5 counted hub reasons tag-wrong "$wrong"
	done
	unknown=$(counter hub reasons tag-unknown)
	not_taken "IPv$f: a key that the hub does not have" forge unknown
	check "IPv$f: counted" wait_for 5 counted hub reasons tag-unknown "$unknown"
	not_taken "IPv$f: a SYN without MP_CAPABLE" forge plain
	not_taken "IPv$f: an option cut short" forge cut
	capture_end "bad$f"
	is "$(packet_lines "bad$f" | grep -c exp-6d67)" 8 "IPv$f: all of them reached the server, untouched"
done

# A middlebox takes the option away, then that of MPTCP as well.
strip() {
	on "$ROUTER" nft -f - <<-END
		table inet strip {
			chain way {
				type filter hook prerouting priority raw
				tcp flags & (syn | ack) == syn reset tcp option $1
			}
		}
	END
}
for option in 254 mptcp; do
	if ! strip $option 2>"$TMP/strip"; then
		skip "option $option is stripped" "nft cannot do that here: $(head -n 1 "$TMP/strip")"
		continue
	fi
	for f in 4 6; do
		family $f
		not_taken "IPv$f: option $option is stripped" greeted_by "$CLIENT_IP"
		check "IPv$f: a download" load -n $BYTES get "$SERVER_IP" 80
	done
	on "$ROUTER" nft delete table inet strip
done

# A hub with another key.
sed -i 's/way.key/other.key/' "$TMP/hub.yaml"
check "the hub has another key" ctl hub reload
for f in 4 6; do
	family $f
	not_taken "IPv$f: with another key" greeted_by "$CLIENT_IP"
	check "IPv$f: a download" load -n $BYTES get "$SERVER_IP" 80
done
# A peer that may not speak for these hosts.
sed -i -e 's/other.key/way.key/' -e '/way.key/s/10.60.1.0/10.60.2.0/;/way.key/s/fd60:1:/fd60:2:/' "$TMP/hub.yaml"
check "the peer has other hosts" ctl hub reload
for f in 4 6; do
	family $f
	refused=$(counter hub relay not-authorized)
	not_taken "IPv$f: a host that is not the peer's" greeted_by "$CLIENT_IP"
	check "IPv$f: is counted" counted hub relay not-authorized "$refused"
done
# The hub's own address towards servers.
sed -i -e '/way.key/s/10.60.2.0/10.60.1.0/;/way.key/s/fd60:2:/fd60:1:/' -e 's/source: preserve/source: share/' "$TMP/hub.yaml"
check "source: share" ctl hub reload
for f in 4 6; do
	family $f
	taken "IPv$f: the server sees the hub" greeted_by "$HUB_IP"
done
# An address of a pool, a log, and a limit.
sed -i 's|source: share|&\n  pool: [ 10.77.7.0/28, "fd77:7::/64" ]\n  connections-per-subscriber: 2|' "$TMP/hub.yaml"
echo "mapping-log: { file: maps.log }" >>"$TMP/hub.yaml"
check "a pool" ctl hub reload
by_pool() { [[ $(load greet "$SERVER_IP" 7003) =~ ^hello\ (10\.77\.7\.|fd77:7:) ]]; }
for f in 4 6; do
	family $f
	: >"$TMP/maps.log"
	taken "IPv$f: the server sees an address of the pool" by_pool
	check "IPv$f: which is logged" wait_for 5 grep -q "begin tcp peer=gw-way source=\[\?$CLIENT_IP\]\?:" "$TMP/maps.log"
	check "IPv$f: and its end" wait_for 5 grep -q "end tcp peer=gw-way source=" "$TMP/maps.log"
	limit=$(counter hub relay subscriber-limit)
	check "IPv$f: more than a subscriber may have work" hold 6
	is "$(counter hub relay subscriber-limit)" $((limit + 4)) "IPv$f: those pass the hub"
	let_go
done

# --- no hub
# A restart announces the port for joins at once, although connections to it have just ended.
daemon_stop hub
check "the hub starts again" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "joins may come at once" wait_for 5 announced 2
check "the hub is killed" kill -9 "${DAEMON[hub]}"
wait_for 5 gone "${DAEMON[hub]}"
for f in 4 6; do
	family $f
	check "IPv$f: a killed hub leaves connections alone" wait_for 10 greeted_by "$CLIENT_IP"
done
on_path del
capable() { on "$SERVER" nstat -asz MPTcpExtMPCapableACKRX | awk '/MPCapable/ { print $2 }'; }
for f in 4 6; do
	family $f
	plain=$(counter gw relay fallback-tcp) before=$(capable)
	check "IPv$f: no hub on the path" greeted_by "$CLIENT_IP"
	check "IPv$f: a download" load -n $BYTES get "$SERVER_IP" 80
	check "IPv$f: in plain TCP, which is counted" wait_for 5 counted gw relay fallback-tcp "$plain"
	check "IPv$f: a server that speaks MPTCP" load -n $BYTES echo "$SERVER_IP" 7101
	is "$(capable)" $((before + 1)) "IPv$f: has it from end to end"
	seen_by "$CLIENT" >"$TMP/seen"
	check "IPv$f: clients see what they see without" diff "$TMP/plain.$f" "$TMP/seen"
done

# A server behind something that drops MP_CAPABLE: connections to it cost two SYNs, until that is known.
if on "$SERVER" nft -f - 2>"$TMP/nft" <<-'END'
	table inet offended {
		chain in {
			type filter hook input priority filter - 1
			tcp dport 7001 tcp option mptcp exists drop
		}
	}
END
then
	resent() { on "$GATEWAY" nstat -asz TcpRetransSegs | awk '/Retrans/ { print $2 }'; }
	for f in 4 6; do
		family $f
		for n in 1 2 3; do
			before=$(resent)
			check "IPv$f: a server that takes no MPTCP, $n" load -n 1000 echo "$SERVER_IP" 7001
			check "IPv$f: $([ $n = 3 ] && echo "is dialed without" || echo "costs time, $n")" \
				[ $(($(resent) - before >= 2)) = $((n < 3)) ]
			check "IPv$f: a minute later" a_minute_later gw
		done
	done
else
	skip "a server that takes no MPTCP" "nft cannot do that here: $(head -n 1 "$TMP/nft")"
fi
done_testing
