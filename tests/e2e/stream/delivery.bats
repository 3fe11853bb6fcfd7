#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Exit status 0 means that the consumer at the receiver has read every byte.

load ../../lib/helpers
load ../../lib/delivery

setup_file() {
	make_data "$BATS_FILE_TMPDIR/in" 300001
	export IN=$BATS_FILE_TMPDIR/in
}

# still_runs PID: the process had time to exit, and did not
still_runs() {
	sleep 0.7
	alive "$1" || fail "it did not wait"
}

# --- DONE means consumed

# A reader of the receiver's output that reads nothing until the test says so
start_waiting_reader() {
	mkfifo go
	start_consumer sh -c 'read line <go; exec cat'
	OUTPUT=consumer
}

@test "both sides wait until the reader of the output has read all" {
	waits() {
		rm -f go
		start_waiting_reader
		stream_starts "$1" <"$IN"
		still_runs "$SENDER_PID"
		alive "$RECEIVER_PID"
		echo >go
		stream_ends 0 0
		wait_consumer
		assert_same_file "$IN" "$RECEIVED"
	}
	both_ways waits
}

@test "both sides wait until the reader of the output has read the last byte" {
	start_waiting_reader
	stream_starts push < <(printf x)
	still_runs "$SENDER_PID"
	alive "$RECEIVER_PID"
	echo >go
	stream_ends 0 0
	wait_consumer
	[[ $(<"$RECEIVED") == x ]]
}

@test "a reader waits and then exits: the sender exits 9, the receiver 8" {
	mkfifo go
	start_consumer sh -c 'read line <go'
	OUTPUT=consumer
	stream_starts push < <(printf x)
	still_runs "$SENDER_PID"
	echo >go
	stream_ends 9 8
}

@test "a reader leaves the last byte unread: the sender exits 9, the receiver 8" {
	leaves() {
		start_consumer dd bs=1 count=9 status=none
		OUTPUT=consumer
		streams "$1" 9 8 < <(printf 0123456789)
	}
	both_ways leaves
}

@test "no reader from the start: the sender exits 9, the receiver 8" {
	start_consumer true
	exec 7>consumer
	wait_consumer
	ktls_here
	spawn_receiver --ktls "$WHEN" >&7
	exec 7>&-
	bkp_send 9 --ktls "$WHEN" < <(printf x)
	wait_receiver 8
}

@test "the output is a socket and its reader exits: the sender exits 9, the receiver 8" {
	ktls_here
	have_fifo ready
	(
		trap '' PIPE # onfd closes its end when it cannot write any more
		exec "$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/onfd" unix out \
			"$BKP" listen -k key --ktls "$WHEN" -b 127.0.0.1 -p 0 \
			--ready-fd 9 2>"$RECEIVER_ERR" 3>&- 9>ready
	) > >(exec head -c 100000 >"$RECEIVED" 3>&-) &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	read_port
	bkp_send 9 --ktls "$WHEN" < <(head -c 5000000 /dev/zero)
	assert_stderr_has 'reader.*went away'
	wait_receiver 8
}

@test "the output is a socket and its reader has read all but exits early: the sender exits 9, the receiver 8" {
	ktls_here
	have_fifo ready
	have_fifo feed
	exec 8<>feed
	"$BKP_TOOLS/deadline" 60 "$BKP_TOOLS/onfd" unix out "$BKP" listen \
		-k key --ktls "$WHEN" -b 127.0.0.1 -p 0 --ready-fd 9 \
		>"$RECEIVED" 2>"$RECEIVER_ERR" 3>&- 8>&- 9>ready &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	read_port
	spawn_sender --ktls "$WHEN" <feed
	printf x >&8
	until_true size_is 1 "$RECEIVED"
	kill -USR1 "$RECEIVER_PID"
	stream_ends 9 8
	says receiver 'reader of standard output went away'
}

@test "a file is complete as soon as the sender has exited" {
	complete() {
		stream_starts "$1" <"$IN"
		wait_sender 0
		assert_same_file "$IN" "$RECEIVED"
		wait_receiver 0
	}
	both_ways complete
}

