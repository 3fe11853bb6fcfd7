#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Standard input and output of every kind, by kernel TLS where there is some.
# Bytes that cannot be spliced are copied.

load ../../lib/helpers
load ../../lib/delivery

setup_file() {
	make_data "$BATS_FILE_TMPDIR/in" 300001
}

# from_here [OPTION]...: sends standard input
from_here() {
	start_receiver --ktls "$WHEN"
	bkp_send --ktls "$WHEN" "$@"
	wait_receiver 0
}

# to_here RX [RECEIVER_CODE [SENDER_CODE]]: receives "in" to standard output
to_here() {
	spawn_receiver --ktls "$WHEN" --rx "$1"
	bkp_send "${3:-0}" --ktls "$WHEN" <"$BATS_FILE_TMPDIR/in"
	wait_receiver "${2:-0}"
}

# by_both_ways FUNCTION: with splice and with read out of the kernel
by_both_ways() {
	"$1" splice
	"$1" read
}

assert_received() {
	assert_same_file "$BATS_FILE_TMPDIR/in" "${1:-$RECEIVED}"
}

# nonblocking FD: is O_NONBLOCK set on that descriptor of ours?
nonblocking() {
	local flags
	flags=$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$BASHPID/fdinfo/$1")
	(((8#$flags & 8#4000) != 0))
}

# --- standard input

@test "standard input is a file: delivered" {
	from_here <"$BATS_FILE_TMPDIR/in"
	assert_received
}

@test "standard input is a file: delivered from its current offset" {
	exec 7<"$BATS_FILE_TMPDIR/in"
	head -c 100001 <&7 >/dev/null
	from_here <&7
	tail -c 200000 "$BATS_FILE_TMPDIR/in" >rest
	assert_same_file rest "$RECEIVED"
}

# The sizes of such files are not the lengths of their contents.
@test "standard input is a file in /proc: delivered" {
	local file
	for file in /sys/class/net/lo/mtu /proc/version; do
		[[ -r $file ]] || continue
		from_here <"$file"
		assert_same_file <(cat "$file") "$RECEIVED"
	done
}

@test "standard input is a file that is truncated: the sender exits 8, the receiver 7" {
	make_data in 20000000
	have_fifo gate
	exec 8<>gate
	start_consumer sh -c 'head -c 1; read -r go <gate; cat'
	spawn_receiver --ktls "$WHEN" >consumer
	spawn_sender --ktls "$WHEN" --buffer 1M <in
	until_true test -s "$RECEIVED"
	truncate -s 15000000 in
	echo go >&8
	wait_sender 8
	assert_stderr_has 'standard input became shorter' "$SENDER_ERR"
	wait_receiver 7
}

@test "standard input is a file that grows, and is cut below what was sent: the sender exits 8, the receiver 7" {
	make_data in 20000000
	make_data more 20000000
	have_fifo gate
	exec 8<>gate
	start_consumer sh -c 'head -c 1; read -r go <gate
		head -c 24999999; read -r go <gate; cat'
	spawn_receiver --ktls "$WHEN" >consumer
	spawn_sender --ktls "$WHEN" --buffer 1M <in
	until_true test -s "$RECEIVED"
	cat more >>in
	echo go >&8
	until_true size_is 25000000 "$RECEIVED"
	truncate -s 21000000 in
	echo go >&8
	wait_sender 8
	assert_stderr_has 'standard input became shorter' "$SENDER_ERR"
	wait_receiver 7
}

@test "standard input is a pipe: delivered" {
	from_here < <(cat "$BATS_FILE_TMPDIR/in")
	assert_received
}

# packets BYTES: writes "in" so that each write is a packet (pipe(7))
packets() {
	dd if=in bs="$1" iflag=fullblock oflag=direct status=none
}

@test "standard input is a pipe in packet mode: delivered" {
	make_data in 5000001
	for bytes in 10000 100; do
		from_here < <(packets "$bytes")
		assert_same_file in "$RECEIVED"
	done
}

@test "standard input is a pipe in packet mode, and connections are lost: delivered" {
	RETRY=(--retry 20s)
	make_data in 5000001
	for bytes in 10000 100; do
		start_receiver --ktls "$WHEN"
		start_relay rst -a 1500000 -k 2
		bkp_send --ktls "$WHEN" --tx splice < <(packets "$bytes")
		wait_receiver 0
		assert_same_file in "$RECEIVED"
	done
}

@test "standard input is a named pipe with several writers in turn: delivered" {
	mkfifo in
	exec 8<>in
	start_receiver --ktls "$WHEN"
	spawn_sender --ktls "$WHEN" <in
	head -c 100000 "$BATS_FILE_TMPDIR/in" >in
	tail -c +100001 "$BATS_FILE_TMPDIR/in" >in
	exec 8>&-
	wait_sender 0
	wait_receiver 0
	assert_received
}

# from_kind KIND FILE: FILE arrives from a standard input of that kind
from_kind() {
	start_receiver --ktls "$WHEN"
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/onfd" "$1" in "$BKP" \
		connect -k key --ktls "$WHEN" -p "$PORT" 127.0.0.1 <"$2"
	wait_receiver 0
	assert_same_file "$2" "$RECEIVED"
}

@test "standard input is a terminal: delivered" {
	base64 "$BATS_FILE_TMPDIR/in" | head -200 >text
	from_kind tty text
}

@test "standard input is a terminal that hangs up: the sender exits 8, the receiver 7" {
	local text
	base64 "$BATS_FILE_TMPDIR/in" | head -200 >text
	: >empty
	for text in text empty; do
		start_receiver --ktls "$WHEN"
		run -8 "$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/onfd" \
			hangup in "$BKP" connect -k key --ktls "$WHEN" -p "$PORT" 127.0.0.1 <"$text"
		[[ $output == *'the terminal on standard input hung up'* ]] ||
			fail "$output"
		wait_receiver 7
	done
}

# What is opened anew through /proc/self/fd is another terminal.
@test "standard input or output is the master of a pseudo terminal: exit status 8 at once" {
	echo text >text
	start_receiver --ktls "$WHEN"
	run -8 "$BKP_TOOLS/deadline" 15 "$BKP_TOOLS/onfd" master in "$BKP" \
		connect -k key --ktls "$WHEN" -p "$PORT" 127.0.0.1 <text
	[[ $output == *'standard input is no stream of bytes' ]] || fail "$output"
	wait_receiver 7
	spawn_receiver --send --ktls "$WHEN" <text
	run -8 "$BKP_TOOLS/deadline" 15 "$BKP_TOOLS/onfd" master out "$BKP" \
		connect -k key --ktls "$WHEN" --receive -p "$PORT" 127.0.0.1
	[[ $output == *'standard output is no stream of bytes'* ]] || fail "$output"
	wait_receiver 9
}

@test "a terminal's master as standard error gets the messages" {
	"$BKP_TOOLS/onfd" master out sh -c '"$@" 2>&1 >/dev/null; sleep 1' sh \
		"$BKP" listen -k key -b 127.0.0.1 -p 0 --wait 100ms >got || :
	grep -q 'no peer authenticated' got
}

@test "standard input is a socket: delivered" {
	from_kind unix "$BATS_FILE_TMPDIR/in"
}

@test "standard input is a TCP socket: delivered" {
	from_kind tcp "$BATS_FILE_TMPDIR/in"
}

@test "standard input or output is the wrong end of a pipe: exit status 8 at once" {
	mkfifo pipe
	exec 8<>pipe 5<pipe 6>pipe 8>&-
	start_receiver --ktls "$WHEN"
	takes_at_most 15 bkp_send 8 --ktls "$WHEN" <&6
	assert_stderr_has 'cannot read standard input: Bad file descriptor$'
	wait_receiver 7
	by_both_ways cannot_write
}

cannot_write() {
	spawn_receiver --ktls "$WHEN" --rx "$1" >&5
	takes_at_most 15 bkp_send 9 --ktls "$WHEN" <"$BATS_FILE_TMPDIR/in"
	wait_receiver 8
	assert_stderr_has 'cannot write standard output: Bad file descriptor' \
		"$RECEIVER_ERR"
}

@test "standard output is a datagram socket, whose reader may lose bytes: exit statuses 9 and 8" {
	spawn_receiver --send --ktls "$WHEN" <"$BATS_FILE_TMPDIR/in"
	run -8 "$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/onfd" \
		messages out "$BKP" connect -k key --ktls "$WHEN" --receive -p "$PORT" 127.0.0.1
	[[ $output == *'standard output takes messages, not a stream of bytes' ]] ||
		fail "$output"
	wait_receiver 9
	assert_stderr_has 'cannot write its output: Protocol wrong type' "$RECEIVER_ERR"
}

@test "standard input is a datagram socket: the sender exits 8, the receiver 7" {
	start_receiver --ktls "$WHEN"
	run -8 "$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/onfd" \
		messages in "$BKP" connect -k key --ktls "$WHEN" -p "$PORT" 127.0.0.1 <"$BATS_FILE_TMPDIR/in"
	[[ $output == *'standard input is a message socket'* ]]
	wait_receiver 7
	[[ ! -s $RECEIVED ]]
}

@test "standard input is /dev/null: delivered" {
	from_here </dev/null
	[[ ! -s $RECEIVED ]]
}

@test "standard input is closed: the sender exits 8 and sends nothing" {
	not_under valgrind 'its log would take the place'
	start_receiver --ktls "$WHEN"
	bkp_send 8 --ktls "$WHEN" <&-
	wait_receiver 7
	[[ ! -s $RECEIVED ]]
}

# --- standard output

@test "standard output is a file: delivered" {
	file() {
		to_here "$1" >"$RECEIVED"
		assert_received
	}
	by_both_ways file
}

@test "standard output is a file in append mode: delivered" {
	append() {
		echo before >grown
		to_here "$1" >>grown
		{
			echo before
			cat "$BATS_FILE_TMPDIR/in"
		} >want
		assert_same_file want grown
	}
	by_both_ways append
}

@test "standard output is a pipe: delivered" {
	pipe() {
		start_consumer cat
		to_here "$1" >consumer
		wait_consumer
		assert_received
	}
	by_both_ways pipe
}

# Linux 6.1 loses the part of a record for which a pipe has no buffer.
@test "standard output is a pipe, and the user's pipes have one buffer: delivered" {
	local limit=/proc/sys/fs/pipe-max-size size
	[[ ${BKP_GUEST-} ]] || skip 'own kernel: its limits are not ours to change'
	other_user
	chown 65534 key
	cleanup_add chown 0 key
	read -r size <"$limit"
	cleanup_add eval "echo $size >$limit"
	echo 4096 >"$limit"
	start_consumer cat
	BKP=./other spawn_receiver --ktls "$WHEN" --rx splice >consumer
	chown 0 key
	bkp_send --ktls "$WHEN" --tx send < <(cat "$BATS_FILE_TMPDIR/in")
	wait_receiver 0
	wait_consumer
	assert_received
}

@test "standard output is a socket: delivered" {
	socket unix
}

@test "standard output is a TCP socket: delivered" {
	socket tcp
}

@test "standard output is a terminal: delivered" {
	socket tty
}

# socket KIND: the bytes that the receiver writes there arrive
socket() {
	have_fifo ready
	"$BKP_TOOLS/deadline" 60 "$BKP_TOOLS/onfd" "$1" out "$BKP" listen \
		-k key --ktls "$WHEN" --rx splice -b 127.0.0.1 -p 0 --ready-fd 9 \
		>"$RECEIVED" 2>"$RECEIVER_ERR" 3>&- 9>ready &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	read_port
	bkp_send --ktls "$WHEN" <"$BATS_FILE_TMPDIR/in"
	wait_receiver 0
	assert_received
}

@test "standard output is /dev/null: delivered" {
	null() {
		to_here "$1" >/dev/null
	}
	by_both_ways null
}

@test "standard output is full: the receiver exits 8 and reports the reason" {
	full() {
		to_here "$1" 8 9 >/dev/full
		assert_stderr_has '^btrfs-ktls-pipe: .*standard output.*No space' \
			"$RECEIVER_ERR"
	}
	by_both_ways full
}

@test "standard output is closed early: the receiver exits 8, the sender 9" {
	early() {
		start_consumer head -c 100000
		spawn_receiver --ktls "$WHEN" --rx "$1" >consumer
		bkp_send 9 --ktls "$WHEN" < <(head -c 50000000 /dev/zero)
		wait_receiver 8
		assert_stderr_has '^btrfs-ktls-pipe: .*reader of standard output went away' \
			"$RECEIVER_ERR"
	}
	by_both_ways early
}

@test "standard output is closed from the start: the receiver exits 8" {
	not_under valgrind 'its log would take the place'
	spawn_receiver --ktls "$WHEN" >&-
	bkp_send 9 --ktls "$WHEN" <"$BATS_FILE_TMPDIR/in"
	wait_receiver 8
}

# --- state of shared descriptors

@test "O_NONBLOCK is never set on the sender's standard input" {
	mkfifo in
	exec 8<>in
	start_receiver --ktls "$WHEN"
	spawn_sender --ktls "$WHEN" <&8
	printf x >&8
	until_true test -s "$RECEIVED"
	run ! nonblocking 8
	kill -9 "$SENDER_PID"
	wait_sender 137
	wait_receiver 7
	run ! nonblocking 8
}

@test "O_NONBLOCK is never set on the receiver's standard output" {
	mkfifo out
	exec 7<>out
	spawn_receiver --ktls "$WHEN" --rx splice >&7
	mkfifo in
	exec 8<>in
	spawn_sender --ktls "$WHEN" <in
	printf x >&8
	[[ $(head -c 1 <&7) == x ]]
	run ! nonblocking 7
	exec 8>&-
	wait_sender 0
	wait_receiver 0
	run ! nonblocking 7
}

@test "an input pipe that is already non-blocking does no harm" {
	mkfifo in
	exec 8<>in
	"$BKP_TOOLS/nonblock" 8
	exec 7<in
	"$BKP_TOOLS/nonblock" 7
	start_receiver --ktls "$WHEN"
	spawn_sender --ktls "$WHEN" <&7
	printf 'one ' >&8
	until_true grep -q one "$RECEIVED"
	printf 'two' >&8
	exec 8>&-
	wait_sender 0
	wait_receiver 0
	[[ $(<"$RECEIVED") == 'one two' ]]
	nonblocking 7
}

@test "an output pipe that is already non-blocking does no harm" {
	nonblock() {
		start_consumer "$BKP_TOOLS/tinywrites" -m 9000 -p 100000:20
		exec 7>consumer
		"$BKP_TOOLS/nonblock" 7
		to_here "$1" >&7
		nonblocking 7
		exec 7>&-
		wait_consumer
		assert_received
	}
	by_both_ways nonblock
}
