# SPDX-License-Identifier: GPL-2.0-or-later
#
# make            build/mpgated, build/mpgatectl and the BPF objects
# make deps       install the packages that this needs           (root)
# make install    PREFIX=/usr/local, DESTDIR= and UNITDIR= can be given; make uninstall
# make deb        Debian packages in build/deb; make deb-check: install, upgrade, remove and purge them  (root)
# make demo       one command: two links, one download, a table          (root)
# make check      all tests; SAN=1: under AddressSanitizer and UBSan; TESTS="net/early.t unit/*": only these  (root)
# make bench      measure against others, write docs/benchmarks.md       (root)
# make vmtest     the tests in VMs over a kernel matrix; KERNELS="6.1 6.12"; RECORD=1: more of them, delays, insns.txt
# make vm         one shell command in a VM, with this tree: KERNEL=6.1, 6.12 or 7; CMD='tests/net/early.t' ($$ for a $)
# make systemd    the Debian package under systemd, in VMs; make arm64, musl: build/arm64, build/musl; RECORD=1: a VM of arm64  (root)
# make fuzz lint coverage
#
# CC, BPF_CLANG, BUILD, W (warnings) and DEPS=skip can be given.

BUILD ?= build
CC = gcc
BPF_CLANG ?= clang
BPFTOOL ?= bpftool
LLVM_STRIP ?= llvm-strip
PKG_CONFIG ?= pkg-config
export PATH := $(PATH):/usr/sbin# where bpftool is, also for who is not root
W ?= -Wall -Wextra -Werror
OPT ?= -O2 -g
SAN ?=
SRC := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))

ifneq ($(SAN),)
override BUILD := $(BUILD)-san
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

LIBS_LIB := libsodium libcyaml yaml-0.1 libmnl
LIBS_DAEMON := libbpf libmnl libuv jansson libseccomp libcares
LIBS_LOADED := libmicrohttpd# when a process needs it: control/http.c
LIBS_CTL := jansson
# Asked only when a target needs it: a fresh machine has no pkg-config yet.
flags = $(shell $(PKG_CONFIG) --cflags $(1))
libs = $(shell $(PKG_CONFIG) --libs $(1)) -lm

CPPFLAGS_ALL = -D_GNU_SOURCE -Iinclude -Iuser -I$(BUILD) $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 $(OPT) $(W) -Wmissing-prototypes -Wshadow -fno-strict-aliasing $(CFLAGS)
BPF_INCLUDES ?= -idirafter $(shell $(CC) -print-sysroot 2>/dev/null)/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)
BPF_CFLAGS = -target bpf -mcpu=v3 -O2 -g -std=gnu11 $(W) -Iinclude -Ibpf $(BPF_INCLUDES)

