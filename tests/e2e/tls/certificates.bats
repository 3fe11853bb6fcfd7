#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Certificates instead of a key: the peers that are accepted, those that are
# refused, and the reason on both sides.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/certs

setup_file() {
	make_certs
	make_data in 3000001
}

setup() {
	set_up
	SIGN=()
	IN=$BATS_FILE_TMPDIR/in
	server_is server
	client_is alice
}

# --- delivery

# delivers MODE TITLE kernel|user
delivers() {
	start_receiver -v -m "$1" --ktls "${KTLS[$3]}"
	bkp_send -v -m "$1" --ktls "${KTLS[$3]}" <"$IN"
	wait_receiver 0
	assert_same_file "$IN" "$RECEIVED"
	assert_stderr_has "peer .*, $2\$" "$RECEIVER_ERR"
	[[ $3 == kernel ]] || return 0
	assert_stderr_has "kernel TLS: tx.*$2"
	assert_stderr_has "kernel TLS: rx.*$2" "$RECEIVER_ERR"
}

@test "TLS 1.3 AES-128-GCM in user space: delivered" {
	delivers tls13-aes128-gcm 'TLS 1\.3 AES-128-GCM' user
}

@test "TLS 1.3 AES-256-GCM in user space: delivered" {
	delivers tls13-aes256-gcm 'TLS 1\.3 AES-256-GCM' user
}

@test "TLS 1.3 ChaCha20-Poly1305 in user space: delivered" {
	delivers tls13-chacha20-poly1305 'TLS 1\.3 CHACHA20-POLY1305' user
}

@test "TLS 1.2 AES-128-GCM in user space: delivered" {
	delivers tls12-aes128-gcm 'TLS 1\.2 AES-128-GCM' user
}

@test "TLS 1.2 AES-256-GCM in user space: delivered" {
	delivers tls12-aes256-gcm 'TLS 1\.2 AES-256-GCM' user
}

@test "TLS 1.3 AES-128-GCM in the kernel: delivered" {
	require_ktls
	delivers tls13-aes128-gcm 'TLS 1\.3 AES-128-GCM' kernel
}

@test "TLS 1.3 AES-256-GCM in the kernel: delivered" {
	require_ktls
	delivers tls13-aes256-gcm 'TLS 1\.3 AES-256-GCM' kernel
}

@test "TLS 1.3 ChaCha20-Poly1305 in the kernel: delivered" {
	require_ktls
	delivers tls13-chacha20-poly1305 'TLS 1\.3 CHACHA20-POLY1305' kernel
}

@test "TLS 1.2 AES-128-GCM in the kernel: delivered" {
	require_ktls
	delivers tls12-aes128-gcm 'TLS 1\.2 AES-128-GCM' kernel
}

@test "TLS 1.2 AES-256-GCM in the kernel: delivered" {
	require_ktls
	delivers tls12-aes256-gcm 'TLS 1\.2 AES-256-GCM' kernel
}

@test "TLS 1.3 AES-256-GCM is among the default modes" {
	start_receiver --ktls "$WHEN" -m tls13-aes256-gcm
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
}

@test "TLS 1.2 is used only when -m names it" {
	start_receiver --ktls "$WHEN"
	bkp_send 5 --ktls "$WHEN" -m tls12-aes128-gcm <<<word
	assert_stderr_has 'no common mode'
}

@test "the listener sends and the receiver connects: delivered" {
	TX=() RX=()
	streams pull 0 0 <"$IN"
	assert_same_file "$IN" "$RECEIVED"
}

# delivers_with CERTTOOL_OPTION...: both sides have keys made with these options
delivers_with() {
	local mode
	make_key_file server "$@"
	make_key_file alice "$@"
	make_cert server "$BATS_FILE_TMPDIR/ca" 'ip_address = 127.0.0.1' \
		tls_www_server
	make_cert alice "$BATS_FILE_TMPDIR/ca" 'dns_name = alice' tls_www_client
	server_is server
	client_is alice
	for mode in tls13-aes128-gcm tls12-aes128-gcm; do
		start_receiver --ktls "$WHEN" -m "$mode"
		bkp_send --ktls "$WHEN" -m "$mode" <<<word
		wait_receiver 0
	done
}

@test "RSA keys of 2048 bits are accepted" {
	delivers_with --key-type rsa --bits 2048
}

@test "RSA-PSS keys are accepted" {
	delivers_with --key-type rsa-pss --bits 2048
}

@test "Ed25519 keys are accepted" {
	delivers_with --key-type ed25519
}

@test "keys on P-384 and P-521 are accepted" {
	delivers_with --key-type ecdsa --curve secp384r1
	delivers_with --key-type ecdsa --curve secp521r1
}

@test "a certificate signed by an intermediate CA is accepted with its chain" {
	make_cert middle "$BATS_FILE_TMPDIR/ca" ca cert_signing_key
	make_cert server middle 'ip_address = 127.0.0.1' tls_www_server
	server_is server
	start_receiver --ktls "$WHEN"
	bkp_send 5 --ktls "$WHEN" <<<word # the chain is missing
	assert_stderr_has "not signed by a CA of --ca, but by CN=middle; .*missing in the peer's --cert file"
	until_true grep -q 'our --cert file lacks .* intermediate CA' "$RECEIVER_ERR"
	kill "$RECEIVER_PID"
	cat middle.crt >>server.crt
	start_receiver --ktls "$WHEN"
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
}

