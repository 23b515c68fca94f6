#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What README, the pages and the man pages show is so: each command is run and each output compared, each configuration is
# checked, and options, keys, metrics, files and links that are named are there. docs/README.md says how blocks are marked.
# The pair that runs is the first one of docs/operations.md. DOCS_WRITE=1: what our tools print now goes into the pages.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1

PATIENCE=10 # seconds; some things take their time
LEFT_MOST=5  # blocks that are not run, with their reasons; more is too much
docs() { python3 "$NET_DIR/docs.py" "$@"; }

net_init
ETC=$TMP/etc STEPS=$TMP/steps
mkdir -p "$ETC/keys" "$TMP/new/keys" "$STEPS" "$TMP/bin" "$TMP/at"
ln -s "$TOP/configs" "$TMP/at/configs"

# --- what needs no network
is "$(docs blocks "$STEPS" "$ETC")" "" "every block has a kind"
LC_ALL=C sort -t $'\t' -sk 3,3 -o "$STEPS/steps" "$STEPS/steps" # '-' first: what changes the pair comes last
is "$(docs lint "$BUILD")" "" "options, keys, metrics, files and links that are named are there"
diag "not run: $(cat "$STEPS/left")"
check "that is not much" [ "$(wc -l <"$STEPS/left")" -le $LEFT_MOST ]
while IFS=$'\t' read -r where file; do
	while read -r _ key; do
		[ -e "$ETC/$key" ] || "$CTL" key new "$ETC/$key" >/dev/null
	done < <(grep -oE '(key|token)-file: *[^ ,}]+' "$file")
	check "$where: the configuration is right" "$BUILD/mpgated" -c "$file" --check
done <"$STEPS/yaml"
cp "$ETC/gw.yaml" "$ETC/cpe1.yaml"

# --- the network: that of lib.sh, with the addresses of the first pair, a firewall, and hosts to publish
addresses() { # NS IF ADDRESS...
	local address
	for address in "${@:3}"; do
		case $address in
		*:*) ip -n "$1" addr add "$address" dev "$2" nodad ;;
		*) ip -n "$1" addr add "$address" dev "$2" ;;
		esac
	done
}
network() {
	net_build || return 1
	ip -n "$HUB" link set net0 down
	ip -n "$HUB" link set net0 name eth0 up
	ip -n "$HUB" addr flush dev eth0 scope global
	ip -n "$ROUTER" addr flush dev hub0 scope global
	addresses "$HUB" eth0 192.0.2.10/24 2001:db8::10/64
	addresses "$HUB" lo 198.51.100.25/32 2001:db8::25/128
	addresses "$ROUTER" hub0 192.0.2.9/24 2001:db8::9/64
	ip -n "$HUB" route add default via 192.0.2.9
	ip -n "$HUB" -6 route add default via 2001:db8::9
	ip -n "$ROUTER" route add 198.51.100.25 via 192.0.2.10 src "$SERVER4"
	ip -n "$ROUTER" -6 route add 2001:db8::25 via 2001:db8::10
	ip -n "$ROUTER" route add blackhole 10.60.40.9 # a server that does not answer
	addresses "$CLIENT" eth0 192.168.1.1{0,1,2}/24 fd00::11/64
	addresses "$GATEWAY" lan0 192.168.1.1/24 fd00::1/64
	shape 0 20
	shape 1 20
	on "$GATEWAY" nft -f - <<-'END'
		table inet filter {
			chain input {
				type filter hook input priority filter; policy accept;
				ct state new counter
				meta mark & 0xffff0000 == 0x6d700000 counter accept
			}
			chain forward {
				type filter hook forward priority filter; policy accept;
				counter
			}
			chain leave {
				type nat hook postrouting priority srcnat;
				oifname "wan*" masquerade
			}
		}
	END
	# Where commands for routers are tried, which would take the network apart.
	ns_add "${MPG_PREFIX}router"
	for link in acc0 acc1 srv0 core0 eth0; do
		ip -n "${MPG_PREFIX}router" link add $link up type veth peer name "$link-far" || return 1
	done
	addresses "${MPG_PREFIX}router" eth0 192.0.2.9/24 2001:db8::9/64
}
# daemons GATEWAY HUB: both, by these files.
daemons() {
	sed -i "s/^instance: \(gw\|hub\)$/instance: $MPG_PREFIX\1/" "$ETC/$1.yaml" "$ETC/$2.yaml"
	daemon_start hub "$HUB" "$ETC/$2.yaml" && daemon_start gw "$GATEWAY" "$ETC/$1.yaml" && wait_for 15 ways_are up
}
download() {
	spawn download "$CLIENT" curl -s -o /dev/null "http://$SERVER4/2000000000"
	wait_for 10 bonded
}
bonded() { ctl gw --json flows list | jq -e 'any(.flows[]; .paths == ["wan0", "wan1"])'; }
bail() { echo "Bail out! $1" && exit 1; }
network || bail "the network does not start"
spawn servers "$SERVER" "$TOOLS/tcpserve" http:80
spawn inside "$CLIENT" "$TOOLS/tcpserve" echo:25
printf 'metrics: { listen: 127.0.0.1 }\n' | tee -a "$ETC/gw-publish.yaml" >>"$ETC/gw.yaml"
daemons gw hub || bail "a daemon does not start"
download || bail "nothing is bonded"
stated() {
	for side in gw hub; do
		ctl $side --json stats | jq -r '.reasons[].name, .relay[].name'
	done | sort -u
}
is "$(comm -23 <(docs words counter | sort -u) <(stated))" "" "the counters that are explained are there"

