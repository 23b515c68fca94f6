#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/needed.sh PROGRAM... -- LIBRARY...: names the programs, and the libraries as pkg-config has them, that are not here;
# exit 1 when there is one. A program may have arguments behind it. The last program is pkg-config.
set -u
missing=()
while [ "$1" != -- ]; do
	pkg_config=${1%% *}
	command -v "$pkg_config" >/dev/null || missing+=("$pkg_config")
	shift
done
shift
if command -v "$pkg_config" >/dev/null; then
	for library; do
		"$pkg_config" --exists "$library" || missing+=("$library")
	done
fi
[ ${#missing[@]} -gt 0 ] || exit 0
echo "missing: ${missing[*]}" >&2
echo "On Debian \`make deps\`, as root, installs all that the build needs." >&2
exit 1