# --- names

@test "connect checks the host name that it connects to" {
	require_localhost
	BIND=(-b 0.0.0.0)
	start_receiver --ktls "$WHEN"
	bkp 5 connect "${CREDENTIAL[@]}" --retry 0 -p "$PORT" 127.0.0.2 <<<word
	assert_stderr_has "\(server\.example\) is for another name than '127\.0\.0\.2'.*give --peer server\.example"
	bkp connect "${CREDENTIAL[@]}" -p "$PORT" --ktls "$WHEN" -4 localhost <<<word
	wait_receiver 0
}

@test "an IP address that the certificate does not name: exit status 5, and both sides report the reason" {
	make_cert server "$BATS_FILE_TMPDIR/ca" 'ip_address = 127.0.0.2' \
		'dns_name = 127.0.0.1' tls_www_server
	server_is server
	start_receiver --ktls "$WHEN"
	bkp_send 5 <<<word
	assert_stderr_has "the peer's certificate \(.*\) is for another name than '127\.0\.0\.1'"
	until_true grep -q 'expects another host (alert access_denied)' "$RECEIVER_ERR"
	assert_lines 1 "$RECEIVER_ERR"
}

@test "connect checks an IPv6 address" {
	[[ -e /proc/net/if_inet6 ]] || skip "own kernel only: no IPv6"
	make_cert server "$BATS_FILE_TMPDIR/ca" 'ip_address = ::1' tls_www_server
	server_is server
	BIND=(-b ::1)
	start_receiver --ktls "$WHEN"
	bkp connect "${CREDENTIAL[@]}" -p "$PORT" --ktls "$WHEN" ::1 <<<word
	wait_receiver 0
}

@test "a common name is ignored" {
	make_cert 127.0.0.1 "$BATS_FILE_TMPDIR/ca" tls_www_server
	server_is 127.0.0.1
	start_receiver --ktls "$WHEN"
	bkp_send 5 <<<word
	assert_stderr_has 'is for another name .*: it has none$'
}

@test "connect --peer checks that name instead of the host's" {
	start_receiver --ktls "$WHEN"
	bkp_send 5 --peer other.example <<<word
	assert_stderr_has "is for another name than 'other\.example'.*, which --peer asks for"
	bkp_send --ktls "$WHEN" --peer server.example <<<word
	wait_receiver 0
}

@test "listen --peer accepts only these names, and ten other clients do not keep them out" {
	local i
	start_receiver --ktls "$WHEN" --peer carol --peer alice
	client_is bob
	for i in 1 2 3 4 5 6 7 8 9 10; do
		bkp_send 5 <<<word
		assert_stderr_has 'does not accept the names in it \(--peer\).*access_denied'
	done
	client_is alice
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]]
	assert_lines 10 "$RECEIVER_ERR"
	assert_stderr_has '\(bob\) is for none of the names of --peer' "$RECEIVER_ERR"
}

# --- refused, with the reason on both sides

# refused_client REASON ALERT: printed by listen, and by connect
refused_client() {
	start_receiver --ktls "$WHEN"
	bkp_send 5 --ktls "$WHEN" <<<word
	assert_stderr_has "the peer refused our certificate: .*\\(alert $2\\)"
	assert_lines 1 "$ERR"
	client_is alice
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	assert_stderr_has "refused 127.*certificate.*$1" "$RECEIVER_ERR"
	assert_lines 1 "$RECEIVER_ERR"
}

# refused_server REASON ALERT [OPTION]...: printed by connect, and by listen
refused_server() {
	start_receiver --ktls "$WHEN" "${@:3}"
	bkp_send 5 --ktls "$WHEN" "${@:3}" <<<word
	assert_stderr_has "the peer's certificate \\(.*\\) .*$1"
	assert_lines 1 "$ERR"
	until_true has_lines "$RECEIVER_ERR"
	assert_stderr_has "refused 127.*the peer refused our certificate: .*\\(alert $2\\)" \
		"$RECEIVER_ERR"
	assert_lines 1 "$RECEIVER_ERR"
}

@test "a client certificate of another CA is refused" {
	make_cert bob "$BATS_FILE_TMPDIR/otherca" 'dns_name = bob' tls_www_client
	client_is bob
	refused_client '\(bob\) is not signed by a CA of --ca' unknown_ca
}

@test "a client certificate of another CA is refused in TLS 1.2" {
	make_cert bob "$BATS_FILE_TMPDIR/otherca" 'dns_name = bob' tls_www_client
	client_is bob
	start_receiver --ktls "$WHEN" -m tls12-aes128-gcm
	bkp_send 5 -m tls12-aes128-gcm <<<word
	assert_stderr_has 'the peer refused our certificate: .*\(alert unknown_ca\)'
	until_true grep -q 'not signed by a CA' "$RECEIVER_ERR"
}

