#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Useless connections of any number and kind: the real peer is accepted in about
# the time that it takes without them.

load ../../lib/helpers
load ../../lib/delivery

# A ClientHello of TLS 1.0, as a very old browser would send it
OLD_HELLO=$'\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x01'
OLD_HELLO+=0123456789abcdef0123456789abcdef

# start_listener OPTION...
start_listener() {
	ktls_here
	start_receiver --ktls "$WHEN" "$@"
}

# real_peer SECONDS: its stream is delivered within that time
real_peer() {
	[[ ! ${BKP_GUEST-} ]] || set -- $(($1 * 4))
	takes_at_most "$1" bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
}

assert_memory_bounded() {
	local kib
	[[ ! ${BKP_UNDER-} ]] || return 0 # most of it is not the program's
	kib=$(awk '/^VmHWM:/ { print $2 }' "/proc/$RECEIVER_PID/status")
	((kib > 0 && kib < 20000)) || fail "peak memory $kib KiB"
}

# assert_calm LINES: the listener printed no more lines about refused
# connections
assert_calm() {
	local lines
	lines=$(grep -c . "$RECEIVER_ERR") || :
	((lines <= $1)) && return
	show "$RECEIVER_ERR"
	fail "$lines lines of log, expected $1 at most"
}

# --- connections that stall or send nonsense

@test "100 connections that send nothing do not delay the real peer" {
	start_listener
	flood 100 ''
	assert_memory_bounded
	real_peer 4
	assert_calm 25
}

@test "100 connections from the real peer's own address do not delay it" {
	start_listener
	flood 100 '' -s 127.0.0.1
	real_peer 4
	assert_calm 25
}

@test "100 half-finished handshakes do not delay the real peer" {
	start_listener
	flood 100 '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03'
	real_peer 4
	assert_calm 25
}

@test "100 HTTP clients do not delay the real peer" {
	start_listener
	flood 100 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'
	real_peer 4
	assert_calm 25
}

@test "100 ClientHellos of TLS 1.0 do not delay the real peer" {
	start_listener
	flood 100 "$OLD_HELLO"'\0\0\x04\0\x2f\0\x35\x01\0'
	real_peer 4
	assert_calm 25
}

@test "clients that reconnect again and again do not delay the real peer" {
	start_listener
	flood 40 'SSH-2.0-OpenSSH_9.2\r\n' -r
	flood 40 '' -s 127.0.0.3 -r
	sleep 1
	assert_memory_bounded
	real_peer 8
	assert_calm 45
}

# is_evicted RELAY_ARG...: the relay pauses the sender's first connection there,
# while other connections take all places; the second connection succeeds
is_evicted() {
	local listener_port
	RETRY=(--retry 20s)
	start_listener
	listener_port=$PORT
	start_relay pause "$@" -k 1 -w 2000
	spawn_sender -v --ktls "$WHEN" < <(echo word)
	until_true grep -q '\.' tool.err
	PORT=$listener_port flood 40 '' -s 127.0.0.1
	wait_receiver 0
	wait_sender 0
	[[ $(<"$RECEIVED") == word ]]
	assert_stderr_has 'refused .*too many' "$RECEIVER_ERR"
}

@test "a client evicted by a crowd during its ClientHello connects again" {
	is_evicted -a 300
}

@test "a client evicted by a crowd before its Finished connects again" {
	is_evicted -r 1
}

@test "a client evicted by a crowd in mode none connects again" {
	[[ ! ${BKP_GUEST-} ]] || skip 'guests: no kernel has a say in it'
	CREDENTIAL=(-m none) SERVER=(-m none)
	is_evicted -a 50
}

@test "a client that cancels its handshake is reported to have given up" {
	start_listener -m tls12-aes128-gcm
	start_relay insert -r 1 -i 1503030002025a
	bkp_send 5 --ktls off -m tls12-aes128-gcm <<<secret
	until_true grep -q refused "$RECEIVER_ERR"
	assert_stderr_has 'refused 127.*the peer gave up \(alert user_canceled\)' \
		"$RECEIVER_ERR"
	assert_lines 1 "$RECEIVER_ERR"
}