@test "the output file reaches its size limit: the sender exits 9, the receiver 8" {
	local how
	for how in splice read; do
		RX=(--rx "$how")
		ulimit -S -f 100
		trap '' XFSZ
		stream_starts push <"$IN"
		ulimit -S -f unlimited
		trap - XFSZ
		stream_ends 9 8
		says receiver 'cannot write standard output: File too large .*ulimit -f'
		assert_prefix "$RECEIVED" "$IN"
	done
}

# full_disk: sets DISK to a block device that stores 8 MiB; it reports the loss
# of the rest only when it is flushed
full_disk() {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	mkdir disk
	mount -t tmpfs -o size=8M tmpfs disk 2>disk.err ||
		skip "own kernel only: no mounts ($(<disk.err))"
	cleanup_add umount "$TMP/disk"
	truncate -s 64M disk/image
	DISK=$(losetup --show -f disk/image 2>disk.err) ||
		skip "own kernel only: no loop devices ($(<disk.err))"
	cleanup_add losetup -d "$DISK"
}

@test "a block device fails to write data back: the sender exits 9, the receiver 8" {
	disk_fails() {
		streams "$1" 9 8 <big
		says receiver 'standard output.*error'
	}
	full_disk
	OUTPUT=$DISK
	make_data big 16000000
	both_ways disk_fails
}

@test "a block device fails to write data back, SIGCHLD ignored: the sender exits 9, the receiver 8" {
	full_disk
	OUTPUT=$DISK
	make_data big 16000000
	wrapped "trap '' CHLD"
	streams push 9 8 <big
	says receiver 'standard output.*error'
}

@test "a file fails to write data back: the sender exits 9, the receiver 8" {
	wrapped '' "\"$BKP_TOOLS/refuse\" EIO fdatasync --"
	streams push 9 8 <"$IN"
	says sender 'cannot write its output: Input/output error'
	says receiver 'standard output.*Input/output error'
}

@test "the output is a block device: sender and receiver exit 0" {
	full_disk
	OUTPUT=$DISK
	local how
	for how in splice read; do
		RX=(--rx "$how")
		streams push 0 0 <"$IN"
		head -c 300001 "$DISK" | cmp - "$IN"
		head -c 300001 /dev/zero >"$DISK"
	done
}

# slow_disk: sets DISK to a block device that stores nothing until "fsfreeze -u
# lower", which happens at the end of the test at the latest
slow_disk() {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	mkdir lower
	truncate -s 256M image
	mkfs.btrfs -q image >/dev/null 2>&1
	mount -o loop image lower 2>lower.err ||
		skip "own kernel only: no loop mount of btrfs ($(<lower.err))"
	cleanup_add umount -l "$TMP/lower"
	truncate -s 16M lower/image
	DISK=$(losetup --show -f lower/image)
	cleanup_add losetup -d "$DISK"
	fsfreeze -f lower
	cleanup_add thaw
}

# It may be thawed already: then the error does no harm
thaw() {
	fsfreeze -u "$TMP/lower" 2>/dev/null || :
}

# flushes: waits for a receiver that has all bytes, but not on the disk yet
flushes() {
	slow_disk
	OUTPUT=$DISK
	RETRY=()
	stream_starts push <"$IN"
	until_true has_child "$RECEIVER_PID"
}

has_child() {
	[[ $(children_of "$1") ]]
}

@test "both sides wait for a slow disk" {
	flushes
	still_runs "$SENDER_PID"
	thaw
	stream_ends 0 0
}

@test "a client that disconnects while the disk is slow costs no processor time" {
	not_under valgrind 'it costs time'
	slow_disk
	OUTPUT=$DISK
	RETRY=()
	have_fifo feed
	exec 8<>feed
	stream_starts push <feed
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	sleep 0.3
	cat "$IN" >&8
	exec 8>&-
	until_true has_child "$RECEIVER_PID"
	exec 7>&-
	sleep 0.2
	idles "$RECEIVER_PID"
	thaw
	stream_ends 0 0
}