@test "a server certificate of another CA is refused" {
	client_is alice otherca
	refused_server 'is not signed by a CA of --ca' unknown_ca
}

# In TLS 1.2 the client's alert comes instead of its own certificate.
@test "a server certificate of another CA is refused in TLS 1.2" {
	client_is alice otherca
	refused_server 'is not signed by a CA of --ca' unknown_ca -m tls12-aes128-gcm
}

@test "a server certificate with another name is refused in TLS 1.2" {
	make_cert server "$BATS_FILE_TMPDIR/ca" 'dns_name = other' tls_www_server
	server_is server
	refused_server 'is for another name' access_denied -m tls12-aes128-gcm
}

@test "a server that is refused does not answer the alert with another alert" {
	local mode
	client_is alice otherca
	for mode in tls12-aes128-gcm tls13-aes128-gcm; do
		start_receiver --ktls "$WHEN" -m "$mode"
		start_relay pause -w 1 -c s2c -l 2 # a dot for an alert in clear
		bkp_send 5 -m "$mode" <<<word
		until_true grep -q 'refused our certificate' "$RECEIVER_ERR"
		[[ ! -s tool.err ]] || fail "it answered"
	done
}

@test "a client with a certificate for servers is refused" {
	make_cert bob "$BATS_FILE_TMPDIR/ca" 'dns_name = bob' tls_www_server
	client_is bob
	refused_client 'is not made for TLS clients' unsupported_certificate
}

@test "a server with a certificate for clients is refused" {
	make_cert server "$BATS_FILE_TMPDIR/ca" 'ip_address = 127.0.0.1' \
		tls_www_client
	server_is server
	refused_server 'is not made for TLS servers' unsupported_certificate
}

@test "a client with an RSA key of 1024 bits is refused" {
	make_key_file bob --key-type rsa --bits 1024
	make_cert bob "$BATS_FILE_TMPDIR/ca" 'dns_name = bob' tls_www_client
	client_is bob
	refused_client 'is too weak' bad_certificate
}

@test "a server with an RSA key of 1024 bits is refused" {
	make_key_file server --key-type rsa --bits 1024
	make_cert server "$BATS_FILE_TMPDIR/ca" 'ip_address = 127.0.0.1' \
		tls_www_server
	server_is server
	refused_server 'is too weak' bad_certificate
}

@test "a client certificate signed with SHA-1 is refused" {
	SIGN=(--hash SHA1)
	make_cert bob "$BATS_FILE_TMPDIR/ca" 'dns_name = bob' tls_www_client
	client_is bob
	refused_client 'is too weak' bad_certificate
}

# signed_by CA REASON ALERT: the listener trusts this CA and another one
signed_by() {
	make_cert bob "$1" 'dns_name = bob' tls_www_client
	cat "$BATS_FILE_TMPDIR/ca.crt" "$1.crt" >trusted.crt
	SERVER[5]=trusted.crt
	client_is bob
	refused_client "\(bob\) $2" "$3"
}

@test "a client certificate whose CA may not sign it is refused, with the reason" {
	make_old_ca
	signed_by old 'is signed by a CA whose certificate has expired' \
		certificate_expired
	make_ca narrow 'nc_permit_dns = example.org'
	signed_by narrow 'breaks a rule of its CA: which names' bad_certificate
	make_key_file mute
	printf '%s\n' 'cn = mute' 'expiration_days = 9' ca signing_key >mute.tmpl
	certtool --generate-self-signed --load-privkey mute.key \
		--template mute.tmpl --outfile mute.crt 2>certtool.log
	signed_by mute 'breaks a rule of its CA.*key usage' bad_certificate
	make_key_file leaf
	printf '%s\n' 'cn = leaf' 'expiration_days = 9' signing_key >leaf.tmpl
	certtool --generate-self-signed --load-privkey leaf.key \
		--template leaf.tmpl --outfile leaf.crt 2>certtool.log
	signed_by leaf "is signed with a certificate that is no CA's" unknown_ca
}

@test "a CA that was made again, with another key: its older certificates are refused, and the message asks for that" {
	mkdir older
	(cd older && make_ca ca && make_cert bob ca 'dns_name = bob' tls_www_client)
	cp older/bob.{crt,key} .
	client_is bob
	refused_client 'leads to CN=ca, but not to the key .*made again' \
		unknown_ca
}

@test "a certificate that expires between start and connection is refused" {
	start_receiver --ktls "$WHEN"
	kill -STOP "$RECEIVER_PID"
	make_cert bob "$BATS_FILE_TMPDIR/ca" 'dns_name = bob' tls_www_client \
		"activation_date = \"$(date -u '+%F %T' -d '1 hour ago')\"" \
		"expiration_date = \"$(date -u '+%F %T' -d '4 seconds')\""
	client_is bob
	spawn_sender --ktls "$WHEN" <<<word
	sleep 5
	kill -CONT "$RECEIVER_PID"
	wait_sender 5
	says sender 'refused our certificate: .*expired.*\(alert certificate_expired\)'
	says receiver 'refused 127.*\(bob\) expired on 20'
}

