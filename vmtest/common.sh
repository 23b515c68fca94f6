# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Names that the scripts of this directory share. To be sourced.

# Everything that is fetched stays here, outside the repository.
export CACHE=${MPGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mpgate}
export MODULES=/usr/lib/modules

say() {
	printf '# %s\n' "$*" >&2
}

die() {
	printf 'vmtest: %s\n' "$*" >&2
	exit 1
}

# suite_of KERNEL: the Debian suite whose kernel that is. "7" stands for the
# newest series there is; it is the one that may not skip anything.
suite_of() {
	case $1 in
	6.1) echo bookworm ;;
	6.12) echo trixie ;;
	7) echo sid ;;
	*) die "no suite known for kernel $1 (6.1, 6.12 and 7 are)" ;;
	esac
}
