# SPDX-License-Identifier: GPL-2.0-or-later
#
# make systemd    the Debian package under systemd, in VMs: vmtest/systemd
# make arm64      build/arm64, by the cross compiler; RECORD=1: the tests of it in a VM, too: vmtest/arm64
# make musl       build/musl, with musl, linked statically: tests/musl.sh

.PHONY: systemd arm64 musl

systemd: deb tools
	vmtest/systemd --build $(abspath $(BUILD))
arm64: bpf
	vmtest/arm64 --build $(abspath $(BUILD)) $(if $(RECORD),--vm)
musl:
	tests/musl.sh --build $(abspath $(BUILD))