# openssl_seen OPTION...: the output of s_client when our listener refuses it
openssl_seen() {
	timeout 20 openssl s_client -connect "127.0.0.1:$PORT" -ign_eof "$@" \
		<<<word >seen 2>&1 3>&- || :
}

@test "a client without a certificate is refused" {
	start_receiver --raw --ktls "$WHEN"
	openssl_seen -tls1_3
	assert_stderr_has 'alert certificate required' seen
	until_true grep -q 'refused 127.*the peer sent no certificate' "$RECEIVER_ERR"
}

@test "a client without a certificate is refused in TLS 1.2" {
	start_receiver --raw --ktls "$WHEN" -m tls12-aes128-gcm
	openssl_seen -tls1_2
	assert_stderr_has 'alert handshake failure' seen
	until_true grep -q 'refused 127.*the peer sent no certificate' "$RECEIVER_ERR"
}

# make_dated NAME FROM TO LINE...: a certificate that is valid from FROM to TO
make_dated() {
	make_cert "$1" "$BATS_FILE_TMPDIR/ca" \
		"activation_date = \"$(date -u '+%F %T' -d "$2")\"" \
		"expiration_date = \"$(date -u '+%F %T' -d "$3")\"" "${@:4}"
}

# make_old_ca: a CA old, which has expired
make_old_ca() {
	make_ca old "activation_date = \"$(date -u '+%F %T' -d '3 days ago')\"" \
		"expiration_date = \"$(date -u '+%F %T' -d '1 day ago')\""
}

# All of them would be one identity.
@test "certificates without a name cannot begin a stream with a name" {
	make_cert nobody "$BATS_FILE_TMPDIR/ca" tls_www_client
	client_is nobody
	RETRY=(--retry 20s)
	start_receiver --ktls "$WHEN"
	bkp_send 5 --ktls "$WHEN" --name snap <"$IN"
	assert_stderr_has 'does not serve streams by name'
	bkp_send --ktls "$WHEN" <"$IN"
	wait_receiver 0
}

# suspends_cert [OPTION]...: our sender of the stream "snap" is killed after
# 1000000 bytes; SUSPENDED is what it has sent to
suspends_cert() {
	have_fifo feed
	exec 8<>feed
	: >"$SUSPENDED"
	spawn_sender --ktls "$WHEN" --name snap "$@" <feed
	head -c 1000000 "$IN" >&8
	until_true size_is 1000000 "$SUSPENDED"
	kill -KILL "$SENDER_PID"
	wait "$SENDER_PID" || :
	exec 8>&-
	until_true has_line 'waiting for the peer' "$RECEIVER_ERR"
}

# continues_cert [OPTION]...: another process of it sends only the rest
continues_cert() {
	bkp_send --ktls "$WHEN" --name snap --stats stats.json "$@" <"$IN"
	[[ $(<stats.json) == *'"compared": 1000000, '* ]] ||
		fail "$(<stats.json)"
	assert_same_file "$IN" "$SUSPENDED"
}

@test "a renewed certificate of the same names continues its stream, and resumes it" {
	local mode
	RETRY=(--retry 20s)
	SUSPENDED=$RECEIVED
	for mode in tls13-aes128-gcm tls13-aes256-gcm tls12-aes128-gcm; do
		client_is alice
		start_receiver --ktls "$WHEN" -m "$mode"
		suspends_cert -m "$mode"
		make_cert alice "$BATS_FILE_TMPDIR/ca" 'dns_name = alice' tls_www_client
		client_is alice
		start_relay rst -a 1500000 -k 1
		continues_cert -m "$mode"
		assert_stderr_has 'connecting again'
		wait_receiver 0
		rm alice.crt alice.key
	done
}

@test "another certificate cannot see, take or abandon a stream by its name" {
	RETRY=(--retry 20s)
	SUSPENDED=$RECEIVED
	start_receiver --ktls "$WHEN"
	suspends_cert
	client_is bob
	bkp_send 5 --ktls "$WHEN" --name snap --retry 0 <"$IN"
	assert_stderr_has busy
	cp "$ERR" seen
	bkp_send 5 --ktls "$WHEN" --name other --retry 0 <"$IN"
	cmp <(sed 's/:[0-9]*//' seen) <(sed 's/:[0-9]*//' "$ERR")
	bkp_send 5 --ktls "$WHEN" --name snap --discard --retry 0 <"$IN"
	client_is alice
	continues_cert
	wait_receiver 0
}

@test "--keep: streams of one name and two certificates are two streams" {
	RETRY=(--retry 20s)
	SUSPENDED=got.alice
	start_receiver --ktls "$WHEN" --keep -- \
		sh -c 'cat >>"got.$BTRFS_KTLS_PIPE_IDENTITY"'
	suspends_cert
	client_is bob
	bkp_send 5 --ktls "$WHEN" --name snap --discard --retry 0 <"$IN"
	assert_stderr_has 'there is no stream of that name'
	bkp_send --ktls "$WHEN" --name snap <"$IN"
	assert_same_file "$IN" got.bob
	client_is alice
	continues_cert
}

