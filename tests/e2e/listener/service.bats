#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# As a service: sockets from the service manager, what it is told, severities
# in the journal. tests/tools/manager takes the place of systemd.

load ../../lib/helpers
load ../../lib/keys

# under_manager [SOCKET]... -- ARG...: starts the program with these arguments
# under a manager, which writes what it is told to the file "told"; sets PORT
# (of the first socket) and RECEIVER_PID
under_manager() {
	have_fifo ready
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/manager" "${@:1:SOCKETS}" \
		-- "$BKP" "${@:SOCKETS + 2}" \
		<&0 >told 2>"$RECEIVER_ERR" 3>&- 7>&- 8>&- 9>ready &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	read_port || {
		show "$RECEIVER_ERR"
		fail "the service did not get ready"
	}
}

# one_shot SOCKET... -- ARG...: a listener for one stream, with the file
# "received" as its consumer
one_shot() {
	count_sockets "$@"
	under_manager "${@:1:SOCKETS}" -- listen "${CREDENTIAL[@]}" --ready-fd 9 \
		--ktls "$WHEN" "${RETRY[@]}" "${@:SOCKETS + 2}" -- sh -c 'cat >received'
}

# many SOCKET... -- ARG...: listen --keep; each stream goes to a file with the
# name of its key
many() {
	count_sockets "$@"
	make_keys keys alice bob
	under_manager "${@:1:SOCKETS}" -- listen --keep --keys keys --ready-fd 9 \
		--ktls "$WHEN" "${@:SOCKETS + 2}" \
		-- sh -c 'cat >"received.$BTRFS_KTLS_PIPE_IDENTITY"'
}

count_sockets() {
	SOCKETS=0
	until [[ ${*:SOCKETS + 1:1} == -- ]]; do
		SOCKETS=$((SOCKETS + 1))
	done
}

told() {
	until_true has_line "$1" told && return
	show told "$RECEIVER_ERR"
	fail "the manager was not told $1"
}

# managed SOCKET... -- ARG...: the program under a manager, in the foreground
managed() {
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/manager" "$@" 3>&-
}

# refused SOCKET TEXT: the program ends with 2 and this text
refused() {
	local code=0
	managed tcp4 "$1" -- "$BKP" listen "${CREDENTIAL[@]}" \
		>told 2>"$ERR" || code=$?
	((code == 2)) || {
		show "$ERR"
		fail "exit status $code with the socket $1, expected 2"
	}
	assert_stderr_has "descriptor 4 of LISTEN_FDS: it is $2"
}

# tcp6_port: sets PORT to that of the manager's IPv6 socket
tcp6_port() {
	PORT=$(ss -6tlnpH | sed -nE "s/.*\[::1\]:([0-9]+) .*pid=$RECEIVER_PID,.*/\1/p")
	[[ $PORT ]] || fail "the manager has no IPv6 socket"
}

@test "a listener takes its socket from the manager, and delivers" {
	make_data data 100000
	one_shot tcp4 --
	bkp_send --ktls "$WHEN" <data
	wait_receiver 0
	assert_same_file data received
}

@test "one listener serves the IPv4 and the IPv6 socket of the manager" {
	[[ -e /proc/net/if_inet6 && $(</proc/net/if_inet6) == *' lo'* ]] ||
		skip "no IPv6 here"
	many tcp4 tcp6 --
	sends_as alice < <(echo four)
	tcp6_port
	credential_of bob
	bkp connect "${CREDENTIAL[@]}" -p "$PORT" --ktls "$WHEN" ::1 < <(echo six)
	[[ $(<received.alice) == four && $(<received.bob) == six ]] ||
		fail "received $(<received.alice) and $(<received.bob)"
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
}

@test "descriptors that are no listening TCP sockets are refused with a remedy" {
	refused udp 'not for TCP .ListenStream='
	refused unix 'not for TCP'
	refused unlistened 'no listening socket .Accept=no.'
	refused connected 'no listening socket'
	refused file 'no socket'
	refused closed 'not (open|for TCP)'
}

