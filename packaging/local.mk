# SPDX-License-Identifier: GPL-2.0-or-later
# What others look for: units, completion, firewalls; and packages.
systemdunit_DATA = \
	packaging/systemd/btrfs-ktls-pipe-pull@.service \
	packaging/systemd/btrfs-ktls-pipe-pull@.timer \
	packaging/systemd/btrfs-ktls-pipe.service \
	packaging/systemd/btrfs-ktls-pipe.socket
sysusers_DATA = packaging/systemd/sysusers.d/btrfs-ktls-pipe.conf
tmpfiles_DATA = packaging/systemd/tmpfiles.d/btrfs-ktls-pipe.conf
modulesload_DATA = packaging/systemd/modules-load.d/btrfs-ktls-pipe.conf
bashcompletion_DATA = packaging/completion/bash/btrfs-ktls-pipe
zshcompletion_DATA = packaging/completion/zsh/_btrfs-ktls-pipe
fishcompletion_DATA = packaging/completion/fish/btrfs-ktls-pipe.fish
firewalld_DATA = packaging/firewall/firewalld/btrfs-ktls-pipe.xml
ufw_DATA = packaging/firewall/ufw/btrfs-ktls-pipe
examplesdir = $(docdir)/examples
examples_DATA = \
	packaging/examples/laptop-backup.service \
	packaging/examples/listen.conf \
	packaging/examples/pull-nas.conf
# Ready to stand in ssh's place: see doc/btrbk.md
btrbkdir = $(pkgdatadir)/btrbk
btrbk_SCRIPTS = packaging/examples/snbk packaging/examples/ssh

# They name the program by its path.
made_with_paths = \
	packaging/examples/laptop-backup.service \
	packaging/systemd/btrfs-ktls-pipe-pull@.service \
	packaging/systemd/btrfs-ktls-pipe.service

$(made_with_paths): Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	sed 's|@bindir[@]|$(bindir)|' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@

packaging/examples/laptop-backup.service: \
	packaging/examples/laptop-backup.service.in
packaging/systemd/btrfs-ktls-pipe-pull@.service: \
	packaging/systemd/btrfs-ktls-pipe-pull@.service.in
packaging/systemd/btrfs-ktls-pipe.service: \
	packaging/systemd/btrfs-ktls-pipe.service.in

CLEANFILES += $(made_with_paths)
EXTRA_DIST += \
	$(made_with_paths:=.in) \
	packaging/alpine \
	packaging/arch \
	packaging/debian \
	packaging/examples/listen.conf \
	packaging/examples/pull-nas.conf \
	packaging/examples/snbk \
	packaging/examples/ssh \
	packaging/rpm \
	packaging/systemd/btrfs-ktls-pipe-pull@.timer \
	packaging/systemd/btrfs-ktls-pipe.socket \
	$(bashcompletion_DATA) \
	$(firewalld_DATA) \
	$(fishcompletion_DATA) \
	$(modulesload_DATA) \
	$(sysusers_DATA) \
	$(tmpfiles_DATA) \
	$(ufw_DATA) \
	$(zshcompletion_DATA)