@test "a client certificate that has expired is refused" {
	make_dated bob '3 days ago' '1 day ago' 'dns_name = bob' tls_www_client
	openssl_is bob
	start_receiver --raw --ktls "$WHEN"
	openssl_seen "${OPENSSL[@]}"
	assert_stderr_has 'alert certificate expired' seen
	until_true grep -q '(bob) expired on 20' "$RECEIVER_ERR"
}

@test "a client certificate that is not valid yet is refused" {
	make_dated bob '1 day' '3 days' 'dns_name = bob' tls_www_client
	openssl_is bob
	start_receiver --raw --ktls "$WHEN"
	openssl_seen "${OPENSSL[@]}"
	assert_stderr_has 'alert certificate expired' seen
	until_true grep -q '(bob) is not valid before 20' "$RECEIVER_ERR"
}

# openssl_server NAME [OPTION]...: s_server with that certificate
openssl_server() {
	openssl_is "$1"
	start_server openssl s_server -accept 127.0.0.1:0 -naccept 1 -quiet \
		"${OPENSSL[@]}" "${@:2}"
}

# mutual_server NAME: the same, and it requires a client certificate
mutual_server() {
	openssl_server "$1" -Verify 1 -verify_return_error
}

@test "a server certificate that has expired: connect exits 5, and the server is told" {
	make_dated server '3 days ago' '1 day ago' 'ip_address = 127.0.0.1'
	mutual_server server
	bkp_send 5 --raw -q <<<word
	assert_stderr_has 'expired on 20'
	until_true grep -q 'alert certificate expired' server.err
}

@test "a server certificate that is not valid yet: connect exits 5" {
	make_dated server '1 day' '3 days' 'ip_address = 127.0.0.1'
	mutual_server server
	bkp_send 5 --raw -q <<<word
	assert_stderr_has 'is not valid before 20'
}

@test "a server refuses our certificate: connect --raw exits 5, the input is untouched, and COMMAND is not started" {
	make_cert bob "$BATS_FILE_TMPDIR/otherca" 'dns_name = bob' tls_www_client
	mutual_server server
	client_is bob
	{
		bkp_send 5 --raw -q
		cat >rest
	} < <(echo word)
	[[ $(<rest) == word ]]
	assert_stderr_has 'the peer refused our certificate: .*\(alert unknown_ca\)'
	mutual_server server
	bkp 5 connect "${CREDENTIAL[@]}" -p "$PORT" --raw -q 127.0.0.1 -- touch started
	[[ ! -e started ]]
}

@test "a server refuses our certificate during the stream: connect --raw exits 7" {
	make_cert bob "$BATS_FILE_TMPDIR/otherca" 'dns_name = bob' tls_www_client
	mutual_server server
	client_is bob
	start_relay pause -c s2c -l 19 -w 3000
	bkp_send 7 --raw -q < <(echo word; sleep 4)
	assert_stderr_has 'the peer refused our certificate: .*\(alert unknown_ca\)'
}

# damaged_at RECORD MODE: a record of the client's handshake is damaged
damaged_at() {
	start_receiver --ktls "$WHEN" -m "$2"
	start_relay flip -r "$1"
	bkp_send 5 -m "$2" <<<word
	until_true grep -q 'refused 127' "$RECEIVER_ERR"
	assert_stderr_has 'refused 127.*handshake failed' "$RECEIVER_ERR"
	assert_stderr_lacks 'another key' "$RECEIVER_ERR"
	assert_stderr_lacks ' key' "$ERR"
}

@test "a record damaged in transit is not reported as a wrong key" {
	damaged_at 2 tls13-aes128-gcm # its certificate
	damaged_at 5 tls12-aes128-gcm # its Finished
}

# asks_nothing CONNECT_OPTION...: to a server that requests no client
# certificate
asks_nothing() {
	bkp_send 5 "$@" <<<secret
	assert_stderr_has '^btrfs-ktls-pipe: 127.*did not request a client certificate.*-Verify 1'
	assert_lines 1 "$ERR"
	wait "$SERVER_PID" || :
	assert_stderr_lacks secret server.out # foreign
	assert_stderr_has 'alert handshake failure' server.err
}

@test "a server that requests no client certificate: connect exits 5 and sends nothing" {
	openssl_server server
	asks_nothing --raw -q
}

@test "a server that requests no client certificate in TLS 1.2: connect exits 5 and sends nothing" {
	openssl_server server -tls1_2
	asks_nothing --raw -q -m tls12-aes128-gcm
}

@test "a server that requests no client certificate, without --raw: connect exits 5 and sends nothing" {
	openssl_server server -alpn btrfs-ktls-pipe/2
	asks_nothing
}

