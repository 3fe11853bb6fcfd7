#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A dropped connection does not end the stream: it is resumed at the exact byte,
# or a message says why not.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	RETRY=(--retry 20s)
	make_data in 8000000
}

# survives push|pull: a stream of "in" arrives despite HARM. The input is a
# pipe: a file needs no resend buffer, and so never waits for an ACK.
survives() {
	streams "$1" 0 0 < <(cat in)
	assert_same_file in "$RECEIVED"
}

# survives_cut push|pull ACTION ARG...: ACTION of the relay, which counts the
# bytes of the stream
survives_cut() {
	directions "$1"
	HARM=("$2" -c "$WITH" "${@:3}")
	with_stats
	survives "$1"
	counted reconnects 1
}

# survives_cut_against push|pull ACTION ARG...: harm in the opposite direction
survives_cut_against() {
	directions "$1"
	survives_cut "$1" "$2" -x "$AGAINST" "${@:3}"
}

# --- every way to lose a connection, at any point

@test "a reset after each megabyte: the stream is resumed and delivered" {
	both_ways survives_cut rst -a 1000000
}

@test "FIN in both directions: the stream is resumed and delivered" {
	both_ways survives_cut cut -a 1500000
}

@test "FIN in the direction of the stream alone: the stream is resumed and delivered" {
	both_ways survives_cut fin -a 1500000
}

@test "FIN in the control direction alone: the stream is resumed and delivered" {
	both_ways survives_cut_against fin -a 1500000 -k 3
}

@test "a forged record costs a connection, not the stream" {
	both_ways survives_cut flip -r 40 -k 2
}

@test "a forged acknowledgement costs a connection, not the stream" {
	forged() {
		directions "$1"
		TX=(--buffer 1M)
		HARM=(flip -c "$AGAINST" -r 9 -k 2)
		with_stats
		survives "$1"
		counted reconnects 1
	}
	both_ways forged
}

# The listener has accepted the peer by then, and learns of the damage by an
# alert.
@test "a damaged WELCOME costs a connection, not the stream" {
	damaged() {
		TX=(--buffer 1M)
		# a frame of 64 bytes, its record type and a tag
		HARM=(flip -f 1500000 -c s2c -l 81 -k 2)
		with_stats
		survives "$1"
		counted reconnects 1
	}
	both_ways damaged
}

# The connection stays open; nothing that the listener says arrives any more.
@test "a WELCOME that never arrives costs a connection, not the stream" {
	swallowed() {
		TX=(--handshake-timeout 1s) RX=(--handshake-timeout 1s)
		HARM=(hole -c s2c -l 81 -k 1)
		survives "$1"
		says "$2" 'no answer to our greeting within 1000 ms; trying again'
	}
	swallowed push sender
	swallowed pull receiver
}

# The type, the version and the length of a record are not encrypted.
@test "a damaged record header costs a connection, not the stream" {
	local byte mode=tls13-aes128-gcm
	damaged() {
		TX=(-m "$mode" --buffer 1M) RX=(-m "$mode")
		directions "$1"
		HARM=(flip -c "$WITH" -r 40 -o "$byte" -k 1)
		with_stats
		survives "$1"
		# Kernels ignore the outer type of a TLS 1.3 record.
		[[ $byte == 0 && $WHEN == require ]] || counted reconnects 1
		HARM=(flip -c "$AGAINST" -r 9 -o "$byte" -k 1)
		survives "$1"
		counted reconnects 1
	}
	for byte in 0 1 2 4; do
		[[ $byte != 2 ]] || mode=tls12-aes128-gcm
		both_ways damaged
	done
}

@test "the smallest --buffer suffices to resume" {
	TX=(--buffer 1M)
	both_ways survives_cut rst -a 700000
}

@test "a stream resumes in every mode that a key can have" {
	local mode
	for mode in $(key_modes); do
		TX=(-m "$mode") RX=(-m "$mode")
		both_ways survives_cut rst -a 3000000
	done
}

# --- kernel TLS that is gone when the next connection needs it

