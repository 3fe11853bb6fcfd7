# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For tests of whole streams: both directions, COMMANDs, harm in transit.
# Loaded after helpers.bash.
#
# Variables that a test sets before stream_starts or streams:
#   TX, RX             options of the sender and of the receiver
#   SOURCE, CONSUMER   their COMMANDs
#   HARM               a relay between them does this (tests/tools/relay.c)
#   OUTPUT             the receiver's standard output ($RECEIVED)
#   LISTEN             options of the listener
#   HOST, THERE        its address; its program, if it is not $BKP (cable.bash)
# The sender's standard input is that of stream_starts.
TX=() RX=() SOURCE=() CONSUMER=() HARM=() LISTEN=()
OUTPUT=received HOST=127.0.0.1 THERE=

# A btrfs stream begins and ends like this; the bytes between them do not
# matter.
BTRFS_MAGIC='btrfs-stream\0'
BTRFS_END='\0\0\0\0\x15\0\x50\x6c\xc9\x9d'

# stream_starts push|pull: starts both sides; push: connect sends, pull: listen
# sends
stream_starts() {
	stream_starts_"$1"
}

stream_starts_push() {
	ktls_here
	BKP=${THERE:-$BKP} spawn_receiver --ktls "$WHEN" "${LISTEN[@]}" \
		"${RX[@]}" ${CONSUMER:+-- "${CONSUMER[@]}"} </dev/null >"$OUTPUT"
	[[ ! ${HARM-} ]] || start_relay "${HARM[@]}"
	spawn_connect "$SENDER_ERR" SOURCE "${TX[@]}"
	SENDER_PID=$CONNECT_PID
}

stream_starts_pull() {
	ktls_here
	BKP=${THERE:-$BKP} RECEIVER_ERR=$SENDER_ERR spawn_receiver --send \
		--ktls "$WHEN" "${LISTEN[@]}" "${TX[@]}" ${SOURCE:+-- "${SOURCE[@]}"} >/dev/null
	SENDER_PID=$RECEIVER_PID
	[[ ! ${HARM-} ]] || start_relay "${HARM[@]}"
	spawn_connect "$RECEIVER_ERR" CONSUMER --receive "${RX[@]}" \
		</dev/null >"$OUTPUT"
	RECEIVER_PID=$CONNECT_PID
}

# spawn_connect ERRORS COMMAND_ARRAY OPTION...
spawn_connect() {
	local -n command=$2
	spawn CONNECT_PID "$1" connect "${CREDENTIAL[@]}" -p "$PORT" --ktls "$WHEN" \
		"${RETRY[@]}" "${@:3}" "$HOST" ${command:+-- "${command[@]}"}
}

# stream_ends SENDER_CODE RECEIVER_CODE: the exit statuses that are expected
stream_ends() {
	take_codes
	((SENDER == $1 && RECEIVER == $2)) && return
	show "$SENDER_ERR" "$RECEIVER_ERR"
	fail "sender and receiver exited $SENDER and $RECEIVER, not $1 and $2"
}

take_codes() {
	SENDER=0 RECEIVER=0
	wait "$SENDER_PID" || SENDER=$?
	wait "$RECEIVER_PID" || RECEIVER=$?
}

# receiver_ends CODE: the receiver alone; the sender was bkp_send, or has ended
receiver_ends() {
	local code=0
	wait "$RECEIVER_PID" || code=$?
	((code == $1)) && return
	show "$RECEIVER_ERR" "$ERR"
	fail "the receiver exited $code, not $1"
}

# streams push|pull SENDER_CODE RECEIVER_CODE
streams() {
	stream_starts "$1"
	stream_ends "$2" "$3"
}

# directions push|pull: sets WITH and AGAINST, the relay's names for the
# direction of the stream and the opposite one
directions() {
	WITH=c2s AGAINST=s2c
	[[ $1 == push ]] || WITH=s2c AGAINST=c2s
}

