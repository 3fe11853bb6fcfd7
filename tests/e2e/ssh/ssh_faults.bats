#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The verb ssh: bad input, what exits how, and that nothing is left running.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/sshd

# one_line REGEX: our only line in the messages has it
one_line() {
	grep '^btrfs-ktls-pipe: ' "$ERR" >ours || :
	assert_lines 1 ours || return
	assert_stderr_has "$1" ours
}

# far_login COMMAND: what runs in place of every far command
far_login() {
	start_sshd "ForceCommand $TMP/login"
	printf '%s\n' '#!/bin/sh' "$@" >login
	chmod +x login
}

@test "words that ssh or we do not know: exit status 2, and the word is named" {
	bkp 2 ssh
	one_line 'ssh needs a HOST'
	bkp 2 ssh '' true
	one_line 'ssh needs a HOST'
	bkp 2 ssh host
	one_line 'needs a COMMAND'
	bkp 2 ssh -z host true
	one_line 'ssh has no option -z'
	bkp 2 ssh --no-such host true
	one_line 'no-such'
	bkp 2 ssh -4t host true
	one_line "ssh's option -t cannot be used"
	bkp 2 ssh --port 9-8 host true
	one_line '--port'
	bkp 2 ssh --mode none host true
	one_line 'none'
	bkp 2 ssh-server
	one_line 'request'
	bkp 2 ssh-server --forced
	one_line 'FILTER'
}

@test "the file of defaults is found without HOME, as in a service of systemd" {
	local home
	[[ $(id -u) == 0 ]] || skip 'own kernel only: needs root'
	home=$(getent passwd 0 | cut -d: -f6)
	mkdir -p home/.config/btrfs-ktls-pipe
	echo nonsense >home/.config/btrfs-ktls-pipe/ssh
	# shellcheck disable=SC2016 # expanded there
	run -2 unshare --mount sh -c 'mount --bind "$1" "$2" &&
		exec env -u HOME -u XDG_CONFIG_HOME "$3" ssh host true' \
		sh "$TMP/home" "$home" "$(realpath "$BKP")"
	[[ $output == *"$home/.config/btrfs-ktls-pipe/ssh: "*nonsense* ]] || fail "$output"
	# A user without a home, as in some containers, has none.
	for_other_users
	run -2 setpriv --reuid $((100000 + SRANDOM % 900000000)) \
		env -u HOME -u XDG_CONFIG_HOME "$BKP" ssh host
	[[ $output == *'needs a COMMAND'* ]] || fail "$output"
}

@test "an empty COMMAND is none, and --fallback has no kernel TLS: exit status 2" {
	bkp 2 ssh host ''
	one_line 'ssh needs a COMMAND'
	bkp 2 ssh --fallback --ktls require host true
	one_line '--fallback cannot be used with --ktls require'
}

@test "mode none is refused with 2, and the help does not offer it" {
	bkp 2 ssh --mode none host true
	assert_stderr_has 'ssh cannot be used with --mode none'
	bkp ssh --help
	grep -A 6 -e '--mode LIST' "$OUT" | tee /dev/stderr | grep -q 'tls12-aes256-gcm$'
	bkp connect --help
	grep -q 'tls12-aes256-gcm; or none$' "$OUT"
}

@test "a bad line in the file of defaults, or one that excludes an option: exit status 2, and the file is named" {
	mkdir -p .config/btrfs-ktls-pipe
	echo prot 7000 >.config/btrfs-ktls-pipe/ssh
	HOME=$TMP XDG_CONFIG_HOME='' bkp 2 ssh host true
	one_line "$TMP/.config/btrfs-ktls-pipe/ssh: .*--prot"
	HOME=$TMP XDG_CONFIG_HOME='' bkp ssh --help
	HOME=$TMP XDG_CONFIG_HOME='' bkp 2 ssh --help=7
	echo fallback >.config/btrfs-ktls-pipe/ssh
	HOME=$TMP XDG_CONFIG_HOME='' bkp 2 ssh --name snap host true
	one_line "--fallback: .*options of $TMP/.config/btrfs-ktls-pipe/ssh count, too"
}

@test "a file of defaults that is too long or cannot be read: exit status 2, and it says which" {
	local file=$TMP/btrfs-ktls-pipe/ssh
	export XDG_CONFIG_HOME=$TMP
	mkdir btrfs-ktls-pipe
	{ yes fallback | head -n 63; printf '\n# the end\n'; } >"$file"
	bkp 2 ssh host
	one_line 'needs a COMMAND'
	echo quiet >>"$file"
	bkp 2 ssh host true
	one_line "$file has more than 63 options$"
	printf 'stats %0600d\n' 7 >"$file"
	bkp 2 ssh host true
	one_line "$file has an option that is too long: --stats=0+\.\.\.$"
	rm "$file"
	mkdir "$file"
	bkp 2 ssh host true
	one_line "cannot read $file: Is a directory"
	rmdir "$file"
	ln -s ssh "$file"
	bkp 2 ssh host true
	one_line "cannot read $file: Too many levels"
	rm "$file"
	mkfifo "$file"
	bkp 2 ssh host true
	one_line "$file is not a regular file"
}