# tls_is_unused: no socket has it any more, so without_tls can unload it
tls_is_unused() {
	grep -q '^tls [0-9]* 0 ' /proc/modules
}

# loses_tls push|pull SIDE: SIDE requires kernel TLS; the connection is lost,
# and the module with it
loses_tls() {
	local relay listener
	TX=(--ktls off) RX=(--ktls off) HARM=(pass)
	[[ $2 == receiver ]] || TX=(--ktls require)
	[[ $2 == sender ]] || RX=(--ktls require)
	stands "$1"
	relay=$PORT listener=$RECEIVER_PID
	[[ $1 == push ]] || listener=$SENDER_PID
	find_port "$listener"
	kill "$TOOL_PID"
	until_true tls_is_unused
	without_tls
	TOOL_PORT=$relay start_relay pass
}

# ends_without_tls push|pull
ends_without_tls() {
	local side
	for side in sender receiver; do
		loses_tls "$1" "$side"
		stream_ends 7 7
		[[ $(grep -c 'modprobe tls' "$side.err") == 1 ]] &&
			tail -n 1 "$side.err" | grep -q 'modprobe tls' ||
			{ show sender.err receiver.err tool.err; fail "$side, $1, $PORT"; }
		stands_end
		modprobe -d "$BKP_GUEST_MODULES" tls
	done
}

@test "kernel TLS is gone when a stream resumes: --ktls require exits 7 at once and names modprobe" {
	require_ktls
	both_ways ends_without_tls
}

@test "a stream may change its path with each connection" {
	require_ktls
	TX=(--ktls off) RX=(--ktls require)
	both_ways survives_cut rst -a 2000000
	TX=(--ktls require) RX=(--ktls off)
	both_ways survives_cut rst -a 2000000
	TX=(--ktls require) RX=(--ktls require --rx splice)
	both_ways survives_cut rst -a 2000000
}

@test "the lack of kernel TLS is reported once, not for every connection" {
	once() {
		directions "$1"
		TX=(--ktls auto --rekey-after 4M "${TX[@]}") RX=(--ktls auto)
		HARM=(rst -c "$WITH" -a 1500000 -k 2)
		with_stats
		survives "$1"
		counted reconnects 1
		for i in "$SENDER_ERR" "$RECEIVER_ERR"; do
			[[ $(grep -c 'going on in user space' "$i") == 1 ]] ||
				fail "$(<"$i")"
		done
	}
	local i
	without_tls
	both_ways once
}

@test "a COMMAND on each side does not notice a resume" {
	commands() {
		directions "$1"
		SOURCE=(cat in) CONSUMER=(dd of=got bs=64K status=none)
		HARM=(rst -c "$WITH" -a 1500000)
		rm -f got
		streams "$1" 0 0
		assert_same_file in got
	}
	both_ways commands
}

# The peer waits for us no longer than --retry: we must notice the loss
# ourselves, at the latest when it does not take a sign of life.
@test "a connection lost while the consumer stalls: the stream is resumed and delivered" {
	stalled() {
		have_fifo consumer
		have_fifo go
		OUTPUT=consumer HARM=(pass)
		RETRY=(--retry 20s)
		{
			: <go
			cat
		} <consumer >got 3>&- &
		CONSUMER_PID=$!
		PIDS+=("$CONSUMER_PID")
		stream_starts "$1" <in
		until_true stands_still
		pkill -9 -P "$TOOL_PID"
		until_true grep -q 'resumes at byte' "$RECEIVER_ERR"
		: >go
		stream_ends 0 0
		wait "$CONSUMER_PID" || :
		assert_same_file in got
	}
	# some bytes were sent, and none for a while
	stands_still() {
		local before
		before=$(written)
		sleep 0.3
		((before > 60000 && before == $(written)))
	}
	written() {
		sed -n 's/^wchar: //p' "/proc/$RECEIVER_PID/io"
	}
	both_ways stalled
}

# --- the outcome

# outcome_lost push|pull ACTION: ACTION on the record with DONE or FAIL of a
# short stream, a frame of 16 bytes: no ACK of the same size comes before it
outcome_lost() {
	directions "$1"
	TX=() RX=()
	HARM=("$2" -c "$AGAINST" -l 33 -k 1)
	with_stats
}

