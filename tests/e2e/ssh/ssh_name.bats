#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# ssh --name: a push whose near process is gone is continued by the same
# command.

load ../../lib/helpers
load ../../lib/sshd
load ../../lib/netns
load ../../lib/snapshot

setup() {
	set_up
	FAR=there
	COMMAND="echo run >>$TMP/runs; cat >$TMP/got"
	make_data in 3000000
}

# suspends SIGNAL [BYTES]: a push of "in" whose near process gets SIGNAL when
# COMMAND has BYTES (1000000)
suspends() {
	local bytes=${2:-1000000}
	starts "$bytes"
	kill -"$1" "$SSH_PID"
	wait "$SSH_PID" || CODE=$?
	exec 8>&-
}

# starts BYTES [OPTION]...: the push stands still when COMMAND has BYTES
starts() {
	[[ -p feed ]] || mkfifo feed
	exec 8<>feed
	spawn_ssh --retry 5m --name snap "${@:2}" "$FAR" "$COMMAND" <feed
	head -c "$1" in >&8
	until_true size_is "$1" got
}

# the_rest_comes: what "starts" began is delivered
the_rest_comes() {
	tail -c +1000001 in >&8
	exec 8>&-
	ssh_ends 0
	arrived
}

# accounted FILE: how many of COMMAND's lines are there, and how many were dropped
accounted() {
	awk '/^[0-9]+$/ { n++ }
		match($0, /[0-9]+ lines? of messages/) { n += substr($0, RSTART) }
		END { print n }' "$1"
}

BUSY='127.0.0.1:[0-9]+: refused: the listener is busy: it serves another stream, another process has this one, or --per-client allows no more$'

# What the far side says of it
LIVES='^btrfs-ktls-pipe: there: 127.0.0.1:[0-9]+ wants to restart the stream, but '

# starts_slowly [OPTION]...: a push that has been told where to connect, and
# does so when there is a file "go"; sets SLOW_PID, and its messages are in
# slow.err
starts_slowly() {
	mkdir -p slow
	cat >slow/ssh <<-END
		#!/bin/bash
		exec /usr/bin/ssh "\$@" > >(while IFS= read -r line; do
			[[ \$line != *pipe/ssh\ at\ * ]] || : >$TMP/held
			while [[ \$line == *pipe/ssh\ at\ * && ! -e $TMP/go ]] &&
				kill -0 \$\$; do sleep 0.05; done
			printf '%s\\n' "\$line"
		done)
	END
	chmod +x slow/ssh
	rm -f held
	PATH=$TMP/slow:$PATH spawn SLOW_PID slow.err ssh -F ssh_config \
		--retry 60s --name snap "$@" "$FAR" "$COMMAND" <in
	until_true test -e held
}

# slow_is_busy: it goes on, and finds that the stream has a connection
slow_is_busy() {
	local code=0
	: >go
	wait "$SLOW_PID" || code=$?
	((code == 5)) || {
		show slow.err
		fail "exit status $code"
	}
	assert_stderr_has "$BUSY" slow.err
}

# stranger: sets USER_ID to the number of a user that nobody has
stranger() {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	USER_ID=$((100000 + SRANDOM % 900000000))
}

# ssh_server USER: ssh-server without sshd, of a user with that number, whose
# HOME is "home" here; "receive" with a name; its answers are in far.out
ssh_server() {
	local home=/proc/self/cwd/home
	[[ ! ${SERVER_PID-} ]] || kill "$SERVER_PID"
	have_fifo lifeline
	exec 7<>lifeline
	SSH_CONNECTION='127.0.0.1 9 127.0.0.1 22' HOME=$home \
		"$BKP_TOOLS/deadline" "$BKP_DEADLINE" setpriv --reuid "$1" \
		--regid "$1" --clear-groups "$BKP" ssh-server \
		'1 receive name=00ff -- true' \
		<lifeline >far.out 2>far.err 3>&- 7>&- &
	SERVER_PID=$!
	PIDS+=("$SERVER_PID")
	printf '%064d 00000 %-63s\n' 7 '' >&7
}

# The ssh-server that has the stream; its supervisor has another name.
owner() {
	local pid
	for pid in $(pgrep -f "ssh-serve[r] .*name=.*$TMP"); do
		[[ $(<"/proc/$pid/comm") != btrfs-ktls-pipe ]] || echo "$pid"
	done
}

size_is() {
	[[ -e $2 && $(stat -c %s "$2") == "$1" ]]
}

