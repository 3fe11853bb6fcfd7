#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A password instead of a key: both sides know it or no byte is delivered, and
# the bytes on the wire do not help an attacker to find it.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	require_passwords
	CREDENTIAL=(--password-file password)
	echo 'correct horse' >password
	echo 'wrong horse' >wrong
	make_data in 3000000
}

# A program built without libsodium says so for every file.
require_passwords() {
	bkp 3 listen --password-file none
	! has_line 'without libsodium' "$ERR" || skip "built without libsodium"
}

# with_key, with_none COMMAND...: instead of the password
with_key() {
	local CREDENTIAL=(-k key)
	"$@"
}

with_none() {
	local CREDENTIAL=(-m none)
	"$@"
}

# goes push|pull: the stream arrives
goes() {
	streams "$1" 0 0 <in
	assert_same_file in "$RECEIVED"
}

# works_in MODE
works_in() {
	start_receiver --ktls "$WHEN" -m "$1"
	bkp_send --ktls "$WHEN" -m "$1" <in
	wait_receiver 0
	assert_same_file in "$RECEIVED"
}

# still_serves [LINES]: the right password is accepted; the log has so many
# lines
still_serves() {
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
	[[ ! ${1-} ]] || assert_lines "$1" "$RECEIVER_ERR"
}

# --- the right password

@test "the same password on both sides: delivered, in both directions" {
	goes push
	goes pull
}

@test "a password works with TLS 1.3 AES-128-GCM" {
	works_in tls13-aes128-gcm
}

@test "a password works with TLS 1.3 ChaCha20-Poly1305" {
	works_in tls13-chacha20-poly1305
}

@test "a password works with TLS 1.2 AES-128-GCM" {
	works_in tls12-aes128-gcm
}

@test "a password works with TLS 1.2 AES-256-GCM" {
	works_in tls12-aes256-gcm
}

@test "a connection with a password uses kernel TLS" {
	require_ktls
	start_receiver -v --ktls require
	bkp_send -v --ktls require <in
	wait_receiver 0
	assert_same_file in "$RECEIVED"
	assert_stderr_has 'kernel TLS: tx'
	assert_stderr_has 'kernel TLS: rx' "$RECEIVER_ERR"
}

# first_byte FILE: in hexadecimal
first_byte() {
	head -c 1 "$1" | od -An -tx1 | tr -d ' '
}

# The second connection begins with a ClientHello, which carries the ticket, not
# with a password message.
@test "a stream that was cut resumes without the password" {
	resumes() {
		directions "$1"
		RETRY=(--retry 20s) HARM=(rst -c "$WITH" -a 1000000 -k 2 -d wire)
		with_stats
		goes "$1"
		counted reconnects 1
		[[ $(first_byte wire.0) == 70 ]] || fail "$(first_byte wire.0)"
		[[ $(first_byte wire.1) == 16 ]] || fail "$(first_byte wire.1)"
	}
	both_ways resumes
}

@test "a stream is rekeyed without the password" {
	rekeys() {
		RETRY=(--retry 20s) HARM=(pass -d wire)
		TX=(--rekey-after 1M)
		with_stats
		goes "$1"
		counted rotations 1
		[[ $(first_byte wire.1) == 16 ]] || fail "$(first_byte wire.1)"
	}
	both_ways rekeys
}

# --- a connection that is reset

@test "a client in the backlog of a listener that exits reaches the next listener" {
	reaches_next_listener
}

# The offer reveals nothing. Between the answer and the end of the handshake an
# impostor could try another password with each new attempt.
@test "a reset in a handshake with a password is final: exit status 5" {
	start_receiver --ktls "$WHEN"
	start_relay rst -a 100 -d wire
	takes_at_most 5 bkp_send 5 --retry 20s <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*reset by peer$'
	assert_lines 1 "$ERR"
	[[ -s wire.0 && ! -e wire.1 ]] || fail "$(echo wire.*) were opened"
}

# --- another password, or none

