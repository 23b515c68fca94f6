#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Alert rules and the dashboard (configs/prometheus/): promtool takes them, they fire when they should, and all that they ask
# for, names and labels, is in a real scrape, of both ends.
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
# What each panel asks for is a rule of a file, in JSON, which is YAML. Grafana would put in an interval.
as_rules() {
	jq '[.. | .expr? // empty | gsub("[$]__[a-z_]+"; "1m")] | to_entries |
		{ groups: [{ name: "dashboard", rules: map({ record: "panel:\(.key)", expr: .value }) }] }' "$1"
}
as_rules "$FILES/mpgate-dashboard.json" >"$TMP/dashboard.yaml"
check "the dashboard is JSON, with many panels" jq -e '.groups[].rules | length > 10' "$TMP/dashboard.yaml"
check "what they ask for can be asked" promtool check rules "$TMP/dashboard.yaml"
# With a finding and a quota, so that all series are there.
sed -i "s/path: b }/path: b, quota-mib: 1000 }\n  - { name: away, role: path }/" "$TMP/gw.yaml"
check "a path has a quota, another one is away" ctl gw reload
check "which is found" finds gw link-absent away
scrape() { on "$1" curl -sS --max-time 5 "http://$2:9803/metrics" >"$TMP/$3.prom"; }
check "a scrape of the gateway" scrape "$GATEWAY" 127.0.0.1 gw
check "and of the hub, over IPv6" scrape "$HUB" '[::1]' hub
for end in gw hub; do
	promtool check metrics <"$TMP/$end.prom" >"$TMP/lint" 2>&1
	# 3: it would name or measure something another way.
	check "$end: promtool can read it" eval "[ $? -eq 0 -o $? -eq 3 ]"
done
# What is asked for, by name, and by label where its value is written out.
asked() { cat "$FILES/mpgate-alerts.yaml" "$FILES/mpgate-dashboard.json" | grep -oE "$1" | sort -u; }
missing() {
	local name
	for name in $(asked 'mpgate_[a-z_]+'); do
		grep -qE "^# TYPE $name " "$TMP/$1.prom" || echo "$name"
	done
	for name in $(asked '[a-z]+=\\?"[a-z-]+' | tr -d "\\\\" | grep -v '^job='); do
		grep -qF "$name\"" "$TMP/$1.prom" || echo "$name"
	done
}
for end in gw hub; do
	is "$(missing $end)" "" "$end: all that is asked for is there"
done
# Each rule and each panel in a line: its labels, in selectors, in `by` and in texts, have to be those of its series, at one of
# both ends. Prometheus itself adds instance and job.
uses() {
	tr '\n' ' ' <"$FILES/mpgate-alerts.yaml" | sed 's/- alert:/\n/g'
	echo
	jq -r '.panels[] | [.targets[] | .expr, .legendFormat] | join(" ")' "$FILES/mpgate-dashboard.json"
}
names_in() { grep -oE 'mpgate_[a-z_]+' <<<"$1" | sort -u; }
labels_in() {
	grep -oE '(\$labels\.|\{\{)[a-z_]+|[a-z_]+(=|!=|=~|!~)"|(by|on|without|ignoring) \([^)]*\)' <<<"$1" |
		sed -E 's/^(by|on|without|ignoring) //; s/\$labels//' | grep -oE '[a-z_]+' | grep -vxE 'instance|job' | sort -u
}
odd_labels() {
	local line name label
	while read -r line; do
		for name in $(names_in "$line"); do
			for label in $(labels_in "$line"); do
				grep -qE "^$name\{(.*,)?$label=\"" "$TMP"/{gw,hub}.prom || echo "$name has no $label"
			done
		done
	done
}
is "$(uses | odd_labels)" "" "series have the labels that are asked for"
is "$(echo 'mpgate_peer_up{a="b"} by (c) {{d}} $labels.e, {{peer}}' | odd_labels | grep -c 'has no [a-e]$')" 4 "others would be found"
done_testing
