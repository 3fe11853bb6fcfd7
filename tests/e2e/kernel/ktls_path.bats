#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The path of the bytes, checked on the live sockets.

load ../../lib/helpers
load ../../lib/delivery

# stream_stands SENDER_PATH RECEIVER_PATH [OPTION]...: a connection that has
# carried 100000 bytes and waits for more; SENDER_SS and RECEIVER_SS are the
# output of ss(8) for its two ends
stream_stands() {
	mkfifo in
	exec 8<>in
	make_data data 100000
	start_receiver -v --ktls "${KTLS[$2]}" "${@:3}"
	spawn_sender -v --ktls "${KTLS[$1]}" "${@:3}" <in
	cat data >&8
	until_true cmp -s data "$RECEIVED"
	SENDER_SS=$(ss -tinH state established "dport = :$PORT")
	RECEIVER_SS=$(ss -tinH state established "sport = :$PORT")
	[[ $SENDER_SS == *"127.0.0.1:$PORT"* ]] || fail "ss: $SENDER_SS" || return
	[[ $RECEIVER_SS == *"127.0.0.1:$PORT"* ]] || fail "ss: $RECEIVER_SS"
}

all_arrives() {
	exec 8>&-
	wait_sender 0
	wait_receiver 0
	assert_same_file data "$RECEIVED"
}

# in_kernel SS DIRECTION VERSION CIPHER; old ss has no name for ChaCha20: ''
in_kernel() {
	local seen=tcp-ulp-tls
	seen+=" version: $3"
	[[ -z $4 ]] || seen+=" cipher: $4"
	[[ $1 == *"$seen "*"$2: sw"* ]] || fail "expected $seen $2: sw" "$1"
}

not_in_kernel() {
	[[ $1 != *xconf:\ sw* && $1 != *xconf:\ hw* ]] || fail "$1"
}

decrypt_errors() {
	awk '$1 == "TlsDecryptError" { print $2 }' /proc/net/tls_stat
}

# by_kernel VERSION CIPHER TITLE MODE: checked on the sockets and in the output
# of -v
by_kernel() {
	local errors
	require_ktls
	errors=$(decrypt_errors)
	stream_stands kernel kernel -m "$4"
	in_kernel "$SENDER_SS" txconf "$1" "$2"
	in_kernel "$RECEIVER_SS" rxconf "$1" "$2"
	all_arrives
	assert_stderr_has "^btrfs-ktls-pipe: kernel TLS: tx sw, $3\$" "$SENDER_ERR"
	assert_stderr_has "^btrfs-ktls-pipe: kernel TLS: rx sw, $3\$" "$RECEIVER_ERR"
	# The counter is the kernel's: elsewhere other tests forge records.
	[[ ! ${BKP_GUEST-} || $(decrypt_errors) == "$errors" ]] ||
		fail "TlsDecryptError $(decrypt_errors), before: $errors"
}

# --- kernel to kernel, every mode

@test "tls13-aes128-gcm is in the kernel on both live sockets" {
	by_kernel 1.3 aes-gcm-128 'TLS 1\.3 AES-128-GCM' tls13-aes128-gcm
}

@test "tls13-chacha20-poly1305 is in the kernel on both live sockets" {
	by_kernel 1.3 '' 'TLS 1\.3 CHACHA20-POLY1305' \
		tls13-chacha20-poly1305
}

@test "tls12-aes128-gcm is in the kernel on both live sockets" {
	by_kernel 1.2 aes-gcm-128 'TLS 1\.2 AES-128-GCM' tls12-aes128-gcm
}

@test "tls12-aes256-gcm is in the kernel on both live sockets" {
	by_kernel 1.2 aes-gcm-256 'TLS 1\.2 AES-256-GCM' tls12-aes256-gcm
}

@test "--ktls auto uses kernel TLS where there is some, without a message" {
	require_ktls
	start_receiver -v --ktls auto
	bkp_send -v --ktls auto <<<word
	wait_receiver 0
	assert_stderr_has '^btrfs-ktls-pipe: kernel TLS: tx '
	assert_stderr_has '^btrfs-ktls-pipe: kernel TLS: rx ' "$RECEIVER_ERR"
	start_receiver
	bkp_send <<<word
	wait_receiver 0
	[[ ! -s $ERR && ! -s $RECEIVER_ERR ]]
}

@test "only the bulk direction is handed to the kernel" {
	require_ktls
	stream_stands kernel kernel
	[[ $SENDER_SS == *'rxconf: none'* ]] || fail "$SENDER_SS"
	[[ $RECEIVER_SS == *'txconf: none'* ]] || fail "$RECEIVER_SS"
	all_arrives
}

# --- user space

@test "with --ktls off no direction is in the kernel, and -v says so" {
	stream_stands user user
	not_in_kernel "$SENDER_SS"
	not_in_kernel "$RECEIVER_SS"
	all_arrives
	assert_stderr_has '^btrfs-ktls-pipe: user-space TLS: tx, TLS 1\.3 ' \
		"$SENDER_ERR"
	assert_stderr_has '^btrfs-ktls-pipe: user-space TLS: rx, TLS 1\.3 ' \
		"$RECEIVER_ERR"
}

@test "each side chooses its own path" {
	require_ktls
	stream_stands kernel user
	in_kernel "$SENDER_SS" txconf 1.3 aes-gcm-128
	not_in_kernel "$RECEIVER_SS"
	all_arrives
}

# --- no module

@test "--ktls require without the tls module: connect exits 6 and names modprobe" {
	without_tls
	start_receiver --ktls off
	bkp_send 6 --ktls require <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*modprobe tls'
	assert_lines 1 "$ERR"
	[[ ! -s $RECEIVED ]]
}

@test "--ktls require without the tls module: listen exits 6 before it listens" {
	without_tls
	bkp 6 listen -k key --ktls require -b 127.0.0.1 -p 0 --wait 5s
	assert_stderr_has '^btrfs-ktls-pipe: .*modprobe tls'
}

@test "--ktls auto without the tls module: delivered in user space, with one notice" {
	without_tls
	start_receiver
	bkp_send <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]]
	assert_lines 1 "$ERR"
	assert_lines 1 "$RECEIVER_ERR"
	assert_stderr_has '^btrfs-ktls-pipe: .*user space'
	assert_stderr_has '^btrfs-ktls-pipe: .*user space' "$RECEIVER_ERR"
}

@test "--ktls auto -q without the tls module: delivered without a message" {
	without_tls
	start_receiver -q
	bkp_send -q <<<word
	wait_receiver 0
	[[ ! -s $ERR && ! -s $RECEIVER_ERR ]]
}

@test "--ktls off without the tls module: delivered without a message" {
	without_tls
	start_receiver --ktls off
	bkp_send --ktls off <<<word
	wait_receiver 0
	[[ ! -s $ERR && ! -s $RECEIVER_ERR ]]
}

@test "probe without the tls module: exit status 6, and modprobe is named" {
	without_tls
	bkp 6 probe
	assert_stderr_has 'modprobe tls' "$OUT"
	bkp 6 probe --json
	"$BKP_TOOLS/json" <"$OUT" >flat
}
