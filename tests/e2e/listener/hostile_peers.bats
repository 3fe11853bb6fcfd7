#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Things that TLS allows a peer and this program does not: they are refused or
# have no effect, and never lead to a false exit status 0. More are in
# handshake.bats and interop.bats: key exchange by PSK alone, unknown
# identities, tickets and KeyUpdates of a peer.

load ../../lib/helpers
load ../../lib/certs

setup_file() {
	make_certs
}

setup() {
	set_up
	SIGN=()
}

OLD='ALL:@SECLEVEL=0'

# --- versions

# alert_for S_CLIENT_OPTION...: the alert with which the listener refuses
alert_for() {
	timeout 20 openssl s_client -connect "127.0.0.1:$PORT" -msg -ign_eof \
		"$@" <<<word >msg 2>&1 3>&- || :
	sed -nE 's/^<<< .*Alert.*fatal ([a-z_]+).*/\1/p' msg
}

# old_client VERSION: is refused, even by a listener that allows TLS 1.2
old_client() {
	[[ $(alert_for "$1" -cipher "$OLD" "${OPENSSL[@]}") == protocol_version ]] ||
		fail "$(tail -5 msg)" || return
	until_true grep -q 'refused 127.*no common mode' "$RECEIVER_ERR"
}

@test "with a key, TLS 1.1 and 1.0 are refused" {
	OPENSSL=(-psk "$KEY_HEX" -psk_identity btrfs)
	start_receiver --raw --ktls "$WHEN" -m tls13-aes128-gcm,tls12-aes128-gcm
	old_client -tls1_1
	old_client -tls1
}

@test "with certificates, TLS 1.1 and 1.0 are refused" {
	server_is server
	openssl_is alice
	start_receiver --raw --ktls "$WHEN" -m tls13-aes128-gcm,tls12-aes128-gcm
	old_client -tls1_1
	old_client -tls1
}

@test "a TLS 1.1 server: connect exits 5" {
	openssl_is server
	client_is alice
	start_server openssl s_server -accept 127.0.0.1:0 -naccept 1 -quiet \
		-tls1_1 -cipher "$OLD" "${OPENSSL[@]}"
	bkp_send 5 --raw -q -m tls13-aes128-gcm,tls12-aes128-gcm <<<word
	assert_stderr_has 'no common mode'
}

@test "with certificates, a cipher suite without forward secrecy is refused" {
	make_key_file server --key-type rsa --bits 2048
	make_cert server "$BATS_FILE_TMPDIR/ca" 'ip_address = 127.0.0.1' \
		encryption_key
	server_is server
	openssl_is alice
	start_receiver --raw --ktls "$WHEN" -m tls12-aes128-gcm
	[[ $(alert_for -tls1_2 -cipher AES128-GCM-SHA256 "${OPENSSL[@]}") == \
		handshake_failure ]] || fail "$(tail -5 msg)"
}

# --- tickets

# no_ticket OPTION...: no ticket comes before the stream
no_ticket() {
	RECEIVED=/dev/null
	start_receiver --send --raw -q --ktls "$WHEN" "${MODE[@]}" <<<word
	timeout 20 openssl s_client -connect "127.0.0.1:$PORT" -msg -ign_eof \
		"${OPENSSL[@]}" "$@" </dev/null >msg 2>&1 3>&-
	wait_receiver 0
	grep -q '^word' msg || fail "$(tail -5 msg)" || return
	grep -q 'Handshake.*Finished' msg || fail "no handshake" || return
	run ! grep -qE 'NewSessionTicket|New ?Session ?Ticket' msg
}

@test "no session ticket is sent" {
	OPENSSL=(-psk "$KEY_HEX" -psk_identity btrfs) MODE=()
	no_ticket -tls1_3
	MODE=(-m tls12-aes128-gcm)
	no_ticket -tls1_2
	server_is server
	openssl_is alice
	no_ticket -tls1_2
	MODE=()
	no_ticket -tls1_3
}

# --- renegotiation and KeyUpdate

# client_says KEY SEEN MODE OPTION...: in the middle of a stream to a listener
client_says() {
	start_receiver --raw --ktls "$WHEN" -m "$3"
	have_fifo in
	exec 8<>in
	timeout "$BKP_DEADLINE" openssl s_client -connect "127.0.0.1:$PORT" \
		-psk "$KEY_HEX" -psk_identity btrfs "${@:4}" \
		<in >client.out 2>&1 3>&- 8>&- &
	PIDS+=($!)
	echo before >&8
	until_true grep -q before "$RECEIVED"
	echo "$1" >&8
	until_true grep -q "$2" client.out
}

