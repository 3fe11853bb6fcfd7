#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The addresses that listen binds and connect connects to.

load ../../lib/helpers
load ../../lib/delivery

require_ipv6() {
	[[ -e /proc/sys/net/ipv6/conf/lo/disable_ipv6 &&
		$(</proc/sys/net/ipv6/conf/lo/disable_ipv6) == 0 ]] && return
	skip "own kernel only: no IPv6 on this loopback device"
}

# reaches RECEIVER_ARGS -- SENDER_ARGS: a word is delivered
reaches() {
	local to=()
	while [[ $1 != -- ]]; do
		to+=("$1")
		shift
	done
	shift
	start_receiver --ktls off "${to[@]}"
	bkp connect -k key --ktls off "${@//PORT/$PORT}" <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]] || fail "received $(<"$RECEIVED")"
}

@test "connect to an IPv4 address: delivered" {
	reaches -- -p PORT 127.0.0.1
}

@test "connect to an IPv4 address with a port: delivered" {
	reaches -- 127.0.0.1:PORT
}

@test "connect to a name: delivered" {
	require_localhost
	reaches -- -4 -p PORT localhost
}

@test "connect to an IPv6 address: delivered" {
	require_ipv6
	BIND=(-b ::1)
	reaches -- -p PORT ::1
}

@test "connect to an IPv6 address with a port: delivered" {
	require_ipv6
	BIND=(-b ::1)
	reaches -- '[::1]:PORT'
}

@test "listen without -b accepts IPv4 and IPv6" {
	require_ipv6
	BIND=()
	reaches -- 127.0.0.1:PORT
	reaches -- '[::1]:PORT'
}

# As in Debian's /etc/hosts: for IPv4 the resolver turns ::1 into 127.0.0.1.
@test "an address that a name has twice is bound once" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	printf '%s localhost\n' 127.0.0.1 ::1 >hosts
	wrapped "[[ \${INSIDE-} ]] || INSIDE=y exec unshare -m \"\$0\" \"\$@\"
		mount --bind $TMP/hosts /etc/hosts"
	BIND=(-b localhost -4)
	reaches -- -p PORT 127.0.0.1
}

# The resolver puts 127.0.0.1 first, and the others behind it as they are here.
@test "connect tries all addresses of a name" {
	[[ $(id -u) == 0 ]] || skip "own kernel only: needs root"
	printf '%s three\n' 127.0.0.1 127.0.0.8 127.0.0.9 >hosts
	chmod 644 hosts
	BIND=(-b 127.0.0.9)
	start_receiver --ktls off
	wrapped "[[ \${INSIDE-} ]] || INSIDE=y exec unshare -m \"\$0\" \"\$@\"
		mount --bind $TMP/hosts /etc/hosts"
	bkp connect -k key --ktls off --retry 0 -p "$PORT" three <<<word
	wait_receiver 0
	[[ $(<"$RECEIVED") == word ]]
}

@test "connect -b chooses the source address" {
	start_receiver -v --ktls off
	bkp_send --ktls off -b 127.0.0.7 <<<word
	wait_receiver 0
	assert_stderr_has '127\.0\.0\.7' "$RECEIVER_ERR"
}

@test "-b takes an IPv6 address in brackets, and the IPv6 form of an IPv4 address" {
	require_ipv6
	BIND=(-b '[::1]')
	reaches -- -b '[::1]' '[::1]:PORT'
	BIND=(-b ::ffff:127.0.0.1)
	reaches -- -b ::ffff:127.0.0.1 -p PORT ::ffff:127.0.0.1
}

@test "an address of the other family than -4 or -6: connect exits 4" {
	bkp 4 connect --retry 0 -k key -6 127.0.0.1
	assert_stderr_has '^btrfs-ktls-pipe: cannot resolve .127\.0\.0\.1.: .*-6 asks for IPv6'
	bkp 4 connect --retry 0 -k key -4 no..such..host
	assert_stderr_has 'cannot resolve .*-4 asks for IPv4'
}

@test "a port in use: listen exits 4, and the message says so" {
	start_receiver
	bkp 4 listen -k key -b 127.0.0.1 -p "$PORT" --wait 1s
	assert_stderr_has "^btrfs-ktls-pipe: .*127\.0\.0\.1:$PORT: .* in use \(choose another port with -p\)"
	assert_lines 1 "$ERR"
	bkp 4 ssh --reverse --port "$PORT" -4 nowhere.invalid cat
	assert_stderr_has "in use \(choose another port with --port\)"
}

@test "listen can bind the same port again at once" {
	local port
	start_receiver --ktls off
	port=$PORT
	bkp_send --ktls off <<<word
	wait_receiver 0
	bkp 4 listen -k key -b 127.0.0.1 -p "$port" --wait 10ms
	assert_stderr_lacks 'in use' # foreign
}

@test "a signal kills a waiting listener, as its exit status shows" {
	start_receiver
	kill -TERM "$RECEIVER_PID"
	wait_receiver 143
}
