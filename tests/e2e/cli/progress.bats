#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The progress of a running stream, and the statistics at its end.

load ../../lib/helpers
load ../../lib/delivery

METER='[0-9.]+ ([KMGT]i)?B [0-9.]+ ([KMGT]i)?B/s \(avg [0-9.]+ ([KMGT]i)?B/s\)'
METER+=' [0-9]+:[0-9][0-9]:[0-9][0-9]'
STATS_KEYS='.bytes .cipher .compared .direction .end .error .exit .identity .method .peer .reconnects .rekeys'
STATS_KEYS+=' .rotations .rx .seconds .start .stream .tls_version .tx .version'

assert_meter() {
	assert_stderr_has "^btrfs-ktls-pipe: $METER${2-}\$" "$1"
}

# --- the meter

@test "--progress prints a line at the end, on both sides" {
	at_end() {
		TX=(--progress) RX=(--progress)
		streams "$1" 0 0 < <(head -c 3000000 /dev/zero)
		assert_lines 1 "$SENDER_ERR"
		assert_lines 1 "$RECEIVER_ERR"
		assert_meter "$SENDER_ERR"
		assert_meter "$RECEIVER_ERR"
		assert_stderr_has ': 2\.86 MiB ' "$SENDER_ERR"
	}
	both_ways at_end
}

@test "--progress prints a line at the end of a failed stream" {
	TX=(--progress)
	SOURCE=(sh -c 'echo word; exit 3')
	streams push 9 7
	assert_meter "$SENDER_ERR"
	says sender 'status 3'
}

@test "without --progress nothing is printed" {
	streams push 0 0 <<<word
	[[ ! -s $SENDER_ERR && ! -s $RECEIVER_ERR ]]
}

@test "--progress prints a line every 10 s" {
	full_tier_only 25
	TX=(--progress) RX=(--progress)
	SOURCE=(sh -c 'echo one; sleep 25; echo two')
	streams push 0 0
	assert_lines 3 "$SENDER_ERR"
	assert_lines 3 "$RECEIVER_ERR"
}

@test "--size adds the percentage and the time left" {
	RX=(--progress --size 200000)
	stands push
	kill -USR1 "$RECEIVER_PID"
	until_true test -s "$RECEIVER_ERR"
	assert_meter "$RECEIVER_ERR" ' 50% ETA 0:0[0-9]:[0-9][0-9]'
	tail -c 100000 in >&8
	stands_end
	stream_ends 0 0
	assert_meter "$RECEIVER_ERR" ' 100% ETA 0:00:00'
}

@test "a --size that is too small does no harm" {
	TX=(--progress --size 1)
	streams push 0 0 < <(head -c 100000 /dev/zero)
	assert_meter "$SENDER_ERR" ' [0-9]+% ETA 0:00:00'
}

@test "an invalid --size: exit status 2, and the value is named" {
	bkp 2 connect -k key --size 1.5G -p 1 127.0.0.1
	assert_stderr_has '^btrfs-ktls-pipe: --size'
}

@test "the meter counts confirmed bytes, not sent ones" {
	# Until the program ignores or catches SIGUSR1, bit 9, that ends it.
	# bash, which becomes the program, catches it, too.
	tells() {
		runs_program "$SENDER_PID" || return
		grep -qE '^Sig(Ign|Cgt):.*[2367abef]..$' "/proc/$SENDER_PID/status" ||
			return
		kill -USR1 "$SENDER_PID"
		sleep 0.2
		[[ -s $SENDER_ERR ]]
	}
	mkfifo go
	start_consumer sh -c 'read -r _ <go; cat'
	OUTPUT=consumer
	stream_starts push < <(head -c 16000000 /dev/zero)
	until_true tells
	idles "$SENDER_PID" # all that fits into the sockets is sent
	: >"$SENDER_ERR"
	kill -USR1 "$SENDER_PID"
	until_true grep -Eq ': ([12](\.[0-9]+)? MiB|[0-9.]+ (Ki)?B) ' \
		"$SENDER_ERR"
	echo >go
	stream_ends 0 0
}

