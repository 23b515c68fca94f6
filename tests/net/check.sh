#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make check: every suite, one after the other, from the binaries in $BUILD; the last line is
# "N passed, N failed, N skipped". CHECK_KERNELS: VMs to run at the end (none: leave them out); not given: one, which is left
# out on a machine that can have none.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
export BUILD
LOGS=$BUILD/check
SAN=${SAN:-}
PROGRAM_LIMIT=300 # seconds for one test program
PASSED=0 FAILED=0 SKIPPED=0

mkdir -p "$LOGS"

count() {
	PASSED=$((PASSED + $1)) FAILED=$((FAILED + $2)) SKIPPED=$((SKIPPED + $3))
	printf '%-40s %4d passed %3d failed %3d skipped  %4d s\n' "$4" "$1" "$2" "$3" "$5"
}

# cunit PROGRAM: its run summary, "tests TOTAL RAN PASSED FAILED INACTIVE". A program that died failed once.
cunit() {
	local name=${1#"$BUILD"/tests/} log since=$SECONDS status passed=0 failed=0 skipped
	log=$LOGS/${name//\//-}.log
	timeout -k 10 $PROGRAM_LIMIT "$1" >"$log" 2>&1 </dev/null
	status=$?
	read -r passed failed < <(awk '$1 == "tests" && NF >= 5 { print $4, $5 }' "$log" | tail -n 1)
	passed=${passed:-0} failed=${failed:-0}
	skipped=$(grep -c '^# SKIP' "$log")
	# CUnit knows of no skips and has them among those that passed.
	passed=$((passed > skipped ? passed - skipped : 0))
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	# A program that runs no test proves nothing.
	[ $((passed + failed + skipped)) -gt 0 ] || failed=1
	count "$passed" "$failed" "$skipped" "$name" $((SECONDS - since))
	[ "$failed" -eq 0 ] || tail -n 40 "$log"
	grep '^# SKIP' "$log"
}

# tap SCRIPT: through prove, which checks the plan; points are counted from the raw lines.
tap() {
	local name=${1#tests/} log since=$SECONDS passed failed skipped status
	log=$LOGS/${name//\//-}.log
	prove -v "$1" >"$log" 2>&1 </dev/null
	status=$?
	skipped=$(grep -ciE '^(ok [0-9]+ .*# skip|1\.\.0 # skip)' "$log")
	passed=$(($(grep -c '^ok ' "$log") - $(grep -ciE '^ok [0-9]+ .*# skip' "$log")))
	failed=$(grep -c '^not ok ' "$log")
	[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
	count "$passed" "$failed" "$skipped" "$name" $((SECONDS - since))
	[ "$failed" -eq 0 ] || grep -vE '^ok ' "$log" | tail -n 40
	grep -iE '# skip' "$log"
}

# command_point NAME COMMAND...: one point; or the sums that it prints last itself.
command_point() {
	local name=$1 log=$LOGS/$1.log since=$SECONDS status sums
	shift
	"$@" >"$log" 2>&1 </dev/null
	status=$?
	sums=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$log" | tail -n 1)
	if [ -z "$sums" ] && [ "$status" -eq 0 ] && grep -q 'left out$' "$log"; then
		sums="0 0 1"
	fi
	[ -n "$sums" ] || sums="$((status == 0)) $((status != 0)) 0"
	[ "$status" -eq 0 ] || [[ $sums != *" 0 "* ]] || sums="${sums%% *} 1 ${sums##* }"
	# shellcheck disable=SC2086 # three numbers
	count $sums "$name" $((SECONDS - since))
	[ "$status" -eq 0 ] || tail -n 60 "$log"
}

for program in "$BUILD"/tests/unit/test_* "$BUILD"/tests/bpf/test_*; do
	case $program in *.d | *.o | *'*') continue ;; esac
	cunit "$program"
done
for script in tests/net/*.t; do
	tap "$script"
done
if [ -z "$SAN" ]; then
	command_point fuzz-short make -s BUILD="$BUILD" fuzz-short
	case ${CHECK_KERNELS:=} in
	none) ;;
	'') command_point vm vmtest/run --build "$BUILD" --kernels 6.12 --optional ;;
	*) command_point vm vmtest/run --build "$BUILD" --kernels "$CHECK_KERNELS" ;;
	esac
fi
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[ "$FAILED" -eq 0 ]
