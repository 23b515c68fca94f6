#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make demo: an unmodified curl uses two access links at once. Four namespaces, two emulated links, both daemons from
# configs/demo-*.yaml; everything is gone afterwards, also when interrupted. DEMO_BYTES: the size of a download.
set -u
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

LINK_A="rate=20 delay=10 limit=128"
LINK_B="rate=40 delay=15 limit=256"
BYTES=${DEMO_BYTES:-24000000}
SEED=8803
FIRST_BYTE_RUNS=9
TTY=
[ -t 1 ] && TTY=1

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -n "$TTY" ] || say() { printf '\n%s\n' "$*"; }
die() {
	echo "demo: $*" >&2
	exit 1
}

# progress LABEL BYTES SINCE-NS: one line, redrawn; nothing when nobody watches.
progress() {
	local done=$2 ms=$((($(date +%s%N) - $3) / 1000000)) bar
	[ -n "$TTY" ] || return
	printf -v bar '%*s' $((done * 40 / BYTES)) ''
	printf '\r  %-22s [%-40s] %5.1f MB  %5.1f s' "$1" "${bar// /#}" "$((done / 100000))e-1" "$((ms / 100))e-1"
}

# download LABEL ADDRESS [AT COMMAND...]: curl in the client's namespace; sets MBIT and TOOK; dies on a wrong sum.
# COMMAND runs once AT bytes are there.
download() {
	local label=$1 url=$2 at=${3:-0} pid start size sum
	shift $(($# < 3 ? $# : 3))
	start=$(date +%s%N)
	: >"$TMP/body"
	on "$CLIENT" curl -sS --max-time 40 -o "$TMP/body" -w '%{speed_download} %{time_total}' \
		"http://$url/$BYTES/$SEED" >"$TMP/curl.out" 2>"$TMP/curl.err" </dev/null &
	pid=$!
	PIDS+=("$pid")
	until gone $pid; do
		size=$(stat -c %s "$TMP/body")
		progress "$label" "$size" "$start"
		if [ "$at" -gt 0 ] && [ "$size" -ge "$at" ]; then
			"$@"
			at=0
		fi
		read -rt 0.1 <> <(:) || :
	done
	wait $pid || die "$label: curl failed: $(cat "$TMP/curl.err")"
	progress "$label" "$(stat -c %s "$TMP/body")" "$start"
	sum=$(sha256sum <"$TMP/body")
	[ "$sum" = "$WANTED" ] || die "$label: the bytes differ from what the server has"
	read -r MBIT TOOK <"$TMP/curl.out"
	MBIT=$(awk -v b="$MBIT" 'BEGIN { printf "%.1f", b * 8 / 1e6 }')
	[ -n "$TTY" ] && printf '\r\033[K'
	printf '  %-22s %6s Mbit/s  %5.1f s  checksum verified\n' "$label" "$MBIT" "$TOOK"
}

# first_byte ADDRESS: median time to the first byte in ms.
first_byte() {
	local i
	for ((i = 0; i < FIRST_BYTE_RUNS; i++)); do
		on "$CLIENT" curl -sS -o /dev/null -w '%{time_starttransfer}\n' "http://$1/1000/1" || die "curl failed"
	done | sort -n | awk '{ v[NR] = $1 } END { printf "%.1f", v[int((NR + 1) / 2)] * 1000 }'
}

# closed ADDRESS: what the client hears of a closed port, as curl numbers it (7: refused), and after how many ms.
closed() {
	local status
	TOOK=$(on "$CLIENT" curl -s -o /dev/null --max-time 10 -w '%{time_total}' "http://$1:81/") && die "port 81 is open"
	status=$?
	awk -v t="$TOOK" -v s="$status" 'BEGIN { printf "%s in %.1f ms", s == 7 ? "refused" : "curl " s, t * 1000 }'
}

# inbound ADDRESS PUBLISHED: who the client's own server says that comes when the server calls it by the hub.
inbound() { on "$SERVER" "$TOOLS/tcpload" -f "$1" greet "$2" 7003 2>&1 | sed 's/^hello //;q'; }

cut_b() {
	[ -n "$TTY" ] && printf '\r\033[K'
	echo "  -- link B is cut now: its packets vanish without a word --"
	em_set wan1 "down=1"
}

# demo_configs: copies of configs/demo-*.yaml with a new key for both. Two demos at a time have instances of their own.
demo_configs() {
	local role file key
	for role in gateway hub; do
		file=$TOP/configs/demo-$role.yaml
		[ -r "$file" ] || die "$file is missing"
		sed "s/^instance: /&${MPG_PREFIX#mpg-}/" "$file" >"$TMP/$role.yaml"
		key=$TMP/$(sed -n 's/.*key-file:[[:space:]]*"\{0,1\}\([^",} ]*\).*/\1/p' "$file" | head -n 1)
		mkdir -p "$(dirname "$key")"
		if [ -n "${first_key:-}" ]; then
			[ "$key" = "$first_key" ] || cp -p "$first_key" "$key"
		else
			"$CTL" key new "$key" >/dev/null || die "no key"
			first_key=$key
		fi
	done
}
instance_of() { sed -n 's/^instance:[[:space:]]*\([^ #]*\).*/\1/p' "$1"; }

hub_up() {
	"$CTL" -i "$INSTANCE" --json peers list |
		jq -e '[.. | objects | select(has("state")) | .state == "up"] | length > 0 and all'
}

for tool in mpgated mpgatectl tests/net/linkem tests/net/tcpserve tests/net/notify; do
	[ -x "$BUILD/$tool" ] || die "$BUILD/$tool is missing: run make"
done
net_init

say "Four namespaces: client - gateway - server, and a hub off the client's default path"
EM0=$LINK_A EM1=$LINK_B net_build || die "cannot build the network"
echo "  link A: $LINK_A    link B: $LINK_B    (Mbit/s, ms one way, KiB of queue)"
spawn server "$SERVER" "$TOOLS/tcpserve" http:80
wait_for 5 on "$SERVER" curl -s -o /dev/null "http://$SERVER4/1" || die "the server does not serve"
spawn inside "$CLIENT" "$TOOLS/tcpserve" greet:7003
WANTED=$(on "$SERVER" curl -sS "http://$SERVER4/$BYTES/$SEED" | sha256sum)

say "Plain TCP, one link at a time (no daemon runs)"
FB_PLAIN=$(first_byte "$SERVER4")
CLOSED_PLAIN=$(closed "$SERVER4")
download "link A alone" "$SERVER4"
A=$MBIT
net_use 1
download "link B alone" "$SERVER4"
B=$MBIT
net_use 0

say "The same curl, with mpgated on the gateway and on the hub"
demo_configs
INSTANCE=$(instance_of "$TMP/gateway.yaml")
daemon_start hub "$HUB" "$TMP/hub.yaml" || die "the hub does not start"
daemon_start gateway "$GATEWAY" "$TMP/gateway.yaml" || die "the gateway does not start"
wait_for 10 hub_up || die "the gateway sees no hub: $("$CTL" -i "$INSTANCE" peers list)"
download "both links (IPv4)" "$SERVER4"
BONDED=$MBIT
FB_BONDED=$(first_byte "$SERVER4")
CLOSED_BONDED=$(closed "$SERVER4")
INBOUND4=$(inbound "$SERVER4" "$HUB4")
INBOUND6=$(inbound "$SERVER6" "$HUB6")
[ "$INBOUND4 $INBOUND6" = "$SERVER4 $SERVER6" ] || die "inbound: the client's server saw '$INBOUND4' and '$INBOUND6'"
download "one cut midway (IPv6)" "[$SERVER6]" $((BYTES / 3)) cut_b
CUT=$TOOK

say "Result"
awk -v a="$A" -v b="$B" -v both="$BONDED" -v fp="$FB_PLAIN" -v fb="$FB_BONDED" -v cut="$CUT" -v n="$BYTES" \
	-v cp="$CLOSED_PLAIN" -v cb="$CLOSED_BONDED" -v in4="$INBOUND4" -v in6="$INBOUND6" 'BEGIN {
	f = "  %-46s %10s\n"
	printf f, "link A alone, plain TCP", sprintf("%.1f Mbit/s", a)
	printf f, "link B alone, plain TCP", sprintf("%.1f Mbit/s", b)
	printf f, "sum of both", sprintf("%.1f Mbit/s", a + b)
	printf f, "bonded, unmodified curl", sprintf("%.1f Mbit/s", both)
	printf f, "bonded / sum", sprintf("%.2f", both / (a + b))
	printf f, "link B cut in mid-download: finished in", sprintf("%.1f s", cut)
	printf f, "bytes verified by checksum in each download", n
	printf f, "set-up (time to first byte), plain over A", fp " ms"
	printf f, "set-up (time to first byte), bonded", fb " ms"
	printf f, "a closed port, plain", cp
	printf f, "a closed port, bonded", cb
	printf f, "from the server in, by the hub (IPv4): it is", in4
	printf f, "from the server in, by the hub (IPv6): it is", in6
}'
say "mpgatectl -i $INSTANCE status"
"$CTL" -i "$INSTANCE" status || die "no status"
echo