@test "a host that does not exist: exit status 255, and a sentence" {
	bkp 255 ssh -F none -o BatchMode=yes no-such-host.invalid true
	one_line 'ssh to no-such-host.invalid failed'
}

@test "no ssh here: exit status 4, and a sentence" {
	PATH=$TMP/empty bkp 4 ssh host true
	one_line 'cannot run ssh.*install'
}

@test "ssh is killed before the answer: exit status 4, and the signal is named" {
	mkdir killed
	printf '%s\n' '#!/bin/sh' 'kill -9 $$' >killed/ssh
	chmod +x killed/ssh
	PATH=$TMP/killed:$PATH bkp 4 ssh host true
	one_line 'was killed by signal 9'
}

@test "the far host lacks the program: exit status 127, and a sentence" {
	start_sshd
	rm far.bin/*
	by_ssh 127 there true
	one_line 'there has no btrfs-ktls-pipe: install it there.*PATH'
}

@test "the far program is too old: exit status 4, and a sentence" {
	start_sshd
	rm far.bin/*
	printf '%s\n' '#!/bin/sh' 'echo "unknown verb $1" >&2; exit 2' \
		>far.bin/btrfs-ktls-pipe
	chmod +x far.bin/*
	by_ssh 4 there true
	one_line 'did not start ssh-server: .*upgrade it'
}

@test "the far program is of another release: exit status 4, and a sentence" {
	far_login "echo btrfs-ktls-pipe/ssh ready 77" 'cat >/dev/null'
	by_ssh 4 there true
	one_line 'another release.*upgrade'
}

@test "the far program ends after it has said where it listens: its message counts, not the port" {
	far_login 'echo btrfs-ktls-pipe/ssh ready 1' 'head -c 130 >/dev/null' \
		'echo btrfs-ktls-pipe/ssh at 127.0.0.1 1' \
		'sleep 0.2; echo its message >&2; exit 7'
	by_ssh 4 there true
	assert_stderr_has '^its message$'
	assert_stderr_has 'did not start a stream .exit status 7.: see its message above'
	assert_stderr_lacks 'open that TCP port'
}

@test "no address of the far host is known that we could connect to: exit status 4, and the remedies are named" {
	far_login 'echo btrfs-ktls-pipe/ssh ready 1' 'head -c 130 >/dev/null' \
		'echo btrfs-ktls-pipe/ssh at fe80::1%eth7 1' 'cat >/dev/null'
	behind_jump
	by_ssh 4 inner true
	assert_stderr_has 'no address of inner .*: give --address, --reverse or --fallback'
}

@test "the far host gives up before we do: --fallback still goes through ssh" {
	start_tool peer hold
	far_login 'echo btrfs-ktls-pipe/ssh ready 1' 'head -c 130 >/dev/null' \
		"echo btrfs-ktls-pipe/ssh at 127.0.0.1 $PORT" 'sleep 0.5' \
		'echo btrfs-ktls-pipe/ssh nowhere' 'sleep 3; exit 7'
	by_ssh 4 --fallback --handshake-timeout 60s there true
	assert_stderr_has 'going through ssh \(--fallback\)'
	assert_stderr_has 'did not start a stream .exit status 7.'
	require_localhost
	by_ssh 4 --fallback --address localhost there true
	assert_stderr_has 'going through ssh \(--fallback\)'
	assert_stderr_lacks 'trying 127.0.0.1'
}

@test "the far host gives up while we ask for ssh's channel: --fallback still goes through ssh" {
	far_login 'echo btrfs-ktls-pipe/ssh ready 1' 'head -c 130 >/dev/null' \
		"echo btrfs-ktls-pipe/ssh at 127.0.0.1 1" 'sleep 1.5' \
		'echo btrfs-ktls-pipe/ssh nowhere' \
		'echo btrfs-ktls-pipe/ssh channel' 'sleep 1; exit 7'
	by_ssh 5 --fallback there true # the channel ends
	assert_stderr_has 'going through ssh \(--fallback\)'
	assert_stderr_lacks 'does not go through ssh'
}

@test "no answer to the order to use ssh's channel: exit status 4, and nothing else is said in it" {
	full_tier_only 20
	far_login 'echo btrfs-ktls-pipe/ssh ready 1' 'head -n 1 >/dev/null' \
		'echo btrfs-ktls-pipe/ssh at 127.0.0.1 1' "exec cat >$TMP/said"
	by_ssh 4 --fallback there true
	until_true has_line '^btrfs-ktls-pipe/ssh channel$' said
	assert_lines 1 said
}

@test "the login fails: exit status 255" {
	start_sshd
	: >authorized
	by_ssh 255 there true
	one_line 'ssh to there failed'
}

@test "a far host that prints only garbage: exit status 4, and nothing is left" {
	far_login "exec head -c 20000 /dev/urandom # $TMP"
	by_ssh 4 there true
	one_line 'more than 8192 bytes and no answer|did not start a stream'
	far_login "yes $TMP/yes"
	by_ssh 4 there true
	one_line 'more than 8192 bytes and no answer'
	MARK=$TMP/yes until_true nothing_runs
}

# Is there no process with $MARK in its command line?
nothing_runs() {
	! pgrep -f -- "$MARK" >/dev/null
}

@test "an answer that never comes: exit status 4 within its time, and nothing is left" {
	full_tier_only 20
	far_login "exec cat - $TMP/fifo"
	mkfifo fifo
	by_ssh 4 there true
	one_line 'no answer within 20 s after the login'
	echo >fifo
	MARK=$TMP/fifo until_true nothing_runs
}

@test "all ports are taken: exit status 4, and both the range and the remedy are named" {
	start_sshd
	by_ssh 4 --port "$SSHD_PORT" there true
	assert_stderr_has "cannot listen on 127.0.0.1:$SSHD_PORT"
	assert_stderr_has 'there cannot listen: see its message above'
}

@test "ssh-server alone says what it is for" {
	bkp 2 ssh-server hello
	assert_stderr_has 'request'
	bkp 4 ssh-server 1 send -- true
	assert_stderr_has 'ended'
	head -c 200 /dev/zero | bkp 2 ssh-server 1 send -- true
	assert_stderr_has "started by 'btrfs-ktls-pipe ssh'"
}

# cannot CODE REGEX WORDS [ORDER]: ssh-server is asked for these, gets the key
# and perhaps an order, and ssh stays
cannot() {
	printf '%064d 00000 %-63s\n%s' 7 '' "${4-}" >&7
	bkp "$1" ssh-server "1 $3 -- touch%20$TMP/started" <lifeline
	# With name=, another process writes the messages, perhaps later.
	until_true has_line "^btrfs-ktls-pipe: other host: $2" "$ERR"
	[[ ! -e started ]] || fail "$3: COMMAND was started"
}

@test "what ssh-server cannot do it refuses, and does not start COMMAND" {
	export SSH_CONNECTION='127.0.0.1 9 127.0.0.1 22'
	have_fifo lifeline
	exec 7<>lifeline
	cannot 2 'mode none is not possible$' 'receive mode=none'
	cannot 2 "unknown mode 'x'" 'receive mode=x'
	cannot 2 'an unknown order came$' receive $'btrfs-ktls-pipe/ssh nowhere\n'
	SSH_USER_AUTH=$TMP/none cannot 4 \
		'--name: cannot read how this login was .*/none.: No such file' \
		'receive name=00ff'
	SSH_USER_AUTH=/dev/null cannot 4 \
		'--name: cannot read how this login was .*/dev/null.$' \
		'receive name=00ff'
	for SSH_CONNECTION in '' '127.0.0.1 9'; do
		cannot 4 'SSH_CONNECTION has no addresses .is ssh-server' receive
	done
	SSH_CONNECTION='' cannot 4 'SSH_CONNECTION has no addresses' \
		'receive reverse'
}