# again [CODE] [OPTION]...: the same command, with standard input
again() {
	local want=0
	if [[ ${1-} =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	by_ssh "$want" --retry 60s --name snap "$@" "$FAR" "$COMMAND"
}

arrived() {
	assert_same_file in got
	assert_lines 1 runs
	until_true nothing_is_left
}

@test "the near process is killed: the same command goes on at the exact byte, with one COMMAND, and hears it" {
	start_sshd
	COMMAND+='; echo all came >&2'
	suspends KILL
	again --stats again.json <in
	assert_stderr_has 'all came$'
	assert_stderr_has 'the stream continues at byte 1000000'
	[[ $(<again.json) == *'"compared": 1000000, '* ]] || fail "$(<again.json)"
	arrived
}

@test "SIGINT suspends the push, says so, and does not wait for the far host" {
	start_sshd
	BKP=$TMP/with_int
	printf '%s\n' '#!/bin/sh' "exec env --default-signal=INT $(realpath far.bin/btrfs-ktls-pipe) \"\$@\"" >with_int
	chmod +x with_int
	suspends INT
	((CODE == 130)) || fail "exit status $CODE"
	assert_stderr_has 'stopped after 1000000 bytes; .* waits for at most 5m; the same command continues it'
	again <in
	arrived
}

@test "another stream is refused with 8, and the right one still continues" {
	start_sshd
	suspends KILL
	make_data other 3000000
	again 8 <other
	assert_stderr_has 'another stream, not the one that was begun'
	again <in
	arrived
}

@test "two at once: the second is told busy, and the first is delivered, and hears of it" {
	start_sshd
	starts 1000000 -v
	ERR=$TMP/second.err again 5 --retry 1s <in
	assert_stderr_has "$BUSY" second.err
	the_rest_comes
	assert_stderr_has "$LIVES"
	assert_stderr_lacks "$LIVES" second.err
}

@test "two at the same moment: the first that connects is delivered, the other is told busy" {
	start_sshd
	starts_slowly --retry 1s -v
	starts 1000000
	slow_is_busy
	the_rest_comes
	assert_stderr_has "$LIVES"
	assert_stderr_lacks "$LIVES" slow.err
}

@test "the first is delivered while the second waits: that one exits 5, and says so" {
	local code=0
	start_sshd
	starts 1000000
	starts_slowly -v
	: >go
	until_true grep -q 'listener is busy' slow.err
	the_rest_comes
	wait "$SLOW_PID" || code=$?
	((code == 5)) || fail "exit status $code: $(<slow.err)"
	assert_stderr_has 'the stream of that name on there ended while we waited for it$' slow.err
}

@test "three at once: both that come too late are told busy" {
	start_sshd
	starts 1000000
	starts_slowly --retry 1s
	ERR=$TMP/third.err again 5 --retry 1s <in
	assert_stderr_has "$BUSY" third.err
	slow_is_busy
	the_rest_comes
}

@test "pushes that were killed before they connected take nothing from the next" {
	[[ $BKP_TIER == full ]] || skip 'full tier only: ten logins'
	start_sshd
	suspends KILL
	for _ in 1 2 3 4 5 6 7 8 9; do
		starts_slowly
		kill -9 "$SLOW_PID"
		wait "$SLOW_PID" || :
	done
	again <in
	arrived
}

# ssh waits 20 s for an answer. In a guest so many logins take longer.
@test "eight wait to connect: one more is refused with 5, and the stream is delivered" {
	[[ $BKP_TIER == full && ! ${BKP_GUEST-} ]] ||
		skip 'own kernel only, full tier only: ten logins in 20 s'
	start_sshd
	starts 1000000
	for _ in 1 2 3 4 5 6 7 8; do
		starts_slowly
	done
	ERR=$TMP/last.err again 5 <in
	assert_stderr_has 'too many processes ask for this stream' last.err
	: >go
	the_rest_comes
}

@test "a folder in /tmp that another user made does not prevent a name" {
	local mine
	stranger
	for_other_users
	mkdir -m 755 "/tmp/btrfs-ktls-pipe-$USER_ID" home
	cleanup_add rmdir "/tmp/btrfs-ktls-pipe-$USER_ID"
	chown "$USER_ID" home
	ssh_server "$USER_ID"
	until_true has_line 'ssh at 127' far.out
	mine=(home/.local/state/btrfs-ktls-pipe/*)
	[[ -S ${mine[0]} ]] || fail "no socket: ${mine[*]}"
	[[ $(stat -c %a:%u home/.local/state/btrfs-ktls-pipe) == "700:$USER_ID" ]]
}

@test "without a home to write to the folder is in /tmp, and one that is taken is named with a remedy" {
	local folder
	stranger
	folder=/tmp/btrfs-ktls-pipe-$USER_ID
	for_other_users
	ssh_server "$USER_ID"
	cleanup_add rm -rf "$folder"
	until_true has_line 'ssh at 127' far.out
	chown 0 "$folder"
	ssh_server "$USER_ID"
	until_true has_line "$folder is not a directory of user $USER_ID with mode 0700 .remove it, or " far.err
}

@test "a folder that cannot be locked is reported as such, not as one to remove" {
	stranger
	not_under sanitizers 'they need what is refused here'
	not_under valgrind 'it needs what is refused here'
	for_other_users
	cp "$BKP_TOOLS/refuse" .
	printf '%s\n' '#!/bin/sh' "exec ./refuse EIO flock -- $BKP \"\$@\"" >lockless
	chmod 755 lockless refuse
	cleanup_add rm -rf "/tmp/btrfs-ktls-pipe-$USER_ID"
	BKP=./lockless
	ssh_server "$USER_ID"
	until_true has_line \
		"--name: cannot lock /tmp/btrfs-ktls-pipe-$USER_ID: Input/output error" far.err
	assert_stderr_lacks 'remove it' far.err
}

@test "a stopped ssh-server that holds the lock of the folder stops no other one: it says so and ends" {
	local code=0 folder=home/.local/state/btrfs-ktls-pipe
	stranger
	for_other_users
	[[ $BKP_TIER == full ]] ||
		skip "${BKP_GUEST:+own kernel only: }full tier only: takes 11 s"
	mkdir -p "$folder"
	chmod 700 "$folder"
	chown -R "$USER_ID" home
	exec 9<"$folder"
	flock 9
	ssh_server "$USER_ID"
	wait "$SERVER_PID" || code=$?
	exec 9<&-
	((code)) || fail "exit status 0"
	until_true has_line \
		'a stopped process holds the lock of .*btrfs-ktls-pipe' far.err
}

@test "the socket of an ssh-server that was killed is removed by the next with another name" {
	local socket
	start_sshd
	suspends KILL
	socket=$(ss -xanpH | grep "pid=$(owner)," | grep -oE '[0-9a-f]{8}-[0-9a-f]{32}')
	socket=/run/btrfs-ktls-pipe-ssh/$socket
	[[ -S $socket ]] || fail "the socket: $socket"
	kill -9 "$(owner)"
	until_true nothing_is_left
	by_ssh --name other "$FAR" "$COMMAND" <in
	[[ ! -e $socket ]] || fail "$socket is left"
}

@test "--discard ends the waiting COMMAND, and says so if none waits" {
	start_sshd
	suspends KILL
	again --discard
	assert_stderr_has 'the stream is abandoned'
	until_true nothing_is_left
	assert_prefix got in
	again 5 --discard
	assert_stderr_has 'no stream of that name and COMMAND waits on there'
}

@test "another COMMAND, or another FILTER, is another stream" {
	start_sshd
	COMMAND="$COMMAND; true" suspends KILL
	by_ssh --name snap there "cat >$TMP/got2" <in
	assert_same_file in got2
	printf 'command="btrfs-ktls-pipe ssh-server --forced %s" %s\n' \
		"$TMP/filter" "$(<"$BATS_FILE_TMPDIR/user.pub")" >authorized
	printf '%s\n' '#!/bin/sh' 'echo "not this"; exit 1' >filter
	chmod +x filter
	COMMAND="$COMMAND; true" again 9 <in
	assert_stderr_has 'not this'
	assert_prefix got in
	cp "$BATS_FILE_TMPDIR/user.pub" authorized
	COMMAND="$COMMAND; true" again <in
	arrived
}

@test "where sshd tells the key of a login, another key is another stream" {
	start_sshd 'ExposeAuthInfo yes'
	ssh-keygen -q -t ed25519 -N '' -f other_key
	cat other_key.pub >>authorized
	sed "s|IdentityFile .*|IdentityFile $TMP/other_key|" ssh_config >other_config
	suspends KILL
	bkp 5 ssh -F other_config --name snap --discard there "$COMMAND"
	again <in
	arrived
}

@test "by another address of the far host, whose port the near host can reach" {
	start_sshd 'ListenAddress 127.0.0.2'
	suspends KILL
	sed 's/127\.0\.0\.1/127.0.0.2/' ssh_config >other_config
	bkp ssh -v -F other_config --retry 60s --name snap there "$COMMAND" <in
	assert_stderr_has 'connecting to 127.0.0.2'
	arrived
}

@test "an ssh-server that was killed leaves the name free" {
	start_sshd
	suspends KILL
	kill -9 "$(owner)"
	until_true nothing_is_left
	rm runs
	again <in
	arrived
}

@test "one fixed port is enough" {
	start_sshd
	mkdir -p config/btrfs-ktls-pipe
	echo "port $((20000 + SRANDOM % 12000))" >config/btrfs-ktls-pipe/ssh
	export XDG_CONFIG_HOME=$TMP/config
	suspends KILL
	again <in
	arrived
}

@test "the network is cut and the near process killed meanwhile: continued when it is back" {
	far_network
	start_sshd
	starts 1000000
	cut_cable
	kill -9 "$SSH_PID"
	exec 8>&-
	mend_cable
	again <in
	arrived
}

@test "a suspended process whose stream another one has finished: exit status 7 at once" {
	start_sshd
	diverted relay pass
	starts 1000000 "${WAY[@]}"
	kill -STOP "$SSH_PID"
	# shellcheck disable=SC2046 # the relay's process for its connection
	kill -9 $(children_of "$TOOL_PID")
	ERR=second.err again "${WAY[@]}" <in
	assert_same_file got in
	kill -CONT "$SSH_PID"
	exec 8>&-
	local before=$SECONDS
	ssh_ends 7
	((SECONDS - before < 10)) || fail "it took $((SECONDS - before)) s"
	assert_stderr_has 'the peer gave up: it says so through ssh'
	assert_stderr_lacks 'the same command continues it'
}

@test "what cannot have a name: exit status 2" {
	bkp 2 ssh --name n --receive host true
	assert_stderr_has '--receive: over ssh it is for the sender'
	bkp 2 ssh --name n --reverse host true
	assert_stderr_has '--reverse: the receiver listens'
	bkp 2 ssh --name n --fallback host true
	assert_stderr_has "--fallback: ssh's channel cannot be resumed"
	bkp 2 ssh --name n --retry 0 host true
	assert_stderr_has '--retry 0: HOST waits that long'
	bkp 2 ssh --discard host true
	assert_stderr_has '--discard needs --name'
}

@test "a real snapshot, killed ten times at random moments, arrives whole" {
	[[ $BKP_TIER == full ]] || skip 'full tier only: minutes'
	local i
	start_sshd
	make_filesystem from 1G
	make_filesystem to 1G
	make_snapshot
	head -c 300M /dev/urandom >from/work/big
	btrfs -q subvolume snapshot -r from/work from/big >/dev/null
	COMMAND="echo run >>$TMP/runs; btrfs -q receive $TMP/to"
	for ((i = 0; i < 10; i++)); do
		btrfs -q send from/big 2>/dev/null |
			"$BKP" ssh -F ssh_config --limit 20M --retry 60s \
				--name snap there "$COMMAND" 2>>kills.err 3>&- &
		PIDS+=($!)
		sleep "$((SRANDOM % 3)).$((SRANDOM % 10))"
		kill -9 "$!" 2>/dev/null || break
		wait "$!" || :
	done
	btrfs -q send from/big 2>/dev/null | again
	assert_lines 1 runs
	[[ $(btrfs subvolume show to/big) == *"Received UUID:"*-* ]] || fail 'no received_uuid'
	[[ $(describe from/big) == "$(describe to/big)" ]] || fail 'the trees differ'
}

@test "poll is refused on the far host: exit status 4, and nothing is left there" {
	start_sshd
	rm far.bin/btrfs-ktls-pipe
	printf '%s\n' '#!/bin/sh' \
		"exec '$BKP_TOOLS/refuse' EPERM poll -- '$(realpath "$BKP")' \"\$@\"" \
		>far.bin/btrfs-ktls-pipe
	chmod +x far.bin/btrfs-ktls-pipe
	by_ssh 4 --name snap there "cat >$TMP/got" <in
	assert_stderr_has 'there: cannot wait: poll: Operation not permitted'
	until_true nothing_is_left
}

@test "nobody reads messages while COMMAND runs: it is not kept waiting, and what is lost is counted" {
	start_sshd
	have_fifo messages
	# More than ssh itself keeps
	{ PATIENT=240 until_true size_is 3000000 got; sleep 3; cat; } <messages >heard 3>&- &
	local reader=$!
	"$BKP" ssh -F ssh_config --name snap there \
		"seq 500000 >&2; cat >$TMP/got" <in 2>messages 3>&-
	wait "$reader"
	assert_same_file got in
	# Linux 6.1 in a guest needs longer than ssh gets for the last lines.
	[[ ! ${BKP_GUEST-} ]] || ! grep 'ssh is killed' heard || return 0
	grep -q 'lines of messages were dropped' heard
	# Notices of ours can be among those that were dropped.
	[[ $(accounted heard) == 50000[0-3] ]] || fail "$(accounted heard) lines of 500000"
}

@test "messages that nobody read before the near process was killed: the next one is told how many" {
	start_sshd
	have_fifo messages
	exec 7<>messages
	COMMAND="seq 500000 >&2; $COMMAND"
	ERR=messages PATIENT=240 starts 1000000
	kill -9 "$SSH_PID"
	wait "$SSH_PID" || :
	exec 8>&-
	again <in
	arrived
	assert_stderr_has '^btrfs-ktls-pipe: there: [0-9]+ lines of messages were dropped'
}
