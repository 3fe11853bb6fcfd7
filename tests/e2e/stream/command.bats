#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# COMMAND as the source of a stream and as its consumer: its environment, its
# exit, and that it never takes an aborted stream for a whole one.

load ../../lib/helpers
load ../../lib/delivery

# --- arguments, descriptors and limits

@test "the arguments of COMMAND are passed unchanged, without a shell" {
	arguments() {
		SOURCE=(printf '%s|' 'a b' '$HOME' '*' ';' '' -- -k)
		streams "$1" 0 0
		[[ $(<"$RECEIVED") == 'a b|$HOME|*|;||--|-k|' ]] ||
			fail "$(<"$RECEIVED")"
	}
	both_ways arguments
}

@test "a source COMMAND inherits our standard input and error" {
	SOURCE=(sh -c 'cat; echo said by COMMAND >&2')
	streams push 0 0 <<<word
	[[ $(<"$RECEIVED") == word ]]
	assert_stderr_has '^said by COMMAND$' "$SENDER_ERR"
}

@test "a consumer COMMAND inherits our standard output and error" {
	CONSUMER=(sh -c 'tr a-z A-Z; echo said by COMMAND >&2')
	streams push 0 0 <<<word
	[[ $(<"$RECEIVED") == WORD ]]
	assert_stderr_has '^said by COMMAND$' "$RECEIVER_ERR"
}

@test "COMMAND gets the descriptors 0, 1 and 2 and no other" {
	descriptors() {
		SOURCE=(ls /proc/self/fd)
		CONSUMER=(sh -c 'cat; exec ls /proc/self/fd')
		streams "$1" 0 0
		# 3 is the directory that ls reads
		diff <(printf '%s\n' 0 1 2 3 0 1 2 3) "$RECEIVED"
	}
	exec 5</dev/null 6>/dev/null
	both_ways descriptors
	exec 5<&- 6>&-
}

@test "COMMAND gets default signal dispositions, whatever ours were" {
	wrapped "trap '' HUP QUIT USR2 CHLD" 'env --block-signal=USR1,WINCH'
	SOURCE=(grep '^Sig[BI]' /proc/self/status)
	CONSUMER=(sh -c 'cat; exec grep "^Sig[BI]" /proc/self/status')
	streams push 0 0
	assert_lines 4 "$RECEIVED"
	sed 's/.*\t//' "$RECEIVED" >masks
	run ! grep '[1-9a-f]' masks
}

@test "COMMAND gets no variables by which GnuTLS would write secrets to a file" {
	export SSLKEYLOGFILE=$TMP/log GNUTLS_SYSTEM_PRIORITY_FILE=$TMP/policy
	SOURCE=(env)
	CONSUMER=(sh -c 'cat; exec env')
	streams push 0 0
	run ! grep -E '^(SSLKEYLOGFILE|GNUTLS_SYSTEM_PRIORITY_FILE)=' "$RECEIVED"
	[[ $(grep -c '^PATH=' "$RECEIVED") == 2 ]]
}

@test "COMMAND gets our limit on core dumps, although we set ours to 0" {
	not_under sanitizers 'these forbid core dumps'
	ulimit -H -c unlimited 2>/dev/null || :
	[[ $(ulimit -H -c) != 0 ]] ||
		skip "own kernel only: core dumps are forbidden here"
	wrapped 'ulimit -S -c 77; ulimit -H -c >hard'
	SOURCE=(bash -c 'ulimit -H -c; ulimit -S -c')
	CONSUMER=(bash -c 'cat; ulimit -H -c; ulimit -S -c')
	streams push 0 0
	printf '%s\n' "$(<hard)" 77 "$(<hard)" 77 >want
	diff want "$RECEIVED"
}

# --- its exit

@test "the source does not exist: the sender exits 9, the receiver 7" {
	missing() {
		SOURCE=(/no/such/program)
		streams "$1" 9 7
		says sender 'cannot run /no/such/program: No such file'
	}
	both_ways missing
}

