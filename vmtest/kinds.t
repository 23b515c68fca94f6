#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Links of every kind, as lan link and as path: what crosses them is bonded, or mpgate refuses them and says why; never is
# a client cut off. Kinds that this kernel lacks are skipped; the newest kernel has all. KINDS: only these.
# shellcheck disable=SC2086 # names and numbers have no spaces
# shellcheck source-path=SCRIPTDIR source=../tests/net/tap.sh
. "$(dirname "$0")/../tests/net/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tests/net/lib.sh
. "$(dirname "$0")/../tests/net/lib.sh"
# shellcheck source-path=SCRIPTDIR source=kinds.sh
. "$(dirname "$0")/kinds.sh"

# KIND LAN PATH: "bonded"; "refused:WORDS", not bonded over it, and status, log and explain say so (a regular expression
# without spaces); "noted:WORDS", bonded or not, and said so; "served", bonded or not; "-": not looked at.
TABLE='
vlan          bonded                          bonded
bridge        bonded                          bonded
bridge-vlan   bonded                          bonded
bridge-port   refused:name.above0.instead     refused:name.above0.instead
bond          bonded                          bonded
bond-port     refused:name.above0.instead     refused:name.above0.instead
vrf           refused:is.a.VRF                served
vrf-port      refused:in.the.VRF.above0       served
vrf-accept    refused:in.the.VRF.above0       served
macvlan       noted:macvlan.over.base0        bonded
macvlan-both  noted:macvlan.over.base0        -
ipvlan        noted:ipvlan.over.base0         bonded
wireguard     bonded                          bonded
gre           bonded                          bonded
ppp           bonded                          bonded
netkit        bonded                          bonded
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
# WORDS in what status, log and explain say of the link.
note() { ctl gw --json status | jq -r ".links[] | select(.name == \"$DEV\") | .note // \"\"" | grep -E "$1"; }
logged() { tail -n +$((LOG_LINES + 1)) "$TMP/gw.log" | grep -E "link $DEV.*$1"; }
explained() {
	ctl gw policy explain "$(bracketed "$LAN_IP"):4000" "$(bracketed "$SERVER_IP"):80" --link $DEV 2>&1 | grep -E "$1"
}
untouched() {
	ctl gw --json status | jq -e ".links[] | select(.name == \"$DEV\") | .steer == \"none\" and .guard == \"none\""
}
unbonded() { served && ! greeted_by "$HUB_IP"; }
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
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
	ctl gw reload >"$TMP/reload.out" 2>&1 || diag "$(cat "$TMP/reload.out")"
}
restore() {
	cp "$TMP/gw.saved" "$TMP/gw.yaml"
	ctl gw reload
}

# as_lan KIND EXPECTED
as_lan() {
	local f words=${2#*:} approved
	configure lan
	case $2 in
	refused:*)
		check "$1 as lan: status says why it is not served" wait_for 10 note "$words"
		check "$1 as lan: the log, too" logged "$words"
		check "$1 as lan: no program is on it" untouched
		;;
	noted:*)
		check "$1 as lan: status says what to know of it" wait_for 10 note "$words"
		check "$1 as lan: the log, too" logged "$words"
		;;
	esac
	for f in 4 6; do
		kind_family $f
		case $2 in
		bonded) check "$1 as lan, IPv$f: bonded" wait_for 10 greeted_by "$HUB_IP" ;;
		refused:*)
			check "$1 as lan, IPv$f: a client is served, unbonded" wait_for 10 unbonded
			check "$1 as lan, IPv$f: explain says why" explained "$words"
			;;
		*) check "$1 as lan, IPv$f: a client is served" wait_for 10 served ;;
		esac
	done
	[ "$2" = bonded ] || return
	sed -i 's/connect: early/connect: honest/' "$TMP/gw.yaml"
	ctl gw reload >"$TMP/reload.out" 2>&1 || diag "$(cat "$TMP/reload.out")"
	for f in 4 6; do
		kind_family $f
		approved=$(counter gw reasons approved)
		check "$1 as lan, IPv$f, honest: bonded" wait_for 10 greeted_by "$HUB_IP"
		check "$1 as lan, IPv$f, honest: its SYN came back" counted gw reasons approved "$approved"
		is "$(load conn "$SERVER_IP" 7999)" refused "$1 as lan, IPv$f, honest: a closed port is refused"
	done
}

# as_path KIND EXPECTED: as the second path; then as the only one.
as_path() {
	local f words=${2#*:}
	for f in 4 6; do
		kind_family $f
		configure path
		check "$1 as path, IPv$f: a client is served" wait_for 10 served
		if [ "$2" = bonded ]; then
			check "$1 as path, IPv$f: a subflow crosses it" wait_for 20 with_path
			configure only
			check "$1 as the only path, IPv$f: bonded" wait_for 30 greeted_by "$HUB_IP"
		fi
		[[ $2 == refused:* && $f -eq 4 ]] || continue # words have no family
		check "$1 as path: status says why it is not served" wait_for 10 note "$words"
		check "$1 as path: the log, too" logged "$words"
		check "$1 as path: no program is on it" untouched
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