@test "a key against certificates: connect exits 5, and both sides name the kind of credential" {
	start_receiver --ktls "$WHEN"
	CREDENTIAL=(-k key)
	bkp_send 5 <<<word
	assert_stderr_has 'the same kind of credential'
	until_true grep -q 'refused 127.*the same kind of credential' "$RECEIVER_ERR"
	kill "$RECEIVER_PID"
	SERVER=(-k key)
	start_receiver --ktls "$WHEN"
	client_is alice
	bkp_send 5 <<<word
	assert_stderr_has 'the same kind of credential'
	until_true grep -q 'refused 127.*the same kind of credential' "$RECEIVER_ERR"
}

# --- files

# refuses_files REGEX: exit status 3 at the start
refuses_files() {
	bkp 3 connect "${CERT[@]}" --retry 0 -p 1 127.0.0.1 <<<word
	assert_stderr_has "^btrfs-ktls-pipe: $1"
	assert_lines 1 "$ERR"
}

# files: sets CERT to copies, which a test may damage
files() {
	cp "$BATS_FILE_TMPDIR"/alice.{crt,key} "$BATS_FILE_TMPDIR/ca.crt" .
	CERT=(--cert alice.crt --cert-key alice.key --ca ca.crt)
}

@test "a file that is missing is refused" {
	files
	mv alice.crt away
	refuses_files 'certificate file alice.crt: cannot be opened: No such file'
	mv away alice.crt
	mv alice.key away
	refuses_files 'private key file alice.key: cannot be opened: No such file'
	mv away alice.key
	rm ca.crt
	refuses_files 'CA file ca.crt: cannot be opened: No such file'
}

@test "an empty file is refused" {
	local f
	for f in alice.crt alice.key ca.crt; do
		files
		: >"$f"
		refuses_files ".* file $f: is empty"
	done
}

@test "a truncated file is refused" {
	local f
	for f in alice.crt alice.key ca.crt; do
		files
		head -c -80 "$f" >part
		cat part >"$f"
		refuses_files ".* file $f: holds .* cut short"
	done
}

@test "a file that is too long is refused" {
	local n
	head -c 1048576 /dev/zero >long
	for n in 1 3 5; do
		files
		CERT[n]=long
		refuses_files '.* file long: is too long'
	done
}

@test "a file whose second certificate is truncated is refused" {
	files
	head -c 300 "$BATS_FILE_TMPDIR/otherca.crt" >>ca.crt
	refuses_files 'CA file ca.crt: holds .* cut short'
}

# cut_header FILE: followed by another certificate, cut anywhere in its first
# line
cut_header() {
	local n header='-----BEGIN CERTIFICATE-----'
	cp "$1" whole
	for n in 1 5 6 11 15 25; do
		{ cat whole && printf '%s' "${header:0:n}"; } >"$1"
		refuses_files ".* file $1: holds .* cut short"
	done
	{ printf '%s' "${header:0:15}" && cat whole; } >"$1"
	refuses_files ".* file $1: holds .* cut short"
	cp whole "$1"
}

@test "a file truncated in the first line of a certificate is refused" {
	files
	cut_header alice.crt
	cut_header ca.crt
	{ echo '- a comment' && cat whole && printf -- '-- and another'; } >ca.crt
	bkp 4 connect "${CERT[@]}" --retry 0 -p 1 127.0.0.1
}

@test "an Ed448 key is refused, because no offered signature fits it" {
	make_key_file alice --key-type ed448
	make_cert alice "$BATS_FILE_TMPDIR/ca" 'dns_name = alice'
	certs_of alice
	refuses_files 'certificate file .*: has a key of a kind .*Ed448.*use .*Ed25519'
}

@test "PEM of something else is refused" {
	files
	cat alice.key >alice.crt
	refuses_files "certificate file alice.crt: holds no certificate, but .*PRIVATE KEY"
	files
	cat alice.crt >alice.key
	refuses_files "private key file alice.key: holds no private key, but .*'CERTIFICATE'"
	files
	certtool --generate-request --load-privkey alice.key \
		--template "$BATS_FILE_TMPDIR/alice.tmpl" --outfile ca.crt 2>/dev/null
	refuses_files "CA file ca.crt: holds no certificate, but .*CERTIFICATE REQUEST"
}

@test "a CA file without a certificate is refused" {
	files
	echo 'nothing to see here' >ca.crt
	refuses_files 'CA file ca.crt: holds no certificate'
}

@test "DER is refused, and the message says how to convert it" {
	files
	openssl x509 -in alice.crt -outform DER -out der
	CERT[1]=der
	refuses_files 'certificate file der: is not PEM.*openssl x509 -inform DER'
	files
	openssl pkey -in alice.key -outform DER -out der
	CERT[3]=der
	refuses_files 'private key file der: is not PEM.*openssl pkey -inform DER'
}

@test "an encrypted private key is refused, and the message says how to decrypt it" {
	files
	openssl pkey -in alice.key -aes256 -passout pass:secret -out sealed
	CERT[3]=sealed
	refuses_files 'private key file sealed: is encrypted.*openssl pkey -in'
	openssl ec -in alice.key -aes256 -passout pass:secret -out sealed 2>/dev/null
	refuses_files 'private key file sealed: is encrypted.*openssl pkey -in'
}

@test "the key of another certificate is refused" {
	files
	CERT[3]=$BATS_FILE_TMPDIR/bob.key
	refuses_files 'private key file .*bob.key: is not the key of the certificate'
}

