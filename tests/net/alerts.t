#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Alert rules and the dashboard (configs/prometheus/): promtool takes them, they fire when they should, and all that they ask
# for is in a real scrape, of both ends.
# shellcheck source=tests/net/tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

SRC=$(readlink -f "$(dirname "$0")/../..")
FILES=$SRC/configs/prometheus
# Debian's package of Prometheus would start it: only the tool is taken out of it.
promtool() {
	if [ -z "${PROMTOOL:-}" ] && ! PROMTOOL=$(type -P promtool); then
		[ "${DEPS:-}" != skip ] || return
		PROMTOOL=$("$SRC/vmtest/fetch" --package "$(. /etc/os-release && echo "$VERSION_CODENAME")" prometheus alone)/usr/bin/promtool
	fi
	"$PROMTOOL" "$@"
}
promtool --version >/dev/null 2>&1 || skip_all "no promtool here, and none to be had"

# shellcheck disable=SC2034 # read by pair_configs
GATEWAY_MORE='metrics: { listen: 127.0.0.1 }' HUB_MORE='metrics: { listen: "::1" }'
scenario
check "the rules are right" promtool check rules "$FILES/mpgate-alerts.yaml"
check "they fire when they should" promtool test rules "$FILES/mpgate-alerts.test.yaml"
check "the dashboard is JSON" jq -e '.panels | length > 10' "$FILES/mpgate-dashboard.json"
scrape() { on "$1" curl -sS --max-time 5 "http://$2:9803/metrics" >"$TMP/$3.prom"; }
check "a scrape of the gateway" scrape "$GATEWAY" 127.0.0.1 gw
check "and of the hub, over IPv6" scrape "$HUB" '[::1]' hub
for end in gw hub; do
	promtool check metrics <"$TMP/$end.prom" >"$TMP/lint" 2>&1
	# 3: it would name or measure something another way.
	check "$end: promtool can read it" eval "[ $? -eq 0 -o $? -eq 3 ]"
done
# What is asked for, by name, and by label where that is written out.
asked() { cat "$FILES/mpgate-alerts.yaml" "$FILES/mpgate-dashboard.json" | grep -oE "$1" | sort -u; }
missing() {
	local name
	for name in $(asked 'mpgate_[a-z_]+'); do
		grep -qE "^# TYPE $name " "$TMP/$1.prom" || echo "$name"
	done
	for name in $(asked '(reason|event)=\\?"[a-z-]+' | tr -d "\\\\"); do
		grep -qF "$name\"" "$TMP/$1.prom" || echo "$name"
	done
}
for end in gw hub; do
	is "$(missing $end)" "" "$end: all that is asked for is there"
done
done_testing
