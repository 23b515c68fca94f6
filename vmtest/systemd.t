#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The package under systemd, as vmtest/systemd has it in a VM: the machine itself is the gateway, with the unit as it is
# shipped; the hub is in a namespace, to which a drop-in sends its unit. BUILD: where the tools of tests/net are.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/../tests/net/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/../tests/net/lib.sh"
# shellcheck source=tests/net/state.sh
. "$(dirname "$0")/../tests/net/state.sh"

# The machine ends with this script, and nothing here is to be undone: net_init is not for it.
CTL=/usr/sbin/mpgatectl TMP=$(mktemp -d)
mkdir -p "$RUN"
ns_add() {
	local ns
	for ns; do
		if [ "$ns" = "$GATEWAY" ]; then ip netns attach "$ns" 1; else ip netns add "$ns"; fi
		sysctls "$ns" net.ipv4.tcp_congestion_control=cubic
		ip -n "$ns" link set lo up
	done
}
unit() { echo "mpgated@$MPG_PREFIX$1.service"; }
GW=$(unit gw) WORST=25 # tenths, of `systemd-analyze security`

is_state() { [ "$(systemctl is-active "$1")" = "$2" ]; }
main() { systemctl show -P MainPID "$1"; }
# processes UNIT: all of it but the main one, in its own cgroup and in those below.
processes() {
	find "/sys/fs/cgroup$(systemctl show -P ControlGroup "$1")" -name cgroup.procs -exec cat {} + | grep -vx "$(main "$1")"
}
# others_have FIELD: what these processes of the gateway have in it, each value once.
others_have() { processes "$GW" | sed 's,.*,/proc/&/status,' | xargs -r awk -v f="$1:" '$1 == f { print $2 }' | sort -u; }
# records UNIT OPTIONS...: of the journal, an object each.
records() { journalctl --sync && journalctl -u "$1" -o json --no-pager "${@:2}"; }
# recorded UNIT FILTER OPTIONS...: is there one that jq's filter takes?
recorded() { records "$1" "${@:3}" | jq -es "map(select($2)) | length > 0"; }
carried() { family "$1" && greeted_by "$HUB_IP"; }
settled() { [ -z "$(ip -n "$GATEWAY" -6 addr show tentative)" ]; }
is_as_before() { state "$GATEWAY" "${MPG_PREFIX}gw" | diff "$TMP/before" - >"$TMP/differs"; }
left() {
	wait_for 5 is_as_before
	is "$(cat "$TMP/differs")" "" "$1: everything is as it was before"
}
# held_are N: so many of those that hold() opened are there.
held_are() { [ "$(on "$CLIENT" ss -Htn state established "dport = 7001" | wc -l)" = "$1" ]; }

# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='host: true
metrics: { listen: 127.0.0.1 }'
if ! { net_build && servers_start && pair_configs; }; then
	echo "Bail out! the network does not start"
	exit 1
fi
cp "$TMP/pair.key" /etc/mpgate/
for side in gw hub; do cp "$TMP/$side.yaml" "/etc/mpgate/$MPG_PREFIX$side.yaml"; done
mkdir -p "/etc/systemd/system/$(unit hub).d"
printf '[Service]\nNetworkNamespacePath=/run/netns/%s\n' "$HUB" >"/etc/systemd/system/$(unit hub).d/namespace.conf"
systemctl daemon-reload
wait_for 10 settled
state "$GATEWAY" "${MPG_PREFIX}gw" >"$TMP/before"

# --- start
is "$(cat /proc/1/comm)" systemd "this is systemd: $(systemctl --version | head -n 1)"
check "the hub starts" systemctl start "$(unit hub)"
check "the gateway starts" systemctl enable --now "$GW"
check "it is active" is_state "$GW" active
is "$(systemctl show -P Type "$GW")" notify "since it has said so"
check "the hub is up" wait_for 20 peer_is up
for f in 4 6; do check "IPv$f: connections are carried" carried $f; done
check "host mode works" [ "$(ctl gw --json status | jq '[.features[] | select(.name | startswith("host_")) | .works] | all')" = true ]
check "held SYNs are put back" [ "$(ctl gw --json status | jq '.features[] | select(.name == "put_back") | .works')" = true ]
metrics() { exec 8<>/dev/tcp/127.0.0.1/9803 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&8 && grep '^mpgate_peer_up{peer="hub"} 1' <&8; }
check "metrics are served" wait_for 10 metrics
check "systemd's score is ${WORST::1}.${WORST:1} at most" systemd-analyze security --no-pager --threshold=$WORST "$GW"
diag "$(systemd-analyze security --no-pager "$GW" | tail -n 1 | tr -cd '[:print:]')"

