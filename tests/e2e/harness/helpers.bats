#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The helpers and tools that the other tests use.

load ../../lib/helpers
load ../../lib/delivery # idles

# read_through TEXT ACTION [OPTION]...: sets GOT to the part of TEXT that
# arrives through a relay
read_through() {
	start_tool peer close "$1"
	start_relay "${@:2}" -c s2c
	GOT=
	# A relay that resets at once may do so within bash's connect.
	{ exec 5<>"/dev/tcp/127.0.0.1/$PORT"; } 2>got.err || return 0
	IFS= read -r -t 20 -d '' GOT <&5 2>got.err || :
	exec 5>&-
}

# relayed GOT ACTION [OPTION]...: ten digits arrive as GOT
relayed() {
	read_through 0123456789 "${@:2}"
	[[ $GOT == "$1" ]] || fail "relay ${*:2}: got $GOT, expected $1"
}

# A TLS record with 257 letters in it: its header holds no NUL byte.
record() {
	printf '\x17\x03\x03\x01\x01'
	printf '%257s' '' | tr ' ' "$1"
}

@test "bkp succeeds when the exit status is the expected one" {
	bkp 2 no-such-verb
	assert_stderr_has '^btrfs-ktls-pipe: '
}

@test "bkp fails on another exit status, and shows command, status and output" {
	run ! bkp 3 no-such-verb 'a word'
	[[ $output == *"btrfs-ktls-pipe 'no-such-verb' 'a word'"* ]]
	[[ $output == *'exit status 2, expected 3'* ]]
	[[ $output == *'--- err'*'no-such-verb'* ]]
}

@test "deadline kills the command that it executes" {
	local code=0
	"$BKP_TOOLS/deadline" 1 sleep 30 || code=$?
	((code == 142)) || fail "exit status $code"
}

@test "start_receiver waits for the port, wait_receiver for the exit status" {
	start_receiver --ktls off
	[[ $PORT -gt 0 ]] || fail "port $PORT"
	kill -TERM "$RECEIVER_PID"
	if wait_receiver 0 2>message; then fail "143 passed for 0"; fi
	assert_stderr_has '^receiver: exit status 143, expected 0$' message
}

@test "start_receiver fails when the program does not get ready" {
	READY_SECONDS=1
	run ! start_receiver --no-such-option
	[[ $output == *'did not get ready'* ]]
}

@test "commands of cleanup_add run at the end, the last one first" {
	cleanup_add echo one '*' >/dev/null
	cleanup_add echo two
	run teardown
	[[ $output == $'two\none *' ]] || fail "$output"
	CLEANUPS=()
}

@test "assert_same_file and assert_prefix distinguish files" {
	printf abcdef >whole
	printf abc >part
	printf abx >other
	assert_same_file whole whole
	assert_prefix part whole
	run ! assert_same_file part whole
	run ! assert_prefix whole whole
	run ! assert_prefix other whole
}

@test "assert_stderr_has, assert_stderr_lacks and assert_lines check the lines of a file" {
	printf 'one\ntwo\n' >"$ERR"
	assert_stderr_has '^t.o$'
	assert_stderr_lacks three
	assert_lines 2 "$ERR"
	run ! assert_stderr_has three
	run ! assert_stderr_lacks two
	run ! assert_lines 1 "$ERR"
}

@test "assert_stderr_has FILE waits for the line of a program that still runs" {
	: >other
	{ sleep 0.5; echo four >>other; } 3>&- &
	assert_stderr_has four other
	PATIENT=1
	run ! assert_stderr_has five other
}

@test "idles fails if the process never waits" {
	local busy
	while :; do :; done 3>&- &
	busy=$!
	cleanup_add kill "$busy"
	TRIES=1
	run ! idles "$busy"
	[[ $output == *'ticks in a second, after 1 tries' ]]
	sleep 60 3>&- &
	cleanup_add kill "$!"
	idles "$!"
}

@test "make_key creates an identity:hex line that only its owner can read" {
	make_key k alice
	[[ $(<k) =~ ^alice:[0-9a-f]{64}$ && $(<k) == "alice:$KEY_HEX" ]]
	[[ $(stat -c %a k) == 600 ]]
}

@test "have_ktls agrees with probe" {
	local code=0
	"$BKP" probe >/dev/null || code=$?
	if have_ktls; then ((code == 0)); else ((code == 6)); fi
}

@test "relay passes bytes unchanged" {
	relayed 0123456789 pass
}

@test "relay does harm at the given byte" {
	relayed '012#456789' flip -a 3
	relayed 01256789 drop -a 3 -n 2
	relayed 012343456789 dup -a 3 -n 2
	relayed 0125634789 swap -a 3 -n 2
	relayed 012AB3456789 insert -a 3 -i 4142
	relayed 012 fin -a 3
	relayed 012 cut -a 3
}

