# SPDX-License-Identifier: GPL-2.0-or-later
# Tools that the tests need; their deadlines, damages and terminals.
check_PROGRAMS += \
	tests/tools/cost \
	tests/tools/deadline \
	tests/tools/findkey \
	tests/tools/flood \
	tests/tools/json \
	tests/tools/nonblock \
	tests/tools/onfd \
	tests/tools/peer \
	tests/tools/prompt \
	tests/tools/records \
	tests/tools/refuse \
	tests/tools/relay \
	tests/tools/thief \
	tests/tools/tinywrites \
	tests/tools/untilend

bats_tests = \
	tests/helpers.bats \
	tests/cli.bats \
	tests/completion.bats \
	tests/hardening.bats \
	tests/key.bats \
	tests/keys.bats \
	tests/addresses.bats \
	tests/probe.bats \
	tests/handshake.bats \
	tests/transfer.bats \
	tests/stdio.bats \
	tests/truncation.bats \
	tests/ktls_path.bats \
	tests/interop.bats \
	tests/btrfs.bats

TESTS += $(bats_tests)
EXTRA_DIST += $(bats_tests) tests/helpers.bash tests/peers.bash

# These take minutes: scripts/test runs them, make check does not.
EXTRA_DIST += \
	tests/cable.bash \
	tests/certificates.bats \
	tests/certs.bash \
	tests/chaos.bash \
	tests/chaos.bats \
	tests/command.bats \
	tests/delivery.bash \
	tests/keys.bash \
	tests/delivery.bats \
	tests/dial.bats \
	tests/exit_codes.bats \
	tests/keep.bats \
	tests/kills.bats \
	tests/listener.bats \
	tests/matrix.bats \
	tests/messages.bats \
	tests/network.bats \
	tests/password.bats \
	tests/probes.bats \
	tests/progress.bats \
	tests/refused.bats \
	tests/resume.bats \
	tests/rotation.bats \
	tests/tcp.bats \
	tests/timeouts.bats \
	tests/units.bats

# Unit tests: the real objects; what they call is replaced by the linker.
unit_tests = \
	tests/unit/test_cert \
	tests/unit/test_child \
	tests/unit/test_clock \
	tests/unit/test_command_log \
	tests/unit/test_crowd \
	tests/unit/test_diag \
	tests/unit/test_err \
	tests/unit/test_frame \
	tests/unit/test_guess \
	tests/unit/test_retry \
	tests/unit/test_stuck \
	tests/unit/test_host \
	tests/unit/test_input \
	tests/unit/test_io \
	tests/unit/test_key \
	tests/unit/test_keys \
	tests/unit/test_ktls \
	tests/unit/test_log \
	tests/unit/test_meter \
	tests/unit/test_mode \
	tests/unit/test_net \
	tests/unit/test_nowait \
	tests/unit/test_num \
	tests/unit/test_opt \
	tests/unit/test_peek \
	tests/unit/test_pace \
	tests/unit/test_plain \
	tests/unit/test_preface \
	tests/unit/test_read_ahead \
	tests/unit/test_rec \
	tests/unit/test_receiver \
	tests/unit/test_resolve \
	tests/unit/test_resume_model \
	tests/unit/test_seal \
	tests/unit/test_secret \
	tests/unit/test_sink \
	tests/unit/test_store_file \
	tests/unit/test_store_mem \
	tests/unit/test_store_pipe \
	tests/unit/test_tls

if SODIUM
unit_tests += tests/unit/test_pake tests/unit/test_pass
endif

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
EXTRA_DIST += tests/unit/bytes.h tests/unit/tap.h tests/unit/wrap.h \
	tests/tools/visitor.h \
	tests/tools/guest-xstate.c

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

unit_libs = $(tested) $(GNUTLS_LIBS) $(MNL_LIBS) $(SODIUM_LIBS)
tests_tools_records_LDADD = $(unit_libs)
tests_tools_thief_LDADD = $(unit_libs)
tests_unit_test_cert_LDADD = $(unit_libs)
tests_unit_test_child_LDADD = $(unit_libs)
tests_unit_test_clock_LDADD = $(unit_libs)
tests_unit_test_command_log_LDADD = $(unit_libs)
tests_unit_test_crowd_LDADD = $(unit_libs)
tests_unit_test_diag_LDADD = $(unit_libs)
tests_unit_test_err_LDADD = $(unit_libs)
tests_unit_test_frame_LDADD = $(unit_libs)
tests_unit_test_guess_LDADD = $(unit_libs)
tests_unit_test_retry_LDADD = $(unit_libs)
tests_unit_test_stuck_LDADD = $(unit_libs)
tests_unit_test_host_LDADD = $(unit_libs)
tests_unit_test_input_LDADD = $(unit_libs)
tests_unit_test_io_LDADD = $(unit_libs)
tests_unit_test_key_LDADD = $(unit_libs)
tests_unit_test_keys_LDADD = $(unit_libs)
tests_unit_test_ktls_LDADD = $(unit_libs)
tests_unit_test_log_LDADD = $(unit_libs)
tests_unit_test_meter_LDADD = $(unit_libs)
tests_unit_test_mode_LDADD = $(unit_libs)
tests_unit_test_net_LDADD = $(unit_libs)
tests_unit_test_nowait_LDADD = $(unit_libs)
tests_unit_test_num_LDADD = $(unit_libs)
tests_unit_test_opt_LDADD = $(unit_libs)
tests_unit_test_pake_LDADD = $(unit_libs)
tests_unit_test_pass_LDADD = $(unit_libs)
tests_unit_test_peek_LDADD = $(unit_libs)
tests_unit_test_pace_LDADD = $(unit_libs)
tests_unit_test_plain_LDADD = $(unit_libs)
tests_unit_test_preface_LDADD = $(unit_libs)
tests_unit_test_read_ahead_LDADD = $(unit_libs)
tests_unit_test_rec_LDADD = $(unit_libs)
tests_unit_test_receiver_LDADD = $(unit_libs)
tests_unit_test_resolve_LDADD = $(unit_libs)
tests_unit_test_resume_model_LDADD = $(unit_libs)
tests_unit_test_seal_LDADD = $(unit_libs)
tests_unit_test_secret_LDADD = $(unit_libs)
tests_unit_test_sink_LDADD = $(unit_libs)
tests_unit_test_store_file_LDADD = $(unit_libs)
tests_unit_test_store_mem_LDADD = $(unit_libs)
tests_unit_test_store_pipe_LDADD = $(unit_libs)
tests_unit_test_tls_LDADD = $(unit_libs)

