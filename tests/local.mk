# SPDX-License-Identifier: GPL-2.0-or-later
# Tools that the tests need; their deadlines, damages and terminals.
check_PROGRAMS += \
	tests/tools/cost \
	tests/tools/deadline \
	tests/tools/findkey \
	tests/tools/flood \
	tests/tools/json \
	tests/tools/liar \
	tests/tools/manager \
	tests/tools/mutate \
	tests/tools/nonblock \
	tests/tools/onfd \
	tests/tools/peer \
	tests/tools/prompt \
	tests/tools/records \
	tests/tools/refuse \
	tests/tools/relay \
	tests/tools/thief \
	tests/tools/tinywrites \
	tests/tools/tries \
	tests/tools/undumpable \
	tests/tools/untilend

bats_tests = \
	tests/e2e/harness/helpers.bats \
	tests/e2e/cli/cli.bats \
	tests/e2e/cli/completion.bats \
	tests/e2e/cli/hardening.bats \
	tests/e2e/cli/key.bats \
	tests/e2e/cli/key_list.bats \
	tests/e2e/cli/addresses.bats \
	tests/e2e/cli/probe.bats \
	tests/e2e/tls/handshake.bats \
	tests/e2e/stream/transfer.bats \
	tests/e2e/stream/stdio.bats \
	tests/e2e/stream/truncation.bats \
	tests/e2e/kernel/ktls_path.bats \
	tests/e2e/tls/interop.bats \
	tests/e2e/stream/btrfs.bats

if HAVE_BATS
TESTS += $(bats_tests)
endif
EXTRA_DIST += $(bats_tests) tests/lib/assert.bash tests/lib/helpers.bash
EXTRA_DIST += tests/lib/machine.bash tests/lib/peers.bash

# These take minutes: scripts/test runs them, make check does not.
EXTRA_DIST += \
	tests/lib/cable.bash \
	tests/e2e/tls/certificates.bats \
	tests/lib/certs.bash \
	tests/lib/chaos.bash \
	tests/lib/confine.bash \
	tests/e2e/stream/chaos.bats \
	tests/e2e/stream/command.bats \
	tests/lib/delivery.bash \
	tests/lib/keys.bash \
	tests/e2e/stream/delivery.bats \
	tests/e2e/stream/environments.bats \
	tests/lib/forms.bash \
	tests/e2e/conn/dial.bats \
	tests/e2e/cli/confine.bats \
	tests/e2e/cli/exit_codes.bats \
	tests/e2e/listener/keep.bats \
	tests/e2e/stream/fuse.bats \
	tests/e2e/stream/kills.bats \
	tests/e2e/stream/lies.bats \
	tests/e2e/listener/listener.bats \
	tests/e2e/stream/matrix.bats \
	tests/e2e/stream/output.bats \
	tests/e2e/stream/power.bats \
	tests/e2e/stream/pull.bats \
	tests/e2e/cli/messages.bats \
	tests/e2e/conn/network.bats \
	tests/e2e/tls/password.bats \
	tests/e2e/listener/hostile_peers.bats \
	tests/e2e/cli/progress.bats \
	tests/e2e/stream/refused.bats \
	tests/e2e/stream/restart_btrfs.bats \
	tests/e2e/stream/resume.bats \
	tests/lib/sshd.bash \
	tests/lib/netns.bash \
	tests/e2e/ssh/btrbk.bats \
	tests/e2e/ssh/forced.bats \
	tests/e2e/ssh/ssh.bats \
	tests/e2e/ssh/ssh_confine.bats \
	tests/e2e/ssh/ssh_faults.bats \
	tests/e2e/ssh/ssh_name.bats \
	tests/e2e/ssh/ssh_network.bats \
	tests/e2e/ssh/ssh_ways.bats \
	tests/e2e/stream/restart.bats \
	tests/e2e/stream/rekey.bats \
	tests/e2e/conn/tcp.bats \
	tests/e2e/stream/timeouts.bats \
	tests/lib/booted.bash \
	tests/lib/snapshot.bash \
	tests/e2e/listener/booted.bats \
	tests/e2e/listener/service.bats \
	tests/e2e/listener/units.bats