@test "a client that renegotiates: the receiver exits 7" {
	client_says R RENEGOTIATING tls12-aes128-gcm -tls1_2
	wait_receiver 7
	exec 8>&-
	[[ $(<"$RECEIVED") == before ]]
	assert_stderr_has 'renegotiate|unexpected type 22' "$RECEIVER_ERR"
}

# server_says KEY MODE OPTION...: in the middle of a stream of connect
server_says() {
	start_server openssl s_server -accept 127.0.0.1:0 -nocert -naccept 1 \
		-psk "$KEY_HEX" -psk_identity btrfs "${@:3}"
	have_fifo feed
	exec 8<>feed
	spawn_sender --raw --ktls "$WHEN" -m "$2" <feed
	echo before >&8
	until_true grep -q before server.out
	echo "$1" >server.in
}

@test "a server that renegotiates: the sender exits 7" {
	server_says r tls12-aes128-gcm -tls1_2
	wait_sender 7
	exec 8>&-
	says_why 'the peer wants to renegotiate'
}

says_why() {
	assert_stderr_has "^btrfs-ktls-pipe: .*$1" "$SENDER_ERR"
}

# The bytes from the receiver are read in user space: a KeyUpdate is possible.
# It asks for none in return; interop.bats has those that do.
@test "a KeyUpdate in the control direction does the stream no harm" {
	server_says k tls13-aes128-gcm -tls1_3 -msg
	until_true grep -q '>>> .*KeyUpdate' server.out
	echo after >&8
	until_true grep -q after server.out
	exec 8>&-
	wait_sender 0
}

# --- records that are not allowed in a stream

# meets MODE kernel|user RECORD...: one record of each kind ends the stream
meets() {
	local record
	for record in "${@:3}"; do
		start_receiver --raw --ktls "${KTLS[$2]}" -m "$1" -q
		"$BKP_TOOLS/records" "$PORT" key "$1" 23:6265666f72650a "$record" \
			23:61667465720a 21:0100 >answer || fail "$record: no end"
		wait_receiver 7 || fail "$record"
		[[ $(<"$RECEIVED") == before ]] || fail "$record: $(<"$RECEIVED")"
		grep -qE 'alert (unexpected_message|decode_error|bad_record_mac|user_canceled)' \
			answer || fail "$record: $(<answer)"
	done
}

# heartbeat, change_cipher_spec, three messages of a handshake, two types that
# do not exist, two alerts
UNKNOWN=(24:010001aa 20:01 22:14000000 22:0100000161 22:00000000 99:00 0:
	21:0161 21:0164)

@test "TLS 1.3 in user space: a record that is neither data nor close_notify ends the stream" {
	meets tls13-aes128-gcm user "${UNKNOWN[@]}"
}

@test "TLS 1.2 in user space: a record that is neither data nor close_notify ends the stream" {
	meets tls12-aes128-gcm user "${UNKNOWN[@]}"
}

@test "TLS 1.3 in the kernel: a record that is neither data nor close_notify ends the stream" {
	require_ktls
	meets tls13-aes128-gcm kernel "${UNKNOWN[@]}" 21:010061
}

@test "TLS 1.2 in the kernel: a record that is neither data nor close_notify ends the stream" {
	require_ktls
	meets tls12-aes128-gcm kernel "${UNKNOWN[@]}" 21:010061
}

# --- a peer that holds the key and breaks the protocol

# violates ROLE kernel|user MODE RECORD ALERT: a client that is raw, sends or
# receives; the listener exits 7 at once and does not wait for a resume
violates() {
	local args=()
	case $1 in
	raw) args=(--raw -q) ;;
	*) RETRY=(--retry 60s) ;;
	esac
	[[ $1 != receives ]] || args=(--send)
	start_receiver "${args[@]}" --ktls "${KTLS[$2]}" -m "$3" <feed
	[[ $1 == raw ]] && args=() || args=("$1")
	"$BKP_TOOLS/records" "$PORT" key "$3" "${args[@]}" "$4" >answer ||
		fail "$1 $4: no end"
	wait_receiver 7 || fail "$1 $4"
	grep -q "alert $5" answer || fail "$1 $4: answered $(<answer)"
	grep -q "alert $5" "$RECEIVER_ERR" || {
		show "$RECEIVER_ERR"
		fail "$1 $4: says something else"
	}
	assert_stderr_lacks 'forged|waiting for the peer' "$RECEIVER_ERR"
}