# --- SIGUSR1

@test "SIGUSR1 prints one line and does no harm, on both sides" {
	asked() {
		stands "$1"
		kill -USR1 "$SENDER_PID" "$RECEIVER_PID"
		until_true test -s "$SENDER_ERR"
		until_true test -s "$RECEIVER_ERR"
		stands_end
		stream_ends 0 0
		assert_lines 1 "$SENDER_ERR"
		assert_lines 1 "$RECEIVER_ERR"
		assert_meter "$SENDER_ERR"
		assert_meter "$RECEIVER_ERR"
	}
	both_ways asked
}

@test "SIGUSR1 does not end a listener that waits" {
	ktls_here
	start_receiver --ktls "$WHEN"
	kill -USR1 "$RECEIVER_PID"
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
}

@test "hundreds of SIGUSR1 do a stream no harm" {
	local i
	make_data in 3000001
	SOURCE=("$BKP_TOOLS/tinywrites" -m 60000 -p 100000:20)
	CONSUMER=(dd of=got bs=1000 status=none)
	stream_starts push <in
	until_true test -s got
	for ((i = 0; i < 300; i++)); do
		kill -USR1 "$SENDER_PID" "$RECEIVER_PID" 2>/dev/null || break
	done
	stream_ends 0 0
	assert_same_file in got
}

# --- on a terminal

# on_terminal ARG...: the program with a terminal as standard error; its output
# goes to the file screen
on_terminal() {
	printf '%q ' exec "$BKP" "$@" >"command"
	printf '%s\n' '<feed >received 9>ready' >>"command"
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" script -qfec "bash command" \
		/dev/null </dev/null >screen 3>&- 7>&- 8>&- &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
}

# The lines as a terminal shows them, without text that was there before the
# cursor went back and the line was cleared.
shown() {
	sed -E 's/\r$//; s/.*\r\x1b\[K//' screen
}

# A listener shows its meter on a terminal while other clients are refused.
@test "on a terminal the meter is redrawn in place, fits into a line, and does not mix with messages" {
	mkfifo feed ready
	exec 8<>feed
	ktls_here
	on_terminal listen -k key --ktls "$WHEN" "${BIND[@]}" -p 0 --ready-fd 9 \
		--progress -v --size 300000
	read_port
	make_data in 300000
	exec 8>&-
	mkfifo source
	exec 8<>source
	spawn_sender --ktls "$WHEN" <source
	head -c 100000 in >&8
	until_true size_is 100000 received
	until_true grep -q '/s (avg' screen
	printf nonsense >"/dev/tcp/127.0.0.1/$PORT"
	until_true grep -q refused screen
	sleep 0.7
	printf nonsense >"/dev/tcp/127.0.0.1/$PORT"
	tail -c 200000 in >&8
	exec 8>&-
	wait_sender 0
	wait_for 0 "$RECEIVER_PID" receiver screen
	assert_same_file in received
	shown >lines
	cat lines
	run ! grep -v '^btrfs-ktls-pipe: ' lines
	[[ $(grep -c ': refused 127' lines) == 2 ]]
	[[ $(grep -cE "^btrfs-ktls-pipe: $METER 100% ETA 0:00:00\$" lines) == 1 ]]
	[[ $(tr '\r' '\n' <screen | grep -cE $'^\x1b\\[K'"$METER") -ge 2 ]] ||
		fail "$(cat -v screen)"
	tr '\r' '\n' <screen | sed 's/^\x1b\[K//' | grep '/s (avg' >meters
	run ! grep -E '.{80}' meters
}

@test "on a terminal the meter does not mix with what a consumer prints" {
	mkfifo feed ready
	exec 8<>feed
	ktls_here
	on_terminal listen -k key --ktls "$WHEN" "${BIND[@]}" -p 0 --ready-fd 9 \
		--progress -- sh -c 'cat; echo some >&2; sleep 0.7; echo more >&2'
	read_port
	exec 8>&-
	{
		echo word
		sleep 1
	} | bkp_send --ktls "$WHEN"
	wait_for 0 "$RECEIVER_PID" receiver screen
	[[ $(tr '\r' '\n' <screen) == *' B/s) '* ]] || fail "$(cat -v screen)"
	shown >lines
	grep -x some lines && grep -x more lines || fail "$(<lines)"
}