@test "the consumer does not exist: sender and receiver exit 9" {
	missing() {
		CONSUMER=(/no/such/program)
		streams "$1" 9 9 <<<word
		says receiver 'cannot run /no/such/program: No such file'
		says sender 'could not be started'
	}
	both_ways missing
}

@test "the source is killed by a signal: the sender exits 9, the receiver 7, and the signal is named" {
	killed() {
		SOURCE=(sh -c 'echo word; kill -SEGV $$')
		streams "$1" 9 7
		says sender 'signal 11 .*Segmentation'
	}
	both_ways killed
}

@test "the consumer is killed by a signal: sender and receiver exit 9, and the signal is named" {
	killed() {
		CONSUMER=(sh -c 'cat >/dev/null; kill -KILL $$')
		streams "$1" 9 9 <<<word
		says sender 'signal 9 .*Killed'
		says receiver 'signal 9 .*Killed'
	}
	both_ways killed
}

@test "the source fails long after its end of file: the sender exits 9, the receiver 7" {
	SOURCE=(sh -c 'echo word; exec >&-; sleep 0.5; exit 4')
	streams push 9 7
	says sender 'status 4'
}

@test "the source exits 0 before its child: all is delivered" {
	SOURCE=(sh -c '{ sleep 0.5; echo two; } & echo one')
	streams push 0 0
	[[ $(<"$RECEIVED") == $'one\ntwo' ]]
}

@test "the consumer does not read an empty stream: sender and receiver exit 0" {
	CONSUMER=(true)
	streams push 0 0
}

@test "the consumer exits 0 before late bytes come: sender and receiver exit 9" {
	CONSUMER=(true)
	SOURCE=(sh -c 'sleep 0.5; echo word')
	streams push 9 9
	says sender unread
	says receiver unread
}

@test "the consumer leaves the last byte unread: sender and receiver exit 9" {
	CONSUMER=(dd bs=1 count=9 status=none)
	streams push 9 9 < <(printf 0123456789)
	says sender unread
}

@test "the consumer reads the last byte but no end of file: sender and receiver exit 0" {
	CONSUMER=(dd bs=1 count=10 status=none) # like btrfs receive -e
	SOURCE=(sh -c 'printf 0123456789; sleep 0.5')
	streams push 0 0
}

@test "the consumer closes its input and runs on: sender and receiver exit 9, and it is ended" {
	make_mark
	CONSUMER=(sh -c 'exec <&-; exec tail -f /dev/null "$0"' "$MARK")
	streams push 9 9 </dev/zero
	until_true marked_gone
}

@test "the sender waits until the consumer exits, not only until it has read all" {
	CONSUMER=(sh -c 'cat >part; until [ -e go ]; do sleep 0.1; done; mv part got')
	stream_starts push <<<word
	until_true test -s part
	sleep 1
	alive "$SENDER_PID" || fail "the sender did not wait"
	touch go
	wait_sender 0
	[[ $(<got) == word ]] || fail "the sender was faster"
	wait_receiver 0
}

# --- the terminal

# The program runs in the foreground of a terminal of its own.
on_terminals() {
	wrapped '' "'$BKP_TOOLS/prompt' ''"
}

REMEDY='wants the terminal, which a COMMAND cannot have; if sudo .*sudo -v'

@test "the source reads from the terminal, like sudo: the sender exits 9, the receiver 7, and a remedy is given" {
	reads() {
		SOURCE=(sh -c 'echo word; read -r line </dev/tty; echo "$line"')
		streams "$1" 9 7
		says sender "sh $REMEDY"
	}
	on_terminals
	both_ways reads
}

@test "the source switches the echo off, like sudo: the sender exits 9, the receiver 7, and a remedy is given" {
	SOURCE=(sh -c 'stty -echo </dev/tty; echo word')
	on_terminals
	streams push 9 7
	says sender "sh $REMEDY"
}

@test "the consumer reads from the terminal: sender and receiver exit 9, and both give a remedy" {
	reads() {
		SOURCE=(sh -c 'echo word; sleep 0.2')
		CONSUMER=(sh -c 'read -r line </dev/tty; cat')
		streams "$1" 9 9
		says receiver "sh $REMEDY"
		says sender "the receiver's command .*wants the terminal"
	}
	on_terminals
	both_ways reads
}