# Unit tests: the real objects; what they call is replaced by the linker.
unit_tests = \
	tests/unit/test_alert \
	tests/unit/test_x509 \
	tests/unit/test_command \
	tests/unit/test_clock \
	tests/unit/test_confine \
	tests/unit/test_command_log \
	tests/unit/test_record_layer \
	tests/unit/test_crowd \
	tests/unit/test_sock_diag \
	tests/unit/test_err \
	tests/unit/test_frame \
	tests/unit/test_rate_limit \
	tests/unit/test_rekey \
	tests/unit/test_retry \
	tests/unit/test_stuck \
	tests/unit/test_served \
	tests/unit/test_ssh_answer \
	tests/unit/test_ssh_args \
	tests/unit/test_ssh_defaults \
	tests/unit/test_ssh_name \
	tests/unit/test_ssh_net \
	tests/unit/test_ssh_request \
	tests/unit/test_host_id \
	tests/unit/test_input \
	tests/unit/test_io \
	tests/unit/test_key \
	tests/unit/test_key_schedule \
	tests/unit/test_key_list \
	tests/unit/test_ktls \
	tests/unit/test_launcher \
	tests/unit/test_log \
	tests/unit/test_rate \
	tests/unit/test_mode \
	tests/unit/test_net \
	tests/unit/test_notify \
	tests/unit/test_nowait \
	tests/unit/test_order \
	tests/unit/test_parse \
	tests/unit/test_pass \
	tests/unit/test_options \
	tests/unit/test_pace \
	tests/unit/test_password_message \
	tests/unit/test_read_ahead \
	tests/unit/test_record \
	tests/unit/test_receiver \
	tests/unit/test_resolve \
	tests/unit/test_greeting_model \
	tests/unit/test_pull_model \
	tests/unit/test_restart_model \
	tests/unit/test_resume_model \
	tests/unit/test_aead \
	tests/unit/test_secret \
	tests/unit/test_sender \
	tests/unit/test_output \
	tests/unit/test_resend_file \
	tests/unit/test_resend_memory \
	tests/unit/test_resend_pipes \
	tests/unit/test_tls

if SODIUM
unit_tests += tests/unit/test_cpace tests/unit/test_password_exchange
endif
if XXHASH
unit_tests += tests/unit/test_digest
endif

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
EXTRA_DIST += tests/unit/bytes.h tests/unit/loopback.h tests/unit/model.h \
	tests/unit/model_rules.h \
	tests/unit/pair.h tests/unit/tap.h tests/unit/terminal.h tests/unit/wrap.h \
	tests/tools/listener.h tests/tools/tls_client.h \
	tests/tools/guest-aes-gcm.c tests/tools/guest-xstate.c

# Link-time optimisation binds calls before --wrap can: here it is turned off.
if LTO
check_LIBRARIES += tests/unit/libtested.a
tests_unit_libtested_a_SOURCES = $(src_libbkp_a_SOURCES)
tests_unit_libtested_a_CFLAGS = $(AM_CFLAGS)
unit_objects = $(unit_tests:%=%.$(OBJEXT)) $(tests_unit_libtested_a_OBJECTS)
$(unit_objects) $(unit_tests): override CFLAGS += -fno-lto
tested = tests/unit/libtested.a
else
tested = src/libbkp.a
endif

unit_libs = $(tested) $(GNUTLS_LIBS) $(MNL_LIBS) $(SODIUM_LIBS) \
	$(SECCOMP_LIBS) $(XXHASH_LIBS)
