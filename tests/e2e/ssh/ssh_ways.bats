#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The verb ssh when the far host cannot be reached at any port: --port,
# --address, --reverse, --fallback.

load ../../lib/helpers
load ../../lib/sshd
load ../../lib/netns

setup() {
	set_up
	make_data in 3000000
}

@test "--reverse: the far host connects to us, in both directions" {
	start_sshd
	by_ssh -v --reverse there "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_lacks 'connecting to'
	by_ssh --reverse --receive --port 17000-17900 there "cat $TMP/in"
	assert_same_file "$OUT" in
}

@test "--reverse --address leads elsewhere only if authorized_keys says --reverse-to" {
	start_sshd
	by_ssh 4 --reverse --address 127.0.0.2 there "cat >$TMP/got" <in
	assert_stderr_has "the client's own address only"
	sed -i 's/^/command="btrfs-ktls-pipe ssh-server --reverse-to 127.0.0.0\/29 --forced sh -c \x27exec sh -c \\"$SSH_ORIGINAL_COMMAND\\"\x27" /' authorized
	by_ssh --reverse --address 127.0.0.2 there "cat >$TMP/got" <in
	assert_same_file got in
	by_ssh 4 --reverse --address 127.0.0.9 there "cat >$TMP/got" <in
	assert_stderr_has "or to 127.0.0.0/29"
}

# no_way: the far host cannot listen, because its only port is taken
no_way() {
	WAY=(--port "$SSHD_PORT")
}

@test "--fallback goes through ssh where there is no direct connection, and says so" {
	start_sshd
	no_way
	by_ssh -q "${WAY[@]}" --fallback there "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_has 'going through ssh \(--fallback\)'
	by_ssh "${WAY[@]}" --fallback --receive there "cat $TMP/in"
	assert_same_file "$OUT" in
	by_ssh 4 "${WAY[@]}" there "cat >$TMP/got" <in
}

@test "--fallback where the far host cannot reach us with --reverse" {
	start_sshd
	sed -i 's/^/command="btrfs-ktls-pipe ssh-server --reverse-to 192.0.2.0\/24 --forced sh -c \x27exec sh -c \\"$SSH_ORIGINAL_COMMAND\\"\x27" /' authorized
	by_ssh --reverse --address 192.0.2.1 --fallback there "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_has 'going through ssh'
}

# A careless program that ran before ssh-server leaves them like that.
@test "--fallback: ssh's pipes are non-blocking on the far host: delivered" {
	start_sshd
	no_way
	cat >far.bin/careless <<-END
		"$BKP_TOOLS/nonblock" 0 && "$BKP_TOOLS/nonblock" 1 || exit
		exec sh -c "\$SSH_ORIGINAL_COMMAND"
	END
	chmod +x far.bin/careless
	sed -i 's/^/command="careless" /' authorized
	by_ssh "${WAY[@]}" --fallback there "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_has 'going through ssh'
	by_ssh "${WAY[@]}" --fallback --receive there "cat $TMP/in"
	assert_same_file "$OUT" in
}

@test "through ssh too a far COMMAND that fails is exit status 9" {
	start_sshd
	no_way
	by_ssh 9 "${WAY[@]}" --fallback there "cat >/dev/null; exit 3" <in
	assert_stderr_has "receiver's command exited with status 3"
	by_ssh 9 "${WAY[@]}" --fallback --receive there "cat $TMP/in; exit 3"
}

# stands_in_channel: a stream through ssh whose COMMAND waits
stands_in_channel() {
	start_sshd
	no_way
	mkfifo gate feed
	make_data in "${BYTES-100000}"
	exec 7<>feed
	spawn_ssh "${WAY[@]}" --fallback there \
		"head -c 1000 >$TMP/head; read x <$TMP/gate; cat >$TMP/got" <feed
	cat in >&7
	until_true test -s head
}

far_ended() {
	nothing_is_left && ! pgrep -f -- "$TMP/gate" >/dev/null
}

@test "ssh killed while the stream goes through it: exit status 7, and COMMAND is killed" {
	stands_in_channel
	kill -9 "$(pgrep -P "$SSH_PID" -x ssh)"
	ssh_ends 7
	exec 7>&-
	until_true far_ended
	[[ ! -e got ]] || fail 'COMMAND saw the end of its input'
}

