#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/musl.sh [--build DIR] [TARGET...]: the tree with musl in place of glibc, in DIR/musl, linked statically. The
# libraries are built once, from the sources of this machine's Debian, and stay in MPGATE_CACHE. TARGETs are those of make
# (all).
# JOBS, MPGATE_CACHE and DEPS=skip can be given.
set -euo pipefail
SRC=$(dirname "$(dirname "$(readlink -f "$0")")")
# shellcheck source-path=SCRIPTDIR source=../vmtest/common.sh
. "$SRC/vmtest/common.sh"
JOBS=${JOBS:-$(nproc)} BUILD=$SRC/build
SUITE=$(sed -n s/^VERSION_CODENAME=//p /etc/os-release)
PREFIX=$CACHE/musl/$SUITE
if [ "${1:-}" = --build ]; then
	BUILD=$(readlink -f "$2")
	shift 2
fi

export CC=musl-gcc PKG_CONFIG_LIBDIR=$PREFIX/lib/pkgconfig
CPPFLAGS="-isystem $PREFIX/include"
unset MAKEFLAGS MFLAGS

# Sources of libraries, in this order: each needs those before it.
LIBRARIES=(zlib elfutils libbpf libmnl libuv1 jansson libsodium libyaml libcyaml c-ares libseccomp libmicrohttpd cunit)

make_() { make -s -j "$JOBS" "$@"; }

# In a copy of its source.
build_zlib() { CFLAGS="-O2 $CPPFLAGS" ./configure --static --prefix="$PREFIX" && make_ install; }
# The library alone: the programs of elfutils want what musl has not (argp, obstack, fts), which is said to be there.
build_elfutils() {
	configure --disable-debuginfod --disable-libdebuginfod --disable-nls --without-bzlib --without-lzma --without-zstd \
		ac_cv_search_argp_parse='none required' ac_cv_search_fts_close='none required' \
		ac_cv_search__obstack_free='none required' &&
		make_ -C libelf libelf.a && cp libelf/libelf.a "$PREFIX/lib/" && cp libelf/{libelf,gelf,nlist}.h "$PREFIX/include/" &&
		cp config/libelf.pc "$PREFIX/lib/pkgconfig/"
}
build_libbpf() {
	make_ -C src BUILD_STATIC_ONLY=1 PREFIX="$PREFIX" LIBDIR="$PREFIX/lib" CFLAGS="-O2 $CPPFLAGS" install
}
build_libcyaml() {
	CPPFLAGS="$CPPFLAGS" make_ VARIANT=release PREFIX="$PREFIX" build/release/libcyaml.{a,pc} && cp -r include/cyaml "$PREFIX/include/" &&
		cp build/release/libcyaml.a "$PREFIX/lib/" && cp build/release/libcyaml.pc "$PREFIX/lib/pkgconfig/"
}
build_c-ares() { autotools --disable-tests; }
build_libmicrohttpd() { autotools --disable-https --disable-doc --disable-examples; }
build_cunit() { autotools --disable-automated --disable-console; }

configure() {
	[ -x configure ] || if [ -e autogen.sh ]; then sh autogen.sh; else autoreconf -fi; fi || return
	./configure --host=x86_64-linux-musl --prefix="$PREFIX" --enable-static --disable-shared CPPFLAGS="$CPPFLAGS" CFLAGS=-O2 \
		LDFLAGS="-L$PREFIX/lib" "$@"
}
autotools() { configure "$@" && make_ install; }

build_library() { # SOURCE
	local source work
	source=$("$SRC/vmtest/fetch" --source "$SUITE" "$1")
	work=$(mktemp -d)
	say "building $1"
	if ! (cp -a "$source/." "$work" && cd "$work" &&
		if declare -F "build_$1" >/dev/null; then "build_$1"; else autotools; fi) >"$PREFIX/$1.log" 2>&1; then
		tail -n 30 "$PREFIX/$1.log" >&2
		die "$1 cannot be built with musl: $PREFIX/$1.log, in $work"
	fi
	rm -rf "$work"
	touch "$PREFIX/$1.built"
}

"$SRC/tests/net/deps.sh" build musl
mkdir -p "$PREFIX"/{include,lib/pkgconfig}
# What musl does not have is the kernel's.
ln -sfn /usr/include/linux "$PREFIX/include/linux"
ln -sfn /usr/include/asm-generic "$PREFIX/include/asm-generic"
ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$PREFIX/include/asm"
for library in "${LIBRARIES[@]}"; do
	[ -e "$PREFIX/$library.built" ] || build_library "$library"
done
make -s -C "$SRC" BUILD="$BUILD/musl" CC=musl-gcc CPPFLAGS="$CPPFLAGS" LDFLAGS="-static -L$PREFIX/lib" \
	PKG_CONFIG='pkg-config --static' "${@:-all}"
