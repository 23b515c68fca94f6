#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/rooms.sh BUILD: the plan of the house (docs/architecture.md) against the code. A room is a folder below user/; it may
# include the headers of the rooms named behind it, and its own. And no files, of one room or of several, call each other
# in a ring, by the symbols of the objects in BUILD. A line a finding; exit 1 when there is one.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
BUILD=$1
FAILED=0

declare -A MAY=(
	[lib]=""
	[lib/config]="lib"
	[mpgatectl]="lib lib/config"
	[mpgated/net]="lib"
	[mpgated/ipc]="lib lib/config"
	[mpgated/control]="lib mpgated/ipc"
	[mpgated/datapath]="lib lib/config"
	[mpgated/paths]="lib lib/config"
	[mpgated/logger]="lib mpgated/ipc"
	[mpgated/resolver]="lib lib/config mpgated/ipc"
	[mpgated/worker]="lib lib/config mpgated/ipc mpgated/net"
	[mpgated/supervisor]="lib lib/config mpgated/control mpgated/datapath mpgated/ipc mpgated/net mpgated/paths mpgated/worker"
	[mpgated/answers]="lib lib/config mpgated/paths mpgated/supervisor"
	[mpgated]="lib lib/config mpgated/answers mpgated/control mpgated/ipc mpgated/logger mpgated/resolver mpgated/supervisor mpgated/worker"
)
# The compiled policy is made from a configuration.
EXCEPT="lib/policy.h:lib/config/config.h"

finding() {
	echo "$1"
	FAILED=1
}

while IFS=: read -r file include; do
	room=$(dirname "${file#user/}")
	other=$(dirname "$include")
	[ -n "${MAY[$room]+known}" ] || finding "$file: error: $room is no room of the plan"
	[[ $room == "$other" || " ${MAY[$room]:-} " == *" $other "* || " $EXCEPT " == *" ${file#user/}:$include "* ]] ||
		finding "$file: error: $room must not include <$include>"
done < <(git grep -oE '^#include [<"](lib|mpgated|mpgatectl)/[^>"]*' -- 'user/*.[ch]' | sed 's,:.*[<"],:,')

# An arrow from each object to those that define what it needs; tsort names what it cannot put in an order.
arrows() {
	local objects
	mapfile -t objects < <(find "$BUILD/$1" -name '*.o' | sort)
	nm -A --defined-only --extern-only "${objects[@]}" | awk -F'[: ]' '{ print $NF, $1 }' | sort >"$WORK/defined"
	nm -A --undefined-only "${objects[@]}" | awk -F'[: ]' '{ print $NF, $1 }' | sort >"$WORK/needed"
	join "$WORK/needed" "$WORK/defined" | awk '$2 != $3 { print $2, $3 }' | sort -u
}

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
for program in lib mpgated.d mpgatectl.d; do
	arrows "$program" | tsort 2>&1 >/dev/null | sed -n "s,^tsort: .*/\($program/.*\)\.o,\1,p" >"$WORK/ring"
	[ ! -s "$WORK/ring" ] || finding "error: a ring of calls: $(tr '\n' ' ' <"$WORK/ring")"
done
exit "$FAILED"
