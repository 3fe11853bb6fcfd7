#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The verb ssh with a real sshd: one command, in ssh's own word order.

load ../../lib/helpers
load ../../lib/sshd

setup() {
	set_up
	make_data in 3000000
}

@test "ssh sends standard input to a COMMAND on the far host" {
	start_sshd
	by_ssh there "cat >$TMP/got" <in
	assert_same_file got in
}

@test "ssh --receive writes what a COMMAND on the far host prints" {
	start_sshd
	by_ssh --receive there "cat $TMP/in"
	assert_same_file "$OUT" in
}

@test "COMMAND reaches the far shell as from ssh, whatever characters it has" {
	local text="a\\\\b 'c' \"d\" \$HOME \`e\` %41 ; # ~ é *"
	start_sshd
	ssh -F ssh_config there printf %s "${text@Q}" '|' cat >wanted
	by_ssh --receive there printf %s "${text@Q}" '|' cat
	assert_same_file "$OUT" wanted
	[[ $(<wanted) == "$text" ]] || fail "the far shell got $(<wanted)"
}

@test "options may stand behind HOST, ssh's and ours" {
	start_sshd
	bkp ssh there -F ssh_config --receive -o Compression=no --stats stats.json -- \
		cat "$TMP/in"
	assert_same_file "$OUT" in
	grep -q '"bytes": 3000000,' stats.json
}

@test "the key is in no command line" {
	start_sshd
	mkfifo gate
	spawn_ssh there "cat >$TMP/got; read x <$TMP/gate" <in
	until_true test -s got
	pgrep -af -- "$TMP/" >seen # those of this test alone
	has_line 'btrfs-ktls-pipe ssh-server 1 receive' seen
	! grep -E '[0-9a-f]{64}' seen || fail 'a key?'
	echo >gate
	ssh_ends 0
}

@test "what a COMMAND prints on the far host is shown here, as a message" {
	start_sshd
	by_ssh there "cat >/dev/null; echo to-stdout; echo to-stderr >&2" <in
	assert_stderr_has '^to-stdout$'
	assert_stderr_has '^to-stderr$'
	[[ ! -s $OUT ]] || fail 'standard output is not empty'
}

@test "a COMMAND leaves a process that holds its standard error: after 3 s the sender says for whom it waits, after 10 s it kills ssh" {
	start_sshd
	by_ssh there "cat >$TMP/got; sleep 20 </dev/null >/dev/null &" <<<word
	[[ $(<got) == word ]]
	assert_stderr_has 'waiting for ssh to end: .*standard error' "$ERR"
	assert_stderr_has 'ssh is killed: messages' "$ERR"
}

@test "a COMMAND that fails: exit status 9, in both directions, with its last words" {
	start_sshd
	by_ssh 9 there "cat >/dev/null; echo no space >&2; exit 3" <in
	assert_stderr_has "^btrfs-ktls-pipe: the receiver's command exited with status 3: no space"
	assert_stderr_has "^btrfs-ktls-pipe: there: 'cat [^']*; exit 3' exited with status 3$"
	by_ssh 9 --receive there "cat $TMP/in; exit 3"
	assert_stderr_has 'the COMMAND on there failed'
}

@test "both hosts lack kernel TLS: one notice" {
	start_sshd
	! have_ktls || skip 'own kernel only: this kernel has TLS'
	by_ssh there "cat >$TMP/got" <in
	[[ $(grep -c 'this kernel has no TLS' "$ERR") == 1 ]] || fail "$(<"$ERR")"
	assert_lines 1 "$ERR"
}

@test "what a login shell prints is told apart, and shown by no one" {
	start_sshd "ForceCommand $TMP/login"
	cat >login <<-'END'
		#!/bin/sh
		echo 'Welcome! btrfs-ktls-pipe/ssh is here'
		printf 'no newline: '
		exec sh -c "$SSH_ORIGINAL_COMMAND"
	END
	chmod +x login
	by_ssh --receive there "cat $TMP/in"
	assert_same_file "$OUT" in
	assert_stderr_lacks 'Welcome|no newline' # foreign
}

@test "what our own shell runs for interactive logins is not run here" {
	command -v bash >/dev/null || skip 'no bash'
	start_sshd
	mkdir home
	echo "touch $TMP/ran" >home/.bashrc
	(
		unset SHLVL
		export HOME=$TMP/home SHELL=$BASH
		by_ssh there "cat >$TMP/got" <in
	)
	assert_same_file got in
	[[ ! -e ran ]] || fail '.bashrc was run'
}