# --- who runs
is "$(stat -c %U "/proc/$(main "$GW")")" root "the supervisor is root"
is "$(others_have Uid)" "$(id -u mpgate)" "all the others are mpgate"
# CAP_NET_RAW and CAP_NET_BIND_SERVICE, for workers.
is "$(others_have CapEff | tr '\n' ' ')" "0000000000000000 0000000000002400 " "and may do no more than bind to addresses of others"
check "there are workers" [ "$(processes "$GW" | wc -l)" -gt "$(nproc)" ]

# --- the journal
for f in 4 6; do
	family $f
	[ $f = 4 ] && closed=10.60.20.1 || closed=fd60:20::1
	load conn "$closed" 7001 >/dev/null 2>&1 # not in the hub's allow-to
	check "IPv$f: what is said of a connection has client, server and peer" wait_for 10 \
		recorded "$(unit hub)" ".MPGATE_CLIENT != null and .MPGATE_PEER == \"gw\" and (.MPGATE_SERVER // \"\" | contains(\"$closed\"))"
done
check "it is a worker's, and of the user" recorded "$(unit hub)" "(.MPGATE_PROCESS // \"\" | startswith(\"worker\")) and .MPGATE_CLIENT != null and
	.SYSLOG_IDENTIFIER == \"mpgated\" and .PRIORITY == \"6\" and ._UID == \"$(id -u mpgate)\""
check "what is said of a peer can be asked for" recorded "$GW" '.MESSAGE | contains("hub")' MPGATE_PEER=hub
is "$(records "$GW" MPGATE_PEER=hub | jq -r .MPGATE_PEER | sort -u)" hub "and nothing else comes"
is "$(records "$GW" -p warning | jq -r 'select((.PRIORITY | tonumber) > 4) | .MESSAGE')" "" "so can warnings"

check "what is said of a link can be asked for" recorded "$GW" '.MESSAGE | contains("link wan0: steer")' MPGATE_PATH=wan0
# fieldless: what is said of a link, path or peer, and has no field that names it.
fieldless() {
	records "$GW" | jq -r '.MESSAGE as $m | select(($m | test("^(link|path (?!manager:))")) and .MPGATE_PATH == null or
		($m | test("^peer ")) and .MPGATE_PEER == null) | $m'
}
link_cut 1
check "what doctor finds, too" wait_for 60 recorded "$GW" '.MESSAGE | test("^path .*; ip link set wan1 up")' MPGATE_PATH=wan1
link_mend 1
check "and that it is over" wait_for 60 recorded "$GW" '.MESSAGE | test("^path .*no longer: ")' MPGATE_PATH=wan1
is "$(fieldless)" "" "each message about a link or peer says so in a field"

# --- reload
pid=$(main "$GW")
family 4
check "some connections stay" hold 2
sed -i 's/name: all,/name: every,/' "/etc/mpgate/${MPG_PREFIX}gw.yaml"
check "it is reloaded" systemctl reload "$GW"
named() { [ "$(ctl gw --json policy show | jq -r '.rules[].name')" = "$1" ]; }
check "with another rule" wait_for 10 named every
sed -i 's/action: proxy/action: prxy/' "/etc/mpgate/${MPG_PREFIX}gw.yaml"
check "a mistake is told" systemctl reload "$GW"
check "in the journal" wait_for 10 recorded "$GW" '.MESSAGE | test("gw.yaml.*prxy")' -p err
sed -i 's/action: prxy/action: proxy/' "/etc/mpgate/${MPG_PREFIX}gw.yaml"
check "and nothing changes" named every
is "$(main "$GW")" "$pid" "it is the same process"
check "those connections were kept" held_are 2
let_go
echo 'links: 5' >/etc/mpgate/broken.yaml
check "a unit with a mistake does not start" eval '! systemctl start mpgated@broken'
check "and the journal says why" recorded mpgated@broken '.MESSAGE | test("broken.yaml:1")'
systemctl stop mpgated@broken
systemctl reset-failed mpgated@broken

