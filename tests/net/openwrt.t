#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The recipes for OpenWrt, as far as that can be without its build system: with stand-ins for the files that they include,
# and for what its shell library would tell procd.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
cd "$(dirname "$0")/../.." || exit 1
BUILD=$(readlink -f "${BUILD:-build}")
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
SDK=$TMP/sdk FEED=$PWD/configs/openwrt

mkdir -p "$SDK/include" "$TMP/etc"
cat >"$SDK/rules.mk" <<-'END'
	INCLUDE_DIR := $(TOPDIR)/include
	TARGET_CC := gcc
	TARGET_AR := ar
	TARGET_CFLAGS := -Os
	PKG_CONFIG := pkg-config
	STAGING_DIR_HOST := $(TOPDIR)/host
	INSTALL_DIR := install -d -m0755
	INSTALL_BIN := install -m0755
	INSTALL_DATA := install -m0644
	CP := cp -fpR
END
# The recipe's parts are targets here, and its dependencies can be asked for.
cat >"$SDK/include/package.mk" <<-'END'
	PKG_BUILD_DIR := $(TOPDIR)/build
	PKG_INSTALL_DIR := $(TOPDIR)/installed
	define BuildPackage
	$(eval $(call Package/$(1)))
	prepare: ; $$(Build/Prepare)
	compile: ; $$(Build/Compile)
	root: ; $$(call Package/$(1)/install,$$(TOPDIR)/root)
	about: ; @echo '$$(PKG_VERSION) $$(DEPENDS) '
	endef
END
printf 'BPF_DEPENDS := @HAS_BPF_TOOLCHAIN\nCLANG := clang\nLLVM_STRIP := llvm-strip\n' >"$SDK/include/bpf.mk"

# What was given to the make that runs this is not for those that it runs.
recipe() { # PACKAGE OPTIONS OR TARGET...
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory -s -C "$FEED/$1" TOPDIR="$SDK" "${@:2}"
}
about=$(recipe mpgate about)
is "${about%% *}" "$("$BUILD/mpgated" --version | sed 's/^mpgated //')" "the package has the tree's version"
read -ra libraries < <(sed -n 's/^LIBS_[A-Z]* := //; T; s/#.*//; s/yaml-0.1/libyaml/; s/libmicrohttpd/&-no-ssl/; p' Makefile | tr '\n' ' ')
for library in "${libraries[@]}"; do
	like "$about" " \+$library " "it depends on $library"
done
check "the tree is copied" recipe mpgate prepare
check "so that it can be built" test -s "$SDK/build/Makefile" -a -s "$SDK/build/user/mpgated/main.c"
recipe mpgate -n compile >"$TMP/compile" 2>&1
ok $? "what would be done is known" || diag "$(tail -n 5 "$TMP/compile")"
check "by the compiler that was named" grep -q '^gcc .*-Os.* -c user/mpgated/' "$TMP/compile"
check "and its program for BPF" grep -q "^$SDK/host/usr/sbin/bpftool gen skeleton" "$TMP/compile"
ln -s "$BUILD" "$SDK/build/build"
check "it is installed" recipe mpgate root
is "$(cd "$SDK/root" && find . -type f -perm -100 | sort | tr '\n' ' ')" "./etc/init.d/mpgate ./usr/sbin/mpgatectl ./usr/sbin/mpgated " \
	"there are two programs, and what starts them"
check "and examples" test -s "$SDK/root/usr/share/mpgate/examples/gateway.yaml"
recipe libcyaml -n compile >"$TMP/compile" 2>&1
like "$(cat "$TMP/compile")" "VARIANT=release" "the library's recipe can be read"

# What the script that starts the daemon tells procd, a line each.
procd_run() {
	sed "s,^CONFIGS=.*,CONFIGS=$TMP/etc,; s,^PROG=.*,PROG=$BUILD/mpgated," "$SDK/root/etc/init.d/mpgate" >"$TMP/init"
	# shellcheck disable=SC2016 # expanded by that shell
	dash -c 'logger() { echo "logger $*"; }
		for call in open_instance set_param close_instance; do eval "procd_$call() { echo $call \"\$@\"; }"; done
		. "$1"; start_service' - "$TMP/init" 2>&1
}
is "$(procd_run)" "" "without a configuration nothing is started"
"$BUILD/mpgatectl" key new "$TMP/etc/hub1.key" >/dev/null
sed 's,keys/,,' configs/minimal-gateway.yaml >"$TMP/etc/home.yaml"
echo 'links: 5' >"$TMP/etc/broken.yaml"
said=$(procd_run)
is "$(grep open_instance <<<"$said")" "open_instance home" "one that is right is started, by its name"
like "$said" "set_param command $BUILD/mpgated -c $TMP/etc/home.yaml" "with its file"
like "$said" "logger -t mpgate -p daemon.err .*broken.yaml:1" "of one that is wrong it is said why"
done_testing