@test "an outcome that is lost is fetched by resuming" {
	local action
	fetched() {
		outcome_lost "$1" "$2"
		head -c 100000 in >part
		streams "$1" 0 0 <part
		assert_same_file part "$RECEIVED"
		counted reconnects 1
	}
	for action in rst cut fin; do
		fetched push "$action"
		fetched pull "$action"
	done
}

@test "a failure that is lost is never taken for a success" {
	failed() {
		outcome_lost "$1" "$2"
		CONSUMER=(sh -c 'cat >/dev/null; exit 3')
		head -c 100000 in >part
		streams "$1" 9 9 <part
		says sender 'exited with status 3'
	}
	failed push rst
	failed pull cut
}

# --- giving up

@test "connect waits for a listener that starts later" {
	local port
	HOST=127.0.0.66 # where nobody else takes the port meanwhile
	BIND=(-b "$HOST")
	start_receiver
	port=$PORT
	kill "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	spawn_connect "$SENDER_ERR" SOURCE -v <in
	SENDER_PID=$CONNECT_PID
	until_true grep -q 'trying again' "$SENDER_ERR"
	start_receiver -p "$port" --retry 5s
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
}

@test "no listener until --retry has passed: connect exits 4" {
	takes_at_most 10 bkp 4 connect -k key -p 1 --retry 1s 127.0.0.1
	assert_stderr_has 'refused.*trying again for 1s'
	assert_lines 2 "$ERR"
}

@test "connect tries a busy listener again" {
	stands push
	until_true grep -q . "$RECEIVED"
	bkp_send 5 --retry 1s <<<word
	assert_stderr_has 'busy.*trying again for 1s'
	stands_end
	wait_receiver 0
}

@test "a name that does not exist is not retried" {
	takes_at_most 20 bkp 4 connect -k key --retry 60s no..such..host
}

@test "a wrong key is not retried" {
	start_receiver
	make_key wrong
	takes_at_most 10 bkp_send 5 -k wrong --retry 60s <<<word
}

@test "the sender is killed: the receiver exits 7 after --retry" {
	gives_up() {
		RETRY=(--retry 1s)
		stands "$1"
		kill -9 "$SENDER_PID"
		takes_at_most 8 stream_ends 137 7
		says receiver 'no other connection was made within 1s'
	}
	both_ways gives_up
}

@test "the receiver is killed: the sender exits 7 after --retry" {
	gives_up() {
		RETRY=(--retry 1s)
		stands "$1"
		kill -9 "$RECEIVER_PID"
		takes_at_most 8 stream_ends 7 137
		says sender 'no other connection was made within 1s'
	}
	both_ways gives_up
}

# gives_up_by WHO REGEX: the other side is gone; WHO exits within 20 s
gives_up_by() {
	stands push
	if [[ $1 == sender ]]; then
		kill -9 "$RECEIVER_PID"
		takes_at_most 20 stream_ends 7 137
	else
		kill -9 "$SENDER_PID"
		takes_at_most 20 stream_ends 137 7
	fi
	says "$1" "$2"
}

@test "the smaller --retry of the two sides applies to both" {
	RETRY=() TX=(--retry 60s) RX=(--retry 1s)
	gives_up_by sender 'no other connection was made within 1s'
	gives_up_by receiver 'no other connection was made within 1s'
	TX=(--retry 1s) RX=(--retry 60s)
	gives_up_by sender 'no other connection was made within 1s'
	gives_up_by receiver 'no other connection was made within 1s'
}

@test "the default --retry of connect is 2 minutes, listen grants it, and days are accepted" {
	RETRY=()
	stands push
	kill -9 "$RECEIVER_PID"
	until_true has_line 'connecting again, for at most 2m' "$SENDER_ERR"
	kill -9 "$SENDER_PID"
	TX=(--retry 7d)
	stands push
	kill -9 "$SENDER_PID"
	until_true has_line 'waiting for the peer, for at most 1h' "$RECEIVER_ERR"
	kill -9 "$RECEIVER_PID"
	RX=(--retry 1d)
	stands push
	kill -9 "$SENDER_PID"
	until_true has_line 'waiting for the peer, for at most 1d' "$RECEIVER_ERR"
}