# openssl_clients COUNT: s_client without a key
openssl_clients() {
	local i
	for ((i = 0; i < $1; i++)); do
		timeout 20 openssl s_client -connect "127.0.0.1:$PORT" \
			</dev/null >/dev/null 2>&1 || :
	done
}

# wrong_keys COUNT
wrong_keys() {
	local i
	make_key wrong
	for ((i = 0; i < $1; i++)); do
		bkp_send 5 -k wrong --ktls off </dev/null
	done
}

@test "100 useless connections of every kind: the real peer's stream is delivered, memory is bounded" {
	start_listener
	flood 30 ''
	flood 20 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n' -r -s 127.0.0.3
	flood 30 "$OLD_HELLO"'\0\0\x04\0\x2f\0\x35\x01\0' -s 127.0.0.4
	by_tier 5 1 10 10
	openssl_clients "$SIZE"
	by_tier 5 2 10 10
	wrong_keys "$SIZE"
	assert_memory_bounded
	real_peer 8
}

@test "each refused connection gets one line with address and reason" {
	start_listener --handshake-timeout 2s
	flood 1 'GET / HTTP/1.1\r\n\r\n'
	until_true line_is 1 'refused 127\.0\.0\.2:[0-9]+: .*not speak TLS'
	flood 1 '' -s 127.0.0.3
	until_true line_is 2 'refused 127\.0\.0\.3:.*too long'
	openssl_clients 1
	until_true line_is 3 'refused 127\.0\.0\.1:'
	wrong_keys 1
	until_true line_is 4 'refused 127\.0\.0\.1:.*key'
	real_peer 4
	assert_lines 4 "$RECEIVER_ERR"
}

line_is() {
	[[ $(sed -n "$1p" "$RECEIVER_ERR") =~ ^btrfs-ktls-pipe:\ $2 ]]
}

@test "refusals that are not logged are counted" {
	start_listener
	flood 100 'GET / HTTP/1.1\r\n\r\n'
	real_peer 4
	assert_stderr_has '^btrfs-ktls-pipe: refused [0-9]+ more' "$RECEIVER_ERR"
}

@test "useless connections do not prolong --wait" {
	ktls_here
	start_receiver --ktls "$WHEN" --wait 1s
	flood 20 'nonsense nonsense' -r
	takes_at_most 10 wait_receiver 4
}

@test "--wait ends while the listener is suspended: a peer that came in time is served" {
	start_receiver --ktls "$WHEN" --wait 1s
	kill -STOP "$RECEIVER_PID"
	spawn_sender --ktls "$WHEN" < <(echo word)
	sleep 2.5
	kill -CONT "$RECEIVER_PID"
	wait_sender 0
	wait_receiver 0
}

@test "--wait ends while the listener is suspended: useless connections prolong it by one handshake" {
	start_receiver --ktls "$WHEN" --wait 1s --handshake-timeout 2s
	kill -STOP "$RECEIVER_PID"
	flood 5 ''
	sleep 2.5
	kill -CONT "$RECEIVER_PID"
	takes_at_most 10 wait_receiver 4
}

@test "a listener that runs out of descriptors uses no processor time, and recovers" {
	ktls_here
	ulimit -S -n 36
	start_receiver --ktls "$WHEN" --handshake-timeout 3s
	ulimit -S -n 1024
	flood 40 ''
	TRIES=2 idles "$RECEIVER_PID"
	real_peer 12
	assert_calm 30
}

# During the real peer's handshake other connections take all free descriptors.
@test "a stream gets the descriptors it needs despite many connections" {
	ktls_here
	ulimit -S -n 40
	start_receiver --ktls "$WHEN" --handshake-timeout 2s -- dd of=took \
		status=none
	ulimit -S -n 1024
	flood 60 ''
	spawn_sender --ktls "$WHEN" < <(echo word)
	flood 60 '' -s 127.0.0.3
	wait_receiver 0
	wait_sender 0
	[[ $(<took) == word ]] || fail "received $(<took)"
}