@test "a wrong password: connect exits 5 and says so, listen continues" {
	start_receiver --ktls "$WHEN"
	bkp_send 5 --password-file wrong <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: 127.*the peer has another password'
	assert_lines 1 "$ERR"
	until_true has_lines "$RECEIVER_ERR"
	assert_stderr_has '^btrfs-ktls-pipe: refused 127.*another password' \
		"$RECEIVER_ERR"
	still_serves 1
}

@test "a wrong password in TLS 1.2: connect exits 5 and says so, listen continues" {
	start_receiver --ktls "$WHEN" -m tls13-aes128-gcm,tls12-aes128-gcm
	bkp_send 5 --password-file wrong -m tls12-aes128-gcm <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*another password'
	still_serves 1
}

@test "a listener that sends gives a client with a wrong password nothing" {
	ktls_here
	spawn_receiver --send --ktls "$WHEN" <in >/dev/null
	bkp_send 5 --password-file wrong --receive
	[[ ! -s $OUT ]] || fail "received $(stat -c %s "$OUT") bytes"
	bkp_send --receive --ktls "$WHEN"
	wait_receiver 0
	assert_same_file in "$OUT"
}

@test "a client with a key is refused by a listener with a password" {
	start_receiver --ktls "$WHEN"
	with_key bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*refused the key'
	until_true has_lines "$RECEIVER_ERR"
	assert_stderr_has 'refused .*has a key.*password' "$RECEIVER_ERR"
	# a client that uses the password's identity is refused, too
	with_key bkp_send 5 --identity password <<<secret
	still_serves 2
}

@test "a client with a password is refused by a listener with a key" {
	with_key start_receiver --ktls "$WHEN"
	bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*does not use a password.*-k'
	assert_lines 1 "$ERR"
	assert_stderr_has 'refused .*offers a password' "$RECEIVER_ERR"
	with_key still_serves 1
}

@test "a client with a password is refused by a listener with -m none" {
	with_none start_receiver -q
	bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*does not use a password'
	with_none bkp_send -q <<<word
	wait_receiver 0
}

@test "a client with -m none is refused by a listener with a password" {
	start_receiver --ktls "$WHEN"
	with_none bkp_send 5 -q <<<secret
	still_serves
}

# --- nothing that reveals the password

# replay FILE ANSWER: sends FILE to the listener and saves its answer
replay() {
	local fd
	exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
	cat "$1" >&"$fd"
	timeout 10 cat <&"$fd" >"$2" || fail "the connection stays open"
	exec {fd}>&-
}

# replayed_to PASSWORD_FILE NAME: a recorded client against a listener with that
# password; saves the answer to NAME and the line of log to NAME.log
replayed_to() {
	start_receiver --password-file "$1" --ktls "$WHEN"
	replay recorded "$2"
	until_true has_lines "$RECEIVER_ERR"
	sed -E 's/:[0-9]+: /: /' "$RECEIVER_ERR" >"$2.log"
	kill "$RECEIVER_PID"
}

# first_flight FILE: the message, and the record of the ClientHello after it
first_flight() {
	local high low
	read -r high low < <(od -An -tu1 -j 55 -N 2 "$1")
	head -c $((52 + 5 + 256 * high + low)) "$1"
}

# The answer has 52 bytes and an alert record of 7, and no ServerHello.
@test "a replayed client gets the same answer whether the password is right or wrong" {
	ktls_here
	start_receiver --ktls "$WHEN"
	start_relay pass -d wire
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	first_flight wire.0 >recorded
	replayed_to password right
	replayed_to wrong other
	[[ $(stat -c %s right) == 59 ]] || fail "$(od -tx1 right)"
	[[ $(stat -c %s other) == 59 ]] || fail "$(od -tx1 other)"
	# type, version, no refusal; at the end the alert, decrypt_error
	cmp <(head -c 4 right) <(head -c 4 other)
	cmp <(head -c 4 right) <(printf '\x71\2\0\0')
	cmp <(tail -c 7 right) <(tail -c 7 other)
	cmp <(tail -c 7 right) <(printf '\x15\3\3\0\2\2\x33')
	run ! cmp -s <(head -c 52 right) <(head -c 52 other)
	assert_same_file right.log other.log
	assert_lines 1 right.log
}

