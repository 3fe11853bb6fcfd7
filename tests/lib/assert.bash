# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Keys, data, and assertions. Part of helpers.bash.

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