@test "more sockets than the listener can take are a usage error" {
	local nine=(tcp4 tcp4 tcp4 tcp4 tcp4 tcp4 tcp4 tcp4 tcp4)
	run -2 managed "${nine[@]}" -- "$BKP" listen -k key
	[[ $output == *"LISTEN_FDS: '9' is not a number from 0 to 8"* ]] ||
		fail "$output"
}

@test "options for the port are refused where the manager opened it" {
	local option
	for option in '-p 7000' '-p 0' '-b 127.0.0.1' -4 -6; do
		# shellcheck disable=SC2086 # words
		run -2 managed tcp4 -- "$BKP" listen -k key $option
		[[ $output == *'choose it in the .socket unit'* ]] || fail "$output"
	done
	run -2 managed tcp4 -- "$BKP" listen -k key --ready-fd 3
	[[ $output == *'--ready-fd 3: this is a socket'* ]] || fail "$output"
}

@test "sockets that were meant for another process are ignored" {
	export LISTEN_PID=1 LISTEN_FDS=1
	start_receiver --ktls "$WHEN"
	bkp_send --ktls "$WHEN" < <(echo word)
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]]
}

@test "COMMAND gets no variable of the manager, and no socket" {
	local name
	export WATCHDOG_USEC=10000000
	SOCKETS=1
	under_manager tcp4 -- listen "${CREDENTIAL[@]}" --ready-fd 9 --ktls "$WHEN" \
		"${RETRY[@]}" -- sh -c 'cat >received; env >environment; ls -l /proc/$$/fd >fds'
	bkp_send --ktls "$WHEN" < <(echo word)
	wait_receiver 0
	has_line '^BTRFS_KTLS_PIPE_STREAM=' environment || fail "$(<environment)"
	for name in LISTEN_ NOTIFY_ WATCHDOG_; do
		! has_line "^$name" environment || fail "$(<environment)"
	done
	! has_line 'socket:' fds || fail "$(<fds)"
}

@test "the manager is told when one stream is ready, runs and has ended" {
	one_shot tcp4 --
	told '^READY=1'
	spawn_sender --ktls "$WHEN" < <(head -c 100000 /dev/zero; sleep 2.5; echo end)
	told '^STATUS=.*KiB .*/s'
	wait_sender 0
	wait_receiver 0
	told '^STOPPING=1'
}

@test "the manager of a sender is told when there is a stream" {
	local code=0
	start_receiver --ktls "$WHEN"
	managed -- "$BKP" connect -k key -p "$PORT" --ktls "$WHEN" \
		127.0.0.1 < <(echo word) >told 2>"$ERR" || code=$?
	((code == 0)) || fail "exit status $code"
	told '^READY=1'
	told '^STOPPING=1'
	wait_receiver 0
}

@test "the manager is told why the program fails" {
	local code=0
	managed -- "$BKP" listen -k none >told 2>"$ERR" || code=$?
	((code == 3)) || fail "exit status $code"
	told '^STATUS=key file none: '
}

@test "the manager is told how many streams run, and that they finish" {
	many tcp4 --
	told '^STATUS=no stream'
	have_fifo source
	exec 8<>source
	credential_of alice
	spawn_sender --ktls "$WHEN" <source
	echo word >&8
	told '^STATUS=1 stream, .*B/s'
	kill -TERM "$RECEIVER_PID"
	told '^STOPPING=1'
	told '^STATUS=finishing 1 stream, '
	exec 8>&-
	wait_sender 0
	wait_receiver 0
}

