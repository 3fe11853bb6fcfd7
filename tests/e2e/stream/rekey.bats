#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Rekeying: another connection with new keys takes over in time, while the old
# one still carries data, however long the stream is.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	RETRY=(--retry 20s)
	make_data in 20000000
}

# rekeys push|pull LEAST: a stream of "in" arrives, is rekeyed LEAST times or
# more, and loses no connection
rekeys() {
	streams_with_stats "$1" 0 0
	assert_same_file in "$RECEIVED"
	counted rotations "$2"
	counted reconnects 0 0
}

streams_with_stats() {
	TX=(-v "${TX[@]}")
	with_stats
	streams "$@" <"${INPUT:-in}"
}

# fails push|pull: both sides exit 7, and the output is a beginning of the input
fails() {
	streams "$1" 7 7 <in
	assert_beginning "$RECEIVED" in
}

# intervals_within BYTES: no key protected more than BYTES of "in"
intervals_within() {
	local at last=0 count=0
	while read -r at; do
		((at - last <= $1)) || fail "$last to $at under one key"
		last=$at count=$((count + 1))
	done < <(sed -nE 's/.*: rekeyed at byte ([0-9]+).*/\1/p' "$SENDER_ERR"
		stat -c %s in)
	((count > 1)) || fail 'no rekey is reported'
}

@test "--rekey-after of the sender is obeyed" {
	kept() {
		TX=(--rekey-after 2M) RX=()
		rekeys "$1" 9
		intervals_within $((2 << 20))
	}
	both_ways kept
}

@test "--rekey-after of the receiver is obeyed" {
	kept() {
		TX=() RX=(--rekey-after 2M)
		rekeys "$1" 9
		intervals_within $((2 << 20))
	}
	both_ways kept
}

@test "a stream is rekeyed in every mode that a key can have" {
	local mode
	for mode in $(key_modes); do
		TX=(-m "$mode" --rekey-after 4M) RX=(-m "$mode")
		both_ways rekeys 4
	done
}

@test "rekeying needs neither --buffer nor --retry" {
	unkept() {
		TX=(--rekey-after 2M --buffer 0) RX=()
		rekeys "$1" 9
		intervals_within $((2 << 20))
		RETRY=(--retry 0)
		TX=(--rekey-after 2M) RX=()
		rekeys "$1" 9
	}
	both_ways unkept
}

@test "a stream spliced into the kernel and out of it is rekeyed" {
	require_ktls
	TX=(--rekey-after 2M --tx splice) RX=(--rx splice)
	spliced() {
		have_fifo feed
		cat in >feed 3>&- &
		PIDS+=($!)
		INPUT=feed
		streams_with_stats "$1" 0 0
		assert_same_file in "$RECEIVED"
		counted rotations 9
		intervals_within $((2 << 20))
	}
	both_ways spliced
}

@test "a rekeyed stream moves from the kernel to user space and back" {
	require_ktls
	TX=(--rekey-after 2M --ktls off) RX=(--ktls require)
	both_ways rekeys 9
	TX=(--rekey-after 2M --ktls require) RX=(--ktls off)
	both_ways rekeys 9
}

# 1M are 64 records, of whatever size.
@test "--rekey-after counts records, not bytes" {
	small() {
		head -c 2000 /dev/urandom >in
		TX=(--rekey-after 1M) RX=()
		SOURCE=("$BKP_TOOLS/tinywrites" -m 10 -p 10:6)
		rekeys "$1" 1 # a busy machine makes fewer, larger records
	}
	both_ways small
}

@test "a slow consumer delays the rekeying and does no other harm" {
	slow() {
		head -c 8000000 in >less
		TX=(--rekey-after 1M) RX=()
		CONSUMER=(sh -c 'sleep 1; head -c 4000000; sleep 1; cat')
		INPUT=less
		streams_with_stats "$1" 0 0
		assert_same_file less "$RECEIVED"
		counted reconnects 0 0
	}
	both_ways slow
}

# Everything is acknowledged when the sender moves to the new connection; the
# relay delays the WELCOME that tells the receiver so.
@test "the old connection does not end before the new one is announced" {
	local i
	have_fifo feed
	exec 8<>feed
	TX=(--rekey-after 1M --buffer 1M) RX=()
	with_stats
	HARM=(pause -f 100000000 -c s2c -l 81 -k 1 -w 1000)
	stream_starts pull <feed
	for ((i = 1; i <= 6; i++)); do # an ACK each, and then a rekey
		head -c $((i << 17)) in | tail -c $((1 << 17)) >&8
		until_true size_is $((i << 17)) "$RECEIVED"
	done
	until_true grep -q '\.' tool.err
	sleep 0.5
	tail -c +$(((6 << 17) + 1)) in >&8
	exec 8>&-
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
	counted rotations 1
	counted reconnects 0 0
}

