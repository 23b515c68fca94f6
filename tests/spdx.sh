#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/spdx.sh: every file that git knows names its licence in its first lines. Those that do not are printed; exit 1
# when there is one.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

# The text itself; seeds, plots and pictures, JSON and what Debian's tools read, which have no place for it; what becomes a part of docs/benchmarks.md.
EXEMPT='^(LICENSE|tests/fuzz/corpus/.*|docs/img/.*\.(svg|png)|tests/bench/limits\.md|vmtest/(delays|setup)\.md|configs/debian/(changelog|source/format)|configs/prometheus/.*\.json)$'
HEAD_LINES=3

status=0
while IFS= read -r file; do
	head -n $HEAD_LINES "$file" | grep -q 'SPDX-License-Identifier: GPL-2\.0-' && continue
	echo "$file: no SPDX-License-Identifier in its first $HEAD_LINES lines"
	status=1
done < <(git ls-files | grep -vE "$EXEMPT")
exit $status