@test "--ktls require without kernel TLS here: exit status 6, ssh is not started" {
	! have_ktls || skip 'own kernel only: this kernel has TLS'
	mkdir here
	printf '%s\n' '#!/bin/sh' ": >$TMP/started" >here/ssh
	chmod +x here/ssh
	PATH=$TMP/here:$PATH bkp 6 ssh --ktls require there true
	[[ ! -e started ]] || fail 'ssh was started'
}

@test "--ktls require that the far host cannot meet: exit status 4, COMMAND is not started" {
	require_ktls
	not_under sanitizers 'they need what is refused here'
	not_under valgrind 'it needs what is refused here'
	start_sshd
	rm far.bin/*
	# the option TCP_ULP
	printf '%s\n' '#!/bin/sh' "exec '$BKP_TOOLS/refuse' ENOTSUP \\" \
		"setsockopt:1=6:2=31 -- '$(realpath "$BKP")' \"\$@\"" \
		>far.bin/btrfs-ktls-pipe
	chmod +x far.bin/*
	by_ssh 4 --ktls require there "touch $TMP/started"
	assert_stderr_has 'there: cannot use kernel TLS: .*--ktls require'
	assert_stderr_has 'did not start a stream .exit status 6.'
	[[ ! -e started ]] || fail 'COMMAND was started'
}

# The stream stands still: the far COMMAND has its first bytes, and waits.
standing_stream() {
	start_sshd
	mkfifo gate feed
	exec 7<>feed
	make_data in "${BYTES-100000}"
	spawn_ssh --retry "${RETRIES-3s}" there \
		"head -c 1000 >$TMP/head; read x <$TMP/gate; cat >$TMP/got" <feed
	cat in >&7
	until_true test -s head
}

far_ended() {
	nothing_is_left && MARK=$TMP/gate nothing_runs
}

@test "ssh killed during the stream: the stream goes on, and is delivered" {
	standing_stream
	kill -9 "$(pgrep -P "$SSH_PID" -x ssh)"
	echo >gate
	exec 7>&-
	ssh_ends 0
	cat head got >all
	assert_same_file all in
}

@test "our launcher is killed and ssh is stopped: the stream is delivered, and we do not wait for ssh" {
	full_tier_only 12
	local ssh
	standing_stream
	ssh=$(pgrep -P "$SSH_PID" -x ssh)
	kill -9 "$(launcher_of "$SSH_PID")"
	kill -STOP "$ssh"
	cleanup_add kill -9 "$ssh"
	echo >gate
	exec 7>&-
	ssh_ends 0
	cat head got >all
	assert_same_file all in
}

@test "the near process killed: the far COMMAND is killed when --retry is over" {
	standing_stream
	kill -9 "$SSH_PID"
	ssh_ends 137
	exec 7>&-
	until_true far_ended
	[[ ! -e got ]] || fail 'COMMAND saw the end of its input'
}

@test "a signal here ends at once a far COMMAND that takes nothing, which does not see the end of its input" {
	RETRIES=100s BYTES=8000000 standing_stream
	kill -TERM "$SSH_PID"
	ssh_ends 143
	exec 7>&-
	PATIENT=20 until_true far_ended
	[[ ! -e got ]] || fail 'COMMAND saw the end of its input'
}

@test "a far COMMAND that fails ends a stream whose bytes nobody takes here: exit status 9" {
	start_sshd
	mkfifo out
	exec 7<>out
	spawn_ssh --receive there 'head -c 3000000 /dev/zero; exit 3' >out
	ssh_ends 9
	assert_stderr_has "^btrfs-ktls-pipe: there: 'head [^']*; exit 3' exited with status 3$"
	assert_stderr_has '^btrfs-ktls-pipe: the COMMAND on there failed$'
}

@test "a near process that dies before the stream ends the far side at once" {
	start_sshd
	# The key line never comes.
	{ sleep 60 & echo $! >sleeper; wait; } 3>&- |
		ssh -F ssh_config there btrfs-ktls-pipe ssh-server 1 receive -- \
			"touch%20$TMP/started" >answer 2>far.err 3>&- &
	PIDS+=($!)
	until_true grep -q ready answer
	kill "$(<sleeper)"
	PATIENT=10 until_true far_ended # 20 s after its start without that
	[[ ! -e started ]] || fail 'COMMAND was started'
}

@test "a lifeline that ends before anybody connected ends the far side at once" {
	start_sshd
	mkfifo lifeline
	exec 7<>lifeline
	ssh -F ssh_config there btrfs-ktls-pipe ssh-server 1 receive -- \
		"touch%20$TMP/started" <lifeline >answer 2>far.err 7>&- &
	PIDS+=($!)
	until_true grep -q ready answer
	printf '%064d 00000 %-63s\n' 7 '' >&7
	until_true grep -q 'at 127.0.0.1' answer
	exec 7>&-
	PATIENT=20 until_true far_ended
	[[ ! -e started ]] || fail 'COMMAND was started'
}

@test "our input is cut short: exit status 8, and the far COMMAND fails" {
	start_sshd
	printf 'btrfs-stream\0 and no end' |
		by_ssh 8 there "cat >$TMP/got && touch $TMP/ended"
	assert_stderr_has 'cut short'
	until_true far_ended
	[[ ! -e ended ]] || fail 'COMMAND saw the end of its input'
}

# Then there is no launcher, whose end would be the end of ssh.
@test "without sendmsg the near host goes on unconfined, and the stream is delivered" {
	make_data in 1000000
	start_sshd
	wrapped '' "\"$BKP_TOOLS/refuse\" EPERM sendmsg --"
	by_ssh there "cat >$TMP/got" <in
	assert_stderr_has 'the launcher does not answer: .*; going on unconfined'
	assert_same_file in got
	by_ssh 6 --confine require there true <in
}
