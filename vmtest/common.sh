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

# What an emulated CPU spends its time on to no end: the same program at another address each time has to be translated
# anew, and so has what guards real CPUs' branches.
FASTER=(norandmaps spectre_v2=off init_on_alloc=0)
# An emulated CPU is no sign of a kernel that hangs.
PATIENT=(rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60 hung_task_timeout_secs=600)

# What in a kernel log means that the kernel is not well. Anchored, for "Spectre V2 : WARNING" is advice.
UNWELL='\] (WARNING: |BUG: |Oops|general protection|INFO: (rcu|task)|rcu: INFO|watchdog: BUG|UBSAN: |KASAN: )'
UNWELL+='|Kernel panic|blocked for more than|unregister_netdevice: waiting'

# vm LIMIT VERSION DIR COMMAND: the command in a VM of that kernel, with DIR at /mnt and nothing on standard input. The
# machine's files are there to be read. vng's exit status; 124 when LIMIT seconds are over. To be run in the background: it
# takes the place of the shell, so that whoever ends that ends the VM.
vm() {
	exec timeout -k 10 "$1" vng --disable-kvm --force-9p --force-initramfs -m 2G --cpus 2 -r "$2" --user root \
		--rwdir="/mnt=$3" "${FASTER[@]/#/-a=}" "${PATIENT[@]/#/-a=}" -a loglevel=4 -a oops=panic -- "$4" </dev/null
}

# On an emulated CPU a boot stands still now and then before anything of ours has run. That says nothing of what is
# tested, and such a VM is booted again.
BOOTS=3 START_LIMIT=${START_LIMIT:-400} # seconds until there is a file of the guest's; usually fewer than 60

# vm_boot FILE LIMIT VERSION DIR COMMAND: vm, to its end, and again where DIR/FILE does not come. Sets vm, its process,
# and status, its exit status.
vm_boot() {
	local boots=0 end
	while [ ! -e "$4/$1" ] && [ "$boots" -lt "$BOOTS" ]; do
		boots=$((boots + 1)) status=0
		vm "${@:2}" &
		vm=$! end=$((SECONDS + START_LIMIT))
		while [ ! -e "$4/$1" ] && kill -0 "$vm" 2>/dev/null; do
			[ $SECONDS -lt $end ] || kill "$vm" 2>/dev/null
			read -rt 1 <> <(:) || :
		done
		wait "$vm" || status=$?
		[ -e "$4/$1" ] || say "$3 did not start, boot $boots of $BOOTS (exit $status)"
	done
}

# In the VM, what the tests expect of a machine.
vm_prepare() {
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	ip link set lo up
	modprobe -q tun # the emulated links of tests/net need its device file, which nobody else makes here
	cd "$1" || exit 1 # where they are run
}
