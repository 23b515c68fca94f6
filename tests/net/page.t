#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The status page: who gets it, what its JSON says of a path that fails and comes back, and how a browser shows that: in both
# colour schemes, on a phone, and when the daemon is gone. PICTURE=FILE.png: takes pictures of it; four minutes more.
# LONG: a path is down for some seconds, and figures are kept every ten.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

DIR=$(dirname "$0")
VARLINK=$DIR/../../user/mpgated/control/io.mpgate.varlink
# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='metrics: { listen: 127.0.0.1 }' HUB_MORE='metrics: { listen: 0.0.0.0 }'
stage
shape 0 20
shape 1 20
# fetch NAMESPACE URL [OPTIONS]: the status code; headers and text are left in $TMP.
fetch() { on "$1" curl -sS --max-time 10 -D "$TMP/headers" -o "$TMP/text" -w '%{http_code}' "${@:3}" "$2"; }
text_is() { grep -q "$1" "$TMP/text"; }
LOCAL=http://127.0.0.1:9803
# --- who gets it, elsewhere and here
check "a hub starts" daemon_start hub "$HUB" "$TMP/hub.yaml"
is "$(fetch "$GATEWAY" "http://$HUB4:9803/")" 403 "for others, without a token: nobody gets it"
check "and that says what to do" text_is "set metrics.token-file to a file that mpgatectl key new has made"
is "$(fetch "$GATEWAY" "http://$HUB4:9803/metrics")" 200 "metrics are for everybody, as they were"
"$CTL" key new "$TMP/page.key"
TOKEN=$(cat "$TMP/page.key")
sed -i 's/^metrics:.*/metrics: { listen: "::", token-file: page.key }/' "$TMP/hub.yaml"
check "a token: not by a reload" eval '! ctl hub reload'
daemon_stop hub
check "a token: after a restart" daemon_start hub "$HUB" "$TMP/hub.yaml"
REMOTE="http://[$HUB6]:9803"
is "$(fetch "$GATEWAY" "$REMOTE/")" 401 "IPv6: without it"
is "$(fetch "$GATEWAY" "$REMOTE/status.json" -u "x:${TOKEN/?/-}")" 401 "IPv6: with another one"
is "$(fetch "$GATEWAY" "$REMOTE/status.json" -H "Authorization: Bearer $TOKEN")" 200 "IPv6: with it"
is "$(fetch "$GATEWAY" "$REMOTE/" -u "x:$TOKEN" -H "Host: hub.example")" 200 "IPv6: as a password, by any name"
is "$(fetch "$GATEWAY" "$REMOTE/metrics")" 200 "IPv6: metrics are for everybody"
if ! { daemon_start gw "$GATEWAY" "$TMP/gw.yaml" && wait_for 20 ways_are up; }; then
	echo "Bail out! the gateway does not start"
	exit 1
fi
for page in / /page.js /status.json /history.json; do
	is "$(fetch "$GATEWAY" $LOCAL$page)" 200 "loopback: $page"
done
is "$(fetch "$GATEWAY" $LOCAL/ -X POST -d x)" 405 "nothing can be sent"
for name in attacker.example 127.0.0.1.attacker.example; do
	is "$(fetch "$GATEWAY" $LOCAL/status.json -H "Host: $name")" 403 "nobody leads $name here"
done
is "$(fetch "$GATEWAY" $LOCAL/ -H "Host: localhost:9803")" 200 "localhost is a name of ours"
for header in "content-security-policy: default-src 'none'" "x-content-type-options: nosniff" "cache-control: no-store" \
	"referrer-policy: no-referrer" "cross-origin-resource-policy: same-origin"; do
	check "$header" grep -qi "^$header" "$TMP/headers"
done
check "others' pages may not read it" eval '! grep -qi access-control "$TMP/headers"'
# --- what the JSON says
part_is() { jq -e "$2" "$TMP/text" >"$TMP/part" && python3 "$DIR/varlink.py" "$VARLINK" "$1" <"$TMP/part"; }
fetch "$GATEWAY" $LOCAL/status.json >"$TMP/code"
for part in status doctor paths peers flows; do
	check "status.json: $part is as described" part_is "${part^}" ".$part"
