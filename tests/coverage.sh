#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/coverage.sh: which lines of user/ and of the BPF parsers the tests run, as a table. Exit 1 below the goal, or when a
# test failed: what it did not run is not covered either.
# Builds for coverage into BUILD-cov and runs the unit and program tests, the scenarios, and the fuzzers' corpora
# (two of the harnesses compile the BPF parsers for user space). Needs root.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
GOAL=${GOAL:-85} # percent of the lines
DIR=${BUILD:-build}-cov
LIMIT=600 # seconds for one test

rm -rf "$DIR"
mkdir -p "$DIR/log"
gcc -O0 -g -c tests/coverage.c -o "$DIR/coverage.o"
make -s -j "$(nproc)" BUILD="$DIR" OPT='-O0 -g -DCOVERAGE --coverage -fprofile-update=atomic' \
	LDFLAGS="-Wl,--wrap=_exit,--wrap=confine $DIR/coverage.o" all unit-tests bpf-tests tools
for harness in packet guard; do
	gcc -D_GNU_SOURCE -std=gnu11 -Iinclude -Iuser -O0 -g --coverage "tests/fuzz/fuzz_$harness.c" tests/replay.c \
		"$DIR/libmpgate.a" -o "$DIR/$harness"
	"$DIR/$harness" "tests/fuzz/corpus/$harness"/*
done

failed=0
for one in "$DIR"/tests/unit/test_* "$DIR"/tests/bpf/test_* tests/net/*.t; do
	[ -x "$one" ] || continue
	log=$DIR/log/$(basename "$one")
	BUILD=$DIR timeout "$LIMIT" "$one" >"$log" 2>&1 </dev/null || {
		failed=1
		tail -n 20 "$log"
		echo "# failed: $one"
	}
done
gcovr --root . --object-directory "$DIR" --filter 'user/' --filter 'bpf/' --exclude 'bpf/.*\.bpf\.c' \
	--sort-percentage --fail-under-line "$GOAL"
exit "$failed"
