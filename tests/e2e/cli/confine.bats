#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The process that reads the network can do nothing else, and COMMAND everything
# that it could before. What is said about it is looked at from outside.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/keys

setup() {
	set_up
	ktls_here
	not_under valgrind 'it opens files itself'
	make_keys keys alice bob
	CREDENTIAL=(-k alice.key) SERVER=(--keys keys)
}

# statuses PID: the lines of /proc/PID/status, in STATUS by name. cat reads it at
# once: between two reads a number may get one digit more.
statuses() {
	local name value
	declare -gA STATUS=()
	while IFS=: read -r name value; do
		[[ ! $name ]] || STATUS[$name]=${value#"${value%%[![:space:]]*}"}
	done < <(cat "/proc/$1/status")
}

# has PID FIELD VALUE; uses STATUS
has() {
	[[ ${STATUS[$2]-} == "$3" ]] ||
		fail "process $1: $2 is ${STATUS[$2]-missing}, not $3"
}

# has_seccomp: sanitizers and builds without it have no list of calls
has_seccomp() {
	[[ ${BKP_UNDER-} != sanitizers ]] &&
		probed | grep -q '^confinement .*system calls'
}

# probed: prints what probe prints; it is run once
probed() {
	[[ -s probed ]] || "$BKP" probe >probed 2>/dev/null || :
	cat probed
}

# has_landlock: this kernel can take files away
has_landlock() {
	! probed | grep -q '^confinement .*Landlock'
}

# confined_uid: who a confined process is
confined_uid() {
	local uid
	[[ $(id -u) == 0 ]] || { id -u; return; }
	uid=$(sed -n 's/^btrfs-ktls-pipe:[^:]*:\([0-9]*\):.*/\1/p' /etc/passwd)
	echo "${uid:-65534}"
}

# is_confined PID
is_confined() {
	local field uid
	uid=$(confined_uid)
	statuses "$1"
	has "$1" Uid "$uid"$'\t'"$uid"$'\t'"$uid"$'\t'"$uid"
	[[ $(id -u) != 0 ]] || has "$1" Groups ''
	for field in CapInh CapPrm CapEff CapAmb; do
		has "$1" $field 0000000000000000
	done
	has "$1" NoNewPrivs 1
	! has_seccomp || has "$1" Seccomp 2
}

# is_free PID: it has what we have
is_free() {
	local field
	local -A ours
	statuses $$
	for field in "${!STATUS[@]}"; do
		ours[$field]=${STATUS[$field]}
	done
	statuses "$1"
	for field in Uid Groups CapInh CapPrm CapEff CapAmb CapBnd NoNewPrivs \
		Seccomp; do
		has "$1" $field "${ours[$field]}"
	done
}

# open_files PID: prints what its descriptors from 3 on are
open_files() {
	local fd
	for fd in "/proc/$1/fd/"*; do
		((${fd##*/} < 3)) || readlink "$fd"
	done
}

# A stream from and to COMMANDs that stands still
RUNNING=(sh -c 'echo $$ >"pid.$0"; if [ "$0" = source ]; then
		echo word; exec sleep 60
	else
		exec cat >>got
	fi')

stands_still() {
	: >got
	SOURCE=("${RUNNING[@]}" source) CONSUMER=("${RUNNING[@]}" consumer)
	TX=(--ktls "$WHEN" -v) RX=(--ktls "$WHEN" -v)
	[[ $1 == push ]] || { SERVER=(-k alice.key) CREDENTIAL=(-k alice.key); }
	stream_starts "$1"
	until_true test -s got
}

ends_still() {
	kill -TERM "$SENDER_PID"
	stream_ends 143 7
}

@test "while a stream runs, both workers are confined, and COMMAND, its supervisor and the launcher are not" {
	local way pid role
	for way in push pull; do
		stands_still "$way"
		for pid in "$SENDER_PID" "$RECEIVER_PID"; do
			is_confined "$pid"
			is_free "$(launcher_of "$pid")"
			is_free "$(supervisor_of "$pid")"
		done
		for role in source consumer; do
			is_free "$(<"pid.$role")"
		done
		ends_still
	done
}

@test "while a stream runs, no worker has a file open, and no launcher a socket of the network" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	local pid
	stands_still push
	for pid in "$SENDER_PID" "$RECEIVER_PID"; do
		open_files "$pid" >files
		run ! grep -Ev '^(socket|pipe|anon_inode):|^/dev/(null|pts/)|/bats' \
			files
		[[ $(open_files "$(launcher_of "$pid")") == socket:* ]]
		[[ $(open_files "$(launcher_of "$pid")" | wc -l) == 1 ]]
	done
	ends_still
}

@test "-v and probe say what holds" {
	has_seccomp || skip "this build has no list of system calls"
	local says
	says="user $(confined_uid), no files, [0-9]+ system calls"
	bkp_listener_says "confined: $says"
	probed >/dev/null
	assert_stderr_has "^confinement +$says" probed
	"$BKP" probe --json 2>/dev/null >json || :
	"$BKP_TOOLS/json" <json >flat
	assert_stderr_has '^\.confinement\.privileges=false' flat
	assert_stderr_has '^\.confinement\.system_calls=[1-9]' flat
	assert_stderr_has "^\\.confinement\\.user=$(confined_uid)" flat
}

# bkp_listener_says REGEX [OPTION]...: a listener that nobody comes to
bkp_listener_says() {
	bkp 4 listen -k alice.key -b 127.0.0.1 -p 0 --wait 1ms -v "${@:2}"
	assert_stderr_has "$1"
}

@test "--confine off: a notice, and neither launcher nor confinement" {
	SERVER=(-k alice.key)
	start_receiver --confine off
	assert_stderr_has '^btrfs-ktls-pipe: --confine off: ' "$RECEIVER_ERR"
	is_free "$RECEIVER_PID"
	[[ ! $(launcher_of "$RECEIVER_PID") ]]
	bkp_send 0 --ktls "$WHEN" --confine off <<<word
	wait_receiver 0
}

@test "--confine require is content where all holds" {
	has_seccomp && has_landlock || skip "own kernel only: needs Landlock and seccomp"
	bkp_listener_says 'confined: user' --confine require
}

# without CALL...: these system calls are refused
without() {
	not_under sanitizers 'these need what is refused here'
	wrapped '' "\"$BKP_TOOLS/refuse\" EPERM $* --"
}

@test "without seccomp the rest holds: auto says so, require exits 6" {
	has_landlock || skip "own kernel only: needs Landlock"
	without seccomp prctl:0=22
	bkp_listener_says "confined: user $(confined_uid), no files$"
	assert_stderr_has 'not fully confined: cannot limit the system calls'
	bkp 6 listen -k alice.key -p 0 --wait 1ms --confine require
	assert_stderr_has 'cannot be confined \(--confine require\): '
}

@test "without Landlock the rest holds: auto says so with -v only, require exits 6" {
	has_seccomp || skip "this build has no list of system calls"
	without landlock_create_ruleset
	bkp_listener_says 'not fully confined: Landlock: '
	bkp 4 listen -k alice.key -b 127.0.0.1 -p 0 --wait 1ms
	assert_stderr_lacks 'confined'
	bkp 6 connect -k alice.key --confine require 127.0.0.1
	assert_stderr_has 'cannot be confined \(--confine require\): Landlock'
}

@test "where root cannot be given up the rest holds: auto says so, require exits 6" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	has_seccomp || skip "this build has no list of system calls"
	without setresuid
	bkp_listener_says 'not fully confined: .*cannot become user 65534'
	assert_stderr_lacks 'confined: user'
	bkp 6 listen -k alice.key -p 0 --wait 1ms --confine require
}

@test "without a launcher nothing is confined: auto says so, require exits 6" {
	without clone:0=18874385
	bkp_listener_says 'cannot start the launcher: .*; going on unconfined'
	bkp 6 listen -k alice.key -p 0 --wait 1ms --confine require
	assert_stderr_has 'launcher: .* \(--confine require\)'
}

@test "--keep: the listener and the process of each stream are confined, COMMAND is not" {
	local pid
	listens --keys keys --keep -v -- sh -c \
		'echo $$ >"pid.$BTRFS_KTLS_PIPE_IDENTITY"; exec cat >>got'
	CREDENTIAL=(-k alice.key)
	have_fifo feed
	exec 8<>feed
	: >got
	spawn_sender --ktls "$WHEN" <feed
	echo word >&8
	until_true test -s got
	is_confined "$LISTENER_PID"
	pid=$(children_of "$LISTENER_PID")
	is_confined "$pid"
	is_free "$(<pid.alice)"
	is_free "$(launcher_of "$LISTENER_PID")"
	exec 8>&-
	wait_sender 0
	kill -TERM "$LISTENER_PID"
	wait_listener 0
}

@test "a COMMAND under a killed launcher is delivered all the same, and none is left" {
	local way
	make_mark
	for way in push pull; do
		: >got
		SOURCE=() CONSUMER=(sh -c 'cat >>got' "$MARK")
		TX=(--ktls "$WHEN") RX=(--ktls "$WHEN")
		SERVER=(-k alice.key)
		have_fifo feed
		exec 8<>feed
		stream_starts "$way" <feed
		echo word >&8
		until_true test -s got
		kill -9 "$(launcher_of "$RECEIVER_PID")"
		echo words >&8
		exec 8>&-
		stream_ends 0 0
		until_true marked_gone
		printf '%s\n' word words | cmp - got
	done
}
