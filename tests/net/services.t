#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real services of a host behind a gateway, published by a hub: a web server, an SSH server whose log names the real
# clients, so that who tries passwords can be shut out by his address (as fail2ban does it) and nobody else is, and a mail
# server, which sees who delivers and sends from the hub's address itself.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by net_build and pair_configs
WITH_ROUTER=1
PEER_MORE='    park: 2
    accept-to: [ 10.60.1.2, "fd60:1::2" ]
    allow-source: [ "0.0.0.0/0", "::/0" ]'
# shellcheck disable=SC2034
HUB_MORE='publish:
  - { name: home, address: [ 10.60.30.2 ], port: [ "22", "25", "80" ], to: 10.60.1.2, via: gw }
  - { name: home6, address: [ "fd60:30::2" ], port: [ "22", "25", "80" ], to: "fd60:1::2", via: gw }'
# shellcheck disable=SC2034
POLICY='    - { name: smtp, from: [ 10.60.1.2, "fd60:1::2" ], to-port: [ "25" ], action: proxy, via: hub }'
OTHER4=10.60.40.3 OTHER6=fd60:40::3

# The SSH server's log, from a mark on.
logged() { tail -n "+$1" "$TMP/sshd.log" | grep -F "Exit before auth from <$2:"; }
# guess ADDRESS: a wrong password from there; the client binds to none, so the route says which it is.
guess() {
	ip -n "$SERVER" route replace "$HUB_IP" via "$VIA" src "$1"
	on "$SERVER" env DROPBEAR_PASSWORD=guess HOME="$TMP" dbclient -y "nobody-here@$HUB_IP" true
}
# guesses ADDRESS: a try from there is refused by the server, and stands in its log with that address.
guesses() {
	local mark=$(($(wc -l <"$TMP/sshd.log") + 1))
	! guess "$1" && wait_for 5 logged "$mark" "$1"
}
# seen ADDRESS: how a connection to the SSH server ends.
seen() { on "$SERVER" "$TOOLS/tcpload" -f "$1" conn "$HUB_IP" 22 2>&1 | head -n 1; }
fetched() { [ "$(on "$SERVER" curl -gsS --interface "$1" "http://${HUB_URL}/")" = "from $1" ]; }
parked() { [ "$(ctl hub --json peers list | jq '.peers[0].parked')" -ge "$1" ]; }

# mail FROM-NAMESPACE SERVER TEXT [INTERFACE]: brings it there, and the server takes it.
mail() {
	printf 'Subject: %s\r\n\r\n%s\r\n' "$3" "$3" >"$TMP/letter"
	on "$1" curl -gsS ${4:+--interface "$4"} --mail-from a@example.net --mail-rcpt b@example.org -T "$TMP/letter" "smtp://$2"
}
# mailed LOG TEXT ADDRESS: the server of that log has it from there.
mailed() { grep -A 3 "^Subject: $2" "$TMP/$1.log" | grep -qF "X-Peer: ('$3',"; }
mail_server() { # NAME NAMESPACE ADDRESS
	spawn "$1" "$2" env PYTHONUNBUFFERED=1 /usr/bin/python3 -m aiosmtpd -n -l "$3:25" -c aiosmtpd.handlers.Debugging stdout
}

net_init
net_build || { echo "Bail out! no network" && exit 1; }
ip -n "$SERVER" addr add $OTHER4/24 dev eth0
ip -n "$SERVER" addr add $OTHER6/64 dev eth0 nodad
cat >"$TMP/web.cfg" <<-END
	defaults
		mode http
		timeout connect 5s
		timeout client 30s
		timeout server 30s
	frontend web
		bind :80
		bind :::80 v6only
		http-request return status 200 content-type text/plain lf-string "from %[src]"
END
dropbearkey -t ed25519 -f "$TMP/host.key" >"$TMP/hostkey.log" 2>&1
spawn web "$CLIENT" haproxy -db -f "$TMP/web.cfg"
spawn sshd "$CLIENT" dropbear -F -E -r "$TMP/host.key" -p 22 -P "$TMP/sshd.pid"
mail_server inner4 "$CLIENT" "$CLIENT4"
mail_server inner6 "$CLIENT" "$CLIENT6"
mail_server outer4 "$SERVER" "$SERVER4"
mail_server outer6 "$SERVER" "$SERVER6"
on "$CLIENT" nft -f - <<-END
	table inet ban {
		set four { type ipv4_addr; }
		set six { type ipv6_addr; }
		chain in {
			type filter hook input priority filter;
			tcp dport 22 ip saddr @four reject
			tcp dport 22 ip6 saddr @six reject
		}
	}
END
pair_configs
if ! daemon_start hub "$HUB" "$TMP/hub.yaml" || ! daemon_start gw "$GATEWAY" "$TMP/gw.yaml"; then
	echo "Bail out! a daemon does not start"
	exit 1
fi
check "the gateway parks connections with the hub" wait_for 10 parked 2
for f in 4 6; do
	family $f
	other=OTHER$f set=four VIA=10.60.40.1 HUB_URL=$HUB_IP
	[ $f = 4 ] || set=six VIA=fd60:40::1 HUB_URL="[$HUB_IP]"
	check "IPv$f: the web server sees its client" fetched "$SERVER_IP"
	check "IPv$f: and another one" fetched "${!other}"
	check "IPv$f: who guesses a password stands in the SSH server's log" guesses "$SERVER_IP"
	on "$CLIENT" nft add element inet ban $set "{ $SERVER_IP }"
	is "$(seen "$SERVER_IP")" refused "IPv$f: his address is banned there: refused"
	check "IPv$f: that is for SSH alone" fetched "$SERVER_IP"
	check "IPv$f: others still reach it" guesses "${!other}"
	on "$CLIENT" nft delete element inet ban $set "{ $SERVER_IP }"
	check "IPv$f: no longer banned" guesses "$SERVER_IP"
	check "IPv$f: mail can be delivered" mail "$SERVER" "$HUB_URL" "in-$f" "${!other}"
	check "IPv$f: and the mail server sees who does" wait_for 5 mailed inner$f "in-$f" "${!other}"
	server=$SERVER_IP
	[ $f = 4 ] || server="[$SERVER_IP]"
	check "IPv$f: it sends mail itself" mail "$CLIENT" "$server" "out-$f"
	check "IPv$f: from the hub's address" wait_for 5 mailed outer$f "out-$f" "$HUB_IP"
done
done_testing
