#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/net/deps.sh KIND...: installs the Debian packages of these kinds (build, tests, deb, arm64, musl) that tests/packages.txt names
# and this machine lacks, and mounts bpffs. DEPS=skip: names them and goes on.
set -eu
list=$(dirname "$0")/../packages.txt

missing=()
while read -r package kind; do
	[[ $package != '#'* && " $* " == *" ${kind:-tests} "* ]] || continue
	status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing+=("$package")
done <"$list"

if [ ${#missing[@]} -gt 0 ]; then
	echo "missing Debian packages: ${missing[*]}"
	if [ "${DEPS:-}" = skip ]; then
		echo "DEPS=skip: not installed"
	elif [ "$(id -u)" -ne 0 ]; then
		echo "run as root, or: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	else
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -q </dev/null
		apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null
	fi
fi
if [ "$(id -u)" -eq 0 ] && ! mountpoint -q /sys/fs/bpf; then
	mount -t bpf bpf /sys/fs/bpf
fi
