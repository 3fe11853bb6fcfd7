#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Handshakes that must fail: the exit status, and the view of the other side.

load ../../lib/helpers

PSK_ONLY=NONE:+VERS-TLS1.3:+PSK:+AES-128-GCM:+AEAD:+SIGN-ALL:+GROUP-X25519

# The listener logs one line for a failed peer, and still serves the right one.
assert_listener_lived() {
	local lines=$1
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")" || return
	assert_lines "$lines" "$RECEIVER_ERR"
}

# alert_seen S_CLIENT_OPTION...: the alert that openssl sees when the listener
# refuses it
alert_seen() {
	timeout 20 openssl s_client -connect "127.0.0.1:$PORT" -msg "$@" \
		</dev/null >msg 2>&1 || :
	sed -nE 's/^<<< .*Alert.*(warning|fatal) ([a-z_]+).*/\2/p' msg
}

# fails_within SECONDS COMMAND...
fails_within() {
	local before=$EPOCHREALTIME after
	"${@:2}" || return
	after=$EPOCHREALTIME
	(((${after/./} - ${before/./}) < $1 * 1000000)) ||
		fail "took $(((${after/./} - ${before/./}) / 1000)) ms"
}

# --- wrong key, wrong identity

@test "a wrong key: connect exits 5 and says so, listen continues" {
	start_receiver --ktls "$WHEN"
	make_key wrong
	bkp_send 5 -k wrong <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*key.*identity'
	assert_lines 1 "$ERR"
	assert_stderr_has "^btrfs-ktls-pipe: .*127\.0\.0\.1.*another key" \
		"$RECEIVER_ERR"
	assert_listener_lived 1
}

@test "a wrong key in TLS 1.2: connect exits 5 and says so, listen continues" {
	start_receiver --ktls "$WHEN" -m tls13-aes128-gcm,tls12-aes128-gcm
	make_key wrong
	bkp_send 5 -k wrong -m tls12-aes128-gcm <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*key.*identity'
	assert_listener_lived 1
}

@test "a wrong identity: connect exits 5, listen names it and continues" {
	start_receiver --ktls "$WHEN"
	bkp_send 5 --identity mallory <<<secret
	assert_stderr_has "^btrfs-ktls-pipe: .*identity.*'mallory'"
	assert_stderr_has "identity 'mallory'" "$RECEIVER_ERR"
	assert_listener_lived 1
}

@test "an unknown identity is answered like a wrong key" {
	local wrong_key wrong_name
	start_receiver --raw --ktls "$WHEN"
	wrong_key=$(alert_seen -tls1_3 -psk_identity btrfs -psk "${KEY_HEX//[0-9]/a}")
	wrong_name=$(alert_seen -tls1_3 -psk_identity mallory -psk "$KEY_HEX")
	[[ $wrong_key == decrypt_error ]] || fail "wrong key: $wrong_key"
	[[ $wrong_name == "$wrong_key" ]] || fail "wrong identity: $wrong_name"
}

@test "an unknown identity is answered like a wrong key in TLS 1.2" {
	local wrong_key wrong_name
	start_receiver --raw --ktls "$WHEN" -m tls12-aes128-gcm
	wrong_key=$(alert_seen -tls1_2 -psk_identity btrfs -psk "${KEY_HEX//[0-9]/a}")
	wrong_name=$(alert_seen -tls1_2 -psk_identity mallory -psk "$KEY_HEX")
	[[ $wrong_key == bad_record_mac ]] || fail "wrong key: $wrong_key"
	[[ $wrong_name == "$wrong_key" ]] || fail "wrong identity: $wrong_name"
}

@test "the identity of the key file is the one presented and expected" {
	make_key alice alice
	start_receiver -k alice --ktls "$WHEN" -v
	bkp_send -k alice --ktls "$WHEN" <<<word
	wait_receiver 0
}

@test "--identity overrides the identity of the key file" {
	make_key alice alice
	start_receiver -k alice --ktls "$WHEN"
	bkp_send 5 -k alice --identity btrfs <<<word
	bkp_send -k alice --identity alice --ktls "$WHEN" <<<word
	wait_receiver 0
}

@test "an identity full of control characters is logged harmlessly" {
	start_receiver --raw --ktls "$WHEN"
	alert_seen -tls1_3 -psk_identity $'a\e[31m\nbtrfs-ktls-pipe: forged' \
		-psk "$KEY_HEX" >/dev/null
	until_true grep -q refused "$RECEIVER_ERR"
	assert_lines 2 "$RECEIVER_ERR" # one is about --raw
	assert_stderr_lacks $'\e' "$RECEIVER_ERR"
}

# --- modes

@test "no common mode: connect exits 5 and names -m, listen continues" {
	start_receiver --ktls "$WHEN"
	bkp_send 5 -m tls12-aes128-gcm <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*no common mode.* -m'
	assert_stderr_has 'no common mode.* -m' "$RECEIVER_ERR"
	assert_listener_lived 1
}

