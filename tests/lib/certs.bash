# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Certificates, made by certtool(1). Loaded after helpers.bash.

# make_key_file NAME [CERTTOOL_OPTION...]: NAME.key
make_key_file() {
	certtool --generate-privkey --outfile "$1.key" \
		"${@:2}" >certtool.log 2>&1 || show certtool.log
}

# make_ca NAME [LINE...]: NAME.crt and NAME.key; LINEs of certtool's template
make_ca() {
	make_key_file "$1" --key-type ecdsa
	printf '%s\n' "cn = $1" 'expiration_days = 100' ca cert_signing_key \
		"${@:2}" >"$1.tmpl"
	certtool --generate-self-signed --load-privkey "$1.key" \
		--template "$1.tmpl" --outfile "$1.crt" \
		"${SIGN[@]}" >certtool.log 2>&1 || show certtool.log
}

# make_cert NAME CA LINE...: NAME.crt, for the key NAME.key, which is created if
# it does not exist
make_cert() {
	[[ -e $1.key ]] || make_key_file "$1" --key-type ecdsa
	printf '%s\n' "cn = $1" signing_key 'expiration_days = 100' \
		"${@:3}" >"$1.tmpl"
	certtool --generate-certificate --load-privkey "$1.key" \
		--load-ca-certificate "$2.crt" --load-ca-privkey "$2.key" \
		--template "$1.tmpl" --outfile "$1.crt" \
		"${SIGN[@]}" >certtool.log 2>&1 || show certtool.log
}

# make_certs: for setup_file; two CAs, a server with three names and two clients
make_certs() {
	SIGN=()
	umask 077
	cd "$BATS_FILE_TMPDIR" || return
	make_ca ca
	make_ca otherca
	make_cert server ca 'dns_name = server.example' \
		'dns_name = localhost' 'ip_address = 127.0.0.1' tls_www_server
	make_cert alice ca 'dns_name = alice' tls_www_client
	make_cert bob ca 'dns_name = bob' tls_www_client
}

# certs_of NAME [CA]: sets CERT to our options
certs_of() {
	local dir=$BATS_FILE_TMPDIR
	[[ ! -e $1.crt ]] || dir=.
	CERT=(--cert "$dir/$1.crt" --cert-key "$dir/$1.key"
		--ca "$BATS_FILE_TMPDIR/${2:-ca}.crt")
}

# server_is NAME [CA], client_is NAME [CA]: the helpers use this certificate
# from then on
server_is() {
	certs_of "$@"
	SERVER=("${CERT[@]}")
}

client_is() {
	certs_of "$@"
	CREDENTIAL=("${CERT[@]}")
}

# openssl_is NAME [CA]: sets OPENSSL to its options for the same
openssl_is() {
	certs_of "$@"
	OPENSSL=(-cert "${CERT[1]}" -key "${CERT[3]}" -CAfile "${CERT[5]}")
}
