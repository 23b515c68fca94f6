#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The operator's tool with a running pair: what it prints fits the terminal, what it prints as JSON is what the interface says,
# flows are chosen and sorted, shells complete its words, and top shows what goes on.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # read by pair_configs
POLICY='    - { name: voice, dscp: [ ef ], to-port: [ "7004" ], action: direct }
    - { name: web, to-port: [ "80" ], action: proxy, via: hub }
    - { name: all, to-port: [ "7000-7999" ], action: proxy, via: hub, connect: early }'
scenario
GW=${MPG_PREFIX}gw HUB_NAME=${MPG_PREFIX}hub
for f in 4 6; do
	family $f
	load -c 1 -n 2000000000 slow "$SERVER_IP" 80 >/dev/null 2>&1 &
	PIDS+=($!)
done
family 4
check "a connection that waits" hold 1
flows_are() { [ "$(ctl gw --json flows list "${@:2}" | jq '.flows | length')" = "$1" ]; }
check "three flows" wait_for 10 flows_are 3

# --- which flows
both_paths() { ctl gw --json flows list --rule web | jq -e 'all(.flows[]; .paths == ["a", "b"])'; }
check "they name their paths" wait_for 10 both_paths
for f in 4 6; do
	family $f
	to=$SERVER_IP
	[ $f = 4 ] || to="[$SERVER_IP]"
	check "IPv$f: by client" flows_are $((f == 4 ? 2 : 1)) --client "$CLIENT_IP"
	check "IPv$f: by server and port" flows_are 1 --server "$to:80"
	check "IPv$f: by server, and another client" flows_are 0 --server "$to:80" --client 192.0.2.1
done
check "by port alone" flows_are 2 --server :80
check "by peer and rule" flows_are 1 --peer hub --rule all
output=$(ctl gw flows list --path c 2>&1)
is "$? $output" "1 mpgatectl: --path: there is no path 'c'" "by a path that is none"
is "$("$CTL" -i "$GW" --json flows list --peer hubb | jq -r .error)" "--peer: there is no peer 'hubb'; did you mean 'hub'?" "by a peer that is nearly one"
check "by a path they use" flows_are 2 --path b --rule web
is "$(ctl gw --json flows list --sort down | jq -r '.flows[-1].rule')" all "sorted by bytes: what carries least is last"
like "$(ctl gw flows list --sort size 2>&1)" "--sort: 'size' is none of age, client" "a wrong word is told"
ctl gw flows list --client 10.60.1 >/dev/null 2>&1
is $? 2 "and a wrong address is a wrong command line"

# --- what a hub knows of its gateway counts what still runs
running() { [ "$(ctl hub --json peers list | jq '.gateways[0].bytes_down')" -gt 100000 ]; }
check "bytes of connections that go on" wait_for 10 running

# --- what nobody looks at is not said to be nothing: a hub dials no peer, and its connections' subflows are the gateway's
is "$(ctl hub --json paths list | jq -c '[.paths[] | .subflows, .sent, .sent_rate, .retransmitted, .health4, .health6] | unique')" \
	"[null]" "a hub counts no subflows, and asks nobody"
check "but knows what its links carry" eval "ctl hub --json paths list | jq -e '[.paths[].rx_bytes] | max > 0'"
is "$(ctl gw --json paths list | jq -c '[.paths[] | .subflows != null and .sent_rate != null and .health4 == "up"] | unique')" "[true]" \
	"a gateway does both"

# --- words
output=$("$CTL" policy 2>&1)
is $? 2 "a noun alone is a wrong command line"
like "$output" "policy what\? show, check, explain.*policy check FILE.*whether" "and its verbs are listed"
is "$("$CTL" --json drain 2>/dev/null | jq -r .error)" "drain what? start, stop" "as JSON, too"
explained() { ctl gw --json policy explain "$CLIENT4" "$SERVER4:7004" "$@" | jq -r .rule; }
is "$(explained --dscp ef) $(explained --dscp EF) $(explained --dscp 46)" "voice voice voice" "a code point by its name"
is "$(explained --dscp af11) $(explained)" "all all" "another one"