# damaged DIRECTION BYTE REGEX [REGEX]: one bit of the exchange is changed in
# transit. What the sender, and the receiver, say of it
damaged() {
	start_receiver --ktls "$WHEN"
	start_relay flip -c "$1" -a "$2"
	bkp_send 5 --handshake-timeout 2s <<<secret
	assert_stderr_has "^btrfs-ktls-pipe: 127[^ ]* $3"
	[[ ! -s $RECEIVED ]]
	assert_stderr_has "${4-}" "$RECEIVER_ERR"
	kill "$RECEIVER_PID"
}

@test "a message with a changed type ends the password exchange" {
	damaged s2c 0 'the peer does not answer our password'
	damaged c2s 0 'the peer (does not answer|closed)'
}

@test "a message with a changed version ends the password exchange, and both sides say so" {
	damaged s2c 1 'refused: the peer .* version'
	damaged c2s 1 'refused: the peer .* version' 'refused 127.* version'
}

@test "a message with a changed refusal ends the password exchange" {
	damaged s2c 2 'refused: .*not know'
	damaged c2s 2 'refused: .*does not understand'
}

@test "a changed nonce: the password exchange fails" {
	damaged s2c 4 '.*another password'
	damaged c2s 4 '.*another password'
	damaged s2c 19 '.*another password'
	damaged c2s 19 '.*another password'
}

@test "a message with a changed point ends the password exchange" {
	damaged s2c 30 '.*(another password|is invalid)'
	damaged c2s 30 '.*(another password|does not understand)'
}

# says TEXT: sends the printf format TEXT, and saves the answer to "answer"
says() {
	printf "$1" >said
	replay said answer
}

ZEROS32='\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'

@test "a client that runs 0.1 is told that the version differs, and listen continues" {
	start_receiver --ktls "$WHEN"
	says "\x70\1\0\0nonce-of-sixteen$ZEROS32"
	cmp -n 4 answer <(printf '\x71\2\1\0')
	assert_stderr_has 'refused 127.*the peer runs 0\.1: upgrade it' \
		"$RECEIVER_ERR"
	still_serves 1
}

@test "an invalid point is refused, and listen continues" {
	start_receiver --ktls "$WHEN"
	says "\x70\2\0\0nonce-of-sixteen$ZEROS32"
	cmp -n 4 answer <(printf '\x71\2\4\0')
	[[ $(stat -c %s answer) == 52 ]]
	assert_stderr_has 'refused 127.*invalid' "$RECEIVER_ERR"
	still_serves 1
}

@test "half a message is refused after --handshake-timeout, and listen continues" {
	start_receiver --ktls "$WHEN" --handshake-timeout 2s
	says '\x70\2\0\0nonce'
	[[ ! -s answer ]]
	assert_stderr_has 'refused 127.*too long' "$RECEIVER_ERR"
	still_serves 1
}

@test "half a message, then the end of the connection: listen continues" {
	start_receiver --ktls "$WHEN"
	printf '\x70\2\0\0nonce' >"/dev/tcp/127.0.0.1/$PORT"
	until_true has_lines "$RECEIVER_ERR"
	assert_stderr_has 'refused 127.*closed' "$RECEIVER_ERR"
	still_serves 1
}

@test "100 clients that stop after their first bytes do not delay the real peer" {
	local seconds=4
	[[ ! ${BKP_GUEST-}${BKP_UNDER-} ]] || seconds=16
	start_receiver --ktls "$WHEN" --handshake-timeout 60s
	flood 100 '\x70\2\0\0'
	takes_at_most "$seconds" still_serves
}

@test "a server that is another program: connect exits 5 and says so" {
	start_tool peer hold $'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'
	bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*does not answer our password'
	start_tool peer close
	bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*closed the connection'
	start_tool peer hold
	bkp_send 5 --handshake-timeout 300ms <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*no handshake within 300 ms'
}

# --- rate limit

# try_wrong COUNT [OPTION]...: clients with a wrong password
try_wrong() {
	local i
	for ((i = 0; i < $1; i++)); do
		bkp_send 5 --password-file wrong --ktls off "${@:2}" </dev/null
	done
}

