#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The process that reads the network can do nothing else, and COMMAND everything
# that it could before. What is said about it is looked at from outside.

load ../../lib/helpers
load ../../lib/certs
load ../../lib/confine
load ../../lib/delivery
load ../../lib/keys

setup() {
	set_up
	ktls_here
	not_under valgrind 'it opens files itself'
	make_keys keys alice bob
	CREDENTIAL=(-k alice.key) SERVER=(--keys keys)
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
	TX=(--ktls "$WHEN" -v "${@:2}") RX=(--ktls "$WHEN" -v)
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
		run ! grep -Ev '^(socket|pipe|anon_inode):|^/dev/(null|pts/)|/(bats\.)?[0-9]+\.out$' \
			files
		# the pipe tells that a supervisor was killed
		open_files "$(launcher_of "$pid")" | sort >files
		[[ $(<files) == pipe:*$'\n'socket:* ]]
		assert_lines 2 files
	done
	ends_still
}

@test "a worker that an attacker controls cannot open, execute, connect, trace or signal" {
	can_try
	local pid
	stands_still push
	for pid in "$SENDER_PID" "$RECEIVER_PID"; do
		tried "$pid"
	done
	ends_still
	stands_still push --confine off
	"$BKP_TOOLS/tries" "$SENDER_PID" 3>&- >tried
	assert_stderr_has '^open OK$' tried
	run ! grep EPERM tried
	ends_still
}

@test "a receiver with --output is confined: it has FILE.part and the folder open, and FILE is whole" {
	start_receiver --ktls "$WHEN" --output file
	have_fifo feed
	exec 8<>feed
	CREDENTIAL=(-k alice.key)
	spawn_sender --ktls "$WHEN" <feed
	echo word >&8
	until_true test -s file.part
	is_confined "$RECEIVER_PID"
	is_free "$(launcher_of "$RECEIVER_PID")"
	if [[ $(id -u) == 0 ]]; then
		open_files "$RECEIVER_PID" | grep -E "^$TMP(/|\$)" >files
		has_line "^$TMP\$" files
		has_line "^$TMP/file.part\$" files
		assert_lines 2 files
		[[ $(open_files "$(launcher_of "$RECEIVER_PID")" | wc -l) == 1 ]]
	fi
	exec 8>&-
	wait_sender 0
	wait_receiver 0
	[[ $(<file) == word && ! -e file.part ]]
}

