#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A peer that does not answer is given up in time; a slow one is not.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/cable

# takes_between MIN MAX COMMAND...: in seconds
takes_between() {
	local before=$EPOCHREALTIME after
	"${@:3}" # as in takes_at_most
	after=$EPOCHREALTIME
	MS=$(((${after/./} - ${before/./}) / 1000))
	((MS >= $1 * 1000 && MS <= $2 * 1000)) ||
		fail "took $MS ms, expected $1 to $2 s"
}

# --- before a stream

# unanswered MIN MAX OPTION...: connect gives up in that time, with $SAID lines
SAID=1
unanswered() {
	takes_between "$1" "$2" bkp_send 5 --ktls off "${@:3}" <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*(answer|no handshake)'
	assert_lines "$SAID" "$ERR"
}

@test "a listener accepts and never answers: connect exits 5 after --handshake-timeout" {
	start_tool peer hold
	unanswered 1 5 --handshake-timeout 1s
	unanswered 1 5 --handshake-timeout 1s --receive
}

@test "a listener accepts and never answers: connect exits 5 after 10 s" {
	full_tier_only 10
	start_tool peer hold
	SAID=2 # a notice after 5 s
	unanswered 10 12
}

@test "a listener is stopped: connect exits 5 after --handshake-timeout" {
	start_receiver --ktls off
	kill -STOP "$RECEIVER_PID"
	unanswered 1 5 --handshake-timeout 1s
}

@test "a listener is silent after the TLS handshake: connect exits 5 after --handshake-timeout" {
	start_server openssl s_server -accept 127.0.0.1:0 -nocert -tls1_3 \
		-alpn btrfs-ktls-pipe/2 -psk "$KEY_HEX" -psk_identity btrfs \
		-ciphersuites TLS_AES_128_GCM_SHA256 -quiet
	unanswered 2 8 --handshake-timeout 2s
}

@test "a client that is silent after the TLS handshake is refused in time" {
	ktls_here
	start_receiver --ktls "$WHEN" --handshake-timeout 2s
	have_fifo client.in
	openssl s_client -connect "127.0.0.1:$PORT" -tls1_3 -quiet \
		-alpn btrfs-ktls-pipe/2 -psk "$KEY_HEX" -psk_identity btrfs \
		-ciphersuites TLS_AES_128_GCM_SHA256 \
		<>client.in >client.out 2>&1 3>&- &
	PIDS+=($!)
	until_true grep -q 'refused .*too long' "$RECEIVER_ERR"
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
}

@test "a client that sends byte by byte is refused after --handshake-timeout" {
	ktls_here
	start_receiver --ktls "$WHEN" --handshake-timeout 2s
	exec 5<>"/dev/tcp/127.0.0.1/$PORT"
	{
		printf '\x16\x03\x01\x02' # a ClientHello of 512 bytes, in 50 seconds
		while printf '\0'; do sleep 0.1; done
	} >&5 2>/dev/null 3>&- &
	PIDS+=($!)
	takes_at_most 20 until_true grep -q 'refused .*too long' "$RECEIVER_ERR"
	exec 5>&-
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
}

# --- slow is not dead

@test "a consumer COMMAND that sleeps 90 s is not taken for dead" {
	full_tier_only 90
	CONSUMER=(sh -c 'head -c 1000; sleep 90; cat')
	streams push 0 0 < <(head -c 100000000 /dev/zero)
	size_is 100000000 "$RECEIVED"
}

@test "a reader that sleeps 90 s is not taken for dead" {
	full_tier_only 90
	start_consumer sh -c 'sleep 90; cat'
	OUTPUT=consumer
	streams pull 0 0 < <(head -c 100000000 /dev/zero)
	wait_consumer
	size_is 100000000 "$RECEIVED"
}

@test "a consumer COMMAND that has read all and works for another 60 s is waited for" {
	full_tier_only 60
	CONSUMER=(sh -c 'cat; sleep 60')
	takes_between 60 75 streams push 0 0 <<<word
}

@test "a source that pauses for 60 s is waited for" {
	full_tier_only 60
	SOURCE=(sh -c 'echo one; sleep 60; echo two')
	takes_between 60 75 streams push 0 0
	[[ $(<"$RECEIVED") == $'one\ntwo' ]]
}

# --- dead is not slow

@test "a receiver is stopped: the sender exits 7 after half a minute" {
	full_tier_only 35
	stands push
	kill -STOP "$RECEIVER_PID"
	takes_between 25 42 wait_sender 7
	says sender 'not been heard from'
	exec 8>&-
	kill -KILL "$RECEIVER_PID"
}

@test "a receiver is stopped with a full socket: the sender exits 7" {
	full_tier_only 35
	stream_starts pull </dev/zero
	until_true test -s "$RECEIVED"
	kill -STOP "$RECEIVER_PID"
	takes_between 25 42 wait_sender 7
	kill -KILL "$RECEIVER_PID"
}

@test "the network goes silent: the sender exits 7" {
	full_tier_only 35
	HARM=(silence -a 50000)
	stream_starts push < <(head -c 10000000 /dev/zero)
	takes_between 25 42 wait_sender 7
}

# cable_unplugged: a stream between two hosts is idle, then the cable is
# unplugged
cable_unplugged() {
	plug_in
	make_data in 200000
	mkfifo feed
	exec 8<>feed
	stream_starts push <feed
	head -c 100000 in >&8
	until_true size_is 100000 "$RECEIVED"
	sleep 6 # an acknowledgement has gone by
	ip link set "$CABLE" down
}

@test "a cable is unplugged: sender and receiver exit 7 within a minute" {
	full_tier_only 45
	cable_unplugged
	takes_between 20 42 wait_sender 7
	takes_between 0 30 wait_receiver 7
	exec 8>&-
}

@test "a cable is unplugged, and then input comes: sender and receiver exit 7 within a minute" {
	full_tier_only 45
	cable_unplugged
	head -c 60000 in >&8
	takes_between 20 42 wait_sender 7
	takes_between 0 30 wait_receiver 7
	exec 8>&-
}

@test "a host that drops all packets: connect exits 4" {
	full_tier_only 30
	plug_in
	ip neigh add "$SPARE" lladdr 02:00:00:00:00:09 dev "$CABLE"
	takes_between 5 45 bkp 4 connect --retry 0 -k key "$SPARE"
	assert_stderr_has "^btrfs-ktls-pipe: .*$SPARE.*timed out"
}
