#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# probe: what this machine can do, for people and for programs.

load helpers

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

@test "probe names kernel, library, and every mode" {
	local word
	probed
	for word in "$(uname -r)" GnuTLS tls13-aes128-gcm tls13-aes256-gcm \
		tls13-chacha20-poly1305 tls12-aes128-gcm tls12-aes256-gcm; do
		grep -qF -- "$word" "$OUT" || fail "$word is missing: $(<"$OUT")"
	done
}

@test "probe --json is one JSON object on one line or more, and strictly so" {
	probed --json
	"$BKP_TOOLS/json" <"$OUT" >flat || fail "$(<"$OUT")"
	show flat
	grep -qF "\"$(uname -r)\"" flat
}

@test "probe works without privileges" {
	local code=0
	[[ $(id -u) == 0 ]] || skip "own kernel only: we have none anyway"
	setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \
		"$BKP" probe --json >"$OUT" || code=$?
	if have_ktls; then ((code == 0)); else ((code == 6)); fi
	"$BKP_TOOLS/json" <"$OUT" >/dev/null
}