# --- what is to be so while a command is run: NAME, and NAME_end, which takes it back. Where tcpdump is that command, it runs
# already.
keep() { [ -e "$TMP/$1.before" ] || cp "$ETC/$1.yaml" "$TMP/$1.before"; } # what is tried again is edited once
edited() { keep "$1" && sed "$2" "$TMP/$1.before" >"$ETC/$1.yaml" && ctl "$1" reload; }
mended() { mv "$TMP/$1.before" "$ETC/$1.yaml" && ctl "$1" reload; }

a_client_connects() {
	on "$CLIENT" curl -s --max-time 5 -o /dev/null "http://$SERVER4/1000"
	! on "$CLIENT" curl -s --max-time 5 -o /dev/null "http://$SERVER4:443/"
}
a_client_connects_early() {
	edited gw 's/via: hub }/via: hub, connect: early }/; s/key-file: home.key }/key-file: home.key, ready: 0 }/' && a_client_connects &&
		on "$CLIENT" curl -s --max-time 5 -o /dev/null "http://$SERVER4/500000" # with a join
}
a_client_connects_early_end() { mended gw; }
wan0_is_captured() {
	[ ! -e "$TMP/at/wan0.pcap" ] || return 0
	read -rt 2 <> <(:) || : # after drain: what a probe was answered is known
	wait_for 20 peer_is up
	capture wan0 "$GATEWAY" wan0 tcp port 8803
	a_client_connects_early
	capture_end wan0
	mended gw
	mv "$TMP/wan0.pcap" "$TMP/at"
}
a_SYN_waits() {
	local before
	before=$(counter gw reasons held)
	spawn waits "$CLIENT" curl -s --max-time 30 http://10.60.40.9/
	wait_for 5 counted gw reasons held "$before"
}
a_SYN_waits_end() { stop "$SPAWNED"; }
a_path_has_no_gateway() { ip -n "$GATEWAY" route del default dev wan1; }
a_path_has_no_gateway_end() { net_use 0; }
the_file_has_other_workers() {
	keep gw
	echo "workers: 3" >>"$ETC/gw.yaml"
}
the_file_has_other_workers_end() { mended gw; }
the_hub_may_be_drained() { :; }
# The router serves at its own address as well, which the hub is not to reach.
a_server_is_not_allowed() {
	edited hub 's|"0.0.0.0/0", "::/0"|10.60.40.0/24|'
	on "$CLIENT" curl -s -o /dev/null --max-time 5 http://192.0.2.9/1
}
a_server_is_not_allowed_end() { mended hub; }
# The last of all by its name, since both daemons are started anew.
what_is_published_is_used() {
	[ ! -e "$TMP/published" ] || return 0
	touch "$TMP/published"
	daemon_stop gw
	daemon_stop hub
	daemons gw-publish hub-publish && wait_for 10 counted hub relay parked 0
	spawn sender "$SERVER" bash -c "exec 9<>/dev/tcp/198.51.100.25/25; echo >&9; exec cat <&9"
}

