#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Host mode: connections that the machine itself opens, seen by its applications as they would be without mpgate.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/faces.sh
. "$(dirname "$0")/faces.sh"

MBIT=40 MIB=$((1 << 20))
# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: all, to-port: [ "80", "4001", "7000-7999" ], action: proxy, via: hub, connect: honest }'
# shellcheck disable=SC2034 # read by net_build and pair_configs
WITH_ROUTER=1 GATEWAY_MORE='host: true' LIMIT=400
stage
# A host on a net of the machine's own.
spawn near "$ROUTER" "$TOOLS/tcpserve" greet:7003
faces_make
on "$SERVER" nft -f - <<-'END'
	table inet datagrams {
		chain in { type filter hook input priority filter; udp dport 9 counter name discard; }
		counter discard { }
	}
END

# me COMMAND...: an application of the machine; mine ARGUMENTS...: tcpload there.
me() { on "$GATEWAY" "$@"; }
mine() { me "$TOOLS/tcpload" "$@"; }
# seen_from ADDRESS [COMMAND...]: the server sees the machine's connections come from there.
seen_from() {
	local from=$1
	shift
	is_greeting "$from" "$("$@" nsenter --net="/run/netns/$GATEWAY" -- "$TOOLS/tcpload" greet "$SERVER_IP" 7003 2>/dev/null)"
}
is_greeting() { [ "${2%%$'\n'*}" = "hello $1" ] || { echo "got: $2" && return 1; }; }

# What an application knows of its connection: both names, and how a connect that does not block is told.
NAMES=$(
	cat <<-'END'
		import errno, select, socket, sys
		to, own = sys.argv[1], sys.argv[2]
		for port in (7001, 7999):
		    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET)
		    s.setblocking(False)
		    begun = s.connect_ex((to, port))
		    select.select([], [s], [], 10)
		    end = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
		    print(errno.errorcode[begun], errno.errorcode.get(end, end), end=" ")
		    if not end:
		        print(s.getpeername()[:2] == (to, port), s.getsockname()[0] == own, end=" ")
	END
)
names() { me python3 -c "$NAMES" "$SERVER_IP" "$GATEWAY_IP"; }

for f in 4 6; do
	family $f
	seen_by "$GATEWAY" >"$TMP/plain.$f"
done
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "the host starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the hub is found" wait_for 10 peer_is up
is "$(ctl gw --json status | jq -r .host)" all "status says so"

udp_seen() { [ "$(on "$SERVER" nft -j list counter inet datagrams discard | jq '.nftables[] | .counter? | .packets? // empty')" -ge "$1" ]; }
for f in 4 6; do
	family $f
	near=10.60.10.1 near_own=10.60.10.2
	[ $f = 4 ] || near=fd60:10::1 near_own=fd60:10::2
	check "IPv$f: connections go by the hub" seen_from "$HUB_IP"
	seen_by "$GATEWAY" >"$TMP/honest.$f"
	check "IPv$f: applications see what they see without" diff "$TMP/plain.$f" "$TMP/honest.$f"
	is "$(names)" "EINPROGRESS 0 True True EINPROGRESS ECONNREFUSED " "IPv$f: addresses are true, and a connect that does not block"
	check "IPv$f: many echoes" mine -c 50 -n 50000 echo "$SERVER_IP" 7001
	check "IPv$f: an upload" mine -n 30000000 sink "$SERVER_IP" 7002
	is "$(ctl gw policy explain "$GATEWAY_IP" "$([ $f = 4 ] && echo "$SERVER_IP" || echo "[$SERVER_IP]"):80" --link host --json | jq -r .reason)" \
		held "IPv$f: explained"
	held=$(counter gw reasons held)
	like "$(mine greet "$near" 7003)" "^hello $near_own" "IPv$f: a host of its own net is spoken to directly"
	is "$(counter gw reasons held)" "$held" "IPv$f: without a question to the hub"
	check "IPv$f: clients of the LAN are carried as well" greeted_by "$HUB_IP"
	me bash -c "echo x >/dev/udp/$SERVER_IP/9"
	check "IPv$f: UDP goes its way" wait_for 5 udp_seen $((f / 2 - 1))
	# Curl tries IPv6 first, which is refused or says nothing, then IPv4.
