#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Messages on standard error never hold anything up, whoever reads them or not.

load helpers
load delivery
load keys

# keeps [OPTION]...: a listener that keeps what alice sends as got.alice
keeps() {
	make_keys keys alice
	SERVER=(--keys keys)
	start_receiver --keep --ktls "$WHEN" "$@" -- \
		sh -c 'exec cat >"got.$BTRFS_KTLS_PIPE_IDENTITY"'
	CREDENTIAL=(-k alice.key)
}

# without_reader: the program writes its messages into a named pipe that is full,
# and that nobody reads; here it is descriptor 7. BKP_READ is read.
without_reader() {
	mkfifo stuck
	exec 7<>stuck
	dd if=/dev/zero bs=4096 oflag=nonblock status=none >&7 2>/dev/null || :
	dd if=/dev/zero bs=1 oflag=nonblock status=none >&7 2>/dev/null || :
	BKP_READ=$BKP
	wrapped "exec 2>'$TMP/stuck'"
}

@test "sender and receiver deliver though nobody reads their messages" {
	without_reader
	delivered() {
		TX=(-vv --progress) RX=(-vv --progress)
		streams "$1" 0 0 < <(head -c 3000000 /dev/zero)
		size_is 3000000 "$RECEIVED"
	}
	both_ways delivered
	exec 7<&-
}

@test "the last error does not keep a process from ending" {
	without_reader
	bkp 4 connect --retry 0 -k key -p 1 127.0.0.1
	bkp 2 connect --no-such-option
	bkp 0 probe --json || [[ ! ${BKP_GUEST-} ]]
	exec 7<&-
}

@test "SIGUSR1 and a signal that ends are obeyed though nobody reads messages" {
	without_reader
	stands push
	kill -USR1 "$SENDER_PID" "$RECEIVER_PID"
	kill -TERM "$SENDER_PID"
	stream_ends 143 7
	exec 7<&- 8>&-
}

@test "listen --keep serves, and ends on a signal, though nobody reads messages" {
	without_reader
	keeps -vv
	for _ in 1 2 3; do
		rm -f got.alice
		BKP=$BKP_READ bkp_send --ktls "$WHEN" <<<word
		[[ $(<got.alice) == word ]]
	done
	# strangers make lines, too
	for _ in 1 2 3; do
		printf nonsense >"/dev/tcp/127.0.0.1/$PORT"
	done
	kill -HUP "$RECEIVER_PID"
	BKP=$BKP_READ bkp_send --ktls "$WHEN" <<<word
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
	exec 7<&-
}

@test "lines that were dropped are counted, and said when there is room again" {
	without_reader
	keeps -v
	BKP=$BKP_READ bkp_send --ktls "$WHEN" <<<word
	dd bs=64K iflag=nonblock status=none <&7 >/dev/null 2>&1 || :
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
	exec 8<stuck 7>&-
	tr -d '\0' <&8 >messages
	exec 8<&-
	cat messages
	grep -qE '^btrfs-ktls-pipe: [0-9]+ lines? of messages w.* dropped: standard' messages
	grep -q 'no new streams' messages
}

@test "O_NONBLOCK is never set on a standard error that others share" {
	mkfifo pipe
	exec 7<>pipe
	wrapped "exec 2>'$TMP/pipe'"
	TX=(-vv) RX=(-vv)
	SOURCE=(grep flags /proc/self/fdinfo/2)
	streams push 0 0
	assert_lines 1 "$RECEIVED"
	# octal 04000 is O_NONBLOCK
	while read -r _ flags; do
		((!(flags & 04000))) || fail "$flags"
	done <"$RECEIVED"
	exec 7<&-
}