@test "on a narrow terminal the meter is cut, so that it stays in a line" {
	mkfifo feed ready
	exec 8<>feed
	ktls_here
	local program=$BKP
	wrapped 'stty cols 20 </dev/tty'
	on_terminal listen -k key --ktls "$WHEN" "${BIND[@]}" -p 0 --ready-fd 9 \
		--progress
	read_port
	BKP=$program
	exec 8>&-
	{
		echo word
		sleep 1.5
	} | bkp_send --ktls "$WHEN"
	wait_for 0 "$RECEIVER_PID" receiver screen
	tr '\r' '\n' <screen | sed -n 's/^\x1b\[K\([0-9]\)/\1/p' >meters
	[[ -s meters ]] || fail "$(cat -v screen)"
	run ! grep -E '.{20}' meters
}

@test "on a terminal listen says where it listens" {
	mkfifo feed ready
	exec 8<>feed
	on_terminal listen -k key --ktls off -b 127.0.0.1 -p 0 --ready-fd 9
	read_port
	until_true grep -q "listening on 127\.0\.0\.1:$PORT" screen
	kill "$RECEIVER_PID"
	on_terminal listen -k key --ktls off -p 0 --ready-fd 9
	read_port
	until_true grep -q "listening on port $PORT of every address" screen
}

@test "without a terminal listen says where it listens only with -v" {
	start_receiver --ktls off
	[[ ! -s $RECEIVER_ERR ]] || fail "$(<"$RECEIVER_ERR")"
	start_receiver --ktls off -v
	assert_stderr_has "listening on 127\.0\.0\.1:$PORT\$" "$RECEIVER_ERR"
}

# --- an outage

@test "SIGUSR1 during an outage prints the outage and the time left" {
	outage() {
		stands "$1"
		if [[ $1 == push ]]; then
			kill -KILL "$RECEIVER_PID"
		else
			kill -KILL "$SENDER_PID"
		fi
		until_true grep -q 'connecting again' "$SENDER_ERR" "$RECEIVER_ERR"
		kill -USR1 "$CONNECT_PID"
		until_true grep -Eq ': [0-9.]+ (Ki)?B [0-9:]+ reconnecting, 0:00:[0-9]{2} left$' \
			"$SENDER_ERR" "$RECEIVER_ERR"
		kill "$CONNECT_PID"
	}
	RETRY=(--retry 50s)
	both_ways outage
}

@test "on a terminal the meter of --progress says that it is reconnecting" {
	mkfifo feed ready
	exec 8<>feed
	ktls_here
	RETRY=(--retry 50s)
	on_terminal listen -k key --ktls "$WHEN" "${BIND[@]}" -p 0 --ready-fd 9 \
		"${RETRY[@]}" --progress
	read_port
	mkfifo source
	exec 7<>source
	spawn_sender --ktls "$WHEN" <source
	head -c 100000 /dev/zero >&7
	until_true size_is 100000 received
	kill -KILL "$SENDER_PID"
	until_true grep -Eq '97\.7 KiB [0-9:]+ reconnecting, 0:00:[0-9]{2} left' screen
}

@test "a sender says that it waits for the receiver to consume the last bytes" {
	mkfifo go
	CONSUMER=(sh -c 'cat >/dev/null; : <go')
	stream_starts push <<<word
	until_true grep -q 'everything is sent; waiting' "$SENDER_ERR"
	: >go
	stream_ends 0 0
	assert_lines 1 "$SENDER_ERR"
}

# --- --stats

