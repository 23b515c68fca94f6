#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/deb.sh DIR [SUITE...]: the packages that `make deb` left in DIR. What lintian says of them, how systemd rates the unit,
# and, in a fresh Debian of each suite (bookworm and trixie), what installing, upgrading, removing and purging do. TAP.
set -u
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
# shellcheck source-path=SCRIPTDIR source=net/tap.sh
. tests/net/tap.sh
DIR=$(readlink -f "${1:?which directory?}")
shift
SUITES=("$@")
[ $# -gt 0 ] || SUITES=(bookworm trixie)
WORST=25 # tenths, of `systemd-analyze security`
OLD=0.0.9
WORK=$(mktemp -d)
# shellcheck source-path=SCRIPTDIR source=fresh.sh
. tests/fresh.sh

cleanup() {
	leave_system
	rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Each file and folder of the system, but those in which dpkg and others keep books.
files() {
	(cd "$ROOT" && find . -xdev | grep -vE '^\./(packages|proc|dev|tmp|run/systemd|var/lib/(dpkg|apt)|var/cache|var/log/(apt|dpkg.log)|etc/(passwd|group|shadow|gshadow)-|etc/\.pwd\.lock)' | sort)
}

# The package under an older version's number.
make_old() {
	dpkg-deb -R "$DIR"/mpgate_*.deb "$WORK/old" && sed -i "s/^Version: .*/Version: $OLD/" "$WORK/old/DEBIAN/control" &&
		dpkg-deb --root-owner-group -b "$WORK/old" "$WORK/old.deb"
}

install_old() { inside dpkg -i /packages/old.deb; }
upgrade() { inside sh -c 'apt install -y -q /packages/mpgate_*.deb'; }
has_version() { [ "$(inside dpkg-query -W -f='${Version}' mpgate)" = "$1" ]; }
says() { inside "$@" 2>&1; }
is_gone() { [ ! -e "$ROOT$1" ]; }
absent() { [[ $(inside dpkg-query -W -f='${db:Status-Status}' mpgate 2>&1) == *"no packages found"* ]]; }

configure() {
	inside mkdir /etc/mpgate/keys && inside mpgatectl key new /etc/mpgate/keys/hub1.key && inside cp /usr/share/doc/mpgate/examples/minimal-gateway.yaml /etc/mpgate/gw.yaml &&
		echo '/var/lib/mpgate/gw.usage' >"$ROOT/var/lib/mpgate/gw.usage"
}

try_suite() {
	local suite=$1 before sum depends
	check "$suite: a fresh system" fresh_system "$suite" || return
	depends=$(dpkg-deb -f "$DIR"/mpgate_*.deb Depends)
	check "$suite: what the package depends on is there" inside apt-get satisfy -y -q --no-install-recommends "$depends"
	before=$(files)
	check "$suite: an older version is installed" install_old
	check "$suite: it is that" has_version "$OLD"
	like "$(says mpgated --version)" "^mpgated $VERSION" "$suite: the daemon runs"
	like "$(says mpgatectl --help)" "mpgatectl" "$suite: the tool runs"
	like "$(says getent passwd mpgate)" "^mpgate:.*/nologin" "$suite: the user for the workers is there"
	is "$(stat -c '%A %U' "$ROOT/run/mpgate" "$ROOT/var/lib/mpgate" "$ROOT/var/log/mpgate" | tr '\n' ' ')" \
		"drwxr-xr-x root drwxr-x--- root drwxr-x--- root " "$suite: and the folders"
	like "$(says ldconfig -p)" "libmicrohttpd.so.12" "$suite: the library for metrics is there"
	check "$suite: a key and a configuration are made" configure
	is "$(says mpgated -c /etc/mpgate/gw.yaml --check)" "" "$suite: which can be used"
	is "$(says systemd-analyze verify --man=no mpgated@gw.service)" "" "$suite: systemd has nothing to say about the unit"
	sum=$(cat "$ROOT"/etc/mpgate/{gw.yaml,keys/hub1.key} | sha256sum)
	check "$suite: the upgrade" upgrade
	check "$suite: is to this version" has_version "$VERSION"
	is "$(cat "$ROOT"/etc/mpgate/{gw.yaml,keys/hub1.key} | sha256sum)" "$sum" "$suite: configuration and key are as they were"
	check "$suite: the documentation is installed" inside sh -c 'dpkg -i /packages/mpgate-doc_*.deb'
	check "$suite: with pages that can be read as they are" test -s "$ROOT/usr/share/doc/mpgate-doc/docs/operations.md"
	check "$suite: the packages are removed" inside dpkg -r mpgate mpgate-doc
	check "$suite: the daemon is gone" is_gone /usr/sbin/mpgated
	check "$suite: configuration and state are not" test -s "$ROOT/etc/mpgate/gw.yaml" -a -s "$ROOT/var/lib/mpgate/gw.usage"
	check "$suite: the packages are purged" inside dpkg -P mpgate mpgate-doc
	check "$suite: dpkg knows nothing of them" absent
	is "$(comm -3 <(echo "$before") <(files) | tr -d '\t')" \
		"$(printf './etc/mpgate%s\n' '' /gw.yaml /keys /keys/hub1.key)" "$suite: only what the operator made is left"
}

VERSION=$(dpkg-deb -f "$DIR"/mpgate_*.deb Version)
check "lintian is content" lintian --allow-root -I --fail-on error,warning,info "$DIR"/mpgate_*.changes
check "the unit's exposure is ${WORST::1}.${WORST:1} at most" \
	systemd-analyze security --offline=yes --threshold="$WORST" "configs/mpgated@.service"
check "an older version is made" make_old
for suite in "${SUITES[@]}"; do
	try_suite "$suite"
done
done_testing
