#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Every exit status of the manual, and every event that leads to one, on both
# sides, whichever side connects: push (connect sends) and pull (listen sends).

load ../../lib/helpers
load ../../lib/delivery

setup_file() {
	make_data "$BATS_FILE_TMPDIR/in" 3000001
	export IN=$BATS_FILE_TMPDIR/in
}

# in_both_roles CODE connect|listen OPTION...: a side that never gets a stream;
# REASON is in its one line
in_both_roles() {
	local role roles=('' --receive) before=(--retry 0) after=(127.0.0.1)
	[[ $2 == connect ]] || {
		roles=('' --send) before=(-b 127.0.0.1 -p 0) after=()
	}
	for role in "${roles[@]}"; do
		bkp "$1" "$2" -k key "${before[@]}" $role "${@:3}" "${after[@]}"
		assert_lines 1 "$ERR"
		assert_stderr_has "^btrfs-ktls-pipe: .*${REASON-}"
	done
}

# --- 0

@test "the stream is delivered: sender and receiver exit 0" {
	delivered() {
		streams "$1" 0 0 <"$IN"
		assert_same_file "$IN" "$RECEIVED"
	}
	both_ways delivered
}

@test "the stream is delivered from COMMAND to COMMAND: sender and receiver exit 0" {
	delivered() {
		SOURCE=(cat "$IN") CONSUMER=(dd of=got bs=64K status=none)
		streams "$1" 0 0
		assert_same_file "$IN" got
	}
	both_ways delivered
}

# As the manual has it: tar leaves bytes unread, which would be exit status 9.
@test "a directory tree is delivered from tar to tar: sender and receiver exit 0" {
	mkdir from to
	make_data from/file 100000
	SOURCE=(tar -C from -cf - .)
	CONSUMER=(sh -c 'tar -C to -xf - && cat >/dev/null')
	streams push 0 0
	assert_same_file from/file to/file
}

# --- 2

@test "exit status 2: wrong usage" {
	in_both_roles 2 connect --no-such-option
	in_both_roles 2 listen --no-such-option
}

@test "exit status 2: --receive belongs to connect and --send to listen" {
	bkp 2 listen -k key --receive
	bkp 2 connect -k key --send 127.0.0.1
}

@test "exit status 2: no COMMAND after --" {
	bkp 2 listen -k key --
	bkp 2 connect -k key 127.0.0.1 -- ''
}

# --- 3

@test "exit status 3: a key that cannot be used" {
	echo short >key
	in_both_roles 3 connect
	in_both_roles 3 listen
}

@test "exit status 3: COMMAND is not started when the key cannot be used" {
	rm key
	bkp 3 connect -k key 127.0.0.1 -- touch started
	bkp 3 listen -k key -- touch started
	[[ ! -e started ]] || fail "COMMAND was started"
}

# --- 4: never had a stream

@test "exit status 4: a host that cannot be resolved" {
	REASON="cannot resolve 'no\.\.such\.\.host':"
	bkp 4 connect --retry 0 -k key no..such..host
	assert_stderr_has "^btrfs-ktls-pipe: $REASON"
	bkp 4 connect --retry 0 -k key --receive no..such..host
	assert_stderr_has "^btrfs-ktls-pipe: $REASON"
	in_both_roles 4 listen -b no..such..host
}

@test "exit status 4: no listener on the port" {
	REASON='127\.0\.0\.1:1.*Connection refused' in_both_roles 4 connect -p 1
}

@test "exit status 4: an address that this host does not have" {
	REASON='203.0.113.1.*no interface of this host has it'
	in_both_roles 4 listen -b 203.0.113.1
	bkp 4 connect --retry 0 -k key -p 1 -b 203.0.113.1 127.0.0.1
}

@test "exit status 4: no peer within --wait" {
	REASON='no peer authenticated within --wait'
	in_both_roles 4 listen --wait 100ms
}

@test "exit status 4: COMMAND is not started when there is no peer" {
	bkp 4 connect --retry 0 -k key -p 1 127.0.0.1 -- touch started
	bkp 4 listen -k key -b 127.0.0.1 -p 0 --wait 100ms -- touch started
	[[ ! -e started ]] || fail "COMMAND was started"
}

# --- 5: connect is refused, the listener continues

