#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Peers by DHCP: udhcpc and dhclient get a lease from dnsmasq on an access link, and their hooks (configs/dhcp/) keep its
# vendor option, whether the daemon runs or not.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/net/discover.sh
. "$(dirname "$0")/discover.sh"

HOOKS=$TOP/configs/dhcp
ENTERPRISE=32473
LEASES=("dhcp-range=10.60.10.50,10.60.10.99,2m" "dhcp-range=fd60:10::50,fd60:10::99,64,2m" dhcp-authoritative
	"listen-address=10.60.10.1" "listen-address=fd60:10::1" interface=acc0 "dhcp-leasefile=")
option() { echo "dhcp-option-force=vi-encap:${3:-$ENTERPRISE},$1,$2"; }

# The hooks call it by its name; what they do besides is left out.
export PATH=$BUILD:$PATH MPGATE_INSTANCE=${MPG_PREFIX}gw MPGATE_NEXT=/bin/true

# lease4, lease4_isc, lease6_isc: a client gets one, and calls its hook.
lease4() { on "$GATEWAY" udhcpc -i wan0 -f -n -q -t 5 -T 1 -O 125 -s "$HOOKS/udhcpc"; }
lease_isc() { # 4|6
	printf '#!/bin/sh\nPATH=%s\n. %s\nexit 0\n' "$PATH" "$HOOKS/dhclient-hook" >"$TMP/dhclient-script"
	chmod +x "$TMP/dhclient-script"
	rm -f "$TMP/dhclient.leases"
	on "$GATEWAY" timeout 30 dhclient "-$1" -1 -d -cf "$HOOKS/dhclient.conf" -lf "$TMP/dhclient.leases" \
		-pf "$TMP/dhclient.pid" -sf "$TMP/dhclient-script" -e "MPGATE_INSTANCE=$MPGATE_INSTANCE" wan0 &
	wait_for 20 kept "dhcp$1"
	on "$GATEWAY" dhclient "-$1" -x -cf /dev/null -lf "$TMP/dhclient.leases" -pf "$TMP/dhclient.pid" \
		-sf /bin/true wan0
	wait $!
	kept "dhcp$1"
}
KEPT=/run/mpgate/${MPG_PREFIX}gw.dhcp
kept() { grep -q "^$1 " "$KEPT"; }

stage
sed -i "/^    address:/d; /^    port:/d; s/^    mode: explicit/    from: dhcp/; 1i dhcp: { enterprise: $ENTERPRISE }" "$TMP/gw.yaml"
check "the hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
asked "$SERVER4"
own_resolv_conf
check "the gateway starts without a lease" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
is "$(peer .last_error)" "no address yet: DHCP: no option has come yet" "the peer has no address, and it is said"
for f in 4 6; do
	family $f
	check "IPv$f: connections go their normal way" greeted_by "$CLIENT_IP"
done

dns "${LEASES[@]}" "$(option 1 "$HUB4")" "$(option 2 22:63)" "$(option 4 fd:60:00:30:00:00:00:00:00:00:00:00:00:00:00:02)"
check "udhcpc gets a lease" lease4
check "its option is kept" kept dhcp4
check "the peer has the addresses" wait_for 5 peer_has "$HUB6" "$HUB4"
check "and is up" wait_for 10 peer_is up
is "$(peer '"\(.from) \(.port)"')" "dhcp 8803" "it says where they come from"
for f in 4 6; do
	family $f
	check "IPv$f: connections go by the hub" greeted_by "$HUB_IP"
done

# What is of no use replaces nothing.
cp "$KEPT" "$TMP/good"
dns "${LEASES[@]}" "$(option 1 "$HUB4" 999)"
check "a lease with another enterprise's option" lease4
check "it is said" wait_for 5 error_is "says nothing for us"
for bytes in 00007ed9050104c0 00007ed9ff 00; do
	check "an option that is malformed: $bytes" ctl gw setup dhcp4 $bytes
	check "it is said" wait_for 5 error_is "says nothing for us"
done
check "one of loopback addresses" ctl gw setup dhcp4 00007ed90601047f000001
check "it is said" wait_for 5 error_is "says nothing for us"
for bytes in xyz 0 "$(printf '%01100d' 0)"; do
	is "$(ctl gw setup dhcp4 "$bytes" >/dev/null 2>&1; echo $?)" 1 "setup dhcp4 ${bytes:0:12}: refused"
done
rm "$KEPT"
check "the peer has its addresses" peer_has "$HUB6" "$HUB4"
check "and is up" peer_is up

# What operators copy.
sample() { sed -n "s/^#*\(dhcp-option$1\)/\1/p" "$HOOKS/dnsmasq.conf" | grep -v operator.example; }
mapfile -t lines < <(sample -force=)
dns "${LEASES[@]}" "${lines[@]}"
check "a lease of the sample" lease4
check "the peer has the sample's addresses" wait_for 5 peer_has 2001:db8::10 198.51.100.10 198.51.100.11
mapfile -t lines < <(sample "=option6:")
dns "${LEASES[@]}" "${lines[@]}"
check "a lease of the sample, over IPv6" lease_isc 6
check "the peer has its address" wait_for 5 peer_has 198.51.100.10

# The lease is there before the daemon.
daemon_stop gw
dns "${LEASES[@]}" "$(option 1 "$HUB4")" "$(option 2 22:63)"
check "dhclient gets a lease while no daemon runs" lease_isc 4
check "the gateway starts again" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "the peer is up" wait_for 10 peer_is up
check "at the lease's address" peer_has "$HUB4"

# A domain.
dns "${LEASES[@]}" "${GOOD[@]}" "$(option 3 "$DOMAIN")"
check "a lease that says a domain" lease4
check "the peer has the addresses that DNS says" wait_for 10 peer_has "$HUB6" "$HUB4"
check "and is up" wait_for 10 peer_is up

# DHCPv6.
dns "${LEASES[@]}" "dhcp-option=option6:17,00:00:7e:d9:00:02:00:02:22:63:00:04:00:10:fd:60:00:30:00:00:00:00:00:00:00:00:00:00:00:02"
check "dhclient gets a lease of IPv6" lease_isc 6
check "the peer has its address" wait_for 5 peer_has "$HUB6"
check "and is up" wait_for 10 peer_is up
family 6
check "connections go by the hub" greeted_by "$HUB_IP"
done_testing