tests_tools_liar_SOURCES = tests/tools/liar.c src/main.c
tests_tools_liar_LDADD = $(unit_libs)
tests_tools_mutate_LDADD = $(unit_libs)
tests_tools_records_LDADD = $(unit_libs)
tests_tools_thief_LDADD = $(unit_libs)
tests_unit_test_alert_LDADD = $(unit_libs)
tests_unit_test_x509_LDADD = $(unit_libs)
tests_unit_test_command_LDADD = $(unit_libs)
tests_unit_test_clock_LDADD = $(unit_libs)
tests_unit_test_confine_LDADD = $(unit_libs)
tests_unit_test_order_LDADD = $(unit_libs)
tests_unit_test_command_log_LDADD = $(unit_libs)
tests_unit_test_record_layer_LDADD = $(unit_libs)
tests_unit_test_crowd_LDADD = $(unit_libs)
tests_unit_test_sock_diag_LDADD = $(unit_libs)
tests_unit_test_digest_LDADD = $(unit_libs)
tests_unit_test_err_LDADD = $(unit_libs)
tests_unit_test_frame_LDADD = $(unit_libs)
tests_unit_test_rate_limit_LDADD = $(unit_libs)
tests_unit_test_rekey_LDADD = $(unit_libs)
tests_unit_test_retry_LDADD = $(unit_libs)
tests_unit_test_stuck_LDADD = $(unit_libs)
tests_unit_test_served_LDADD = $(unit_libs)
tests_unit_test_ssh_answer_LDADD = $(unit_libs)
tests_unit_test_ssh_args_LDADD = $(unit_libs)
tests_unit_test_ssh_defaults_LDADD = $(unit_libs)
tests_unit_test_ssh_name_LDADD = $(unit_libs)
tests_unit_test_ssh_net_LDADD = $(unit_libs)
tests_unit_test_ssh_request_LDADD = $(unit_libs)
tests_unit_test_host_id_LDADD = $(unit_libs)
tests_unit_test_input_LDADD = $(unit_libs)
tests_unit_test_io_LDADD = $(unit_libs)
tests_unit_test_key_LDADD = $(unit_libs)
tests_unit_test_key_schedule_LDADD = $(unit_libs)
tests_unit_test_key_list_LDADD = $(unit_libs)
tests_unit_test_ktls_LDADD = $(unit_libs)
tests_unit_test_launcher_LDADD = $(unit_libs)
tests_unit_test_log_LDADD = $(unit_libs)
tests_unit_test_rate_LDADD = $(unit_libs)
tests_unit_test_mode_LDADD = $(unit_libs)
tests_unit_test_net_LDADD = $(unit_libs)
tests_unit_test_notify_LDADD = $(unit_libs)
tests_unit_test_nowait_LDADD = $(unit_libs)
tests_unit_test_parse_LDADD = $(unit_libs)
tests_unit_test_pass_LDADD = $(unit_libs)
tests_unit_test_options_LDADD = $(unit_libs)
tests_unit_test_cpace_LDADD = $(unit_libs)
tests_unit_test_password_exchange_LDADD = $(unit_libs)
tests_unit_test_pace_LDADD = $(unit_libs)
tests_unit_test_password_message_LDADD = $(unit_libs)
tests_unit_test_read_ahead_LDADD = $(unit_libs)
tests_unit_test_record_LDADD = $(unit_libs)
tests_unit_test_receiver_LDADD = $(unit_libs)
tests_unit_test_resolve_LDADD = $(unit_libs)
tests_unit_test_greeting_model_LDADD = $(unit_libs)
tests_unit_test_pull_model_LDADD = $(unit_libs)
tests_unit_test_restart_model_LDADD = $(unit_libs)
tests_unit_test_resume_model_LDADD = $(unit_libs)
tests_unit_test_aead_LDADD = $(unit_libs)
tests_unit_test_secret_LDADD = $(unit_libs)
tests_unit_test_sender_LDADD = $(unit_libs)
tests_unit_test_output_LDADD = $(unit_libs)
tests_unit_test_resend_file_LDADD = $(unit_libs)
tests_unit_test_resend_memory_LDADD = $(unit_libs)
tests_unit_test_resend_pipes_LDADD = $(unit_libs)
tests_unit_test_tls_LDADD = $(unit_libs)

tests_tools_liar_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=frame_encode
tests_unit_test_clock_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=clock_gettime -Wl,--wrap=__clock_gettime64
tests_unit_test_order_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_deadline \
	-Wl,--wrap=rights_recv
tests_unit_test_served_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=order_signal \
	-Wl,--wrap=clock_gettime -Wl,--wrap=__clock_gettime64
tests_unit_test_ssh_name_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=clock_deadline -Wl,--wrap=flock
tests_unit_test_sock_diag_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=mnl_socket_open2 \
	-Wl,--wrap=mnl_socket_bind \
	-Wl,--wrap=mnl_socket_get_portid \
	-Wl,--wrap=mnl_socket_sendto \
	-Wl,--wrap=mnl_socket_recvfrom \
	-Wl,--wrap=mnl_socket_close
tests_unit_test_command_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fork -Wl,--wrap=opendir
tests_unit_test_input_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=io_reopen_nonblocking
tests_unit_test_io_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fcntl -Wl,--wrap=fcntl64 -Wl,--wrap=__fcntl_time64 \
	-Wl,--wrap=read -Wl,--wrap=write \
	-Wl,--wrap=getrandom -Wl,--wrap=syscall
