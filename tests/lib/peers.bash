# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Who else takes part in a test: relays that do harm, foreign peers, consumers
# of what is received. Loaded by helpers.bash.

# start_tool TOOL ARG...: relay or peer, both print the port they listen on;
# from then on this is PORT, and its process TOOL_PID
start_tool() {
	have_fifo ready
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/$1" "${@:2}" \
		>ready 2>tool.err 3>&- 7>&- 8>&- &
	TOOL_PID=$!
	PIDS+=("$TOOL_PID")
	read_port || {
		show tool.err
		fail "${*@Q} did not get ready"
	}
}

start_relay() {
	start_tool relay "$PORT" "$@"
}

# start_server COMMAND...: a foreign server that listens where it likes; its
# standard input stays open
start_server() {
	have_fifo server.in
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$@" \
		<>server.in >server.out 2>server.err 3>&- 7>&- 8>&- &
	SERVER_PID=$!
	PIDS+=("$SERVER_PID")
	until_true find_port "$SERVER_PID"
}

find_port() {
	PORT=$(ss -tlnpH | sed -nE "s/.*:([0-9]+) .*pid=$1,.*/\1/p" | head -1)
	[[ $PORT ]]
}

# start_consumer COMMAND...: turns what comes through the named pipe "consumer"
# into $RECEIVED; for spawn_receiver >consumer, then wait_consumer
start_consumer() {
	have_fifo consumer
	"$@" <consumer >"$RECEIVED" 3>&- 7>&- 8>&- &
	CONSUMER_PID=$!
	PIDS+=("$CONSUMER_PID")
}

wait_consumer() {
	wait_for "${1:-0}" "$CONSUMER_PID" consumer
}

# The port that somebody writes into the named pipe "ready" once it listens
read_port() {
	PORT=
	# A pipe opened for both has no end: who wrote last may still hold it.
	read -r -t 30 PORT <>ready && [[ $PORT =~ ^[1-9][0-9]*$ ]]
}

# A named pipe that is there already is as good: nobody has it open.
have_fifo() {
	[[ -p $1 ]] || mkfifo "$1"
}

# A listener that ends with a sender in its queue, and then another one
reaches_the_next() {
	RETRY=(--retry 20s)
	start_receiver --ktls "$WHEN"
	kill -STOP "$RECEIVER_PID"
	spawn_sender --ktls "$WHEN" < <(echo word)
	until_true in_queue
	sleep 0.3 # for what it has to say first
	kill -KILL "$RECEIVER_PID"
	wait_receiver 137
	until_true has_line 'reset by peer; trying again' "$SENDER_ERR"
	start_receiver --ktls "$WHEN" -p "$PORT"
	wait_sender 0
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
}

in_queue() {
	[[ $(ss -tnH state established "dport = :$PORT") ]]
}

# wait_receiver, wait_sender CODE: how what was started has to end
wait_receiver() {
	wait_for "$1" "$RECEIVER_PID" receiver "$RECEIVER_ERR"
}

wait_sender() {
	wait_for "$1" "$SENDER_PID" sender "$SENDER_ERR"
}

# wait_for CODE PID WHO ERRORS
wait_for() {
	local code=0
	wait "$2" || code=$?
	if ((code != $1)); then
		show "$4"
		fail "$3: exit status $code, expected $1"
	fi
}

# flood COUNT TEXT [OPTION]...: that many connections, in printf's language;
# from another address, unless they are told one
flood() {
	printf "$2" >text
	have_fifo ready
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/flood" "$PORT" "$1" \
		-s 127.0.0.2 "${@:3}" <text >ready 3>&- 7>&- 8>&- &
	PIDS+=($!)
	read -r -t 30 <>ready && [[ $REPLY == ready ]]
}