# refused REGEX LISTEN_OPTION... -- CONNECT_OPTION...: connect exits 5 and
# gives the reason; the listener prints one line
refused() {
	local to=() why=$1
	shift
	while [[ $1 != -- ]]; do
		to+=("$1")
		shift
	done
	ktls_here
	start_receiver --ktls "$WHEN" "${to[@]}"
	bkp_send 5 --ktls off "${@:2}" <<<secret
	assert_stderr_has "^btrfs-ktls-pipe: .*$why"
	assert_lines 1 "$ERR"
	listener_continues
}

listener_continues() {
	until_true has_lines "$RECEIVER_ERR"
	assert_lines 1 "$RECEIVER_ERR"
	[[ ! -s $RECEIVED ]] || fail "something was received"
}

serves_its_peer() {
	bkp_send --ktls "$WHEN" "$@" <<<word
	wait_receiver 0
}

@test "exit status 5: a wrong key, listen --send continues" {
	make_key wrong
	refused 'key' --send -- -k wrong --receive
	serves_its_peer --receive
}

@test "exit status 5: no common mode, listen --send continues" {
	refused 'no common mode' --send -- -m tls12-aes128-gcm --receive
	serves_its_peer --receive
}

@test "exit status 5: both sides send, listen continues" {
	refused 'both sides send' --send --
	assert_stderr_has 'both sides send' "$RECEIVER_ERR"
	serves_its_peer --receive
}

@test "exit status 5: both sides receive, listen continues" {
	refused 'both receive' -- --receive
	serves_its_peer
	[[ $(<"$RECEIVED") == word ]]
}

@test "exit status 5: other peers during a stream are told that the listener is busy, and do it no harm" {
	stands push
	bkp_send 5 --ktls off <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*busy'
	bkp_send 5 --ktls off --receive
	assert_stderr_has '^btrfs-ktls-pipe: .*busy'
	stands_end
	stream_ends 0 0
	assert_same_file <(head -c 100000 in) "$RECEIVED"
}

# openssl_peer s_client|s_server OPTION...: openssl with our key, in the
# background; it sends the bytes that are written to server.in
openssl_peer() {
	have_fifo server.in
	"$BKP_TOOLS/deadline" 60 openssl "$@" -tls1_3 -quiet -psk "$KEY_HEX" \
		-ciphersuites TLS_AES_128_GCM_SHA256 -psk_identity btrfs \
		<>server.in >server.out 2>&1 3>&- 7>&- 8>&- &
	SERVER_PID=$!
	PIDS+=("$SERVER_PID")
}

openssl_server() {
	openssl_peer s_server -accept 127.0.0.1:0 -nocert "$@"
	until_true find_port "$SERVER_PID"
}

openssl_client() {
	openssl_peer s_client -connect "127.0.0.1:$PORT" "$@"
}

@test "exit status 5: the server is another TLS program, and --raw is suggested" {
	openssl_server
	bkp_send 5 --ktls off <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*--raw'
	bkp_send 5 --ktls off --receive
	assert_stderr_has '^btrfs-ktls-pipe: .*--raw'
}

@test "the client is another TLS program: --raw is suggested, listen continues" {
	ktls_here
	start_receiver --ktls "$WHEN"
	openssl_client
	listener_continues
	assert_stderr_has '^btrfs-ktls-pipe: .*--raw' "$RECEIVER_ERR"
	serves_its_peer
}

zeros() {
	printf '\\0%.0s' $(seq "$1")
}

# client_sends BYTES [ALPN]: a client with our key and the ALPN sends these
# bytes
client_sends() {
	ktls_here
	start_receiver --ktls "$WHEN"
	openssl_client -alpn "${2-btrfs-ktls-pipe/2}"
	printf "$1" >server.in
	listener_continues
}

@test "a HELLO of another version is refused, listen continues" {
	client_sends "\x01\x03\x01\0\0\0\0\x01$(zeros 120)"
	says receiver version
	serves_its_peer
}

# The first bytes of release 0.1
OLD_HELLO="\x01\x01\x01\0\0\0\0\x01"
UPGRADE='the peer runs 0\.1: upgrade it'

@test "a client that runs 0.1 is told that the version differs, listen continues" {
	client_sends "$OLD_HELLO$(zeros 120)" btrfs-ktls-pipe/1
	says receiver "refused .*$UPGRADE"
	# openssl prints the bytes received: WELCOME, version 2, refusal 1
	cmp <(tail -c 64 server.out) <(printf '\2\2\1'"$(zeros 61)")
	serves_its_peer
}

