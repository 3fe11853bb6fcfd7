#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# No kill, cut or forgery is ever taken for the end of a stream. exit_codes.bats
# has more of them.

load ../../lib/helpers

setup_file() {
	make_data "$BATS_FILE_TMPDIR/in" 2000001
}

MODE=()

# An unencrypted record that claims the end of the stream
PLAIN_CLOSE_NOTIFY=15030300020100
PLAIN_DATA=170303001348656c6c6f2c20776f726c642148656c6c6f21

# harm_done SENDER RECEIVER ACTION [OPTION]...: these are the exit statuses
# after a relay did that to a stream
harm_done() {
	start_receiver --ktls "$WHEN" "${MODE[@]}"
	start_relay "${@:3}"
	bkp_send "$1" --ktls "$WHEN" "${MODE[@]}" <"${IN:-$BATS_FILE_TMPDIR/in}"
	wait_receiver "$2"
}

# A stream that ends before there is an ACK, which is as long as DONE
shorter() {
	IN=$TMP/shorter
	head -c 900000 "$BATS_FILE_TMPDIR/in" >"$IN"
}

# The stream is incomplete for the receiver and lost for the sender, and the
# output is a beginning of the input.
lost_by() {
	harm_done 7 7 "$@"
	assert_beginning
	assert_stderr_has '^btrfs-ktls-pipe: '
	assert_stderr_has '^btrfs-ktls-pipe: ' "$RECEIVER_ERR"
}

assert_beginning() {
	local difference
	difference=$(cmp "$RECEIVED" "$BATS_FILE_TMPDIR/in" 2>&1) ||
		[[ $difference == *"EOF on "*"$RECEIVED"* ]] || fail "$difference"
}

# begin [ACTION [OPTION]...]: starts a stream that is idle after 100000 bytes,
# through a relay if there is an ACTION
begin() {
	mkfifo in
	exec 8<>in
	start_receiver --ktls "$WHEN"
	[[ $# == 0 ]] || start_relay "$@"
	spawn_sender --ktls "$WHEN" <in
	"$BKP_TOOLS/deadline" 60 head -c 100000 "$BATS_FILE_TMPDIR/in" >&8
}

# half_way: these 100000 bytes have arrived
half_way() {
	begin
	until_true received_is 100000
}

received_is() {
	[[ $(stat -c %s "$RECEIVED") == "$1" ]]
}

# --- a process dies

@test "the sender is killed: the receiver exits 7" {
	half_way
	kill -9 "$SENDER_PID"
	wait_receiver 7
	assert_stderr_has '^btrfs-ktls-pipe: .*(incomplete|lost|closed)' "$RECEIVER_ERR"
}

@test "the receiver is killed: the sender exits 7" {
	half_way
	kill -9 "$RECEIVER_PID"
	head -c 60000 "$BATS_FILE_TMPDIR/in" >&8 # fits into the pipe
	exec 8>&-
	wait_sender 7
}

@test "the receiver is killed after the last byte: the sender exits 7" {
	half_way
	kill -STOP "$RECEIVER_PID"
	exec 8>&-
	kill -9 "$RECEIVER_PID"
	wait_sender 7
}

# --- the connection ends without close_notify

@test "FIN between two records: sender and receiver exit 7" {
	lost_by fin -r 20
}

@test "FIN within a record: sender and receiver exit 7" {
	lost_by fin -a 1000001
}

@test "FIN instead of the sender's close_notify: sender and receiver exit 7" {
	lost_by fin -l 19
	assert_same_file "$BATS_FILE_TMPDIR/in" "$RECEIVED"
}

@test "FIN instead of the sender's close_notify in TLS 1.2: sender and receiver exit 7" {
	MODE=(-m tls12-aes128-gcm)
	lost_by fin -l 26
	assert_same_file "$BATS_FILE_TMPDIR/in" "$RECEIVED"
}

@test "FIN right after the handshake: sender and receiver exit 7" {
	start_receiver --ktls "$WHEN"
	start_relay fin -l 19
	bkp_send 7 --ktls "$WHEN" </dev/null
	wait_receiver 7
}

@test "FIN to the sender in the middle of the stream: sender and receiver exit 7" {
	begin fin -a 50000 -x s2c
	wait_sender 7
	wait_receiver 7
	exec 8>&-
}

@test "FIN instead of the receiver's DONE: the sender exits 7" {
	shorter
	harm_done 7 0 fin -c s2c -l 33
}

# --- forgery

@test "a flipped bit in TLS 1.2: sender and receiver exit 7" {
	MODE=(-m tls12-aes128-gcm)
	lost_by flip -a 1000001
}

@test "a flipped bit with ChaCha20: sender and receiver exit 7" {
	MODE=(-m tls13-chacha20-poly1305)
	lost_by flip -a 1000001
}

# The kernel refuses the header once, and tells whoever calls it next: here the
# receiver as it acknowledges, after 5 s without a consumer.
@test "a damaged record header while the consumer stalls: sender and receiver exit 7" {
	make_data in 5000000
	start_consumer sh -c 'sleep 7; cat'
	spawn_receiver --ktls "$WHEN" >consumer
	start_relay flip -r 72 -o 3
	bkp_send 7 --ktls "$WHEN" --tx send <in
	assert_stderr_has 'alert bad_record_mac'
	wait_receiver 7
	assert_stderr_has 'bad_record_mac' "$RECEIVER_ERR"
}

@test "a forged close_notify of the sender: sender and receiver exit 7" {
	lost_by flip -l 19
}

@test "a forged DONE of the receiver: the sender exits 7" {
	shorter
	harm_done 7 0 flip -c s2c -l 33
}

@test "an unencrypted close_notify: sender and receiver exit 7" {
	lost_by insert -r 20 -i "$PLAIN_CLOSE_NOTIFY"
}

@test "an unencrypted close_notify to the sender: sender and receiver exit 7" {
	begin insert -a 50000 -x s2c -i "$PLAIN_CLOSE_NOTIFY"
	wait_sender 7
	wait_receiver 7
	exec 8>&-
}

@test "an unencrypted record: sender and receiver exit 7" {
	lost_by insert -r 20 -i "$PLAIN_DATA"
}

@test "a record is repeated: sender and receiver exit 7" {
	lost_by dup -r 20
}

@test "two records are swapped: sender and receiver exit 7" {
	lost_by swap -r 20
}

@test "bytes are removed: sender and receiver exit 7" {
	lost_by drop -a 1000001 -n 100
}

@test "plain text after the handshake: sender and receiver exit 7" {
	lost_by insert -a 1000001 -i 474554202f0d0a474554202f0d0a
}

# --- no harm

@test "a pause of the network does no harm" {
	harm_done 0 0 pause -a 1000001 -w 500
	assert_same_file "$BATS_FILE_TMPDIR/in" "$RECEIVED"
}
