#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Any process is killed at any moment: no side exits 0 unless the output is
# complete, and no COMMAND is left.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/chaos

# Rounds in which a process was killed that had not exited by itself
KILLS=0

# runs PID: it has not exited; a process that was not waited for has
runs() {
	grep -qs '^State:[[:space:]]*[^Z]' "/proc/$1/status"
}

# kill_now [PID]...: at once; then the one promise
kill_now() {
	local pid ran=0
	for pid; do
		! runs "$pid" || ran=1
	done
	KILLS=$((KILLS + ran))
	kill -9 "${@:-none}" 2>/dev/null || :
	honest
}

# found FUNCTION PID: sets FOUND to the helpers that FUNCTION prints for PID, or
# to nothing if PID or the side that connects has exited
found() {
	FOUND=$("$@") && return
	FOUND=
	! runs "$2" || ! runs "$CONNECT_PID"
}

# has_written PID: or has exited
has_written() {
	grep -qs '^wchar: [1-9]' "/proc/$1/io" || ! runs "$1"
}

# kill_rounds FUNCTION
kill_rounds() {
	rounds "$1"
	((KILLS || SIZE < 10)) || fail "nothing was killed in $SIZE rounds"
}

sender_killed() {
	choose_source
	choose_consumer
	starts
	choose_moment
	kill_now "$SENDER_PID"
}

receiver_killed() {
	choose_source
	choose_consumer
	starts
	choose_moment
	kill_now "$RECEIVER_PID"
}

# COMMAND has written its process id to the file pid.
COMMAND_WITH_PID=(sh -c 'echo $$ >pid.new; mv pid.new pid; exec "$@"' sh)

command_pid() {
	rm -f pid
	starts
	choose_moment
	[[ -s pid ]] || until_true test -s pid
	read -r COMMAND_PID <pid
}

source_command_killed() {
	choose_consumer
	SOURCE=("${COMMAND_WITH_PID[@]}" "${SLOW_SOURCE[@]}")
	command_pid
	kill_now "$COMMAND_PID"
}

consumer_command_killed() {
	choose_source
	CONSUMED_BY=command CAME=got
	CONSUMER=("${COMMAND_WITH_PID[@]}" dd of=got bs=64K status=none)
	command_pid
	kill_now "$COMMAND_PID"
}

# Without the launcher a process that needs an order fails.
launcher_killed() {
	choose_source
	choose_consumer
	choose VICTIM SENDER_PID RECEIVER_PID
	starts
	choose_moment
	until_true found launcher_of "${!VICTIM}"
	kill_now $FOUND
}

# The kernel kills COMMAND, for the worker: see supervisor_tie().
launcher_and_supervisor_killed() {
	choose_consumer
	SOURCE=(sh -c 'exec 3<&0; "$@" <&3 & wait $!' sh "${SLOW_SOURCE[@]}")
	starts
	choose_moment
	until_true found both_of "$SENDER_PID"
	kill_now $FOUND
}

both_of() {
	launcher_of "$1" && supervisor_of "$1"
}

supervisor_killed() {
	choose_consumer
	SOURCE=("${SLOW_SOURCE[@]}")
	starts
	choose_moment
	until_true found supervisor_of "$SENDER_PID"
	kill_now $FOUND
}

# Only the end mark of a btrfs stream shows the loss; without a buffer it is not
# checked. Before the first byte there is no stream to lose.
source_in_pipe_killed() {
	[[ $BUFFER != 0 ]] || TX+=(--buffer 1M)
	choose_consumer
	starts
	choose_moment
	until_true has_written "$PRODUCER_PID"
	kill_now "$PRODUCER_PID"
}

consumer_in_pipe_killed() {
	choose_source
	CONSUMED_BY=pipe OUTPUT=consumer CAME=received
	start_consumer cat
	starts
	choose_moment
	kill_now "$CONSUMER_PID"
}

@test "the sender is killed at random moments: never a false success" {
	kill_rounds sender_killed
}

@test "the receiver is killed at random moments: never a false success" {
	kill_rounds receiver_killed
}

@test "the launcher is killed at random moments: never a false success" {
	kill_rounds launcher_killed
}

@test "the supervisor is killed at random moments: never a false success" {
	kill_rounds supervisor_killed
}

@test "the launcher and the supervisor are killed at random moments: never a false success" {
	kill_rounds launcher_and_supervisor_killed
}

@test "the source COMMAND is killed at random moments: never a false success" {
	kill_rounds source_command_killed
}

@test "the source of a btrfs stream in a pipe is killed at random moments: never a false success" {
	kill_rounds source_in_pipe_killed
}

@test "the consumer COMMAND is killed at random moments: never a false success" {
	kill_rounds consumer_command_killed
}

@test "the consumer in a pipe is killed at random moments: never a false success" {
	kill_rounds consumer_in_pipe_killed
}