@test "a listener refuses TLS 1.2 unless -m names it" {
	start_receiver --raw --ktls "$WHEN"
	[[ $(alert_seen -tls1_2 -psk "$KEY_HEX" -psk_identity btrfs) == \
		protocol_version ]] || fail "$(tail -5 msg)"
}

@test "a TLS 1.2 cipher suite without DHE (PSK only) is refused" {
	start_receiver --raw --ktls "$WHEN" -m tls12-aes128-gcm,tls12-aes256-gcm
	[[ $(alert_seen -tls1_2 -psk "$KEY_HEX" -psk_identity btrfs \
		-cipher PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384) == \
		handshake_failure ]] || fail "$(tail -5 msg)"
}

@test "a client that wants PSK-only in TLS 1.3 is refused" {
	command -v gnutls-cli >/dev/null || skip "own kernel only: no gnutls-cli"
	start_receiver --raw --ktls "$WHEN"
	run -1 timeout 20 gnutls-cli --pskusername btrfs --pskkey "$KEY_HEX" \
		--priority "$PSK_ONLY" -p "$PORT" 127.0.0.1 </dev/null
	assert_stderr_has 'Fatal error.*alert' <(echo "$output")
	until_true grep -q 'refused 127' "$RECEIVER_ERR"
}

@test "a server that wants PSK-only in TLS 1.3: connect exits 5" {
	command -v gnutls-serv >/dev/null || skip "own kernel only: no gnutls-serv"
	start_server gnutls-serv --pskpasswd key --priority "$PSK_ONLY" -p 0
	bkp_send 5 --raw -q <<<secret
	assert_stderr_has 'no common mode'
}

@test "the mode names of the proposal are accepted" {
	start_receiver --ktls "$WHEN" -m tls_12_128_gcm,tls_12_256_gcm,tls_13_128_gcm -v
	bkp_send --ktls "$WHEN" -m tls_12_256_gcm <<<word
	wait_receiver 0
	assert_stderr_has 'TLS 1\.2 AES-256-GCM' "$RECEIVER_ERR"
}

@test "the connecting side's order of modes wins" {
	start_receiver --ktls "$WHEN" -m tls13-aes128-gcm,tls13-chacha20-poly1305
	bkp_send --ktls "$WHEN" -v -m tls13-chacha20-poly1305,tls13-aes128-gcm <<<word
	wait_receiver 0
	assert_stderr_has 'TLS 1\.3 CHACHA20-POLY1305'
}

@test "TLS 1.3 is chosen when both versions are named" {
	start_receiver --ktls "$WHEN" -m tls12-aes256-gcm,tls13-aes128-gcm
	bkp_send --ktls "$WHEN" -v -m tls12-aes256-gcm,tls13-aes128-gcm <<<word
	wait_receiver 0
	assert_stderr_has 'TLS 1\.3 AES-128-GCM'
}

# --- TLS 1.3 AES-256-GCM with a key, which it binds to SHA-384

@test "a listener serves a key in TLS 1.3 AES-256-GCM by default" {
	need_sha384
	start_receiver --ktls "$WHEN"
	bkp_send --ktls "$WHEN" -v -m tls13-aes256-gcm <<<word
	wait_receiver 0
	assert_stderr_has 'TLS 1\.3 AES-256-GCM'
}

@test "a key in TLS 1.3 AES-256-GCM: no common mode with a listener of others" {
	need_sha384
	start_receiver --ktls "$WHEN" -m tls13-aes128-gcm
	bkp_send 5 -m tls13-aes256-gcm <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*no common mode.* -m'
	assert_stderr_has 'no common mode.* -m' "$RECEIVER_ERR"
	assert_listener_lived 1
}

@test "a wrong key in TLS 1.3 AES-256-GCM: connect exits 5 and says so, listen continues" {
	need_sha384
	start_receiver --ktls "$WHEN"
	make_key wrong
	bkp_send 5 -k wrong -m tls13-aes256-gcm <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*key.*identity'
	assert_stderr_has 'another key' "$RECEIVER_ERR"
	assert_listener_lived 1
}

@test "a server that binds keys to SHA-256 only: connect exits 5 and names GnuTLS" {
	need_sha384
	command -v gnutls-serv >/dev/null || skip "own kernel only: no gnutls-serv"
	start_server gnutls-serv --pskpasswd key \
		--priority NORMAL:-KX-ALL:+ECDHE-PSK -p 0
	bkp_send 5 --raw -q -m tls13-aes256-gcm <<<secret
	assert_stderr_has 'GnuTLS 3\.8\.11.*tls13-aes256-gcm'
}

@test "connect with a key: TLS 1.3 AES-256-GCM beside another mode of TLS 1.3 is wrong usage" {
	bkp 2 connect -k key -m tls13-aes256-gcm,tls13-aes128-gcm -p 1 127.0.0.1
	assert_stderr_has 'mode tls13-aes256-gcm: .*(alone|GnuTLS [0-9])'
}

