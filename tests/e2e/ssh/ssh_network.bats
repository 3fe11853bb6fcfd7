#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The verb ssh when near and far host are in networks of their own: a firewall
# drops packets, or the cable is cut.

load ../../lib/helpers
load ../../lib/sshd
load ../../lib/netns

setup() {
	set_up
	make_data in 3000000
	far_network
	start_sshd
}

# only_ssh: the far firewall lets in ssh and answers, and drops the rest
only_ssh() {
	firewall 'ct state established,related accept' 'iif lo accept' \
		"tcp dport $SSHD_PORT accept" "$@" drop
}

@test "a firewall drops the port: exit status 4 after 5 s, and the remedies are named" {
	local before=$SECONDS
	only_ssh
	by_ssh 4 there "cat >$TMP/got" <in
	((SECONDS - before < 20)) || fail "it took $((SECONDS - before)) s"
	assert_stderr_has "no direct connection to there \\($SSHD_ADDRESS, port [0-9]+\\): Connection timed out \\(open that TCP port there, --port"
	assert_stderr_lacks "the other host's btrfs-ktls-pipe or"
	[[ ! -e got ]] || fail 'COMMAND was started'
	until_true nothing_is_left
}

@test "--port names a port that the firewall lets in" {
	only_ssh 'tcp dport 6331-6339 accept'
	by_ssh --port 6331-6339 there "cat >$TMP/got" <in
	assert_same_file got in
}

@test "--fallback and --reverse pass a firewall that drops the port" {
	only_ssh
	by_ssh --fallback there "cat >$TMP/got" <in
	assert_same_file got in
	assert_stderr_has 'no direct connection to [^(]*\([^(]*; going through ssh .--fallback.$'
	by_ssh --reverse there "cat >$TMP/got2" <in
	assert_same_file got2 in
}

@test "the far host cannot reach us with --reverse: exit status 4, and it names cause and remedy" {
	firewall 'accept'
	ip netns exec "$CABLE" nft -f - <<-END
		table inet o {
			chain c {
				type filter hook output priority 0
				ct state established,related accept
				oif lo accept
				reject with tcp reset
			}
		}
	END
	by_ssh 4 --reverse there "cat >$TMP/got" <in
	assert_stderr_has '^btrfs-ktls-pipe: there: cannot connect to [0-9.]+, port [0-9]+: Connection refused \(open that TCP port of the host where ssh was called, --port'
	assert_stderr_has '^btrfs-ktls-pipe: there cannot reach us: see its message above$'
}

@test "--address is tried first, then the address that ssh came to" {
	by_ssh -v --address "$NOBODY" there "cat >$TMP/got" <in
	assert_stderr_has "connecting to $NOBODY"
	assert_stderr_has "^btrfs-ktls-pipe: --address: .*$NOBODY.*; trying $SSHD_ADDRESS"
	assert_stderr_has "connecting to $SSHD_ADDRESS"
	assert_same_file got in
}

# stands_still: a stream whose far COMMAND waits in the middle
stands_still() {
	mkfifo gate feed
	exec 7<>feed
	spawn_ssh --retry 60s there \
		"head -c 1000 >$TMP/head; read x <$TMP/gate; cat >$TMP/got" <feed
	cat in >&7 &
	PIDS+=($!)
	until_true test -s head
}

@test "the network is cut for a while: the stream is delivered" {
	by_tier 3 3 20 20
	stands_still
	cut_cable
	echo >gate
	sleep "$SIZE"
	mend_cable
	wait "${PIDS[-1]}"
	exec 7>&-
	ssh_ends 0
	cat head got >all
	assert_same_file all in
}

@test "we are killed while the network is cut: the far side ends when --retry is over" {
	mkfifo gate feed
	exec 7<>feed
	make_data in 100000
	spawn_ssh --retry 2s there \
		"head -c 1000 >$TMP/head; read x <$TMP/gate; cat >$TMP/got" <feed
	cat in >&7
	until_true test -s head
	cut_cable
	kill -9 "$SSH_PID"
	exec 7>&-
	mend_cable
	until_true nothing_is_left
	[[ ! -e got ]] || fail 'COMMAND saw the end of its input'
}
