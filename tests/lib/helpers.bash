# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Helpers for all .bats files; helpers.bats tests them. Every test runs in its
# own directory, and its processes are killed when it ends.
#
# BKP           the program under test
# BKP_TOOLS     folder with the programs of tests/tools
# BKP_TIER      quick or full
# BKP_GUEST     set inside a guest kernel: kernel TLS must work there

bats_require_minimum_version 1.8.0
load ../../lib/assert
load ../../lib/machine
load ../../lib/peers

BKP=${BKP:-$BATS_TEST_DIRNAME/../../../build/gcc/src/btrfs-ktls-pipe}
BKP_TOOLS=${BKP_TOOLS:-$BATS_TEST_DIRNAME/../../../build/gcc/tests/tools}
BKP_TIER=${BKP_TIER:-quick}
BKP_DEADLINE=${BKP_DEADLINE:-$([[ $BKP_TIER = full ]] && echo 900 || echo 60)}

# --ktls by path, so that a test says "kernel" or "user"
declare -gA KTLS=([kernel]=require [user]=off)

# The credential of both sides; SERVER is that of the listener, if it differs
CREDENTIAL=(-k key) SERVER=()

# Most tests have one connection; resume.bats has many.
RETRY=(--retry 0)

# A file with a setup or teardown of its own calls these.
setup() {
	set_up
}

teardown() {
	clean_up
}

set_up() {
	export LC_ALL=C
	unset CREDENTIALS_DIRECTORY SSLKEYLOGFILE GNUTLS_SYSTEM_PRIORITY_FILE
	exec </dev/null
	cd "$BATS_TEST_TMPDIR" || return
	TMP=$BATS_TEST_TMPDIR
	OUT=$TMP/out ERR=$TMP/err
	RECEIVED=$TMP/received RECEIVER_ERR=$TMP/receiver.err
	SENDER_ERR=$TMP/sender.err
	BIND=(-b 127.0.0.1)
	PIDS=() CLEANUPS=()
	umask 077
	make_key key
	ktls_here
}

# is_child PID: not another process, which got the number of one that has ended
is_child() {
	local stat=
	read -r stat 2>/dev/null <"/proc/$1/stat"
	[[ ${stat##*) } == ?" $BASHPID "* ]] # state, parent; proc(5)
}

end_children() {
	local pid
	for pid in "${PIDS[@]}"; do
		! is_child "$pid" || kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	PIDS=()
}

clean_up() {
	local i
	end_children
	for ((i = ${#CLEANUPS[@]} - 1; i >= 0; i--)); do
		eval "${CLEANUPS[i]}"
	done
	cd / || return
}

# cleanup_add COMMAND...: runs it when the test ends, the last one first
cleanup_add() {
	CLEANUPS+=("${*@Q}")
}

fail() {
	printf '%s\n' "$@" >&2
	return 1
}

# show FILE...: prints them for the reader of a failure; of a long file, both
# ends
show() {
	local f
	for f; do
		[[ -s $f ]] || continue
		printf -- '--- %s\n' "${f##*/}"
		if (($(stat -Lc %s "$f") <= 8192)); then
			cat "$f"
		else
			head -c 2048 "$f"
			printf '\n[...]\n'
			tail -c 6144 "$f"
		fi
		printf '\n'
	done >&2
}

# Descriptors: 3 is bats'; 7 and 8 are for tests, and no child keeps them open;
# 9 is the listener's --ready-fd.

# Two functions start the program: bkp in the foreground, spawn in the
# background. The others add the options of a sender or of a receiver and call
# one of the two.

# bkp [CODE] ARG...: runs the program, which must exit with CODE (0). Its
# standard output is then in $OUT and its standard error in $ERR.
bkp() {
	local want=0 code=0
	if [[ $1 =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP" "$@" \
		>"$OUT" 2>"$ERR" 3>&- || code=$?
	if ((code != want)); then
		show "$OUT" "$ERR" "$RECEIVER_ERR"
		fail "btrfs-ktls-pipe ${*@Q}" "exit status $code, expected $want"
	fi
}

# spawn PID ERRORS connect|listen ARG...: starts the program with our standard
# input and output, and its messages in the file ERRORS; sets the variable PID.
# For a listener it waits until that listens, and sets PORT.
spawn() {
	local pid=$1 errors=$2
	shift 2
	# Now: the process itself may come to it after we looked for a message.
	[[ ! -f $errors ]] || : >"$errors"
	if [[ $1 == listen ]]; then
		have_fifo ready
		"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP" listen --ready-fd 9 \
			"${@:2}" <&0 2>"$errors" 3>&- 7>&- 8>&- 9>ready &
	else
		"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP" "$@" \
			<&0 2>"$errors" 3>&- 7>&- 8>&- &
	fi
	PIDS+=($!)
	printf -v "$pid" %s $!
	[[ $1 != listen ]] || read_port || {
		show "$errors"
		fail "btrfs-ktls-pipe ${*@Q}" "did not get ready"
	}
}

# bkp_send [CODE] ARG...: sends standard input to the receiver, relay or peer
# that was started last
bkp_send() {
	local want=0
	if [[ $1 =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	bkp "$want" connect "${CREDENTIAL[@]}" -p "$PORT" "${RETRY[@]}" "$@" 127.0.0.1
}

# spawn_sender ARG...: the same in the background; then wait_sender CODE
spawn_sender() {
	spawn SENDER_PID "$SENDER_ERR" connect "${CREDENTIAL[@]}" -p "$PORT" \
		"${RETRY[@]}" "$@" 127.0.0.1
}

# start_receiver ARG...: a listener that writes to $RECEIVED; sets PORT and
# RECEIVER_PID. spawn_receiver writes to our standard output instead.
start_receiver() {
	spawn_receiver "$@" >"$RECEIVED"
}

spawn_receiver() {
	local cred=("${SERVER[@]}")
	((${#cred[@]})) || cred=("${CREDENTIAL[@]}")
	spawn RECEIVER_PID "$RECEIVER_ERR" listen "${cred[@]}" "${BIND[@]}" -p 0 \
		"${RETRY[@]}" "$@"
}

# suspended_for SECONDS PID
suspended_for() {
	kill -STOP "$2"
	sleep "$1"
	kill -CONT "$2"
}

# runs_program PID: not bash any more, which becomes the program; or it has ended
runs_program() {
	local name=btrfs-ktls-pipe
	read -r name 2>/dev/null <"/proc/$1/comm" || :
	[[ $name == btrfs-ktls-pipe ]]
}

# verbs: prints them
verbs() {
	"$BKP" --help | sed -En 's/^(usage:|      ) btrfs-ktls-pipe ([a-z-]+).*/\2/p'
}