@test "the manager is told that the only stream is suspended, and that it goes on" {
	many tcp4 -- --retry 60s
	have_fifo source
	exec 8<>source
	credential_of alice
	RETRY=(--retry 60s)
	spawn_sender --ktls "$WHEN" --name x <source
	echo word >&8
	until_true [ -s received.alice ]
	told '^STATUS=1 stream, '
	kill -KILL "$SENDER_PID"
	told '^STATUS=no stream, 1 suspended'
	spawn_sender --ktls "$WHEN" --name x <source
	echo word >&8
	until_true has_line 'continues at byte' "$RECEIVER_ERR"
	: >told
	told '^STATUS=1 stream, '
	exec 8>&-
	wait_sender 0
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
}

@test "SIGHUP is a reload with a beginning and an end" {
	many tcp4 --
	told '^READY=1'
	: >told
	kill -HUP "$RECEIVER_PID"
	until_true has_line 'are now in use' "$RECEIVER_ERR"
	told '^READY=1'
	[[ $(tr '\0' ' ' <told) =~ RELOADING=1.MONOTONIC_USEC=[0-9]+.READY=1 ]] ||
		fail "$(<told)"
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
}

# Waiting for a peer, and while a stream runs
@test "signs of life come while a listener waits and while its stream is quiet" {
	export WATCHDOG_USEC=100000
	have_fifo source
	exec 8<>source
	one_shot tcp4 --
	until_true lives_on 3
	spawn_sender --ktls "$WHEN" <source
	echo word >&8
	until_true test -s received
	: >told
	until_true lives_on 3
	exec 8>&-
	wait_sender 0
	wait_receiver 0
}

@test "a listener for many streams gives signs of life" {
	WATCHDOG_USEC=100000 many tcp4 --
	until_true lives_on 3
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
}

# lives_on N: the manager heard so many signs of life
lives_on() {
	(($(grep -ac '^WATCHDOG=1' told) >= $1))
}

@test "a manager that hears nothing stops no stream" {
	make_data data 3000000
	export WATCHDOG_USEC=2000
	one_shot tcp4 --
	kill -STOP "$RECEIVER_PID"
	bkp_send --ktls "$WHEN" <data
	assert_same_file data received
	kill -CONT "$RECEIVER_PID"
	wait_receiver 0
}

@test "in the journal each line has its severity, those of COMMAND too" {
	: >"$RECEIVER_ERR"
	JOURNAL_STREAM=$(stat -c %d:%i "$RECEIVER_ERR")
	export JOURNAL_STREAM
	start_receiver --ktls "$WHEN" -v -- sh -c 'echo "<0>alarm" >&2; cat; exit 3'
	bkp_send 9 --ktls "$WHEN" < <(echo word)
	wait_receiver 9
	assert_stderr_has '^<3>btrfs-ktls-pipe: .*exited with status 3' "$RECEIVER_ERR"
	assert_stderr_has '^<6>btrfs-ktls-pipe: listening' "$RECEIVER_ERR"
	assert_stderr_has '^<6><0>alarm' "$RECEIVER_ERR"
	assert_stderr_lacks '^[^<]' "$RECEIVER_ERR"
}

@test "standard error that is not the journal has no severities" {
	export JOURNAL_STREAM=1:1
	start_receiver --ktls "$WHEN" -v -- sh -c 'echo hello >&2; cat; exit 3'
	bkp_send 9 --ktls "$WHEN" < <(echo word)
	wait_receiver 9
	assert_stderr_lacks '^<' "$RECEIVER_ERR"
}

@test "systemd-socket-activate starts a listener at the first connection" {
	command -v systemd-socket-activate >/dev/null || skip "systemd is not installed"
	start_receiver # for a free port
	kill -KILL "$RECEIVER_PID"
	wait_receiver 137
	systemd-socket-activate -l "127.0.0.1:$PORT" \
		"$BKP" listen -k key --ktls "$WHEN" -- sh -c 'cat >received' \
		2>"$RECEIVER_ERR" 3>&- &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	until_true has_line 'Listening on' "$RECEIVER_ERR"
	bkp_send --ktls "$WHEN" < <(echo word)
	wait_receiver 0
	[[ $(<received) == word ]]
}