LIB_OBJS := $(patsubst user/lib/%.c,$(BUILD)/lib/%.o,$(wildcard user/lib/*.c user/lib/*/*.c))
DAEMON_OBJS := $(patsubst user/mpgated/%.c,$(BUILD)/mpgated.d/%.o,$(wildcard user/mpgated/*.c user/mpgated/*/*.c))
CTL_OBJS := $(patsubst user/mpgatectl/%.c,$(BUILD)/mpgatectl.d/%.o,$(wildcard user/mpgatectl/*.c))
BPF_OBJS := $(patsubst bpf/%.bpf.c,$(BUILD)/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
BPF_TESTS := $(patsubst tests/bpf/%.c,$(BUILD)/tests/bpf/%,$(wildcard tests/bpf/test_*.c))
TOOLS := $(patsubst tests/net/%.c,$(BUILD)/tests/net/%,$(filter-out %.bpf.c,$(wildcard tests/net/*.c)))
TOOLS += $(BUILD)/tests/net/middlebox.bpf.o
PRELOADS := $(patsubst tests/net/preload/%.c,$(BUILD)/tests/net/%.so,$(wildcard tests/net/preload/*.c))
VMTEST_TOOLS := $(BUILD)/vmtest/verify $(BUILD)/vmtest/probe
BENCH_TOOLS := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))

.PHONY: all deps deps-tests bpf unit-tests bpf-tests tools harness demo check bench vmtest vm fuzz lint coverage format clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/mpgated $(BUILD)/mpgatectl bpf

# Looked for once: a compiler tells less well what is missing.
$(BUILD)/needed:
	@mkdir -p $(@D)
	@tests/needed.sh '$(CC)' '$(BPF_CLANG)' '$(BPFTOOL)' '$(LLVM_STRIP)' '$(PKG_CONFIG)' -- \
		$(LIBS_LIB) $(LIBS_DAEMON) $(LIBS_LOADED) $(LIBS_CTL)
	@touch $@

# --- BPF: one object a program, then all linked into one, so that they share maps
bpf: $(BPF_OBJS) $(BUILD)/bpf/mpgate.bpf.o

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h include/mpgate/*.h) | $(BUILD)/needed
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp
	$(LLVM_STRIP) -g $@.tmp -o $@ && rm -f $@.tmp

$(BUILD)/bpf/mpgate.bpf.o: $(BPF_OBJS)
	$(BPFTOOL) gen object $@ $(BPF_OBJS)

$(BUILD)/mpgate.skel.h: $(BUILD)/bpf/mpgate.bpf.o
	$(BPFTOOL) gen skeleton $< name mpgate_bpf > $@

# --- user space
$(BUILD)/lib/%.o: user/lib/%.c | $(BUILD)/needed
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(call flags,$(LIBS_LIB)) -MMD -MP -c $< -o $@

$(BUILD)/libmpgate.a: $(LIB_OBJS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/mpgated.d/%.o: user/mpgated/%.c | $(BUILD)/mpgate.skel.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(call flags,$(LIBS_DAEMON) $(LIBS_LOADED)) -MMD -MP -c $< -o $@

# Texts as C strings: descriptions of the control interfaces, the status page.
text_h = { echo 'static const char $(subst .,_,$(1))[] ='; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $<; echo ';'; } > $@
$(BUILD)/%.varlink.h: user/mpgated/control/%.varlink
	@mkdir -p $(@D)
	$(call text_h,$*)
$(BUILD)/page.%.h: user/mpgated/control/page/page.%
	@mkdir -p $(@D)
	$(call text_h,page.$*)

VARLINK_H := $(patsubst user/mpgated/control/%,$(BUILD)/%.h,$(wildcard user/mpgated/control/*.varlink))
PAGE_H := $(patsubst user/mpgated/control/page/%,$(BUILD)/%.h,$(wildcard user/mpgated/control/page/page.*))
TEXT_H := $(VARLINK_H) $(PAGE_H)
$(BUILD)/mpgated.d/control/control.o: $(VARLINK_H)
$(BUILD)/mpgated.d/control/page.o: $(PAGE_H)

$(BUILD)/mpgated: $(DAEMON_OBJS) $(BUILD)/libmpgate.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@ $(call libs,$(LIBS_DAEMON) $(LIBS_LIB))

$(BUILD)/mpgatectl.d/%.o: user/mpgatectl/%.c | $(BUILD)/needed
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(call flags,$(LIBS_CTL)) -MMD -MP -c $< -o $@

$(BUILD)/mpgatectl: $(CTL_OBJS) $(BUILD)/libmpgate.a
	$(CC) $(CFLAGS_ALL) $(LDFLAGS) $^ -o $@ $(call libs,$(LIBS_CTL) $(LIBS_LIB))

# --- tests
# A test says in its head what it needs besides the library: "// SOURCES: user/x/y.c" and "// LIBS: pkg-config-package".
head = $(shell sed -n 's,^// $(2): *,,p' $(1))
unit-tests: $(UNIT_TESTS)
$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libmpgate.a $(TEXT_H) \
		$(wildcard tests/*.h tests/unit/*.h tests/unit/*_script.c tests/unit/loop.c tests/unit/nl_list.c) \
		$(wildcard user/mpgated/*/*.[ch] user/mpgatectl/*.[ch])
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL) $(LDFLAGS) $< $(call head,$<,SOURCES) $(BUILD)/libmpgate.a -o $@ \
		$(call libs,cunit $(LIBS_LIB) $(call head,$<,LIBS)) -lcunit

# A worker's connections in a world without a kernel: with the daemon's own objects, less those that are about a process.
WORKER_OBJS := $(filter-out %/worker.o %/start.o %/sandbox.o %/fault.o,$(filter $(BUILD)/mpgated.d/worker/%,$(DAEMON_OBJS)))
WORKER_OBJS += $(filter %/ipc/shared.o %/ipc/clock.o,$(DAEMON_OBJS))
WORLD := tests/unit/world.c tests/unit/world_io.c tests/unit/world_play.c
WORKER_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(shell grep -lE '^#include "(world|gateway_script|hub_script|parking_script|parked_script)' \
	tests/unit/test_*.c))
$(WORKER_TESTS): $(BUILD)/tests/unit/%: tests/unit/%.c $(WORLD) $(wildcard tests/*.h tests/unit/*.h) $(WORKER_OBJS) \
		$(BUILD)/libmpgate.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL) $(LDFLAGS) $< $(WORLD) $(WORKER_OBJS) $(BUILD)/libmpgate.a -o $@ \
		$(call libs,cunit $(LIBS_LIB)) -lcunit

bpf-tests: $(BPF_TESTS)
$(BUILD)/tests/bpf/%: tests/bpf/%.c $(BUILD)/libmpgate.a $(BUILD)/mpgate.skel.h $(wildcard tests/*.h tests/bpf/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL) $(LDFLAGS) $< $(BUILD)/libmpgate.a -o $@ \
		$(call libs,libbpf $(LIBS_LIB)) -lcunit

# These test the daemon's own objects.
DATAPATH_OBJS := $(filter $(BUILD)/mpgated.d/datapath/%,$(DAEMON_OBJS))
DATAPATH_TESTS := $(filter $(BUILD)/tests/bpf/test_datapath%,$(BPF_TESTS))
$(DATAPATH_TESTS): $(BUILD)/tests/bpf/%: tests/bpf/%.c tests/bpf/datapath_test.h $(DATAPATH_OBJS) $(BUILD)/libmpgate.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) -Itests $(CFLAGS_ALL) $(LDFLAGS) $< $(DATAPATH_OBJS) $(BUILD)/libmpgate.a -o $@ \
		$(call libs,libbpf libmnl $(LIBS_LIB)) -lcunit

tools: $(TOOLS) $(PRELOADS) $(BENCH_TOOLS) $(VMTEST_TOOLS)
$(BUILD)/tests/net/%: tests/net/%.c $(wildcard tests/net/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) $< -o $@
$(BUILD)/tests/net/%.bpf.o: tests/net/%.bpf.c
	@mkdir -p $(@D)
	$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@
$(BUILD)/tests/net/%.so: tests/net/preload/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) -fPIC -shared $< -o $@ -ldl
# Tools that speak Convert.
$(BUILD)/tests/net/convtool $(BUILD)/tests/net/synforge $(BUILD)/tests/net/tagforge: $(BUILD)/tests/net/%: tests/net/%.c $(BUILD)/libmpgate.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) $< $(BUILD)/libmpgate.a -o $@ $(call libs,$(LIBS_LIB))
PATHS_SRCS := $(wildcard user/mpgated/paths/*.c)
$(BUILD)/tests/net/paths_tool: tests/net/paths_tool.c $(PATHS_SRCS) $(BUILD)/libmpgate.a $(wildcard user/mpgated/*/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) $(filter %.c %.a,$^) -o $@ $(call libs,libuv libmnl)
$(BUILD)/tests/bench/%: tests/bench/%.c $(BUILD)/mpgate.skel.h $(BUILD)/libmpgate.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) $< $(BUILD)/libmpgate.a -o $@ $(call libs,libbpf $(LIBS_LIB))

