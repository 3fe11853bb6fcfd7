#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A peer that has the key says what cannot be true: no stream looks complete
# that is not. Once the stream has begun it is told so, and does not wait for
# --retry.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	make_btrfs_like in 3000000
	RETRY=(--retry 20s)
}

# The types of frames, as frame.h has them
declare -gA TYPE=([HELLO]=1 [WELCOME]=2 [ACK]=3 [DONE]=4 [HAVE]=7 [CHECKING]=8)

# lies FRAME NTH AT HEX: what the liar says; see tests/tools/liar.c
lies() {
	export BKP_LIE="${TYPE[$1]} $2 $3 $4"
}

# starts connect|listen push|pull: a stream of "in"; this side is the liar
starts() {
	local honest=$BKP
	if [[ $1 == listen ]]; then
		THERE=$BKP_TOOLS/liar stream_starts "$2" <in
	else
		THERE=$honest BKP=$BKP_TOOLS/liar stream_starts "$2" <in
	fi
}

# sender_ends CODE REGEX [SIDE WAY]: of a receiver that lies
sender_ends() {
	starts "${3:-listen}" "${4:-push}"
	takes_at_most 15 take_codes
	((SENDER == $1)) || fail "the sender exited $SENDER"
	says sender "$2"
}

# arrives connect|listen push|pull WHO REGEX: all the same
arrives() {
	starts "$1" "$2"
	takes_at_most 15 stream_ends 0 0
	assert_same_file in "$RECEIVED"
	assert_stderr_has 'liar: lied' <(cat "$SENDER_ERR" "$RECEIVER_ERR")
	says "$3" "$4"
}

@test "a receiver acknowledges what was not sent: the sender exits 7" {
	lies ACK 1 8 00000000ffffffff
	sender_ends 7 'acknowledges byte 4294967295, but only'
	sender_ends 7 'acknowledges byte 4294967295, but only' connect pull
}

@test "a receiver sends a frame of another kind, or nonsense: the sender exits 7" {
	local hex regex
	while read -r hex regex; do
		lies ACK 1 0 "$hex"
		sender_ends 7 "$regex"
	done <<-'END'
		01 the receiver sent a second greeting
		02 the receiver sent a second greeting
		03ff the peer sent a malformed frame
		0500 the peer sent a malformed frame
		06 the receiver sent an unexpected frame \(type 6\)
		08 the receiver sent an unexpected frame \(type 8\)
		63 the peer sent a malformed frame
	END
}

@test "a receiver confirms the stream too early, or another length: the sender exits 7" {
	lies ACK 1 0 0400
	sender_ends 7 'confirms (the stream before its end|[0-9]+ bytes, but the)'
	lies DONE 1 8 00000000002dc6bf
	sender_ends 7 'confirms 2999999 bytes, but the stream has 3000000'
}

@test "a receiver promises to say what it has, and does not: the sender exits 7" {
	lies WELCOME 1 4 01
	sender_ends 7 'the receiver does not say what it has'
	lies HELLO 1 3 04
	sender_ends 7 'the receiver does not say what it has' connect pull
}

@test "a receiver wants to begin in the middle of the stream: the sender exits 5, and says so at once" {
	lies WELCOME 1 8 00000000000000ff
	sender_ends 5 'wants to resume at byte 255, but the resend buffer holds'
	says receiver 'the peer gave up'
}

@test "a peer rekeys at a byte that is past, or not yet reached: the stream resumes" {
	TX=(--rekey-after 1M)
	lies HELLO 2 56 0000000000000001
	arrives connect push receiver 'wants to rekey at byte 1, which is past'
	lies HELLO 2 56 0000000000ffffff
	arrives connect push sender 'wants to rekey at byte 16777215, but'
	lies WELCOME 2 40 0000000000000001
	arrives listen push sender 'wants to rekey at byte 1, but we are'
	arrives listen pull receiver 'wants to rekey at byte 1, but we are'
}

@test "a sender says that it compared less than the receiver has: it compares again" {
	TX=(--name snap)
	loses_sender KILL
	lies CHECKING 1 8 0000000000000001
	BKP=$BKP_TOOLS/liar spawn_sender --ktls "$WHEN" "${TX[@]}" <in
	takes_at_most 15 stream_ends 0 0
	says receiver 'the sender compared 1 bytes of 1000000'
	assert_same_file in "$RECEIVED"
}
