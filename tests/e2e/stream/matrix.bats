#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A stream is delivered with every kind of credential in every mode, by kernel
# TLS where the kernel has it.

load ../../lib/helpers
load ../../lib/certs

setup_file() {
	make_certs
	make_data in 1000001
}

setup() {
	set_up
	IN=$BATS_FILE_TMPDIR/in
	PATH_HERE=user
	[[ $WHEN != require ]] || PATH_HERE=kernel-sw
}

# The four kinds set the options of both sides.
key() {
	SERVER=(-k key) CREDENTIAL=(-k key)
}

keys() {
	make_key alice.key alice
	make_key bob.key bob
	cat alice.key bob.key >keys
	SERVER=(--keys keys) CREDENTIAL=(-k bob.key)
}

password() {
	echo 'correct horse' >password
	SERVER=(--password-file password) CREDENTIAL=("${SERVER[@]}")
}

certificate() {
	server_is server
	client_is alice
}

# moves KIND MODE: the statistics of both sides name version, cipher, path
moves() {
	"$1"
	start_receiver -m "$2" --ktls "$WHEN" --stats receiver.json
	bkp_send -m "$2" --ktls "$WHEN" --stats sender.json <"$IN"
	wait_receiver 0
	assert_same_file "$IN" "$RECEIVED"
	names sender.json "\"tx\": \"$PATH_HERE\""
	names receiver.json "\"rx\": \"$PATH_HERE\""
	names sender.json "\"tls_version\": \"TLS${2:3:1}\.${2:4:1}\""
	names receiver.json "\"cipher\": \"$(cipher "$2")\""
}

cipher() {
	local name=${1#*-}
	name=${name/aes/aes-}
	echo "${name^^}"
}

# names FILE REGEX
names() {
	grep -qE -- "$2" "$1" || fail "$1 is without $2: $(<"$1")"
}

# moves_or_is_refused KIND: TLS 1.3 AES-256-GCM without a certificate
moves_or_is_refused() {
	if [[ $(key_modes) == *tls13-aes256-gcm* ]]; then
		moves "$1" tls13-aes256-gcm
		return
	fi
	"$1"
	bkp 2 listen "${SERVER[@]}" -m tls13-aes256-gcm -p 0 --wait 1ms
	assert_stderr_has 'tls13-aes256-gcm.*GnuTLS 3\.8\.11.*GnuTLS [0-9]'
	bkp 2 connect "${CREDENTIAL[@]}" -m tls13-aes256-gcm -p 1 127.0.0.1
	assert_stderr_has 'tls13-aes256-gcm.*GnuTLS 3\.8\.11.*GnuTLS [0-9]'
}

@test "a stream is delivered with a key in TLS 1.3 AES-128-GCM" {
	moves key tls13-aes128-gcm
}

@test "a stream is delivered with a key in TLS 1.3 AES-256-GCM, or an old GnuTLS is named" {
	moves_or_is_refused key
}

@test "a stream is delivered with a key in TLS 1.3 ChaCha20-Poly1305" {
	moves key tls13-chacha20-poly1305
}

@test "a stream is delivered with a key in TLS 1.2 AES-128-GCM" {
	moves key tls12-aes128-gcm
}

@test "a stream is delivered with a key in TLS 1.2 AES-256-GCM" {
	moves key tls12-aes256-gcm
}

@test "a stream is delivered with one of many keys in TLS 1.3 AES-128-GCM" {
	moves keys tls13-aes128-gcm
}

@test "a stream is delivered with one of many keys in TLS 1.3 AES-256-GCM, or an old GnuTLS is named" {
	moves_or_is_refused keys
}

@test "a stream is delivered with one of many keys in TLS 1.3 ChaCha20-Poly1305" {
	moves keys tls13-chacha20-poly1305
}

@test "a stream is delivered with one of many keys in TLS 1.2 AES-128-GCM" {
	moves keys tls12-aes128-gcm
}

@test "a stream is delivered with one of many keys in TLS 1.2 AES-256-GCM" {
	moves keys tls12-aes256-gcm
}

@test "a stream is delivered with a password in TLS 1.3 AES-128-GCM" {
	moves password tls13-aes128-gcm
}

@test "a stream is delivered with a password in TLS 1.3 AES-256-GCM, or an old GnuTLS is named" {
	moves_or_is_refused password
}

@test "a stream is delivered with a password in TLS 1.3 ChaCha20-Poly1305" {
	moves password tls13-chacha20-poly1305
}

@test "a stream is delivered with a password in TLS 1.2 AES-128-GCM" {
	moves password tls12-aes128-gcm
}

@test "a stream is delivered with a password in TLS 1.2 AES-256-GCM" {
	moves password tls12-aes256-gcm
}

@test "a stream is delivered with a certificate in TLS 1.3 AES-128-GCM" {
	moves certificate tls13-aes128-gcm
}

@test "a stream is delivered with a certificate in TLS 1.3 AES-256-GCM" {
	moves certificate tls13-aes256-gcm
}

@test "a stream is delivered with a certificate in TLS 1.3 ChaCha20-Poly1305" {
	moves certificate tls13-chacha20-poly1305
}

@test "a stream is delivered with a certificate in TLS 1.2 AES-128-GCM" {
	moves certificate tls12-aes128-gcm
}

@test "a stream is delivered with a certificate in TLS 1.2 AES-256-GCM" {
	moves certificate tls12-aes256-gcm
}