@test "a private key that others can read is refused, such a certificate is accepted" {
	files
	chmod 644 alice.crt ca.crt alice.key
	refuses_files 'private key file alice.key: is open to others \(mode 0644\)'
	chmod 600 alice.key
	bkp 4 connect "${CERT[@]}" --retry 0 -p 1 127.0.0.1
}

@test "our own certificate that has expired, or is not valid yet, is refused at the start" {
	files
	make_dated alice '3 days ago' '1 day ago' 'dns_name = alice'
	refuses_files 'certificate file alice.crt: expired on 20'
	make_dated alice '1 day' '3 days' 'dns_name = alice'
	refuses_files 'certificate file alice.crt: is not valid before 20'
	bkp 3 listen "${CERT[@]}" -b 127.0.0.1 -p 0 --wait 1ms
	files
	make_old_ca
	cat old.crt >>alice.crt
	refuses_files 'certificate file alice.crt: certificate 2 of the chain: expired'
}

@test "a CA file is refused only if all of its certificates have expired" {
	files
	make_old_ca
	cat ca.crt old.crt >both.crt
	CERT[5]=both.crt
	bkp 4 connect "${CERT[@]}" --retry 0 -p 1 127.0.0.1
	CERT[5]=old.crt
	refuses_files 'CA file old.crt: expired on 20'
}

@test "a private key can be read from a pipe" {
	start_receiver --ktls "$WHEN"
	bkp connect --cert "${CREDENTIAL[1]}" --cert-key <(cat "${CREDENTIAL[3]}") \
		--ca "${CREDENTIAL[5]}" -p "$PORT" --ktls "$WHEN" 127.0.0.1 <<<word
	wait_receiver 0
}

# --- malicious names

# malicious DER_HEX: a client with these bytes as subject alternative names
malicious() {
	openssl req -new -key "$BATS_FILE_TMPDIR/bob.key" -subj /CN=x -out csr
	printf '2.5.29.17=DER:%s\nextendedKeyUsage=clientAuth\n' "$1" >ext
	openssl x509 -req -in csr -CA "$BATS_FILE_TMPDIR/ca.crt" \
		-CAkey "$BATS_FILE_TMPDIR/ca.key" -days 3 -extfile ext \
		-out malicious.crt 2>/dev/null
	cp "$BATS_FILE_TMPDIR/bob.key" malicious.key
	client_is malicious
	start_receiver --ktls "$WHEN" --peer alice
	bkp_send 5 <<<word
	until_true grep -q 'refused 127' "$RECEIVER_ERR"
	assert_lines 1 "$RECEIVER_ERR"
	run ! grep -qP '[^\x20-\x7e]' "$RECEIVER_ERR"
}

@test "a name with a NUL does not match the name before the NUL" {
	malicious 300d820b616c69636500626f622e78 # alice, NUL, bob.x
}

@test "a name with a newline and an escape is logged harmlessly" {
	malicious 300982071b5b33316d0a78
}

@test "a certificate with a name of a megabyte is refused" {
	head -c 1000000 /dev/zero | tr '\0' a >long
	make_cert bob "$BATS_FILE_TMPDIR/ca" "dns_name = $(<long)" tls_www_client
	openssl_is bob
	start_receiver --ktls "$WHEN"
	openssl_seen "${OPENSSL[@]}"
	until_true grep -q 'refused 127.*more than 65536 bytes' "$RECEIVER_ERR"
	(($(stat -c %s "$RECEIVER_ERR") < 300))
	client_is alice
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
}

# --- resume and rekey

# survives_cuts MODE: three resets, and the stream is delivered
survives_cuts() {
	RETRY=(--retry 20s)
	TX=(-m "$1" --buffer 1M) RX=(-m "$1")
	with_stats
	survive() {
		directions "$1"
		HARM=(rst -c "$WITH" -a 800000 -k 3)
		streams "$1" 0 0 <"$IN"
		assert_same_file "$IN" "$RECEIVED"
		counted reconnects 1
	}
	both_ways survive
}

@test "TLS 1.3 AES-128-GCM resumes" {
	survives_cuts tls13-aes128-gcm
}

@test "TLS 1.3 AES-256-GCM resumes" {
	survives_cuts tls13-aes256-gcm
}

@test "TLS 1.3 ChaCha20-Poly1305 resumes" {
	survives_cuts tls13-chacha20-poly1305
}

@test "TLS 1.2 AES-128-GCM resumes" {
	survives_cuts tls12-aes128-gcm
}

@test "TLS 1.2 AES-256-GCM resumes" {
	survives_cuts tls12-aes256-gcm
}

# There is no pre-shared key in this mode, but a proof in HELLO.
@test "a WELCOME that is lost in TLS 1.3 AES-256-GCM costs a connection, not the stream" {
	TX=(-m tls13-aes256-gcm) RX=(-m tls13-aes256-gcm)
	RETRY=(--retry 20s)
	HARM=(rst -c s2c -l 81 -k 2)
	streams push 0 0 < <(cat "$IN")
	assert_same_file "$IN" "$RECEIVED"
	says receiver 'the stream resumes at byte 0 '
}

