#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The verb ssh with a real sshd: one command, in ssh's own word order.

load ../../lib/helpers
load ../../lib/sshd

@test "ssh sends standard input to a COMMAND on the far host" {
	start_sshd
	make_data in 3000000
	by_ssh there "cat >$TMP/got" <in
	assert_same_file got in
}

@test "ssh --receive writes what a COMMAND on the far host prints" {
	start_sshd
	make_data in 3000000
	by_ssh --receive there "cat $TMP/in"
	assert_same_file "$OUT" in
}
