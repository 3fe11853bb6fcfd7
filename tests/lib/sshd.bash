# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A real sshd(8) with a host key, a configuration and a port of its own, and
# ssh(1) with a configuration that knows it as the host "there". Loaded after
# helpers.bash.
#
# What a test may change before or after start_sshd:
#   far_path DIR    the PATH of logins
#   sshd_config     lines that begin the configuration of the next start_sshd
#   ssh_config      the configuration of ssh

# Its keys are made once for a file.
setup_file() {
	ssh-keygen -q -t ed25519 -N '' -f "$BATS_FILE_TMPDIR/host" &&
		ssh-keygen -q -t ed25519 -N '' -f "$BATS_FILE_TMPDIR/user"
}

# start_sshd [LINE...]: the host "there"; LINEs of sshd_config(5) come first
start_sshd() {
	local keys=$BATS_FILE_TMPDIR
	command -v sshd >/dev/null || [[ -x /usr/sbin/sshd ]] ||
		skip 'own kernel only: no sshd'
	[[ $(id -u) == 0 ]] || skip 'own kernel only: sshd needs root'
	cleanup_add end_far
	mkdir -p /run/sshd far.bin
	[[ -e far.bin/btrfs-ktls-pipe ]] ||
		ln -s "$(realpath "$BKP")" far.bin/btrfs-ktls-pipe
	[[ -s authorized ]] || cp "$keys/user.pub" authorized
	printf '%s\n' "$@" "HostKey $keys/host" \
		"SetEnv PATH=$TMP/far.bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=$TMP" \
		"AuthorizedKeysFile $TMP/authorized" 'PermitRootLogin yes' \
		'PasswordAuthentication no' 'StrictModes no' 'PidFile none' \
		"ListenAddress ${SSHD_ADDRESS-127.0.0.1}" >sshd_config
	until_true try_sshd
	printf 'there %s\n' "$(<"$keys/host.pub")" >known_hosts
	cat >ssh_config <<-END
		Host there
		HostName ${SSHD_ADDRESS-127.0.0.1}
		Port $SSHD_PORT
		User root
		HostKeyAlias there
		UserKnownHostsFile $TMP/known_hosts
		IdentityFile $keys/user
		IdentitiesOnly yes
		BatchMode yes
	END
}

# A port that is taken is tried again with another one.
try_sshd() {
	SSHD_PORT=$((20000 + SRANDOM % 12000))
	${SSHD_RUN-} "$BKP_TOOLS/deadline" "$((5 * BKP_DEADLINE))" /usr/sbin/sshd -D -e \
		-f sshd_config -p "$SSHD_PORT" 2>sshd.err 3>&- 7>&- 8>&- &
	SSHD_PID=$!
	PIDS+=("$SSHD_PID")
	until_true sshd_spoke || return
	has_line 'Server listening' sshd.err
}

sshd_spoke() {
	has_line 'Server listening' sshd.err || ! kill -0 "$SSHD_PID" 2>/dev/null
}

# behind_jump: "inner" is the same host, behind the jump host "there"
behind_jump() {
	printf '%s\n' 'Host inner' 'ProxyJump there' >>ssh_config
	sed -n '/^Host there/,/^Host inner/p' ssh_config | sed '1d;$d' >>ssh_config
}

# by_ssh [CODE] ARG...: runs the verb ssh, whose standard output is then in
# $OUT, and its messages in $ERR
by_ssh() {
	local want=0
	if [[ $1 =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	bkp "$want" ssh -F ssh_config "$@"
}

# spawn_ssh ARG...: the same in the background, with our standard output; sets
# SSH_PID; then ssh_ends CODE
spawn_ssh() {
	spawn SSH_PID "$ERR" ssh -F ssh_config "$@"
}

ssh_ends() {
	local code=0
	wait "$SSH_PID" || code=$?
	((code == $1)) && return
	show "$ERR" sshd.err
	fail "ssh exited $code, not $1"
}

# diverted TOOL ARG...: the port that either host tells the other leads to that
# tool
diverted() {
	local port=$((15000 + SRANDOM % 2000))
	WAY=(--port "$port")
	PORT=$port
	if [[ $1 == relay ]]; then
		start_relay "${@:2}"
	else
		start_tool "$@"
	fi
	# It reads the line with the key, and the answers "ready" and "at".
	cat >far.bin/diverted <<-END
		#!/bin/bash
		set -o pipefail
		divert() {
			while ((\$1 > 0)) && IFS= read -r line; do
				echo "\${line/$port/$PORT}"
				set -- \$((\$1 - 1))
			done
			exec cat
		}
		divert 1 | sh -c "\$SSH_ORIGINAL_COMMAND" | divert 2
	END
	chmod +x far.bin/diverted
	sed -i 's/^/command="diverted" /' authorized
}

# far_processes: prints the processes of the far side, and those of its COMMAND
# if it has the word $MARK in its command line
far_processes() {
	pgrep -af "btrfs-ktls-pipe ssh-serve[r] .*${MARK-$TMP}" || :
}

# end_far: what a failed test leaves on the far side, COMMAND too
end_far() {
	# shellcheck disable=SC2046 # words
	kill -9 $(pgrep -f -- "$TMP/") 2>/dev/null || :
}

nothing_is_left() {
	[[ -z $(far_processes) ]]
}
