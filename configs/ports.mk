# SPDX-License-Identifier: GPL-2.0-or-later
#
# make systemd    the Debian package under systemd, in VMs: vmtest/systemd

.PHONY: systemd

systemd: deb tools
	vmtest/systemd --build $(abspath $(BUILD))
