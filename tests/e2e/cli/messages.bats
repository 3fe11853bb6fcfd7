#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Messages on standard error never delay anything, even if nobody reads them.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/keys

# keeps [OPTION]...: listen --keep, which writes alice's stream to got.alice
keeps() {
	make_keys keys alice
	SERVER=(--keys keys)
	start_receiver --keep --ktls "$WHEN" "$@" -- \
		sh -c 'exec cat >"got.$BTRFS_KTLS_PIPE_IDENTITY"'
	CREDENTIAL=(-k alice.key)
}

# without_reader: the program writes its messages into a named pipe that is
# full, and that nobody reads: our descriptor 7. The messages of BKP_READ are
# read.
without_reader() {
	mkfifo stuck
	exec 7<>stuck
	dd if=/dev/zero bs=4096 oflag=nonblock status=none >&7 2>/dev/null || :
	dd if=/dev/zero bs=1 oflag=nonblock status=none >&7 2>/dev/null || :
	BKP_READ=$BKP
	wrapped "exec 2>'$TMP/stuck'"
}

@test "sender and receiver deliver the stream although nobody reads their messages" {
	without_reader
	delivered() {
		TX=(-vv --progress) RX=(-vv --progress)
		streams "$1" 0 0 < <(head -c 3000000 /dev/zero)
		size_is 3000000 "$RECEIVED"
	}
	both_ways delivered
	exec 7<&-
}

@test "a process exits although nobody reads its last error message" {
	without_reader
	bkp 4 connect --retry 0 -k key -p 1 127.0.0.1
	bkp 2 connect --no-such-option
	if have_ktls; then
		bkp 0 probe --json
	else
		bkp 6 probe --json
	fi
	exec 7<&-
}

# on_terminal N COMMAND...: N, 0 or 1, is a terminal; messages in $ERR
on_terminal() {
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/prompt" '' \
		sh -c "exec \"\$@\" $1<>/dev/tty 2>'$ERR'" sh "${@:2}" || status=$?
}

@test "a stream that goes to a terminal, or comes from one, is announced" {
	local status=0
	on_terminal 1 "$BKP" listen -k key -b 127.0.0.1 -p 0 --wait 1ms
	((status == 4)) || fail "exit status $status"
	assert_stderr_has 'to the terminal: redirect it, or add -- COMMAND'
	on_terminal 1 "$BKP" connect -k key --receive --retry 0 -p 1 127.0.0.1
	((status == 4)) || fail "exit status $status"
	assert_stderr_has 'to the terminal'
	on_terminal 1 "$BKP" listen -k key -b 127.0.0.1 -p 0 --wait 1ms -- cat
	((status == 4)) || fail "exit status $status"
	assert_stderr_lacks 'to the terminal'
	on_terminal 0 "$BKP" connect -k key --retry 0 -p 1 127.0.0.1
	((status == 4)) || fail "exit status $status"
	assert_stderr_has 'reading the stream from the terminal'
	on_terminal 0 "$BKP" connect -k key --retry 0 -p 1 127.0.0.1 -- true
	assert_stderr_lacks 'from the terminal'
}

@test "SIGUSR1 and SIGTERM work although nobody reads the messages" {
	without_reader
	stands push
	kill -USR1 "$SENDER_PID" "$RECEIVER_PID"
	kill -TERM "$SENDER_PID"
	stream_ends 143 7
	exec 7<&- 8>&-
}

@test "listen --keep serves, and ends on a signal, although nobody reads its messages" {
	without_reader
	keeps -vv
	for _ in 1 2 3; do
		rm -f got.alice
		BKP=$BKP_READ bkp_send --ktls "$WHEN" <<<word
		[[ $(<got.alice) == word ]]
	done
	# other programs cause messages, too
	for _ in 1 2 3; do
		printf nonsense >"/dev/tcp/127.0.0.1/$PORT"
	done
	kill -HUP "$RECEIVER_PID"
	BKP=$BKP_READ bkp_send --ktls "$WHEN" <<<word
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
	exec 7<&-
}

