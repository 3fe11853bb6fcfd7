# SPDX-License-Identifier: GPL-2.0-or-later
# All but main.c goes into one library, so that tests link the real objects.
noinst_LIBRARIES += src/libbkp.a
src_libbkp_a_SOURCES = \
	src/base/cleanup.h \
	src/base/clock.c src/base/clock.h \
	src/base/compat.h \
	src/base/net_address.c src/base/net_address.h \
	src/base/err.c src/base/err.h \
	src/base/rights.c src/base/rights.h \
	src/base/secret.c src/base/secret.h \
	src/base/confine_calls.c src/base/confine_calls.h \
	src/base/order.c src/base/order.h \
	src/base/confine.c src/base/confine.h \
	src/base/io.c src/base/io.h \
	src/base/parse.c src/base/parse.h \
	src/base/nowait.c src/base/nowait.h \
	src/base/log.c src/base/log.h \
	src/base/notify.c src/base/notify.h \
	src/base/signals.c src/base/signals.h \
	src/proto/frame.c src/proto/frame.h \
	src/proto/password_message.c src/proto/password_message.h \
	src/proto/record.c src/proto/record.h \
	src/auth/cpace.c src/auth/cpace.h \
	src/auth/key_text.c src/auth/key_text.h \
	src/auth/prompt.c src/auth/prompt.h \
	src/auth/rate_limit.c src/auth/rate_limit.h \
	src/auth/key.c src/auth/key.h \
	src/auth/x509.c src/auth/x509.h \
	src/auth/key_list.c src/auth/key_list.h \
	src/auth/credential.c src/auth/credential.h \
	src/auth/password_exchange.c src/auth/password_exchange.h \
	src/tls/alert.c src/tls/alert.h \
	src/tls/incoming.c src/tls/incoming.h \
	src/tls/mode.c src/tls/mode.h \
	src/tls/sock_diag.c src/tls/sock_diag.h \
	src/tls/aead.c src/tls/aead.h \
	src/tls/key_schedule.c src/tls/key_schedule.h \
	src/tls/ktls.c src/tls/ktls.h \
	src/tls/records.c src/tls/records.h \
	src/tls/tls.c src/tls/tls.h \
	src/tls/record_layer.c src/tls/record_layer.h \
	src/conn/crowd.c src/conn/crowd.h \
	src/conn/digest.c src/conn/digest.h \
	src/conn/hello.c src/conn/hello.h \
	src/conn/host_id.c src/conn/host_id.h \
	src/conn/rekey.c src/conn/rekey.h \
	src/conn/retry.c src/conn/retry.h \
	src/conn/stream_name.c src/conn/stream_name.h \
	src/conn/stuck.c src/conn/stuck.h \
	src/conn/tcp_options.c src/conn/tcp_options.h \
	src/conn/net.c src/conn/net.h \
	src/conn/activation.c src/conn/activation.h \
	src/conn/connection.c src/conn/connection.h \
	src/conn/resolve.c src/conn/resolve.h \
	src/conn/session.c src/conn/session.h \
	src/conn/pending.c src/conn/pending.h \
	src/conn/acceptor.c src/conn/acceptor.h \
	src/conn/client.c src/conn/client.h \
	src/conn/client_greeting.c \
	src/conn/pass.c src/conn/pass.h \
	src/conn/client_handshake.c \
	src/conn/session_server.c src/conn/session_server.h \
	src/conn/client_dial.c \
	src/conn/session_client.c src/conn/session_client.h \
	src/stream/command_group.c src/stream/command_group.h \
	src/stream/command_log.c src/stream/command_log.h \
	src/stream/durable.c src/stream/durable.h \
	src/stream/input.c src/stream/input.h \
	src/stream/pace.c src/stream/pace.h \
	src/stream/rate.c src/stream/rate.h \
	src/stream/read_ahead.c src/stream/read_ahead.h \
	src/stream/stats.c src/stream/stats.h \
	src/stream/part_file.c src/stream/part_file.h \
	src/stream/output.c src/stream/output.h \
	src/stream/progress.c src/stream/progress.h \
	src/stream/resend_buffer.h \
	src/stream/supervisor.c src/stream/supervisor.h \
	src/stream/command.c src/stream/command.h \
	src/stream/comparison.c src/stream/comparison.h \
	src/stream/receiver.c src/stream/receiver.h \
	src/stream/resend_file.c \
	src/stream/resend_memory.c \
	src/stream/sender.h \
	src/stream/receiver_transfer.c \
	src/stream/resend_pipes.c \
	src/stream/sender_input.c \
	src/stream/sender_send.c \
	src/stream/receiver_run.c \
	src/stream/sender_hear.c \
	src/stream/sender_run.c \
	src/stream/stream.c src/stream/stream.h \
	src/cli/host_port.c src/cli/host_port.h \
	src/cli/ssh_answer.c src/cli/ssh_answer.h \
	src/cli/ssh_args.c src/cli/ssh_args.h \
	src/cli/ssh_defaults.c src/cli/ssh_defaults.h \
	src/cli/ssh_folder.c src/cli/ssh_folder.h \
	src/cli/ssh_net.c src/cli/ssh_net.h \
	src/cli/ssh_relay.c src/cli/ssh_relay.h \
	src/cli/options.c src/cli/options.h \
	src/cli/ssh_process.c src/cli/ssh_process.h \
	src/cli/ssh_request.c src/cli/ssh_request.h \
	src/cli/options_table.c src/cli/options_table.h \
	src/cli/options_check.c \
	src/cli/options_help.c \
	src/cli/options_parse.c \
	src/cli/cmd.h \
	src/cli/launcher.c src/cli/launcher.h \
	src/cli/served.c src/cli/served.h \
	src/cli/setup.c src/cli/setup.h \
	src/cli/ssh_name.c src/cli/ssh_name.h \
	src/cli/cmd_connect.c \
	src/cli/cmd_probe.c \
	src/cli/cmd_ssh.c \
	src/cli/cmd_ssh_server.c \
	src/cli/serve_status.c src/cli/serve_status.h \
	src/cli/serve.c src/cli/serve.h \
	src/cli/cmd_listen.c

bin_PROGRAMS += src/btrfs-ktls-pipe
src_btrfs_ktls_pipe_SOURCES = src/main.c
src_btrfs_ktls_pipe_LDADD = src/libbkp.a $(GNUTLS_LIBS) $(MNL_LIBS) \
	$(SODIUM_LIBS) $(SECCOMP_LIBS) $(XXHASH_LIBS)
EXTRA_DIST += src/LAYERS
