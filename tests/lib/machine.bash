# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What this machine can do, and skipping where it cannot. Part of helpers.bash.

# have_ktls: the answer of probe, which is run once.
have_ktls() {
	local cache=$BATS_RUN_TMPDIR/have_ktls code=0
	if [[ ! -s $cache ]]; then
		"$BKP_TOOLS/deadline" 60 "$BKP" probe >/dev/null 2>&1 || code=$?
		echo "$code" >"$cache"
	fi
	read -r code <"$cache"
	case $code in
	0) return 0 ;;
	6) return 1 ;;
	esac
	fail "probe exits $code, neither 0 nor 6"
	exit 1
}

# for_other_users: BKP is a copy from here on, because they may not be able to
# search the folders above it
for_other_users() {
	cp "$BKP" program
	chmod 755 . program
	BKP=./program
}

# other_user [LIMIT]...: makes ./other, which runs the program as another user
# with this command for limits
other_user() {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	for_other_users
	printf '%s\n' '#!/bin/sh' \
		"exec setpriv --reuid=65534 --clear-groups $* '$BKP' \"\$@\"" >other
	chmod 755 other
}

# need_namespaces: skips a test that needs them where there are none
need_namespaces() {
	[[ $(id -u) == 0 ]] && unshare --mount --pid --fork true 2>/dev/null ||
		skip 'needs root, and namespaces'
}

# require_ktls: skips a test that needs kernel TLS where there is none, but
# never in a guest.
require_ktls() {
	have_ktls || [[ ${BKP_GUEST-} ]] ||
		skip "no TLS in this kernel: runs in the guests"
}

# ktls_here: sets WHEN, the value of --ktls, for tests that work on either path
ktls_here() {
	WHEN=require
	have_ktls || [[ ${BKP_GUEST-} ]] || WHEN=off
}

# key_modes: prints the modes that the GnuTLS here can do with a key
key_modes() {
	"$BKP" probe --json 2>/dev/null |
		sed -n 's/^  "\(tls[^"]*\)": {"gnutls": true.*/\1/p'
}

# need_sha384: for a test of TLS 1.3 AES-256-GCM with a key
need_sha384() {
	[[ $(key_modes) == *tls13-aes256-gcm* ]] ||
		skip "own kernel only: needs GnuTLS 3.8.11"
}

# require_localhost: for a test that connects to a name, which /etc/hosts may
# lack
require_localhost() {
	getent ahostsv4 localhost >/dev/null ||
		skip "own kernel only: the name localhost is not known here"
}

# not_under valgrind|sanitizers|killing WHY: skips it if scripts/test runs it
# under that
not_under() {
	[[ ${BKP_UNDER-} != "$1" ]] || skip "not under $1: $2"
}

# full_tier_only SECONDS: skips a test that takes so long
full_tier_only() {
	[[ $BKP_TIER == full ]] ||
		skip "${BKP_GUEST:+own kernel only: }full tier only: takes $1 s"
}

# by_tier OWN GUEST FULL FULL_GUEST: sets SIZE, by tier and kernel
by_tier() {
	local i=1
	[[ $BKP_TIER != full ]] || i=3
	[[ -z ${BKP_GUEST-} ]] || i=$((i + 1))
	SIZE=${!i}
}
