#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# --output and the loss of power: a disk is copied at some moment, which is what
# a power failure leaves, mounted, and gone on with.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	RETRY=(--retry 20s)
	OUTPUT=/dev/null
}

# make_disk FS: a file system of that kind, mounted at "disk", on a file that
# can be cloned at one moment, without stopping its writers
make_disk() {
	local missing
	missing=$({
		truncate -s 3G outer.img && mkfs.btrfs -q outer.img &&
			mkdir outer disk lost && mount -o loop outer.img outer
	} 2>&1 >/dev/null) || skip "own kernel only: no loop mount of btrfs: $missing"
	cleanup_add umount -l "$TMP/outer"
	missing=$({
		truncate -s 700M outer/disk.img && mkfs."$1" -q outer/disk.img &&
			mount -o loop outer/disk.img disk
	} 2>&1 >/dev/null) || skip "own kernel only: no loop mount of $1: $missing"
	cleanup_add umount -l "$TMP/disk"
	cleanup_add unmount_lost
}

# It is mounted only if the test failed.
unmount_lost() {
	umount -l "$TMP/lost" 2>/dev/null || :
}

# power_lost: what is on the disk now is at "lost"
power_lost() {
	cp --reflink=always outer/disk.img outer/lost.img
	mount -o loop outer/lost.img lost 2>missing && return
	! grep -q 'File exists' missing ||
		skip 'own kernel only: before Linux 6.7 no copy of a btrfs is mounted beside it'
	fail "cannot mount: $(<missing)"
}

forget_lost() {
	umount lost
	rm outer/lost.img
}

receives_into() {
	ktls_here
	start_receiver --ktls "$WHEN" --output "$1" "${@:2}"
}

durable() {
	getfattr --only-values -n user.btrfs-ktls-pipe.durable "$1" 2>/dev/null || echo 0
}

# goes_on: what the disk has is usable, and becomes the whole file
goes_on() {
	local noted=0
	if [[ -e lost/file ]]; then
		cmp lost/file in || fail 'the file is not whole'
		return
	fi
	if [[ -e lost/file.part ]]; then
		noted=$(durable lost/file.part)
		cmp -n "$noted" lost/file.part in ||
			fail "less than $noted bytes are whole"
	fi
	SEEN+=" $noted"
	receives_into lost/file
	bkp_send --ktls "$WHEN" --stats sender.json <in
	[[ $(<sender.json) == *"\"compared\": $noted, "* ]] ||
		fail "$noted bytes were noted: $(<sender.json)"
	receiver_ends 0
	cmp lost/file in || fail 'the file is not whole'
	[[ ! -e lost/file.part ]] || fail 'file.part is still there'
}

# loses_power FS: at random moments while a stream is received, and at its end
loses_power() {
	local round main_pid
	make_disk "$1"
	make_btrfs_like in "$STREAM"
	SEEN=
	for ((round = 0; round < SIZE; round++)); do
		rm -f disk/file
		sync -f disk
		receives_into disk/file
		main_pid=$RECEIVER_PID
		spawn_sender --ktls "$WHEN" --limit 150M <in
		sleep "$((RANDOM % 3)).$((RANDOM % 10))"
		power_lost
		RECEIVER_ERR=again.err goes_on
		forget_lost
		RECEIVER_PID=$main_pid
		wait_sender 0
		# The sender knows: so it is on the disk.
		power_lost
		[[ -e lost/file ]] || fail 'a confirmed file is gone'
		goes_on
		forget_lost
		receiver_ends 0
	done
	echo "# $1: noted$SEEN" >&3
}

@test "ext4 loses power: the file is absent or whole, and its part goes on" {
	full_tier_only 120
	by_tier 1 1 20 5
	STREAM=300000000
	loses_power ext4
}

@test "btrfs loses power: the file is absent or whole, and its part goes on" {
	full_tier_only 120
	by_tier 1 1 20 5
	STREAM=300000000
	loses_power btrfs
}

# A file system may grow a file before its bytes are there.
@test "zeros behind the bytes that were noted are cut off" {
	keeps_attributes
	make_btrfs_like in 3000000
	receives_into file
	bkp_send 8 --ktls "$WHEN" < <(head -c 1000000 in)
	receiver_ends 7
	truncate -s 2000000 file.part
	receives_into file
	bkp_send --ktls "$WHEN" <in
	assert_stderr_has 'dropping [0-9]+ bytes that may not be on the disk' "$RECEIVER_ERR"
	receiver_ends 0
	assert_same_file in file
}