# --- connections that stay open and move nothing

# swallowed push|pull BYTES [OPTION]...: both sides notice that the connection
# is useless
swallowed() {
	directions "$1"
	RETRY=(--retry 5s)
	HARM=(hole -c "$WITH" -a "$2" "${@:3}")
	stream_starts "$1" <in
	stream_ends 7 7
	grep -q 'nothing moved over another connection within 5s' \
		"$SENDER_ERR" "$RECEIVER_ERR" || fail 'neither side says why'
	assert_beginning "$RECEIVED" in
}

# Once a connection is lost, another that moves nothing does not count as one.
@test "a connection swallows the stream after a resume: sender and receiver exit 7" {
	soon() {
		takes_at_most 30 swallowed "$1" 3000 -f 500000
	}
	both_ways soon
}

@test "every connection swallows the stream: sender and receiver exit 7" {
	full_tier_only 42
	stuck() {
		takes_at_most 60 swallowed "$1" 3000
		says sender 'waited for 30 s for bytes.*MTU.*firewall'
	}
	both_ways stuck
}

@test "the last byte, or the close_notify after it, is swallowed: the sender exits 7" {
	full_tier_only 42
	RETRY=(--retry 0)
	HARM=(hole -l 19)
	stream_starts push <in
	takes_at_most 60 wait_sender 7
	says sender 'waited for 30 s for bytes'
}

@test "a quiet source does not end a stream that was resumed" {
	quiet() {
		RETRY=(--retry 2s)
		directions "$1"
		HARM=(rst -c "$WITH" -a 50000 -k 1)
		stands "$1"
		until_true has_line 'resumes at byte' "$SENDER_ERR"
		sleep 13 # longer than --retry, and than a connection's trial
		head -c 100000 in >&8
		stands_end
		stream_ends 0 0
	}
	full_tier_only 15
	both_ways quiet
}

@test "a consumer that stalls does not end a stream that was resumed" {
	stalled() {
		RETRY=(--retry 2s)
		directions "$1"
		HARM=(rst -c "$WITH" -a 2000000 -k 1)
		have_fifo go
		CONSUMER=(sh -c 'head -c 1000; read -r _ <go; cat')
		stream_starts "$1" <in
		until_true has_line 'resumes at byte' "$SENDER_ERR"
		sleep 13
		echo >go
		stream_ends 0 0
		assert_same_file in "$RECEIVED"
	}
	full_tier_only 15
	both_ways stalled
}

# cut_all_the_time: all connections of the relay, until the file "enough" exists,
# or the sender has given up
cut_all_the_time() {
	until [[ -e enough ]] || gone "$SENDER_PID"; do
		sleep 0.8
		pkill -KILL -P "$TOOL_PID" || :
	done
}

@test "a consumer that stalls while connections are lost all the time: the stream is resumed and delivered" {
	stalls() {
		rm -f enough
		RETRY=(--retry "$2s")
		HARM=(pass)
		CONSUMER=(sh -c "sleep $3; cat >got; : >enough")
		stream_starts "$1" <in
		cut_all_the_time
		stream_ends 0 0
		assert_same_file in got
	}
	make_data in 20000000
	stalls push 3 5
	# A FIN behind bytes that nobody takes is noticed at the next ACK.
	[[ $BKP_TIER != full ]] || stalls pull 10 14
}

@test "a quiet source while connections are lost all the time: the stream is resumed and delivered" {
	quiet() {
		rm -f enough
		RETRY=(--retry 3s)
		HARM=(pass)
		SOURCE=(sh -c 'cat in; sleep 5; : >enough; cat in')
		stream_starts "$1"
		cut_all_the_time
		stream_ends 0 0
		cat in in | cmp - "$RECEIVED"
	}
	both_ways quiet
}