@test "-v and probe say how far the program is confined" {
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

@test "--keep --confine off: what the launcher does otherwise, the listener and its streams do" {
	CREDENTIAL=(-k alice.key)
	listens --keys keys --keep --confine off -- sh -c 'cat >>got; echo >>whole'
	bkp_send 0 --ktls "$WHEN" <<<word
	kill -HUP "$LISTENER_PID"
	until_true grep -q 'keys file keys: 2 keys are now in use' listener.err
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" <feed
	echo more >&8
	until_true grep -q more got
	kill -TERM "$LISTENER_PID"
	until_true grep -q 'no new streams' listener.err
	kill -TERM "$LISTENER_PID"
	wait_listener 143
	exec 8>&-
	wait_sender 7
	printf '%s\n' word more | cmp - got
	assert_lines 1 whole
}

@test "--confine require runs where all of it is possible" {
	has_seccomp && has_landlock || skip "own kernel only: needs Landlock and seccomp"
	bkp_listener_says 'confined: user' --confine require
}

# without CALL...: these system calls are refused
without() {
	not_under sanitizers 'these need what is refused here'
	wrapped '' "\"$BKP_TOOLS/refuse\" EPERM $* --"
}

@test "without seccomp the rest is in force: auto says so, require exits 6" {
	has_landlock || skip "own kernel only: needs Landlock"
	without seccomp prctl:0=22
	bkp_listener_says "confined: user $(confined_uid), no files$"
	assert_stderr_has 'not fully confined: cannot limit the system calls'
	bkp 6 listen -k alice.key -p 0 --wait 1ms --confine require
	assert_stderr_has 'cannot be confined \(--confine require\): '
}

@test "without seccomp and Landlock root is given up, and both are named" {
	without seccomp prctl:0=22 landlock_create_ruleset
	bkp_listener_says "confined: user $(confined_uid)$"
	assert_stderr_has 'confined: Landlock: .*; cannot limit the system calls'
}

@test "root becomes the user btrfs-ktls-pipe, if there is one" {
	[[ $(id -u) == 0 ]] && unshare -m true 2>/dev/null ||
		skip "own kernel only: needs root and a mount namespace"
	grep -v ^btrfs-ktls-pipe: /etc/passwd >passwd
	echo btrfs-ktls-pipe:x:4711:4712::/:/bin/false >>passwd
	run unshare -m sh -c "mount --bind passwd /etc/passwd && exec \"$BKP\" probe"
	grep -q '^confinement  *user 4711' <<<"$output" || fail "$output"
}

@test "without Landlock the rest is in force: auto says so with -v only, require exits 6" {
	has_seccomp || skip "this build has no list of system calls"
	without landlock_create_ruleset
	bkp_listener_says 'not fully confined: Landlock: '
	bkp 4 listen -k alice.key -b 127.0.0.1 -p 0 --wait 1ms
	assert_stderr_lacks 'confined'
	bkp 6 connect -k alice.key --confine require 127.0.0.1
	assert_stderr_has 'cannot be confined \(--confine require\): Landlock'
}

@test "where root cannot be given up the rest is in force: auto says so, require exits 6" {
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
	grep -q '^Max processes  *0  *0 ' "/proc/$pid/limits"
	(($(ulimit -Sn) <= 512)) ||
		grep -q "^Max open files  *$(($(ulimit -Sn) / 2)) " "/proc/$pid/limits"
	is_free "$(<pid.alice)"
	is_free "$(launcher_of "$LISTENER_PID")"
	if may_try; then
		tried "$LISTENER_PID"
		tried "$pid"
	fi
	exec 8>&-
	wait_sender 0
	kill -TERM "$LISTENER_PID"
	wait_listener 0
}

# loses_launcher: a listener serves a stream, and its launcher is killed
loses_launcher() {
	have_fifo feed
	exec 8<>feed
	listens -k alice.key --keep -- sh -c 'cat >>got'
	CREDENTIAL=(-k alice.key)
	spawn_sender --ktls "$WHEN" <feed
	echo word >&8
	until_true test -s got
	kill -9 "$(launcher_of "$LISTENER_PID")"
}

# stream_is_delivered: by a listener that has lost its launcher
stream_is_delivered() {
	exec 8>&-
	wait_sender 0
	[[ $(<got) == word ]]
}

@test "the launcher of listen --keep is killed: running streams end well, then the listener exits 70" {
	loses_launcher
	until_true grep -q 'launcher was killed .*: no new streams' listener.err
	bkp_send 5 --retry 0 <<<more
	stream_is_delivered
	wait_listener 70
	assert_stderr_has 'launcher was killed .*: start the listener again' listener.err
}

@test "the launcher of listen --keep is killed: two SIGTERMs end the listener, and the stream is delivered" {
	loses_launcher
	kill -TERM "$LISTENER_PID"
	listener_says 'signal 15.*no new streams'
	kill -TERM "$LISTENER_PID"
	wait_listener 70
	assert_stderr_has 'only the launcher could abort them' listener.err
	stream_is_delivered
}

@test "the launcher is killed: the stream of a COMMAND is delivered, and no COMMAND is left" {
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

# stands_by NAME MODE: a client of the name that has begun a stream and does
# nothing more; its secrets are in NAME.secrets
stands_by() {
	have_fifo "$1.feed"
	exec 8<>"$1.feed"
	"$BKP_TOOLS/records" "$PORT" "$1.key" "$2" sends secrets <"$1.feed" \
		>"$1.secrets" 2>"$1.err" 3>&- 8>&- &
	PIDS+=($!)
	until_true has_line '^ready$' "$1.secrets" || show "$1.err" listener.err
}

# places_of NAME PID: prints where the secrets and the key of NAME are in it
places_of() {
	local hex
	for hex in $(sed '/ready/d' "$1.secrets") "$(cut -d: -f2 "$1.key")"; do
		"$BKP_TOOLS/findkey" "$hex" "$2" 3>&- || :
	done
}

@test "--keep: the process of a stream has its own secrets, and not those of a stream before it or a client's key" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: reads the memory of others, as root"
	not_under sanitizers "they keep what was freed"
	local first second
	listens --ktls off --keys keys --keep -- cat
	stands_by alice tls13-aes128-gcm
	first=$(children_of "$LISTENER_PID")
	stands_by bob tls13-aes128-gcm
	second=$(children_of "$LISTENER_PID" | grep -vx "$first")
	[[ $(places_of alice "$first") ]] || fail 'it has not its own secrets?'
	[[ $(places_of bob "$second") ]] || fail 'it has not its own secrets?'
	places_of alice "$second" >places
	places_of bob "$first" >>places
	places_of alice "$(launcher_of "$LISTENER_PID")" >>places
	[[ ! -s places ]] || fail "$(<places)"
}

# make_certs_here: in the folder certs, where certs_of and client_is find them
make_certs_here() {
	command -v certtool >/dev/null || skip "certtool is not installed"
	mkdir certs
	BATS_FILE_TMPDIR=$TMP/certs
	(make_certs)
}

# reversed HEX: its bytes from the last to the first, as numbers lie in memory
reversed() {
	local i out=
	for ((i = ${#1} - 2; i >= 0; i -= 2)); do
		out+=${1:i:2}
	done
	echo "$out"
}

@test "--keep: the process of a stream has no private key of a certificate" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: reads the memory of others, as root"
	not_under sanitizers "they keep what was freed"
	command -v openssl >/dev/null || skip "openssl is not installed"
	local hex
	make_certs_here
	hex=$(openssl ec -in certs/server.key -text -noout 2>/dev/null |
		sed -n '/^priv/,/^pub/{/^ /p}' | tr -d ' :\n')
	hex=${hex: -64}
	client_is alice
	certs_of server
	listens "${CERT[@]}" --keep -- cat
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" <feed
	echo word >&8
	until_true grep -q word listener.out
	keys_in() {
		"$BKP_TOOLS/findkey" "$hex" "$1" 3>&- || :
		"$BKP_TOOLS/findkey" "$(reversed "$hex")" "$1" 3>&- || :
	}
	[[ $(keys_in "$LISTENER_PID") ]] || fail 'the listener has no key?'
	keys_in "$(children_of "$LISTENER_PID")" >places
	[[ ! -s places ]] || fail "$(<places)"
}

@test "/proc has the numbers of another namespace: each stream starts COMMAND" {
	[[ $(id -u) == 0 ]] && unshare --pid --fork true 2>/dev/null ||
		skip "own kernel only: no namespace for process numbers"
	printf '%s\n' '#!/bin/bash' \
		"exec unshare --pid --fork --kill-child \"$BKP\" \"\$@\"" >wrapper
	chmod +x wrapper
	local pid
	BKP=$TMP/wrapper listens -k alice.key --keep -- cat
	pid=$LISTENER_PID
	until [[ $(<"/proc/$pid/comm") == btrfs-ktls-pipe ]]; do
		pid=$(pgrep -P "$pid")
	done
	cleanup_add kill -9 "$pid" # which no death of its parent does
	bkp_send 0 <<<word
}

# mutated CREDENTIAL LISTENER_OPTION...: a listener survives damaged
# handshakes
mutated() {
	listens "${@:2}" --keep -- cat
	"$BKP_TOOLS/mutate" "$PORT" "$1" "$SIZE" 3>&- >mutated
	is_confined "$LISTENER_PID"
	assert_stderr_has '^[1-9][0-9]* handshakes$' mutated
	kill -TERM "$LISTENER_PID"
	wait_listener 0
}

@test "damaged handshakes make a confined listener neither end nor call what it may not" {
	# Only build/kill dies of a call that is not in the list.
	SIZE=1
	[[ ${BKP_UNDER-} != killing ]] || SIZE=60
	make_certs_here
	mutated alice.key --keys keys
	certs_of server
	mutated certs/alice.crt,certs/alice.key,certs/ca.crt "${CERT[@]}"
}

# From the first limit under which it can say anything to the first under which
# nothing is missing
@test "with too little memory for its list of system calls the program says so, and does not crash" {
	has_seccomp || skip "this build has no list of system calls"
	local kib code lacked=
	for ((kib = 400; kib < 8000; kib += 8)); do
		code=0
		prlimit --data=$((kib * 1024)) "$BKP" listen -k alice.key -p 0 \
			--wait 0s </dev/null >"$OUT" 2>"$ERR" 3>&- || code=$?
		if ! has_line '^btrfs-ktls-pipe: ' "$ERR" && [[ ! $lacked ]]; then
			continue # it cannot be loaded
		fi
		[[ $code == @(4|70) ]] || fail "--data=${kib}K: exit status $code"
		lacked+=.
		has_line 'not fully confined' "$ERR" || ((code != 4)) || break
	done
	((code == 4 && ${#lacked} > 3))
}
