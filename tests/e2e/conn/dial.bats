#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# connect while a firewall, a route or a name server hides the listener: it
# keeps trying, and says why.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/cable
load ../../lib/confine

setup() {
	set_up
	RETRY=(--retry 60s)
}

# --- firewalls and routes

# unreachable_for_now KIND WHY: by a route of that kind, which is then removed
unreachable_for_now() {
	ip -n "$NET" route add "$1" 203.0.113.2
	HOST=203.0.113.2 BIND=(-b 0.0.0.0)
	stream_starts push < <(echo word)
	until_true grep -q "$2.*; trying again" "$SENDER_ERR"
	ip -n "$NET" route del "$1" 203.0.113.2
	ip -n "$NET" addr add 203.0.113.2/32 dev lo
	stream_ends 0 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
	ip -n "$NET" addr del 203.0.113.2/32 dev lo
}

@test "connect keeps trying while a host is unreachable, a firewall rejects or a route is missing" {
	net_alone
	unreachable_for_now unreachable 'No route to host'
	unreachable_for_now prohibit 'Permission denied'
	unreachable_for_now throw 'Network is unreachable'
	unreachable_for_now blackhole 'Invalid argument'
}

@test "connect to an unreachable host exits 4 when --retry has passed" {
	net_alone
	ip -n "$NET" route add unreachable 203.0.113.2
	bkp 4 connect -k key --retry 1s 203.0.113.2
	assert_stderr_has 'No route to host.*firewall.*trying again for 1s'
	assert_lines 2 "$ERR"
	bkp 4 connect -k key --retry 0 203.0.113.2
	assert_lines 1 "$ERR"
}

@test "after 3 s without an answer connect names firewall and listener, once" {
	net_alone
	local quiet
	spawn quiet quiet.err connect -k key --retry 4s -q 198.51.100.9
	bkp 4 connect -k key --retry 5s -p 7777 198.51.100.9
	assert_stderr_has 'no answer from 198\.51\.100\.9:7777 .*port 7777 open.*firewall.*btrfs-ktls-pipe listen'
	assert_lines 2 "$ERR"
	wait_for 4 "$quiet" connect quiet.err
	assert_lines 1 quiet.err
}

@test "a listener that accepts connections and sends nothing is named after 5 s" {
	start_tool peer hold
	bkp_send 5 --ktls off --handshake-timeout 6s <<<word
	assert_stderr_has "127\.0\.0\.1:$PORT has accepted the connection.*not answered for"
	assert_lines 2 "$ERR"
}

@test "connect reports each new reason why it has no connection yet" {
	net_alone
	ip -n "$NET" route add unreachable 203.0.113.2
	HOST=203.0.113.2 PORT=1 WHEN=off
	spawn_connect "$SENDER_ERR" SOURCE <<<word
	until_true grep -q 'No route to host.*trying again' "$SENDER_ERR"
	ip -n "$NET" route del unreachable 203.0.113.2
	ip -n "$NET" addr add 203.0.113.2/32 dev lo
	until_true grep -q 'refused.*trying again' "$SENDER_ERR"
	kill "$CONNECT_PID"
}

@test "a lasting outage reports why reconnecting fails" {
	net_alone
	BIND=(-b 198.51.100.1) HOST=198.51.100.1
	stands push
	kill -KILL "$RECEIVER_PID"
	until_true grep -q 'Connection refused.*trying again for' "$SENDER_ERR"
	kill "$SENDER_PID"
}

# --- names

# looks_up_as_nobody PID: it reads the network, too
looks_up_as_nobody() {
	statuses "$1"
	has "$1" CapEff 0000000000000000
	has "$1" NoNewPrivs 1
	[[ ${STATUS[Uid]%%[[:space:]]*} == "$(confined_uid)" ]] ||
		fail "user ${STATUS[Uid]}"
}

@test "a name server that does not answer is reported after 3 s, and a signal ends the wait" {
	make_mark
	net_alone
	no_name_server
	HOST=$MARK.example PORT=1 WHEN=off
	spawn_connect "$SENDER_ERR" SOURCE <<<word
	until_true grep -q "no name server has answered.*$HOST" "$SENDER_ERR"
	looks_up_as_nobody "$(pgrep -P "$(launcher_of "$CONNECT_PID")")"
	kill "$CONNECT_PID"
	wait_for 143 "$CONNECT_PID" connect "$SENDER_ERR"
	until_true marked_gone
}

@test "a name server that does not answer: connect exits 4 when --retry has passed" {
	net_alone
	no_name_server
	bkp 4 connect -k key --retry 1s name.example
	assert_stderr_has 'cannot resolve .name\.example.: Connection timed out'
}

@test "a name server that fails is asked again" {
	net_alone
	no_name_server
	printf '# nobody\n' >hosts
	printf 'nameserver 127.0.0.1\n' >resolv.conf
	stream_starts push < <(echo word)
	until_true grep -q 'cannot resolve .there..*trying again' "$SENDER_ERR"
	printf '127.0.0.1 there\n' >>hosts
	stream_ends 0 0
}