@test "a stream is rekeyed in TLS 1.3 AES-256-GCM" {
	TX=(-m tls13-aes256-gcm --rekey-after 1M) RX=(-m tls13-aes256-gcm)
	RETRY=(--retry 20s)
	with_stats
	streams push 0 0 <"$IN"
	assert_same_file "$IN" "$RECEIVED"
	counted rotations 2
}

# withstands MODE: a thief with another certificate of the CA, and the id
withstands() {
	local stream
	TX=(-vv -m "$1") RX=(-vv -m "$1")
	RETRY=(--retry 20s)
	stands push
	stream=$(sed -nE 's/.*: stream ([0-9a-f]{32})$/\1/p' "$RECEIVER_ERR")
	[[ $stream ]] || fail "no stream id"
	certs_of bob
	robbed() {
		"$BKP_TOOLS/thief" "$PORT" "${CERT[1]},${CERT[3]},${CERT[5]}" \
			sends "$1" 2 >answer || fail "no answer"
		grep -q "$2" answer || fail "$(<answer)"
	}
	robbed "$stream" 'does not let'
	robbed "${stream//[0-9]/a}" 'busy'
	tail -c 100000 in >&8
	stands_end
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
	assert_stderr_lacks 'resumes at byte' "$SENDER_ERR"
}

@test "a peer with a certificate but not the ticket cannot resume" {
	withstands tls13-aes128-gcm
}

@test "a peer with a certificate but not the proof cannot resume" {
	withstands tls13-aes256-gcm
}

# --- other TLS programs

# openssl_sends MODE_OPTION...: s_client sends to our listener
openssl_sends() {
	openssl_is alice
	timeout "$BKP_DEADLINE" openssl s_client -connect "127.0.0.1:$PORT" \
		-quiet -no_ign_eof -nocommands -verify_return_error \
		-verify_hostname localhost "${OPENSSL[@]}" "$@" \
		<"$IN" >client.out 2>client.err 3>&- || {
		show client.err "$RECEIVER_ERR"
		fail "s_client failed"
	}
	wait_receiver 0
	assert_same_file "$IN" "$RECEIVED"
}

@test "openssl s_client sends in TLS 1.3: delivered" {
	start_receiver --raw -q --ktls "$WHEN" --peer alice
	openssl_sends -tls1_3
}

@test "openssl s_client sends in TLS 1.3 AES-256-GCM: delivered" {
	start_receiver --raw -q --ktls "$WHEN" -m tls13-aes256-gcm
	openssl_sends -tls1_3
}

@test "openssl s_client sends in TLS 1.2: delivered" {
	start_receiver --raw -q --ktls "$WHEN" -m tls12-aes256-gcm
	openssl_sends -tls1_2
}

# openssl_receives MODE: s_server receives from our connect
openssl_receives() {
	mutual_server server
	bkp_send --raw -q --ktls "$WHEN" -m "$1" <"$IN"
	wait_for 0 "$SERVER_PID" s_server server.err
	assert_same_file "$IN" server.out
}

@test "openssl s_server receives in TLS 1.3: delivered" {
	openssl_receives tls13-aes128-gcm
}

@test "openssl s_server receives in TLS 1.3 AES-256-GCM: delivered" {
	openssl_receives tls13-aes256-gcm
}

@test "openssl s_server receives in TLS 1.2: delivered" {
	openssl_receives tls12-aes128-gcm
}

# --- the manual

# recipe N: the Nth literal block about certificates in EXAMPLES
recipe() {
	sed -n '/^Certificates instead of a key/,/^\.Pp/p' \
		"$BATS_TEST_DIRNAME/../../../man/btrfs-ktls-pipe.1" |
		awk -v n="$1" '/^\.Bd/ { i++ } /^\./ { inside = /^\.Bd/; next }
			inside && i == n' |
		sed 's/\\e$/\\/'
}

@test "the manual's recipe works as written" {
	recipe 1 >recipe.sh
	bash -e recipe.sh >recipe.log 2>&1 || {
		show recipe.sh recipe.log
		fail "the recipe failed"
	}
	# replaces the file system, the network and the installed program
	recipe 2 | sed 's|btrfs receive .*|cat >got|; s|listen|& $WHERE|' >listen
	recipe 3 | sed 's|btrfs send .*|cat in|; s|connect|& $WHERE|' >connect
	sed -i 's/^  --ca ca.crt host/  --ca ca.crt --peer host 127.0.0.1/' connect
	head -c 100000 "$IN" >in
	btrfs-ktls-pipe() {
		"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP" "$@" 3>&-
	}
	have_fifo ready
	WHERE="--ktls $WHEN --ready-fd 9 -b 127.0.0.1 -p 0"
	. ./listen 2>"$RECEIVER_ERR" 9>ready &
	PIDS+=($!)
	read_port
	WHERE="--ktls $WHEN -p $PORT"
	. ./connect
	wait $! || fail "listen: $?"
	assert_same_file in got
}