# --- watchdog
kill -STOP "$pid"
restarted() { [ "$(systemctl show -P NRestarts "$GW")" = 1 ] && is_state "$GW" active; }
check "a daemon that hangs is started again" wait_for 200 restarted
check "by the watchdog" recorded "$GW" '.MESSAGE | test("[Ww]atchdog timeout")'
isnt_running() { [ ! -e "/proc/$pid" ]; }
check "the old one is gone" isnt_running
check "the hub is up again" wait_for 20 peer_is up
for f in 4 6; do check "IPv$f: connections are carried again" wait_for 10 carried $f; done

# --- restart: what it carries is lost
family 4
check "some connections stay" hold 2
check "it is started anew" systemctl restart "$GW"
check "they have ended" wait_for 10 held_are 0
let_go
check "the hub is up after that" wait_for 20 peer_is up
for f in 4 6; do check "IPv$f: connections are carried after that" wait_for 10 carried $f; done

# --- stop
check "it stops" systemctl stop "$GW"
is "$(systemctl show -P Result "$GW")" success "well"
left "stop"
for f in 4 6; do
	family $f
	check "IPv$f: connections go the normal way" greeted_by "$CLIENT_IP"
done

# --- others that manage the same things, whose namespaces the unit has no right to read
check "it starts again" systemctl start "$GW"
for name in NetworkManager connmand; do cp "$(command -v ip)" "$TMP/$name"; done
spawn nm "$GATEWAY" "$TMP/NetworkManager" monitor
spawn elsewhere "$CLIENT" "$TMP/connmand" monitor
systemctl start systemd-networkd.socket systemd-networkd
others() { ctl gw reload >/dev/null && ctl gw --json paths list | jq -r '.others[].program // empty'; }
named_are() { [ "$(others | sort -u | tr '\n' ' ')" = "$1" ]; }
check "others of the same namespace are named, and no one else" wait_for 20 named_are "NetworkManager systemd-network " ||
	diag "$(others)"
rules_there() { ip -n "$GATEWAY" rule | grep -q ^7001: && ip -n "$GATEWAY" -6 rule | grep -q ^7001:; }
check "rules of ours stay, or are set again" wait_for 10 rules_there
check "the hub is up all the same" wait_for 20 peer_is up
systemctl stop systemd-networkd.socket systemd-networkd
check "it stops well" systemctl stop "$GW"
check "so does the hub" systemctl stop "$(unit hub)"

# --- the package comes again, and goes, while both run
state "$GATEWAY" "${MPG_PREFIX}gw" >"$TMP/before"
check "both start once more" systemctl start "$(unit hub)" "$GW"
mains() { echo "$(main "$GW") $(main "$(unit hub)")"; }
read -r pid hub_pid < <(mains)
check "the package is installed over them" dpkg -i "$BUILD"/deb/mpgate_*.deb
check "both are active then" systemctl is-active "$GW" "$(unit hub)"
is "$(mains | grep -cwE "0|$pid|$hub_pid")" 0 "as other processes"
is "$(systemctl show -P NRestarts "$GW" "$(unit hub)" | tr -d '\n')" 00 "which the package has started, and no failure"
check "the hub is up with them" wait_for 20 peer_is up
for f in 4 6; do check "IPv$f: connections are carried by them" wait_for 10 carried $f; done
check "the package is removed" dpkg -r mpgate
are_gone() { ! pgrep -x mpgated && is_state "$GW" inactive && is_state "$(unit hub)" inactive; }
check "nothing of it runs" are_gone
left "removal"
check "configurations and keys stay" [ -s "/etc/mpgate/${MPG_PREFIX}gw.yaml" -a -s /etc/mpgate/pair.key ]
check "it is purged" dpkg -P mpgate
left "purge"
is "$(ls -d /run/mpgate /var/lib/mpgate /var/log/mpgate /sys/fs/bpf/mpgate 2>/dev/null)" "" "no folder of it is left"
is "$(find /etc/systemd/system -name 'mpgated@*' -type l)" "" "nor is an instance enabled"
check "but what the operator made" [ -s "/etc/mpgate/${MPG_PREFIX}gw.yaml" -a -s /etc/mpgate/pair.key ]
is "$(systemctl --failed --plain --no-legend | awk '{ print $1 }')" "" "nothing has failed"
done_testing
