#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make check: every suite from the binaries in $BUILD, several at a time; the last line is
# "N passed, N failed, N skipped". With arguments: only the tests that match one of these patterns, as "net/early.t" or
# "unit/*".
#
# A scenario has a prefix of its own for all that it makes. One that says "# ALONE: why" in its head runs when nothing
# else does; "# LONG: why" has it begin early. Everything is ended by a limit, and by an interrupt; nothing is left behind.
#
# CHECK_KERNELS: VMs to run (none: leave them out); not given: one, which is left out on a machine that can have none.
# CHECK_JOBS: how many at a time; CHECK_LIMIT: seconds for one of them (not for the VMs, which have limits of their own).
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
export BUILD
LOGS=$BUILD/check
SAN=${SAN:-}
PREFIX=${MPG_PREFIX:-mpg-}
# Scenarios wait more than they work: with two for each CPU neither stands still, and each still has its turn.
JOBS=${CHECK_JOBS:-$((2 * $(nproc)))}
EACH=${CHECK_LIMIT:-600}
GRACE=60               # seconds in which what was asked to end must have done so, or is killed
VM_LIMIT=$((3 * 3600)) # vmtest/run has tighter ones; this is for one that hangs itself
PASSED=0 FAILED=0 SKIPPED=0

# Of each job that runs, by pid: its kind, name, slot and when it began. A slot is a number below JOBS.
declare -A KIND=() NAME=() SLOT=() SINCE=()
declare -a TAKEN=()

log_of() { echo "$LOGS/${1//\//-}.log"; }

# begin KIND NAME LIMIT COMMAND...: as a job in a process group of its own, led by timeout, which ends all of it.
begin() {
	local kind=$1 name=$2 limit=$3 slot=0
	shift 3
	while [ -n "${TAKEN[slot]:-}" ]; do slot=$((slot + 1)); done
	MPG_PREFIX=$PREFIX$slot- timeout -k $GRACE "$limit" "$@" >"$(log_of "$name")" 2>&1 </dev/null &
	TAKEN[slot]=$!
	KIND[$!]=$kind NAME[$!]=$name SLOT[$!]=$slot SINCE[$!]=$SECONDS
}

