# SPDX-License-Identifier: GPL-2.0-or-later
# All but main.c goes into one library, so that tests link the real objects.
noinst_LIBRARIES += src/libbkp.a
src_libbkp_a_SOURCES = \
	src/base/attr.h \
	src/base/clock.c src/base/clock.h \
	src/base/missing.h \
	src/base/net_source.c src/base/net_source.h \
	src/base/err.c src/base/err.h \
	src/base/nowait.c src/base/nowait.h \
	src/base/secret.c src/base/secret.h \
	src/base/io.c src/base/io.h \
	src/base/log.c src/base/log.h \
	src/base/num.c src/base/num.h \
	src/base/stop.c src/base/stop.h \
	src/proto/frame.c src/proto/frame.h \
	src/proto/preface.c src/proto/preface.h \
	src/proto/rec.c src/proto/rec.h \
	src/auth/ask.c src/auth/ask.h \
	src/auth/cert.c src/auth/cert.h \
	src/auth/guess.c src/auth/guess.h \
	src/auth/key_text.c src/auth/key_text.h \
	src/auth/pake.c src/auth/pake.h \
	src/auth/key.c src/auth/key.h \
	src/auth/keys.c src/auth/keys.h \
	src/auth/cred.c src/auth/cred.h \
	src/auth/pass.c src/auth/pass.h \
	src/tls/diag.c src/tls/diag.h \
	src/tls/mode.c src/tls/mode.h \
	src/tls/wire.c src/tls/wire.h \
	src/tls/ktls.c src/tls/ktls.h \
	src/tls/plain.c src/tls/plain.h \
	src/tls/seal.c src/tls/seal.h \
	src/tls/bulk.c src/tls/bulk.h \
	src/tls/tls.c src/tls/tls.h \
	src/conn/crowd.c src/conn/crowd.h \
	src/conn/greet.c src/conn/greet.h \
	src/conn/host.c src/conn/host.h \
	src/conn/peek.c src/conn/peek.h \
	src/conn/retry.c src/conn/retry.h \
	src/conn/stuck.c src/conn/stuck.h \
	src/conn/tcp_options.c src/conn/tcp_options.h \
	src/conn/net.c src/conn/net.h \
	src/conn/chan.c src/conn/chan.h \
	src/conn/resolve.c src/conn/resolve.h \
	src/conn/door.c src/conn/door.h \
	src/conn/link.c src/conn/link.h \
	src/conn/link_dial.c src/conn/link_dial.h \
	src/conn/link_door.c src/conn/link_door.h \
	src/stream/command_group.c src/stream/command_group.h \
	src/stream/command_log.c src/stream/command_log.h \
	src/stream/input.c src/stream/input.h \
	src/stream/meter.c src/stream/meter.h \
	src/stream/pace.c src/stream/pace.h \
	src/stream/read_ahead.c src/stream/read_ahead.h \
	src/stream/sink.c src/stream/sink.h \
	src/stream/stats.c src/stream/stats.h \
	src/stream/child.c src/stream/child.h \
	src/stream/status.c src/stream/status.h \
	src/stream/store.h \
	src/stream/receiver.c src/stream/receiver.h \
	src/stream/sender.c src/stream/sender.h \
	src/stream/store_file.c src/stream/store_file.h \
	src/stream/store_mem.c src/stream/store_mem.h \
	src/stream/store_pipe.c src/stream/store_pipe.h \
	src/stream/stream.c src/stream/stream.h \
	src/cli/opt.c src/cli/opt.h \
	src/cli/probe.c src/cli/probe.h \
	src/cli/cmd.h \
	src/cli/setup.c src/cli/setup.h \
	src/cli/cmd_connect.c \
	src/cli/cmd_keygen.c \
	src/cli/cmd_probe.c \
	src/cli/keep.c src/cli/keep.h \
	src/cli/cmd_listen.c

bin_PROGRAMS += src/btrfs-ktls-pipe
src_btrfs_ktls_pipe_SOURCES = src/main.c
src_btrfs_ktls_pipe_LDADD = src/libbkp.a $(GNUTLS_LIBS) $(MNL_LIBS) \
	$(SODIUM_LIBS)
EXTRA_DIST += src/LAYERS