done
check "its rules have hits" jq -e '.schema == 1 and .rules[0].name == "all" and (.rules[0] | has("hits"))' "$TMP/text"
check "no file's name but the configuration's is in it" eval '! text_is pair.key'

past() { [ "$(fetch "$GATEWAY" "$LOCAL/history.json")" = 200 ] && jq -e "$1" "$TMP/text"; }
family 4
load -t 300 gap "$SERVER_IP" 80 >"$TMP/gap" 2>&1 &
DOWNLOAD=$!
PIDS+=("$DOWNLOAD")
check "rates and round trips are kept" wait_for 40 past \
	'.paths | length == 2 and all((.down | max) > 1000000 and (.rtt_us | max) > 0 and (.state | last) == "up")'
check "history.json is as described" part_is History .
down='.failures[] | select(.about == "path" and .name == "b" and .link == "wan1" and .state == "down")'
check "nothing has failed" past "[$down] == []"
link_cut 1
check "a path is cut: it is there, lasts, and another takes over" wait_for 10 past "$down | .lasts and .why == \"link down\" and .to == \"a\""
check "its length grows" wait_for 10 past "$down | .seconds >= 3"
link_mend 1
check "the path is back: it is over" wait_for 20 past "$down | .lasts == false and .seconds >= 3 and .began > 1700000000"
check "it began when it was cut" past "$down | (now - .began | . >= 3 and . < 240)"
check "the tool says the same" eval "ctl gw history | grep -E '^20.* no +path +b +.*down +a +link down'"
daemon_stop hub
check "a peer is gone" wait_for 40 past '.failures[] | select(.about == "peer" and .name == "hub" and .lasts)'
check "the hub is back" daemon_start hub "$HUB" "$TMP/hub.yaml"
check "that is over as well" wait_for 70 past '[.failures[] | select(.about == "peer")] | length == 1 and .[0].lasts == false'

# --- in a browser
if ! type -P chromium >/dev/null; then
	skip "a browser shows it" "no chromium here"
	done_testing
	exit
fi
kill "$DOWNLOAD" 2>/dev/null
load -t 300 gap "$SERVER_IP" 80 >"$TMP/gap" 2>&1 &
PIDS+=("$!")
mkdir "$TMP/chromium"
coproc BROWSER { exec nsenter --net="/run/netns/$GATEWAY" -- python3 "$DIR/browser.py" "$TMP/chromium" 2>"$TMP/chromium.log"; }
PIDS+=("$BROWSER_PID")
exec {TOLD}<&"${BROWSER[0]}" {TELL}>&"${BROWSER[1]}" # which subshells have, too
# browser COMMAND...: its answer, and whether it is true.
browser() {
	local answer
	echo "$*" >&"$TELL"
	read -rt $((60 * ${MPG_SLOW:-1})) answer <&"$TOLD" || answer="no answer: $(tail -n 3 "$TMP/chromium.log")"
	echo "$answer"
	[ "$answer" = true ]
}
cell() { browser eval "[...document.querySelectorAll('#$1 tbody tr')].map((r) => [...r.cells].map((c) => c.textContent).join('|')).join(' / ')"; }
check "a window" browser view 1280 1600 light
check "the page is loaded" browser go $LOCAL/
check "it shows both paths, with graphs" browser until 20 "document.querySelectorAll('#graphs article').length === 2 && document.querySelectorAll('#graphs svg').length === 8"
like "$(cell failures)" "\|path b \(wan1\)\|▼ down\|[0-9]+s\|over to a\|link down" "the path's failure, with length and reason"
like "$(cell failures)" "\|peer hub\|▼ down\|[0-9ms ]+\|" "and the peer's"
like "$(cell paths)" "a \(wan0\)\|▲ up\|.* / b \(wan1\)\|▲ up\|" "the paths, with their state"
like "$(cell peers)" "^\"hub\|▲ up\|mptcp\|[0-9]+\|" "the peer"
like "$(cell rules)" "^\"all\|proxy\|hub\|[1-9][0-9]*\|.*MiB" "the rule, with hits and bytes"
check "the flow, over both paths, with its rate" browser until 20 "/10.60.1.2:.*10.60.40.2:80huballa, b.*Mbit/.test(document.querySelector('#flows tbody')?.textContent)"
graph() { browser eval "[...document.querySelectorAll('#graphs article:nth-child($1) svg')].map((s) => s.getAttribute('aria-label')).join(' / ')"; }
like "$(graph 1)" "Rate: down [0-9.]+ Mbit/s \(line\), up .*Round trip: .* ms; most.*Lost on the way out: .*State: (never down|down for)" "graphs say in words what they show"
# What is known of a path is there when ten seconds of it are over.
check "also how long a path was down" browser until 40 "/State: down for [0-9]+s/.test([...document.querySelectorAll('#graphs article:nth-child(2) svg')].map((s) => s.getAttribute('aria-label')).join())"
check "graphs are there as tables" browser eval "document.querySelectorAll('#graphs details table tbody tr').length >= 2"
# Some texts say how long ago something was.
check "what is wrong: nothing, or what doctor says" browser eval \
	"fetch('status.json').then((r) => r.json()).then((s) => { const plain = (t) => t.replace(/[0-9]+/g, ''), text = document.getElementById('doctor').textContent; return s.doctor.findings.every((f) => plain(text).includes(plain(f.text))) && (s.doctor.wrong || text.startsWith('Nothing is wrong')); })"
