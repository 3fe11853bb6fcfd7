#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Files on a FUSE file system that lets in nobody but root, who mounted it.
# The process that carries the stream would not be root any more.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	[[ $(id -u) == 0 && -c /dev/fuse ]] && command -v bindfs >/dev/null ||
		skip "needs root, /dev/fuse and bindfs"
	mkdir behind on
	bindfs --no-allow-other behind on 3>&- || skip "cannot mount FUSE here"
	cleanup_add umount -l on
	make_data in 3000000
}

goes_to_fuse() {
	spawn_receiver -v >on/got
	bkp_send <in
	wait_receiver 0
}

@test "a stream into a file on FUSE that is root's alone arrives, and a notice says that root stays root" {
	goes_to_fuse
	assert_same_file in behind/got
	assert_stderr_has '^btrfs-ktls-pipe: not fully confined: .*user 0 stays: .*allow_other' \
		"$RECEIVER_ERR"
}

@test "--output on FUSE that is root's alone: FILE is whole, for push and pull" {
	start_receiver --output on/pushed
	bkp_send <in
	wait_receiver 0
	assert_same_file in behind/pushed
	spawn_receiver --send <in
	bkp_send --receive --output on/pulled
	wait_receiver 0
	assert_same_file in behind/pulled
	assert_stderr_has 'user 0 stays'
}

@test "the input on FUSE that is root's alone is truncated: the sender exits 8, the receiver 7" {
	have_fifo gate
	exec 8<>gate
	make_data on/from 20000000
	start_consumer sh -c 'head -c 1; read -r go <gate; cat'
	spawn_receiver >consumer
	spawn_sender --buffer 1M <on/from
	until_true test -s "$RECEIVED"
	truncate -s 15000000 on/from
	echo go >&8
	wait_sender 8
	assert_stderr_has 'standard input became shorter' "$SENDER_ERR"
	wait_receiver 7
}

@test "--confine require, and only root may use the output: exit status 6 before the first byte" {
	bkp 6 listen -k key -p 0 --output on/got --confine require
	assert_stderr_has 'cannot be confined .*user 0 stays: .*allow_other'
	[[ ! -s behind/got.part ]]
}

@test "FUSE that lets other users in: root gives up root" {
	umount on
	bindfs -o allow_other behind on 3>&-
	goes_to_fuse
	assert_same_file in behind/got
	assert_stderr_lacks 'user 0 stays' "$RECEIVER_ERR"
}
