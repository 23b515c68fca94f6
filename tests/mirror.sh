# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# To be sourced.

# The Debian mirror that this machine's own suite comes from; fails where apt's sources name none.
mirror() {
	local codename
	codename=$(sed -n s/^VERSION_CODENAME=//p /etc/os-release)
	# shellcheck disable=SC2016 # apt expands $(...) of its format itself
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN) $(COMPONENT)' 'Identifier: Packages' |
		awk -v c="$codename" '$2 == c && $3 == "Debian" && $4 == "main" && !found { print $1; found = 1 } END { exit !found }'
}
