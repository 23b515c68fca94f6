# SPDX-License-Identifier: GPL-2.0-or-later
#
# A harness is tests/fuzz/fuzz_NAME.c, its seeds are the files of tests/fuzz/corpus/NAME/. It is linked with all of
# user/lib, compiled for fuzzing. What else it needs it says in lines of its head:
#
#   // SOURCES: user/mpgated/room/x.c   further sources, paths from the top of the tree
#   // LIBS: libmnl                     further pkg-config packages
#
# make fuzz-build     build all harnesses
# make fuzz           run each for FUZZ_SECONDS (600), on a copy of its seeds
# make fuzz-short     the same, 10 seconds each
# make fuzz-NAME      one of them

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 600
FUZZ_FLAGS = -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
FUZZ_BUILD = $(BUILD)/fuzz
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_LIB_OBJS := $(patsubst user/lib/%.c,$(FUZZ_BUILD)/lib/%.o,$(wildcard user/lib/*.c user/lib/*/*.c))

fuzz_compile = $(FUZZ_CC) $(CPPFLAGS_ALL) -std=gnu11 $(W) -fno-strict-aliasing $(FUZZ_FLAGS)

.PHONY: fuzz fuzz-build fuzz-short $(FUZZ_NAMES:%=fuzz-%)

fuzz-build: $(FUZZ_NAMES:%=$(FUZZ_BUILD)/fuzz_%)
fuzz: $(FUZZ_NAMES:%=fuzz-%)
fuzz-short: FUZZ_SECONDS = 10
fuzz-short: $(FUZZ_NAMES:%=fuzz-%)

$(FUZZ_BUILD)/lib/%.o: user/lib/%.c
	@mkdir -p $(@D)
	$(fuzz_compile) $(call flags,$(LIBS_LIB)) -MMD -MP -c $< -o $@

# Like a unit test in a world without a kernel, this one is linked with all that a worker is, so nobody keeps a list.
$(FUZZ_BUILD)/fuzz_conn: ROOM = $(WORLD) $(WORKER_OBJS:$(BUILD)/mpgated.d/%.o=user/mpgated/%.c)

# SOURCES may name any source outside the library, so all are prerequisites.
$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_LIB_OBJS) $(TEXT_H) \
		$(wildcard tests/fuzz/*.h tests/unit/world* include/mpgate/*.h user/*/*.[ch] user/*/*/*.[ch] bpf/*.h)
	@mkdir -p $(@D)
	$(fuzz_compile) -fsanitize=fuzzer $< $(call head,$<,SOURCES) $(ROOM) $(FUZZ_LIB_OBJS) -o $@ \
		$(call flags,$(LIBS_LIB) $(call head,$<,LIBS)) $(call libs,$(LIBS_LIB) $(call head,$<,LIBS))

# What a run finds goes to a copy; an input that fails stays in the build directory.
# The time for one input is wall time: long enough for a machine that is busy with other things.
$(FUZZ_NAMES:%=fuzz-%): fuzz-%: $(FUZZ_BUILD)/fuzz_%
	@rm -rf $(FUZZ_BUILD)/corpus/$* && mkdir -p $(FUZZ_BUILD)/corpus/$* tests/fuzz/corpus/$*
	@cp -r tests/fuzz/corpus/$*/. $(FUZZ_BUILD)/corpus/$*
	$< -max_total_time=$(FUZZ_SECONDS) -timeout=60 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix=$(FUZZ_BUILD)/$*- $(FUZZ_BUILD)/corpus/$*

-include $(FUZZ_LIB_OBJS:.o=.d)