# await N: until fewer than N jobs run. What ends meanwhile is counted.
await() {
	local pid status
	while [ ${#KIND[@]} -ge "$1" ]; do
		wait -n -p pid "${!KIND[@]}"
		status=$?
		emptied "$pid"
		"judge_${KIND[$pid]}" "${NAME[$pid]}" "$status" $((SECONDS - SINCE[$pid]))
		unset "TAKEN[${SLOT[$pid]}]" "KIND[$pid]" "NAME[$pid]" "SLOT[$pid]" "SINCE[$pid]"
	done
}

# emptied PID: until nothing of that job's group runs. A scenario that was asked to end tidies up for some seconds after
# timeout and prove are gone.
emptied() {
	local end=$((SECONDS + GRACE))
	while kill -0 -- "-$1" 2>/dev/null; do
		[ $SECONDS -lt $end ] || kill -KILL -- "-$1" 2>/dev/null
		read -rt 0.05 <> <(:) || :
	done
}

# Ends all jobs; removes what those that had to be killed left.
finish() {
	local status=$? pid slot
	trap '' INT TERM HUP
	trap - EXIT
	exec 2>/dev/null # the shell would tell of each job that it is terminated
	for pid in "${!KIND[@]}"; do
		kill -TERM "$pid" 2>/dev/null
	done
	for pid in "${!KIND[@]}"; do
		emptied "$pid"
	done
	for ((slot = 0; slot < JOBS; slot++)); do
		MPG_PREFIX=$PREFIX$slot- tests/net/sweep.sh
	done
	exit $status
}
trap finish EXIT
trap 'trap "" INT TERM HUP; exit 130' INT
trap 'trap "" INT TERM HUP; exit 143' TERM HUP

# --- what a job's log says. judge_KIND NAME STATUS SECONDS; STATUS 124 and more is a limit or a signal.

count() { # PASSED FAILED SKIPPED NAME SECONDS
	PASSED=$((PASSED + $1)) FAILED=$((FAILED + $2)) SKIPPED=$((SKIPPED + $3))
	printf '%-40s %4d passed %3d failed %3d skipped  %4d s\n' "$4" "$1" "$2" "$3" "$5"
}

# CUnit's summary: "tests TOTAL RAN PASSED FAILED INACTIVE". A program that died failed once.
judge_program() {
	local log status=$2 passed=0 failed=0 skipped
	log=$(log_of "$1")
	read -r passed failed < <(awk '$1 == "tests" && NF >= 5 { print $4, $5 }' "$log" | tail -n 1)
	passed=${passed:-0} failed=${failed:-0}
	skipped=$(grep -c '^# SKIP' "$log")
	# CUnit knows of no skips and has them among those that passed.
	passed=$((passed > skipped ? passed - skipped : 0))
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	# A program that runs no test proves nothing.
	[ $((passed + failed + skipped)) -gt 0 ] || failed=1
	count "$passed" "$failed" "$skipped" "$1" "$3"
	[ "$failed" -eq 0 ] || tail -n 40 "$log"
	grep '^# SKIP' "$log"
}

# A scenario; prove has checked its plan, points are counted from the raw lines. What failed may have been in want of the
# CPUs, which its timers cannot know: some get a second try, later, when nothing else runs.
AGAIN=() AGAIN_MOST=3
judge_script() {
	local log status=$2 passed failed skipped
	log=$(log_of "$1")
	skipped=$(grep -ciE '^(ok [0-9]+ .*# skip|1\.\.0 # skip)' "$log")
	passed=$(($(grep -c '^ok ' "$log") - $(grep -ciE '^ok [0-9]+ .*# skip' "$log")))
	failed=$(grep -c '^not ok ' "$log")
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	if [ "$failed" -gt 0 ] && [ "$status" -lt 124 ] && [ ${#AGAIN[@]} -lt $AGAIN_MOST ] && [[ $1 != *' again' ]]; then
		AGAIN+=("$1")
		echo "# $1: $passed passed, $failed failed, and is to be run again:"
		grep -vE '^ok ' "$log" | tail -n 40 | sed 's/^/#   /'
		return
	fi
	count "$passed" "$failed" "$skipped" "$1" "$3"
	[ "$failed" -eq 0 ] || grep -vE '^ok ' "$log" | tail -n 40
	[ "$status" -lt 124 ] || echo "# ended with status $status after $3 s"
	grep -iE '# skip' "$log"
}

# A command is one point, or the sums that it prints last itself.
judge_command() {
	local log status=$2 sums
	log=$(log_of "$1")
	sums=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$log" | tail -n 1)
	if [ -z "$sums" ] && [ "$status" -eq 0 ] && grep -q 'left out$' "$log"; then
		sums="0 0 1"
	fi
	[ -n "$sums" ] || sums="$((status == 0)) $((status != 0)) 0"
	[ "$status" -eq 0 ] || [[ $sums != *" 0 "* ]] || sums="${sums%% *} 1 ${sums##* }"
	# shellcheck disable=SC2086 # three numbers
	count $sums "$1" "$3"
	[ "$status" -eq 0 ] || tail -n 60 "$log"
}

# --- what there is to do

PATTERNS=("$@")
# wanted NAME: by the arguments.
wanted() {
	local pattern
	[ ${#PATTERNS[@]} -gt 0 ] || return 0
	for pattern in "${PATTERNS[@]}"; do
		# shellcheck disable=SC2053 # a pattern it is
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}
alone() { grep -q '^# ALONE: ' "$1"; }

# script PATH [NAME]: it ends itself first.
script() { begin script "${2:-${1#tests/}}" $((EACH + GRACE)) env LIMIT="$EACH" prove -v "$1"; }

vms() {
	[ -z "$SAN" ] && wanted vm || return
	case ${CHECK_KERNELS:=} in
	none) ;;
	'') begin command vm $VM_LIMIT vmtest/run --build "$BUILD" --kernels 6.12 --optional ;;
	*) begin command vm $VM_LIMIT vmtest/run --build "$BUILD" --kernels "$CHECK_KERNELS" ;;
	esac
}

mkdir -p "$LOGS"
set -m # for the groups, in which an interrupt means what it does elsewhere

for path in "$BUILD"/tests/unit/test_* "$BUILD"/tests/bpf/test_*; do
	case $path in *.d | *.o | *'*') continue ;; esac
	wanted "${path#"$BUILD"/tests/}" || continue
	await "$JOBS"
	begin program "${path#"$BUILD"/tests/}" "$EACH" "$path"
done
if [ -z "$SAN" ] && wanted fuzz-short; then
	await "$JOBS"
	begin command fuzz-short "$EACH" make -s BUILD="$BUILD" fuzz-short
fi
# What takes longest is better not left for the end: what says so ("# LONG: why"), then what has most to say.
by_length() {
	grep -l '^# LONG: ' tests/net/*.t
	stat -c '%s %n' tests/net/*.t | sort -rn | cut -d' ' -f2
}
mapfile -t SCRIPTS < <(by_length | awk '!seen[$0]++')
for path in "${SCRIPTS[@]}"; do
	if wanted "${path#tests/}" && ! alone "$path"; then
		await "$JOBS"
		script "$path"
	fi
done
for path in "${SCRIPTS[@]}"; do
	if wanted "${path#tests/}" && alone "$path"; then
		await 1
		script "$path"
	fi
done
await 1
for name in "${AGAIN[@]}"; do
	script "tests/$name" "$name again"
	await 1
done
vms
await 1
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[ "$FAILED" -eq 0 ] && [ "$PASSED" -gt 0 ]