# --- commands
declare -A NS=([gateway]=$GATEWAY [hub]=$HUB [client]=$CLIENT [server]=$SERVER [router]=${MPG_PREFIX}router)
for tool in mpgatectl mpgated; do
	printf '#!/bin/sh\nexec %s %s "$@"\n' "$BUILD/$tool" "$([ $tool = mpgated ] || echo "-i ${MPG_PREFIX}\$SIDE")" >"$TMP/bin/$tool"
	chmod +x "$TMP/bin/$tool"
done
# at HOST COMMAND...: there, where our tools are found and ask that host's daemon.
at() {
	local side=gw
	[ "$1" != hub ] || side=hub
	(cd "$TMP/at" && TMUX='' COLUMNS='' SIDE=$side PATH=$TMP/bin:$PATH exec nsenter --net="/run/netns/${NS[$1]}" -- "${@:2}")
}
# run HOST WIDTH STEP ACTIVITY: STEP.got is what it prints, as it would be with the names of the documentation.
run() {
	local file=$3.sh etc=$ETC status
	! grep -q '^mpgatectl key ' "$3.cmd" || etc=$TMP/new # those of the pair are in use
	sed "s#/etc/mpgate#$etc#g; s#/mpgate/\(gw\|hub\)/#/mpgate/$MPG_PREFIX\1/#g" "$3.cmd" >"$file"
	case $(cat "$3.cmd") in
	tcpdump*) captured "$1" "$file" "$4" ;;
	"mpgatectl top") on_screen "$1" "$2" "$file" ;;
	mpgatectl*) at "$1" script -qec "stty cols $2 rows 40; bash $file" /dev/null </dev/null ;;
	*) at "$1" bash "$file" ;;
	esac >"$3.raw" 2>&1
	status=$?
	tr -d '\r' <"$3.raw" | sed "s|$etc|/etc/mpgate|g; s|$MPG_PREFIX||g" >"$3.got"
	return "$status"
}
# It looks at what was captured once a second, and writes when it ends.
captured() {
	: >"$TMP/tcpdump.log"
	spawn tcpdump "${NS[$1]}" bash -c "exec $(cat "$2")"
	local pid=$SPAWNED
	wait_for 5 grep -q 'listening on' "$TMP/tcpdump.log"
	"$3" >/dev/null 2>&1
	read -rt 1.5 <> <(:) || :
	stop "$pid"
	cat "$TMP/tcpdump.log"
}
tm() { TMUX='' tmux -S "$TMP/tmux" -f /dev/null "$@"; }
shown() { tm capture-pane -p | grep -q '^q leave'; }
on_screen() {
	at "$1" tmux -S "$TMP/tmux" -f /dev/null new-session -d -x "$2" -y 24 "bash $3"
	PIDS+=("$(tm display-message -p '#{pid}')")
	wait_for 10 shown
	read -rt 4 <> <(:) || : # until there are rates
	tm capture-pane -p
	tm kill-server
}
# right HOST WIDTH STEP ACTIVITY ORDER: what is said of it holds; STEP.why has what does not.
right() {
	run "$@" && cp "$3.got" "$3.why" && [ ! -e "$3.want" ] && return
	cp "$3.got" "$3.why"
	[ -e "$3.want" ] && docs compare "$3" "$5" >"$3.why"
}

while IFS=$'\t' read -r where host during order width step <&3; do
	read -r first _ <"$step.cmd"
	name="$where: $(head -n 1 "$step.cmd")"
	if ! type -P "$first" >/dev/null && [[ $first != mpgate* ]]; then
		skip "$name" "there is no $first here"
		continue
	fi
	if [ "$during" != - ] && ! declare -F "$during" >"$TMP/during.log"; then
		ok 1 "$name: nobody knows how '${during//_/ }' comes about"
		continue
	fi
	if [ "$during" != - ] && [ "$first" != tcpdump ]; then
		"$during" >"$TMP/during.log" 2>&1 || diag "$during: $(cat "$TMP/during.log")"
	fi
	wait_for $PATIENCE right "$host" "$width" "$step" "$during" "$order"
	ok $? "$name" || diag "$(cat "$step.why")"
	[ "$during" = - ] || ! declare -F "${during}_end" >"$TMP/during.log" || "${during}_end" >"$TMP/during.log" 2>&1 ||
		diag "${during}_end: $(cat "$TMP/during.log")"
done 3<"$STEPS/steps"
[ -z "${DOCS_WRITE:-}" ] || docs write "$STEPS"
done_testing