done
for port in 7999 7990; do
	on "$SERVER" nft add rule inet wall in ip6 daddr "$SERVER6" tcp dport 80 "$([ $port = 7990 ] && echo drop || echo reject with tcp reset)"
	is "$(me curl -sS --max-time 20 -o /dev/null -w '%{http_code} %{remote_ip}' --resolve "server.test:80:[$SERVER6],$SERVER4" http://server.test/1000)" \
		"200 $SERVER4" "curl falls back to IPv4 when IPv6 is $([ $port = 7990 ] && echo silent || echo refused)"
	on "$SERVER" nft delete rule inet wall in handle "$(on "$SERVER" nft -a list chain inet wall in | sed -n 's/.*dport 80.*# handle //p')"
done

# A port whose connection is in TIME_WAIT at the worker is used again.
spawn talk "$SERVER" "$TOOLS/tcptalk" listen '4001=send:1000'
for f in 4 6; do
	family $f
	waits=$(counter gw reasons time-wait)
	is "$(me "$TOOLS/tcptalk" dial "$SERVER_IP" 4001 "port:4${f}01 dial all close pause:300 dial all")" \
		"1000 eof 1000 eof" "IPv$f: a port in TIME_WAIT"
	check "IPv$f: the SYN met TIME_WAIT, and so did the reset" counted gw reasons time-wait $((waits + 1))
done

# The third packet of a handshake under SYN cookies. They are always used here, which programs do not expect.
BUSY=/sys/fs/bpf/mpgate/${MPG_PREFIX}gw/v1/syn_busy
sysctls "$GATEWAY" net.ipv4.tcp_syncookies=2
bpftool map update pinned "$BUSY" key hex 00 00 00 00 value hex ff ff ff 7f
for f in 4 6; do
	family $f
	check "IPv$f: SYN cookies" mine -c 8 -n 1000 echo "$SERVER_IP" 7001
done
sysctls "$GATEWAY" net.ipv4.tcp_syncookies=1
bpftool map update pinned "$BUSY" key hex 00 00 00 00 value hex 00 00 00 00

all_alive() { ctl gw --json paths list | jq -e '[.paths[] | .health4, .health6] | all(. == "up")'; }
# Both links together, and one that dies meanwhile.
shape 0 $MBIT && shape 1 $MBIT
path_bytes() { ip -n "$GATEWAY" -s -j link show dev "wan$1" | jq '.[0].stats64.rx.bytes'; }
both_grow() { [ "$(path_bytes 0)" -gt $(($1 + MIB)) ] && [ "$(path_bytes 1)" -gt $(($2 + MIB)) ]; }
for f in 4 6; do
	family $f
	a=$(path_bytes 0) b=$(path_bytes 1)
	mine -n $((24 * MIB)) get "$SERVER_IP" 80 >"$TMP/get" 2>&1 &
	get=$!
	check "IPv$f: a download over both links" wait_for 20 both_grow "$a" "$b"
	link_cut 0
	check "IPv$f: goes on when the link of its address is cut" wait $get
	link_mend 0
	check "IPv$f: both are there again" wait_for 40 all_alive
