#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tests/lint.sh [TOOL...]: static checks of the whole tree, all of them or those named:
# format, spdx, shell, gcc, rooms, clang, bpf, analyzer, cppcheck, tidy. One line a tool; the findings of a tool that has any are
# printed above it. Exit 1 when there was one. Builds are thrown away. JOBS can be given.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1
JOBS=${JOBS:-$(nproc)}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
FAILED=0

mapfile -t C_FILES < <(git ls-files '*.c' | grep -v '\.bpf\.c$')
mapfile -t ALL_C < <(git ls-files '*.c' '*.h')
mapfile -t USER_C < <(git ls-files 'user/*.c')
mapfile -t SHELL_FILES < <(git ls-files '*.sh' '*.t' '*.init' '.ci/run' | sort -u)
while IFS= read -r file; do
	head -n 1 "$file" | grep -q '^#!.*sh$' && SHELL_FILES+=("$file")
done < <(git ls-files vmtest tests/bench configs | grep -v '\.')

# Everything that a compiler compiles, with that compiler and those flags.
build() { # NAME MAKE-VARIABLES...
	local dir=$WORK/$1
	shift
	make -k -s -j "$JOBS" BUILD="$dir" "$@" all unit-tests bpf-tests tools harness 2>&1
}

check_format() {
	clang-format --dry-run -Werror "${ALL_C[@]}" 2>&1
}

check_spdx() {
	tests/spdx.sh
}

check_shell() {
	shellcheck -x "${SHELL_FILES[@]}"
}

check_gcc() {
	build gcc CC=gcc
}

# The plan of the rooms, by what gcc made.
check_rooms() {
	[ -d "$WORK/gcc" ] || build gcc CC=gcc
	tests/rooms.sh "$WORK/gcc"
}

check_clang() {
	build clang CC=clang
}

# The BPF objects, with every clang from 14 on that is here.
check_bpf() {
	local clang version status=0 dir
	for clang in "$(command -v clang)" /usr/bin/clang-[0-9]*; do
		version=$("$clang" -dumpversion 2>/dev/null) || continue
		dir=$WORK/bpf-${version%%.*}
		if [ "${version%%.*}" -lt 14 ] || [ -d "$dir" ]; then
			continue
		fi
		echo "# clang $version"
		make -k -s BUILD="$dir" BPF_CLANG="$clang" bpf 2>&1 || status=1
	done
	return "$status"
}

# Leaks are not asked of it: it loses a pointer that goes into an array of structures or through an output parameter.
# clang-tidy looks for those (clang-analyzer-unix.Malloc), and LeakSanitizer in make check SAN=1.
check_analyzer() {
	make -k -s -j "$JOBS" BUILD="$WORK/analyzer" CC=gcc CFLAGS='-fanalyzer -Wno-analyzer-malloc-leak' all harness \
		"$WORK"/analyzer/vmtest/{probe,verify} 2>&1
}

# The suppressions are in tests/cppcheck.txt, each with its reason.
check_cppcheck() {
	cppcheck --quiet -j "$JOBS" --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppressions-list=tests/cppcheck.txt --error-exitcode=1 -D_GNU_SOURCE -Iinclude -Iuser -Itests \
		'-DLIBBPF_OPTS(T,N,...)=struct T N = { .sz = sizeof(struct T), __VA_ARGS__ }' \
		--template='{file}:{line}: {id}: {message}' "${C_FILES[@]}" 2>&1
}

# Which checks, and why not the others: .clang-tidy. The skeleton is generated: not ours to check.
check_tidy() {
	make -s BUILD="$WORK/tidy" "$WORK"/tidy/{mpgate.skel,io.mpgate.varlink,org.varlink.service.varlink,page.html,page.css,page.js}.h 2>&1 ||
		return 1
	sed -i -e '1i // NOLINTBEGIN' -e '$a // NOLINTEND' "$WORK/tidy/mpgate.skel.h"
	printf '%s\n' "${USER_C[@]}" | xargs -P "$JOBS" -I{} clang-tidy --quiet --warnings-as-errors='*' {} -- \
		-D_GNU_SOURCE -std=gnu11 -Iinclude -Iuser -I"$WORK/tidy" 2>&1 | grep -vE '^[0-9]+ warnings? (generated|treated)'
	return "${PIPESTATUS[1]}"
}

for tool in "${@:-format spdx shell gcc rooms clang bpf analyzer cppcheck tidy}"; do
	for one in $tool; do
		if "check_$one" >"$WORK/out"; then
			echo "ok   $one"
		else
			cat "$WORK/out"
			echo "FAIL $one: $(grep -cE '(warning|error):|^[^ :]+:[0-9]+: [a-zA-Z]+: |^In .* line' "$WORK/out") findings"
			FAILED=1
		fi
	done
done
exit "$FAILED"
