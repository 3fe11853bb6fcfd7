#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The other side is a tool of OpenSSL or GnuTLS, so that a mistake on both of
# our sides is noticed.

load ../../lib/helpers
load ../../lib/delivery

setup_file() {
	make_data "$BATS_FILE_TMPDIR/in" 3000001
}

# make_session: makes a file with the key, bound to SHA-384: -psk alone binds it
# to SHA-256
make_session() {
	cat >asn1 <<-END
		asn1 = SEQUENCE:session
		[session]
		version = INTEGER:1
		tls = INTEGER:0x304
		suite = FORMAT:HEX,OCTETSTRING:1302
		id = FORMAT:HEX,OCTETSTRING:00
		key = FORMAT:HEX,OCTETSTRING:$KEY_HEX
	END
	openssl asn1parse -genconf asn1 -noout -out der
	{
		echo "-----BEGIN SSL SESSION PARAMETERS-----"
		base64 der
		echo "-----END SSL SESSION PARAMETERS-----"
	} >session
}

# mode_of OURS: sets OPENSSL to the options for the same mode
mode_of() {
	case $1 in
	tls13-aes128-gcm) OPENSSL=(-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256) ;;
	tls13-chacha20-poly1305)
		OPENSSL=(-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256) ;;
	tls13-aes256-gcm)
		need_sha384
		make_session
		OPENSSL=(-tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384
			-psk_session session) ;;
	tls12-aes128-gcm) OPENSSL=(-tls1_2 -cipher DHE-PSK-AES128-GCM-SHA256) ;;
	tls12-aes256-gcm) OPENSSL=(-tls1_2 -cipher DHE-PSK-AES256-GCM-SHA384) ;;
	esac
	OPENSSL+=(-psk "$KEY_HEX" -psk_identity btrfs)
}

# s_client ARG...: sends standard input unchanged, then close_notify
s_client() {
	timeout "$BKP_DEADLINE" openssl s_client -connect "127.0.0.1:$PORT" \
		-quiet -no_ign_eof -nocommands "${OPENSSL[@]}" "$@" \
		>client.out 2>client.err
}

# openssl_sends MODE: to our listener
openssl_sends() {
	mode_of "$1"
	start_receiver --raw -q --ktls "$WHEN" -m "$1"
	s_client <"$BATS_FILE_TMPDIR/in" || {
		show client.err "$RECEIVER_ERR"
		fail "s_client failed"
	}
	wait_receiver 0
	assert_same_file "$BATS_FILE_TMPDIR/in" "$RECEIVED"
}

# openssl_receives MODE: from our connect
openssl_receives() {
	mode_of "$1"
	start_server openssl s_server -accept 127.0.0.1:0 -nocert -naccept 1 \
		-quiet "${OPENSSL[@]}"
	bkp_send --raw -q --ktls "$WHEN" -m "$1" <"$BATS_FILE_TMPDIR/in"
	wait_for 0 "$SERVER_PID" s_server server.err
	assert_same_file "$BATS_FILE_TMPDIR/in" server.out
}

@test "openssl s_client sends in TLS 1.3 AES-128-GCM: delivered" {
	openssl_sends tls13-aes128-gcm
}

@test "openssl s_client sends in TLS 1.3 AES-256-GCM: delivered" {
	openssl_sends tls13-aes256-gcm
}

@test "openssl s_client sends in TLS 1.3 ChaCha20-Poly1305: delivered" {
	openssl_sends tls13-chacha20-poly1305
}

@test "openssl s_client sends in TLS 1.2 AES-128-GCM: delivered" {
	openssl_sends tls12-aes128-gcm
}

@test "openssl s_client sends in TLS 1.2 AES-256-GCM: delivered" {
	openssl_sends tls12-aes256-gcm
}

@test "openssl s_server receives in TLS 1.3 AES-128-GCM: delivered" {
	openssl_receives tls13-aes128-gcm
}

@test "openssl s_server receives in TLS 1.3 AES-256-GCM: delivered" {
	openssl_receives tls13-aes256-gcm
}

@test "openssl s_server receives in TLS 1.3 ChaCha20-Poly1305: delivered" {
	openssl_receives tls13-chacha20-poly1305
}

@test "openssl s_server receives in TLS 1.2 AES-128-GCM: delivered" {
	openssl_receives tls12-aes128-gcm
}

@test "openssl s_server receives in TLS 1.2 AES-256-GCM: delivered" {
	openssl_receives tls12-aes256-gcm
}

# OpenSSL 3.0 has no option for it.
no_extended_master_secret() {
	cat >openssl.cnf <<-'END'
		openssl_conf = conf
		[conf]
		ssl_conf = ssl
		[ssl]
		system_default = default
		[default]
		Options = -ExtendedMasterSecret
	END
	export OPENSSL_CONF=$TMP/openssl.cnf
	mode_of tls12-aes128-gcm
}

