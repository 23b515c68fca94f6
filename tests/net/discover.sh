# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Peers whose addresses are not in the file: a name server and DHCP server (dnsmasq), a gateway that asks. Source it after lib.sh.

DOMAIN=operator.example
SERVICE=_convert._tcp.$DOMAIN

# --- the name server

# dns LINE...: dnsmasq, with that configuration from now on. dns_end: none.
DNS=
dns() {
	dns_end
	printf '%s\n' no-resolv no-hosts keep-in-foreground user=root bind-interfaces pid-file= local-ttl=30 \
		"listen-address=$SERVER4" "listen-address=$SERVER6" "$@" >"$TMP/dnsmasq.conf"
	spawn dnsmasq "$SERVER" dnsmasq -C "$TMP/dnsmasq.conf"
	DNS=$SPAWNED
	wait_for 5 dns_listens
}
dns_listens() { on "$SERVER" ss -Hlun 'sport = 53' | grep -q "$SERVER4"; }
dns_end() { [ -z "$DNS" ] || stop "$DNS"; DNS=; }

# Lines for it: that it knows all of the domain, the records srv TARGET PORT PRIORITY WEIGHT, host NAME ADDRESSES.
LOCAL=local=/example/
srv() { echo "srv-host=$SERVICE,$1${1:+.$DOMAIN},$2,$3,$4"; }
host() { echo "host-record=$1.$DOMAIN,$2"; }
# shellcheck disable=SC2034 # read by the scripts that source this
GOOD_HOST=$(host hub1 "$HUB4,$HUB6")
# shellcheck disable=SC2034
GOOD=("$LOCAL" "$GOOD_HOST" "$(srv hub1 8803 10 0)")

# --- the gateway

# asked: that name server from now on. A new /etc/resolv.conf has all asked for again, at once.
asked() {
	echo "nameserver ${1:-$SERVER4}" >"$TMP/new.conf"
	echo "# $((++ASKED))" >>"$TMP/new.conf"
	cat "$TMP/new.conf" >"$TMP/resolv.conf"
}
ASKED=0

peer() { ctl gw --json peers list | jq -r ".peers[] | select(.name == \"hub\") | $1"; }
peer_has() { [ "$(peer '.addresses | join(" ")')" = "$*" ]; }
error_is() { [[ "$(peer .lookup_error)" == *"$1"* ]]; }

# own_resolv_conf: daemons that are started from now on have $TMP/resolv.conf in place of the machine's.
own_resolv_conf() {
	# shellcheck disable=SC2034 # read by daemon_start
	DAEMON_BY=(unshare --mount sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$TMP/resolv.conf")
}