@test "dropped messages are counted, and the count is printed when there is room again" {
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

@test "O_NONBLOCK is never set on a standard error shared with other programs" {
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

# --- messages of COMMAND

# A consumer that writes a lot to standard error before it reads its input
CHATTY=(sh -c 'i=0; while [ $i -lt 20000 ]; do echo "$0" >&2; i=$((i + 1)); done
	exec cat' "some words that mean nothing")

@test "a consumer that prints many messages, which nobody reads: sender and receiver exit 0" {
	without_reader
	chatty() {
		CONSUMER=("${CHATTY[@]}")
		streams "$1" 0 0 < <(head -c 3000000 /dev/zero)
		size_is 3000000 "$RECEIVED"
	}
	both_ways chatty
	exec 7<&-
}

@test "a consumer that prints many messages gets no SIGPIPE when their reader exits" {
	wrapped "exec 2> >(exec true); wait $!"
	CONSUMER=("${CHATTY[@]}")
	streams push 0 0 < <(head -c 3000000 /dev/zero)
	size_is 3000000 "$RECEIVED"
}

@test "all messages of a consumer that prints many reach a reader" {
	CONSUMER=("${CHATTY[@]}")
	streams push 0 0 <<<word
	[[ $(grep -cx 'some words that mean nothing' "$RECEIVER_ERR") == 20000 ]]
}

@test "the sender gets the last line of a failed consumer" {
	fails() {
		CONSUMER=(sh -c "cat >/dev/null; echo first >&2
			echo 'ERROR: cannot find parent subvolume' >&2; echo >&2; exit 1")
		streams "$1" 9 9 <<<word
		says sender 'command exited with status 1: ERROR: cannot find parent'
		assert_stderr_has '^ERROR: cannot find parent subvolume$' "$RECEIVER_ERR"
		says receiver 'sh exited with status 1$'
	}
	both_ways fails
}

@test "the last line is made printable and shortened, with or without a newline" {
	CONSUMER=(bash -c 'cat >/dev/null; printf "%0300d\n" 0 >&2
		printf "\e[31mred\xff\0end" >&2; kill -TERM $$')
	streams push 9 9 <<<word
	says sender 'by signal 15 .Terminated.: [?].31mred[?][?]end$'
	CONSUMER=(bash -c 'cat >/dev/null; printf "%03000d\n" 0 >&2; exit 3')
	streams push 9 9 <<<word
	says sender 'status 3: 0{200}$'
	run ! grep -E '0{201}' "$SENDER_ERR"
}

@test "output that overwrites its line, like a progress meter, is passed on unchanged" {
	CONSUMER=(sh -c 'cat; printf "10%%\r20%%\r" >&2; sleep 0.5; printf "30%%" >&2
		until grep -q 30% "$0"; do sleep 0.05; done; echo >&2' "$RECEIVER_ERR")
	streams push 0 0 <<<word
	[[ $(tr '\r\n' '||' <"$RECEIVER_ERR") == *'10%|20%|30%|'* ]] ||
		fail "$(cat -A "$RECEIVER_ERR")"
}

@test "--keep: each line that a COMMAND prints begins with the name of its stream" {
	make_keys keys alice
	SERVER=(--keys keys)
	start_receiver --keep --ktls "$WHEN" -- \
		sh -c 'cat >&2; printf "a\033b\r100%%\nno newline" >&2'
	CREDENTIAL=(-k alice.key)
	bkp_send --ktls "$WHEN" < <(printf 'one\ntwo\n')
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
	for text in one two '100%' 'no newline'; do
		assert_stderr_has "^alice 127.0.0.1:[0-9]+: $text\$" "$RECEIVER_ERR"
	done
	assert_stderr_lacks 'a.b' "$RECEIVER_ERR"
}

@test "--keep --send: each line that a source prints begins with the name of its stream" {
	make_keys keys alice
	SERVER=(--keys keys)
	start_receiver --keep --send --ktls "$WHEN" -- sh -c 'echo word; echo said >&2'
	bkp connect -k alice.key -p "$PORT" --ktls "$WHEN" --receive 127.0.0.1
	kill -TERM "$RECEIVER_PID"
	wait_receiver 0
	assert_stderr_has '^alice 127.0.0.1:[0-9]+: said$' "$RECEIVER_ERR"
}

@test "the source COMMAND of connect inherits standard error itself" {
	SOURCE=(readlink /proc/self/fd/2)
	streams push 0 0
	[[ $(<"$RECEIVED") == "$SENDER_ERR" ]]
}
