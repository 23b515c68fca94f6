# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Middleboxes in the router. Source after lib.sh.

# box DEV KIND: on all that the router exchanges over that device, a program of middlebox.bpf.c. box_gone DEV.
box() {
	local side
	tc -n "$ROUTER" qdisc add dev "$1" clsact
	for side in ingress egress; do
		tc -n "$ROUTER" filter add dev "$1" "$side" bpf direct-action \
			object-file "$TOOLS/middlebox.bpf.o" section "tc/$2" || return 1
	done
}
box_gone() { tc -n "$ROUTER" qdisc del dev "$1" clsact; }
