#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Peers by DNS: a domain's SRV records say where the hub is. The name server is dnsmasq, which comes late, changes its mind
# and goes away; and one that lies.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck source=tests/net/discover.sh
. "$(dirname "$0")/discover.sh"

HUB4B=10.60.30.3 HUB6B=fd60:30::3
OTHER_HOST=$(host hub2 "$HUB4B,$HUB6B")

# dns_lies HOW: one that answers any question so.
dns_lies() {
	dns_end
	spawn liar "$SERVER" python3 -c '
import socket, sys
how, at = sys.argv[1], socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
at.bind((sys.argv[2], 53))
def name(text): return b"".join(bytes([len(l)]) + l.encode() for l in text.split(".")) + b"\0"
def record(owner, kind, data): return owner + kind.to_bytes(2, "big") + b"\0\1\0\0\0\36" + len(data).to_bytes(2, "big") + data
while True:
	q, client = at.recvfrom(512)
	kind, question = int.from_bytes(q[-4:-2], "big"), q[12:]
	rcode, records = 0, []
	if how == "servfail": rcode = 2
	elif how == "wrong-name": records = [record(name("_convert._tcp.other.example"), 33, bytes(4) + b"\x22\x63" + name("hub2.operator.example"))]
	elif how == "circle": records = [b"\xc0" + bytes([12 + len(question)]) + bytes(10)]
	elif how == "cut": records = [record(b"\xc0\x0c", 33, bytes(9))[:-4]]
	elif kind == 33: records = [record(b"\xc0\x0c", 33, bytes(4) + b"\x22\x63" + name("hub2.operator.example"))]
	elif kind == 1: rcode = 2
	else: records = [record(b"\xc0\x0c", 28, socket.inet_pton(socket.AF_INET6, sys.argv[3]))]
	at.sendto(q[:2] + b"\x84" + bytes([rcode]) + b"\0\1" + len(records).to_bytes(2, "big") + bytes(4) + question + b"".join(records), client)
' "$1" "$SERVER4" "$HUB6B"
	DNS=$SPAWNED
	wait_for 5 dns_listens
}

state_of() { ctl gw --json peers list | jq -r "[ .ways[] | select(.address == \"$1\") | .state ] | unique | join(\" \")"; }
states() { is "$(state_of "$1")" "$2" "$3"; }
ways_all_up() { ctl gw --json peers list | jq -e ".ways | length == 8 and all(.state == \"up\")"; }
has_both_paths() { ctl gw --json flows list | jq -e '.flows[] | select(.subflows == 2)'; }
downs() { grep -c 'peer hub is down' "$TMP/gw.log"; }

# stays WHY: after an answer that is of no use.
stays() {
	asked
	check "$2: it is said" wait_for 60 error_is "$1"
	is "$(peer '.addresses | join(" ")')" "$HUB6 $HUB4" "$2: the addresses stay"
	check "$2: the peer is up" peer_is up
}

stage
ip -n "$HUB" addr add "$HUB4B/24" dev net0
ip -n "$HUB" addr add "$HUB6B/64" dev net0 nodad preferred_lft 0
sed -i "/^    address:/d; /^    port:/d; s/^    mode: explicit/    domain: $DOMAIN/; s/connect: early/&, join: at-once/
	s/to-port: \[ /&\"53\", /; 1i host: true" "$TMP/gw.yaml"
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
asked
own_resolv_conf

# No name server at the start.
check "the gateway starts without DNS" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the peer has no address, and it is said" wait_for 30 error_is "gives an answer"
is "$(peer .last_error)" "no address yet: DNS: no name server gives an answer" "that is its error, too"
check "doctor says where to look" finds gw peer-no-address "docs/setup-information.md"
is "$(peer .state)" unknown "it is neither up nor down"
for f in 4 6; do
	family $f
	check "IPv$f: connections go their normal way" greeted_by "$CLIENT_IP"
done
dns "${GOOD[@]}"
check "DNS appears: the peer is up" wait_for 70 peer_is up
check "it has the target's addresses" peer_has "$HUB6" "$HUB4"
is "$(peer '"\(.from) \(.domain) \(.port) \(.lookup_error)"')" "dns $DOMAIN 8803 null" "and says where they come from"
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done
RESOLVER=$(pgrep -f -P "${DAEMON[gw]}" "mpgated: resolver")
like "$(cat "/proc/$RESOLVER/status")" "Uid:[[:space:]]*$(id -u mpgate 2>/dev/null || echo 65534).*Seccomp:[[:space:]]*2" \
	"who reads the answers is not root, and confined"

# Whatever comes that is of no use.
family 4
check "a connection lasts" hold 1
check "and gets a subflow over each path" wait_for 10 has_both_paths
before=$(downs)
dns "$LOCAL" "$GOOD_HOST"
stays "no SRV record" "no record"
dns "$LOCAL" "$GOOD_HOST" "srv-host=$SERVICE"
stays "no SRV record" "no service there (target \".\")"
dns "$LOCAL" "$GOOD_HOST" "$(srv hub1 0 10 0)"
stays "no SRV record" "port 0"
dns "$LOCAL" "$(srv hub1 8803 10 0)"
stays "no address" "a target without address"
dns "$LOCAL" "$(host hub1 127.0.0.1,::1)" "$(host hub2 224.0.0.1,ff02::1)" "$(srv hub1 8803 10 0)" "$(srv hub2 8803 20 0)"
stays "no address" "loopback and multicast"
dns "$LOCAL" "$(host hub1 10.60.10.2,fd60:1::1)" "$(srv hub1 8803 10 0)"
stays "no address" "the gateway's own addresses"
dns
stays "gives an answer" "refused"
for how in servfail wrong-name circle cut; do
	dns_lies $how
	case $how in
	servfail) error="gives an answer" ;;
	wrong-name) error="no SRV record" ;;
	*) error="malformed" ;;
	esac
	stays "$error" "an answer that is $how"