@test "20 wrong passwords from another address: few are tried, the right client is accepted at once" {
	local before=$EPOCHREALTIME after took
	not_under valgrind "an attempt takes longer than a second"
	start_receiver --ktls "$WHEN"
	try_wrong 20 -b 127.0.0.2
	after=$EPOCHREALTIME
	took=$(((${after/./} - ${before/./}) / 1000000))
	(($(grep -c 'another password' "$RECEIVER_ERR") <= 6 + took)) || {
		show "$RECEIVER_ERR"
		fail "more than 5 and one a second in $took s"
	}
	(($(grep -c 'another password' "$RECEIVER_ERR") >= 5))
	assert_stderr_has 'refused 127\.0\.0\.2.*too many wrong passwords' \
		"$RECEIVER_ERR"
	still_serves # at the first attempt
}

# An unfinished handshake counts as an attempt, too: attempts in parallel do not
# help.
@test "20 password exchanges at the same time: few are answered" {
	local text
	start_receiver --ktls "$WHEN" -v
	start_relay pass -d wire # for a first message
	try_wrong 1 -b 127.0.0.3
	sleep 1 # the relay is 127.0.0.1 to the listener
	text=$(head -c 52 wire.0 | od -An -v -tx1 | tr -d '\n')
	PORT=$(sed -nE 's/.*listening on .*:([0-9]+)$/\1/p' "$RECEIVER_ERR")
	flood 20 "${text// /\\x}"
	until_true grep -q 'refused 127\.0\.0\.2.*too many' "$RECEIVER_ERR"
	until_true refused_from 127.0.0.2 14
	still_serves
}

refused_from() {
	(($(grep -c "refused $1.*too many wrong" "$RECEIVER_ERR") >= $2))
}

@test "right passwords are not limited" {
	local i
	start_receiver --ktls "$WHEN"
	for ((i = 0; i < 8; i++)); do
		bkp_send 5 --receive --ktls off
		assert_stderr_has 'both sides'
	done
	still_serves
}

# have_spoken N: so many clients have sent something to a listener that is
# stopped
have_spoken() {
	(($(ss -tnH state established "sport = :$PORT" | grep -vc '^0 ') == $1))
}

@test "over the rate limit the client with the right password is told to try later, and does" {
	local i guess=()
	not_under valgrind "an attempt takes longer than a second"
	start_receiver --ktls "$WHEN"
	# It gets all attempts at once, however slow the clients are.
	kill -STOP "$RECEIVER_PID"
	for ((i = 1; i <= 5; i++)); do
		spawn "guess[$i]" "guess.$i" connect --password-file wrong --ktls off \
			-p "$PORT" --retry 0 127.0.0.1
	done
	until_true have_spoken 5
	spawn_sender --ktls off --retry 0 <<<secret
	until_true have_spoken 6
	kill -CONT "$RECEIVER_PID"
	wait_sender 5
	assert_stderr_has 'refused: too many wrong passwords.*one a second' \
		"$SENDER_ERR"
	bkp_send --retry 20s --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]]
}

@test "wrong passwords from the peer's own address do not stop it from resuming" {
	RETRY=(--retry 20s)
	start_receiver --ktls "$WHEN"
	local port=$PORT
	start_relay rst -a 1000000 -k 1
	mkfifo pipe
	exec 8<>pipe
	spawn_sender --ktls "$WHEN" <pipe
	head -c 900000 in >&8
	until_true at_least 800000 "$RECEIVED"
	RETRY=(--retry 0)
	PORT=$port
	try_wrong 8
	tail -c +900001 in >&8
	exec 8>&-
	wait_sender 0
	wait_receiver 0
	assert_same_file in "$RECEIVED"
	assert_stderr_has 'resumes at byte' "$SENDER_ERR"
}

at_least() {
	(($(stat -c %s "$2") >= $1))
}

# --- clients that may connect again