@test "a client in mid-handshake when the listener ends is told to try again, and exits 4 after --retry" {
	local listener_port
	start_listener
	listener_port=$PORT
	RETRY=(--retry 6s)
	start_relay pause -a 300 -k 1 -w 2000
	spawn_sender --ktls "$WHEN" < <(echo word)
	until_true grep -q '\.' tool.err
	kill -STOP "$SENDER_PID"
	PORT=$listener_port real_peer 8
	until_true answered # when the relay goes on
	kill "$TOOL_PID" # from here on nobody listens there
	kill -CONT "$SENDER_PID"
	wait_sender 4
	assert_stderr_has 'user_canceled.*trying again' "$SENDER_ERR"
}

# answered: there are unread bytes for the sender that we stopped
answered() {
	[[ $(ss -tnH state established state close-wait "dport = :$PORT") =~ \
		(^|[[:space:]])[1-9][0-9]*[[:space:]]+0[[:space:]]+127 ]]
}

@test "a client is told to try again before the listener exits" {
	start_listener
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	printf '\x16\3\1\2\0\1\0' >&7 # how a ClientHello begins
	real_peer 4
	timeout 10 cat <&7 >answer
	exec 7>&-
	[[ $(od -An -tx1 answer) =~ ^\ 15\ 03\ 0.\ 00\ 02\ 0.\ 5a$ ]] ||
		fail "$(od -tx1 answer)"
}

@test "a client that sends a byte after its HELLO is refused, and listen continues" {
	start_listener
	"$BKP_TOOLS/thief" "$PORT" key sends+ 0123456789abcdef0123456789abcdef 1 \
		>"$OUT" 2>"$ERR" 3>&-
	has_line 'does not understand' "$OUT" || fail "$(<"$OUT")"
	real_peer 4
	assert_stderr_has '^btrfs-ktls-pipe: refused 127.*' "$RECEIVER_ERR"
}

# The listener reads the bytes that a peer sent before it could learn that it is
# refused, so that a reset does not destroy the reason; but no more than those.
@test "a refused client that sends endless data is reset" {
	local code=0
	start_listener
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'GET / HTTP/1.1\r\n\r\n' >&7
	timeout "$BKP_DEADLINE" head -c 64000000 /dev/zero >&7 2>head.err ||
		code=$?
	((code != 0 && code != 124)) || fail "it read all, or nothing: $code"
	exec 7>&-
	real_peer 4
}

# --- while a stream runs

@test "100 connections do not disturb a running stream" {
	stands push
	flood 60 '' -s 127.0.0.3
	flood 40 'GET / HTTP/1.1\r\n\r\n' -r
	make_data more 3000000
	cat more >&8
	stands_end
	takes_at_most 20 stream_ends 0 0
	assert_same_file <(head -c 100000 in && cat more) "$RECEIVED"
}

@test "a client that connects during a stream with --raw exits 4, and does it no harm" {
	TX=(--raw) RX=(--raw)
	stands push
	bkp_send 4 --ktls off --raw <<<secret
	assert_stderr_has 'refused 127.*: busy with another stream$' \
		"$RECEIVER_ERR"
	stands_end
	stream_ends 0 0
	assert_same_file <(head -c 100000 in) "$RECEIVED"
}

# A peer that has connected to rekey drops that connection when the stream ends.
@test "a client that disconnects during its own stream is not reported as refused" {
	stands push
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	exec 7>&-
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	printf '\x16\3\1\2\0\1\0' >&7
	exec 7>&-
	make_key wrong
	bkp_send 5 -k wrong -b 127.0.0.2 </dev/null
	until_true has_line 'refused 127.0.0.2' "$RECEIVER_ERR"
	stands_end
	stream_ends 0 0
	assert_stderr_lacks 'refused 127.0.0.1' "$RECEIVER_ERR"
}

# --- --raw