# Both connections have reached the limit by then: that does not count as a
# loss.
@test "a consumer that stalls for long costs no connection" {
	full_tier_only 40
	still() {
		TX=(--rekey-after 1M) RX=()
		CONSUMER=(sh -c 'head -c 500000; sleep 38; cat')
		streams_with_stats "$1" 0 0
		assert_same_file in "$RECEIVED"
		counted reconnects 0 0
	}
	both_ways still
}

# The relay resets all other connections; then the stream ends.
@test "a rekey that is not needed any more costs no processor time" {
	cancelled() {
		have_fifo feed
		have_fifo go
		exec 8<>feed
		TX=(--rekey-after 2M) RX=()
		CONSUMER=(sh -c 'cat; read -r _ <go')
		HARM=(rst -f 100000000)
		stream_starts "$1" <feed
		feed_until_harm # it wants to rekey
		until_true grep -qF .. tool.err
		exec 8>&-
		sleep 1 # the next attempt would have begun
		idles "$CONNECT_PID"
		echo >go
		stream_ends 0 0
	}
	not_under valgrind 'it costs time'
	both_ways cancelled
}

# --- with harm

# The connections of a rekey: the old one is in use, the new one is the relay's
# second.
@test "a rekey whose HELLO or WELCOME is damaged: the stream is resumed" {
	damaged() {
		TX=(--rekey-after 2M) RX=()
		HARM=(flip -f 100000000 -c s2c -l 81 -k 1)
		streams_with_stats "$1" 0 0
		assert_same_file in "$RECEIVED"
		counted reconnects 1 1
	}
	both_ways damaged
}

@test "a rekey that fails without --retry is final" {
	RETRY=(--retry 0)
	TX=(--rekey-after 2M)
	HARM=(flip -f 100000000 -c s2c -l 81 -k 1)
	both_ways fails
	says sender 'cannot resume: --retry 0'
}

# The relay resets all other connections.
@test "no other connection can be made: sender and receiver exit 7" {
	full_tier_only 80
	RETRY=(--retry 0)
	TX=(--rekey-after 2M)
	HARM=(rst -f 100000000)
	both_ways fails
	says sender 'cannot rekey: no new connection within 30 s'
}

@test "no other connection can be made for 30 s, and then one: it is used" {
	full_tier_only 60
	RETRY=(--retry 0)
	TX=(--rekey-after 4M) RX=()
	# 200 of 256 records at once: the others last longer than the outage.
	SOURCE=(sh -c 'for i in $(seq 200); do printf x; sleep 0.03; done
		for i in $(seq 45); do printf x; sleep 1; done')
	HARM=(rst -f 100000000 -k 15)
	streams_with_stats push 0 0
	size_is 245 "$RECEIVED"
	counted rotations 1 1
}

@test "a consumer that fails while the old connection has bytes costs no processor time" {
	not_under valgrind 'it costs time'
	have_fifo go
	TX=(--rekey-after 1M -v) RX=()
	CONSUMER=(sh -c 'head -c 600000 >/dev/null; read -r _ <go; exit 3')
	stream_starts push <in
	until_true has_line 'rekeyed at byte' "$SENDER_ERR"
	kill -STOP "$SENDER_PID"
	echo >go
	sleep 0.5
	idles "$RECEIVER_PID"
	kill -CONT "$SENDER_PID"
	stream_ends 9 9
}

@test "the old connection is cut while both are open: the stream is delivered" {
	cut() {
		directions "$1"
		TX=(--rekey-after 2M) RX=()
		# a rekey takes few bytes: the cut is somewhere near it
		HARM=(rst -c "$WITH" -a "$2" -k 3)
		streams_with_stats "$1" 0 0
		assert_same_file in "$RECEIVED"
		grep -qF . tool.err || fail 'nothing was cut'
	}
	local at
	for at in 1570000 1580000 1600000 1700000 1900000; do
		both_ways cut "$at"
	done
}

@test "random cuts between rekeys: the stream is delivered" {
	local seed=${CHAOS_SEED:-$SRANDOM} way=push
	echo "CHAOS_SEED=$seed"
	((seed % 2)) || way=pull
	RETRY=(--retry 60s --handshake-timeout 5s)
	TX=(--buffer 1M --rekey-after 1M)
	directions "$way"
	HARM=(random -c "$WITH" -a 2000000 -k 30 -s "$seed")
	streams_with_stats "$way" 0 0
	assert_same_file in "$RECEIVED"
	grep -qF . tool.err || fail 'nothing was cut'
}

# --- streams that cannot be rekeyed

@test "--raw: a stream too long for its keys stops, and the message says so" {
	TX=(--raw --rekey-after 1M) RX=(--raw)
	both_ways fails
	says sender 'only 64 records.* --raw cannot rekey'
	(($(stat -c %s "$RECEIVED") <= 1 << 20)) || fail "too much came"
}