# all_violations ROLE PATH MODE
all_violations() {
	have_fifo feed
	exec 8<>feed
	violates "$@" 24:0100 unexpected_message
	# In TLS 1.2 GnuTLS refuses an unknown type before it decrypts, and
	# skips any empty record.
	if [[ "$1 $3" != "receives tls12"* ]]; then
		violates "$@" 99:00 unexpected_message
		violates "$@" 21: unexpected_message
	fi
	[[ $3 != tls13-* ]] || violates "$@" 22:1800000103 illegal_parameter
	exec 8>&-
}

@test "a sender violates TLS 1.3: the receiver in user space names the rule and exits 7" {
	all_violations sends user tls13-aes128-gcm
	exec 8<>feed
	violates sends user tls13-aes128-gcm 21:01 decode_error
	violates sends user tls13-aes128-gcm 22:1800000200 decode_error
	violates sends user tls13-aes128-gcm 0: unexpected_message
	exec 8>&-
}

@test "a sender violates TLS 1.2: the receiver in user space names the rule and exits 7" {
	all_violations sends user tls12-aes128-gcm
}

@test "a receiver violates TLS 1.3: the sender in user space names the rule and exits 7" {
	all_violations receives user tls13-aes128-gcm
}

@test "a receiver violates TLS 1.2: the sender in user space names the rule and exits 7" {
	all_violations receives user tls12-aes128-gcm
}

@test "another program's sender violates TLS 1.3: the receiver in user space exits 7" {
	all_violations raw user tls13-aes128-gcm
}

@test "a sender violates TLS 1.3: the receiver in the kernel names the rule and exits 7" {
	require_ktls
	all_violations sends kernel tls13-aes128-gcm
}

@test "a sender violates TLS 1.2: the receiver in the kernel names the rule and exits 7" {
	require_ktls
	all_violations sends kernel tls12-aes128-gcm
}

@test "a receiver violates TLS 1.3: the sender in the kernel names the rule and exits 7" {
	require_ktls
	all_violations receives kernel tls13-aes128-gcm
}

@test "another program's sender sends endless KeyUpdates: the receiver in user space exits 7" {
	local i
	WHEN=off
	client_says K KEYUPDATE tls13-aes128-gcm -tls1_3
	for ((i = 0; i < 2000; i++)); do
		kill -0 "$RECEIVER_PID" 2>/dev/null || break
		echo K >&8
		sleep 0.01
	done
	wait_receiver 7
	exec 8>&-
	assert_stderr_has 'changed its keys .* too often .alert unexpected_message' \
		"$RECEIVER_ERR"
}

# --- empty records

# empty_records kernel|user MODE OPTION...: a few in a row do not end the stream
empty_records() {
	start_receiver --raw --ktls "${KTLS[$1]}" -m "$2" -q "${@:3}"
	"$BKP_TOOLS/records" "$PORT" key "$2" '23:*5' 23:6265666f72650a 23: \
		'23:*20' 23:61667465720a '23:*20' 21:0100 >answer
	wait_receiver 0
	[[ $(<"$RECEIVED") == $'before\nafter' ]] || fail "$(<"$RECEIVED")"
}

@test "empty records between and after data do not end a stream in user space" {
	empty_records user tls13-aes128-gcm
	empty_records user tls12-aes128-gcm
}

@test "empty records between and after data do not end a stream in the kernel" {
	require_ktls
	local how
	for how in read splice; do
		empty_records kernel tls13-aes128-gcm --rx "$how"
		empty_records kernel tls12-aes128-gcm --rx "$how"
	done
}

@test "a peer that sends only empty records: the other side exits 7" {
	have_fifo feed
	exec 8<>feed
	violates sends user tls13-aes128-gcm '23:*1000' unexpected_message
	violates sends user tls12-aes128-gcm '23:*1000' unexpected_message
	violates raw user tls13-aes128-gcm '23:*1000' unexpected_message
	violates receives user tls13-aes128-gcm '23:*1000' unexpected_message
}