# leaves_nothing SIGNAL: the port is free and the sender exits at once
leaves_nothing() {
	flushes
	kill -"$1" "$RECEIVER_PID"
	wait_receiver $((128 + $(kill -l "$1")))
	bkp 4 listen -k key -b 127.0.0.1 -p "$PORT" --wait 100ms
	assert_stderr_has 'no peer authenticated within --wait'
}

@test "a receiver killed while the disk is slow frees its port" {
	leaves_nothing KILL
}

@test "a receiver that gets SIGTERM while the disk is slow frees its port" {
	leaves_nothing TERM
	wait_sender 7
}

@test "an empty stream into a full device: sender and receiver exit 0" {
	OUTPUT=/dev/full
	streams push 0 0
}

# --- the outcome reaches the sender

# stopped_at_the_end: all has arrived, and the sender is stopped before COMMAND
# ends
stopped_at_the_end() {
	mkfifo go
	CONSUMER=(sh -c 'cat; : >ended; read -r line <go')
	stream_starts push < <(printf x)
	until_true test -e ended
	kill -STOP "$SENDER_PID"
	echo >go
}

@test "the outcome waits for a sender that is slow to read it" {
	stopped_at_the_end
	sleep 1
	kill -CONT "$SENDER_PID"
	stream_ends 0 0
}

@test "the outcome reaches the sender long after the receiver has exited" {
	full_tier_only 15
	stopped_at_the_end
	wait_receiver 0
	kill -CONT "$SENDER_PID"
	wait_sender 0
}

@test "a failure reaches a sender that was stopped when it happened" {
	CONSUMER=(sh -c 'cat >got; until [ -e go ]; do sleep 0.1; done; exit 3')
	stream_starts push <"$IN"
	until_true size_is 300001 got
	sleep 0.3
	kill -STOP "$SENDER_PID"
	touch go
	sleep 1
	kill -CONT "$SENDER_PID"
	stream_ends 9 9
	says sender 'status 3'
}

@test "a failure reaches a sender that has much left to send" {
	CONSUMER=(sh -c 'head -c 100000 >got; exit 3')
	streams push 9 9 </dev/zero
	says sender 'status 3'
}

# --- a btrfs stream has an end mark