@test "a HELLO of version 2 after version 1 was negotiated is refused, listen continues" {
	client_sends "\x01\x02\x01\0\0\0\0\x01$(zeros 120)" btrfs-ktls-pipe/1
	says receiver 'refused .*version'
	serves_its_peer
}

@test "a HELLO with unknown flags is refused, listen continues" {
	client_sends "\x01\x02\x01\x08\0\0\0\x01$(zeros 120)"
	says receiver 'refused .*greet'
	serves_its_peer
}

@test "a HELLO with a stream name is refused, listen continues" {
	client_sends "\x01\x02\x01\x01\0\0\0\x01$(zeros 120)\x06$(zeros 39)"
	says receiver 'refused .*name'
	serves_its_peer
}

@test "a HELLO that asks to retry for ever gets the listener's --retry" {
	RETRY=(--retry 3s)
	ktls_here
	start_receiver --ktls "$WHEN"
	openssl_client -alpn btrfs-ktls-pipe/2
	printf "\\1\\2\\1\\0\\0\\0\\0\\1$(zeros 40)$(
		printf '\\xff%.0s' 1 2 3 4 5 6 7 8)$(zeros 72)" >server.in
	# 3000 ms, and a rekey offset of 0
	until_true grep -qaP '\x00{6}\x0b\xb8\x00{8}' server.out
}

@test "a malformed HELLO is refused, listen continues" {
	client_sends "\x01\x02\x09\0\0\0\0\x01$(zeros 120)"
	says receiver 'refused .*greet'
	serves_its_peer
}

@test "another frame instead of a HELLO is refused, listen continues" {
	client_sends "\x04$(zeros 15)"
	says receiver 'refused .*greet'
	serves_its_peer
}

# answered REGEX BYTES: a listener with our key and the ALPN answers BYTES;
# connect exits 5 with one line that matches REGEX
answered() {
	openssl_server -alpn btrfs-ktls-pipe/2
	printf "$2" >server.in
	bkp_send 5 --ktls off <<<secret
	assert_stderr_has "^btrfs-ktls-pipe: .*$1"
	assert_lines 1 "$ERR"
}

@test "exit status 5: a WELCOME of another version" {
	answered 'version' "\x02\x03\0\x02$(zeros 60)"
}

@test "exit status 5: a WELCOME of version 1, and the message says that the peer runs 0.1" {
	answered "$UPGRADE" "\x02\x01\x01\0$(zeros 60)"
}

@test "exit status 5: a listener that runs 0.1, and the message says to upgrade it" {
	openssl_server -alpn btrfs-ktls-pipe/1
	bkp_send 5 --ktls off <<<secret
	assert_stderr_has "^btrfs-ktls-pipe: .*$UPGRADE"
	assert_lines 1 "$ERR"
	bkp_send 5 --ktls off --receive
	assert_stderr_has "^btrfs-ktls-pipe: .*$UPGRADE"
}

@test "exit status 5: a WELCOME that says busy" {
	answered 'busy' "\x02\x02\x03\0$(zeros 60)"
}

@test "exit status 5: a WELCOME that refuses for an unknown reason" {
	answered 'refused' "\x02\x02\xee\0$(zeros 60)"
}

@test "exit status 5: another frame instead of a WELCOME" {
	answered 'greet' "\x04$(zeros 15)"
}

# --- 6

@test "exit status 6: connect requires kernel TLS and has none, the listener still waits" {
	without_tls
	start_receiver --ktls off
	bkp_send 6 --ktls require <<<secret
	bkp_send 6 --ktls require --receive
	alive "$RECEIVER_PID" || fail "the listener ended"
	[[ ! -s $RECEIVED ]]
}

@test "exit status 6: listen requires kernel TLS and has none" {
	without_tls
	in_both_roles 6 listen --ktls require
}

# --- 4, 5 and 6: the input is not read

# untouched CODE ARG...: the next program can still read standard input
untouched() {
	{
		bkp "$@"
		cat >rest
	} <"$IN"
	assert_same_file rest "$IN"
	cat "$IN" | {
		bkp "$@"
		cat >rest
	}
	assert_same_file rest "$IN"
	bkp "$@" -- sh -c 'touch started' <"$IN"
	[[ ! -e started ]] || fail "COMMAND was started"
}