@test "one program of a pipeline reads from the terminal: the sender exits 9, the receiver 7" {
	SOURCE=(sh -c 'cat /dev/tty | cat')
	on_terminals
	streams push 9 7
	says sender "sh $REMEDY"
}

# btrfs send prints "At subvol ..." there.
@test "the source prints messages on a terminal with tostop: delivered, and they appear" {
	SOURCE=(sh -c 'echo "At subvol 1" >&2; echo word')
	wrapped '' "'$BKP_TOOLS/prompt' '' sh -c 'stty tostop </dev/tty
		exec \"\$@\" 2>/dev/tty' sh"
	streams push 0 0
	assert_stderr_has 'At subvol 1' "$SENDER_ERR"
}

@test "COMMAND keeps our session and terminal, in its own process group" {
	CONSUMER=(sh -c 'cat >/dev/null; ps -o sid=,tty=,pgid= -p $$
		ps -o sid=,tty=,pgid= -p $(ps -o ppid= -p $PPID)')
	on_terminals
	streams push 0 0 </dev/null
	[[ $(awk '{print $1, $2}' "$RECEIVED" | uniq | wc -l) == 1 ]]
	[[ $(awk '{print $3}' "$RECEIVED" | uniq | wc -l) == 2 ]]
	run ! grep '?' "$RECEIVED"
}

@test "a user stops COMMAND and continues it: sender and receiver exit 0" {
	local pid
	CONSUMER=(sh -c 'echo $$ >pid; exec cat')
	stands push
	read -r pid <pid
	kill -STOP "$pid"
	tail -c 100000 in >&8
	stands_end
	# the supervisor has noticed it, or will
	sleep 0.3
	alive "$RECEIVER_PID"
	kill -CONT "$pid"
	stream_ends 0 0
	assert_same_file in "$RECEIVED"
}

# --- an aborted stream is never taken for a whole one

# consumes_until_end [COMMAND...]: a consumer that reports if it reached the end
# of its input
consumes_until_end() {
	make_mark
	rm -f end
	CONSUMER=("$@" "$BKP_TOOLS/untilend" end "$MARK")
}

# no_end_seen SENDER_CODE RECEIVER_CODE
no_end_seen() {
	stream_ends "$1" "$2"
	until_true marked_gone
	[[ ! -e end ]] || fail "the consumer saw an end of file"
	exec 8>&-
}

killed_sender() {
	consumes_until_end
	stands "$1"
	kill -9 "$SENDER_PID"
	no_end_seen 137 7
}

killed_receiver() {
	consumes_until_end
	stands "$1"
	kill -"${2:-9}" "$RECEIVER_PID"
	no_end_seen 7 "${3:-137}"
}

rounds() {
	local i
	by_tier 6 2 100 30
	for ((i = 0; i < SIZE; i++)); do
		both_ways "$@"
	done
}

@test "the sender is killed: the consumer sees no end of file" {
	both_ways killed_sender
}

@test "the receiver is killed: the consumer sees no end of file" {
	rounds killed_receiver
}

@test "the receiver gets SIGTERM: the consumer sees no end of file" {
	both_ways killed_receiver TERM 143
}

@test "the source fails: the consumer sees no end of file" {
	fails() {
		consumes_until_end
		SOURCE=(sh -c 'head -c 100000 /dev/zero; exit 1')
		streams "$1" 9 7
		no_end_seen 9 7
	}
	both_ways fails
}

@test "standard input cannot be read: the consumer sees no end of file" {
	fails() {
		consumes_until_end
		streams "$1" 8 7 <.
		no_end_seen 8 7
	}
	both_ways fails
}

@test "a btrfs stream is cut short: the consumer sees no end of file" {
	make_btrfs_like whole 300000
	head -c 200000 whole >"cut"
	consumes_until_end
	streams push 8 7 <"cut"
	no_end_seen 8 7
}

@test "the connection is cut: the consumer sees no end of file" {
	cuts() {
		consumes_until_end
		HARM=(cut -a 1000000)
		[[ $1 == push ]] || HARM+=(-c s2c)
		streams "$1" 7 7 < <(head -c 3000000 /dev/zero)
		no_end_seen 7 7
	}
	both_ways cuts
}

@test "a consumer that ignores SIGTERM sees no end of file either" {
	consumes_until_end sh -c 'trap "" TERM; exec "$@"' sh
	stands push
	kill -9 "$SENDER_PID"
	no_end_seen 137 7
}

# No signal reaches it, as if it belonged to another user.
@test "a consumer that cannot be killed sees no end of file: the receiver exits 7 and says so" {
	local supervisor
	not_under sanitizers 'it needs what is refused here'
	not_under valgrind 'it needs what is refused here'
	consumes_until_end
	wrapped '' "\"$BKP_TOOLS/refuse\" EPERM kill --"
	stands push
	supervisor=$(supervisor_of "$RECEIVER_PID")
	kill -9 "$SENDER_PID"
	stream_ends 137 7
	assert_stderr_has 'cannot end COMMAND, process [0-9]+ .*stays open until it exits' \
		"$RECEIVER_ERR"
	sleep 0.3
	pgrep -f "untilend end $MARK\$" >/dev/null || fail "COMMAND is gone"
	pkill -KILL -f "untilend end $MARK\$"
	no_end_seen 137 7
	until_true gone "$supervisor"
}

@test "a consumer that left the group of COMMAND sees no end of file either" {
	local supervisor
	consumes_until_end sh -c 'setsid "$@"; exit 1' sh
	stands push
	supervisor=$(supervisor_of "$RECEIVER_PID")
	kill -9 "$SENDER_PID"
	stream_ends 137 7
	assert_stderr_has 'left the group of COMMAND still reads: its input stays open' \
		"$RECEIVER_ERR"
	sleep 0.3
	pgrep -f "untilend end $MARK\$" >/dev/null || fail "the consumer is gone"
	pkill -KILL -f "untilend end $MARK\$"
	no_end_seen 137 7
	until_true gone "$supervisor"
}

@test "a stopped consumer sees no end of file either" {
	consumes_until_end
	stands push
	# not the launcher, whose arguments end like this, too
	pkill -STOP -f "^$BKP_TOOLS/untilend end $MARK\$"
	kill -9 "$RECEIVER_PID"
	no_end_seen 7 137
}

@test "the supervisor is killed: COMMAND ends with it, sender and receiver exit 9" {
	consumes_until_end
	stands push
	kill -9 "$(supervisor_of "$RECEIVER_PID")"
	no_end_seen 9 9
	assert_stderr_has 'the supervisor of .* was killed' "$RECEIVER_ERR"
}

@test "launcher and supervisor are killed: COMMAND ends with the processes that it left, without an end of file" {
	consumes_until_end sh -c 'exec 3<&0; "$@" <&3 & wait' sh
	stands push
	kill -9 "$(launcher_of "$RECEIVER_PID")" \
		"$(supervisor_of "$RECEIVER_PID")"
	no_end_seen 9 9
}

@test "killing the program by its name does not hit the supervisor" {
	not_under valgrind 'its own name is in the arguments'
	local supervisor
	CONSUMER=(cat)
	stands push
	supervisor=$(supervisor_of "$RECEIVER_PID")
	run ! grep -qa btrfs-ktls-pipe "/proc/$supervisor/comm" \
		"/proc/$supervisor/cmdline"
	stands_end
	stream_ends 0 0
}

# --- signals

# A source that SIGTERM does not end
deaf_source() {
	make_mark
	SOURCE=(sh -c 'trap "" TERM; echo word; exec tail -f /dev/null "$0"' "$MARK")
}

# second_signal FIRST SECOND CODE: the sender does not wait for its COMMAND
second_signal() {
	deaf_source
	stream_starts push
	until_true test -s "$RECEIVED"
	SECONDS=0
	kill -"$1" "$SENDER_PID"
	wait_receiver 7
	sleep 0.1 # else both would be one event
	kill -"$2" "$SENDER_PID"
	wait_sender "$3"
	# Its supervisor kills it after 2 s.
	pgrep -f "$MARK" >/dev/null || ((SECONDS > 1)) ||
		fail 'COMMAND was ended with the sender'
	until_true marked_gone
}

@test "a second signal ends a sender at once: INT and then TERM" {
	wrapped '' 'env --default-signal=INT,HUP'
	second_signal INT TERM 143
}

@test "a second signal ends a sender at once: TERM and then HUP" {
	full_tier_only 3
	wrapped '' 'env --default-signal=INT,HUP'
	second_signal TERM HUP 129
}

@test "a second signal ends a sender at once: INT and then INT" {
	full_tier_only 3
	wrapped '' 'env --default-signal=INT,HUP'
	second_signal INT INT 130
}

# Two signals that come together are one event, such as SIGHUP from a terminal
# that hangs up and again from its shell, or SIGTERM and SIGHUP from systemd.
@test "SIGTERM and SIGHUP together end a sender, and the peer is told" {
	wrapped '' 'env --default-signal=HUP'
	SOURCE=(sh -c 'echo word; exec sleep 20')
	stream_starts push
	until_true test -s "$RECEIVED"
	kill -STOP "$SENDER_PID"
	kill -HUP "$SENDER_PID"
	kill -TERM "$SENDER_PID"
	kill -CONT "$SENDER_PID"
	wait_sender 129
	takes_at_most 5 wait_receiver 7
	assert_stderr_has 'the peer gave up' "$RECEIVER_ERR"
}

@test "a signal ends a sender although the supervisor of its COMMAND is stopped" {
	deaf_source
	stream_starts push
	until_true test -s "$RECEIVED"
	kill -STOP "$(supervisor_of "$SENDER_PID")"
	kill -TERM "$SENDER_PID"
	stream_ends 143 7
	until_true marked_gone
}

@test "a signal ends a receiver although the supervisor of its COMMAND is stopped" {
	consumes_until_end
	stands pull
	kill -STOP "$(supervisor_of "$RECEIVER_PID")"
	kill -TERM "$RECEIVER_PID"
	no_end_seen 7 143
}

@test "the consumer leaves a process outside its group: a signal ends the receiver, and its supervisor is not blamed" {
	CONSUMER=(sh -c "setsid sleep 9 </dev/null >/dev/null 2>&1 & exec cat")
	stands push
	kill -TERM "$RECEIVER_PID"
	stream_ends 7 143
	assert_stderr_lacks 'may be stopped' "$RECEIVER_ERR"
}

@test "a signal ends a receiver within 20 s although launcher and supervisor are stopped, and it says who lives on" {
	local stopped
	full_tier_only 15
	consumes_until_end
	stands pull
	mapfile -t stopped < <(launcher_of "$RECEIVER_PID"
		supervisor_of "$RECEIVER_PID")
	kill -STOP "${stopped[@]}"
	cleanup_add kill -9 "${stopped[@]}"
	kill -TERM "$RECEIVER_PID"
	takes_at_most 20 stream_ends 7 143
	assert_stderr_has "COMMAND lives on .*process ${stopped[1]}" \
		"$RECEIVER_ERR"
	# The kernel continues a stopped group when it is orphaned.
	kill -CONT "${stopped[@]}" || :
	until_true marked_gone
	[[ ! -e end ]] || fail "the consumer saw an end of file"
	exec 8>&-
}

# --- nothing is left behind

# A source that never ends by itself, with a child in the background
endless_source() {
	make_mark
	SOURCE=(sh -c 'tail -f /dev/null "$0" & yes "$0"' "$MARK")
}

@test "the receiver's reader exits: the source and its children are ended" {
	ended() {
		endless_source
		start_consumer head -c 100000
		OUTPUT=consumer
		streams "$1" 9 8
		until_true marked_gone
	}
	both_ways ended
}

@test "the receiver is killed: the source and its children are ended" {
	ended() {
		endless_source
		stream_starts "$1"
		until_true test -s "$RECEIVED"
		kill -9 "$RECEIVER_PID"
		stream_ends 7 137
		until_true marked_gone
	}
	both_ways ended
}

@test "the sender is killed: the source and its children are ended" {
	ended() {
		endless_source
		stream_starts "$1"
		until_true test -s "$RECEIVED"
		kill -9 "$SENDER_PID"
		stream_ends 137 7
		until_true marked_gone
	}
	both_ways ended
}

@test "the consumer's children are ended with it when the stream is aborted" {
	make_mark
	CONSUMER=(sh -c 'tail -f /dev/null "$0" & cat >got' "$MARK")
	stands push got
	kill -9 "$SENDER_PID"
	stream_ends 137 7
	until_true marked_gone
}

@test "the source fails: its children are ended, the sender exits 9, the receiver 7 at once" {
	make_mark
	SOURCE=(sh -c 'tail -f /dev/null "$0" & echo word; exit 4' "$MARK")
	takes_at_most 20 streams push 9 7
	until_true marked_gone
}

@test "the consumer fails: its children are ended, sender and receiver exit 9" {
	make_mark
	CONSUMER=(sh -c 'exec 5<&0; tail -f /dev/null "$0" <&5 & cat >/dev/null; exit 4' "$MARK")
	streams push 9 9 <<<word
	until_true marked_gone
}

# --- children that COMMAND leaves behind

@test "the consumer leaves a child that reads the stream: both sides wait for it" {
	left() {
		rm -f got
		CONSUMER=(sh -c 'exec 5<&0; { cat >part; sleep 0.5; mv part got; } <&5 & exit 0')
		streams "$1" 0 0 < <(sleep 0.3; head -c 300000 /dev/zero)
		size_is 300000 got
	}
	both_ways left
}

@test "the consumer leaves a child that reads the stream: after 3 s the receiver says for whom it waits" {
	CONSUMER=(sh -c 'exec 5<&0; sh -c "echo \$\$ >pid; exec cat >got" <&5 & exit 0')
	streams push 0 0 < <(until_true grep -qs 'waiting for it' "$RECEIVER_ERR"
		echo word)
	says receiver "COMMAND has exited, but its background process $(<pid) has the stream open: waiting for it"
	[[ $(<got) == word ]]
}

@test "the consumer leaves a child that reads the stream and fails: sender and receiver exit 9" {
	left() {
		CONSUMER=(sh -c 'exec 5<&0; { cat >/dev/null; sleep 0.3; exit 3; } <&5 & exit 0')
		streams "$1" 9 9 < <(sleep 0.3; echo word)
		says receiver 'a background process of sh exited with status 3'
	}
	both_ways left
}

@test "the consumer leaves a child that reads the stream and is killed: sender and receiver exit 9" {
	CONSUMER=(sh -c 'exec 5<&0; sh -c "echo \$\$ >pid; exec cat >got" <&5 & exit 0')
	stands push got
	kill -9 "$(<pid)"
	stands_end
	stream_ends 9 9
}

@test "the source leaves a child that writes the stream and is killed: the sender exits 9, the receiver 7" {
	local i
	by_tier 2 1 100 50
	for ((i = 0; i < SIZE; i++)); do
		SOURCE=(sh -c '{ echo word; kill -9 $(exec sh -c "echo \$PPID"); } & exit 0')
		streams push 9 7
	done
}

@test "the source leaves a child that writes the stream and fails: the sender exits 9, the receiver 7" {
	left() {
		SOURCE=(sh -c '{ echo one; sleep 0.5; exit 3; } & exit 0')
		streams "$1" 9 7
		says sender 'a background process of sh exited with status 3'
	}
	both_ways left
}

@test "the source leaves many children that write the stream, and the last of them fails: the sender exits 9, the receiver 7" {
	SOURCE=(sh -c 'for i in $(seq 80); do sleep 3 & done
		{ sleep 1.5; echo word; exit 3; } & exit 0')
	streams push 9 7
	says sender 'a background process of sh exited with status 3'
}

# It lives between two looks at the group.
@test "the source leaves a child whose short-lived child fails: the sender exits 9, the receiver 7" {
	local i
	by_tier 5 2 40 10
	for ((i = 0; i < SIZE; i++)); do
		SOURCE=(sh -c '{ sleep 0.2$1; { echo word; exit 3; } & exit 0; } &
			exit 0' sh "$((i * 7 % 10))")
		streams push 9 7
	done
}

@test "a child that never had the stream fails as the consumer exits: sender and receiver exit 0" {
	local i
	by_tier 10 2 100 20
	for ((i = 0; i < SIZE; i++)); do
		rm -f ready-to-fail
		CONSUMER=(bash -c 'tee >(: >ready-to-fail; exec grep -q foo) >got')
		streams push 0 0 < <(until_true test -e ready-to-fail; echo word)
	done
}

@test "children that never had the stream fail, and nobody waits for them: sender and receiver exit 0" {
	local i
	by_tier 3 1 20 5
	for ((i = 0; i < SIZE; i++)); do
		SOURCE=(sh -c 'sh -c "for i in \$(seq 100); do (false &); done" >/dev/null 2>&1 &
			sleep 0.2; echo word; exit 0')
		streams push 0 0
	done
	# ended by SIGTERM while another has the stream
	SOURCE=(sh -c '{ sleep 0.5; (exec >/dev/null; sleep 9 & kill $!)
		exec sleep 0.5; } & exit 0')
	streams push 0 0
}

@test "a child too short-lived to be looked at fails: sender and receiver fail, and a remedy is given" {
	local remedy='a background process of sh exited with status 1 .*short-lived.* setsid'
	local i
	SOURCE=(sh -c '{ sleep 0.5; (false &); sleep 0.5; echo word; } & exit 0')
	# On a slow kernel it may live long enough.
	for ((i = 0; i < 5; i++)); do
		streams push 9 7
		! has_line "$remedy" "$SENDER_ERR" || break
	done
	says sender "$remedy"
}

@test "more children than we can note never had the stream and fail: sender and receiver exit 0" {
	full_tier_only 20
	# Of those that end at the same moment some could not be looked at.
	SOURCE=(sh -c 'for i in $(seq 300); do
			(sleep $((3 + i / 50)); exit 1) >/dev/null &
		done
		{ sleep 12; echo word; } & exit 0')
	streams push 0 0
}

# leaves_unseen WRAPPER: COMMAND leaves children, and /proc does not show them
leaves_unseen() {
	local honest=$BKP
	wrapped '' "$1"
	SOURCE=(sh -c '{ echo one; sleep 0.5; exit 3; } & exit 0')
	streams push 9 7
	says sender 'a background process of sh exited with status 3'
	SOURCE=() CONSUMER=(sh -c 'exec 5<&0; { cat >&2; sleep 0.3; exit 3; } <&5 & exit 0')
	streams push 9 9 < <(sleep 0.3; echo word)
	says receiver 'a background process of sh exited with status 3'
	CONSUMER=(sh -c 'exec 5<&0; { cat >&2; sleep 4; } <&5 & exit 0')
	streams push 0 0 <<<word
	says receiver '/proc does not show whether it has the stream open'
	BKP=$honest
}

@test "/proc is empty, foreign or hides processes: children that COMMAND leaves are waited for, and their status counts" {
	need_namespaces
	for_other_users
	install -m 755 "$BKP_TOOLS/undumpable" .
	printf '%s\n' 'umount -l /proc; exec "$@"' >without
	printf '%s\n' 'mount -t proc -o hidepid=2 proc /proc
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"' >hiding
	leaves_unseen 'unshare --mount sh without'
	leaves_unseen 'unshare --pid --fork --kill-child'
	chown 65534 key
	hides_one 'unshare --mount sh hiding'
	# Process 1, a shell of our user, is visible.
	hides_one "unshare --mount --pid --fork --kill-child sh hiding sh -c '\"\$@\"; exit \$?' sh"
}

# hides_one WRAPPER: /proc hides a child that cannot be traced, and shows one
# that does not have the stream
hides_one() {
	local honest=$BKP
	wrapped '' "$1"
	CONSUMER=()
	SOURCE=(sh -c 'sleep 3 </dev/null >/dev/null 2>&1 &
		{ echo one; exec ./undumpable 3; } & exit 0')
	streams push 9 7
	says sender 'a background process of sh exited with status 3'
	make_mark
	SOURCE=(sh -c '{ exec 1>/dev/null; tail -f /dev/null "$0"; exit 3; } & echo one' "$MARK")
	takes_at_most 15 streams push 0 0
	pkill -KILL -f "$MARK" || : # with process 1 of a namespace it is gone
	SOURCE=()
	BKP=$honest
}

@test "a child of COMMAND that does not hold the stream runs on: sender and receiver exit 0" {
	make_mark
	CONSUMER=(sh -c 'tail -f /dev/null "$0" </dev/null >/dev/null 2>&1 & exec cat' \
		"$MARK")
	streams push 0 0 <<<word
	run -0 pgrep -f "$MARK"
	kill "$output"
	until_true marked_gone
}

# --- no process can be made

# alone: that user may not start another process
alone() {
	other_user prlimit --nproc=0
}

@test "the sender is told that the consumer cannot be started" {
	not_under sanitizers 'LeakSanitizer needs a process of its own'
	alone
	start_receiver --send --ktls "$WHEN" < <(sleep 1; head -c 1000000 /dev/zero)
	BKP=./other bkp 9 connect -k - -p "$PORT" --ktls "$WHEN" --receive \
		127.0.0.1 -- cat <key
	wait_receiver 9
	assert_stderr_has "command could not be started" "$RECEIVER_ERR"
}

@test "the receiver is told that the source cannot be started" {
	not_under sanitizers 'LeakSanitizer needs a process of its own'
	alone
	start_receiver --ktls "$WHEN"
	BKP=./other bkp 9 connect -k - -p "$PORT" --ktls "$WHEN" 127.0.0.1 -- \
		echo word <key
	wait_receiver 7
	assert_stderr_has 'gave up' "$RECEIVER_ERR"
}

@test "the launcher answers after 10 s: the consumer is not started, sender and receiver exit 9" {
	local launcher
	start_receiver -- touch started
	launcher=$(launcher_of "$RECEIVER_PID")
	kill -STOP "$launcher"
	bkp 9 connect "${CREDENTIAL[@]}" -p "$PORT" 127.0.0.1 <key
	wait_receiver 9
	assert_stderr_has 'the launcher does not answer' "$RECEIVER_ERR"
	# The kernel continues a stopped group when it is orphaned.
	kill -CONT "$launcher" || :
	until_true gone "$launcher"
	[[ ! -e started ]]
}

# ends_alone SCRIPT SENDER_CODE RECEIVER_CODE: the source may not start another
# process once it has begun, and then does SCRIPT
ends_alone() {
	start_receiver --ktls "$WHEN"
	BKP=./other bkp "$2" connect -k - -p "$PORT" --ktls "$WHEN" 127.0.0.1 -- \
		sh -c "echo word; sleep 1 & $1
			prlimit --pid \$PPID --nproc=0; exit \${code:-0}" <key
	wait_receiver "$3"
}

@test "no process can be made when the source ends: its status counts" {
	other_user
	ends_alone 'wait' 0 0
	[[ $(<"$RECEIVED") == word ]]
	ends_alone 'wait; code=3' 9 7
	assert_stderr_has 'sh exited with status 3'
	ends_alone '' 9 7
	assert_stderr_has 'cannot run sh: .*raise the limit on processes'
}

@test "the source has closed its output but runs on: after 5 s the sender says so" {
	SOURCE=(sh -c 'echo word; exec >&-; until [ -e said ]; do sleep 0.1; done')
	stream_starts push
	until_true has_line 'sh has closed its output, but still runs' "$SENDER_ERR"
	: >said
	stream_ends 0 0
}