@test "listen --raw refuses a client without --raw, and continues" {
	ktls_here
	start_receiver --raw --ktls "$WHEN"
	bkp_send 5 --ktls off <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*--raw'
	until_true grep -q refused "$RECEIVER_ERR"
	assert_stderr_has 'refused .*--raw' "$RECEIVER_ERR"
	bkp_send --raw --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]]
}

@test "listen refuses a client with --raw, and continues" {
	ktls_here
	start_receiver --ktls "$WHEN"
	bkp_send 5 --raw -q --ktls off <<<secret
	until_true grep -q refused "$RECEIVER_ERR"
	real_peer 4
}

# --- addresses

@test "listen -b with a name binds all of its addresses" {
	require_localhost
	local address
	ktls_here
	BIND=(-b localhost)
	for address in $(getent ahosts localhost | awk '{ print $1 }' | sort -u); do
		start_receiver --ktls "$WHEN"
		bkp connect -k key -p "$PORT" --ktls "$WHEN" "$address" <<<word
		wait_receiver 0
		[[ $(<"$RECEIVED") == word ]] || fail "$address"
	done
}

@test "listen -4 -b with a name binds its IPv4 address" {
	require_localhost
	BIND=(-b localhost -4)
	start_listener
	real_peer 4
}

@test "listen -p A-B takes the first free port of a range" {
	start_receiver
	taken=$PORT
	until_true spawn_next "$taken"
	bkp 4 listen -k key -b 127.0.0.1 --wait 1ms -p "$taken-$PORT"
	assert_stderr_has "127.0.0.1, any port from $taken to $PORT: .* in use \(.* -p"
	kill -9 "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	bkp 4 listen -k key -b 127.0.0.1 --wait 1ms -p "$taken-$taken"
	assert_stderr_has 'no peer authenticated within --wait'
	bkp 2 connect -k key -p 7000-7001 127.0.0.1
	assert_stderr_has 'range'
	bkp 2 listen -k key -p 7001-7000
	bkp 2 listen -k key -p 0-7000
	bkp 2 listen -k key -p 7000-
}

spawn_next() {
	spawn OTHER_PID other.err listen -k key -b 127.0.0.1 -p "$1-$(($1 + 20))" \
		>/dev/null
	((PORT > $1 && PORT <= $1 + 20))
}

@test "--ready-fd receives the port and a newline, and is closed" {
	have_fifo port
	"$BKP" listen -k key -b 127.0.0.1 -p 0 --ready-fd 3 --wait 60s \
		3>port 2>"$ERR" &
	PIDS+=($!)
	timeout 30 cat <port >port.txt # until nobody has it open
	alive "$!"
	[[ $(wc -l <port.txt) == 1 && $(<port.txt) =~ ^[1-9][0-9]*$ ]]
}

@test "--ready-fd is a full pipe that nobody reads: exit status 8 after 2 s" {
	mkfifo full
	exec 7<>full
	head -c 65536 /dev/zero >&7
	takes_at_most 10 bkp 8 listen -k key -b 127.0.0.1 -p 0 --ready-fd 7
	assert_stderr_has 'cannot write to --ready-fd: nobody reads it'
	exec 7<&-
}

# watches_limited N: the Nth socket is the first that exceeds the limit
watches_limited() {
	can_strace
	wrapped '' "strace -D -f -qq -o /dev/null -e trace=epoll_ctl -e inject=epoll_ctl:error=ENOSPC:when=$1"
}

@test "the limit on epoll's watches is reached at the start: exit status 4, and the sysctl is named" {
	watches_limited 1
	bkp 4 listen -k key -b 127.0.0.1 -p 0 --wait 20s
	assert_stderr_has 'cannot wait for connections: No space left .*raise the sysctl fs.epoll.max_user_watches'
}

@test "the limit on epoll's watches is reached by a connection: it is refused, connects again, and the sysctl is named" {
	local program=$BKP
	RETRY=(--retry 20s)
	watches_limited 2
	start_listener
	BKP=$program
	real_peer 8
	assert_stderr_has 'refused .*raise the sysctl fs.epoll.max_user_watches' \
		"$RECEIVER_ERR"
}
