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

# is_child PID: not a stranger who got the number of a process that has ended
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

# --- running the program ---------------------------------------------------
#
# Two functions start it: bkp in the foreground, spawn in the background. The
# others add the options of a sender or of a receiver and call one of the two.

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

# --- features of the machine -----------------------------------------------

# have_ktls: the answer of probe, which is run once.
have_ktls() {
	local cache=$BATS_RUN_TMPDIR/have_ktls code=0
	if [[ ! -s $cache ]]; then
		"$BKP_TOOLS/deadline" 60 "$BKP" probe >/dev/null 2>&1 || code=$?
		echo "$code" >"$cache"
	fi
	read -r code <"$cache"
	case $code in
	0) return 0 ;;
	6) return 1 ;;
	esac
	fail "probe exits $code, neither 0 nor 6"
	exit 1
}

# for_other_users: BKP is a copy from here on, because they may not be able to
# search the folders above it
for_other_users() {
	cp "$BKP" program
	chmod 755 . program
	BKP=./program
}

# other_user [LIMIT]...: makes ./other, which runs the program as another user
# with this command for limits
other_user() {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	for_other_users
	printf '%s\n' '#!/bin/sh' \
		"exec setpriv --reuid=65534 --clear-groups $* '$BKP' \"\$@\"" >other
	chmod 755 other
}

# need_namespaces: skips a test that needs them where there are none
need_namespaces() {
	[[ $(id -u) == 0 ]] && unshare --mount --pid --fork true 2>/dev/null ||
		skip 'needs root, and namespaces'
}

# require_ktls: skips a test that needs kernel TLS where there is none, but
# never in a guest.
require_ktls() {
	have_ktls || [[ ${BKP_GUEST-} ]] ||
		skip "no TLS in this kernel: runs in the guests"
}

# ktls_here: sets WHEN, the value of --ktls, for tests that work on either path
ktls_here() {
	WHEN=require
	have_ktls || [[ ${BKP_GUEST-} ]] || WHEN=off
}

# require_localhost: for a test that connects to a name, which /etc/hosts may
# lack
require_localhost() {
	getent ahostsv4 localhost >/dev/null ||
		skip "own kernel only: the name localhost is not known here"
}

# not_under valgrind|sanitizers|killing WHY: skips it if scripts/test runs it
# under that
not_under() {
	[[ ${BKP_UNDER-} != "$1" ]] || skip "not under $1: $2"
}

# full_tier_only SECONDS: skips a test that takes so long
full_tier_only() {
	[[ $BKP_TIER == full ]] ||
		skip "${BKP_GUEST:+own kernel only: }full tier only: takes $1 s"
}

# by_tier OWN GUEST FULL FULL_GUEST: sets SIZE, by tier and kernel
by_tier() {
	local i=1
	[[ $BKP_TIER != full ]] || i=3
	[[ -z ${BKP_GUEST-} ]] || i=$((i + 1))
	SIZE=${!i}
}

# --- keys, data, assertions ------------------------------------------------

# make_key FILE [IDENTITY]: a random key in a file of mode 0600
make_key() {
	local i
	KEY_HEX=
	for i in 1 2 3 4 5 6 7 8; do
		printf -v KEY_HEX '%s%08x' "$KEY_HEX" "$SRANDOM"
	done
	printf '%s:%s\n' "${2:-btrfs}" "$KEY_HEX" >"$1"
}

# make_data FILE BYTES: random bytes
make_data() {
	head -c "$2" /dev/urandom >"$1"
}

assert_same_file() {
	cmp -- "$1" "$2" >&2 && return
	ls -l -- "$1" "$2" >&2
	fail "$1 and $2 differ"
}

# assert_prefix PART WHOLE: PART is the beginning of WHOLE, and not all of it
assert_prefix() {
	local part whole
	part=$(stat -Lc %s "$1") whole=$(stat -Lc %s "$2")
	((part < whole)) || fail "$1 has $part bytes of $whole" || return
	cmp -n "$part" -- "$1" "$2" >&2 || fail "$1 is not the beginning of $2"
}

# assert_stderr_has REGEX [FILE]: some line of FILE ($ERR) matches; lacks: none.
# The program that writes FILE may still run: we saw what it did, and the line
# about that comes soon.
assert_stderr_has() {
	has_line "$1" "${2:-$ERR}" && return
	[[ ${2-} ]] && PATIENT=${PATIENT:-5} until_true has_line "$1" "$2" && return
	show "${2:-$ERR}"
	fail "no match for $1 in ${2:-$ERR}"
}

assert_stderr_lacks() {
	has_line "$1" "${2:-$ERR}" || return 0
	show "${2:-$ERR}"
	fail "unexpected match for $1 in ${2:-$ERR}"
}

# has_line REGEX FILE: without a process for grep, which is slow in a guest.
has_line() {
	local line
	while IFS= read -r line || [[ $line ]]; do
		[[ ! $line =~ $1 ]] || return 0
	done <"$2"
	return 1
}

# lines_of FILE: sets TOLD, without what is only said under valgrind
lines_of() {
	local line
	TOLD=()
	while IFS= read -r line || [[ $line ]]; do
		[[ ${BKP_UNDER-} == valgrind && $line == *'not fully confined'* ]] ||
			TOLD+=("$line")
	done <"$1"
}

# has_lines FILE
has_lines() {
	lines_of "$1"
	((${#TOLD[@]} > 0))
}

# assert_lines N FILE
assert_lines() {
	lines_of "$2"
	((${#TOLD[@]} == $1)) && return
	show "$2"
	fail "$2 has ${#TOLD[@]} lines, expected $1"
}

# family_of PID: prints all its descendants
family_of() {
	local pid
	for pid in $(pgrep -P "$1"); do
		echo "$pid"
		family_of "$pid"
	done
}

# words_are_seen [OPTION]...: a stream of one word; afterwards "seen" has the
# environment of COMMAND, and the command lines of all processes of both sides
words_are_seen() {
	start_receiver --ktls "$WHEN" "$@" -- sh -c 'env >seen; cat'
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" "$@" <feed
	echo word >&8
	until_true test -s "$RECEIVED"
	family_of "$RECEIVER_PID" >pids
	family_of "$SENDER_PID" >>pids
	ps -wwo args -p "$RECEIVER_PID,$SENDER_PID,$(paste -sd, pids)" >>seen
	has_line '^BTRFS_KTLS_PIPE_STREAM=' seen
	has_line 'cat$' seen
	exec 8>&-
	wait_sender 0
	wait_receiver 0
}

# children_of PID: prints the processes that it forked, but for the launcher
children_of() {
	local pid
	for pid in $(pgrep -P "$1"); do
		[[ $(<"/proc/$pid/comm") == ktls-launcher ]] || echo "$pid"
	done 2>/dev/null
}

# launcher_of PID, supervisor_of PID: prints its launcher; the supervisor of its
# COMMAND, which the launcher started if there is one
launcher_of() {
	pgrep -x ktls-launcher -P "$1"
}

supervisor_of() {
	pgrep -x ktls-supervisor -P "$(pgrep -d, -P "$1"),$1"
}

# until_true COMMAND...: polls until COMMAND succeeds, for half a minute or
# PATIENT seconds at most
until_true() {
	local end=$((SECONDS + ${PATIENT:-30}))
	until "$@"; do
		((SECONDS < end)) || fail "did not come true: $*" || return
		sleep 0.05
	done
}
