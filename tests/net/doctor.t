#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mistakes and faults are explained: by `mpgatectl doctor` with what to do, and by status, the noun concerned, the log and
# a metric while they last. When they are mended, so is that.
# LONG: each of some fifty mistakes is made, and found.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='metrics: { listen: 127.0.0.1 }' HUB_MORE='metrics: { listen: 127.0.0.1 }'
scenario

silent() { ! finds "$@"; }
well() { ctl "$1" doctor >"$TMP/doctor.out"; }
# logged SIDE TEXT, measured SIDE NAME
logged() { grep -qF -- "$2" "$TMP/$1.log"; }
measured() { on "$([ "$1" = gw ] && echo "$GATEWAY" || echo "$HUB")" curl -s http://127.0.0.1:9803/metrics | grep -q "finding=\"$2\""; }
# everywhere SIDE NAME TEXT: while it lasts.
everywhere() {
	check "$2: doctor says so" wait_for 15 finds "$1" "$2" "$3"
	ctl "$1" doctor >"$TMP/doctor.out"
	is $? 1 "$2: and exits 1"
	check "$2: status says so" eval "ctl $1 --json status | jq -e '.findings[] | select(.name == \"$2\")'"
	check "$2: a metric says so" wait_for 5 measured "$1" "$2"
}
peer() { ctl gw --json peers list | jq -r ".peers[0]$1"; }
gateway() { ctl hub --json peers list | jq -r ".gateways[0]$1"; }

check "all is well at the gateway" wait_for 20 well gw || diag "$(cat "$TMP/doctor.out")"
check "and at the hub" wait_for 20 well hub || diag "$(cat "$TMP/doctor.out")"
check "which say so" grep -q "nothing is wrong" "$TMP/doctor.out"

# --- the hub's view of its gateway
check "a connection" load -n 1000 echo "$SERVER4" 7001
counted_bytes() { [ "$(gateway .bytes_up)" -ge 1000 ] && [ "$(gateway .bytes_down)" -ge 1000 ]; }
check "the hub knows when it saw its gateway" [ "$(gateway .seen_s)" -lt 60 ]
is "$(ctl hub --json peers list | jq -r '.peers[0] | "\(.transport) \(.syn_data)"')" "null null" \
	"what is never known of it is not shown"
like "$(gateway .address)" '^(10\.60\.[12]0\.2|fd60:[12]0::2)$' "and where"
check "and its bytes" wait_for 5 counted_bytes

# What is opened ahead, and says nothing, is listed when it is asked for.
spawn ahead "$GATEWAY" bash -c "while exec 9<>/dev/tcp/$HUB4/8803; do read -r <&9; done"
idle() { ctl hub --json flows list | jq -e '.idle > 0 and all(.flows[]; .state != "header")'; }
check "an idle connection is counted" wait_for 10 idle
listed() { ctl hub --json flows list --all | jq -e '.flows[] | select(.state == "header")'; }
check "and listed when it is asked for" wait_for 10 listed
stop "$SPAWNED"

# --- links and paths
ip -n "$GATEWAY" route del default dev wan1
ip -n "$GATEWAY" -6 route del default dev wan1
everywhere gw no-gateway "path b (wan1)"
like "$(ctl gw paths list)" "no gateway known" "no-gateway: paths list says so"
check "no-gateway: the remedy is a route" finds gw no-gateway "ip route add default via"
like "$(ctl gw paths list)" "b +wan1 +- +- +- +-" "no-gateway: nor is there a route"
net_use 0
check "no-gateway: is over" wait_for 20 silent gw no-gateway
like "$(ctl gw paths list)" "b +wan1 +10.60.20.1 +table main +fd60:20::1 +table main" "no-gateway: paths list has gateway and route"

sed -i 's/^peers:/  - { name: wan7, role: path, path: c }\n&/' "$TMP/gw.yaml"
check "a link that is not there: reload" ctl gw reload
everywhere gw link-absent "link wan7 absent: this machine has no interface of that name"
check "link-absent: which there are" finds gw link-absent "wan1"
check "link-absent: the log says so" wait_for 10 logged gw "link wan7: absent"
like "$(ctl gw paths list)" "absent" "link-absent: paths list says so"
link_veth "$GATEWAY" wan7 "$ROUTER" acc7
check "link-absent: it has come" wait_for 10 silent gw link-absent
check "link-absent: which the log says" wait_for 15 logged gw "link wan7: no longer: absent"
check "link-down: it is down" finds gw link-down "path c (wan7)"
sed 's/^instance:.*/instance: other/' "$TMP/gw.yaml" >"$TMP/other.yaml"
on "$GATEWAY" timeout 10 "$BUILD/mpgated" -c "$TMP/other.yaml" 2>"$TMP/other.log"
is $? 1 "a second daemon does not start"
check "and says why, not which port is taken" grep -q "another mpgated runs in this network namespace" "$TMP/other.log" ||
	diag "$(cat "$TMP/other.log")"
# Peers have time to answer after a start.
old() { [ "$(ctl gw --json status | jq .uptime_s)" -gt 20 ]; }
wait_for 30 old
addr "$GATEWAY" wan7 70 2
ip -n "$ROUTER" link set acc7 up
ip -n "$GATEWAY" route add default via 10.60.70.1 dev wan7 metric 300
ip -n "$GATEWAY" -6 route add default via fd60:70::1 dev wan7 metric 300
check "no-answer: nobody is there, which is not certain yet" wait_for 10 finds gw no-answer "path c (wan7)"
check "path-dead: then it is" wait_for 30 finds gw path-dead "path c (wan7)"
sed -i /wan7/d "$TMP/gw.yaml"
check "reload" ctl gw reload

for f in 4 6; do
	family $f
	to=$SERVER_IP
	[ $f = 4 ] || to="[$SERVER_IP]"
	is "$(ctl gw --json policy explain "$CLIENT_IP" "$to:80" | jq -r '.note')" null "IPv$f: a client is steered, and no but"
	is "$(ctl gw --json policy explain "$GATEWAY_IP" "$to:80" | jq -r '.reason')" no-link "IPv$f: the gateway itself is not"
	like "$(ctl gw policy explain "$GATEWAY_IP" "$to:80")" "own connections are not carried" "IPv$f: which is explained"
	ctl gw policy explain "$GATEWAY_IP" "$to:80" --link lan0 >"$TMP/explain.out" 2>&1
	is $? 1 "IPv$f: nor does it come in on a link"
done
sed -i '/name: wan1/d' "$TMP/gw.yaml"
check "one path: reload" ctl gw reload
check "one-path: a note" wait_for 10 finds gw one-path "nothing to bond"
sed -i 's/^  - { name: wan0.*/&\n  - { name: wan1, role: path, path: b }/' "$TMP/gw.yaml"
check "two paths: reload" ctl gw reload
check "one-path: is over" wait_for 10 silent gw one-path
ip -n "$GATEWAY" addr flush dev lan0
everywhere gw no-address "link lan0"
check "no-address: the log says so" wait_for 10 logged gw "link lan0: no address"
for f in 4 6; do
	family $f
	to=$SERVER_IP
	[ $f = 4 ] || to="[$SERVER_IP]"
	like "$(ctl gw policy explain "$CLIENT_IP" "$to:80")" "waits in vain" "IPv$f: a client would hear nothing, says explain"
done
addr "$GATEWAY" lan0 1 1
check "no-address: is over" wait_for 10 silent gw no-address
ip -n "$GATEWAY" -4 addr flush dev lan0
everywhere gw no-address "no IPv4 address"
addr "$GATEWAY" lan0 1 1 2>/dev/null
check "no-address: IPv4 is back" wait_for 10 silent gw no-address
ip -n "$GATEWAY" -6 addr flush scope global dev lan0
check "no-address: none in IPv6 may be meant" wait_for 10 finds gw no-address "no IPv6 address"
ctl gw doctor >/dev/null
is $? 0 "no-address: it is a note"
addr "$GATEWAY" lan0 1 1 2>/dev/null
check "no-address: IPv6 is back" wait_for 10 silent gw no-address
ip -n "$GATEWAY" link set lan0 down
explained_down() { ctl gw policy explain "$CLIENT4" "$SERVER4:80" 2>&1 | grep -q "no link with rules is up"; }
check "link-down: explain says so" wait_for 5 explained_down
like "$(ctl gw policy explain "$CLIENT4" "$SERVER4:80" --link lan0)" "lan0 is down" "link-down: and of this link"
ip -n "$GATEWAY" link set lan0 up
addr "$GATEWAY" lan0 1 1 2>/dev/null

# Somebody else has the address: the kernel does not let us use it.
ip -n "$ROUTER" addr add fd60:20::77/64 dev acc1 nodad
ip -n "$GATEWAY" -6 addr del fd60:20::2/64 dev wan1
ip -n "$GATEWAY" addr add fd60:20::77/64 dev wan1
check "address-not-ready: IPv6" wait_for 10 finds gw address-not-ready "path b (wan1) in IPv6"
ip -n "$GATEWAY" addr del fd60:20::77/64 dev wan1
ip -n "$ROUTER" addr del fd60:20::77/64 dev acc1
addr "$GATEWAY" wan1 20 2 2>/dev/null
# The nets of two sites overlap: what is meant for the hub is looked for in the LAN.
for f in 4 6; do
	net=10.60.30.9/24
	[ $f = 4 ] || net=fd60:30::9/64
	ip -n "$GATEWAY" addr add $net dev lan0
	check "IPv$f: no-route" wait_for 10 finds gw no-route "path b (wan1) in IPv$f"
	ip -n "$GATEWAY" addr del $net dev lan0
	check "IPv$f: no-route: is over" wait_for 20 silent gw no-route
done
net_use 0

# --- the machine
sysctls "$GATEWAY" net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
everywhere gw no-forwarding net.ipv4.ip_forward
for f in 4 6; do
	family $f
	to=$SERVER_IP
	[ $f = 4 ] || to="[$SERVER_IP]"
	like "$(ctl gw policy explain "$CLIENT_IP" "$to:80")" "would not forward it.*but +net\..*forward.* is 0" "IPv$f: no-forwarding: explain says so"
done
check "no-forwarding: of IPv6, too" finds gw no-forwarding "sysctl -w net.ipv6.conf.all.forwarding=1"
check "no-forwarding: the log says so" wait_for 10 logged gw "net.ipv4.ip_forward: 0"
sysctls "$GATEWAY" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
net_use 0 # which forwarding may have taken away
sysctls "$GATEWAY" net.mptcp.enabled=0
everywhere gw mptcp-off "sysctl -w net.mptcp.enabled=1"
check "mptcp-off: the log says so" wait_for 10 logged gw "net.mptcp.enabled: 0"
sysctls "$GATEWAY" net.mptcp.enabled=1
ip -n "$GATEWAY" addr add 10.60.20.9/24 dev wan1
# What the daemon sets back is asked for right after it was changed.
changed() { # SYSCTL=VALUE... -- COMMAND...
	local list=()
	while [ "$1" != -- ]; do list+=("$1") && shift; done
	sysctls "$GATEWAY" "${list[@]}" && "${@:2}"
}
check "rp-filter: somebody made it strict" wait_for 20 \
	changed net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.wan0.rp_filter=1 -- finds gw rp-filter net.ipv4.conf.wan0.rp_filter
sysctls "$GATEWAY" net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wan0.rp_filter=2
if on "$GATEWAY" sysctl -n net.mptcp.blackhole_timeout >"$TMP/blackhole" 2>&1; then
	check "blackhole: somebody turned it on" wait_for 20 changed net.mptcp.blackhole_timeout=3600 -- finds gw blackhole "as mpgate does at its start"
	sysctls "$GATEWAY" net.mptcp.blackhole_timeout=0
else
	skip "blackhole" "this kernel has no such detection"
fi
on "$GATEWAY" ip mptcp endpoint add 10.60.20.9 dev wan1 id 9 subflow
ip -n "$GATEWAY" link set dev wan1 xdpgeneric obj "$TOOLS/middlebox.bpf.o" sec xdp
ctl gw reload >"$TMP/reload.out"
check "foreign-xdp: a program of somebody else's" wait_for 10 finds gw foreign-xdp somebody
check "foreign-xdp: the log says so" wait_for 10 logged gw "the XDP program somebody"
sed -i 's/name: wan1, role: path/&, guard: xdp-generic/' "$TMP/gw.yaml"
check "ours in its place: reload" ctl gw reload
everywhere gw not-served "or say guard: tc"
like "$(ctl gw policy explain --link wan1 "$CLIENT4" "$SERVER4:80" 2>&1)" "is not served" "not-served: explain says so"
check "not-served: the log says so" logged gw "link wan1: cannot attach guard"
ip -n "$GATEWAY" link set dev wan1 xdpgeneric off
check "not-served: is over" wait_for 20 silent gw not-served
sed -i 's/, guard: xdp-generic//' "$TMP/gw.yaml"
check "other-program: an endpoint of somebody else's" wait_for 10 finds gw other-program "MPTCP endpoint 9"
on "$GATEWAY" ip mptcp endpoint delete id 9
ip -n "$GATEWAY" addr del 10.60.20.9/24 dev wan1
ctl gw reload >"$TMP/reload.out"

# What comes in from the LAN is of a zone that answers are not of, so for the firewall they are of no connection.
zones() { # RULES...
	on "$GATEWAY" nft -f - <<-END
		table inet zones {
			chain pre { type filter hook prerouting priority raw; iifname "lan0" ct zone set 7; }
			chain in { type filter hook input priority 0; ct state invalid drop; }
			$*
		}
	END
	ctl gw reload
}
greets() { [ "$(timeout 2 nsenter --net="/run/netns/$CLIENT" -- "$TOOLS/tcpload" greet "$SERVER_IP" 7003 2>&1 | head -n 1)" = "hello $1" ]; }
check "conntrack-zones: in one direction" zones
everywhere gw conntrack-zones "table zones, chain pre"
check "conntrack-zones: the log says so" wait_for 10 logged gw "conntrack zones: what comes in is put in a zone"
for f in 4 6; do
	family $f
	check "conntrack-zones: IPv$f: clients are served, unbonded" wait_for 40 greets "$CLIENT_IP"
done
check "conntrack-zones: which the log says" logged gw "is it the conntrack zones? New connections go unbonded"
check "conntrack-zones: and doctor" finds gw delivery "see conntrack zones"
check "conntrack-zones: in both directions" zones 'chain out { type filter hook output priority raw; oifname "lan0" ct zone set 7; }'
for f in 4 6; do
	family $f
	check "conntrack-zones: IPv$f: clients are served" wait_for 20 greets "$HUB_IP"
done
check "conntrack-zones: is over" wait_for 10 silent gw conntrack-zones
on "$GATEWAY" nft delete table inet zones

# --- three reasons for a refusal, three texts at either end
for f in 4 6; do
	family $f
	is "$(load conn "${HUB_IP%2}1" 7001)" reset "IPv$f: where the hub may not go"
	check "IPv$f: the gateway's log says why" wait_for 5 logged gw "${HUB_IP%2}1"
done
check "not allowed: the peer is up" peer_is up
like "$(peer .last_error)" "does not let us go to that server" "not allowed: and its last error is there"
check "not allowed: with its age" [ "$(peer .last_error_age_s)" -lt 60 ]
everywhere gw peer-error "allow-to"
everywhere hub gateway-refused "a server that it may not have"
is "$(gateway .refused)" "destination not allowed" "not allowed: peers list of the hub says so"

# --- another port: nobody is there, then somebody who says nothing
sed -i 's/port: 8803/port: 7999/' "$TMP/gw.yaml"
check "another port" ctl gw reload
check "another port: it is refused" wait_for 15 finds gw peer-down "does mpgated run there"
check "another port: which is not the paths' fault" silent gw no-path
check "another port: nor that of one" silent gw path-dead
like "$(ctl gw paths list)" "peers refuse what comes over it" "another port: says paths list"
spawn mute "$HUB" "$TOOLS/tcpserve" sink:7999
check "another port: somebody who says nothing" wait_for 30 finds gw peer-down "is this its port"
stop "$SPAWNED"
sed -i 's/port: 7999/port: 8803/' "$TMP/gw.yaml"
check "the right port" ctl gw reload
check "the right port: the hub is up" wait_for 20 peer_is up

mv "$TMP/pair.key" "$TMP/right.key"
"$CTL" key new "$TMP/pair.key" >"$TMP/key.out"
check "another key" ctl gw reload
everywhere gw peer-down "it has another key"
check "another key: what to do" finds gw peer-down "key show-id"
check "another key: the hub knows of somebody" wait_for 10 finds hub unknown-key "key show-id"
warned() { ctl hub --json status | jq -e '.findings[] | select(.name == "unknown-key")'; }
check "another key: who misses a gateway is warned" wait_for 50 warned
everywhere hub unknown-key "key show-id"
like "$(ctl hub peers list)" "With a key that is none of ours" "another key: peers list of the hub says so"
like "$(finds hub unknown-key)" '(10\.60\.[12]0\.2|fd60:[12]0::2)' "another key: and where"
check "another key: its log says who, and no server" grep -qE ':[0-9]+: not authorized: the cookie is of no key that we have' "$TMP/hub.log"
check "which nobody has asked for" eval '! grep -F "[::]:0" "$TMP/hub.log"'
mv "$TMP/right.key" "$TMP/pair.key"

# --- both start anew: the hub with a wrong clock, the gateway behind a firewall
daemon_stop gw
daemon_stop hub
if [ -z "${SAN:-}" ]; then
	printf '\x10\x0e\x00\x00' >"$TMP/hub.clock" # 3600, lowest byte first
	DAEMON_BY=(env "LD_PRELOAD=$TOOLS/clockshift.so" "CLOCKSHIFT=$TMP/hub.clock")
fi
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
DAEMON_BY=()
check "gateway-unseen: a note" finds hub gateway-unseen "since the start"
on "$GATEWAY" nft -f - <<-'END'
	table inet firewall {
		chain input { type filter hook input priority 0; iifname lan0 drop; }
	}
END
# It has a BPF file system of its own, and no TUN, as in a container.
DAEMON_BY=(unshare --mount sh -c 'umount --all --lazy --types bpf; mount -t bpf bpf /sys/fs/bpf &&
	{ [ ! -e /dev/net/tun ] || mount --bind /dev/null /dev/net/tun; } && exec "$@"' sh)
check "the gateway starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
DAEMON_BY=()
check "feature: a note" finds gw feature put_back
check "delivery: the log says so" logged gw "a test packet that was steered did not reach its socket"
everywhere gw delivery "nft add rule inet filter input meta mark and 0xffff0000 == 0x6d700000 accept"
if [ -z "${SAN:-}" ]; then
	check "clock: the gateway says by how much" wait_for 20 finds gw clock "s ahead of ours"
	check "clock: so does the hub" wait_for 20 finds hub clock "s behind ours"
	like "$(gateway .refused)" '^clock -3[56][0-9][0-9] s$' "clock: peers list of the hub says so"
else
	skip "a clock" "the address sanitizer wants to be loaded first"
fi
daemon_stop hub
load conn "$SERVER4" 7001 >"$TMP/conn.out" # it is found out
check "peer-down: nobody listens" wait_for 40 finds gw peer-down "does mpgated run there"
on "$HUB" nft -f - <<-'END'
	table inet firewall {
		chain input { type filter hook input priority 0; tcp dport 8803 drop; }
	}
END
check "no-path: nor does any path lead there" wait_for 40 finds gw no-path "nothing is bonded"
inside() { nsenter --mount --target "${DAEMON[gw]}" "$@"; }
inside umount --lazy /sys/fs/bpf
everywhere gw no-bpffs "mount -t bpf bpf /sys/fs/bpf"
check "no-bpffs: the log says so" wait_for 10 logged gw "/sys/fs/bpf: no BPF file system is mounted there"
inside mount -t bpf bpf /sys/fs/bpf
check "no-bpffs: mounted again, and what was there is not" finds gw no-bpffs "what this daemon has pinned there is gone"
ctl gw doctor >"$TMP/doctor.out"
like "$(head -n 1 "$TMP/doctor.out")" "error" "the worst comes first"
script -qec "stty cols 80; env -u COLUMNS $CTL -i ${MPG_PREFIX}gw doctor" /dev/null </dev/null | tr -d '\r' >"$TMP/doctor.out"
is "$(awk 'length > 80' "$TMP/doctor.out")" "" "and it fits a terminal of 80 columns"
check "without a word less" grep -q "^do  " "$TMP/doctor.out"

# --- a start without it
daemon_stop gw
nsenter --net="/run/netns/$GATEWAY" -- unshare --mount sh -c 'umount --all --lazy --types bpf; exec "$@"' sh \
	"$BUILD/mpgated" -c "$TMP/gw.yaml" >"$TMP/start.out" 2>&1
is $? 1 "no BPF file system: it does not start"
check "and says what to do" grep -qF "mount -t bpf bpf /sys/fs/bpf" "$TMP/start.out"

# --- none is left out
mapfile -t names < <(sed -n 's/^\tX([A-Z_]*, "\(.*\)").*/\1/p' "$TOP/user/mpgated/answers/findings.h")
for name in "${names[@]}"; do
	check "$name: a scenario makes the mistake" grep -qE "^[^#]*(finds|everywhere) [^ ]+ $name( |\$|\")" "$NET_DIR"/*.t
	check "$name: the operations page has it" grep -qE "^\| .*\`$name\`.* \| .* \| .* \|$" "$TOP/docs/operations.md"
done
check "there are some" [ ${#names[@]} -gt 30 ]
done_testing