# evict_after BYTES [OPTION]...: a crowd takes all places while the first
# connection is paused after so many bytes
evict_after() {
	local listener_port
	RETRY=(--retry 20s)
	start_receiver --ktls "$WHEN" "${@:2}"
	listener_port=$PORT
	start_relay pause -a "$1" -k 1 -w 2000 -d wire
	spawn_sender --ktls "$WHEN" < <(echo word)
	until_true grep -q '\.' tool.err
	PORT=$listener_port flood 40 '' -s 127.0.0.1
}

connects_again() {
	wait_receiver 0
	wait_sender 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
	assert_stderr_has 'refused .*too many handshakes' "$RECEIVER_ERR"
	[[ -e wire.1 ]] || fail "it was not evicted"
}

@test "a client evicted by a crowd before it sends anything connects again" {
	evict_after 0
	says_sender 'too many handshakes'
	connects_again
}

@test "a client that listen --keep evicts before it sends anything connects again" {
	evict_after 0 --keep -- cat
	says_sender 'too many handshakes'
	wait_sender 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
}

@test "a client evicted by a crowd during its first message connects again" {
	evict_after 20
	connects_again
}

@test "a client evicted by a crowd before its Finished connects again" {
	start_receiver --ktls "$WHEN"
	start_relay pass -d first
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	evict_after "$(first_flight first.0 | wc -c)"
	connects_again
}

# Here an alert may be from anyone: the listener has not yet proved that it
# knows the password.
@test "a client evicted during its ClientHello does not connect again: exit status 5, and the reason" {
	evict_after 100
	wait_sender 5
	says_sender 'too many handshakes.*not retried.*guess'
}

says_sender() {
	until_true grep -q "^btrfs-ktls-pipe: .*$1" "$SENDER_ERR"
}

# If connect tried again after each such alert, an impostor could try a password
# each time.
@test "an impostor in the listener's place can try one password for each connect" {
	local mode
	for mode in tls13-aes128-gcm tls12-aes128-gcm; do
		start_receiver --ktls "$WHEN" -m "$mode"
		# user_canceled after the answer, instead of a ServerHello
		start_relay insert -c s2c -a 52 -i 1503030002025a -d wire
		takes_at_most 5 bkp_send 5 --retry 20s -m "$mode" <<<secret
		assert_stderr_has 'too many handshakes.*not retried.*guess'
		assert_lines 1 "$ERR"
		[[ -s wire.0 && ! -e wire.1 ]] || fail "$(echo wire.*) were opened"
		kill "$RECEIVER_PID"
	done
}

# --- sources of the password

# asked KEYS COMMAND...: runs COMMAND on a terminal and types KEYS
asked() {
	require_no_key
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/prompt" "$@"
}

require_no_key() {
	[[ ! -e /etc/btrfs-ktls-pipe/key ]] ||
		skip "own kernel only: /etc/btrfs-ktls-pipe/key exists"
}

# types FILE KEYS: makes a program that runs $BKP on a terminal and types KEYS
types() {
	printf '#!/bin/sh\nexec "%s/prompt" "%s" "%s" "$@"\n' \
		"$BKP_TOOLS" "$2" "$BKP" >"$1"
	chmod +x "$1"
}

@test "without a key both sides prompt on the terminal: delivered" {
	require_no_key
	types typed 'correct horse
'
	CREDENTIAL=()
	THERE=$TMP/typed BKP=$TMP/typed goes push
	assert_stderr_has '^Password for btrfs-ktls-pipe: .?$' "$SENDER_ERR"
	assert_stderr_has '^Password for btrfs-ktls-pipe: .?$' "$RECEIVER_ERR"
	assert_stderr_lacks 'horse' "$SENDER_ERR" # foreign
}

@test "a typed password equals the same password in a file" {
	require_no_key
	types typed 'correct horse
'
	start_receiver --ktls "$WHEN"
	CREDENTIAL=()
	BKP=$TMP/typed bkp_send --ktls "$WHEN" <in
	wait_receiver 0
	assert_same_file in "$RECEIVED"
}

@test "Ctrl-C at the prompt ends the program by the signal, and the terminal echoes" {
	run -130 asked '^C' "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
}

@test "Ctrl-\\ at the prompt ends the program by the signal, and the terminal echoes" {
	run -131 asked '^\' "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
}

