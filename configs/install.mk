# SPDX-License-Identifier: GPL-2.0-or-later
#
# make install, uninstall: below DESTDIR; PREFIX, and UNITDIR for systemd's unit, as configure scripts have them;
# ZSH_COMPLETION: where zsh looks.
# make deb: Debian packages in $(BUILD)/deb, from what git knows of the tree, with configs/debian as debian/.
# make deb-check: tests/deb.sh.

PREFIX ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
INSTALL ?= install
SHARE := $(PREFIX)/share
EXAMPLES := $(SHARE)/doc/mpgate/examples
COMPLETION := $(SHARE)/bash-completion/completions
ZSH_COMPLETION ?= $(SHARE)/zsh/site-functions
FISH_COMPLETION := $(SHARE)/fish/vendor_completions.d
VERSION := $(shell sed -n 's/.*MPGATE_VERSION "\(.*\)"/\1/p' user/lib/version.h)

.PHONY: install uninstall deb deb-check

# The unit and the completion take the names that their readers look for.
install: all
	$(INSTALL) -d $(addprefix $(DESTDIR),$(UNITDIR) $(COMPLETION) /etc/mpgate)
	$(INSTALL) -D -t $(DESTDIR)$(PREFIX)/sbin $(BUILD)/mpgated $(BUILD)/mpgatectl
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHARE)/man/man8 docs/*.8
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHARE)/man/man5 docs/*.5
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(EXAMPLES) configs/*.yaml
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(EXAMPLES)/dhcp configs/dhcp/*
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(EXAMPLES)/wireshark configs/wireshark/*
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(EXAMPLES)/prometheus configs/prometheus/*
	$(INSTALL) -D -m 644 configs/mpgate.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/mpgate.conf
	$(INSTALL) -D -m 644 configs/mpgate.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/mpgate.conf
	$(INSTALL) -m 644 configs/mpgatectl.bash-completion $(DESTDIR)$(COMPLETION)/mpgatectl
	$(INSTALL) -D -m 644 configs/mpgatectl.zsh-completion $(DESTDIR)$(ZSH_COMPLETION)/_mpgatectl
	$(INSTALL) -D -m 644 configs/mpgatectl.fish-completion $(DESTDIR)$(FISH_COMPLETION)/mpgatectl.fish
	sed 's,/usr/sbin/,$(PREFIX)/sbin/,' configs/mpgated@.service >$(DESTDIR)$(UNITDIR)/mpgated@.service
	chmod 644 $(DESTDIR)$(UNITDIR)/mpgated@.service

# Configurations and keys stay.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,sbin/mpgated sbin/mpgatectl lib/sysusers.d/mpgate.conf lib/tmpfiles.d/mpgate.conf) \
		$(patsubst docs/%,$(DESTDIR)$(SHARE)/man/man8/%,$(wildcard docs/*.8)) \
		$(patsubst docs/%,$(DESTDIR)$(SHARE)/man/man5/%,$(wildcard docs/*.5)) \
		$(addprefix $(DESTDIR),$(COMPLETION)/mpgatectl $(ZSH_COMPLETION)/_mpgatectl $(FISH_COMPLETION)/mpgatectl.fish) \
		$(DESTDIR)$(UNITDIR)/mpgated@.service
	rm -rf $(DESTDIR)$(EXAMPLES)
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(SHARE)/doc/mpgate $(DESTDIR)/etc/mpgate

# What was given to this make is not for the one that builds the packages.
deb:
	DEPS=$(DEPS) tests/net/deps.sh build deb
	rm -rf $(BUILD)/deb
	mkdir -p $(BUILD)/deb/mpgate-$(VERSION)
	git ls-files -z | xargs -0 cp -P --parents -t $(BUILD)/deb/mpgate-$(VERSION)
	cp -r configs/debian $(BUILD)/deb/mpgate-$(VERSION)/
	cd $(BUILD)/deb/mpgate-$(VERSION) && env -u MAKEFLAGS -u MFLAGS -u DEPS dpkg-buildpackage --build=binary -us -uc

deb-check: deb
	tests/deb.sh $(BUILD)/deb
