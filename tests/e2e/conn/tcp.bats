#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Options about the rate and about TCP: --limit, --tcp-buffer, --congestion,
# --dscp.

load ../../lib/helpers

# sockets: what ss prints about the stream's connection, a line for each side
sockets() {
	ss -tinmOH --tos state established "( sport = :$PORT or dport = :$PORT )"
}

# both_have REGEX: each of these two lines
both_have() {
	local said
	said=$(sockets)
	(($(grep -cE -- "$1" <<<"$said") == 2 && $(wc -l <<<"$said") == 2)) ||
		fail "not twice $1 in:" "$said"
}

# both_sides OPTION...: a stream that waits for input from descriptor 7
both_sides() {
	mkfifo feed
	exec 7<>feed
	start_receiver "$@"
	spawn_sender "$@" <feed
	echo begin >&7
	until_true test -s "$RECEIVED"
}

finish() {
	exec 7>&-
	wait_sender 0
	wait_receiver 0
}

@test "--limit: 3 MiB at 1 MiB a second take nearly 3 seconds" {
	make_data in 3145728
	start_receiver
	local begin=${EPOCHREALTIME/./} ms
	bkp_send --limit 1M <in
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	wait_receiver 0
	assert_same_file in "$RECEIVED"
	((ms >= 2700)) || fail "took only $ms ms"
}

@test "--limit of a few bytes a second: the bytes are still sent" {
	start_receiver
	bkp_send --limit 20 <<<"some thirty bytes, in a second"
	wait_receiver 0
	assert_lines 1 "$RECEIVED"
}

@test "--limit on the receiver: exit status 2" {
	bkp 2 connect -k key --receive --limit 1M 127.0.0.1
	assert_stderr_has 'limit is for the sender'
	bkp 2 listen -k key --limit 1M
	assert_stderr_has 'limit is for the sender'
}

@test "--dscp marks the packets of both sides" {
	both_sides --dscp cs1
	both_have 'tos:0x20'
	finish
}

@test "--dscp that is no class and no number: exit status 2, and the classes are listed" {
	local class
	for class in cs8 af14 af51 64 best -1; do
		bkp 2 connect -k key --dscp "$class" 127.0.0.1
		assert_stderr_has "'$class' is not a traffic class"
	done
}

@test "--congestion sets the algorithm of both sides" {
	both_sides --congestion reno
	both_have ' reno '
	finish
}

@test "--congestion with an algorithm that the kernel lacks: a notice, and the stream is delivered" {
	start_receiver
	bkp_send --congestion nosuch <<<bytes
	assert_stderr_has 'congestion nosuch: .*modprobe tcp_nosuch'
	wait_receiver 0
}

@test "--tcp-buffer sets the socket buffers of both sides" {
	both_sides --tcp-buffer 12M
	# twice as much, for the kernel's own overhead
	both_have "tb$((2 * 12 << 20)),"
	both_have "rb$((2 * 12 << 20)),"
	finish
}

@test "--tcp-buffer above the limit of an ordinary user: the maximum is used, and the sysctl is named" {
	[[ $EUID = 0 ]] || skip "not root: cannot become another user"
	command -v setpriv >/dev/null || skip "no setpriv"
	chmod 755 .
	cp key theirs && chown 65534 theirs
	start_receiver
	local code=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$BKP" connect -k theirs \
		-p "$PORT" --retry 0 --tcp-buffer 1G 127.0.0.1 <<<bytes 2>"$ERR" || code=$?
	((code == 0)) || { show "$ERR"; fail "exit status $code"; }
	assert_stderr_has 'net.core.wmem_max'
	wait_receiver 0
}

# sysctl_last FILE: the last number of a sysctl
sysctl_last() {
	awk '{ print $NF }' "/proc/sys/net/$1"
}

@test "--tcp-buffer of an ordinary user never gives less than the kernel's own tuning reaches" {
	[[ $EUID = 0 ]] || skip "not root: cannot become another user"
	command -v setpriv >/dev/null || skip "no setpriv"
	[[ -r /proc/sys/net/core/wmem_max ]] || skip "not the machine's own network"
	chmod 755 .
	cp key theirs && chown 65534 theirs
	mkfifo feed
	exec 7<>feed
	start_receiver
	echo begin >&7
	setpriv --reuid 65534 --regid 65534 --clear-groups "$BKP" connect -k theirs \
		-p "$PORT" --retry 0 --tcp-buffer 1G 127.0.0.1 <feed 2>"$ERR" 3>&- 7>&- &
	local sender=$!
	PIDS+=("$sender")
	until_true test -s "$RECEIVED"
	local given tuned
	tuned=$(sysctl_last ipv4/tcp_wmem)
	given=$(sed -nE 's/.*gives ([0-9]+) KiB for sending.*/\1/p' "$ERR")
	((given * 2048 >= tuned)) || fail "$given KiB for sending, $tuned by itself"
	if ((2 * $(sysctl_last core/wmem_max) <= tuned)); then
		# What was set by hand would stand here, and would not grow.
		[[ $(sockets) != *"tb$((2 * $(sysctl_last core/wmem_max))),"* ]] ||
			fail "the kernel's own tuning is off"
	fi
	exec 7>&-
	wait "$sender"
	wait_receiver 0
}
