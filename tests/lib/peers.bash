# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Other programs of a test: relays that do harm, peers of other programs,
# consumers of the output. Loaded by helpers.bash.

# start_tool TOOL ARG...: starts relay or peer, which print the port they
# listen on; sets PORT and TOOL_PID
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

# start_server COMMAND...: starts a server that chooses its port; its standard
# input stays open; sets PORT and SERVER_PID
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

# start_consumer COMMAND...: reads the named pipe "consumer" and writes
# $RECEIVED; for spawn_receiver >consumer, then wait_consumer
start_consumer() {
	have_fifo consumer
	"$@" <consumer >"$RECEIVED" 3>&- 7>&- 8>&- &
	CONSUMER_PID=$!
	PIDS+=("$CONSUMER_PID")
}

wait_consumer() {
	wait_for "${1:-0}" "$CONSUMER_PID" consumer
}

# read_port: sets PORT to the number that a program writes to the named pipe
# "ready" once it listens, within READY_SECONDS (30)
read_port() {
	PORT=
	# A pipe opened for reading and writing has no end of file: an earlier
	# writer may still have it open.
	read -r -t "${READY_SECONDS:-30}" PORT <>ready && [[ $PORT =~ ^[1-9][0-9]*$ ]]
}

# have_fifo FILE: creates a named pipe unless there is one, which nobody has
# open.
have_fifo() {
	[[ -p $1 ]] || mkfifo "$1"
}

# reaches_next_listener: a listener is killed with a sender in its backlog, and
# another one starts
reaches_next_listener() {
	local host=127.0.0.67 # where nobody else takes the port meanwhile
	BIND=(-b "$host") RETRY=(--retry 20s)
	start_receiver --ktls "$WHEN"
	kill -STOP "$RECEIVER_PID"
	spawn SENDER_PID "$SENDER_ERR" connect "${CREDENTIAL[@]}" -p "$PORT" \
		"${RETRY[@]}" --ktls "$WHEN" "$host" < <(echo word)
	until_true in_queue
	sleep 0.3 # until it has sent its first bytes
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

# wait_receiver CODE, wait_sender CODE: the exit status that is expected
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

# flood COUNT TEXT [OPTION]...: that many connections, which send the
# printf format TEXT; from another address, unless an OPTION names one
flood() {
	printf "$2" >text
	have_fifo ready
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP_TOOLS/flood" "$PORT" "$1" \
		-s 127.0.0.2 "${@:3}" <text >ready 3>&- 7>&- 8>&- &
	PIDS+=($!)
	read -r -t 30 <>ready && [[ $REPLY == ready ]]
}
