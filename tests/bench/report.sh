#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# report.sh BENCH.TSV: docs/benchmarks.md and its plots from the raw values of run.sh. BENCH_DOCS: another folder.
set -eu
cd "$(dirname "$0")/../.."
TSV=$1
DOCS=${BENCH_DOCS:-docs}
BPF=$(dirname "$TSV")/bench_bpf.txt
PROFILE=$(dirname "$TSV")/profile.txt
COSTS=$(dirname "$TSV")/costs.txt
SETUPS=(plain haproxy haproxy256 native bare mpgate)
! cut -f2 "$TSV" | grep -qx before || SETUPS+=(before)
mkdir -p "$DOCS/img"

# spread FIGURE SETUP: "median (min to max)" over the rounds; "-" without values.
spread() { values "$1" "$2" | summary; }
values() { awk -F'\t' -v f="$1" -v s="$2" '$3 == f && $2 == s { print $4 }' "$TSV"; }
summary() {
	sort -g | awk '{ v[NR] = $1 } END {
		if (!NR) { print "-"; exit }
		m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
		printf "%.3g (%.3g to %.3g)\n", m, v[1], v[NR] }'
}
# ratio FIGURE SETUP FIGURE2 SETUP2 [FIGURE3]: the first over the second (and third), round by round.
ratio() {
	awk -F'\t' -v f="$1" -v s="$2" -v g="$3" -v t="$4" -v h="${5:-}" '
		$3 == f && $2 == s { a[$1] = $4 }
		$3 == g && $2 == t { b[$1] += $4 }
		h != "" && $3 == h && $2 == t { b[$1] += $4 }
		END { for (r in a) if (b[r] > 0) print a[r] / b[r] }' "$TSV" | summary
}
# goal NAME SPREAD least|most LIMIT: a row; the median decides.
goal() {
	local median=${2%% *} met=no
	if [ "$2" = "-" ]; then
		met="not measured"
	elif awk -v m="$median" -v l="$4" -v k="$3" 'BEGIN { exit !(k == "least" ? m >= l : m <= l) }'; then
		met=yes
	fi
	echo "| $1 | $2 | at $3 $4 | $met |"
}
# grown OF MANY FEW: new connections, and CPU of bulk, beside so many of them over those beside few.
grown() {
	goal "new connections per second, $2 $1 / $3" \
		"$(ratio "$2 $1: connections per second" mpgate "$3 $1: connections per second" mpgate)" least 0.9
	goal "CPU per GB, $2 $1 / $3" \
		"$(ratio "$2 $1: CPU s per GB, 8 flows" mpgate "$3 $1: CPU s per GB, 8 flows" mpgate)" most 1.1
}
# per_core gateway|hub UNITS FIGURE PART [TIMES]: what that proxy does in a second of a CPU. FIGURE: machine seconds for so many
# units, of which those of plain TCP are client's and server's, whose own links always have large packets; PART: the gateway's of
# the rest. TIMES: for so many CPUs.
per_core() {
	awk -F'\t' -v role="$1" -v units="$2" -v f="$3" -v part="$4" -v times="${5:-1}" '
		$3 == f && $2 == "mpgate" { m[$1] = $4 }
		BEGIN { plain = f; sub(/^MTU-size packets: /, "", plain) }
		$3 == plain && $2 == "plain" { p[$1] = $4 }
		$3 == part && $2 == "mpgate" { g[$1] = $4 }
		END { for (r in m) {
			own = (role == "hub" ? 1 - g[r] : g[r]) * (m[r] - p[r])
			if ((r in g) && own > 0) print times * units / own
		} }' "$TSV" | summary
}
both_roles() { echo "| $1 | $(per_core gateway "${@:2}") | $(per_core hub "${@:2}") |"; }
# What an operator asks first.
opening() {
	local mtu="MTU-size packets: " memory="kernel and user memory per idle connection, a proxy, KiB"
	cat <<-END
		## What a machine carries
		| | gateway | hub |
		|---|---|---|
	END
	both_roles "Gbit/s a core, large packets (TSO and GRO)" 8 "machine s per GB, 8 flows" "gateway's part of CPU, 8 flows"
	both_roles "Gbit/s a core, packets of MTU size, no offload" 8 "${mtu}machine s per GB, 8 flows" "${mtu}gateway's part of CPU, 8 flows"
	both_roles "new connections a second and core, \`connect: early\`" 1000 "machine s per 1,000 connections" \
		"gateway's part of CPU, connections"
	both_roles "16 cores, Gbit/s in packets of MTU size" 8 "${mtu}machine s per GB, 8 flows" "${mtu}gateway's part of CPU, 8 flows" 16
	both_roles "16 cores, new connections a second" 1000 "machine s per 1,000 connections" "gateway's part of CPU, connections" 16
	echo "| memory of 10,000 idle connections, MiB | $(values "$memory" mpgate | awk '{ print $1 * 10000 / 1024 }' | summary) | the same |"
	echo "| memory of 1,000,000 idle connections, GiB | $(values "$memory" mpgate | awk '{ print $1 * 1e6 / 1048576 }' | summary) | the same |"
	cat <<-END

		A core is one of this machine's. Of what all CPUs were busy, what plain TCP costs client, server and router is taken off, and
		the rest divided as the kernel charges gateway and hub. The rows of 16 cores are that, 16 times: it is assumed that the
		NIC spreads packets over the cores, that there is a worker for each (\`workers\`), which share nothing that is written for each packet, and that memory keeps pace;
		measured it is on two. Real NICs add their drivers. Memory is the kernel's and ours, of connections at rest; one that carries bytes has
		what \`tcp_rmem\` and \`tcp_wmem\` allow besides.

	END
}
# bpf_value KIND NAME: a line of bench_bpf's.
bpf_value() { awk -v k="$1" -v n="$2" '$1 == k && $2 == n { print $3 }' "$BPF" 2>/dev/null | grep . || echo -; }
# plot NAME TITLE FIGURE: bars with the spread, a setup each.
plot() {
	local setup n=0
	: >"$DOCS/img/$1.dat"
	for setup in "${SETUPS[@]}"; do
		values "$3" "$setup" | sort -g | awk -v s="$setup" -v n=$n '{ v[NR] = $1 } END {
			if (NR) print n, s, v[int((NR + 1) / 2)], v[1], v[NR] }' >>"$DOCS/img/$1.dat"
		n=$((n + 1))
	done
	if [ -s "$DOCS/img/$1.dat" ]; then
		gnuplot <<-END
			set terminal svg size 560,320 background "white"
			set output "$DOCS/img/$1.svg"
			set title "$2"
			set ylabel "$3"
			set yrange [0:*]
			set xrange [-0.7:$((${#SETUPS[@]} - 1)).7]
			set style fill solid 0.6
			set boxwidth 0.6
			unset key
			plot "$DOCS/img/$1.dat" using 1:3:xticlabel(2) with boxes, "" using 1:3:4:5 with yerrorbars lc "black"
		END
		echo
		echo "![$2](img/$1.svg)"
	fi
	rm -f "$DOCS/img/$1.dat"
}
header() {
	printf '| figure'
	printf ' | %s' "$@"
	printf ' |\n|---'
	printf '|---%.0s' "$@"
	printf '|\n'
}
# against FIGURE: this tree over the one before.
against() { echo "| $1 | $(ratio "$1" mpgate "$1" before) |"; }
row() {
	local setup
	printf '| %s' "$1"
	for setup in "${SETUPS[@]}"; do printf ' | %s' "$(spread "$1" "$setup")"; done
	echo ' |'
}

{
	cat <<-END
		<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
		# Benchmarks

		Written by \`make bench\` on Linux $(uname -r), $(nproc) CPUs, $(awk -F'\t' '{ print $1 }' "$TSV" | sort -un | tail -n 1) rounds. Client, gateway,
		hub and server share these CPUs, in network namespaces; so only ratios mean something. Each figure of each setup is
		taken once a round, one setup after the other; ratios are made within a round. Given are median and (least to most).

		The setups: **plain** is routed TCP. **haproxy** is two HAProxy under \`mptcpize\`, nft TPROXY in front of the first,
		PROXY v2 between them, default buffers; **haproxy256** is the same with \`tune.bufsize 262144\`, **native** the same with
		the HAProxy of Debian's newest suite (3.2 at the time), which speaks MPTCP by itself (\`mptcp@\`) between the two. **bare** relays bytes and does nothing
		else (\`bare.c\`): clients connect to the gateway itself. **mpgate** is this, with \`connect: early\` where nothing else is said.
		Bulk transfers and new connections come from 16 hosts of the LAN where nothing else is said.

	END
	opening
	cat <<-END
		## Against the goals
		| figure | measured | goal | met |
		|---|---|---|---|
	END
	goal "bonded goodput / sum of plain TCP on each link" \
		"$(ratio "shaped goodput, Mbit/s" mpgate "shaped goodput, Mbit/s" plain "shaped goodput of the other link, Mbit/s")" least 0.95
	goal "bulk, 1 flow / haproxy256" "$(ratio "bulk 1 flows, Gbit/s" mpgate "bulk 1 flows, Gbit/s" haproxy256)" least 1.2
	goal "bulk, 8 flows / haproxy256" "$(ratio "bulk 8 flows, Gbit/s" mpgate "bulk 8 flows, Gbit/s" haproxy256)" least 1.3
	goal "CPU per GB, 1 flow / haproxy256" "$(ratio "CPU s per GB, 1 flows" mpgate "CPU s per GB, 1 flows" haproxy256)" most 0.8
	goal "CPU per GB, 8 flows / haproxy256" "$(ratio "CPU s per GB, 8 flows" mpgate "CPU s per GB, 8 flows" haproxy256)" most 0.8
	for flows in 1 8; do
		goal "CPU per GB, $flows flows / bare" "$(ratio "CPU s per GB, $flows flows" mpgate "CPU s per GB, $flows flows" bare)" most 1.05
	done
	for flows in 1 8; do
		goal "machine time per GB in packets of MTU size, $flows flows / haproxy256" \
			"$(ratio "MTU-size packets: machine s per GB, $flows flows" mpgate "MTU-size packets: machine s per GB, $flows flows" \
				haproxy256)" most 0.8
	done
	many=$(cut -f3 "$TSV" | sed -n 's/^connections per second, \([0-9]*\) of them$/\1/p' | head -n 1)
	goal "new connections per second, $many of them / haproxy256" \
		"$(ratio "connections per second, $many of them" mpgate "connections per second, $many of them" haproxy256)" least 1.8
	goal "the same, honest / haproxy256" \
		"$(ratio "connections per second, $many of them, honest" mpgate "connections per second, $many of them" haproxy256)" least 1.4
	goal "the last quarter of them / the first" "$(spread "$many connections, last quarter / first" mpgate)" least 0.9
	goal "the same, honest" "$(spread "$many connections, last quarter / first, honest" mpgate)" least 0.9
	grown "open connections" 10000 1
	grown peers 4000 1
	goal "new connections per second / haproxy256" \
		"$(ratio "connections per second" mpgate "connections per second" haproxy256)" least 1.5
	goal "user memory per idle connection, bytes, both proxies" "$(spread "user memory per idle connection, bytes" mpgate)" most 1024
	goal "kernel and user memory per idle connection, a proxy, KiB" \
		"$(spread "kernel and user memory per idle connection, a proxy, KiB" mpgate)" most 12
	goal "idle gateway, PSS, KiB" "$(spread "idle gateway, PSS KiB" mpgate)" most 4096
	goal "small request beside bulk, p99 / haproxy256" \
		"$(ratio "small request beside bulk, p99 ms" mpgate "small request beside bulk, p99 ms" haproxy256)" most 1.0
	goal "time to first byte / plain TCP (40 ms access, 10 ms server)" \
		"$(ratio "time to first byte, ms" mpgate "time to first byte, ms" plain)" most 0.63
	goal "the same without connections opened ahead (\`ready: 0\`)" \
		"$(ratio "time to first byte with ready: 0, ms" mpgate "time to first byte, ms" plain)" most 0.63
	goal "time to connect, honest / plain TCP" "$(ratio "time to connect, honest, ms" mpgate "time to connect, ms" plain)" most 1.03
	goal "time to first byte, honest / plain TCP" \
		"$(ratio "time to first byte, honest, ms" mpgate "time to first byte, ms" plain)" most 1.03
	goal "honest connections per second / haproxy256" \
		"$(ratio "connections per second, honest" mpgate "connections per second" haproxy256)" least 1.2
	goal "time to connect, published / the same directly" \
		"$(ratio "time to connect, published, ms" mpgate "time to connect, published, ms" plain)" most 1.03
	for family in 4 6; do
		goal "route look-ups for an established steered packet, IPv$family" \
			"$(spread "route look-ups a packet of the LAN, IPv$family" mpgate)" most 0.05
	done
	goal "steer on TCP that is not ours, over an empty program, ns" "$(bpf_value difference steer_tcp_not_ours)" most 40
	goal "SYN with 1,000 rules / 10 rules, direct" "$(bpf_value ratio syn_direct_1000_to_10)" most 1.5
	goal "SYN with 1,000 rules / 10 rules, steered" "$(bpf_value ratio syn_steered_1000_to_10)" most 1.5
	goal "guard drops a forged Convert SYN, over an empty program, ns" "$(bpf_value difference guard_forged)" most 120
	if [ "${SETUPS[*]: -1}" = before ]; then
		printf '\n## Against a tree before (this / before, in one run)\n| figure | ratio |\n|---|---|\n'
		awk -F'\t' '$2 == "before" && !seen[$3]++ { print $3 }' "$TSV" | while read -r figure; do against "$figure"; done
	fi
	printf '\n## What limits the rest\n'
	cat tests/bench/limits.md
	[ ! -s "$COSTS" ] || printf '\n%s\n' "$(cat "$COSTS")"
	if [ -s "$PROFILE" ]; then
		printf '\n```text\n%s\n```\n' "$(cat "$PROFILE")"
	fi
	cat <<-END

		## All values
		$(header "${SETUPS[@]}")
	END
	cut -f3 "$TSV" | awk '!seen[$0]++' | while read -r figure; do row "$figure"; done
	cat <<-END

		"CPU s per GB" is what the kernel charges to the proxies' processes; work in soft interrupts goes elsewhere, so
		"machine s per GB" gives what all CPUs were busy, client and server included.
	END
	# What the VM with netem measured, which this machine cannot.
	for part in delays setup; do
		[ -s vmtest/$part.md ] || continue
		echo
		cat vmtest/$part.md
	done
	if [ -s "$BPF" ]; then
		printf '\n## The BPF programs, ns a packet (BPF_PROG_TEST_RUN)\n```text\n%s\n```\n' "$(cat "$BPF")"
	fi
	plot bonded "Two shaped links, 20 and 40 Mbit/s" "shaped goodput, Mbit/s"
	plot bulk1 "Bulk, 1 flow" "bulk 1 flows, Gbit/s"
	plot bulk8 "Bulk, 8 flows" "bulk 8 flows, Gbit/s"
	plot cpu1 "CPU of both proxies, 1 flow" "CPU s per GB, 1 flows"
	plot cpu8 "CPU of both proxies, 8 flows" "CPU s per GB, 8 flows"
	plot rate "New connections" "connections per second"
	plot idle "Memory of an idle connection" "user memory per idle connection, bytes"
	plot pss "Idle gateway" "idle gateway, PSS KiB"
	plot p99 "200 bytes each way beside a bulk transfer" "small request beside bulk, p99 ms"
	plot ttfb "First byte: 40 ms access, 10 ms server" "time to first byte, ms"
} >"$DOCS/benchmarks.md.new"
mv "$DOCS/benchmarks.md.new" "$DOCS/benchmarks.md"
echo "wrote $DOCS/benchmarks.md"