tests_unit_test_clock_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=clock_gettime -Wl,--wrap=__clock_gettime64
tests_unit_test_diag_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=mnl_socket_open2 \
	-Wl,--wrap=mnl_socket_bind \
	-Wl,--wrap=mnl_socket_get_portid \
	-Wl,--wrap=mnl_socket_sendto \
	-Wl,--wrap=mnl_socket_recvfrom \
	-Wl,--wrap=mnl_socket_close
tests_unit_test_input_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=io_reopen_nonblocking
tests_unit_test_io_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=fcntl -Wl,--wrap=fcntl64 -Wl,--wrap=__fcntl_time64 \
	-Wl,--wrap=read -Wl,--wrap=write \
	-Wl,--wrap=getrandom -Wl,--wrap=opendir -Wl,--wrap=syscall
tests_unit_test_ktls_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=setsockopt -Wl,--wrap=getsockopt -Wl,--wrap=splice \
	-Wl,--wrap=sendmsg -Wl,--wrap=recvmsg \
	-Wl,--wrap=__setsockopt64 -Wl,--wrap=__getsockopt64 \
	-Wl,--wrap=__sendmsg64 -Wl,--wrap=__recvmsg64
tests_unit_test_net_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getpeername
tests_unit_test_pass_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=cred_new_password
tests_unit_test_receiver_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=chan_abort \
	-Wl,--wrap=chan_lost -Wl,--wrap=mmap -Wl,--wrap=mmap64 -Wl,--wrap=pipe2 \
	-Wl,--wrap=chan_control_end \
	-Wl,--wrap=chan_in_kernel -Wl,--wrap=chan_pending -Wl,--wrap=chan_recv \
	-Wl,--wrap=chan_send_frame -Wl,--wrap=child_close_pipe \
	-Wl,--wrap=child_ended -Wl,--wrap=child_status_fd \
	-Wl,--wrap=link_run -Wl,--wrap=link_wear -Wl,--wrap=sink_unread
tests_unit_test_resolve_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=getaddrinfo -Wl,--wrap=freeaddrinfo
tests_unit_test_secret_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=secret_wipe -Wl,--wrap=secret_wipe_traffic
tests_unit_test_sink_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=io_reopen_nonblocking -Wl,--wrap=fdatasync -Wl,--wrap=fork
tests_unit_test_store_file_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=chan_in_kernel \
	-Wl,--wrap=chan_send -Wl,--wrap=chan_sendfile
tests_unit_test_store_mem_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=chan_send
tests_unit_test_store_pipe_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=chan_in_kernel \
	-Wl,--wrap=chan_send -Wl,--wrap=chan_splice_from

# Fuzz targets, and all sources once more, as libFuzzer wants them.
EXTRA_DIST += tests/fuzz/run tests/fuzz/corpus

if FUZZING
fuzz_targets = tests/fuzz/fuzz_cert tests/fuzz/fuzz_frame \
	tests/fuzz/fuzz_key tests/fuzz/fuzz_keys tests/fuzz/fuzz_peek \
	tests/fuzz/fuzz_preface tests/fuzz/fuzz_rec
check_PROGRAMS += $(fuzz_targets)
check_LIBRARIES += tests/fuzz/libfuzzed.a
TESTS += tests/fuzz/run

fuzz_cflags = $(AM_CFLAGS) -fno-omit-frame-pointer \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer,address,undefined
fuzz_libs = tests/fuzz/libfuzzed.a $(GNUTLS_LIBS) $(MNL_LIBS) $(SODIUM_LIBS)

tests_fuzz_libfuzzed_a_SOURCES = $(src_libbkp_a_SOURCES)
tests_fuzz_libfuzzed_a_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_cert_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_cert_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_cert_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_frame_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_frame_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_frame_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_key_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_key_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_key_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_keys_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_keys_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_keys_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_preface_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_preface_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_preface_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_peek_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_peek_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_peek_LDADD = $(fuzz_libs)
tests_fuzz_fuzz_rec_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_rec_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_rec_LDADD = $(fuzz_libs)
endif