done
dns_lies half
stays "not all addresses" "half an answer"
dns "${GOOD[@]}"
on "$SERVER" nft -f - <<<"table inet dns { chain in { type filter hook input priority 0; udp dport 53 drop; }; }"
stays "answers in time" "a name server that is silent"
on "$SERVER" nft delete table inet dns
dns_end
stays "gives an answer" "no name server"
is "$(downs)" "$before" "the peer was up all the time"
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done

# What is known outlives a reload and the process that asks.
check "a reload" ctl gw reload
check "it keeps the addresses" peer_has "$HUB6" "$HUB4"
is "$(downs)" "$before" "and the peer"
kill -9 "$RESOLVER" 2>/dev/null || kill -9 "$(pgrep -f -P "${DAEMON[gw]}" "mpgated: resolver")"
check "the process that asks is killed: there is another" wait_for 5 pgrep -f -P "${DAEMON[gw]}" "mpgated: resolver"

# Order, and what stays.
dns "$LOCAL" "$GOOD_HOST" "$OTHER_HOST" "$(srv hub1 8803 20 0)" "$(srv hub2 8803 10 0)"
asked "$SERVER6"
check "priority: the other target comes first" wait_for 10 peer_has "$HUB6B" "$HUB4B" "$HUB6" "$HUB4"
states "$HUB4" up "the address that was there before has kept its state"
check "the new ones are found to work" wait_for 10 ways_all_up
is "$(downs)" "$before" "the peer was up all the time"
dns "$LOCAL" "$GOOD_HOST" "$OTHER_HOST" "$(srv hub1 8803 10 65535)" "$(srv hub2 8803 10 0)"
asked
check "weight: the one that has all of it comes first" wait_for 10 peer_has "$HUB6" "$HUB4" "$HUB6B" "$HUB4B"
dns "$LOCAL" "$GOOD_HOST" "$OTHER_HOST" "$(srv hub1 9999 20 0)" "$(srv hub2 8803 10 0)"
asked
check "one port: that of the first; others are left out" wait_for 10 peer_has "$HUB6B" "$HUB4B"

# More than a UDP answer holds.
many=("$LOCAL" "$GOOD_HOST" "$(srv hub1 8803 1 0)")
for ((i = 0; i < 80; i++)); do
	many+=("$(srv "a-name-that-is-long-so-that-not-many-go-into-a-packet-$i" 8803 $((100 + i)) 0)")
done
dns "${many[@]}"
capture tcp "$SERVER" any tcp port 53
asked
check "80 records, of targets without address: that with one is found" wait_for 20 peer_has "$HUB6" "$HUB4"
capture_end tcp
check "over TCP" [ "$(packets tcp)" -gt 0 ]
is "$(packets tcp src host "$HUB4")" 0 "which needs no hub, though a rule of host mode takes port 53"
is "$(downs)" "$before" "the peer was up all the time"

# By the clock alone.
left=$(peer .asked_in_s)
[ "$left" -gt 0 ] && [ "$left" -le 30 ]
ok $? "it is asked for again within the TTL of 30 s: in $left"
dns "$LOCAL" "$OTHER_HOST" "$(srv hub2 8803 10 0)"
check "the changed record is followed after the TTL" wait_for 40 peer_has "$HUB6B" "$HUB4B"
check "the peer is up there" wait_for 10 peer_is up
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done
check "the connection that lasted is still there" let_go

# In the file again.
sed -i "s/^    domain: .*/    address: [ $HUB4 ]/" "$TMP/gw.yaml"
check "an address in the file" ctl gw reload
check "is the peer's" peer_has "$HUB4"
check "the peer is up" wait_for 10 peer_is up
is "$(peer .from)" file "it says so"
like "$(sed "s/^    address: .*/&\n    domain: $DOMAIN/" "$TMP/gw.yaml" >"$TMP/both.yaml"; "$BUILD/mpgated" --check -c "$TMP/both.yaml" 2>&1)" \
	"either address and port, or a domain" "not both"
done_testing