# The sender has sent everything; over the next connection, too.
@test "a connection lost while the consumer works on costs no processor time" {
	works_on() {
		RETRY=(--retry 60s)
		have_fifo go
		CONSUMER=(sh -c 'cat; read -r _ <go')
		HARM=(pass)
		stream_starts "$1" <in
		until_true size_is "$(stat -c %s in)" "$RECEIVED"
		until_true has_line 'waiting for the receiver to confirm' \
			"$SENDER_ERR"
		pkill -9 -P "$TOOL_PID"
		until_true has_line 'resumes at byte' "$RECEIVER_ERR"
		idles "$RECEIVER_PID" "$SENDER_PID"
		echo >go
		stream_ends 0 0
		assert_same_file in "$RECEIVED"
	}
	not_under valgrind 'it costs time'
	both_ways works_on
}

# The peer decides how often that is.
@test "a stream is cut again and again: few lines are logged, and the others are counted" {
	local side lines
	cuts() {
		directions "$1"
		HARM=(rst -c "$WITH" -a 30000 -k 40)
		stream_starts "$1" <less
		stream_ends 0 0
		assert_same_file less "$RECEIVED"
	}
	RETRY=(--retry 60s)
	head -c 2000000 in >less
	both_ways cuts
	for side in sender receiver; do
		says "$side" 'more messages about connections were left out'
		lines=$(wc -l <"$side.err")
		((lines < 75)) || fail "$side: $lines lines"
	done
}

# stopped SENDER|RECEIVER: that side gets a signal, the other does not wait
stopped() {
	RETRY=(--retry 60s)
	stands "$1"
	if [[ $2 == sender ]]; then
		kill -"$3" "$SENDER_PID"
		takes_at_most 10 stream_ends "$4" 7
	else
		kill -"$3" "$RECEIVER_PID"
		takes_at_most 10 stream_ends 7 "$4"
	fi
	says "$2" 'stopped by signal'
}

@test "a sender ended by a signal tells the receiver" {
	both_ways stopped sender TERM 143
	both_ways stopped sender HUP 129
}

@test "a receiver ended by a signal tells the sender" {
	both_ways stopped receiver TERM 143
	both_ways stopped receiver HUP 129
}

# is_final REGEX: a cut ends the stream, and both sides report the reason
is_final() {
	ends() {
		directions "$1"
		HARM=(rst -c "$WITH" -a 1000000)
		streams "$1" 7 7 <in
		says sender "$2"
		says receiver "$2"
		assert_prefix "$RECEIVED" in
	}
	both_ways ends "$1"
}

@test "--buffer 0: a cut is final, and both sides report the reason" {
	TX=(--buffer 0)
	is_final 'cannot resume: --buffer 0'
}

@test "--retry 0 on one side: a cut is final, and both sides report the reason" {
	RX=(--retry 0)
	is_final 'cannot resume: --retry 0'
	RX=() TX=(--retry 0)
	is_final 'cannot resume: --retry 0'
}

@test "a source fails during an outage: the sender exits 9, the receiver 7" {
	RETRY=(--retry 3s)
	SOURCE=(sh -c 'head -c 3000000 in; until [ -e outage ]; do sleep 0.1; done; exit 5')
	HARM=(pass)
	stream_starts push
	until_true size_is 3000000 "$RECEIVED"
	kill -KILL "$TOOL_PID" # with its connections
	until_true has_line 'connecting again' "$SENDER_ERR"
	: >outage
	stream_ends 9 7
	says sender 'sh exited with status 5'
	says receiver 'no other connection was made within 3s'
}

# --- a stream resumes for its own peer only

@test "a peer with the key but not the ticket cannot resume" {
	local stream role=sends
	stolen() {
		"$BKP_TOOLS/thief" "$PORT" key "$role" "$1" "$2" >answer ||
			fail "no answer"
		grep -q "$3" answer || fail "$(<answer)"
	}
	TX=(-vv) RX=(-vv)
	stands push
	stream=$(sed -nE 's/.*: stream ([0-9a-f]{32})$/\1/p' "$RECEIVER_ERR")
	[[ $stream ]] || fail "no stream id"
	stolen "$stream" 2 'does not let'
	stolen "$stream" 1 'does not let'
	stolen "${stream//[0-9]/a}" 2 'busy'
	role=receives
	stolen "$stream" 2 'busy'
	# and the stream is unharmed
	tail -c 100000 in >&8
	stands_end
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
	assert_stderr_lacks 'resumes at byte' "$SENDER_ERR"
}

