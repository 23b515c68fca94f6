# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Test Anything Protocol for scripts: source it, then ok, is, isnt, like, skip, done_testing.

TAP_COUNT=0
TAP_FAILED=0

diag() { printf "# %s\n" "${*//$'\n'/$'\n# '}"; }

# ok STATUS NAME: STATUS is 0 when it holds.
ok() {
	TAP_COUNT=$((TAP_COUNT + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $TAP_COUNT - $2"
		return 0
	fi
	TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_COUNT - $2"
	return 1
}

# check NAME COMMAND...: the command succeeds. It runs in this shell, so functions may set variables.
check() {
	local name=$1 output status
	shift
	output=$(mktemp -p "${TMP:-/tmp}")
	"$@" >"$output" 2>&1
	status=$?
	ok "$status" "$name" || diag "$* gave $status: $(cat "$output")"
	rm -f "$output"
}

# is GOT WANTED NAME
is() {
	local status=0
	[ "$1" = "$2" ] || status=1
	ok "$status" "$3" || diag "got '$1', wanted '$2'"
}

# like GOT REGEX NAME
like() {
	local status=0
	[[ $1 =~ $2 ]] || status=1
	ok "$status" "$3" || diag "got '$1', wanted something like '$2'"
}

# skip NAME REASON: one test that cannot run here, and why.
skip() {
	TAP_COUNT=$((TAP_COUNT + 1))
	echo "ok $TAP_COUNT - $1 # SKIP $2"
}

# skip_all REASON: the whole script cannot run here.
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

done_testing() {
	echo "1..$TAP_COUNT"
	[ "$TAP_FAILED" -eq 0 ] && [ "$TAP_COUNT" -gt 0 ]
	exit
}
