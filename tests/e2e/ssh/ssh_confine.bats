#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What reads the network can do nothing else, on either host of the verb ssh.

load ../../lib/helpers
load ../../lib/confine
load ../../lib/sshd

setup() {
	set_up
	not_under valgrind 'it opens files itself'
}

# far_of COMM: prints the processes of the far side that have this name
far_of() {
	local pid
	for pid in $(far_processes | cut -d' ' -f1); do
		[[ $(<"/proc/$pid/comm") != "$1" ]] || echo "$pid"
	done 2>/dev/null
}

# is_root PID: its groups are those of a login
is_root() {
	statuses "$1"
	has "$1" Uid $'0\t0\t0\t0'
	has "$1" NoNewPrivs 0
}

# stands_still OPTION...: a stream that has begun and waits for its input
stands_still() {
	: >got
	have_fifo feed
	exec 8<>feed
	spawn_ssh "$@" there "echo \$\$ >$TMP/pid; exec cat >>$TMP/got" <feed
	echo word >&8
	until_true test -s got
	FAR=$(far_of btrfs-ktls-pipe)
}

ends_still() {
	exec 8>&-
	ssh_ends 0
	until_true nothing_is_left
	[[ $(<got) == word ]]
}

@test "while a stream runs, both programs are confined, and the launchers, ssh and COMMAND are not" {
	local way pid
	start_sshd
	for way in '' --reverse; do
		stands_still $way
		for pid in "$SSH_PID" "$FAR"; do
			is_confined "$pid"
			is_root "$(launcher_of "$pid")"
		done
		is_root "$(<pid)"
		is_root "$(pgrep -x ssh -P "$SSH_PID")"
		if may_try; then
			tried "$SSH_PID"
			tried "$FAR"
		fi
		ends_still
	done
}

@test "--fallback: the stream through ssh is carried by confined processes, too" {
	local pid
	start_sshd
	stands_still --port "$SSHD_PORT" --fallback # sshd has that port
	is_confined "$SSH_PID"
	[[ $FAR ]]
	for pid in $FAR; do
		is_confined "$pid"
	done
	ends_still
}

# fake_ssh: the far program runs here; what it is told is also in the file line
fake_ssh() {
	mkdir near.bin
	ln -s "$(realpath "$BKP")" near.bin/btrfs-ktls-pipe
	printf '%s\n' '#!/bin/bash' \
		'[[ " $* " != *" -G "* ]] || { echo hostname 127.0.0.1; exit; }' \
		'exec < <(tee line)' \
		'SSH_CONNECTION="127.0.0.1 1 127.0.0.1 22" exec sh -c "${!#}"' \
		>near.bin/ssh
	chmod +x near.bin/ssh
}

@test "the key of a stream is in no launcher, and not in COMMAND" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: reads the memory of others, as root"
	not_under sanitizers "they keep what was freed"
	local pid hex
	fake_ssh
	PATH=$TMP/near.bin:$PATH stands_still
	hex=$(grep -o -m 1 '^[0-9a-f]\{64\}' line)
	for pid in "$SSH_PID" "$FAR"; do
		[[ $("$BKP_TOOLS/findkey" "$hex" "$pid" 3>&-) ]] ||
			fail "process $pid has no key?"
	done
	for pid in "$(launcher_of "$SSH_PID")" "$(launcher_of "$FAR")" "$(<pid)"; do
		"$BKP_TOOLS/findkey" "$hex" "$pid" 3>&- >>places || :
	done
	[[ ! -s places ]] || fail "$(<places)"
	ends_still
}

@test "--confine require is content on either host, and off says so" {
	has_seccomp && has_landlock || skip "own kernel only: needs Landlock and seccomp"
	start_sshd
	by_ssh -v --confine require there "cat >$TMP/got" <<<word
	[[ $(grep -c 'confined: user' "$ERR") == 2 ]] || fail "$(<"$ERR")"
	by_ssh --confine off there "cat >$TMP/got" <<<word
	assert_stderr_has 'confine off: a flaw'
	[[ $(<got) == word ]]
}