# stats_of FILE: valid JSON with exactly the keys that the manual names;
# sets STATS to its values
stats_of() {
	local keys
	assert_lines 1 "$1"
	"$BKP_TOOLS/json" <"$1" >flat
	keys=$(sed 's/=.*//' flat | LC_ALL=C sort | tr '\n' ' ')
	[[ "$keys" == "$STATS_KEYS " ]] || fail "keys: $keys"
}

# stat_is KEY VALUE
stat_is() {
	grep -qxF ".$1=$2" flat && return
	cat flat >&2
	fail "$1 is not $2"
}

path_here() {
	if [[ $WHEN == require ]]; then echo '"kernel-sw"'; else echo '"user"'; fi
}

@test "--stats describes a delivered stream on both sides" {
	delivered() {
		TX=(--stats sender.json -m tls13-aes128-gcm) RX=(--stats receiver.json)
		streams "$1" 0 0 < <(head -c 3000000 /dev/zero)
		stats_of sender.json
		stat_is bytes 3000000
		stat_is exit 0
		stat_is reconnects 0
		stat_is tls_version '"TLS1.3"'
		stat_is cipher '"AES-128-GCM"'
		stat_is tx "$(path_here)"
		stat_is rx '"user"'
		stats_of receiver.json
		stat_is bytes 3000000
		stat_is exit 0
		stat_is rx "$(path_here)"
		stat_is tx '"user"'
	}
	both_ways delivered
}

@test "--stats has the time, the stream, its method and direction, and the release" {
	local id now start
	now=$(date -u +%FT%T)
	TX=(--stats sender.json -v) RX=(--stats receiver.json)
	SOURCE=(sh -c 'echo "$BTRFS_KTLS_PIPE_STREAM"')
	streams push 0 0
	id=$(<"$RECEIVED")
	stats_of sender.json
	stat_is direction '"send"'
	stat_is stream "\"$id\""
	stat_is method '"psk"'
	stat_is error null
	stat_is version "\"$("$BKP" --version | sed 's/.* //')\""
	grep -qxE '\.end="[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z"' flat
	start=$(sed -nE 's/^\.start="([0-9-]{10}T[0-9:]{8})\.[0-9]{3}Z"$/\1/p' flat)
	[[ $start && ! $start < $now && ! $start > $(date -u +%FT%T) ]]
	stats_of receiver.json
	stat_is direction '"receive"'
	stat_is stream "\"$id\""
}

@test "--stats of a failed stream has the error as a valid JSON string" {
	TX=(--stats sender.json)
	SOURCE=($'/no/such/"program\\\x01\x1b\n\xff\xc3\xa4\xed\xa0\x80')
	streams push 9 7
	stats_of sender.json
	stat_is error '"cannot run /no/such/\"program\\\u0001\u001b\u000a\ufffd'$'\xc3\xa4''\ufffd\ufffd\ufffd: No such file or directory"'
}

@test "--stats to a pipe that nobody reads: a message, and no delay" {
	mkfifo pipe
	exec 7<>pipe
	dd if=/dev/zero bs=4096 oflag=nonblock status=none >&7 2>/dev/null || :
	TX=(--stats pipe)
	streams push 0 0 <<<word
	says sender 'cannot write --stats: nobody reads it'
	exec 7<&-
}

@test "--stats into a FIFO that nobody reads: exit status 2 after 2 s" {
	mkfifo pipe
	takes_at_most 8 bkp 2 connect --retry 0 -k key -p 1 --stats pipe 127.0.0.1
	assert_stderr_has 'stats pipe: .*a FIFO that nobody reads'
}

@test "--stats into a FIFO that gets its reader soon is written" {
	mkfifo pipe
	{ sleep 0.5; exec cat pipe >stats.json; } &
	PIDS+=($!)
	bkp 4 connect --retry 0 -k key -p 1 --stats pipe 127.0.0.1
	wait "$!"
	stats_of stats.json
}