check "a table that is open stays open" browser eval "document.querySelector('#graphs details').open = true"
for view in "1280 1600 light" "1280 1600 dark" "360 740 light" "360 740 dark"; do
	check "$view: a window" browser view "$view"
	is "$(browser audit)" "[]" "$view: it can be read"
done
ground() { browser eval "getComputedStyle(document.body).backgroundColor"; }
dark=$(ground)
browser view 1280 1600 light >"$TMP/view"
check "light and dark are two" [ "$(ground)" != "$dark" ]
counter_now() { browser eval "document.getElementById('about').textContent"; }
before=$(counter_now)
check "it looks again by itself" browser until 15 "document.getElementById('about').textContent !== $before"
check "and what was open still is" browser eval "document.querySelector('#graphs details').open"
is "$(browser errors)" "[]" "no error, and nothing from elsewhere"
if [ -n "${PICTURE:-}" ]; then
	link_cut 0
	read -rt 40 <> <(:) || :
	link_mend 0
	read -rt 200 <> <(:) || :
	browser view 360 740 dark >"$TMP/view"
	check "a picture of the phone" browser shot "${PICTURE%.png}-phone.png"
	browser view 1280 1900 light >"$TMP/view"
	check "a picture" browser shot "$PICTURE"
fi
# What names hold goes in as text: a rule that would be HTML cannot be loaded, so the page is given an answer that has one.
check "names are text" browser eval "show({ ...{ status: { instance: '<b>x', version: '1', uptime_s: 1, policy: { generation: 1 }, workers: [] }, doctor: { wrong: true, findings: [{ severity: 'error', subject: '<img src=x>', text: '<b>y', remedy: '' }] }, paths: { paths: [], usage: [] }, peers: { peers: [], ways: [], gateways: [] }, rules: [{ name: '<i>z', action: 'direct', hits: 0 }], flows: { flows: [], truncated: false } } }) === undefined && document.querySelectorAll('img, i, b').length === 0 && document.body.textContent.includes('<i>z')"
daemon_stop gw
check "the daemon is gone: that is said" browser until 20 "/^The daemon does not answer since .* What is shown is of before/.test(document.querySelector('#live.lost')?.textContent)"
is "$(browser audit)" "[]" "and can be read"
check "the daemon is back" daemon_start gw "$GATEWAY" "$TMP/gw.yaml"
check "and so is the page" browser until 30 "document.querySelector('#live:not(.lost)')?.textContent.startsWith('Live')"
browser errors >"$TMP/errors"
check "the hub's page takes a token" browser password "$TOKEN"
check "which is asked for" browser go "$REMOTE/"
check "the hub's page shows who dials it" browser until 20 "/gw●? ?passive|gw● passive/.test(document.querySelector('#peers tbody')?.textContent)"
is "$(browser errors | jq -c 'map(select(test("status of 401") | not))')" "[]" "no error there, either"
eval "exec ${BROWSER[1]}>&- $TELL>&-"
done_testing