@test "Ctrl-Z at the prompt: the terminal echoes, and the prompt returns afterwards" {
	run -4 asked '^Z>word
' "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
}

@test "SIGTERM at the prompt ends the program by the signal, and the terminal echoes" {
	cat >kill-me <<-END
		until stty -F /dev/tty -a | grep -q -- ' -echo '; do sleep 0.05; done &&
			kill -TERM \$\$ &
		exec "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	END
	run -143 asked '' sh kill-me
}

@test "a terminal whose output is stopped at the prompt is waited for" {
	run -4 asked '^S%word
%^Q' "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	# stopped before the prompt
	run -4 asked '^S|%^Qword
' sh -c 'stty -F /dev/tty -echo; sleep 0.3; stty -F /dev/tty echo; sleep 0.3
		exec "$@"' sh "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
}

# Otherwise the first would switch the echo on while the second still prompts.
@test "two programs prompt on one terminal one after the other" {
	run -4 asked '%%one
>two
' sh -c '
		exec 2>/dev/$(ps -o tty= -p $$)
		"$@" listen -b 127.0.0.1 -p 0 --wait 1ms &
		sleep 0.3
		"$@" connect -p 1 --retry 0 127.0.0.1' sh "$BKP"
	[[ $output != *one* && $output != *two* ]] || fail "$output"
}

@test "a program stopped at its prompt does not keep others from prompting" {
	run -4 asked '>>word
' sh -c '
		exec 2>/dev/$(ps -o tty= -p $$)
		"$@" listen -b 127.0.0.1 -p 0 --wait 1ms &
		sleep 0.5
		kill -TSTP $!
		until [ "$(ps -o stat= -p $! | cut -c1)" = T ]; do sleep 0.1; done
		"$@" connect -p 1 --retry 0 127.0.0.1
		status=$?
		kill -9 $!
		exit $status' sh "$BKP"
}

@test "a typed password must be text" {
	run -3 asked 'a^@b
' "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	[[ $output == *"is not text"* ]] || fail "$output"
}

@test "an empty password is refused" {
	run -3 asked '
' "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	[[ $output == *"password is empty"* ]] || fail "$output"
	run -3 asked '^D' "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
}

@test "a typed password may have at most 512 bytes" {
	local long
	printf -v long '%512s' ''
	run -4 asked "${long// /x}
" "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	run -3 asked "${long// /x}x
" "$BKP" listen -b 127.0.0.1 -p 0 --wait 1ms
	[[ $output == *"too long"*512* ]] || fail "$output"
}

@test "no key and no terminal: exit status 3, and a remedy" {
	require_no_key
	run -3 setsid -w "$BKP" connect -p 1 127.0.0.1
	[[ $output == *"/dev/tty"*"--password-file"*"keygen"* ]] || fail "$output"
	run -3 setsid -w "$BKP" listen -b 127.0.0.1 -p 0
}

@test "--raw and --identity do not prompt for a password" {
	require_no_key
	run -3 asked '' "$BKP" connect --raw -p 1 127.0.0.1
	[[ $output == *"no key"*"keygen"* ]] || fail "$output"
	run -3 asked '' "$BKP" connect --identity me -p 1 127.0.0.1
}

# takes_password FILE: it is accepted; then no client comes
takes_password() {
	bkp 4 listen --password-file "$1" -b 127.0.0.1 -p 0 --wait 1ms
}

# refuses_password FILE REGEX
refuses_password() {
	bkp 3 listen --password-file "$1" -b 127.0.0.1 -p 0 --wait 1ms
	assert_lines 1 "$ERR"
	assert_stderr_has "^btrfs-ktls-pipe: password file $1: .*$2"
}

@test "only the first line of a password file is used, without its newline" {
	start_receiver --ktls "$WHEN"
	printf 'correct horse\r\nnot this\n' >crlf
	bkp_send --ktls "$WHEN" --password-file crlf <<<word
	wait_receiver 0
	start_receiver --ktls "$WHEN"
	printf 'correct horse' >bare
	bkp_send --ktls "$WHEN" --password-file bare <<<word
	wait_receiver 0
	start_receiver --ktls "$WHEN"
	printf 'correct horse ' >space
	bkp_send 5 --password-file space <<<word
}