# --- peers that do not speak TLS

@test "a server that does not speak TLS: connect exits 5 and says so" {
	start_tool peer hold $'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'
	fails_within 5 bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*does not speak TLS'
	assert_lines 1 "$ERR"
}

@test "-m none for the listener only: connect exits 5, and both name -m none" {
	SERVER=(-m none)
	start_receiver
	bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*closed the connection.*-m none'
	until_true has_line 'refused .*give -m none to both sides' "$RECEIVER_ERR"
}

@test "-m none for connect only: it exits 5, and both name -m none" {
	start_receiver --ktls "$WHEN"
	CREDENTIAL=(-m none)
	bkp_send 5 -q <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*gave up.*give -m none to both sides'
	until_true has_line 'refused .*not speak TLS.*-m none' "$RECEIVER_ERR"
}

@test "a web server that answers the handshake in HTTP: connect exits 5 and says so" {
	start_tool peer close $'HTTP/1.1 400 Bad Request\r\n\r\n'
	bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*does not speak TLS'
}

@test "a server that closes the connection: connect exits 5 and says so" {
	start_tool peer close
	bkp_send 5 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*closed the connection'
}

# A reset without an answer: the listener may have exited, and another may
# start.
@test "a server that resets the connection: connect exits 4 after --retry and says so" {
	start_tool peer reset
	bkp_send 4 <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*reset by peer'
	assert_lines 1 "$ERR"
	fails_within 5 bkp_send 4 --retry 1s <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*reset by peer; trying again for 1s'
	assert_lines 2 "$ERR"
}

@test "a connection reset before its WELCOME: connect tries again" {
	local at
	for at in '-a 0' '-a 300' '-r 1' '-r 2' '-r 3'; do
		start_receiver --ktls "$WHEN"
		start_relay rst $at -k 1
		bkp_send --retry 20s --ktls "$WHEN" <<<word
		assert_stderr_has '^btrfs-ktls-pipe: .*reset by peer; trying again'
		wait_receiver 0
		[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
	done
}

@test "a client in the backlog of a listener that exits reaches the next listener" {
	reaches_next_listener
}

@test "a server that never answers: connect exits 5 after --handshake-timeout" {
	start_tool peer hold
	fails_within 5 bkp_send 5 --handshake-timeout 300ms <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*no handshake within 300 ms'
	assert_lines 1 "$ERR"
}

@test "a server that stops in mid-handshake: connect exits 5 after --handshake-timeout" {
	start_receiver --ktls "$WHEN"
	start_relay silence -c s2c -r 1
	fails_within 5 bkp_send 5 --handshake-timeout 300ms <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: .*no handshake within 300 ms'
}

@test "a client that disconnects at once does not end listen" {
	start_receiver --ktls "$WHEN"
	: >"/dev/tcp/127.0.0.1/$PORT"
	assert_listener_lived 1
}

# --- each kind of failure has its own message, and leaks nothing

@test "SSLKEYLOGFILE is ignored on both sides" {
	export SSLKEYLOGFILE=$TMP/keylog
	start_receiver --ktls "$WHEN"
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ ! -e $SSLKEYLOGFILE ]] || fail "$(<"$SSLKEYLOGFILE")"
}

@test "GNUTLS_SYSTEM_PRIORITY_FILE is ignored on both sides" {
	printf '[overrides]\ntls-disabled-cipher = aes-128-gcm\n' >policy
	export GNUTLS_SYSTEM_PRIORITY_FILE=$TMP/policy
	if command -v gnutls-cli >/dev/null; then
		gnutls-cli --list --priority NORMAL >suites
		run ! grep -q AES_128_GCM suites # it would have had an effect
	fi
	start_receiver --ktls "$WHEN" -m tls13-aes128-gcm
	bkp_send --ktls "$WHEN" -m tls13-aes128-gcm <<<word
	wait_receiver 0
}

@test "no secret is logged, even with -vv" {
	local secret
	start_receiver -vv --raw --ktls "$WHEN"
	timeout 20 openssl s_client -connect "127.0.0.1:$PORT" -tls1_3 -quiet \
		-no_ign_eof -psk "$KEY_HEX" -psk_identity btrfs \
		-keylogfile "$TMP/keylog" <<<word >/dev/null 2>&1
	wait_receiver 0
	[[ -s keylog && -s $RECEIVER_ERR ]]
	awk '!/^#/ { print $3 }' keylog >secrets
	echo "$KEY_HEX" >>secrets
	while read -r secret; do
		assert_stderr_lacks "${secret:0:12}" "$RECEIVER_ERR"
		assert_stderr_lacks "${secret^^}" "$RECEIVER_ERR"
	done <secrets
}

@test "no key is on a command line or in the environment" {
	words_are_seen
	run ! grep -q "${KEY_HEX:0:12}" seen
}