done
# An address that goes with its link, when it is kept on the loopback device.
for f in 4 6; do
	family $f
	bits=$((f == 4 ? 32 : 128))
	mine -n $((24 * MIB)) get "$SERVER_IP" 80 >"$TMP/get" 2>&1 &
	get=$!
	check "IPv$f: a download" wait_for 20 both_grow "$(path_bytes 0)" "$(path_bytes 1)"
	ip -n "$GATEWAY" addr add "$GATEWAY_IP/$bits" dev lo
	ip -n "$GATEWAY" addr del "$GATEWAY_IP/$((f == 4 ? 24 : 64))" dev wan0
	check "IPv$f: goes on when its address is taken from the link" wait $get
	ip -n "$GATEWAY" addr del "$GATEWAY_IP/$bits" dev lo
	addr "$GATEWAY" wan0 10 2 2>/dev/null
	net_use 0
	# Else what goes directly may take the other one.
	check "IPv$f: the link is alive again" wait_for 40 all_alive
	check "IPv$f: connections go by the hub as before" wait_for 20 seen_from "$HUB_IP"
done
for i in 0 1; do
	tc -n "$GATEWAY" qdisc del dev wan$i root
	tc -n "$ROUTER" qdisc del dev acc$i root
done

# The workers' own: a connection that was answered already and that the hub does not take goes directly, once.
check "connections are answered early from now on" connect_as early
for f in 4 6; do
	family $f
	check "IPv$f, early: by the hub" seen_from "$HUB_IP"
done
family 4
direct=$(counter gw relay direct) steered=$(counter gw reasons steered)
kill -9 "${DAEMON[hub]}" && wait_for 5 gone "${DAEMON[hub]}"
check "the hub dies: what was answered early goes directly" seen_from 10.60.10.2
check "by a worker" counted gw relay direct "$direct"
is "$(counter gw reasons steered)" $((steered + 1)) "whose own connection is not taken"
check "the hub starts again" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "and is found over both links" wait_for 60 all_alive
connect_as honest