@test "exit status 4: the input is not read and COMMAND not started" {
	untouched 4 connect -k key --retry 0 -p 1 127.0.0.1
	untouched 4 connect -k key --retry 0 no..such..host
	untouched 4 listen -k key -b 127.0.0.1 -p 0 --send --wait 100ms
}

@test "exit status 5: the input is not read and COMMAND not started" {
	make_key wrong
	start_receiver
	untouched 5 connect -k wrong --retry 0 -p "$PORT" 127.0.0.1
	start_tool peer close $'SSH-2.0-OpenSSH\r\n'
	untouched 5 connect -k key --retry 0 -p "$PORT" 127.0.0.1
	openssl_server -alpn btrfs-ktls-pipe/2
	# a WELCOME that refuses: HELLO has been sent
	printf "\x02\x02\x04\0$(zeros 60)" >server.in
	bkp 5 connect -k key --retry 0 -p "$PORT" 127.0.0.1 <"$IN" -- touch started
	[[ ! -e started ]] || fail "COMMAND was started"
}

@test "exit status 5: a sender that is told busy until --retry expires does not read its input" {
	stands push
	untouched 5 connect -k key --retry 200ms -p "$PORT" 127.0.0.1
	# a name is looked up again for each attempt, which takes time
	! getent ahostsv4 localhost >/dev/null ||
		untouched 5 connect -4 -k key --retry 1s -p "$PORT" localhost
	stands_end
	stream_ends 0 0
}

@test "exit status 6: the input is not read and COMMAND not started" {
	without_tls
	untouched 6 connect -k key --ktls require -p 1 127.0.0.1
	untouched 6 listen -k key --send -b 127.0.0.1 -p 0 --ktls require
}

# --- 7 on both sides: connection lost, peer killed, record forged

# lost push|pull ACTION OPTION...: a relay does that in mid-stream
lost() {
	HARM=("${@:2}")
	[[ $1 == push ]] || HARM+=(-c s2c)
	streams "$1" 7 7 <"$IN"
	says sender .
	says receiver .
	assert_prefix "$RECEIVED" "$IN"
}

@test "the connection is cut: sender and receiver exit 7" {
	both_ways lost cut -a 1000001
}

@test "the connection is reset: sender and receiver exit 7" {
	both_ways lost rst -a 1000001
}

@test "a record is forged: sender and receiver exit 7" {
	both_ways lost flip -a 1000001
}

@test "a record is removed: sender and receiver exit 7" {
	both_ways lost drop -r 20
}

killed_sender() {
	stands "$1"
	kill -"$2" "$SENDER_PID"
	stream_ends "$3" 7
	says receiver .
}

killed_receiver() {
	stands "$1"
	kill -"$2" "$RECEIVER_PID"
	stream_ends 7 "$3"
	says sender .
}

@test "the sender is killed: the receiver exits 7" {
	both_ways killed_sender KILL 137
}