# btrfs_stream CODE_SENDER CODE_RECEIVER FORMAT...: a stream that consists of
# the FORMATs; 300000 bytes are between the first FORMAT and the others
btrfs_stream() {
	{
		printf "$3"
		head -c 300000 "$IN"
		[[ $# -lt 4 ]] || printf "${@:4}"
	} >stream
	streams push "$1" "$2" < <(cat stream)
	assert_beginning "$RECEIVED" stream
}

@test "a btrfs stream with its end: sender and receiver exit 0" {
	btrfs_stream 0 0 "$BTRFS_MAGIC" "$BTRFS_END"
	assert_same_file stream "$RECEIVED"
}

@test "a btrfs stream without its end: the sender exits 8, the receiver 7" {
	btrfs_stream 8 7 "$BTRFS_MAGIC"
}

@test "a btrfs stream whose last byte is missing: the sender exits 8, the receiver 7" {
	btrfs_stream 8 7 "$BTRFS_MAGIC" "${BTRFS_END%\\x9d}"
}

@test "a btrfs stream with one byte after its end: the sender exits 8, the receiver 7" {
	btrfs_stream 8 7 "$BTRFS_MAGIC" "$BTRFS_END\\0"
}

@test "a btrfs stream that is cut after its first 13 bytes: the sender exits 8, the receiver 7" {
	streams push 8 7 < <(printf "$BTRFS_MAGIC")
}

@test "two btrfs streams in a row: sender and receiver exit 0" {
	btrfs_stream 0 0 "$BTRFS_MAGIC" "$BTRFS_END$BTRFS_MAGIC$BTRFS_END"
}

@test "the shortest btrfs stream: sender and receiver exit 0" {
	streams push 0 0 < <(printf "$BTRFS_MAGIC$BTRFS_END")
}

@test "a text that only begins like a btrfs stream: sender and receiver exit 0" {
	streams push 0 0 < <(printf 'btrfs-streams are what they are')
}

@test "a btrfs stream in very small pieces without its end: the sender exits 8, the receiver 7" {
	streams push 8 7 < <(
		for ((i = 0; i < 12; i++)); do
			printf %s "${BTRFS_MAGIC:i:1}"
			sleep 0.02
		done
		printf '\0rest'
	)
}

@test "the end of a btrfs stream in very small pieces: sender and receiver exit 0" {
	streams push 0 0 < <(
		printf "$BTRFS_MAGIC"
		sleep 0.1
		for byte in 0 0 0 0 x15 0 x50 x6c xc9 x9d; do
			printf "\\$byte"
			sleep 0.02
		done
	)
}

@test "a btrfs stream without its end from a COMMAND that exits 0: the sender exits 8, the receiver 7" {
	SOURCE=(printf 'btrfs-stream\0but no end')
	streams push 8 7
	says sender 'cut short'
}

# ends_at OFFSET: the end mark lies across the end of a buffer of 1 MiB
ends_at() {
	make_btrfs_like stream $(((1 << 20) + $1))
	TX=(--buffer 1M)
	streams push 0 0 <stream
	assert_same_file stream "$RECEIVED"
	head -c $(((1 << 20) + $1 - 1)) stream >"cut"
	streams push 8 7 <"cut"
}

@test "a btrfs stream that ends at the end of the buffer: its end is found" {
	ends_at 0
}

@test "a btrfs stream whose end spans the end of the buffer: its end is found" {
	ends_at 5
}

@test "a btrfs stream that ends after the end of the buffer: its end is found" {
	ends_at 10
}

@test "a missing end is noticed when the stream is sent to the kernel" {
	require_ktls
	TX=(--tx send)
	btrfs_stream 8 7 "$BTRFS_MAGIC"
}

@test "a missing end is noticed when the stream is spliced into the kernel" {
	require_ktls
	TX=(--tx splice)
	btrfs_stream 8 7 "$BTRFS_MAGIC"
}

@test "the end is found when the stream is spliced into the kernel" {
	require_ktls
	TX=(--tx splice)
	btrfs_stream 0 0 "$BTRFS_MAGIC" "$BTRFS_END"
}

@test "the end is found in a file" {
	make_btrfs_like stream 300000
	streams push 0 0 <stream
	assert_same_file stream "$RECEIVED"
}

# Without a buffer the end is not checked, and the manual says so.
@test "--buffer 0 does not look for the end" {
	TX=(--buffer 0)
	make_btrfs_like stream 300000
	head -c 200000 stream >part
	streams push 0 0 < <(cat part)
	assert_same_file part "$RECEIVED"
}

@test "a real btrfs stream is delivered, and refused when it is cut short" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	truncate -s 512M image
	mkfs.btrfs -q image >/dev/null 2>&1
	mkdir fs
	mount -o loop image fs 2>mount.err ||
		skip "own kernel only: no loop mount of btrfs ($(<mount.err))"
	cleanup_add umount "$TMP/fs"
	btrfs -q subvolume create fs/work >/dev/null
	cp "$IN" fs/work/
	btrfs -q subvolume snapshot -r fs/work fs/snap >/dev/null
	SOURCE=(btrfs send -q fs/snap)
	streams push 0 0
	cp "$RECEIVED" stream
	SOURCE=()
	streams push 8 7 < <(head -c 200000 stream)
	streams push 0 0 <stream
}

# --- the buffer

# with_buffer SIZE: a stream that is longer than the smallest buffers
with_buffer() {
	by_tier $((6 << 20)) $((3 << 20)) $((200 << 20)) $((100 << 20))
	make_data big "$SIZE"
	TX=(--buffer "$1")
	streams push 0 0 <big
	assert_same_file big "$RECEIVED"
}

@test "--buffer 1M: delivered" {
	with_buffer 1M
}

@test "--buffer that is no whole number of records: delivered" {
	with_buffer 1100001
}

@test "--buffer 64M: delivered" {
	full_tier_only 5 # in the quick tier the stream is shorter
	with_buffer 64M
}

@test "--buffer 0: delivered" {
	with_buffer 0
}

@test "an invalid --buffer: exit status 2, and the value is named" {
	local size
	for size in 1 1023K 1.5M -1 0x10 '' ' 1M' 1MB 1E 99999999999999999999; do
		bkp 2 connect -k key --buffer "$size" -p 1 127.0.0.1
		assert_stderr_has '^btrfs-ktls-pipe: --buffer' || fail "$size"
	done
}

@test "a --buffer larger than memory: exit status 2" {
	bkp 2 connect -k key --buffer 1000T -p 1 127.0.0.1
	assert_stderr_has '^btrfs-ktls-pipe: --buffer.*memory'
}

# produces MIB: a producer that reports how many MiB it has written
produces() {
	mkfifo feed
	for ((i = 1; i <= $1; i++)); do
		head -c 1048576 /dev/zero
		echo "$i" >>produced
	done >feed 3>&- &
	PIDS+=($!)
}

@test "a burst of the producer fits into the buffer while nobody reads" {
	produces 24
	start_waiting_reader
	stream_starts push <feed
	until_true grep -qx 24 produced
	echo >go
	stream_ends 0 0
	wait_consumer
	size_is $((24 << 20)) "$RECEIVED"
}

@test "a small buffer blocks the producer while nobody reads" {
	produces 24
	start_waiting_reader
	TX=(--buffer 1M)
	stream_starts push <feed
	until_true test -e produced
	sleep 1
	((produced = $(wc -l <produced), produced < 12)) ||
		fail "$produced MiB are on their way"
	echo >go
	stream_ends 0 0
	wait_consumer
	size_is $((24 << 20)) "$RECEIVED"
}

# stalled OPTION...: both sides wait for a reader that reads nothing
stalled() {
	TX=("$@")
	start_waiting_reader
	stream_starts push </dev/zero
	until_true idles "$SENDER_PID" "$RECEIVER_PID" # first it reads ahead
}

@test "waiting for a reader costs no processor time" {
	not_under valgrind 'it costs time'
	stalled --buffer 64M
}

@test "waiting for a reader costs no processor time, with a small buffer" {
	not_under valgrind 'it costs time'
	stalled --buffer 1M
}

@test "waiting for a reader costs no processor time, without a buffer" {
	not_under valgrind 'it costs time'
	stalled --buffer 0
}

# A pipe that cannot be opened again blocks its reader while it is empty.
@test "a sender that had a full buffer, and whose input only it can read, notices the receiver's end" {
	other_user
	start_receiver --ktls off
	chown 65534 key
	have_fifo feed
	chmod 600 feed
	exec 7<>feed
	BKP=./other spawn_sender -v --ktls off --buffer 1M <feed
	until_true has_line 'user-space TLS' "$SENDER_ERR"
	kill -STOP "$RECEIVER_PID"
	head -c 1048576 /dev/zero >&7
	sleep 1
	kill -CONT "$RECEIVER_PID"
	until_true size_is 1048576 "$RECEIVED" 2>/dev/null
	sleep 1
	kill -KILL "$RECEIVER_PID"
	takes_at_most 5 wait_sender 7
}

@test "waiting for input costs no processor time" {
	not_under valgrind 'it costs time'
	stands push
	idles "$SENDER_PID"
	idles "$RECEIVER_PID"
}

@test "a bursty producer and a slow receiver: delivered" {
	bursty() {
		make_data big 3000001
		start_consumer "$BKP_TOOLS/tinywrites" -m 20000 -p 500000:50
		OUTPUT=consumer
		streams "$1" 0 0 \
			< <("$BKP_TOOLS/tinywrites" -m 60000 -p 1000000:30 <big)
		wait_consumer
		assert_same_file big "$RECEIVED"
	}
	TX=(--buffer 1M)
	both_ways bursty
}
