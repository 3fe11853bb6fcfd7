# SPDX-License-Identifier: GPL-2.0-or-later
# All but main.c goes into one library, so that tests link the real objects.
noinst_LIBRARIES += src/libbkp.a
src_libbkp_a_SOURCES = \
	src/attr.h src/missing.h \
	src/err.c src/err.h \
	src/secret.c src/secret.h \
	src/clock.c src/clock.h \
	src/nowait.c src/nowait.h \
	src/log.c src/log.h \
	src/num.c src/num.h \
	src/io.c src/io.h \
	src/mode.c src/mode.h \
	src/rec.c src/rec.h \
	src/frame.c src/frame.h \
	src/meter.c src/meter.h \
	src/status.c src/status.h \
	src/stop.c src/stop.h \
	src/stats.c src/stats.h \
	src/child.c src/child.h \
	src/command_group.c src/command_group.h \
	src/command_log.c src/command_log.h \
	src/greet.c src/greet.h \
	src/stream.c src/stream.h \
	src/key.c src/key.h \
	src/key_text.c src/key_text.h \
	src/preface.c src/preface.h \
	src/net_source.c src/net_source.h \
	src/crowd.c src/crowd.h \
	src/guess.c src/guess.h \
	src/retry.c src/retry.h \
	src/stuck.c src/stuck.h \
	src/ask.c src/ask.h \
	src/pake.c src/pake.h \
	src/pass.c src/pass.h \
	src/keys.c src/keys.h \
	src/peek.c src/peek.h \
	src/keep.c src/keep.h \
	src/opt.c src/opt.h \
	src/tcp_options.c src/tcp_options.h \
	src/net.c src/net.h \
	src/resolve.c src/resolve.h \
	src/ktls.c src/ktls.h \
	src/diag.c src/diag.h \
	src/cert.c src/cert.h \
	src/cred.c src/cred.h \
	src/wire.c src/wire.h \
	src/plain.c src/plain.h \
	src/seal.c src/seal.h \
	src/host.c src/host.h \
	src/bulk.c src/bulk.h \
	src/tls.c src/tls.h \
	src/chan.c src/chan.h \
	src/input.c src/input.h \
	src/store.h \
	src/store_mem.c src/store_mem.h \
	src/store_pipe.c src/store_pipe.h \
	src/store_file.c src/store_file.h \
	src/sink.c src/sink.h \
	src/pace.c src/pace.h \
	src/read_ahead.c src/read_ahead.h \
	src/sender.c src/sender.h \
	src/receiver.c src/receiver.h \
	src/door.c src/door.h \
	src/link.c src/link.h \
	src/link_dial.c src/link_dial.h \
	src/link_door.c src/link_door.h \
	src/probe.c src/probe.h \
	src/setup.c src/setup.h \
	src/cmd.h \
	src/cmd_connect.c \
	src/cmd_listen.c \
	src/cmd_keygen.c \
	src/cmd_probe.c

bin_PROGRAMS += src/btrfs-ktls-pipe
src_btrfs_ktls_pipe_SOURCES = src/main.c
src_btrfs_ktls_pipe_LDADD = src/libbkp.a $(GNUTLS_LIBS) $(MNL_LIBS) \
	$(SODIUM_LIBS)
EXTRA_DIST += src/LAYERS
