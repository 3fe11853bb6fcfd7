#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# ssh-server as a forced command: a filter judges every COMMAND.

load ../../lib/helpers
load ../../lib/sshd

FILTER=/usr/share/btrbk/scripts/ssh_filter_btrbk.sh

setup() {
	set_up
	make_data in 300000
}

# force FILTER...: what the key may do; FAR_OPTIONS are those of ssh-server
force() {
	start_sshd
	printf 'restrict,command="btrfs-ktls-pipe ssh-server %s --forced %s" %s\n' \
		"${FAR_OPTIONS-}" "$*" "$(<"$BATS_FILE_TMPDIR/user.pub")" \
		>authorized
}

# A filter that tells what it finds, and runs it
telling_filter() {
	cat >filter <<-END
		#!/bin/sh
		echo "asked: \$SSH_ORIGINAL_COMMAND" >>$TMP/asked
		readlink /proc/self/fd/0 /proc/self/fd/1 >>$TMP/fds
		exec sh -c "\$SSH_ORIGINAL_COMMAND"
	END
	chmod +x filter
	force "$TMP/filter" -a
}

@test "FILTER finds the COMMAND of a stream in SSH_ORIGINAL_COMMAND, and has the stream" {
	telling_filter
	by_ssh there "cat >$TMP/got; echo said" <in
	[[ ! -s $OUT ]] || fail "standard output: $(<"$OUT")"
	assert_same_file got in
	by_ssh --receive there cat "$TMP/in"
	assert_same_file "$OUT" in
	printf 'asked: %s\n' "cat >$TMP/got; echo said" "cat $TMP/in" |
		cmp - asked
	! grep -q '^socket:' fds || fail "FILTER has ssh's channel: $(<fds)"
}

@test "any other command is given to FILTER as it came, with ssh's channel" {
	telling_filter
	ssh -F ssh_config there cat <in >got
	assert_same_file got in
	ssh -F ssh_config there 'btrfs-ktls-pipe ssh-serverx' 2>far.err || :
	printf 'asked: %s\n' cat 'btrfs-ktls-pipe ssh-serverx' | cmp - asked
}

@test "a malformed request is refused before FILTER runs" {
	local request
	telling_filter
	for request in '1 send' '1 send output=/etc/x -- cat' '1 both -- cat' \
		'1 send --forced sh -- cat' '1 send -- cat;id' '1 send -- a b'; do
		run -2 ssh -F ssh_config there "btrfs-ktls-pipe ssh-server $request"
		[[ $output == *'unknown or invalid word'* ]] || fail "$output"
	done
	[[ ! -e asked ]] || fail "FILTER ran: $(<asked)"
}

@test "btrbk's own filter, unchanged, refuses what it does not know, and that is exit status 9" {
	[[ -e $FILTER ]] || skip 'own kernel only: no btrbk'
	force "$FILTER" --target
	by_ssh 9 there "cat >$TMP/got" <in
	assert_stderr_has 'ssh_filter_btrbk.sh: ssh command rejected'
	[[ ! -e got ]] || fail 'it ran'
	by_ssh 9 --receive there btrfs send /snap
	assert_stderr_has 'rejected'
}

@test "ssh-server -v in authorized_keys prints its milestones, but not with ssh -q" {
	FAR_OPTIONS=-v telling_filter
	by_ssh there "cat >/dev/null" <in
	assert_stderr_has 'btrfs-ktls-pipe: there: peer '
	by_ssh -q there "cat >/dev/null" <in
	assert_stderr_lacks .
}

@test "a FILTER that does not exist: exit status 9, and it is named" {
	force /no/such/filter
	by_ssh 9 there true <in
	assert_stderr_has "^btrfs-ktls-pipe: there: cannot run 'true' by /no/such/filter: No such file"
}
