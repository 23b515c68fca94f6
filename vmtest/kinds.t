#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Links of every kind, as lan link and as path: what crosses them is bonded, or mpgate says why it is not; never is a client
# cut off. Kinds that this kernel lacks are skipped; the newest kernel has all. KINDS: only these.
# shellcheck disable=SC2086 # names and numbers have no spaces
# shellcheck source-path=SCRIPTDIR source=../tests/net/tap.sh
. "$(dirname "$0")/../tests/net/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tests/net/lib.sh
. "$(dirname "$0")/../tests/net/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kinds.sh
. "$(dirname "$0")/kinds.sh"

# KIND LAN PATH: "bonded", or words (a regular expression) that say why it need not be; "-": not looked at.
TABLE='
vlan          bonded        bonded
bridge        bonded        bonded
bridge-vlan   bonded        bonded
bridge-port   bridge        bridge
bond          bonded        bonded
bond-port     bond          bond
vrf           vrf           vrf
vrf-port      vrf           vrf
macvlan       bonded        bonded
macvlan-both  macvlan       -
ipvlan        bonded        bonded
wireguard     bonded        bonded
gre           bonded        bonded
ppp           bonded        bonded
netkit        bonded        bonded
'
[ -z "${KINDS:-}" ] || TABLE=$(grep -E "^(${KINDS// /|}) " <<<"$TABLE")

# --- what is seen

# kind_family 4|6
kind_family() {
	family "$1"
	[ "$1" = 4 ] && LAN_IP=10.60.$NET.2 PATH_IP=10.60.$NET.2 || LAN_IP=fd60:$NET::2 PATH_IP=fd60:$NET::2
}
# The client is served, bonded or not.
served() { greeted_by "$HUB_IP" || greeted_by "$LAN_IP" || greeted_by "$CLIENT_IP"; }
# All that mpgate says of the link.
words() {
	cat "$TMP/reload.out"
	tail -n +$((LOG_LINES + 1)) "$TMP/gw.log"
	ctl gw status
	ctl gw paths list
	ctl gw policy explain "$(bracketed "$LAN_IP"):4000" "$(bracketed "$SERVER_IP"):80" --link $DEV
} 2>&1
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
said() { words | grep -qiE "$1"; }
# A connection by way of the hub has a subflow over the path.
subflow_there() { [ -n "$(on "$GATEWAY" ss -Htn state established "dport = 8803" src "$(bracketed "$PATH_IP")")" ]; }
used() {
	local held status
	coproc HOLD { load -n 1 hold "$SERVER_IP" 7001; }
	held=$HOLD_PID
	wait_for 10 subflow_there
	status=$?
	eval "exec ${HOLD[1]}>&-"
	wait "$held"
	return $status
}
with_path() { greeted_by "$HUB_IP" && used; }

# configure lan|path|only: the link under test in place of lan0 or wan1, or as the only path. As a path, the hub has one
# address, of the family that is looked at, so that connections to it are of that family.
configure() {
	LOG_LINES=$(wc -l <"$TMP/gw.log")
	case $1 in
	lan) sed "s/name: lan0/name: $DEV/" "$TMP/gw.saved" ;;
	path) sed "s/name: wan1/name: $DEV/; s/address: .*/address: [ \"$HUB_IP\" ]/" "$TMP/gw.saved" ;;
	only) sed "/name: wan1/d; s/name: wan0/name: $DEV/; s/address: .*/address: [ \"$HUB_IP\" ]/" "$TMP/gw.saved" ;;
	esac >"$TMP/gw.yaml"
	ctl gw reload >"$TMP/reload.out" 2>&1
}
restore() {
	cp "$TMP/gw.saved" "$TMP/gw.yaml"
	ctl gw reload
}

# as_lan KIND EXPECTED
as_lan() {
	local f
	configure lan
	for f in 4 6; do
		kind_family $f
		check "$1 as lan, IPv$f: a client is served" wait_for 10 served
		if [ "$2" = bonded ]; then
			check "$1 as lan, IPv$f: bonded" wait_for 10 greeted_by "$HUB_IP"
		else
			greeted_by "$HUB_IP" || said "$2"
			ok $? "$1 as lan, IPv$f: bonded, or said why not" || diag "$(words)"
		fi
	done
}

# as_path KIND EXPECTED: as the second path; then as the only one.
as_path() {
	local f
	for f in 4 6; do
		kind_family $f
		configure path
		check "$1 as path, IPv$f: a client is served" wait_for 10 served
		if [ "$2" = bonded ]; then
			check "$1 as path, IPv$f: a subflow crosses it" wait_for 20 with_path
		else
			with_path || said "$2"
			ok $? "$1 as path, IPv$f: used, or said why not" || diag "$(words)"
		fi
	done
	[ "$2" = bonded ] || return 0
	for f in 4 6; do
		kind_family $f
		configure only
		check "$1 as the only path, IPv$f: bonded" wait_for 30 greeted_by "$HUB_IP"
	done
}

scenario
cp "$TMP/gw.yaml" "$TMP/gw.saved"
ip -n "$GATEWAY" route del default dev wan1
ip -n "$GATEWAY" -6 route del default dev wan1
# shellcheck disable=SC2034 # lan and path are chosen by name
while read -r kind lan path; do
	[ -n "$kind" ] || continue
	if ! has_kind "$(type_of "$kind")"; then
		skip "$kind" "this kernel has no such links"
		continue
	fi
	for role in lan path; do
		[ "${!role}" != - ] || continue
		if build "$kind" "$role" >"$TMP/build.out" 2>&1; then
			ok 0 "$kind as $role: it is made"
			"as_$role" "$kind" "${!role}"
		else
			ok 1 "$kind as $role: it is made" || diag "$(cat "$TMP/build.out")"
		fi
		restore >/dev/null
		unbuild
	done
done <<<"$TABLE"
done_testing