# The holder of the ticket is the peer, but an old HELLO of its own is too late.
@test "only a connection newer than the last takes the stream over" {
	local id=0123456789abcdef0123456789abcdef
	connects_as_peer() {
		"$BKP_TOOLS/thief" "$PORT" key sends "$id" "${@:2}" >answers ||
			fail "no answer"
		[[ $(sed 's/.*does not let.*/no/' answers | xargs) == "$1" ]] ||
			fail "$(<answers)"
	}
	ktls_here
	start_receiver --ktls "$WHEN"
	connects_as_peer 'welcome no no welcome no' 3 3 2 4 3
}

# A connection that it has, or one that is about to replace it, lives.
@test "a late HELLO with the stream's name does not take the stream over" {
	local id=0123456789abcdef0123456789abcdef
	ktls_here
	start_receiver --ktls "$WHEN"
	greets() {
		"$BKP_TOOLS/thief" "$PORT" key sends=x "$id" "$1" >answers ||
			fail "no answer"
		grep -q "$2" answers || fail "$(<answers)"
	}
	greets 3 welcome
	greets 2 'does not let'
	greets 3 'does not let'
	greets 4 welcome
}

# --- silent connections

@test "a silent connection is replaced" {
	full_tier_only 70
	RETRY=(--retry 60s)
	survives_cut push silence -a 3000000 -k 1
	survives_cut pull silence -a 3000000 -k 1
}

@test "bytes come while the receiver is suspended for longer than --retry: delivered" {
	full_tier_only 12
	RETRY=(--retry 2s)
	start_receiver
	start_relay pause -c c2s -r 4 -w 1500 -f 500000
	spawn_sender <in
	until_true has_line 'resumes at byte' "$RECEIVER_ERR"
	suspended_for 12 "$RECEIVER_PID"
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
}

@test "the sender confirms while the receiver is suspended for longer than --retry: no notice" {
	full_tier_only 8
	RETRY=(--retry 2s)
	CONSUMER=(sh -c 'cat >got; : >read; until [ -e go ]; do sleep 0.1; done')
	stream_starts push <in
	until_true test -e read
	kill -STOP "$SENDER_PID"
	: >go
	sleep 1
	kill -STOP "$RECEIVER_PID"
	kill -CONT "$SENDER_PID"
	sleep 4
	kill -CONT "$RECEIVER_PID"
	stream_ends 0 0
	! grep 'may not know' "$RECEIVER_ERR" || fail 'a false notice'
}

@test "a greeting comes while the listener is suspended for too long: delivered" {
	RETRY=(--retry 0)
	start_receiver --handshake-timeout 2s
	local listener=$PORT
	start_relay pause -c c2s -r 2 -w 400
	spawn_sender --handshake-timeout 20s < <(cat in)
	until_true test -s tool.err # the rest comes in 400 ms
	"$BKP_TOOLS/deadline" 20 bash -c "exec 5<>/dev/tcp/127.0.0.1/$listener; sleep 10" 3>&- &
	PIDS+=($!)
	suspended_for 3 "$RECEIVER_PID"
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
}

@test "a source that pauses does the stream no harm" {
	full_tier_only 80
	idle() {
		SOURCE=(sh -c 'head -c 3000000 in; sleep 35; tail -c +3000001 in')
		HARM=()
		RETRY=(--retry 60s)
		streams "$1" 0 0
		assert_same_file in "$RECEIVED"
	}
	both_ways idle
}

# --- the greeting of the first connection is reset

# begun_again: the listener has given its peer another ticket
begun_again() {
	has_line 'the stream resumes at byte 0 ' "$SENDER_ERR" ||
		has_line 'the stream resumes at byte 0 ' "$RECEIVER_ERR"
}

