# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Fresh Debian systems to install packages into. To be sourced; DIR is where the packages are, and WORK a folder of the
# caller's for what is made, which must not have mounts any more when it is removed: leave_system.
#
# They are made once, by debootstrap from the mirror in this machine's own sources, and kept in MPGATE_CACHE.

# shellcheck source-path=SCRIPTDIR source=mirror.sh
. "$(dirname "${BASH_SOURCE[0]}")/mirror.sh"
SYSTEMS=${MPGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mpgate}/suites
ROOT=$WORK/root

# fresh_system SUITE: at ROOT, with the packages in /packages; what is changed there is gone with the next.
fresh_system() {
	if [ ! -d "$SYSTEMS/$1" ]; then
		rm -rf "$SYSTEMS/$1.new"
		mkdir -p "$SYSTEMS"
		debootstrap --variant=minbase "$1" "$SYSTEMS/$1.new" "$(mirror)" && mv "$SYSTEMS/$1.new" "$SYSTEMS/$1" || return
	fi
	leave_system
	rm -rf "$WORK/upper" "$WORK/work"
	mkdir -p "$ROOT" "$WORK/upper" "$WORK/work"
	mount -t overlay -o "lowerdir=$SYSTEMS/$1,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$ROOT" &&
		mount -t proc proc "$ROOT/proc" && mount --bind /dev "$ROOT/dev" && cp /etc/resolv.conf "$ROOT/etc/" &&
		mkdir "$ROOT/packages" && find "$DIR" "$WORK" -maxdepth 1 -name '*.deb' -exec cp -t "$ROOT/packages/" {} + &&
		inside apt-get update -q
}

leave_system() {
	umount -R "$ROOT" 2>/dev/null
}

inside() {
	chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}