@test "a TLS 1.2 client without extended master secret is refused and told so" {
	start_receiver --raw --ktls "$WHEN" -m tls12-aes128-gcm
	(
		no_extended_master_secret
		timeout "$BKP_DEADLINE" openssl s_client -ign_eof -msg \
			-connect "127.0.0.1:$PORT" "${OPENSSL[@]}" <<<secret \
			>client.out 2>&1 3>&- || :
	)
	grep -q 'Extended master secret: no' client.out || fail "$(<client.out)"
	assert_stderr_has '<<< .*Alert.*handshake_failure' client.out
	assert_stderr_has 'refused 127.*without extended master secret' \
		"$RECEIVER_ERR"
	mode_of tls12-aes128-gcm
	s_client <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]]
}

@test "a TLS 1.2 server without extended master secret: connect exits 5" {
	no_extended_master_secret
	start_server openssl s_server -accept 127.0.0.1:0 -nocert -naccept 1 \
		-quiet "${OPENSSL[@]}"
	bkp_send 5 --raw -q --ktls "$WHEN" -m tls12-aes128-gcm <<<secret
	assert_stderr_has 'without extended master secret'
	run ! grep -q secret server.out
}

@test "session tickets from a TLS 1.3 server do no harm" {
	mode_of tls13-aes128-gcm
	start_server openssl s_server -accept 127.0.0.1:0 -nocert -naccept 1 \
		-quiet -num_tickets 5 "${OPENSSL[@]}"
	bkp_send --raw -q --ktls "$WHEN" <"$BATS_FILE_TMPDIR/in"
	wait_for 0 "$SERVER_PID" s_server server.err
	assert_same_file "$BATS_FILE_TMPDIR/in" server.out
}

@test "--raw: both sides warn that delivery is not confirmed" {
	start_receiver --raw --ktls "$WHEN"
	bkp_send --raw --ktls "$WHEN" <<<word
	wait_receiver 0
	assert_stderr_has '^btrfs-ktls-pipe: .*raw'
	assert_stderr_has '^btrfs-ktls-pipe: .*raw' "$RECEIVER_ERR"
	assert_lines 1 "$ERR"
}

@test "--raw: a btrfs stream reaches another program on every path" {
	local how
	make_btrfs_like in 300000
	for how in splice send; do
		start_receiver --raw -q --ktls "$WHEN"
		bkp_send --raw -q --ktls "$WHEN" --tx "$how" < <(cat in)
		wait_receiver 0
		assert_same_file in "$RECEIVED"
	done
}

# The receiver notices a truncated stream, and exits 7.
@test "--raw: a truncated btrfs stream is noticed" {
	make_btrfs_like in 300000
	start_receiver --raw -q --ktls "$WHEN"
	bkp_send 8 --raw -q --ktls "$WHEN" < <(head -c 299999 in)
	wait_receiver 7
	assert_stderr_has 'cut short'
}

# --- KeyUpdate: openssl's K asks for one in return, k does not

# kernel_rekeys: can this kernel take new keys?  (Since 6.14.)
kernel_rekeys() {
	"$BKP" probe --json | grep -q '"tls13-aes128-gcm".*"rekey": true'
}

# start_client PATH OPTION...: openssl sends what is written to descriptor 8
start_client() {
	mode_of tls13-aes128-gcm
	start_receiver --raw -q --ktls "${KTLS[$1]}" "${@:2}"
	have_fifo in
	exec 8<>in
	timeout "$BKP_DEADLINE" openssl s_client -connect "127.0.0.1:$PORT" \
		-msg "${OPENSSL[@]}" <in >client.out 2>&1 3>&- 8>&- &
	PIDS+=($!)
}

# client_says KEY COUNT: the COUNTth KeyUpdate of openssl
client_says() {
	echo "$1" >&8
	until_true has_count "$2" '>>> .*KeyUpdate' client.out
}

has_count() {
	[[ $(grep -c -- "$2" "$3") -eq $1 ]]
}

# receiver_follows PATH OPTION...: two KeyUpdates from a sender
receiver_follows() {
	start_client "$@"
	echo one >&8
	until_true grep -q one "$RECEIVED"
	client_says k 1
	echo two >&8
	until_true grep -q two "$RECEIVED"
	client_says K 2
	client_says K 3
	echo three >&8
	exec 8>&-
	wait_receiver 0
	[[ $(<"$RECEIVED") == $'one\ntwo\nthree' ]] || fail "$(<"$RECEIVED")"
}

@test "openssl s_client changes its keys: the receiver in user space follows" {
	receiver_follows user
}

# One that cannot exits 7 and names the remedy.
@test "openssl s_client changes its keys: the receiver in the kernel follows if it can" {
	require_ktls
	if kernel_rekeys; then
		receiver_follows kernel --rx read
		receiver_follows kernel --rx splice
		return
	fi
	start_client kernel
	echo before >&8
	until_true grep -q before "$RECEIVED"
	client_says k 1
	wait_receiver 7
	exec 8>&-
	assert_stderr_has '^btrfs-ktls-pipe: .*KeyUpdate.*use --ktls off' \
		"$RECEIVER_ERR"
	[[ $(<"$RECEIVED") == before ]]
}