# welcome_is_lost push|pull [cut]: twice; WELCOME is a frame of 64 bytes, its
# record type and a tag. Later connections are reset after a megabyte.
welcome_is_lost() {
	local how=${2:-rst}
	# shellcheck disable=SC2317 # stream_starts calls it
	start_relay() {
		start_tool relay "$PORT" "$how" -c s2c -l 81 -k 2
		start_tool relay "$PORT" "$@"
	}
	directions "$1"
	HARM=(rst -c "$WITH" -a 1500000)
	survives "$1"
	begun_again
	says receiver 'the stream resumes at byte [1-9]'
}

@test "a WELCOME that is lost with a reset costs a connection, not the stream" {
	welcome_is_lost push
	welcome_is_lost pull
}

@test "a FIN in the place of WELCOME costs a connection, not the stream" {
	both_ways welcome_is_lost cut
}

@test "a stream with a name whose WELCOME is lost is resumed" {
	TX=(--name snap)
	welcome_is_lost push
}

# A password exchange is no TLS: the relay counts bytes. WELCOME ends some 40
# bytes later.
@test "a WELCOME lost after a password exchange costs a connection, not the stream" {
	echo 'correct horse battery' >password
	CREDENTIAL=(--password-file password)
	HARM=(rst -c s2c -a 360 -k 1)
	survives push
	begun_again
}

# A peer with the key could have begun this stream itself.
@test "a peer without the ticket begins a stream again only where nothing has moved" {
	local id=0123456789abcdef0123456789abcdef
	asks() {
		"$BKP_TOOLS/thief" "$PORT" "$1" "${3-sends}" "$id" "$2" >answer ||
			fail "no answer"
		[[ $(sed 's/.*does not let.*/no/; s/.*busy.*/busy/' answer) == "$4" ]] ||
			fail "$1 $2: $(<answer)"
	}
	make_key alice alice
	make_key bob bob
	cat alice bob >keys
	SERVER=(--keys keys) CREDENTIAL=(-k alice)
	ktls_here
	start_receiver --ktls "$WHEN" --retry 60s
	asks alice 3 sends welcome
	asks bob 4 sends no
	asks alice 3 sends no
	asks alice 4 receives busy
	asks alice 5 sends welcome
	asks alice 5 sends no
}

# --- many cuts

# have_random_cuts COUNT: sets HARM to cuts of a stream of SIZE bytes, in either
# direction
have_random_cuts() {
	local seed=${CHAOS_SEED:-$SRANDOM}
	echo "CHAOS_SEED=$seed"
	CUTS=$1
	by_tier 40000000 8000000 $((1 << 30)) $((128 << 20))
	make_data in "$SIZE"
	WAY=push
	((seed % 2)) || WAY=pull
	# Twenty connections in a row may end before the first record.
	RETRY=(--retry 60s --handshake-timeout 5s)
	[[ $BKP_TIER == quick ]] || RETRY[1]=300s
	# A damaged length can cost half a minute, until silence is noticed.
	[[ $BKP_TIER == full ]] || BKP_DEADLINE=300
	TX=(-v --buffer 1M) RX=(-v)
	with_stats
	directions "$WAY"
	# More connections than cuts: one may end before its harm.
	HARM=(random -c "$WITH" -a $((SIZE / CUTS / 2)) \
		-k $((CUTS + CUTS / 10 + 2)) -s "$seed")
	# silence is noticed after half a minute
	[[ $BKP_TIER == quick ]] || HARM+=(-w 1)
}

cut_often() {
	# a dot for each cut; many came before there was a connection
	(($(stat -c %s tool.err) >= CUTS)) ||
		fail "$(stat -c %s tool.err) cuts, expected $CUTS"
	counted reconnects $((CUTS / 6))
}

@test "a stream is delivered despite random cuts" {
	by_tier 12 6 500 500
	have_random_cuts "$SIZE"
	survives "$WAY"
	cut_often
}

# A file is sent without a copy, and so goes further before a cut is noticed.
@test "a file is delivered despite random cuts" {
	by_tier 10 4 100 50
	have_random_cuts "$SIZE"
	streams "$WAY" 0 0 <in
	assert_same_file in "$RECEIVED"
	cut_often
}