@test "--stats into the file or pipe of the stream: exit status 2, and it stays as it is" {
	local listen=(listen -k key --wait 1s -b 127.0.0.1 -p 0)
	echo word >file
	bkp 2 connect --retry 0 -k key -p 1 --stats file 127.0.0.1 <file
	assert_stderr_has "--stats file: this is standard input, which is the stream's"
	[[ $(<file) == word ]]
	OUT='file' bkp 2 "${listen[@]}" --stats /dev/stdout
	assert_stderr_has "--stats /dev/stdout: this is standard output"
	[[ ! -s file ]]
	OUT='/dev/stdout' bkp 2 "${listen[@]}" --stats /dev/stdout | cat >got
	[[ ! -s got ]]
	bkp 4 connect --retry 0 -k key -p 1 --stats /dev/stdout 127.0.0.1 </dev/null
	stats_of "$OUT"
	OUT='/dev/null' bkp 4 "${listen[@]}" --stats /dev/stdout
}

@test "--stats - goes to standard error" {
	TX=(--stats - -q)
	streams push 0 0 <<<word
	stats_of "$SENDER_ERR"
	stat_is bytes 5
}

@test "--stats has the negotiated version and cipher" {
	TX=(--stats sender.json -m tls12-aes256-gcm) RX=(-m tls12-aes256-gcm)
	streams push 0 0 <<<word
	stats_of sender.json
	stat_is tls_version '"TLS1.2"'
	stat_is cipher '"AES-256-GCM"'
}

@test "--stats describes an empty stream" {
	TX=(--stats sender.json)
	streams push 0 0
	stats_of sender.json
	stat_is bytes 0
}

@test "--stats of a failed stream has the exit status" {
	TX=(--stats sender.json) RX=(--stats receiver.json)
	SOURCE=(sh -c 'head -c 100000 /dev/zero; exit 3')
	streams push 9 7
	stats_of sender.json
	stat_is exit 9
	stats_of receiver.json
	stat_is exit 7
	stat_is bytes "$(stat -c %s "$RECEIVED")"
}

@test "--stats has the exit status on both sides when the consumer failed" {
	TX=(--stats sender.json) RX=(--stats receiver.json)
	CONSUMER=(false)
	streams pull 9 9 </dev/zero
	stats_of sender.json
	stat_is exit 9
	stats_of receiver.json
	stat_is exit 9
}

@test "--stats is written when connect never gets a connection" {
	bkp 4 connect --retry 0 -k key -p 1 --stats stats.json 127.0.0.1
	stats_of stats.json
	stat_is exit 4
	stat_is bytes 0
	stat_is tls_version null
	stat_is tx null
}

@test "--stats is written when no peer connects" {
	bkp 4 listen -k key -b 127.0.0.1 -p 0 --wait 100ms --stats stats.json
	stats_of stats.json
	stat_is exit 4
}

@test "--stats is written when the port is in use" {
	start_receiver
	bkp 4 listen -k key -b 127.0.0.1 -p "$PORT" --stats stats.json
	stats_of stats.json
	stat_is exit 4
}

@test "--stats of a stream ended by a signal has the exit status" {
	TX=(--stats sender.json) RX=(--stats receiver.json)
	stands push
	kill -TERM "$RECEIVER_PID"
	stream_ends 7 143
	stats_of sender.json
	stat_is exit 7
	stats_of receiver.json
	stat_is exit 143
}

@test "--stats is written when the connection is refused" {
	start_receiver --ktls off
	make_key wrong
	bkp_send 5 -k wrong --ktls off --stats stats.json <<<secret
	stats_of stats.json
	stat_is exit 5
}

@test "--stats replaces the contents of the file" {
	head -c 10000 /dev/zero >sender.json
	TX=(--stats sender.json)
	streams push 0 0 <<<word
	stats_of sender.json
}

@test "a --stats file that cannot be created is refused at once" {
	bkp 2 connect -k key -p 1 --stats no/such/folder/x 127.0.0.1
	assert_stderr_has '^btrfs-ktls-pipe: --stats no/such/folder/x: No such file'
}

@test "--stats that cannot be written: a message, and the stream is delivered" {
	TX=(--stats /dev/full)
	streams push 0 0 <<<word
	says sender '--stats.*No space'
}
