#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Any process is killed at any moment: no side exits 0 unless the output is
# complete, and no COMMAND is left.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/chaos

# kill_one PID [MOMENT]: the process may have exited already
kill_one() {
	kill -9 "$1" 2>/dev/null || :
	honest
}

sender_killed() {
	choose_source
	choose_consumer
	starts
	choose_moment
	kill_one "$SENDER_PID"
}

receiver_killed() {
	choose_source
	choose_consumer
	starts
	choose_moment
	kill_one "$RECEIVER_PID"
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
	SOURCE=("${COMMAND_WITH_PID[@]}" "$BKP_TOOLS/tinywrites" -m 60000 \
		-p 200000:20)
	command_pid
	kill_one "$COMMAND_PID"
}

consumer_command_killed() {
	choose_source
	CONSUMED_BY=command CAME=got
	CONSUMER=("${COMMAND_WITH_PID[@]}" dd of=got bs=64K status=none)
	command_pid
	kill_one "$COMMAND_PID"
}

# Without it there are no orders; whoever needs one fails.
launcher_killed() {
	choose_source
	choose_consumer
	choose VICTIM SENDER_PID RECEIVER_PID
	starts
	choose_moment
	kill_one "$(launcher_of "${!VICTIM}" || echo none)"
}

# The kernel kills COMMAND, for the worker: see supervisor_tie().
launcher_and_supervisor_killed() {
	local both
	choose_consumer
	SOURCE=(sh -c 'exec 3<&0; "$@" <&3 & wait $!' sh
		"$BKP_TOOLS/tinywrites" -m 60000 -p 200000:20)
	starts
	choose_moment
	both="$(launcher_of "$SENDER_PID" || :) $(supervisor_of "$SENDER_PID" || :)"
	kill -9 ${both:-none} 2>/dev/null || :
	honest
}

supervisor_killed() {
	choose_consumer
	SOURCE=("$BKP_TOOLS/tinywrites" -m 60000 -p 200000:20)
	starts
	choose_moment
	kill_one "$(supervisor_of "$SENDER_PID" || echo none)"
}

# Only the end mark of a btrfs stream shows the loss; without a buffer it is not
# checked.
source_in_pipe_killed() {
	[[ $BUFFER != 0 ]] || TX+=(--buffer 1M)
	choose_consumer
	starts
	choose_moment
	kill_one "$PRODUCER_PID"
}

consumer_in_pipe_killed() {
	choose_source
	CONSUMED_BY=pipe OUTPUT=consumer CAME=received
	start_consumer cat
	starts
	choose_moment
	kill_one "$CONSUMER_PID"
}

@test "the sender is killed at random moments: never a false success" {
	rounds sender_killed
}

@test "the receiver is killed at random moments: never a false success" {
	rounds receiver_killed
}

@test "the launcher is killed at random moments: never a false success" {
	rounds launcher_killed
}

@test "the supervisor is killed at random moments: never a false success" {
	rounds supervisor_killed
}

@test "the launcher and the supervisor are killed at random moments: never a false success" {
	rounds launcher_and_supervisor_killed
}

@test "the source COMMAND is killed at random moments: never a false success" {
	rounds source_command_killed
}

@test "the source of a btrfs stream in a pipe is killed at random moments: never a false success" {
	rounds source_in_pipe_killed
}

@test "the consumer COMMAND is killed at random moments: never a false success" {
	rounds consumer_command_killed
}

@test "the consumer in a pipe is killed at random moments: never a false success" {
	rounds consumer_in_pipe_killed
}