@test "we are killed while the stream goes through ssh: COMMAND is killed" {
	stands_in_channel
	kill -9 "$SSH_PID"
	exec 7>&-
	until_true far_ended
	[[ ! -e got ]] || fail 'COMMAND saw the end of its input'
}

@test "a signal here ends a COMMAND that takes nothing of a stream through ssh" {
	BYTES=8000000 stands_in_channel
	kill -TERM "$SSH_PID"
	ssh_ends 143
	exec 7>&-
	PATIENT=20 until_true far_ended
	[[ ! -e got ]] || fail 'COMMAND saw the end of its input'
}

@test "--fallback never helps a far host without the program" {
	start_sshd
	rm far.bin/*
	by_ssh 127 --fallback there "cat >$TMP/got" <in
	[[ ! -e got ]] || fail 'something was sent'
}

@test "another program answers at the port: exit status 5, or --fallback goes through ssh" {
	start_sshd
	diverted peer close
	by_ssh 5 "${WAY[@]}" there "cat >$TMP/got" <in
	[[ ! -e got ]] || fail 'COMMAND was started'
	by_ssh "${WAY[@]}" --fallback there "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_has 'going through ssh \(--fallback\)'
	by_ssh "${WAY[@]}" --fallback --receive there "cat $TMP/in"
	assert_same_file "$OUT" in
	by_ssh 4 "${WAY[@]}" --reverse there "cat >$TMP/got2" <in
	assert_stderr_has 'there: .*closed the connection during the handshake'
	assert_stderr_has 'there cannot reach us: see its message above'
	[[ ! -e got2 ]] || fail 'COMMAND was started'
	by_ssh "${WAY[@]}" --reverse --fallback there "cat >$TMP/got2" <in
	assert_same_file got2 in
}

# lost_welcome ARG...: one host has begun the stream, and the other does not know
lost_welcome() {
	local before=$SECONDS
	by_ssh 7 --handshake-timeout 1s "${WAY[@]}" "$@"
	PATIENT=10 until_true nothing_is_left
	((SECONDS - before < 20)) || fail "it took $((SECONDS - before)) s"
	assert_stderr_has 'no answer to our greeting within 1000 ms'
	[[ " $* " == *' --reverse '* ]] ||
		assert_stderr_has 'the stream had begun on there, and failed$'
}

@test "a WELCOME that never arrives: exit status 7, and both hosts end at once" {
	start_sshd
	diverted relay hole -c s2c -l 81
	lost_welcome there "cat >$TMP/got" <in
	lost_welcome --retry 0 there "cat >$TMP/got" <in
	lost_welcome --receive there "cat $TMP/in; sleep 100"
	lost_welcome --fallback there "cat >$TMP/got" <in
	lost_welcome --retry 0 --fallback there "cat >$TMP/got" <in
	lost_welcome --reverse there "cat >$TMP/got" <in
	lost_welcome --reverse --fallback --receive there "cat $TMP/in"
}

@test "the answer to our greeting comes while we are suspended for too long: delivered" {
	start_sshd
	diverted relay pause -c s2c -l 81 -w 300
	spawn_ssh "${WAY[@]}" --handshake-timeout 2s there "cat >$TMP/got" <in
	until_true test -s tool.err # WELCOME comes in 300 ms
	suspended_for 3 "$SSH_PID"
	ssh_ends 0
	assert_same_file got in
}

@test "the far host gives up while its connection ends: we do not wait for another one" {
	start_sshd
	diverted relay hole -c s2c -l 81
	spawn_ssh --handshake-timeout 3s "${WAY[@]}" --reverse there \
		"cat >$TMP/got" <in
	until_true test -s tool.err # WELCOME is lost
	kill -STOP "$SSH_PID"
	until_true has_line 'no answer to our greeting' "$ERR"
	sleep 0.5 # for the end of the connection, and what ssh brings
	kill -CONT "$SSH_PID"
	ssh_ends 7
	assert_stderr_has 'the peer gave up'
}
