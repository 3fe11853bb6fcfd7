#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A stream arrives complete: sizes, paths, modes, calls into and out of the
# kernel.

load ../../lib/helpers

# transfer FILE SENDER_PATH RECEIVER_PATH [OPTION]... [-- OPTION]...: FILE
# arrives unchanged. OPTIONs before -- are connect's, those after it listen's.
transfer() {
	local file=$1 from=${KTLS[$2]} to=${KTLS[$3]} tx=()
	shift 3
	while [[ $# -gt 0 && $1 != -- ]]; do
		tx+=("$1")
		shift
	done
	start_receiver --ktls "$to" "${@:2}" || return
	bkp_send --ktls "$from" "${tx[@]}" < <(cat "$file") || return
	wait_receiver 0 || return
	assert_same_file "$file" "$RECEIVED"
}

assert_no_words() {
	[[ ! -s $ERR && ! -s $RECEIVER_ERR ]] && return
	show "$ERR" "$RECEIVER_ERR"
	fail "messages without need"
}

# Around the length of a record, and with a rest that a splice may leave
awkward_sizes() {
	local size
	for size in 0 1 16383 16384 16385 65000; do
		make_data in "$size"
		transfer in "$@" || fail "$size bytes, $*" || return
		assert_no_words || return
	done
}

many_bytes() {
	by_tier $((64 << 20)) $((8 << 20)) $((1 << 30)) $((256 << 20))
	make_data in "$SIZE"
	transfer in "$@"
	assert_no_words
}

# by_mode MODE TITLE: in that mode in user space, as both sides report
by_mode() {
	make_data in 2000001
	transfer in user user -v -m "$1" -- -v -m "$1"
	assert_stderr_has "$2"
	assert_stderr_has "$2" "$RECEIVER_ERR"
}

# by_calls TX RX: writes of every length, through the kernel
by_calls() {
	make_data in 3000001
	transfer in kernel kernel --tx "$1" -- --rx "$2"
	assert_no_words
}

# tiny PATH [OPTION]...: a producer that writes 1 to 300 bytes at a time
tiny() {
	by_tier $((8 << 20)) $((1 << 20)) $((64 << 20)) $((64 << 20))
	make_data in "$SIZE"
	start_receiver --ktls "${KTLS[$1]}"
	bkp_send --ktls "${KTLS[$1]}" "${@:2}" \
		< <("$BKP_TOOLS/tinywrites" -s "$SIZE" <in)
	wait_receiver 0
	assert_same_file in "$RECEIVED"
}

# slow PATH [OPTION]...: a bursty producer and a consumer that is slower, so
# that the pipe to it is full all the time
slow() {
	make_data in 5000001
	start_consumer "$BKP_TOOLS/tinywrites" -m 3000
	spawn_receiver --ktls "${KTLS[$1]}" "${@:2}" >consumer
	bkp_send --ktls "${KTLS[$1]}" \
		< <("$BKP_TOOLS/tinywrites" -m 60000 -p 1000000:30 <in)
	wait_receiver 0
	wait_consumer
	assert_same_file in "$RECEIVED"
}

# --- sizes and paths

@test "awkward sizes arrive, user space to user space" {
	awkward_sizes user user
}

@test "awkward sizes arrive, kernel to kernel" {
	require_ktls
	awkward_sizes kernel kernel
}

@test "awkward sizes arrive, kernel to user space" {
	require_ktls
	awkward_sizes kernel user
}

@test "awkward sizes arrive, user space to kernel" {
	require_ktls
	awkward_sizes user kernel
}

@test "many bytes arrive, user space to user space" {
	many_bytes user user
}

@test "many bytes arrive, kernel to kernel" {
	require_ktls
	many_bytes kernel kernel
}

@test "many bytes arrive, kernel to user space" {
	require_ktls
	many_bytes kernel user
}

@test "many bytes arrive, user space to kernel" {
	require_ktls
	many_bytes user kernel
}

# --- modes; ktls_path.bats and matrix.bats have those in the kernel

@test "tls13-aes128-gcm in user space: delivered" {
	by_mode tls13-aes128-gcm 'user-space TLS: .*TLS 1\.3 AES-128-GCM'
}

@test "tls13-chacha20-poly1305 in user space: delivered" {
	by_mode tls13-chacha20-poly1305 \
		'user-space TLS: .*TLS 1\.3 CHACHA20-POLY1305'
}

@test "tls12-aes128-gcm in user space: delivered" {
	by_mode tls12-aes128-gcm 'user-space TLS: .*TLS 1\.2 AES-128-GCM'
}

@test "tls12-aes256-gcm in user space: delivered" {
	by_mode tls12-aes256-gcm 'user-space TLS: .*TLS 1\.2 AES-256-GCM'
}

# --- calls into and out of the kernel

@test "splice into the kernel, splice out of it: delivered" {
	require_ktls
	by_calls splice splice
}

@test "splice into the kernel, read from it: delivered" {
	require_ktls
	by_calls splice read
}

@test "send into the kernel, splice out of it: delivered" {
	require_ktls
	by_calls send splice
}

@test "send into the kernel, read from it: delivered" {
	require_ktls
	by_calls send read
}

@test "tiny writes arrive through user space" {
	tiny user
}

@test "tiny writes arrive through the kernel, spliced" {
	require_ktls
	tiny kernel --tx splice
}

@test "tiny writes arrive through the kernel, sent" {
	require_ktls
	tiny kernel --tx send
}

@test "a slow consumer gets every byte through user space" {
	slow user
}

@test "a slow consumer gets every byte spliced out of the kernel" {
	require_ktls
	slow kernel --rx splice
}

@test "a slow consumer gets every byte read from the kernel" {
	require_ktls
	slow kernel --rx read
}

# --- promises about time and memory

@test "bytes arrive without waiting for more input" {
	local got
	mkfifo in
	start_consumer cat
	spawn_receiver --ktls "$WHEN" >consumer
	exec 8<>in
	spawn_sender --ktls "$WHEN" <in
	printf 'first line\n' >&8
	until_true grep -q 'first line' "$RECEIVED"
	printf %65000s '' >&8 # a tail that a careless splice keeps
	until_true size_is 65011 "$RECEIVED"
	exec 8>&-
	wait_sender 0
	wait_receiver 0
}

size_is() {
	[[ $(stat -c %s "$2") == "$1" ]]
}

@test "memory does not grow with the stream" {
	not_under valgrind 'most of the memory is its own'
	by_tier $((256 << 20)) $((64 << 20)) $((2 << 30)) $((512 << 20))
	mkfifo in
	spawn_receiver --ktls "$WHEN" >/dev/null
	exec 8<>in
	spawn_sender --ktls "$WHEN" <in
	head -c "$SIZE" /dev/zero >&8
	peak_below 100000 "$SENDER_PID"
	peak_below 100000 "$RECEIVER_PID"
	exec 8>&-
	wait_sender 0
	wait_receiver 0
}

# peak_below KIB PID
peak_below() {
	local kib
	kib=$(awk '/^VmHWM:/ { print $2 }' "/proc/$2/status")
	((kib > 0 && kib < $1)) || fail "peak memory $kib KiB"
}