@test "rekeying needs no name server" {
	fresh() {
		printf '127.0.0.1 there\n' >hosts
		TX=(--rekey-after 2M) RX=()
		with_stats
		have_fifo feed
		exec 8<>feed
		stream_starts "$1" <feed
		head -c 100000 in >&8
		until_true size_is 100000 "$RECEIVED"
		: >hosts # from here on nobody knows the name
		tail -c +100001 in >&8
		exec 8>&-
		stream_ends 0 0
		assert_same_file in "$RECEIVED"
		counted rotations 3
		counted reconnects 0 0
	}
	net_alone
	no_name_server
	make_data in 8000000
	both_ways fresh
}

@test "a dead name server delays neither data nor signals during a lookup" {
	looked_up() {
		printf '127.0.0.1 there\n' >hosts
		directions "$1"
		HARM=(rst -c "$WITH" -a 2000000 -k 1)
		have_fifo feed
		exec 8<>feed
		stream_starts "$1" <feed
		head -c 1000000 in >&8
		until_true size_is 1000000 "$RECEIVED"
		: >hosts # from here on nobody knows the name
		tail -c +1000001 in >&8
		until_true grep -q 'resumes at byte' "$SENDER_ERR"
		grep -q 'no name server has answered for 3 s about there; using the previous addresses$' \
			"$SENDER_ERR" "$RECEIVER_ERR" || fail 'no notice'
		until_true size_is 3000000 "$RECEIVED"
		kill -KILL "$TOOL_PID" # no connection will come about any more
		until_true grep -q 'Connection refused.*trying again' \
			"$SENDER_ERR" "$RECEIVER_ERR"
		kill -TERM "$CONNECT_PID"
		wait_for 143 "$CONNECT_PID" connect "$SENDER_ERR"
		exec 8>&-
	}
	net_alone
	no_name_server
	make_data in 3000000
	both_ways looked_up
}

@test "a name has two addresses, one of which takes no connection: the stream is delivered" {
	local first
	net_alone
	no_name_server
	RETRY=(--retry 0)
	for first in 127.0.0.9 198.51.100.1; do # before 127.0.0.1 and after it
		printf '%s there\n' "$first" 127.0.0.1 >hosts
		streams push 0 0 <<<word
		[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
	done
}

@test "connect -b accepts a name" {
	net_alone
	no_name_server
	printf '127.0.0.7 here\n' >>hosts
	start_receiver -v --ktls off
	bkp connect -k key --ktls off -b here -p "$PORT" there <<<word
	wait_receiver 0
	assert_stderr_has '127\.0\.0\.7' "$RECEIVER_ERR"
}

@test "connect -b with another address family than HOST: exit status 4, and the message says so" {
	bkp 4 connect -k key --retry 0 -b ::1 127.0.0.1
	assert_stderr_has 'cannot connect to 127\.0\.0\.1:6330 from ::1: .*family'
}

# --- limits of this process

@test "a name is resolved even when fork fails" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	not_under sanitizers 'LeakSanitizer needs a process of its own'
	require_localhost
	for_other_users
	wrapped '' 'setpriv --reuid=65534 --clear-groups prlimit --nproc=0'
	bkp 4 connect -v -m none --retry 0 -p 1 -4 localhost
	assert_stderr_has 'no process to resolve names'
	assert_stderr_has 'cannot connect to 127\.0\.0\.1:1: Connection refused'
}

@test "connect and listen name the limit on open files to raise" {
	not_under sanitizers 'they need descriptors of their own'
	local program=$BKP
	wrapped 'ulimit -n 64'
	bkp 4 listen -k key -b 127.0.0.1 -p 0 --wait 1s --keep -- cat
	assert_stderr_has 'no peer authenticated within --wait'
	BKP=$program
	wrapped 'ulimit -n 20'
	bkp 4 listen -k key -b 127.0.0.1 -p 0 --keep -- cat
	assert_stderr_has 'cannot wait for connections: Too many open files \(raise the .*ulimit -n[^(]*\)$'
	BKP=$program
	wrapped 'ulimit -n 5'
	bkp 4 connect -k key --retry 0 -p 1 127.0.0.1 <<<word
	assert_stderr_has 'Too many open files.*ulimit -n'
	BKP=$program
	wrapped 'ulimit -n 4'
	bkp 4 listen -k key -b 127.0.0.1 -p 0 --wait 1s
	assert_stderr_has 'Too many open files.*ulimit -n.*LimitNOFILE'
	bkp 4 connect -k key --retry 0 localhost
	assert_stderr_has 'cannot resolve .localhost.: .*Too many open files.*ulimit -n'
}

@test "out of memory: connect names the memory limit and suggests a smaller --buffer" {
	not_under sanitizers 'they need memory of their own'
	start_receiver --ktls off
	wrapped 'ulimit -v 400000'
	bkp_send 70 --ktls off --buffer 512M < <(echo word)
	assert_stderr_has 'no memory.*ulimit -v.*smaller --buffer'
}
