#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/net/sweep.sh: removes what killed scenarios of $MPG_PREFIX, and the demo that one of them runs, left behind.
for MPG_PREFIX in "${MPG_PREFIX:-mpg-}d-" "${MPG_PREFIX:-mpg-}"; do
	export MPG_PREFIX
	(
		# shellcheck source=tests/net/lib.sh
		. "$(dirname "$0")/lib.sh"
		cleanup
	)
done