# with_stats: both sides write statistics, which counted reads
with_stats() {
	TX=(--stats sender.json "${TX[@]}")
	RX=(--stats receiver.json "${RX[@]}")
}

# counted KEY LEAST [MOST]: the value of KEY in both sides' statistics
counted() {
	local n side
	for side in sender receiver; do
		n=$(sed -nE "s/.*\"$1\": ?([0-9]+).*/\1/p" "$side.json")
		[[ $n ]] && (($2 <= n && n <= ${3:-n})) ||
			fail "$side: ${n:-no} $1, expected $2${3:+ to $3}"
	done
}

# both_ways FUNCTION [ARG]...: with push and with pull. The quick tier
# alternates between them, and takes the other one in guests.
both_ways() {
	local turn=$((BATS_TEST_NUMBER + 0${BKP_GUEST:+1}))
	if [[ $BKP_TIER == full ]]; then
		"$1" push "${@:2}"
		"$1" pull "${@:2}"
	elif ((turn % 2)); then
		"$1" push "${@:2}"
	else
		"$1" pull "${@:2}"
	fi
}

# stands push|pull [FILE]: starts a stream that is idle after 100000 bytes of
# "in" arrived in FILE ($RECEIVED); stands_end ends its input
stands() {
	make_data in 200000
	have_fifo feed
	exec 8<>feed
	stream_starts "$1" <feed
	feed 100000
	until_true size_is 100000 "${2:-$RECEIVED}"
}

# feed BYTES: writes these of "in" to descriptor 8, which we have open for
# reading, too: a sender that is gone would block us for ever
feed() {
	"$BKP_TOOLS/deadline" 60 head -c "$1" in >&8
}

stands_end() {
	exec 8>&-
}

# loses_sender SIGNAL [BYTES]: a sender of "in" that has sent BYTES (1000000) is
# killed; sets SENDER
loses_sender() {
	local bytes=${2:-1000000}
	have_fifo feed
	exec 8<>feed
	stream_starts push <feed
	feed "$bytes"
	until_true size_is "$bytes" "$RECEIVED"
	kill -"$1" "$SENDER_PID"
	wait "$SENDER_PID" || SENDER=$?
	exec 8>&-
}

size_is() {
	[[ -e $2 && $(stat -c %s "$2") == "$1" ]]
}

# assert_beginning PART WHOLE: PART is the beginning of WHOLE, or all of it
assert_beginning() {
	local part whole
	part=$(stat -Lc %s "$1") whole=$(stat -Lc %s "$2")
	((part <= whole)) || fail "$1 has $part bytes of $whole" || return
	cmp -n "$part" -- "$1" "$2" >&2 || fail "$1 is not the beginning of $2"
}

# make_btrfs_like FILE BYTES: begins and ends like a btrfs stream
make_btrfs_like() {
	{
		printf "$BTRFS_MAGIC"
		head -c $(($2 - 23)) /dev/urandom
		printf "$BTRFS_END"
	} >"$1"
}

# says WHO REGEX: the sender or the receiver printed such a line
says() {
	case $1 in
	sender) assert_stderr_has "^btrfs-ktls-pipe: .*$2" "$SENDER_ERR" ;;
	receiver) assert_stderr_has "^btrfs-ktls-pipe: .*$2" "$RECEIVER_ERR" ;;
	*) fail "says: $1 is neither sender nor receiver" ;;
	esac
}

# wrapped TEXT: runs the program from a script that first does TEXT
wrapped() {
	printf '%s\n' '#!/bin/bash' "$1" "exec ${2-} \"$BKP\" \"\$@\"" >wrapper
	chmod +x wrapper
	BKP=$TMP/wrapper
}

alive() {
	kill -0 "$1" 2>/dev/null
}

gone() {
	! alive "$1"
}

