# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# VMs that boot one of Debian's kernels from a disk of their own, with an init of its own, where vng's would not do: systemd,
# and other architectures. To be sourced, after common.sh.

# What the kernel needs to find the disk; the rest it loads from there.
DISK_MODULES=(virtio_pci virtio_blk ext4)

# disk_make ROOT VERSION BUSYBOX DIR: DIR/disk, with the files of ROOT, and DIR/initrd, from the modules that ROOT has for
# that kernel. BUSYBOX is one without libraries, of the VM's architecture. DIR is on a file system with holes.
disk_make() {
	local initrd=$4/initrd.d n=10 how file
	mkdir -p "$initrd"/{bin,dev,modules,root}
	cp "$3" "$initrd/bin/busybox"
	while read -r how file _; do
		[ "$how" = insmod ] || continue
		case $file in
		*.xz) xz -dc "$file" >"$initrd/modules/$n.ko" ;;
		*) cp "$file" "$initrd/modules/$n.ko" ;;
		esac
		n=$((n + 1))
	done < <(modprobe -d "$1" -S "$2" -D -a "${DISK_MODULES[@]}" | awk '!seen[$0]++')
	cat >"$initrd/init" <<-'END'
		#!/bin/busybox sh
		/bin/busybox mount -t devtmpfs dev /dev
		for module in /modules/*; do /bin/busybox insmod $module; done
		until /bin/busybox mount -t ext4 /dev/vda /root; do /bin/busybox sleep 1; done
		exec /bin/busybox switch_root /root /sbin/init
	END
	chmod +x "$initrd/init"
	(cd "$initrd" && find . | busybox cpio -o -H newc) >"$4/initrd" 2>/dev/null && [ "$n" -gt 10 ] || return
	truncate -s 3G "$4/disk"
	mke2fs -q -t ext4 -d "$1" "$4/disk"
}

# disk_vm ARCH MEMORY LIMIT KERNEL DIR SRC [OPTIONS OF THE KERNEL...]: boots what disk_make left in DIR. DIR/out is there as
# the 9p share "out", and SRC as "src", to be read only. The console goes to DIR/out/console. Returns when the VM has ended;
# 124 when LIMIT seconds are over. The CPU is emulated.
disk_vm() {
	local arch=$1 memory=$2 limit=$3 kernel=$4 dir=$5 src=$6 machine console qemu
	shift 6
	case $arch in
	amd64) qemu=qemu-system-x86_64 console=ttyS0 machine=(-machine q35 -accel tcg -cpu max) ;;
	arm64) qemu=qemu-system-aarch64 console=ttyAMA0 machine=(-machine virt -cpu cortex-a72) ;;
	*) return 1 ;;
	esac
	timeout -k 10 "$limit" "$qemu" "${machine[@]}" -smp 2 -m "$memory" -nic none -display none -monitor none -no-reboot \
		-kernel "$kernel" -initrd "$dir/initrd" -drive "file=$dir/disk,if=virtio,format=raw,cache=unsafe" \
		-virtfs "local,path=$dir/out,mount_tag=out,security_model=none" \
		-virtfs "local,path=$src,mount_tag=src,security_model=none,readonly=on,multidevs=remap" \
		-append "console=$console panic=-1 ${FASTER[*]} ${PATIENT[*]} loglevel=4 oops=panic $*" \
		-serial "file:$dir/out/console" </dev/null
}