# Whose processes. A group as containers have it is taken with all others.
CGROUP=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)/${MPG_PREFIX}other
mkdir "$CGROUP"
in_group() { bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$CGROUP" "$@"; }
family 4
check "another cgroup: its connections are carried" seen_from "$HUB4" in_group
sed -i '/^host: true/d' "$TMP/gw.yaml"
family 6
mkfifo "$TMP/late.in"
mine -n $((8 * MIB)) late "$SERVER_IP" 80 <"$TMP/late.in" >"$TMP/late.out" 2>&1 &
late=$!
exec 8>"$TMP/late.in"
check "a connection that is carried" wait_for 10 grep -q waiting "$TMP/late.out"
check "a reload ends host mode" ctl gw reload
is "$(ctl gw --json status | jq -r .host)" none "status says so"
exec 8>&-
check "but not that connection" wait $late
family 4
# A link that was cut is looked at again, until then direct connections take the other one.
check "new ones go directly" wait_for 40 seen_from 10.60.10.2
run() { ctl gw run -- "$@"; }
# The same by a user who may nothing.
# shellcheck disable=SC2016 # for the inner shell
GREET='exec 3<>"/dev/tcp/$0/7003" && read -r line <&3 && echo "$line"'
nobody() {
	is_greeting "$1" "$(run nsenter --net="/run/netns/$GATEWAY" -- setpriv --reuid 65534 --regid 65534 --clear-groups \
		bash -c "$GREET" "$SERVER_IP" 2>&1)"
}
for f in 4 6; do
	family $f
	check "IPv$f: what run starts is carried" seen_from "$HUB_IP" run
	check "IPv$f: others are not" seen_from "$GATEWAY_IP"
	check "IPv$f: a command of another user" nobody "$HUB_IP"
done
run sh -c 'exit 7'
is $? 7 "the command's status is that of run"
run "$TMP/absent" 2>/dev/null
is $? 127 "there is no such command"
is "$(ctl gw --json status | jq -r .host)" run "status says so"
rmdir "$CGROUP"

# A daemon that may not write to cgroups outside its own, as under the unit: the tool moves itself.
daemon_stop gw
CGROUPS=${CGROUP%/*} UNIT=${CGROUP%other}unit
mkdir "$UNIT"
# shellcheck disable=SC2016 # for the inner shell
DAEMON_BY=(unshare --mount sh -c 'echo $$ >"$1/cgroup.procs" && mount --bind "$1" "$1" && mount -o remount,bind,ro "$0" &&
	shift && exec "$@"' "$CGROUPS" "$UNIT")
check "with cgroups that it cannot write to the host starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
for f in 4 6; do
	family $f
	check "IPv$f: what run starts is carried" wait_for 20 seen_from "$HUB_IP" run
	check "IPv$f: others are not" wait_for 20 seen_from "$GATEWAY_IP"
done
daemon_stop gw
check "the group that it could not remove is left" test -d "$CGROUPS/mpgate-${MPG_PREFIX}gw.run"
rmdir "$UNIT"
DAEMON_BY=()
check "the host starts, with cgroups" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
is "$(ctl gw --json status | jq -r .host)" none "nobody is in that group: it is as if it were not there"

# Without a daemon run says so, and the command runs.
run_plain() {
	seen_from "$GATEWAY_IP" run && run true 2>&1 | grep -q "no daemon runs.*go the normal way" && run true
}
# A daemon that is killed as a whole.
kill_all() {
	# shellcheck disable=SC2046 # one word a process
	kill -9 "${DAEMON[gw]}" $(ctl gw --json status | jq -r '.workers[].pid')
	wait_for 5 gone "${DAEMON[gw]}"
}
echo 'host: true' >>"$TMP/gw.yaml"
check "all is carried again" ctl gw reload
for f in 4 6; do
	family $f
	check "IPv$f: it is" wait_for 10 seen_from "$HUB_IP"
	check "IPv$f: over both links" wait_for 40 all_alive
	check "IPv$f: the daemon is killed" kill_all
	check "IPv$f: connections take the normal route at once" seen_from "$GATEWAY_IP"
	check "IPv$f: what run starts, too, with a word" run_plain
	check "IPv$f: it starts again" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	check "IPv$f: and is used" wait_for 20 seen_from "$HUB_IP"
done
daemon_stop gw
DAEMON_BY=(unshare --mount sh -c 'umount --all --lazy --types cgroup2; exec "$@"' sh)
check "without cgroup2 the host starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
DAEMON_BY=()
check "says that nothing is carried" grep -q "not carried.*cgroup2 is not mounted" "$TMP/gw.log"
check "doctor says so" finds gw host-mode "cgroup2 must be mounted"
family 4
check "and connections go directly" seen_from 10.60.10.2
daemon_stop gw
daemon_stop hub
is "$(find /sys/fs/cgroup -maxdepth 3 -name "mpgate-${MPG_PREFIX}*" | wc -l)" 0 "after the end no group is left"

is "$(ip -n "$GATEWAY" rule list | grep -c 'iif lo')" 0 "nor its routing rule"
is "$(me sysctl -n net.ipv4.conf.lo.accept_local)" 0 "nor what it set"

# Converters that are not ours: a phone and a hub alone.
for how in open issued; do
	# shellcheck disable=SC2034 # read by pair_configs
	HUB_ACCEPT="  accept: $how
  allow-from: [ 10.60.10.0/24, 10.60.20.0/24, \"fd60:10::/64\", \"fd60:20::/64\" ]"
	pair_configs
	sed -i 's/key-file: .*/dialect: rfc8803/' "$TMP/gw.yaml"
	check "$how: the converter starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
	check "$how: the host starts" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
	check "$how: the converter is found" wait_for 10 peer_is up
	for f in 4 6; do
		family $f
		check "IPv$f, $how: connections go by it" seen_from "$HUB_IP"
		check "IPv$f, $how: a download" mine -n 3000000 get "$SERVER_IP" 80
		is "$(mine conn "$SERVER_IP" 7999)" refused "IPv$f, $how: a closed port"
	done
	daemon_stop gw
	daemon_stop hub
done
done_testing