# --- JSON
VARLINK=$(dirname "$0")/../../user/mpgated/control/io.mpgate.varlink
# answers NAME ARGUMENTS...: the JSON of the tool is what the interface says of NAME.
answers() { check "${*:2}: as described ($1)" described "$@"; }
described() {
	"$CTL" --json "${@:2}" >"$TMP/answer" 2>"$TMP/errors"
	jq -es 'length == 1 and .[0].schema == 1' "$TMP/answer" && python3 "$(dirname "$0")/varlink.py" "$VARLINK" "$1" <"$TMP/answer"
}
for side in "$GW" "$HUB_NAME"; do
	answers Status -i "$side" status
	answers Flows -i "$side" flows list --sort bytes
	answers Paths -i "$side" paths list
	answers Subflows -i "$side" paths subflows
	answers Peers -i "$side" peers list
	answers History -i "$side" history
	answers PolicyShow -i "$side" policy show
	answers Stats -i "$side" stats
	answers Reload -i "$side" reload
done
answers PolicyExplain -i "$GW" policy explain "$CLIENT4" "$SERVER4:80"
answers DrainStart -i "$HUB_NAME" drain start
is "$(jq .draining "$TMP/answer")" true "drain start: it is draining"
check "which doctor notes" finds hub draining "drain stop"
answers DrainStop -i "$HUB_NAME" drain stop
is "$(jq .draining "$TMP/answer")" false "drain stop: it is not"
answers PolicyCheck policy check "$TMP/gw.yaml"
answers Key key show-id "$TMP/pair.key"
answers Error -i "$GW" drain start
answers Error policy check "$TMP/no-such-file"
answers Error policy
like "$(ctl gw reload)" "policy in force +[0-9]+.*rules +3.*peers +1" "reload: the same as text"

# --- width
# on_terminal COLUMNS ARGUMENTS...: what the tool prints there, without carriage returns.
on_terminal() {
	local columns=$1
	shift
	script -qec "stty cols $columns rows 24; env -u COLUMNS $CTL $*" /dev/null </dev/null | tr -d '\r'
}
too_wide() { on_terminal "$@" | grep -nE ".{$(($1 + 1))}"; }
for columns in 80 60; do
	for command in status "flows list" "paths list" "paths subflows" "peers list" stats "stats --all" doctor history "policy show" \
		"policy explain $CLIENT4 $SERVER4:7004"; do
		check "$command fits $columns columns" eval "! too_wide $columns -i $GW $command"
	done
done
on_terminal 60 -i "$GW" policy show >"$TMP/shown.yaml"
is "$("$CTL" --json policy check "$TMP/shown.yaml" | jq .rules)" 3 "the policy loads again from a terminal, too"
check "help fits 80 columns" eval "! too_wide 80 --help"
check "what is not a terminal gets it all" eval "ctl gw flows list | grep -E 'CLIENT .* STATE .* MAPPED .* WORKER'"
check "a narrow one says what is missing" eval "on_terminal 80 -i $GW flows list | grep -E 'more in a wider terminal: .*WORKER'"
check "COLUMNS counts more" eval "! script -qec 'stty cols 200; COLUMNS=70 $CTL -i $GW stats --all' /dev/null </dev/null | tr -d '\r' | grep -E '.{71}'"
counters() { ctl gw stats "$@" | grep -cE '^[a-z-]+ +[0-9]'; }
check "stats: those that are not 0" [ "$(counters)" -lt "$(counters --all)" ]
check "none is 0" eval "! ctl gw stats | grep -E '^[a-z-]+ +0 '"
check "bytes have their unit" eval "ctl gw stats | grep -E '^bytes-down +[0-9.]+ [KMG]iB '"