@test "relay does harm to whole TLS records" {
	local a b c
	a=$(record a) b=$(record b) c=$(record c)
	read_through "$a$b$c" swap -r 1
	[[ $GOT == "$a$c$b" ]] || fail "swap"
	read_through "$a$b$c" drop -r 2
	[[ $GOT == "$a$b" ]] || fail "drop"
	read_through "$a$b$c" fin -r 1
	[[ $GOT == "$a" ]] || fail "fin"
}

@test "relay resets both ends" {
	read_through 0123456789 rst -a 3
	assert_stderr_has 'Connection reset by peer' got.err
	make_data in 2000000
	HARM=(rst -a 1000000)
	streams push 7 7 <in
	assert_stderr_has 'reset by peer' "$RECEIVER_ERR"
}

@test "relay stops sending and keeps the connection" {
	local code=0
	start_tool peer close 0123456789
	start_relay silence -c s2c -a 3
	exec 5<>"/dev/tcp/127.0.0.1/$PORT"
	read -r -t 20 -N 3 GOT <&5
	read -r -t 0.5 -N 1 MORE <&5 || code=$?
	exec 5>&-
	[[ $GOT == 012 && ! $MORE ]] || fail "got $GOT$MORE"
	((code > 128)) || fail "the connection ended"
}

@test "tinywrites copies all bytes and pauses" {
	local before=$EPOCHREALTIME after
	make_data in 50000
	"$BKP_TOOLS/tinywrites" -p 20000:50 <in >got
	after=$EPOCHREALTIME
	assert_same_file in got
	((${after/./} - ${before/./} >= 100000)) || fail "no two pauses of 50 ms"
}

@test "json prints one line for each value of JSON" {
	printf '{"a":[1,-2.5e3,{"b c":"x\\"y\\u00e9"}],"e":{},"t":true}\n' |
		"$BKP_TOOLS/json" >got
	printf '%s\n' '.a[0]=1' '.a[1]=-2.5e3' \
		'.a[2].b c="x\"y\u00e9"' '.t=true' >want
	assert_same_file want got
}

@test "json refuses almost valid JSON" {
	local text
	for text in '' '{' '[1,]' '{"a":1,}' '{a:1}' "{'a':1}" '01' '1.' '+1' \
		'nul' '"a' '"\x"' '[1] 2' '{"a" 1}' '[1 2]' $'"\t"' ']'; do
		! "$BKP_TOOLS/json" <<<"$text" >/dev/null 2>&1 ||
			fail "took $text"
	done
}

@test "onfd gives a command a terminal or a socket as standard input" {
	printf 'a line\n' >in
	"$BKP_TOOLS/onfd" tty in sh -c 'test -t 0 && cat' <in >got
	assert_same_file in got
	"$BKP_TOOLS/onfd" unix in sh -c 'test -S /proc/self/fd/0 && cat' <in >got
	assert_same_file in got
	"$BKP_TOOLS/onfd" tcp in cat <in >got
	assert_same_file in got
}

@test "onfd gives a command a terminal or a socket as standard output" {
	local code=0
	printf 'a line\n' >in
	"$BKP_TOOLS/onfd" tty out sh -c 'test -t 1 && cat; exit 9' <in >got ||
		code=$?
	((code == 9)) || fail "exit status $code"
	assert_same_file in got
	"$BKP_TOOLS/onfd" unix out cat <in >got
	assert_same_file in got
	"$BKP_TOOLS/onfd" tcp out cat <in >got
	assert_same_file in got
}

# sums EXPECTED LINE FILE...
sums() {
	local status=0
	"$BATS_TEST_DIRNAME/../../../scripts/sum-tap" "${@:3}" >sum || status=$?
	[[ $status == "$1" ]] && grep -q "$2" sum || {
		show sum
		fail "exit status $status of sum-tap ${*:3}"
	}
}

@test "sum-tap: an empty result is a failure, with a reason" {
	: >empty.tap
	echo 1..0 >none.tap
	echo '1..0 # skip why' >skipped.tap
	printf 'ok 1 - it\n1..1\n' >good.tap
	sums 0 '^1 passed, 0 failed, 1 skipped' good.tap skipped.tap
	sums 1 '/empty: nothing was printed' good.tap empty.tap
	sums 1 '/empty: nothing was printed' empty.tap good.tap
	sums 1 '/none: no tests' good.tap none.tap
	sums 1 'nothing was tested: all was skipped' skipped.tap
}

# sleeps PID
sleeps() {
	[[ $(ps -o stat= -p "$1") == S* ]]
}

@test "a test ends its own processes, and no other that got the number of one" {
	local own stranger
	sleep 100 3>&- &
	own=$!
	stranger=$(sleep 100 >/dev/null 3>&- & echo $!)
	PIDS+=("$own" "$stranger")
	end_children
	! kill -0 "$own" 2>/dev/null || fail 'its own one lives'
	# A killed process never sleeps again; a new one may not sleep yet.
	PATIENT=5 until_true sleeps "$stranger"
	kill "$stranger"
}
