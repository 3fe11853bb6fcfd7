#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A stream with a name survives its sender: another process continues it at the
# exact byte, and never with another stream.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	RETRY=(--retry 20s)
	make_btrfs_like in 3000000
	TX=(--name snap)
}

# suspends SIGNAL [BYTES]: as loses_sender; the receiver waits for another one
suspends() {
	loses_sender "$@"
	until_true said receiver 'waiting for the peer, for at most 20s'
}

# again [CODE] [OPTION]...: the same command once more, with standard input
again() {
	local want=0
	if [[ ${1-} =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	bkp_send "$want" --ktls "$WHEN" "${TX[@]}" "$@"
}

# said WHO REGEX: as says, without a message
said() {
	local errors=$SENDER_ERR
	[[ $1 == sender ]] || errors=$RECEIVER_ERR
	has_line "^btrfs-ktls-pipe: .*$2" "$errors"
}

arrived() {
	receiver_ends 0
	assert_same_file in "$RECEIVED"
}

compared() {
	[[ $(<sender.json) == *"\"compared\": $1, "* ]] ||
		fail "$(<sender.json)"
}

@test "a sender is killed: the same command sends what is missing, and no more" {
	suspends KILL
	again --stats sender.json <in
	assert_stderr_has 'the stream continues at byte 1000000'
	compared 1000000
	[[ $WHEN == off || $(<sender.json) == *'"tx": "kernel'* ]] ||
		fail "$(<sender.json)"
	arrived
}

@test "a sender that is killed again and again continues each time" {
	local i
	suspends KILL 300000
	for i in 2 3 4; do
		have_fifo feed$i
		exec 8<>feed$i
		spawn_sender --ktls "$WHEN" "${TX[@]}" <feed$i
		head -c $((300000 * i)) in >&8
		until_true size_is $((300000 * i)) "$RECEIVED"
		kill -KILL "$SENDER_PID"
		wait "$SENDER_PID" || :
		exec 8>&-
	done
	again --stats sender.json <in
	compared 1200000
	arrived
}

@test "SIGINT and SIGTERM suspend a stream with a name, and say so" {
	local signal
	# A process in the background ignores SIGINT.
	wrapped : 'env --default-signal=INT'
	for signal in INT TERM; do
		suspends $signal
		says sender 'stopped after 1000000 bytes; .* waits for at most 20s; the same command continues it'
		again <in
		arrived
	done
}

@test "a source that fails, or is cut short, suspends a stream with a name" {
	stream_starts push < <(head -c 1000000 in)
	wait "$SENDER_PID" || SENDER=$?
	((SENDER == 8)) || fail "exit status $SENDER"
	says sender 'the stream stopped after [0-9]+ bytes'
	bkp 9 connect -k key -p "$PORT" --ktls "$WHEN" --name snap 127.0.0.1 -- \
		sh -c 'head -c 2000000 in; exit 3'
	bkp connect -k key -p "$PORT" --ktls "$WHEN" --name snap 127.0.0.1 -- cat in
	arrived
}

@test "another stream is refused with 8, and the right one still continues" {
	RX=(-v)
	suspends KILL
	cp in other
	printf x | dd of=other bs=1 seek=999999 conv=notrunc status=none
	again 8 <other
	assert_stderr_has 'another stream, not the one that was begun: its first 1000000 bytes differ'
	until_true said receiver 'came with another stream'
	[[ $(sed -n 's/.* \(127[^ ]*\) came with.*/\1/p' "$RECEIVER_ERR") == \
		$(sed -n 's/.* peer \(127[^ ]*\), .*/\1/p' "$RECEIVER_ERR" | tail -n 1) ]] ||
		fail "$(<"$RECEIVER_ERR")"
	again 8 < <(head -c 999999 in; cat /dev/null)
	assert_stderr_has 'cut short'
	make_data short 1000
	again 8 <short
	assert_stderr_has 'another stream, .* it has 1000 bytes, and the receiver has 1000000'
	assert_prefix "$RECEIVED" in
	again <in
	arrived
}

@test "a name that is not the stream's, or none, is told that the listener is busy" {
	suspends KILL
	again 5 --retry 0 --name other <in
	assert_stderr_has 'busy'
	bkp_send 5 --ktls "$WHEN" --retry 0 <in
	assert_stderr_has 'busy'
	again <in
	arrived
}

@test "a second process with the name waits while the first one sends" {
	stands push
	again 5 --retry 0 </dev/null
	assert_stderr_has 'busy'
	tail -c +100001 in >&8
	stands_end
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
}

@test "a second process with the name continues when the first one is killed" {
	stands push
	spawn OTHER_PID other.err connect -k key -p "$PORT" --ktls "$WHEN" \
		--retry 60s --name snap 127.0.0.1 <in
	until_true has_line 'busy' other.err
	kill -KILL "$SENDER_PID"
	stands_end
	wait_for 0 "$OTHER_PID" sender other.err
	arrived
}

@test "a sender that wakes up after another one took over exits 7, and promises nothing" {
	have_fifo feed
	have_fifo other
	exec 8<>feed
	exec 6<>other
	ktls_here
	start_receiver --ktls "$WHEN"
	start_relay
	spawn_sender --ktls "$WHEN" --retry 2s "${TX[@]}" <feed
	head -c 400000 in >&8
	until_true size_is 400000 "$RECEIVED"
	kill -STOP "$SENDER_PID"
	# its connection ends; another one is possible
	pkill -KILL -P "$TOOL_PID"
	until_true said receiver 'waiting for the peer'
	spawn OTHER_PID other.err connect -k key -p "$PORT" --ktls "$WHEN" \
		"${TX[@]}" 127.0.0.1 <other 6>&-
	head -c 500000 in >&6
	until_true size_is 500000 "$RECEIVED"
	kill -CONT "$SENDER_PID"
	wait_sender 7
	exec 8>&- 6>&-
	assert_stderr_has 'does not know this process any more' "$SENDER_ERR"
	assert_stderr_lacks 'the same command' "$SENDER_ERR"
}

# The listener would say so by an alert; this is the network.
@test "a handshake that the network ends is not taken for another process" {
	start_receiver --ktls "$WHEN" --retry 20s
	start_relay fin -c s2c -f 500000
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" "${TX[@]}" --retry 3s <feed
	head -c 1000000 in >&8
	wait_sender 7
	exec 8>&-
	assert_stderr_has 'the same command continues it' "$SENDER_ERR"
	assert_stderr_lacks 'does not know this process' "$SENDER_ERR"
}

@test "a named sender ends by a signal after a rekey has failed: the stream is suspended" {
	local code=0
	have_fifo feed
	exec 8<>feed
	make_data in 8000000
	TX+=(--rekey-after 2M) RX=()
	HARM=(fin -c s2c -f 100000000)
	stream_starts push <feed
	feed_until_harm # it wants to rekey
	until_true has_line 'trying again, to rekey' "$SENDER_ERR"
	kill -TERM "$SENDER_PID"
	wait "$SENDER_PID" || code=$?
	((code == 143)) || fail "exit status $code"
	until_true said receiver 'waiting for the peer'
}

@test "--discard ends the receiver with 7, and itself with 0" {
	suspends KILL
	again --discard
	assert_stderr_has 'abandoned'
	receiver_ends 7
	says receiver 'the sender abandoned the stream'
}

@test "--discard without such a stream is refused with 5" {
	start_receiver --ktls "$WHEN"
	again 5 --discard
	assert_stderr_has ': there is no stream of that name$'
	until_true has_line 'refused .*: there is no stream of that name' "$RECEIVER_ERR"
}

@test "nobody continues: the receiver exits 7 after the time that it granted" {
	have_fifo feed
	exec 8<>feed
	ktls_here
	start_receiver --ktls "$WHEN" --retry 2s
	spawn_sender --ktls "$WHEN" "${TX[@]}" <feed
	head -c 1000 in >&8
	until_true size_is 1000 "$RECEIVED"
	kill -TERM "$SENDER_PID"
	exec 8>&-
	receiver_ends 7
	says sender 'waits for at most 2s'
}

# The consumer, which waits for the file gate, ends while no sender is there.
killed_at_the_end() {
	have_fifo gate
	stream_starts push <in
	until_true said sender 'everything is sent'
	kill -KILL "$SENDER_PID"
	until_true said receiver 'waiting for the peer'
	: >gate
}

@test "an outcome that no sender has heard is told to a restarted one" {
	outcome_kept() {
		CONSUMER=(sh -c "cat >got; cat <gate; $1")
		killed_at_the_end
		again "$2" <in
		receiver_ends "$2"
		assert_same_file in got
		rm gate
	}
	outcome_kept true 0
	outcome_kept 'exit 3' 9
	assert_stderr_has "receiver's command exited with status 3"
}

@test "a longer stream than the one that was ended is not confirmed" {
	CONSUMER=(sh -c "cat >got; cat <gate")
	killed_at_the_end
	again 7 < <(cat in; printf "$BTRFS_END")
	assert_stderr_has 'confirms 3000000 bytes, but the stream has 3000010'
	again <in
	receiver_ends 0
}

# tells_comparison: the sender prints its progress, of a comparison
tells_comparison() {
	kill -USR1 "$SENDER_PID"
	said sender 'comparing 977 KiB that the receiver has: 488 KiB [0-9:]+$'
}

@test "a connection that is lost while bytes are compared is resumed, and the progress is told" {
	suspends KILL
	# before the first ACK: 16 bytes, their type and a tag
	start_relay cut -c s2c -l 33 -k 1
	have_fifo slow
	exec 8<>slow
	spawn_sender --ktls "$WHEN" "${TX[@]}" -v --stats sender.json <slow
	head -c 500000 in >&8
	until_true said sender 'comparing the 1000000 bytes'
	until_true said sender 'connecting again'
	until_true tells_comparison
	tail -c +500001 in >&8
	exec 8>&-
	wait_sender 0
	compared 1000000
	arrived
}

# is_compared: the sender prints its progress, which is no comparison any more
is_compared() {
	kill -USR1 "$SENDER_PID"
	said sender '.* reconnecting, '
}

# The comparison ends between two connections, because the relay does not serve
# the second one before; 282 is SOL_TLS, 1 TLS_TX.
@test "kernel TLS is refused after a comparison, over the next connection: --ktls require exits 7" {
	require_ktls
	suspends KILL
	start_relay cut -c s2c -l 33 -k 1 -p
	have_fifo slow
	exec 8<>slow
	wrapped '' "\"$BKP_TOOLS/refuse\" EPERM setsockopt:1=282:2=1 --"
	spawn_sender --ktls require "${TX[@]}" -v <slow
	until_true said sender 'comparing the 1000000 bytes'
	head -c 500000 in >&8
	until_true test -s tool.err
	tail -c +500001 in >&8
	exec 8>&-
	until_true is_compared
	kill -CONT "$TOOL_PID"
	wait_for 7 "$SENDER_PID" sender "$SENDER_ERR"
	assert_stderr_has 'setsockopt' "$SENDER_ERR"
}

@test "names need a listener that can wait: else 5, and with wrong options 2" {
	start_receiver --ktls "$WHEN" --retry 0
	again 5 <in
	assert_stderr_has 'does not serve streams by name'
	bkp 2 connect -m none --name x 127.0.0.1
	bkp 2 connect --raw -k key --name x 127.0.0.1
	bkp 2 connect -k key --buffer 0 --name x 127.0.0.1
	bkp 2 connect -k key --discard 127.0.0.1
	bkp 2 connect -k key --name "$(printf %256s x)" 127.0.0.1
}

# --- listen --keep

# keeps [OPTION]...: a listener whose streams end up in got.IDENTITY
keeps() {
	ktls_here
	start_receiver --ktls "$WHEN" --retry 20s --keep "$@" -- \
		sh -c 'cat >>"got.$BTRFS_KTLS_PIPE_IDENTITY"'
}

# suspends_kept BYTES [OPTION]...: a sender that has sent BYTES is killed
suspends_kept() {
	local who=${WHO-btrfs}
	have_fifo feed
	exec 8<>feed
	: >"got.$who"
	spawn_sender --ktls "$WHEN" "${TX[@]}" "${@:2}" <feed
	head -c "$1" in >&8
	until_true size_is "$1" "got.$who"
	kill -KILL "$SENDER_PID"
	wait "$SENDER_PID" || :
	exec 8>&-
	until_true said receiver "$who.*waiting for the peer"
}

@test "--keep: a killed sender continues, and its new connection resumes, too" {
	keeps
	suspends_kept 1000000
	start_relay rst -a 1000000 -k 2
	again --stats sender.json -v <in
	assert_stderr_has 'the stream resumes at byte'
	compared 1000000
	assert_same_file in got.btrfs
	assert_stderr_has 'delivered, 3000000 bytes' "$RECEIVER_ERR"
}

@test "--keep --keys: a name belongs to one identity, and counts for --per-client" {
	make_key alice alice
	make_key bob bob
	cat alice bob >keys
	SERVER=(--keys keys)
	keeps --per-client 1
	CREDENTIAL=(-k alice)
	WHO=alice suspends_kept 1000000
	CREDENTIAL=(-k bob)
	again <in
	assert_same_file in got.bob
	CREDENTIAL=(-k alice)
	again 5 --retry 0 --name other <in
	assert_stderr_has 'busy'
	again <in
	assert_same_file in got.alice
	again --name other --retry 5s <in
}

@test "--keep with a password: a killed sender continues" {
	echo 'correct horse battery' >password
	CREDENTIAL=(--password-file password)
	keeps
	WHO='' suspends_kept 1000000
	again --stats sender.json <in
	compared 1000000
	assert_same_file in got.
}

# others FIRST LAST: starts senders that stay
others() {
	local i
	for ((i = $1; i <= $2; i++)); do
		have_fifo "feed$i"
		spawn SENDER_PID "sender$i.err" connect -k key -p "$PORT" \
			--ktls "$WHEN" -v 127.0.0.1 <>"feed$i"
		until_true has_line 'peer 127' "sender$i.err"
	done
}

# There are 16 places.
@test "--keep: a suspended stream takes no place, and SIGUSR1 tells its time left" {
	keeps
	others 1 15
	suspends_kept 500
	others 16 16
	again 5 --retry 0 <in
	kill -USR1 "$RECEIVER_PID"
	until_true said receiver '500 B .*reconnecting, 0:00:[01][0-9] left'
	kill -KILL "$SENDER_PID"
	again --retry 20s --stats sender.json <in
	compared 500
}

@test "--keep: --discard ends one stream, and the name is free for another" {
	keeps
	suspends_kept 1000
	again --discard
	until_true said receiver 'the sender abandoned the stream .*exit status 7'
	rm got.btrfs
	again --stats sender.json <in
	compared 0
	assert_same_file in got.btrfs
}

@test "--keep: SIGTERM counts a suspended stream, and its sender can still finish it" {
	keeps
	suspends_kept 1000000
	kill -TERM "$RECEIVER_PID"
	until_true said receiver 'no new streams; finishing 0, and 1 suspended, '
	again --stats sender.json <in
	compared 1000000
	receiver_ends 0
	assert_same_file in got.btrfs
}

@test "--keep: a second SIGTERM ends a suspended stream, too" {
	keeps
	suspends_kept 1000
	kill -TERM "$RECEIVER_PID"
	until_true said receiver 'finishing 0, and 1 suspended, '
	kill -TERM "$RECEIVER_PID"
	receiver_ends 143
	said receiver '.* 127[^ ]*: stopped by signal 15'
}

@test "senders are killed at random moments: the stream arrives once, and whole" {
	local round kills
	by_tier 3 2 200 20
	make_btrfs_like in 20000000
	for ((round = 0; round < SIZE; round++)); do
		start_receiver --ktls "$WHEN" --retry 60s
		kills=0
		for (( ; ; )); do
			spawn_sender --ktls "$WHEN" "${TX[@]}" --limit 20M \
				< <(cat in)
			sleep ".0$((RANDOM % 10))"
			((kills++ < 5)) || break
			kill -KILL "$SENDER_PID" 2>/dev/null || :
			wait "$SENDER_PID" 2>/dev/null || :
		done
		wait_sender 0
		arrived
	done
}

# The second sender's input is open when the outcome is known.
@test "an empty stream is confirmed to a second process that comes to its end" {
	CONSUMER=(sh -c "cat >got; cat <gate; : >left")
	have_fifo gate
	stream_starts push </dev/null
	until_true said sender 'everything is sent'
	kill -KILL "$SENDER_PID"
	until_true said receiver 'waiting for the peer'
	have_fifo slow
	exec 8<>slow
	spawn_sender --ktls "$WHEN" "${TX[@]}" <slow
	until_true said receiver 'resumes at byte 0'
	: >gate
	until_true test -e left
	exec 8>&-
	wait_sender 0
	receiver_ends 0
}

@test "a sender that cannot begin leaves the stream suspended" {
	local unlimited=$BKP
	not_under sanitizers 'they need memory of their own'
	suspends KILL
	wrapped 'ulimit -v 400000'
	again 70 --buffer 512M <in
	assert_stderr_has 'stopped after 1000000 bytes; .* the same command continues it'
	BKP=$unlimited
	again <in
	arrived
}

# The receiver reads none of that before its consumer goes on.
@test "a sender compares, goes on and rekeys while the consumer stalls: the stream is delivered" {
	make_btrfs_like in 8000000
	have_fifo gate
	have_fifo feed
	CONSUMER=(sh -c 'cat <gate; exec cat >got')
	exec 8<>feed
	stream_starts push <feed
	head -c 4000000 in >&8
	kill -KILL "$SENDER_PID"
	exec 8>&-
	until_true said receiver 'waiting for the peer'
	spawn_sender --ktls "$WHEN" "${TX[@]}" -v --rekey-after 1M <in
	until_true said sender 'rekeyed at byte'
	: >gate
	wait_sender 0
	receiver_ends 0
	assert_same_file in got
}