tests_unit_test_ktls_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=setsockopt -Wl,--wrap=getsockopt -Wl,--wrap=splice \
	-Wl,--wrap=sendmsg -Wl,--wrap=recvmsg \
	-Wl,--wrap=__setsockopt64 -Wl,--wrap=__getsockopt64 \
	-Wl,--wrap=__sendmsg64 -Wl,--wrap=__recvmsg64
tests_unit_test_net_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getpeername
tests_unit_test_password_exchange_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=credential_new_password
tests_unit_test_receiver_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=connection_abort \
	-Wl,--wrap=connection_lost -Wl,--wrap=mmap -Wl,--wrap=mmap64 -Wl,--wrap=pipe2 \
	-Wl,--wrap=connection_end \
	-Wl,--wrap=connection_in_kernel -Wl,--wrap=connection_pending -Wl,--wrap=connection_recv \
	-Wl,--wrap=connection_send_frame -Wl,--wrap=connection_splice_to \
	-Wl,--wrap=command_close_pipe -Wl,--wrap=io_grow_pipe \
	-Wl,--wrap=command_ended -Wl,--wrap=command_status_fd \
	-Wl,--wrap=session_run -Wl,--wrap=session_check_rekey -Wl,--wrap=output_unread
tests_unit_test_resolve_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=getaddrinfo -Wl,--wrap=freeaddrinfo -Wl,--wrap=fork
tests_unit_test_secret_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=secret_wipe -Wl,--wrap=secret_wipe_traffic
tests_unit_test_sender_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=record_layer_recv \
	-Wl,--wrap=record_layer_in_kernel -Wl,--wrap=record_layer_pending \
	-Wl,--wrap=record_layer_flush -Wl,--wrap=record_layer_records \
	-Wl,--wrap=record_layer_alert -Wl,--wrap=record_layer_violated \
	-Wl,--wrap=record_layer_last_alert -Wl,--wrap=record_layer_free \
	-Wl,--wrap=session_run
tests_unit_test_tls_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=sendmsg -Wl,--wrap=__sendmsg64
tests_unit_test_output_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=io_reopen_nonblocking -Wl,--wrap=fdatasync -Wl,--wrap=fork \
	-Wl,--wrap=dup -Wl,--wrap=close -Wl,--wrap=io_write
tests_unit_test_resend_file_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=connection_in_kernel \
	-Wl,--wrap=connection_send -Wl,--wrap=connection_sendfile
tests_unit_test_resend_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=connection_send
tests_unit_test_resend_pipes_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=connection_in_kernel \
	-Wl,--wrap=connection_send -Wl,--wrap=connection_splice_from

# Fuzz targets, and all sources once more, as libFuzzer wants them.
EXTRA_DIST += tests/fuzz/run tests/fuzz/corpus

if FUZZING
fuzz_targets = tests/fuzz/fuzz_x509 tests/fuzz/fuzz_frame \
	tests/fuzz/fuzz_key tests/fuzz/fuzz_key_list tests/fuzz/fuzz_order \
	tests/fuzz/fuzz_password_message tests/fuzz/fuzz_record \
	tests/fuzz/fuzz_ssh_answer tests/fuzz/fuzz_ssh_request
check_PROGRAMS += $(fuzz_targets)
check_LIBRARIES += tests/fuzz/libfuzzed.a
TESTS += tests/fuzz/run

fuzz_cflags = $(AM_CFLAGS) -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer,address,undefined
fuzz_libs = tests/fuzz/libfuzzed.a $(GNUTLS_LIBS) $(MNL_LIBS) $(SODIUM_LIBS) \
	$(SECCOMP_LIBS) $(XXHASH_LIBS)

tests_fuzz_libfuzzed_a_SOURCES = $(src_libbkp_a_SOURCES)
tests_fuzz_libfuzzed_a_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_x509_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_x509_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_x509_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_frame_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_frame_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frame_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_key_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_key_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_key_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_key_list_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_key_list_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_key_list_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_password_message_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_password_message_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_password_message_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_order_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_order_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_order_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_record_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_record_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_ssh_answer_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_ssh_answer_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_ssh_answer_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_ssh_request_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_ssh_request_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_ssh_request_LDADD = $(fuzz_libs)
endif