# --- the tests in VMs, from the binaries built here
$(BUILD)/vmtest/%: vmtest/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS) $(filter %.c,$^) -o $@ $(call libs,libbpf)
# The daemon and the probe try the same.
$(BUILD)/vmtest/probe: user/mpgated/supervisor/features.c user/mpgated/supervisor/features.h

vmtest: all unit-tests bpf-tests tools
	vmtest/run --build $(BUILD) --kernels "$(or $(KERNELS),6.1 6.12 7)" $(if $(RECORD),--record)

vm: all unit-tests bpf-tests tools
	@vmtest/one --build $(BUILD) "$(or $(KERNEL),7)" "$${CMD:?which command?}"

# What the other targets leave to clang's fuzzer or to coverage.sh: compiled only, for lint.
HARNESS_OBJS := $(patsubst tests/%.c,$(BUILD)/harness/%.o,$(wildcard tests/*.c tests/fuzz/*.c))
harness: $(HARNESS_OBJS)
$(BUILD)/harness/%.o: tests/%.c $(TEXT_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(call flags,$(LIBS_LIB) $(LIBS_DAEMON)) -c $< -o $@

lint:
	tests/lint.sh
coverage:
	tests/coverage.sh

include tests/fuzz/fuzz.mk

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(BUILD)

# --- one command each
# What an operator needs, to build and to run; what tests and benchmarks need as well.
deps:
	DEPS=$(DEPS) tests/net/deps.sh build
deps-tests:
	DEPS=$(DEPS) tests/net/deps.sh build tests

# The build runs in a make of its own: packages that deps installs must be there when flags are asked for.
demo: deps-tests
	@$(MAKE) -s all tools
	@BUILD=$(BUILD) tests/net/demo.sh

check: deps-tests
	@$(MAKE) -s all unit-tests bpf-tests tools
	@BUILD=$(BUILD) SAN=$(SAN) CHECK_KERNELS="$(CHECK_KERNELS)" tests/net/check.sh $(TESTS)

bench: deps-tests
	@$(MAKE) -s all tools
	@BUILD=$(BUILD) tests/bench/run.sh

include configs/install.mk
include configs/ports.mk

-include $(LIB_OBJS:.o=.d) $(DAEMON_OBJS:.o=.d) $(CTL_OBJS:.o=.d)