# Since Linux 6.14 the kernel takes a record of a handshake message that begins
# with 24 for a KeyUpdate, and waits for new keys.  It may be the rest of a
# ticket.
@test "a session ticket in two records, of which the second begins as a KeyUpdate does, does no harm" {
	local path rx
	for path in user kernel; do
		[[ $path == user ]] || require_ktls
		for rx in read splice; do
			start_receiver --raw -q --ktls "${KTLS[$path]}" \
				-m tls13-aes128-gcm --rx "$rx"
			"$BKP_TOOLS/records" "$PORT" key tls13-aes128-gcm \
				23:6f6e650a 22:04000006aabb 22:18ccddee \
				23:74776f0a 22:0400000218 22:18 23:33 21:0100 \
				>answer || fail "$path $rx: no end"
			wait_receiver 0
			[[ $(<"$RECEIVED") == $'one\ntwo\n3' ]] ||
				fail "$path $rx: $(<"$RECEIVED")"
		done
	done
}

@test "gnutls-cli changes its keys: the receiver in user space follows" {
	command -v gnutls-cli >/dev/null || skip "own kernel only: no gnutls-cli"
	start_receiver --raw -q --ktls off
	printf '%s\n' one '^rekey1^' two '^rekey^' three |
		timeout "$BKP_DEADLINE" gnutls-cli --inline-commands \
			--pskusername btrfs --pskkey "$KEY_HEX" \
			--priority NORMAL:-KX-ALL:+ECDHE-PSK --logfile=log \
			-p "$PORT" 127.0.0.1 >client.out
	wait_receiver 0
	[[ $(<"$RECEIVED") == $'one\ntwo\nthree' ]] || fail "$(<"$RECEIVED")"
}

# server_says KEY COUNT: the COUNTth KeyUpdate of openssl
server_says() {
	echo "$1" >server.in
	until_true has_count "$2" '>>> .*KeyUpdate' server.out
}

# start_openssl_server PATH: our sender sends what is written to descriptor 8
start_openssl_server() {
	mode_of tls13-aes128-gcm
	start_server openssl s_server -accept 127.0.0.1:0 -nocert -naccept 1 \
		-msg "${OPENSSL[@]}"
	have_fifo feed
	exec 8<>feed
	spawn_sender --raw -q --ktls "${KTLS[$1]}" "${@:2}" <feed
	echo one >&8
	until_true grep -q '^one' server.out
}

# sender_answers PATH OPTION...: with KeyUpdates of its own before its next data
sender_answers() {
	start_openssl_server "$@"
	server_says k 1
	echo two >&8
	until_true grep -q '^two' server.out
	run ! grep -q '<<< .*KeyUpdate' server.out
	server_says K 2
	echo three >&8
	until_true grep -q '^three' server.out
	has_count 1 '<<< .*KeyUpdate' server.out
	server_says K 3
	echo four >&8
	exec 8>&-
	wait_sender 0
	has_count 2 '<<< .*KeyUpdate' server.out
	until_true grep -q '^four' server.out
}

@test "openssl s_server asks for new keys: the sender in user space changes them" {
	sender_answers user
}

# One that cannot exits 7 and names the remedy.
@test "openssl s_server asks for new keys: the sender in the kernel changes them if it can" {
	require_ktls
	if kernel_rekeys; then
		sender_answers kernel --tx splice
		sender_answers kernel --tx send
		return
	fi
	start_openssl_server kernel
	server_says K 1
	echo two >&8
	exec 8>&-
	wait_sender 7
	assert_stderr_has '^btrfs-ktls-pipe: .*KeyUpdate.*use --ktls off' \
		"$SENDER_ERR"
}

@test "another program's sender is killed: the receiver exits 7" {
	mode_of tls13-aes128-gcm
	start_receiver --raw --ktls "$WHEN"
	mkfifo in
	exec 8<>in
	openssl s_client -connect "127.0.0.1:$PORT" "${OPENSSL[@]}" \
		<in >client.out 2>&1 3>&- 8>&- &
	PIDS+=($!)
	echo before >&8
	until_true grep -q before "$RECEIVED"
	kill -9 $!
	wait_receiver 7
	exec 8>&-
}

@test "gnutls-cli sends in TLS 1.3: delivered" {
	command -v gnutls-cli >/dev/null || skip "own kernel only: no gnutls-cli"
	start_receiver --raw -q --ktls "$WHEN"
	base64 "$BATS_FILE_TMPDIR/in" >text # it copies lines
	timeout "$BKP_DEADLINE" gnutls-cli --pskusername btrfs \
		--pskkey "$KEY_HEX" --priority NORMAL:-KX-ALL:+ECDHE-PSK \
		--logfile=log -p "$PORT" 127.0.0.1 <text >/dev/null
	wait_receiver 0
	assert_same_file text "$RECEIVED"
}
