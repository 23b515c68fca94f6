#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make names what the build needs and lacks; make install puts everything where it is found, and uninstall takes it away.
# The packages that are made of this have a test of their own: make deb-check.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
# What was given to the make that runs this is not for those that it runs.
make_() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s "$@"; }

refused() { # WANTED NAME VARIABLE=VALUE...
	local output status
	output=$(make_ BUILD="$TMP/build" all "${@:3}" 2>&1)
	status=$?
	ok $((status == 0)) "$2: the build ends"
	like "$output" "missing: $1"$'\n.*make deps' "$2: it is named, and what to do"
}
refused "mpgate-no-gcc" "no compiler" CC=mpgate-no-gcc
refused "mpgate-no-clang mpgate-no-bpftool" "two programs" BPF_CLANG="mpgate-no-clang -v" BPFTOOL=mpgate-no-bpftool
refused "mpgate-no-lib" "no library" LIBS_CTL="jansson mpgate-no-lib"
refused "mpgate-no-pkg-config" "no pkg-config" PKG_CONFIG=mpgate-no-pkg-config
is "$(find "$TMP/build" -type f)" "" "nothing was built"

# What make deps would install, and make check, where there is no package at all.
mkdir "$TMP/bin"
printf '#!/bin/sh\nexit 1\n' >"$TMP/bin/dpkg-query"
chmod +x "$TMP/bin/dpkg-query"
lacks() { PATH=$TMP/bin:$PATH make_ DEPS=skip "$1" | sed -n 's/^missing Debian packages: \(.*\)/ \1 /p'; }
operator=$(lacks deps) tester=$(lacks deps-tests)
like "$operator" " gcc .* libuv1-dev " "make deps has what the build needs"
is "$(grep -cE ' (curl|tshark|libcunit1-dev|haproxy|lintian) ' <<<"$operator")" 0 "and nothing for tests"
like "$tester" " curl .* gcc .* tshark " "make check has both"
is "$(grep -c ' lintian ' <<<"$tester")" 0 "and nothing for packages"

installed() { (cd "$TMP/root" && find . ! -type d | sort); }
check "it is installed" make_ BUILD="$BUILD" install DESTDIR="$TMP/root" PREFIX=/opt/mpgate
for file in sbin/mpgated sbin/mpgatectl share/man/man{8/mpgated.8,8/mpgatectl.8,5/mpgate.conf.5} lib/sysusers.d/mpgate.conf \
	lib/tmpfiles.d/mpgate.conf lib/systemd/system/mpgated@.service share/bash-completion/completions/mpgatectl \
	share/zsh/site-functions/_mpgatectl share/fish/vendor_completions.d/mpgatectl.fish \
	share/doc/mpgate/examples/{gateway.yaml,dhcp/udhcpc,wireshark/mpgate-convert.lua}; do
	check "there is $file" test -s "$TMP/root/opt/mpgate/$file"
done
check "and a place for configurations" test -d "$TMP/root/etc/mpgate"
like "$("$TMP/root/opt/mpgate/sbin/mpgated" --version)" "^mpgated [0-9]" "the daemon runs"
is "$(grep -c 'ExecStart.*=/opt/mpgate/sbin/mpgated -c' "$TMP/root/opt/mpgate/lib/systemd/system/mpgated@.service")" 2 \
	"the unit runs that one"
is "$(installed | grep -vc '^./opt/mpgate/')" 0 "all files are below PREFIX"
touch "$TMP/root/etc/mpgate/gw.yaml"
check "it is taken away" make_ BUILD="$BUILD" uninstall DESTDIR="$TMP/root" PREFIX=/opt/mpgate
is "$(installed)" ./etc/mpgate/gw.yaml "but for what the operator made"
check "the unit's own directory can be chosen" make_ BUILD="$BUILD" install DESTDIR="$TMP/root" PREFIX=/usr UNITDIR=/lib/systemd/system
check "it is there" test -s "$TMP/root/lib/systemd/system/mpgated@.service"
check "it is taken away from there" make_ BUILD="$BUILD" uninstall DESTDIR="$TMP/root" PREFIX=/usr UNITDIR=/lib/systemd/system
is "$(installed)" ./etc/mpgate/gw.yaml "all of it"

# What systemd makes of the rest, where it looks for what is installed locally.
if type -P systemd-sysusers systemd-tmpfiles >/dev/null; then
	check "it is installed for a machine" make_ BUILD="$BUILD" install DESTDIR="$TMP/machine"
	check "systemd-sysusers takes it" systemd-sysusers --root="$TMP/machine"
	like "$(cat "$TMP/machine/etc/passwd")" "(^|"$'\n'")mpgate:[^"$'\n'"]*/nologin" "there is the user for the workers"
	check "systemd-tmpfiles takes it" systemd-tmpfiles --create --root="$TMP/machine"
	is "$(cd "$TMP/machine" && stat -c '%A %n' run/mpgate var/lib/mpgate var/log/mpgate | tr '\n' ' ')" \
		"drwxr-xr-x run/mpgate drwxr-x--- var/lib/mpgate drwxr-x--- var/log/mpgate " "there are the folders"
else
	skip "what systemd makes of it" "no systemd-sysusers, systemd-tmpfiles"
fi
done_testing
