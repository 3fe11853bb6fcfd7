# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Rounds of one stream each, with random choices: chaos.bats harms bytes in
# transit, kills.bats kills processes. Loaded after delivery.bash.
#
# The promise: no side exits 0 unless the output is complete, and the output is
# always a beginning of the input. A failed round prints its CHAOS_SEED, which
# repeats its choices.

BYTES=3000000

setup_file() {
	make_btrfs_like "$BATS_FILE_TMPDIR/in" "$BYTES"
	export IN=$BATS_FILE_TMPDIR/in
	export PATIENCE=${BKP_GUEST:+1}2s
	# A damaged length hides all that follows: the peer is lost after 30 s
	# of silence, and once more on the next connection.
	[[ $BKP_DEADLINE -ge 150 ]] || export BKP_DEADLINE=150
}

# rounds FUNCTION: many rounds, each with its own choices
rounds() {
	local i delivered=0 seed=${CHAOS_SEED:-$SRANDOM}
	by_tier 2 1 200 35 # of each kind
	for ((i = 0; i < SIZE; i++)); do
		RANDOM=$(((seed + i) % 32768))
		CHOICES="CHAOS_SEED=$(((seed + i) % 32768))"
		choose_setting
		"$1"
		end_children
		((SENDER || RECEIVER)) || delivered=$((delivered + 1))
		until_true nothing_is_left || return
	done
	((SIZE < 200 || delivered)) || fail 'no stream was delivered'
}

# Neither COMMAND nor a process of ours outlives a round.
nothing_is_left() {
	local pid
	for pid in $(pgrep -x 'dd|tinywrites|btrfs-ktls-pipe|ktls-.*'); do
		[[ $(readlink "/proc/$pid/cwd") != "$TMP" ]] || return
	done
}

# Prints the choices of a failed round.
teardown() {
	echo "$CHOICES"
	clean_up
}

# choose NAME VALUE...: sets NAME to one of them
choose() {
	declare -g "$1=${*:2 + RANDOM % ($# - 1):1}"
	CHOICES+=" $1=${!1}"
}

# choose_number NAME BELOW
choose_number() {
	declare -g "$1=$(((RANDOM << 15 | RANDOM) % $2))"
	CHOICES+=" $1=${!1}"
}

# Direction, buffer, --retry and paths
choose_setting() {
	choose WAY push pull
	choose BUFFER 0 1M 64M
	choose PERSISTENCE 0 500ms
	RETRY=(--retry "$PERSISTENCE")
	TX=(-v --handshake-timeout "$PATIENCE" --buffer "$BUFFER")
	RX=(-v --handshake-timeout "$PATIENCE")
	SOURCE=() CONSUMER=() HARM=()
	if have_ktls; then
		choose TX_PATH off require
		choose RX_PATH off require
		choose RX_HOW splice read
		TX+=(--ktls "$TX_PATH")
		RX+=(--ktls "$RX_PATH" --rx "$RX_HOW")
	fi
	rm -f got received
	: >got
	: >received
}

# A source that runs for nearly as long as choose_moment() may wait
SLOW_SOURCE=("$BKP_TOOLS/tinywrites" -m 60000
	-p "200000:$((${BKP_GUEST:+5*}20))")

# choose_consumer: a COMMAND, a program that reads a pipe, or a file; CAME is
# the output
choose_consumer() {
	choose CONSUMED_BY command pipe file
	OUTPUT=received CAME=received
	case $CONSUMED_BY in
	command) CONSUMER=(dd of=got bs=64K status=none) CAME=got ;;
	pipe) start_consumer cat && OUTPUT=consumer ;;
	esac
}

choose_source() {
	choose PRODUCED_BY command pipe
	[[ $PRODUCED_BY == pipe ]] || SOURCE=("${SLOW_SOURCE[@]}")
}

starts() {
	if [[ ${SOURCE-} ]]; then
		stream_starts "$WAY" <"$IN"
	else
		have_fifo feed
		"${SLOW_SOURCE[@]}" <"$IN" >feed 3>&- &
		PRODUCER_PID=$!
		PIDS+=("$PRODUCER_PID")
		stream_starts "$WAY" <feed
	fi
}

# A moment in the life of a stream, counted from its first connection
choose_moment() {
	choose_number MOMENT "${1:-500}"
	[[ ! ${BKP_GUEST-} ]] || MOMENT=$((MOMENT * 4))
	sleep "$((MOMENT / 1000)).$(printf %03d $((MOMENT % 1000)))"
}

# A listener that had no peer keeps listening: it does not exit by itself.
end_listener() {
	local i listener=$RECEIVER_PID errors=$RECEIVER_ERR connecting=$SENDER_PID
	if [[ $WAY == pull ]]; then
		listener=$SENDER_PID errors=$SENDER_ERR connecting=$RECEIVER_PID
	fi
	wait "$connecting" || :
	for ((i = 0; i < 60; i++)); do
		gone "$listener" && return
		has_line ': peer ' "$errors" && return
		sleep 0.05
	done
	kill -TERM "$listener"
}

# The one promise
honest() {
	local code
	end_listener
	take_codes
	CHOICES+=" (sender $SENDER, receiver $RECEIVER)"
	for code in "$SENDER" "$RECEIVER"; do
		case $code in
		0) complete || fail "exit status 0, but incomplete" || return ;;
		4 | 5 | 7 | 8 | 9 | 137 | 143) ;;
		*) fail "exit status $code" || return ;;
		esac
	done
	assert_beginning "$CAME" "$IN"
}

# A consumer that reads a pipe may still be writing its output.
complete() {
	[[ $CONSUMED_BY != pipe ]] || wait "$CONSUMER_PID" || :
	cmp "$CAME" "$IN" >&2
}
