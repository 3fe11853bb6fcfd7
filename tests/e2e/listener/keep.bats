#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# listen --keep: several streams at once, and none harms another.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/keys
load ../../lib/certs

# A consumer that writes each client's stream to a file with its name
CONSUME=(sh -c 'exec cat >>"got.$BTRFS_KTLS_PIPE_IDENTITY"')

setup() {
	set_up
	make_keys keys alice bob carol
	SERVER=(--keys keys) CERTIFIED=
	RETRY=(--retry 20s)
}

# certified: from here on the listener, alice and bob have certificates, and
# the consumer writes a line each time that it starts
certified() {
	make_certs
	cd "$TMP" || return
	server_is server
	CERTIFIED=yes
	CONSUME=(sh -c 'echo "$BTRFS_KTLS_PIPE_METHOD" \
			>>"how.$BTRFS_KTLS_PIPE_IDENTITY"
		exec cat >>"got.$BTRFS_KTLS_PIPE_IDENTITY"')
}

# keeps [OPTION]...: starts listen --keep
keeps() {
	listens "${SERVER[@]}" --keep "${RETRY[@]}" "$@" -- "${CONSUME[@]}"
}

# spawn_as NAME FILE [OPTION]...: sends FILE with NAME's key or certificate, in
# the background; its messages are in NAME.err. client NAME CODE waits for it
spawn_as() {
	credential_of "$1"
	spawn "CLIENT[$1]" "$1.err" connect "${CREDENTIAL[@]}" -p "$PORT" \
		--ktls "$WHEN" "${RETRY[@]}" "${@:3}" 127.0.0.1 <"$2"
}
declare -gA CLIENT=()

client() {
	wait_for "$2" "${CLIENT[$1]}" "$1" "$1.err"
}

# stands_as NAME FD [OPTION]...: NAME has a stream that waits for more input on
# FD and whose first line has arrived
stands_as() {
	have_fifo "feed.$1"
	eval "exec $2<>feed.$1"
	spawn_as "$1" "feed.$1" "${@:3}"
	echo "first of $1" >&"$2"
	PATIENT=${PATIENT:-15} until_true test -s "got.$1" || {
		show "$1.err" listener.err
		return 1
	}
}

# ends_as NAME FD: sends the last line of that stream, and ends it
ends_as() {
	echo "last of $1" >&"$2"
	eval "exec $2>&-"
	client "$1" 0 || return
	diff <(printf '%s\n' "first of $1" "last of $1") "got.$1"
}

stop_listener() {
	kill -TERM "$LISTENER_PID"
	wait_listener "${1:-0}"
}

# --- streams at the same time

@test "streams at the same time and one after the other are all delivered" {
	local name
	keeps
	for name in alice bob carol; do
		make_data "$name.in" 300000
		spawn_as "$name" "$name.in"
	done
	for name in alice bob carol; do
		client "$name" 0
		assert_same_file "$name.in" "got.$name"
	done
	rm got.alice
	sends_as alice <<<again
	[[ $(<got.alice) == again ]]
	stop_listener
	assert_stderr_has ': alice 127\.0\.0\.1:[0-9]+: delivered, 300000 bytes$' \
		listener.err
	assert_stderr_has ': bob 127\.0\.0\.1:[0-9]+: delivered, 300000 bytes$' \
		listener.err
}

@test "a stream begins and ends while another is idle" {
	keeps
	stands_as alice 8
	sends_as bob <<<word
	[[ $(<got.bob) == word ]]
	ends_as alice 8
	stop_listener
}

@test "COMMAND fails for one stream: its sender exits 9, the other stream is delivered" {
	listens --keys keys --keep "${RETRY[@]}" -- sh -c '
		cat >>"got.$BTRFS_KTLS_PIPE_IDENTITY"
		test "$BTRFS_KTLS_PIPE_IDENTITY" != bob || exit 3'
	stands_as alice 8
	sends_as bob 9 <<<word
	listener_says ': bob 127[^ ]*: sh exited with status 3 .5 bytes, exit status 9.$'
	ends_as alice 8
	stop_listener
}

@test "--send: each client gets a stream of its own" {
	local name
	listens --keys keys --keep --send "${RETRY[@]}" -- \
		sh -c 'echo "for $BTRFS_KTLS_PIPE_IDENTITY"'
	for name in alice bob; do
		sends_as "$name" --receive </dev/null
		[[ $(<"$OUT") == "for $name" ]] || fail "$name: $(<"$OUT")"
	done
	stop_listener
}

@test "-m none: streams at the same time are told apart by their ids" {
	WHEN=off RETRY+=(-m none)
	listens --keep "${RETRY[@]}" -- \
		sh -c 'cat >"got.$BTRFS_KTLS_PIPE_STREAM"'
	for name in a b; do
		make_data "$name.in" 3000000
		spawn "CLIENT[$name]" "$name.err" connect -p "$PORT" "${RETRY[@]}" \
			127.0.0.1 <"$name.in"
	done
	client a 0
	client b 0
	stop_listener
	diff <(sha256sum a.in b.in | cut -c1-64 | sort) \
		<(sha256sum got.* | cut -c1-64 | sort)
}

@test "with a password: a stream resumes in its process, and a wrong password is refused" {
	make_data in 3000000
	echo secret >password
	echo wrong >wrong
	bkp 4 listen --password-file password -b 127.0.0.1 -p 0 --wait 1ms ||
		{ has_line 'without libsodium' "$ERR" && skip 'built without libsodium'; }
	listens --password-file password --keep "${RETRY[@]}" -- \
		sh -c 'cat >>"got.$BTRFS_KTLS_PIPE_STREAM"'
	start_relay rst -a 500000 -k 3
	bkp 5 connect --password-file wrong -p "$PORT" --ktls "$WHEN" \
		--retry 0 127.0.0.1 <in
	bkp connect --password-file password -p "$PORT" --ktls "$WHEN" \
		"${RETRY[@]}" 127.0.0.1 <in
	assert_stderr_has 'resumes at byte'
	local got=(got.*)
	assert_same_file in "${got[0]}"
	((${#got[@]} == 1)) || fail "${got[@]}"
	stop_listener
}

# --- resume

# survives ACTION MODE...: alice's stream is delivered through a relay that
# does harm, while bob's is idle
survives() {
	local direct
	by_tier 3000000 2000000 10000000 3000000
	make_data in "$SIZE"
	keeps "${@:2}"
	stands_as bob 8 "${@:2}"
	direct=$PORT
	start_relay "$1" -a 500000 -k 3
	spawn_as alice in "${@:2}"
	client alice 0
	assert_same_file in got.alice
	assert_stderr_has 'resumes at byte .*connection 4' alice.err
	PORT=$direct
	ends_as bob 8
	stop_listener
	assert_stderr_has ': alice 127[^ ]*: the stream resumes at byte' listener.err
	assert_stderr_lacks ': bob .*resumes at byte' listener.err
}

@test "a stream that is cut resumes in its process: TLS 1.3" {
	survives rst
}

@test "a stream that is cut resumes in its process: TLS 1.2" {
	survives cut -m tls12-aes128-gcm
}

@test "a stream that is cut resumes in its process: ChaCha20" {
	survives fin -m tls13-chacha20-poly1305
}

@test "a stream that is cut resumes in its process: SHA-384" {
	need_sha384
	survives fin -m tls13-aes256-gcm
}

@test "a stream that is cut resumes in its process: -m none" {
	by_tier 3000000 2000000 10000000 3000000
	make_data in "$SIZE"
	WHEN=off
	listens --keep -m none "${RETRY[@]}" -- sh -c 'exec cat >>got'
	start_relay rst -a 500000 -k 3
	bkp connect -m none -p "$PORT" "${RETRY[@]}" 127.0.0.1 <in
	assert_same_file in got
	assert_stderr_has 'resumes at byte .*connection 4'
}

@test "a receiver that connects resumes in its process" {
	make_data in 3000000
	listens --keys keys --keep --send "${RETRY[@]}" -- cat in
	start_relay rst -c s2c -a 500000 -k 3
	sends_as alice --receive </dev/null
	assert_same_file in "$OUT"
	assert_stderr_has 'resumes at byte .*connection 4'
}

# rekeys OPTION...: alice's stream is rekeyed at least seven times
rekeys() {
	make_data in 8000000
	keeps --stats stats "$@"
	stands_as bob 8 "$@"
	sends_as alice --rekey-after 1M --stats alice.json "$@" <in
	assert_same_file in got.alice
	ends_as bob 8
	[[ $(<alice.json) =~ \"reconnects\":\ 0,\ \"rotations\":\ ([0-9]+) ]]
	((BASH_REMATCH[1] >= 7)) || fail "${BASH_REMATCH[1]} rekeys"
	stop_listener
}

@test "a stream is rekeyed over a connection passed to its process: TLS 1.3" {
	rekeys
}

@test "a stream is rekeyed over a connection passed to its process: TLS 1.2" {
	rekeys -m tls12-aes256-gcm
}

@test "a stream is rekeyed over a connection passed to its process: SHA-384" {
	need_sha384
	rekeys -m tls13-aes256-gcm
}

@test "with certificates: COMMAND gets the name, and a stream resumes" {
	certified
	survives rst -m tls13-aes256-gcm
	[[ $(<how.alice) == certificate && $(<how.bob) == certificate ]]
}

@test "with certificates: a stream is rekeyed over a connection passed to its process" {
	certified
	rekeys -m tls13-aes256-gcm
}

# The first bytes of a ClientHello, in two pieces; then nothing more.
@test "a ClientHello in pieces is waited for without using the processor" {
	local before after
	keeps --handshake-timeout 2s
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	printf '\x16\x03\x01\x02\x00\x01\x00' >&7
	sleep 0.3
	before=$(cpu_of "$LISTENER_PID")
	printf '\x01\xfc\x03\x03' >&7
	sleep 1
	after=$(cpu_of "$LISTENER_PID")
	((after - before < 20)) || fail "$((after - before)) ticks"
	sends_as alice <<<word
	listener_says 'refused 127.*took too long'
	stop_listener
}

# --- too many

@test "the 17th client is told busy, and is accepted when another has ended" {
	local i names=()
	for ((i = 1; i <= 17; i++)); do
		names+=("c$i")
	done
	make_keys keys "${names[@]}"
	CONSUME=(sh -c 'cat >"got.$BTRFS_KTLS_PIPE_IDENTITY"
		while test -e hold; do sleep 0.2; done')
	echo word >word
	: >hold
	keeps
	for ((i = 1; i <= 16; i++)); do
		spawn_as "c$i" word
	done
	for ((i = 1; i <= 16; i++)); do
		until_true test -s "got.c$i"
	done
	sends_as c17 5 --retry 0 <word
	assert_stderr_has 'busy'
	spawn_as c17 word
	until_true has_line 'busy.*trying again' c17.err
	rm hold
	for ((i = 1; i <= 17; i++)); do
		client "c$i" 0
	done
	[[ $(<got.c17) == word ]]
	stop_listener
}

# clients_vanish COUNT NAME [OPTION]...: starts that many streams of one
# client, which would retry for ever, and kills its processes
WAITING='waiting for the peer'
clients_vanish() {
	local i pids=() children lines
	children=$(($(children_of "$LISTENER_PID" | wc -l) + $1))
	lines=$(($(grep -c "$WAITING" listener.err || :) + $1))
	have_fifo never
	exec 7<>never
	credential_of "$2"
	for ((i = 0; i < $1; i++)); do
		"$BKP" connect "${CREDENTIAL[@]}" -p "$PORT" --ktls "$WHEN" \
			--retry 365h "${@:3}" 127.0.0.1 <never 2>>"$2.err" 3>&- 7>&- &
		pids+=($!)
	done
	PIDS+=("${pids[@]}")
	until_true children_are "$children"
	kill -9 "${pids[@]}"
	wait "${pids[@]}" || :
	exec 7>&-
	until_true lines_are "$lines" "$WAITING" listener.err
}

children_are() {
	[[ $(children_of "$LISTENER_PID" | wc -l) == "$1" ]]
}

# lines_are COUNT REGEX FILE
lines_are() {
	[[ $(grep -c "$2" "$3") == "$1" ]]
}

@test "16 streams of a vanished client do not keep another client out" {
	RETRY=(--retry 1h)
	keeps --per-client 16
	clients_vanish 16 alice
	takes_at_most 20 sends_as bob --retry 15s <<<word
	[[ $(<got.bob) == word ]]
	listener_says ': alice 127[^ ]*: gives its place to bob 127[^ ]*: it has been without'
	until_true children_are 15
	kill -TERM "$LISTENER_PID"
	listener_says 'finishing 15'
	kill -TERM "$LISTENER_PID"
	wait_listener 143
}

@test "16 vanished streams do not keep another client out: -m none" {
	WHEN=off RETRY=(--retry 1h)
	CREDENTIAL=(-m none)
	credential_of() { CREDENTIAL=(-m none); }
	listens --keep "${RETRY[@]}" -m none -- sh -c 'exec cat >>got'
	clients_vanish 16 nobody
	takes_at_most 20 sends_as nobody --retry 15s <<<word
	[[ $(<got) == word ]]
	listener_says 'gives its place to 127[^ ]*: it has been without'
}

@test "a client evicts its own disconnected stream, another client the one that has been disconnected longest" {
	RETRY=(--retry 1h)
	keeps --per-client 16
	clients_vanish 1 bob
	clients_vanish 15 alice
	takes_at_most 20 sends_as alice --retry 15s <<<word
	listener_says ': alice 127[^ ]*: gives its place to alice'
	assert_stderr_lacks ': bob .*gives its place' listener.err
	until_true children_are 15
	clients_vanish 1 alice
	takes_at_most 20 sends_as carol --retry 15s <<<word
	listener_says ': bob 127[^ ]*: gives its place to carol'
	[[ $(grep -c 'gives its place' listener.err) == 2 ]]
}

@test "a stream that is connected, or connected again, is not evicted" {
	local direct
	RETRY=(--retry 1h)
	keeps --per-client 16
	direct=$PORT
	start_relay rst -a 300000 -k 1
	stands_as bob 8
	head -c 500000 /dev/zero >&8
	listener_says ': bob 127[^ ]*: the stream resumes'
	PORT=$direct
	clients_vanish 15 alice
	sends_as carol --retry 15s <<<word
	listener_says ': alice 127[^ ]*: gives its place to carol'
	exec 8>&-
	client bob 0
	assert_stderr_lacks ': bob .*gives its place' listener.err
}

@test "with --keys a client may have 4 streams at once, and is then told busy" {
	keeps
	clients_vanish 4 alice
	sends_as alice 5 --retry 0 <<<word
	assert_stderr_has 'busy'
	listener_says 'refused 127.*has 4 streams already .--per-client'
	sends_as bob <<<word
	[[ $(<got.bob) == word ]]
}

@test "a client at its limit is accepted when one of its streams has ended" {
	keeps --per-client 1
	stands_as alice 8
	cp alice.key again.key
	spawn_as again /dev/null
	until_true has_line 'busy.*trying again' again.err
	ends_as alice 8
	client again 0
	stop_listener
}

@test "--per-client counts by address when all clients share one key" {
	listens -k alice.key --keep --per-client 1 "${RETRY[@]}" -- \
		sh -c 'exec cat >>got.alice'
	stands_as alice 8
	sends_as alice 5 --retry 0 <<<word
	sends_as alice --retry 0 -b 127.0.0.2 <<<word
	exec 8>&-
	client alice 0
	stop_listener
}

@test "with one shared key a client has no limit without --per-client" {
	listens -k alice.key --keep "${RETRY[@]}" -- sh -c 'exec cat >>got.alice'
	clients_vanish 6 alice
	sends_as alice --retry 0 <<<word
}

@test "with certificates a client may have 4 streams at once" {
	certified
	keeps -m tls13-aes256-gcm
	clients_vanish 4 alice
	sends_as alice 5 --retry 0 <<<word
	sends_as bob <<<word
	[[ $(<got.bob) == word ]]
}

# crowd GOOD BAD: the names of clients that are served, killed, and have a wrong
# key
crowd() {
	local i
	GOOD=() KILLED=() WRONG=()
	for ((i = 1; i <= $1; i++)); do
		GOOD+=("good$i")
	done
	for ((i = 1; i <= $2; i++)); do
		KILLED+=("killed$i") WRONG+=("wrong$i")
	done
	make_keys keys "${GOOD[@]}" "${KILLED[@]}" "${WRONG[@]}"
	for i in "${WRONG[@]}"; do
		make_key "$i.key" "$i"
	done
}

@test "many clients at once, some killed, some with wrong keys: the others are delivered" {
	not_under valgrind 'none is let in before it is killed'
	local i n bad=8 code=0
	by_tier 48 10 48 48
	n=$SIZE
	((n == 48)) || bad=3
	by_tier 2000000 300000 20000000 1000000
	crowd "$n" "$bad"
	BKP_DEADLINE=120 RETRY=(--retry 90s)
	keeps --stats stats
	for i in "${GOOD[@]}"; do
		make_data "$i.in" "$SIZE"
	done
	have_fifo never
	exec 8<>never
	for ((i = 0; i < n; i++)); do
		spawn_as "${GOOD[i]}" "${GOOD[i]}.in"
		((i < bad)) || continue
		spawn_as "${KILLED[i]}" never
		spawn_as "${WRONG[i]}" /dev/null
	done
	sleep 1
	for i in "${KILLED[@]}"; do
		kill -9 "${CLIENT[$i]}"
	done
	for i in "${WRONG[@]}"; do
		client "$i" 5
	done
	for i in "${GOOD[@]}"; do
		client "$i" 0
		assert_same_file "$i.in" "got.$i"
	done
	assert_listener_small
	[[ $(grep -c '"exit": 0}' stats) == "$n" ]]
	kill -TERM "$LISTENER_PID"
	listener_says 'no new streams'
	# Streams of clients that were killed still wait, if they had begun.
	kill -TERM "$LISTENER_PID" 2>/dev/null || true
	wait "$LISTENER_PID" || code=$?
	((code == 0 || code == 143)) || {
		show listener.err
		fail "listener: exit status $code"
	}
}

assert_listener_small() {
	local kib
	[[ ! ${BKP_UNDER-} ]] || return 0
	kib=$(awk '/^VmHWM:/ { print $2 }' "/proc/$LISTENER_PID/status")
	((kib > 0 && kib < 20000)) || fail "peak memory $kib KiB"
}

# begins NUMBER: alice begins that stream; false if too many have not ended yet
begins() {
	"$BKP_TOOLS/thief" "$PORT" alice.key sends "$(printf %032x "$1")" 1 \
		>answer && [[ $(<answer) == welcome ]]
}

# Each stream fails at once, because its client hangs up and may not resume. On
# a slow machine there are several periods of 10 s.
@test "a client that begins many streams cannot fill the log, nor hide a failure or another client" {
	local i before=$SECONDS most
	by_tier 25 25 180 180
	listens "${SERVER[@]}" --keep --per-client 16 --retry 0 -- cat
	for ((i = 0; i < SIZE; i++)); do
		until_true begins "$i"
	done
	sends_as bob <<<word # alice may have all places for a moment
	listener_says ': bob 127[^ ]*: delivered, 5 bytes$'
	stop_listener
	most=$((121 * (1 + (SECONDS - before + 1) / 10)))
	i=$(grep -c ': alice 127.*exit status 7' listener.err)
	((i >= SIZE || i >= 120)) || fail "$i failures of alice"
	i=$(grep -c ': alice 127' listener.err)
	((i <= most)) || fail "$i lines about alice"
	((most >= SIZE)) || listener_says ': alice 127[^ ]*: [0-9]+ more streams were not logged, '
}

@test "64 streams with names wait for their clients: one more is told busy, one without a name is delivered" {
	local i
	[[ ! ${BKP_GUEST-} ]] || skip 'own kernel only: starts 256 processes'
	not_under valgrind 'it starts 256 processes'
	listens "${SERVER[@]}" --keep --per-client 99 --retry 5m -- cat
	for ((i = 0; i < 64; i++)); do
		"$BKP_TOOLS/thief" "$PORT" alice.key "sends=$i" \
			"$(printf %032x "$i")" 1 >answer
		[[ $(<answer) == welcome ]] || fail "name $i: $(<answer)"
	done
	sends_as bob 5 --retry 0 --name 64 <<<word
	assert_stderr_has 'refused: the listener is busy: '
	listener_says 'refused bob 127[^ ]*: 64 streams have names already$'
	sends_as bob <<<word
	kill -TERM "$LISTENER_PID"
	listener_says 'finishing [01], and 64 suspended'
	kill -TERM "$LISTENER_PID"
	wait_listener 143
}

# --- signals

@test "SIGTERM: no new streams, the running one is finished, exit status 0" {
	keeps
	stands_as alice 8
	kill -TERM "$LISTENER_PID"
	listener_says 'no new streams; finishing 1'
	idles "$LISTENER_PID"
	sends_as bob 5 --retry 0 <<<word
	assert_stderr_has 'busy'
	ends_as alice 8
	wait_listener 0
	[[ ! -e got.bob ]]
}

@test "SIGTERM: the running stream can still resume" {
	local direct
	make_data more 1000000
	keeps
	direct=$PORT
	start_relay rst -a 300000
	stands_as alice 8
	kill -TERM "$LISTENER_PID"
	listener_says 'no new streams'
	cat more >&8
	exec 8>&-
	client alice 0
	assert_stderr_has 'resumes at byte' alice.err
	diff <(echo "first of alice" && cat more) got.alice
	wait_listener 0
}

# As in a container that refuses them, or before Linux 5.3
@test "without pidfds, a second SIGTERM aborts the stream after many others, too" {
	[[ $BKP_TIER == full ]] || skip 'full tier only: 130 streams'
	local i
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOSYS pidfd_open --"
	keeps
	for ((i = 0; i < 130; i++)); do
		sends_as alice <<<word
	done
	stands_as bob 8
	kill -TERM "$LISTENER_PID"
	listener_says 'no new streams'
	kill -TERM "$LISTENER_PID"
	wait_listener 143
	client bob 7
}

@test "processes that COMMAND leaves behind take no place of a stream" {
	full_tier_only 30
	local i pause=100.$RANDOM
	CONSUME=(sh -c "cat >/dev/null; sleep $pause & exit 0")
	cleanup_add pkill -f "^sleep $pause"
	keeps
	for ((i = 0; i < 135; i++)); do
		sends_as alice <<<word || break
	done
	pkill -f "^sleep $pause"
	((i == 135)) || fail "stream $i was not delivered"
	stop_listener
}

@test "SIGTERM without a stream: exit status 0 at once" {
	keeps
	takes_at_most 5 stop_listener
}

@test "Ctrl-C, sent to the whole process group, works like SIGTERM" {
	wrapped 'trap - INT' 'env --default-signal=INT setsid'
	keeps
	stands_as alice 8
	kill -INT -- "-$LISTENER_PID"
	listener_says 'Interrupt.*no new streams'
	ends_as alice 8
	wait_listener 0
}

@test "a second SIGTERM aborts the streams: the peer is told, COMMAND sees no end of file" {
	CONSUME=(sh -c 'cat >got.alice && echo whole >whole')
	keeps
	stands_as alice 8
	kill -TERM "$LISTENER_PID"
	listener_says 'no new streams'
	kill -TERM "$LISTENER_PID"
	wait_listener 143
	listener_says ': alice 127[^ ]*: stopped by signal 15'
	client alice 7
	[[ ! -e whole ]]
}

@test "SIGHUP: the keys are read again and apply to the next connections" {
	keeps
	stands_as alice 8
	make_keys keys bob dave
	# as "pkill -HUP" would
	kill -HUP "$LISTENER_PID" $(pgrep -P "$LISTENER_PID")
	listener_says 'keys file keys: 2 keys are now in use'
	sends_as dave <<<word
	[[ $(<got.dave) == word ]]
	sends_as carol 5 --retry 0 <<<word
	listener_says "identity 'carol' is unknown"
	ends_as alice 8
	stop_listener
}

@test "SIGHUP with an invalid file: the previous keys stay in use" {
	keeps
	echo 'alice:00' >>keys
	kill -HUP "$LISTENER_PID"
	listener_says 'keys file keys: line 4: .*; keeping the previous keys'
	sends_as alice <<<word
	rm keys
	kill -HUP "$LISTENER_PID"
	listener_says 'keys file keys: cannot be opened.*keeping the previous keys'
	sends_as bob <<<word
	mkfifo -m 600 keys
	kill -HUP "$LISTENER_PID"
	listener_says 'keys file keys: not a regular file; keeping the previous keys'
	sends_as carol <<<word
	stop_listener
}

@test "SIGHUP with keys from standard input: the keys stay in use" {
	mkfifo -m 600 input
	cat keys >input 3>&- &
	PIDS+=($!)
	spawn LISTENER_PID listener.err listen -b 127.0.0.1 -p 0 --ktls "$WHEN" \
		--keys - --keep -- "${CONSUME[@]}" <input
	exec 8<>input # more could come
	kill -HUP "$LISTENER_PID"
	listener_says 'keys file -: not a regular file; keeping the previous keys'
	sends_as alice <<<word
	stop_listener
}

@test "SIGHUP without --keys changes nothing" {
	listens -k alice.key --keep -- "${CONSUME[@]}"
	kill -HUP "$LISTENER_PID"
	listener_says 'no --keys'
	sends_as alice <<<word
	stop_listener
}

@test "SIGUSR1: each stream prints its progress" {
	keeps
	stands_as alice 8
	stands_as bob 7
	kill -USR1 "$LISTENER_PID"
	listener_says ': alice 127[^ ]*: .*B'
	listener_says ': bob 127[^ ]*: .*B'
	ends_as alice 8
	ends_as bob 7
	stop_listener
}

# --- death

# COMMAND writes the file whole if it sees an end of file.
notes_whole() {
	CONSUME=(sh -c 'cat >"got.$BTRFS_KTLS_PIPE_IDENTITY" && echo whole >whole')
}

# alice_stands: sets PID to the process of the one stream there is
alice_stands() {
	notes_whole
	RETRY=(--retry 2s)
	keeps
	stands_as alice 8
	PID=$(children_of "$LISTENER_PID")
}

@test "the process of a stream is killed: its peer exits 7, other streams are delivered" {
	alice_stands
	stands_as bob 7
	kill -9 "$PID"
	listener_says ': alice 127[^ ]*: this stream.s process was killed by signal 9'
	client alice 7
	[[ ! -e whole ]]
	ends_as bob 7
	stop_listener
}

@test "the process of a stream is stopped: a second SIGTERM kills it after 20 s" {
	full_tier_only 25
	alice_stands
	kill -STOP "$PID"
	kill -TERM "$LISTENER_PID"
	listener_says 'no new streams; finishing 1'
	kill -TERM "$LISTENER_PID"
	wait_listener 143
	client alice 7
	[[ ! -e whole ]]
	gone "$PID" || fail "it lives"
}

@test "the launcher is stopped: a second SIGTERM ends the listener within 20 s, and two streams go on" {
	local launcher
	full_tier_only 15
	keeps
	stands_as alice 8
	stands_as bob 7
	launcher=$(launcher_of "$LISTENER_PID")
	kill -STOP "$launcher"
	cleanup_add kill -CONT "$launcher"
	kill -TERM "$LISTENER_PID"
	listener_says 'no new streams; finishing 2'
	kill -TERM "$LISTENER_PID"
	takes_at_most 20 wait_listener 70
	listener_says 'launcher was .* stopped: the streams go on'
	ends_as alice 8
	ends_as bob 7
}

@test "the launcher is stopped and SIGUSR1 comes: the listener goes on serving new streams" {
	local launcher
	full_tier_only 12
	keeps
	stands_as alice 8
	launcher=$(launcher_of "$LISTENER_PID")
	kill -STOP "$launcher"
	kill -USR1 "$LISTENER_PID"
	sleep 11 # longer than it waits for the launcher
	kill -CONT "$launcher"
	sends_as bob <<<word
	ends_as alice 8
	stop_listener
}

@test "the launcher of a stream is stopped: it is killed 5 to 15 s after its stream" {
	local launcher
	full_tier_only 15
	alice_stands
	launcher=$(launcher_of "$(launcher_of "$LISTENER_PID")")
	kill -STOP "$launcher"
	kill -9 "$PID"
	client alice 7
	alive "$launcher"
	until_true gone "$launcher"
	sends_as bob <<<word
	stop_listener
}

@test "-m none: a receiver whose stream is gone gets no other stream: it exits 7" {
	WHEN=off RETRY=(--retry 20s -m none)
	listens --keep --send "${RETRY[@]}" -- sh -c 'echo word; exec sleep 60'
	spawn 'CLIENT[alice]' alice.err connect -p "$PORT" "${RETRY[@]}" --receive \
		127.0.0.1 >got
	until_true test -s got
	kill -9 "$(children_of "$LISTENER_PID")"
	client alice 7
	[[ $(<got) == word ]]
	stop_listener
}

@test "with certificates: a sender whose stream is gone gets no other stream: it exits 7" {
	certified
	keeps -m tls13-aes256-gcm
	stands_as alice 8 -m tls13-aes256-gcm
	kill -9 "$(children_of "$LISTENER_PID")"
	client alice 7
	assert_stderr_has 'does not let this connection resume' alice.err
	[[ $(<got.alice) == 'first of alice' && $(<how.alice) == certificate ]]
	stop_listener
}

@test "the listener is killed: streams that stay connected are finished" {
	keeps
	stands_as alice 8
	kill -9 "$LISTENER_PID"
	ends_as alice 8
}

@test "the process of a stream has neither the port nor others' connections" {
	keeps
	exec 7<>"/dev/tcp/127.0.0.1/$PORT"
	stands_as alice 8
	kill -9 "$LISTENER_PID"
	timeout 10 cat <&7 >/dev/null || [[ $? == 1 ]] # a reset will do
	sends_as bob 4 --retry 0 <<<word
	assert_stderr_has 'refused'
	ends_as alice 8
}

@test "the listener is killed, then a stream is cut: neither side takes it for complete" {
	local pid
	notes_whole
	RETRY=(--retry 2s)
	keeps
	start_relay rst -a 100000
	stands_as alice 8
	pid=$(children_of "$LISTENER_PID")
	kill -9 "$LISTENER_PID"
	make_data more 300000
	cat more >&8
	exec 8>&-
	client alice 7
	until_true gone "$pid"
	assert_stderr_has ': alice 127[^ ]*: .*the listener has ended' listener.err
	[[ ! -e whole ]]
}

# asks WHO NUMBER ANSWER: a peer that knows the id of alice's stream
asks() {
	"$BKP_TOOLS/thief" "$PORT" "$1.key" sends \
		0123456789abcdef0123456789abcdef "$2" >answer || fail "no answer"
	[[ $(sed 's/.*does not let.*/no/' answer) == "$3" ]] ||
		fail "$1 $2: $(<answer)"
}

@test "a lost WELCOME costs a connection, and its stream begins again only for its own identity" {
	make_data in 1000000
	keeps --per-client 1
	start_relay rst -c s2c -l 81 -k 2
	spawn_as alice in
	client alice 0
	assert_same_file in got.alice
	listener_says ': alice 127[^ ]*: the stream resumes at byte 0 '
	listener_says ': alice 127[^ ]*: delivered, 1000000 bytes$'
	asks alice 1 welcome
	asks bob 2 no
	asks alice 1 no
	asks alice 2 welcome
}

@test "the ticket of a stream begins no other stream" {
	keeps
	"$BKP_TOOLS/thief" "$PORT" alice.key sends \
		0123456789abcdef0123456789abcdef 1 1+ >answers || fail "no answer"
	[[ $(sed 's/.*does not let.*/no/' answers | xargs) == 'welcome no' ]] ||
		fail "$(<answers)"
}

@test "the listener is killed: a stream that loses its connection ends with 7 at once" {
	local pid
	notes_whole
	RETRY=(--retry 1h)
	keeps
	stands_as alice 8
	pid=$(children_of "$LISTENER_PID")
	kill -9 "$LISTENER_PID"
	kill -9 "${CLIENT[alice]}"
	until_true gone "$pid"
	assert_stderr_has 'the listener has ended.*exit status 7' listener.err
	[[ ! -e whole ]]
}

@test "the listener is killed: a stream without a connection ends with 7 at once" {
	local pid
	RETRY=(--retry 1h)
	keeps
	stands_as alice 8
	pid=$(children_of "$LISTENER_PID")
	kill -9 "${CLIENT[alice]}"
	listener_says 'alice.*waiting for the peer'
	kill -9 "$LISTENER_PID"
	until_true gone "$pid"
	assert_stderr_has 'the listener has ended.*exit status 7' listener.err
}

# The connection waits for the process while that is stopped.
@test "a stream ends while its peer reconnects: the peer is told, and exits 7" {
	local pid
	RETRY=(--retry 1h)
	keeps -vv
	start_relay rst -a 100000
	stands_as alice 8
	pid=$(children_of "$LISTENER_PID")
	kill -STOP "$pid"
	make_data more 300000
	cat more >&8
	listener_says 'alice.*one more connection'
	kill -TERM "$pid"
	kill -CONT "$pid"
	client alice 7
	assert_stderr_has 'does not let this connection resume' alice.err
	stop_listener
}

@test "the number of the listener's descriptors does not grow with the streams served" {
	local before
	keeps
	sends_as alice <<<word
	listener_says 'alice.*delivered'
	until_true no_children
	before=$(ls "/proc/$LISTENER_PID/fd" | wc -l)
	for i in 1 2 3; do
		sends_as bob <<<word
		sends_as carol 5 -k alice.key --identity carol --retry 0 <<<word
	done
	until_true no_children
	[[ $(ls "/proc/$LISTENER_PID/fd" | wc -l) == "$before" ]]
	stop_listener
}

no_children() {
	[[ ! $(children_of "$LISTENER_PID") ]]
}

@test "COMMAND inherits no descriptor of another stream" {
	CONSUME=(sh -c 'ls /proc/self/fd >"got.$BTRFS_KTLS_PIPE_IDENTITY"; cat')
	keeps
	stands_as alice 8
	sends_as bob </dev/null
	diff <(printf '%s\n' 0 1 2 3) got.bob
	exec 8>&-
	client alice 0
	stop_listener
}

# --- options

@test "--stats has a line for each stream, past ones included" {
	echo '{}' >stats
	keeps --stats stats
	sends_as alice <<<word
	sends_as bob 5 --receive --retry 0
	sends_as bob <<<words
	stop_listener
	assert_lines 3 stats
	assert_stderr_has '"bytes": 5,.*"identity": "alice", "peer": "127.*"exit": 0' \
		stats
	assert_stderr_has '"bytes": 6,.*"identity": "bob", "peer": "127.*"exit": 0' \
		stats
}

@test "without the tls module: the listener says so at its start, and not again for each stream" {
	without_tls
	WHEN=auto
	keeps
	listener_says '^btrfs-ktls-pipe: .*going on in user space'
	sends_as alice <<<one
	sends_as bob <<<two
	stop_listener
	[[ $(grep -c 'going on in user space' listener.err) == 1 ]] ||
		fail "$(<listener.err)"
}

@test "--wait limits the wait for the first stream only: exit status 4 without one" {
	keeps --wait 4s
	sends_as alice <<<word
	sleep 4.5
	sends_as bob <<<word
	stop_listener
	keeps --wait 300ms
	takes_at_most 10 wait_listener 4
}

@test "--wait ends while the listener is suspended: a client that came in time is served" {
	keeps --wait 1s
	kill -STOP "$LISTENER_PID"
	spawn_as alice <(echo word)
	sleep 2.5
	kill -CONT "$LISTENER_PID"
	client alice 0
	stop_listener
}

@test "--keep without COMMAND, with --raw, --progress or --size: exit status 2" {
	bkp 2 listen --keys keys --keep
	assert_stderr_has 'needs a COMMAND'
	bkp 2 listen --keys keys --keep --raw -- cat
	assert_stderr_has 'raw cannot be used with --keep'
	bkp 2 listen --keys keys --keep --progress -- cat
	assert_stderr_has 'SIGUSR1'
	bkp 2 listen --keys keys --keep --size 1M -- cat
	assert_stderr_has 'SIGUSR1'
	bkp 2 connect --keep host -- cat
}

@test "--per-client without --keep, for connect, or of 0: exit status 2" {
	bkp 2 listen --keys keys --per-client 2
	assert_stderr_has 'needs --keep'
	bkp 2 listen --keys keys --keep --per-client 0 -- cat
	bkp 2 connect --per-client 2 host
}
