#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# connect --receive --output FILE: FILE is complete or not there, and with a
# name another process continues the same stream of the listener.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	RETRY=(--retry 20s)
	make_btrfs_like in 3000000
	PULL=(--receive --output file --ktls "$WHEN")
	NAME=(--name snap)
}

# offers [OPTION]... [-- COMMAND]: the listener that sends standard input
offers() {
	ktls_here
	spawn_receiver --send --ktls "$WHEN" -v "$@" >/dev/null
}

# pulls [CODE] [OPTION]...: a receiver into "file"
pulls() {
	local want=0
	if [[ ${1-} =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	bkp_send "$want" "${PULL[@]}" --stats receiver.json "$@"
}

spawn_pull() {
	spawn PULL_PID pull.err connect "${CREDENTIAL[@]}" -p "$PORT" \
		"${RETRY[@]}" "${PULL[@]}" "$@" 127.0.0.1
}

# offer_ends CODE: the listener's exit status
offer_ends() {
	receiver_ends "$1"
}

whole() {
	offer_ends 0
	assert_output_whole
}

compared() {
	assert_compared receiver.json "$@"
}

said() {
	has_line "^btrfs-ktls-pipe: .*$1" "$RECEIVER_ERR"
}

# stops SIGNAL [BYTES]: a receiver of "slow", which gives BYTES of "in" and then
# waits, is ended
stops() {
	local bytes=${2:-1000000}
	spawn_pull "${NAME[@]}"
	until_true size_is "$bytes" file.part
	kill -"$1" "$PULL_PID"
	PULLED=0
	wait "$PULL_PID" || PULLED=$?
	[[ ! -e file ]] || fail 'file is there'
	until_true said 'waiting for the peer'
}

# slow: a COMMAND that waits after 1000000 bytes, the first time
make_slow() {
	cat >slow <<-'END'
		#!/bin/sh
		echo >>runs
		head -c 1000000 in
		[ -e go ] || sleep 100
		exec tail -c +1000001 "${1:-in}"
	END
	chmod +x slow
}

@test "connect --receive --output writes a file of mode 0600, and nothing beside it" {
	offers <in
	pulls
	whole
	compared 0
	pulls 8
	assert_stderr_has 'file exists already'
}

@test "a stream without a name ends with its receiver, and the next one continues the part" {
	keeps_attributes
	make_slow
	NAME=()
	offers --retry 1s -- ./slow
	spawn_pull
	until_true size_is 1000000 file.part
	kill -TERM "$PULL_PID"
	wait "$PULL_PID" || :
	offer_ends 7
	offers <in
	pulls
	compared 1000000
	whole
}

@test "a receiver is killed: the same command compares what was synced, and gets the rest" {
	keeps_attributes
	make_btrfs_like in 75000000
	offers <in
	start_relay silence -c s2c -a 70000000 -k 1
	spawn_pull "${NAME[@]}"
	until_true synced 1 # after 64 MiB or, where that is slow, 5 s
	kill -KILL "$PULL_PID"
	wait "$PULL_PID" || :
	[[ ! -e file ]] || fail 'file is there'
	pkill -KILL -P "$TOOL_PID" || : # the listener learns of it
	pulls "${NAME[@]}"
	compared "$SYNCED" 70000000
	whole
	said 'reading the input again'
}

@test "a receiver ends by a signal: COMMAND of the listener runs again, and the rest comes" {
	local signal
	keeps_attributes
	make_slow
	wrapped : 'env --default-signal=INT'
	for signal in INT TERM; do
		rm -f go runs file
		offers -- ./slow
		stops $signal
		assert_stderr_has 'stopped after 1000000 bytes; .* waits for at most 20s; the same command continues it' pull.err
		: >go
		pulls "${NAME[@]}" -v
		assert_stderr_has 'the stream continues at byte 1000000'
		compared 1000000
		whole
		[[ $(wc -l <runs) == 2 ]] || fail "COMMAND ran $(wc -l <runs) times"
	done
}

@test "a part that is gone: the stream begins again, with nothing to compare" {
	make_slow
	offers -- ./slow
	stops KILL
	rm file.part
	: >go
	pulls "${NAME[@]}"
	compared 0
	whole
}

@test "a part that is gone: the speed is that of the new stream" {
	full_tier_only 15
	make_btrfs_like in 30000000
	printf '%s\n' '#!/bin/sh' '[ -e runs ] && sleep 3' 'echo >>runs' \
		'exec cat in' >slow
	chmod +x slow
	offers --limit 3M -- ./slow
	spawn_pull "${NAME[@]}"
	sleep 5
	kill -KILL "$PULL_PID"
	wait "$PULL_PID" || :
	rm -f file.part*
	spawn_pull "${NAME[@]}"
	until_true said 'the receiver was restarted'
	for _ in 1 2 3 4; do
		kill -USR1 "$RECEIVER_PID"
		sleep 0.7
	done
	assert_stderr_lacks '[GTPE]iB/s' "$RECEIVER_ERR"
	wait "$PULL_PID" || fail "exit status $?"
	whole
}

@test "a pipe cannot be read again: the listener exits 8, and the receiver 7" {
	keeps_attributes
	have_fifo feed
	exec 8<>feed
	offers <feed
	head -c 1000000 in >&8 3>&- &
	PIDS+=($!)
	stops TERM
	pulls 7 "${NAME[@]}"
	exec 8>&-
	offer_ends 8
	assert_stderr_has 'standard input cannot be read again' "$RECEIVER_ERR"
	size_is 1000000 file.part
	assert_beginning file.part in
}

@test "a stream that differs from the part is refused on both sides with 8, and the part kept" {
	keeps_attributes
	make_slow
	offers -- ./slow
	stops TERM
	cp file.part kept
	make_data in2 3000000
	mv in in1
	mv in2 in
	: >go
	pulls 8 "${NAME[@]}"
	offer_ends 8
	assert_stderr_has 'another stream, not the one that was begun' "$RECEIVER_ERR"
	assert_same_file kept file.part
	mv in1 in
	offers <in
	pulls
	compared 1000000
	whole
}

@test "while a receiver lives, a second one is told busy, and cannot write its file" {
	make_slow
	offers -- ./slow
	spawn_pull "${NAME[@]}"
	until_true size_is 1000000 file.part
	pulls 8 "${NAME[@]}"
	assert_stderr_has 'being written by another process'
	mkdir other
	bkp_send 5 "${PULL[@]}" "${NAME[@]}" --output other/file --retry 0
	assert_stderr_has 'busy'
	kill -KILL "$PULL_PID"
	wait "$PULL_PID" || :
	: >go
	pulls "${NAME[@]}"
	whole
}

# Its window is closed, which is no sign of death.
@test "a receiver is stopped for 15 s, and a second one comes: the first is delivered" {
	full_tier_only 20
	make_btrfs_like in 60000000
	offers --limit 3M <in
	spawn_pull "${NAME[@]}"
	until_true test -s file.part
	kill -STOP "$PULL_PID"
	mkdir other
	spawn OTHER_PID other.err connect "${CREDENTIAL[@]}" -p "$PORT" \
		"${RETRY[@]}" "${PULL[@]}" "${NAME[@]}" --output other/file 127.0.0.1
	sleep 15
	kill -CONT "$PULL_PID"
	wait "$PULL_PID" || fail "exit status $?"
	whole
}

@test "a receiver that wakes up after another took over exits 7, and promises nothing" {
	local port
	full_tier_only 6
	make_slow
	offers -- ./slow
	# It is stopped before it has an answer to its second connection.
	port=$PORT
	start_relay silence -f 500000 -k 1
	spawn_pull "${NAME[@]}" --retry 30s --handshake-timeout 5s
	until_true has_line 'connecting again' pull.err
	kill -STOP "$PULL_PID"
	until_true said 'waiting for the peer'
	mkdir other
	spawn OTHER_PID other.err connect "${CREDENTIAL[@]}" -p "$port" \
		"${RETRY[@]}" "${PULL[@]}" "${NAME[@]}" --output other/file 127.0.0.1
	until_true size_is 1000000 other/file.part
	kill -CONT "$PULL_PID"
	PULLED=0
	wait "$PULL_PID" || PULLED=$?
	((PULLED == 7)) || fail "exit status $PULLED"
	assert_stderr_lacks 'the same command' pull.err
	[[ ! -e file ]] || fail 'file is there'
}

@test "the listener is killed: the receiver exits 7, and its part is continued" {
	keeps_attributes
	make_slow
	offers -- ./slow
	spawn_pull "${NAME[@]}" --retry 1s
	until_true size_is 1000000 file.part
	kill -KILL "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	PULLED=0
	wait "$PULL_PID" || PULLED=$?
	((PULLED == 7)) || fail "exit status $PULLED"
	offers <in
	pulls "${NAME[@]}"
	compared 1000000
	whole
}

@test "--discard of a receiver ends the listener with 7, needs no --output, and leaves the part" {
	make_slow
	offers -- ./slow
	stops TERM
	bkp_send --receive "${NAME[@]}" --discard
	assert_stderr_has 'abandoned'
	offer_ends 7
	[[ $(stat -c %s file.part) == 1000000 ]]
}

@test "--send --keep: a receiver with a name continues its own stream, after another one got all of its own" {
	keeps_attributes
	make_slow
	offers --keep -- ./slow
	stops TERM
	: >go
	bkp_send "${PULL[@]}" --output whole
	assert_same_file in whole
	pulls "${NAME[@]}" -v
	compared 1000000
	assert_same_file in file
}

@test "--name with --receive needs --output, and --output needs --receive" {
	bkp 2 connect -k key --receive --name x 127.0.0.1
	assert_stderr_has 'needs --output FILE'
	bkp 2 connect -k key --output file 127.0.0.1
	bkp 2 connect -k key --receive --output file 127.0.0.1 -- cat
	bkp 2 connect -k key --receive --raw --output file 127.0.0.1
}

# The records of HAVE, and of CHECKING from the other side
@test "what the receiver has, or the result, is lost with its connection: all comes" {
	local lost
	keeps_attributes
	make_slow
	for lost in '-l 65' '-l 33 -c s2c'; do
		rm -f go file
		offers -- ./slow
		stops TERM
		: >go
		start_relay rst $lost -k 1
		pulls "${NAME[@]}" -v
		assert_stderr_has 'connecting again'
		compared 1000000
		whole
	done
}

# The folder is synced after the file has its name.
@test "a receiver is killed after it has named the file: the next one finds it and exits 8, the sender 7" {
	local program=$BKP
	can_strace
	offers --retry 2s <in
	wrapped '' 'strace -D -f -qq -o /dev/null -e trace=fsync -e inject=fsync:delay_enter=3000000'
	spawn_pull "${NAME[@]}"
	until_true test -e file
	kill -KILL "$PULL_PID"
	wait "$PULL_PID" || :
	BKP=$program
	pulls 8 "${NAME[@]}"
	assert_stderr_has 'file exists already'
	offer_ends 7
	assert_same_file in file
}

# say_hex FD HEX...: sends these bytes in a record of mode none
say_hex() {
	local fd=$1 hex
	printf -v hex '%s' "${@:2}"
	printf -v hex '170303%04x%s' $((${#hex} / 2)) "$hex"
	# shellcheck disable=SC2059 # the format has the bytes
	printf "$(sed 's/../\\x&/g' <<<"$hex")" >&"$fd"
}

# hello CONNECTION REKEY_AT FLAGS: prints the HELLO of a receiver
hello() {
	printf '010202%02x%08x%032d%048d%016x%016x%0128d' "$3" "$1" 7 0 60000 "$2" 0
}

@test "a receiver that rekeys before its bytes are compared is not answered, and harms nobody" {
	have_fifo feed
	exec 7<>feed
	SERVER=() CREDENTIAL=(-m none)
	spawn_receiver --send -m none --retry 20s >/dev/null <feed
	head -c 500000 in >&7 3>&- &
	PIDS+=($!)
	exec 5<>"/dev/tcp/127.0.0.1/$PORT" 6<>"/dev/tcp/127.0.0.1/$PORT"
	say_hex 5 "$(hello 1 0 4)"
	[[ $(head -c 69 <&5 | wc -c) == 69 ]] || fail 'no WELCOME'
	say_hex 5 0701 000000000000 "$(printf '%016x%064d' 1000000 0)"
	say_hex 6 "$(hello 2 1000000 0)"
	[[ $(wc -c <&6) == 0 ]] || fail 'the rekey was answered'
	tail -c +500001 in | head -c 500000 >&7
	exec 7>&-
	receiver_ends 8
	assert_stderr_has 'another stream' "$RECEIVER_ERR"
}

# The launcher notes what is on the disk, and opens the sockets of resolved
# names.
@test "a connection lost while a slow disk takes the note is dialled again at once" {
	local note
	can_strace
	full_tier_only 12
	keeps_attributes
	make_btrfs_like in 84000000
	offers --limit 40M <in
	start_relay rst -c s2c -a 83000000 -k 1
	wrapped '' 'strace -D -f -qq -o /dev/null -e trace=fsetxattr -e inject=fsetxattr:delay_enter=8000000'
	spawn_pull
	PATIENT=60 until_true has_line 'the stream resumes at byte [78]' pull.err
	note=$(getfattr --only-values -n user.btrfs-ktls-pipe.durable file.part || :)
	# 64 MiB, but a slow machine has noted less after 5 s.
	((${note:-0} < 64 << 20)) || fail "the note came first: $note"
	wait_for 0 "$PULL_PID" receiver pull.err
	whole
}

# The reset lies right behind WELCOME, the fifth record of the listener: often
# HAVE cannot be sent any more.
@test "a connection that is reset between WELCOME and HAVE, and later ones, are resumed" {
	local i
	keeps_attributes
	for i in 1 2 3; do
		rm -f file file.part
		offers --limit 1M <in
		spawn_pull "${NAME[@]}"
		until_true test -s file.part
		kill -TERM "$PULL_PID"
		wait "$PULL_PID" || :
		kill -TERM "$RECEIVER_PID"
		wait "$RECEIVER_PID" || :
		offers <in
		start_relay rst -c s2c -r 5 -k 1
		start_relay rst -c s2c -a 1000000 -k 3
		pulls
		whole
	done
}

@test "receivers are killed at random moments: the file is absent or whole" {
	local round kills
	by_tier 1 1 200 20
	make_btrfs_like in 5000000
	for ((round = 0; round < SIZE; round++)); do
		rm -f file file.part
		offers --limit 10M -- cat in
		for ((kills = 0; ; kills++)); do
			[[ ! -e file ]] || break
			spawn_pull "${NAME[@]}"
			((kills < 5)) || break
			# Until then it is bash, which would end this test.
			until_true runs_program "$PULL_PID"
			sleep "0.$((RANDOM % 5))"
			kill -"$((RANDOM % 2 ? 9 : 15))" "$PULL_PID" 2>/dev/null || :
			wait "$PULL_PID" 2>/dev/null || :
			part_is_beginning
		done
		wait "$PULL_PID" || :
		cmp file in || {
			show pull.err "$RECEIVER_ERR"
			fail "round $round, $kills kills"
		}
		kill "$RECEIVER_PID" 2>/dev/null || :
		wait "$RECEIVER_PID" || :
	done
}