@test "a signal after all was consumed, before the sender knows: it ends the receiver, and --stats says the same" {
	CONSUMER=(sh -c 'cat >got; : >have; until [ -e go ]; do sleep 0.05; done
		: >over')
	RX+=(--stats receiver.json)
	RETRY=(--retry 20s)
	stream_starts push <<<word
	until_true test -e have
	kill -9 "$SENDER_PID"
	: >go
	until_true test -e over
	sleep 1 # the receiver knows it
	kill -TERM "$RECEIVER_PID"
	stream_ends 137 143
	says receiver 'the sender may not know the outcome: stopped by signal 15'
	grep -q '"error": "the sender may.*, "exit": 143}' receiver.json ||
		fail "$(<receiver.json)"
}

@test "the sender gets SIGTERM: the receiver exits 7" {
	both_ways killed_sender TERM 143
}

@test "the receiver is killed: the sender exits 7" {
	both_ways killed_receiver KILL 137
}

@test "the receiver gets SIGHUP: the sender exits 7" {
	both_ways killed_receiver HUP 129
}

# terminate: SIGTERM for the receiver, the child of the process RECEIVER_PID
terminate() {
	local pid
	pid=$(pgrep -P "$RECEIVER_PID" -x btrfs-ktls-pipe)
	kill -TERM "$pid"
}

@test "the receiver is the first process of a container: SIGTERM ends it (143), a second one at once" {
	[[ $(id -u) == 0 ]] && unshare --pid --fork true 2>/dev/null ||
		skip "own kernel only: no namespace for process numbers"
	local honest=$BKP
	wrapped '' 'unshare --pid --mount-proc --fork --kill-child'
	start_receiver
	terminate
	wait_receiver 143
	THERE=$BKP BKP=$honest
	CONSUMER=(sh -c 'trap "" TERM; cat >got; sleep 20')
	stands push got
	terminate
	until_true has_line 'the peer gave up' "$SENDER_ERR"
	terminate
	takes_at_most 1 wait_receiver 143
	wait_sender 7
	BKP=$honest
	wrapped 'trap "" HUP' 'unshare --pid --mount-proc --fork --kill-child'
	CONSUMER=()
	start_receiver
	kill -HUP "$(pgrep -P "$RECEIVER_PID" -x btrfs-ktls-pipe)"
	terminate
	wait_receiver 143
}

@test "SIGTERM is blocked when we start: it ends the receiver all the same" {
	wrapped '' 'env --block-signal=TERM,INT,HUP'
	start_receiver
	kill -TERM "$RECEIVER_PID"
	wait_receiver 143
	stands push
	kill -TERM "$RECEIVER_PID"
	stream_ends 7 143
}

# --- sender 9, receiver 7: the source COMMAND

@test "the source COMMAND fails: the sender exits 9, the receiver 7" {
	source_fails() {
		SOURCE=(sh -c 'head -c 1000000 "$1"; exit 3' sh "$IN")
		streams "$1" 9 7
		says sender 'sh exited with status 3'
		says receiver .
		assert_prefix "$RECEIVED" "$IN"
	}
	both_ways source_fails
}

# --- sender 8, receiver 7: the sender's input

@test "standard input cannot be read: the sender exits 8, the receiver 7" {
	input_fails() {
		streams "$1" 8 7 <.
		says sender 'standard input.*directory'
		says receiver .
		[[ ! -s $RECEIVED ]]
	}
	both_ways input_fails
}

@test "a btrfs stream without its end: the sender exits 8, the receiver 7" {
	cut_short() {
		streams "$1" 8 7 <"cut"
		says sender 'btrfs.*cut short'
		says receiver .
		assert_beginning "$RECEIVED" cut
	}
	make_btrfs_like whole 2000000
	head -c 1999999 whole >"cut"
	both_ways cut_short
}

# --- sender 9, receiver 8: the receiver's output

@test "standard output is full: the sender exits 9, the receiver 8" {
	output_fails() {
		OUTPUT=/dev/full
		streams "$1" 9 8 <"$IN"
		says sender 'the receiver cannot write its output: No space left'
		says receiver 'standard output.*No space'
	}
	both_ways output_fails
}

@test "the reader of standard output exits early: the sender exits 9, the receiver 8" {
	reader_leaves() {
		start_consumer head -c 100000
		OUTPUT=consumer
		streams "$1" 9 8 <"$IN"
		says sender 'reader.*went away'
		says receiver 'reader.*went away'
	}
	both_ways reader_leaves
}

# --- 9 on both sides: the consumer COMMAND

@test "the consumer COMMAND fails: sender and receiver exit 9" {
	consumer_fails() {
		CONSUMER=(sh -c 'cat >got; exit 7')
		streams "$1" 9 9 <"$IN"
		says sender 'command exited with status 7'
		says receiver 'sh exited with status 7'
	}
	both_ways consumer_fails
}

@test "the consumer COMMAND exits 0 and leaves bytes unread: sender and receiver exit 9" {
	consumer_leaves() {
		CONSUMER=(head -c 1000)
		streams "$1" 9 9 <"$IN"
		says sender 'unread'
		says receiver 'head .*unread'
	}
	both_ways consumer_leaves
}

# --- 70: out of memory (other internal errors cannot be provoked)

@test "no memory for the sender's buffer: the sender exits 70, the receiver 7 at once" {
	not_under valgrind 'it needs more memory'
	not_under sanitizers 'they need more memory'
	no_memory() {
		takes_at_most 10 streams "$1" 70 7 <"$IN"
		says sender 'no memory for a buffer'
		says receiver 'gave up'
	}
	wrapped 'ulimit -v 300000'
	TX=(--tx send --buffer 512M) RETRY=()
	both_ways no_memory
}