@test "a password file may be a pipe, or standard input unless that is the stream" {
	takes_password <(cat password)
	takes_password - <password
}

@test "a byte order mark is not part of a password, blanks and quotes are" {
	start_receiver --ktls "$WHEN"
	printf '\xef\xbb\xbfcorrect horse\r\n' >mark
	bkp_send --ktls "$WHEN" --password-file mark <<<word
	wait_receiver 0
	printf ' "correct" #horse' >quotes
	CREDENTIAL=(--password-file quotes)
	start_receiver --ktls "$WHEN"
	printf '"correct" #horse' >blank
	bkp_send 5 --password-file blank <<<word
	printf ' correct #horse' >quote
	bkp_send 5 --password-file quote <<<word
	printf ' "correct" #horse\r\n' >same
	bkp_send --ktls "$WHEN" --password-file same <<<word
	wait_receiver 0
}

@test "a password file of UTF-16, or with a comment above the password, is refused" {
	iconv -t UTF-16 <password >utf16
	refuses_password utf16 'UTF-16.*iconv'
	iconv -t UTF-16LE <password >utf16le
	refuses_password utf16le 'UTF-16'
	printf '# of the backup host\ncorrect horse\n' >comment
	refuses_password comment 'looks like a comment, and line 2'
	printf '#correct horse\n\n' >numbered
	takes_password numbered
}

@test "an empty first line is refused" {
	: >empty
	refuses_password empty 'empty'
	printf '\nsecond\n' >second
	refuses_password second 'empty'
}

@test "a password of more than 512 bytes is refused" {
	printf '%0512d\n' 0 >fits
	printf '%0513d\n' 0 >long
	takes_password fits
	refuses_password long 'too long.*512'
	refuses_password /dev/zero 'too long|not text'
}

@test "a password file that is not text is refused" {
	printf 'p\0w\n' >binary
	refuses_password binary 'text'
}

@test "a password file that others can read is refused; the message has its mode and the remedy" {
	chmod 0644 password
	refuses_password password 'mode 0644.*chmod 600 password'
}

@test "a password file that is missing, or a directory, is refused" {
	mkdir dir
	refuses_password missing 'No such file'
	refuses_password dir 'directory'
}

@test "a password with another credential: exit status 2" {
	bkp 2 connect --password-file password -k key 127.0.0.1
	assert_stderr_has 'exactly one kind of credential'
	bkp 2 listen --password-file password -m none
	bkp 2 connect --password-file password --raw 127.0.0.1
	bkp 2 connect --password-file password --identity me 127.0.0.1
	bkp 2 connect --password-file - 127.0.0.1
	assert_stderr_has 'standard input is the stream'
	bkp 2 connect --password-file '' 127.0.0.1
}

@test "a password is in memory once, and in no child process" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: reads the memory of others, as root"
	not_under valgrind "it has memory of its own"
	not_under sanitizers "they keep what was freed"
	local hex places family
	printf %s 'a password of thirty-two letters' >password
	hex=$(od -An -v -tx1 password | tr -d ' \n')
	start_receiver --ktls "$WHEN" -- cat
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" <feed
	echo word >&8
	until_true grep -q word "$RECEIVED"
	mapfile -t family < <(family_of "$RECEIVER_PID"; family_of "$SENDER_PID")
	"$BKP_TOOLS/findkey" "$hex" "$RECEIVER_PID" "$SENDER_PID" \
		"${family[@]}" 3>&- |
		sort -u >found
	mapfile -t places <found
	((${#places[@]} == 2)) || fail "${places[@]}"
	exec 8>&-
	wait_sender 0
	wait_receiver 0
}

@test "the password is in no message, on no command line and in no environment" {
	words_are_seen -vv
	[[ -s $SENDER_ERR && -s $RECEIVER_ERR ]]
	run ! grep -q 'horse' seen "$SENDER_ERR" "$RECEIVER_ERR"
}