@test "-q leaves only errors, on both hosts" {
	start_sshd
	by_ssh -q there "cat >$TMP/got" <in
	[[ ! -s $ERR ]] || fail "$(<"$ERR")"
	assert_same_file got in
}

@test "configuration files cannot take the stream away from COMMAND" {
	start_sshd
	cat >>ssh_config <<-'END'
		RemoteCommand echo not this
		RequestTTY force
		StdinNull yes
		ForkAfterAuthentication yes
		SessionType none
	END
	by_ssh there "cat >$TMP/got" <in
	assert_same_file got in
}

@test "the user's own LocalCommand runs, and what it prints does no harm" {
	start_sshd
	printf '%s\n' 'PermitLocalCommand yes' \
		"LocalCommand echo hello; touch $TMP/ran" >>ssh_config
	by_ssh there "cat >$TMP/got" <in
	assert_same_file got in
	[[ -e ran ]] || fail 'LocalCommand did not run'
}

@test "--mode counts on both hosts" {
	start_sshd
	by_ssh -v --mode tls12-aes256-gcm,tls12-aes128-gcm there "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_has '^btrfs-ktls-pipe: peer .*, TLS 1.2 AES-256-GCM$'
	assert_stderr_has '^btrfs-ktls-pipe: there: peer .*, TLS 1.2 AES-256-GCM$'
}

# old_ssh OPTION...: an ssh that does not know these, and does not print them
old_ssh() {
	mkdir -p old
	cat >old/ssh <<-END
		#!/bin/bash
		shopt -s nocasematch
		[[ -z "$2" || " \$* " != *" $2 "* ]] || exit 255
		for word; do
			[[ ! \$word =~ ^-o($1)= ]] || {
				echo "command-line: line 0: Bad configuration option: \$word" >&2
				exit 255
			}
		done
		[[ " \$* " == *" -G "* ]] || exec "$(command -v ssh)" "\$@"
		"$(command -v ssh)" "\$@" | grep -Eiv '^($1) '
	END
	chmod +x old/ssh
}

@test "an older OpenSSH, which knows fewer options, will do" {
	start_sshd
	local new='StdinNull|ForkAfterAuthentication|SessionType'
	old_ssh "$new" ''
	PATH=$TMP/old:$PATH by_ssh there "cat >$TMP/got" <in
	assert_same_file got in
	# 7.4, and one before -G
	old_ssh "$new|RemoteCommand" ''
	PATH=$TMP/old:$PATH by_ssh there "cat >$TMP/got2" <in
	assert_same_file got2 in
	old_ssh "$new|RemoteCommand" -G
	PATH=$TMP/old:$PATH by_ssh there "cat >$TMP/got3" <in
	assert_same_file got3 in
}

@test "a multiplexed connection carries the stream too" {
	start_sshd
	printf '%s\n' 'ControlMaster auto' "ControlPath $TMP/mux" \
		'ControlPersist 60' >>ssh_config
	cleanup_add ssh -F ssh_config -O exit there
	# A master in the background keeps standard error open.
	ssh -F ssh_config -fN -o StdinNull=yes there >/dev/null 2>&1 3>&-
	by_ssh there "cat >$TMP/got" <in
	assert_same_file got in
}

@test "through ProxyJump the stream goes directly to the address that ssh came to" {
	start_sshd
	behind_jump
	bkp ssh -v -F ssh_config inner "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_has 'connecting to 127.0.0.1, port'
}

@test "sudo -n in COMMAND works" {
	command -v sudo >/dev/null || skip 'own kernel only: no sudo'
	start_sshd
	by_ssh there "sudo -n cat >$TMP/got" <in
	assert_same_file got in
}

@test "the manager of ssh is told when there is a stream" {
	start_sshd
	"$BKP_TOOLS/manager" -- "$BKP" ssh -F ssh_config there "cat >$TMP/got" <in >told 2>"$ERR" 3>&-
	assert_same_file got in
	has_line '^READY=1' told || fail "$(<told)"
}

@test "a file of defaults counts, and the command line overrides it" {
	start_sshd
	mkdir -p config/btrfs-ktls-pipe
	printf '%s\n' '# mine' '' 'port 17000-17900' 'stats a.json' \
		>config/btrfs-ktls-pipe/ssh
	XDG_CONFIG_HOME=$TMP/config by_ssh -v --stats b.json there \
		"cat >$TMP/got" <in
	assert_stderr_has 'connecting to 127.0.0.1, port 17[0-9]{3}$'
	[[ -s b.json && ! -e a.json ]] || fail 'the file counted'
}