# --- completion
mkdir "$TMP/bin"
ln -s "$(realpath "$CTL")" "$TMP/bin/mpgatectl"
CONFIGS=$(realpath "$(dirname "$0")/../../configs")
# The candidates for the last of the words.
in_bash() {
	PATH=$TMP/bin:$PATH bash -c '. "$0"; COMP_WORDS=(mpgatectl "$@"); COMP_CWORD=$#; _mpgatectl; printf "%s\n" "${COMPREPLY[@]}"' \
		"$CONFIGS/mpgatectl.bash-completion" "$@"
}
# Outside of its line editor zsh has none of what a completion calls.
in_zsh() {
	PATH=$TMP/bin:$PATH zsh -f -c '
		compdef() { : }
		compadd() { print -rl -- "${(@P)@[-1]}" }
		_files() { print -rl -- "$words[CURRENT]"*(N) }
		_command_names() { print -rl -- "${(@k)commands}" }
		words=(mpgatectl "${@[2,-1]}") CURRENT=$#
		. "$1"
		_mpgatectl
	' zsh "$CONFIGS/mpgatectl.zsh-completion" "$@"
}
in_fish() {
	PATH=$TMP/bin:$PATH HOME=$TMP fish -N -c 'source $argv[1]; complete -C "mpgatectl $argv[2..-1]"' "$CONFIGS/mpgatectl.fish-completion" "$@"
}
# completes SHELL HAS HAS-NOT WORDS...
completes() {
	local shell=$1 has=$2 has_not=$3 output
	shift 3
	if ! type -P "$shell" >/dev/null; then
		skip "$shell: $*" "there is no $shell here"
		return
	fi
	output=$("in_$shell" "$@" 2>&1)
	check "$shell: '$*' has $has" grep -qwe "$has" <<<"$output"
	check "$shell: '$*' has not $has_not" eval '! grep -qwe "$has_not" <<<"$output"'
}
for shell in bash zsh fish; do
	completes $shell explain status policy ""
	completes $shell voice hub -i "$GW" flows list --rule ""
	completes $shell hub voice -i "$GW" flows list --peer ""
	completes $shell lan0 wan0 -i "$GW" policy explain --link ""
	completes $shell "$GW" policy -i ""
	completes $shell --dscp --sort policy explain --
	completes $shell af41 7 policy explain --dscp af4
	completes $shell pair.key status key show-id "$TMP/pair"
	completes $shell mpgatectl status run -- mpgatec
done

# --- top
TMUX_SOCKET=$TMP/tmux
tm() { tmux -S "$TMUX_SOCKET" -f /dev/null "$@"; }
seen() { tm capture-pane -p | grep -qE -- "$1"; }
shows() {
	check "top: $1" wait_for 15 seen "$2"
	seen "$2" || diag "$(tm capture-pane -p)"
}
tm new-session -d -x 80 -y 24 "$CTL -i $GW top; echo left with \$?; read -r _"
PIDS+=("$(tm display-message -p '#{pid}')")
shows "the instance, its flows and peers" "^mpgate $GW, up .*flows 3 by rate.*peers 1 up, 0 down"
shows "all is well" "^nothing is wrong"
shows "paths with their rates" "^a +wan0 +up .*[0-9] [kM]bit/s"
shows "the peer with its flows and rates" "^hub +up +mptcp +3 .*[kM]bit/s"
shows "rules with hits" "^web +[0-9]+ +2 .*[kM]bit/s"
shows "the busiest flows" "^CLIENT +SERVER"
shows "IPv6 as well" "^\[fd60:.*fd60:40"
is "$(tm capture-pane -p | wc -l)" 24 "top: all lines are used"
like "$(tm capture-pane -p | tail -n 1)" "q leave +s sort" "top: the last one names the keys"
tm send-keys s
shows "s sorts by something else" "by down"
tm send-keys s s s
shows "and again" "by client"
tm send-keys Down Down Enter
shows "Enter opens a flow" "^server +\[fd60:40::2\]:80"
# What takes no more than one path brings proves the other needless: it may be a backup by now.
for path in a b; do
	shows "with its subflow over path $path" "^$path +(primary|backup) +[0-9.]+ [um]s +[0-9.]+ [KM]iB .*(10\.60\.|\[fd60:)[^ ]+:[0-9]+"
done
tm send-keys Enter
shows "and again closes it" "^CLIENT +SERVER"
tm resize-window -x 60 -y 12
shows "a small terminal has the flows" "^CLIENT +"
check "top: it fits there" eval "! tm capture-pane -p | grep -E '.{61}'"
tm resize-window -x 80 -y 24
link_cut 1
shows "a path that fails" "path b \\(wan1\\): .*down"
daemon_stop gw
shows "a daemon that goes away" "no daemon runs as instance $GW"
tm send-keys q
shows "q leaves" "left with 0"
tm kill-server
let_go
like "$("$CTL" top 2>&1 </dev/null)" "top needs a terminal" "top: without a terminal it says so"
done_testing
