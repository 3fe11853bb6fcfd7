#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# probe reports what this machine can do, for people and for programs.

load ../../lib/helpers

MODES=(tls13-aes128-gcm tls13-aes256-gcm tls13-chacha20-poly1305
	tls12-aes128-gcm tls12-aes256-gcm)

# probed ARG...: exits 0 or 6, with the report on standard output
probed() {
	if have_ktls; then
		bkp 0 probe "$@"
		assert_lines 0 "$ERR"
	else
		bkp 6 probe "$@"
		assert_stderr_has '^btrfs-ktls-pipe: .*modprobe tls'
		assert_lines 1 "$ERR"
	fi
}

# probed_flat: the JSON report, one .path=value a line, in the file flat
probed_flat() {
	probed --json
	"$BKP_TOOLS/json" <"$OUT" >flat || fail "$(<"$OUT")"
}

# says REGEX: a whole line of the report matches
says() {
	assert_stderr_has "^$1\$" flat
}

@test "probe names kernel, library, and every mode" {
	local word
	probed
	for word in "$(uname -r)" GnuTLS "${MODES[@]}"; do
		grep -qF -- "$word" "$OUT" || fail "$word is missing: $(<"$OUT")"
	done
}

@test "the lines of probe have at most 79 columns, except for reasons and remedies" {
	probed
	run ! grep -E '^.{80}' <(grep -vE "modprobe|^confinement" "$OUT")
}

@test "probe --json is strictly JSON and names kernel and library" {
	probed_flat
	says "\.kernel=\"$(uname -r)\""
	says '\.gnutls="[0-9]+\.[0-9]+\.[0-9]+"'
	says '\.cpu_aes=(true|false)'
}

@test "probe --json answers every question for every mode" {
	local mode question
	probed_flat
	for mode in "${MODES[@]}"; do
		for question in gnutls certificates tx rx rekey no_pad; do
			says "\.modes\.$mode\.$question=(true|false)"
		done
	done
}

@test "exit status, verdict and reason of probe agree" {
	probed_flat
	if have_ktls; then
		says '\.usable=true'
		says '\.ulp=true'
		says '\.ulp_why=""'
	else
		says '\.usable=false'
		says '\.ulp=false'
		says '\.ulp_why=".*modprobe tls.*"'
	fi
}

@test "the two forms of probe agree on whether a confined process can open files" {
	local files=true
	probed
	! grep -q '^confinement.* no files' "$OUT" || files=false
	probed_flat
	says "\.confinement\.files=$files"
}

@test "probe finds everything that the guest kernels support" {
	[[ ${BKP_GUEST-} ]] || skip "no guest: its kernels are the known ones"
	local mode rekey=false
	probed_flat
	# keys can be installed again since Linux 6.14, in TLS 1.3
	[[ $BKP_GUEST != new ]] || rekey=true
	for mode in "${MODES[@]}"; do
		says "\.modes\.$mode\.tx=true"
		says "\.modes\.$mode\.rx=true"
		if [[ $mode == tls13-* ]]; then
			says "\.modes\.$mode\.no_pad=true"
			says "\.modes\.$mode\.rekey=$rekey"
		else
			says "\.modes\.$mode\.rekey=false"
		fi
	done
}

@test "probe predicts the mode and path that connect then uses" {
	local mode path
	probed_flat
	mode=$(sed -n 's/^\.pick\.mode="tls13-\(.*\)"/\1/p' flat)
	path=$(sed -n 's/^\.pick\.path="\(.*\)"/\1/p' flat)
	start_receiver -v
	bkp_send -v <<<word
	wait_receiver 0
	case $mode in
	aes128-gcm) mode=AES-128-GCM ;;
	aes256-gcm) mode=AES-256-GCM ;;
	chacha20-poly1305) mode=CHACHA20-POLY1305 ;;
	esac
	case $path in
	kernel) assert_stderr_has "^btrfs-ktls-pipe: kernel TLS: tx.*1\.3 $mode" ;;
	user) assert_stderr_has "^btrfs-ktls-pipe: user-space TLS: tx.*1\.3 $mode" ;;
	*) fail "path $path" ;;
	esac
}

@test "probe works without privileges" {
	local code=0
	[[ $(id -u) == 0 ]] || skip "own kernel only: we have none anyway"
	setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \
		"$BKP" probe --json >"$OUT" || code=$?
	if have_ktls; then ((code == 0)); else ((code == 6)); fi
	"$BKP_TOOLS/json" <"$OUT" >flat
	says "\.kernel=\"$(uname -r)\""
}