# takes_at_most SECONDS COMMAND...
takes_at_most() {
	local before=$EPOCHREALTIME after code
	"${@:2}" # after "||" a function would go on where something failed
	code=$?
	((code == 0)) || return "$code"
	after=$EPOCHREALTIME
	(((${after/./} - ${before/./}) < $1 * 1000000)) ||
		fail "took $(((${after/./} - ${before/./}) / 1000)) ms"
}

# cpu_of PID: processor time in clock ticks
cpu_of() {
	local stat
	read -r stat <"/proc/$1/stat"
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}

# idled PID...: they used almost no processor time for a second
idled() {
	local pid before=()
	for pid; do
		before[pid]=$(cpu_of "$pid")
	done
	sleep 1
	for pid; do
		ticks=$(($(cpu_of "$pid") - ${before[pid]}))
		((ticks < 10)) || return
	done
}

# idles PID...: they are idle within TRIES (5) seconds, which a process that
# never waits never is
idles() {
	local ticks try
	for ((try = 1; try <= ${TRIES:-5}; try++)); do
		! idled "$@" || return 0
	done
	fail "$ticks ticks in a second, after ${TRIES:-5} tries"
}

# feed_until_harm: writes "in" to descriptor 8, piece by piece as it arrives,
# until the relay does harm
feed_until_harm() {
	local i
	for ((i = 1; i <= 20; i++)); do
		! grep -qF . tool.err || return 0
		head -c $((i * 100000)) in | tail -c 100000 >&8
		until_true size_is $((i * 100000)) "$RECEIVED"
	done
	fail 'the relay did no harm'
}

# make_mark: sets MARK to a word that is in the arguments of no other process,
# so that COMMANDs can be found
make_mark() {
	MARK=mark.$SRANDOM.$$
}

marked_gone() {
	! pgrep -f "$MARK" >/dev/null
}

# An orphaned socket, of an earlier test of networks, may hold it for a while.
unload_tls() {
	rmmod tls 2>/dev/null
}

# without_tls: runs the test without the tls module, which a guest unloads
# meanwhile
without_tls() {
	have_ktls || return 0
	[[ ${BKP_GUEST-} ]] || skip "own kernel only: this kernel has TLS"
	PATIENT=120 until_true unload_tls
	cleanup_add modprobe -d "$BKP_GUEST_MODULES" tls
}

# can_strace: skips the test where the program cannot run under strace
can_strace() {
	command -v strace >/dev/null || skip "strace is not installed"
	not_under sanitizers 'they cannot look for leaks under strace'
	not_under valgrind 'it cannot run under strace'
}

# synced BYTES: so many are noted to be on the disk, SYNCED of them
synced() {
	SYNCED=$(getfattr --only-values -n user.btrfs-ktls-pipe.durable file.part 2>/dev/null) &&
		((SYNCED >= $1))
}

# keeps_attributes: skips the test where the length of a part cannot be noted
keeps_attributes() {
	: >attributes
	setfattr -n user.btrfs-ktls-pipe.test -v 1 attributes 2>/dev/null ||
		skip 'no extended attributes in this file system'
}

# assert_output_whole: "file", of --output, is all of "in"
assert_output_whole() {
	assert_same_file in file
	[[ ! -e file.part ]] || fail 'file.part is still there'
	[[ $(stat -c %a file) == 600 ]] || fail "$(stat file)"
}

# file.part, if there is one, is the beginning of in. A launcher may give it its
# name while we look.
part_is_beginning() {
	local size
	size=$(stat -c %s file.part 2>/dev/null) || return 0
	cmp -n "$size" file.part in || [[ ! -e file.part ]]
}

# assert_compared FILE LEAST [MOST]: FILE of --stats says so many bytes
assert_compared() {
	local n
	n=$(sed -nE 's/.*"compared": ([0-9]+).*/\1/p' "$1")
	(($2 <= n && n <= ${3:-$2})) || fail "compared $n bytes"
}
