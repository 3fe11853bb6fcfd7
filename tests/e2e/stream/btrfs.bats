#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The main use: btrfs send | connect, listen | btrfs receive, with a real file
# system on each side, in every mode.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/keys

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	if ! { make_filesystem from && make_filesystem to; } 2>missing; then
		[[ -s missing ]] || echo 'no file system' >missing
		return
	fi
	rm missing
	make_first_snapshot
	describe from/first >first.txt
	make_second_snapshot
	describe from/second >second.txt
}

teardown_file() {
	cd / || return
	umount "$BATS_FILE_TMPDIR"/{from,to} 2>/dev/null || :
}

# The tests share both file systems: each deletes the snapshots it received.
teardown() {
	local subvolume
	clean_up
	for subvolume in "$BATS_FILE_TMPDIR"/to/*; do
		[[ ! -e $subvolume ]] ||
			btrfs -q subvolume delete "$subvolume" >/dev/null
	done
}

make_filesystem() {
	truncate -s 4G "$1.img"
	mkfs.btrfs -q "$1.img" >/dev/null 2>&1
	mkdir -p "$1"
	mount -o loop "$1.img" "$1"
}

setup() {
	set_up
	[[ ! -e $BATS_FILE_TMPDIR/missing ]] || skip \
		"no loop mount of btrfs ($(<"$BATS_FILE_TMPDIR/missing"))"
}

# A tree with thousands of small files, with big ones and with every odd kind.
make_first_snapshot() {
	local dir i
	by_tier 3000 600 20000 3000
	btrfs -q subvolume create from/work >/dev/null
	cd from/work || return
	for ((dir = 0; dir < 20; dir++)); do
		mkdir "dir $dir"
		for ((i = 0; i < SIZE / 20; i++)); do
			printf '%*s' $((i * 37 % 5000)) "$dir/$i" >"dir $dir/file $i"
		done
	done
	by_tier $((32 << 20)) $((4 << 20)) $((512 << 20)) $((64 << 20))
	head -c "$SIZE" /dev/urandom >big
	head -c 3000000 /dev/zero >zeros
	truncate -s 100M sparse
	echo end >>sparse
	ln -s 'dir 0/file 1' link
	ln -s /no/such/target dangling
	ln -s "$(printf '%200s' '' | tr ' ' x)" 'long link'
	ln 'dir 0/file 2' 'dir 1/hard link'
	ln 'dir 0/file 2' hard
	mkfifo fifo
	mknod device c 1 3
	mkdir -p deep/er/and/dee/per empty
	: >empty_file
	touch $'new\nline' 'tab	tab' $'caf\xc3\xa9' $'\xff\xfe'
	setfattr -n user.comment -v 'a value' hard
	setfattr -n user.binary -v 0x00ff00 'dir 3'
	chmod 4755 'dir 0/file 0'
	chmod 2770 'dir 1'
	chmod 1777 'dir 2'
	chmod 0000 'dir 3/file 3'
	chown 1234:5678 'dir 4/file 4'
	chown -h 99:99 link
	touch -d '1970-01-01 00:00:01.5 UTC' 'dir 5/file 5'
	touch -d '2200-01-01 UTC' 'dir 6/file 6'
	cd ../..
	btrfs -q subvolume snapshot -r from/work from/first >/dev/null
}

make_second_snapshot() {
	cd from/work || return
	rm -r 'dir 7' dangling
	mv 'dir 8' 'dir eight'
	mv 'dir 9/file 1' 'dir eight/moved'
	echo changed >'dir 10/file 1'
	echo appended >>big
	dd if=/dev/urandom of=big bs=4096 seek=100 count=10 conv=notrunc \
		status=none
	truncate -s 1000 zeros
	cp --reflink=always big clone
	setfattr -x user.comment hard
	setfattr -n user.new -v x 'dir eight'
	chmod 0751 deep
	rm hard
	cd ../..
	btrfs -q subvolume snapshot -r from/work from/second >/dev/null
}

# describe TREE: every name with its type, mode, owner, size, time, links,
# target and device; which names are one file; every content and attribute
describe() {
	(
		cd "$1" || return
		find . -mindepth 1 -printf '%P|%y|%m|%U:%G|%s|%T@|%n|%l\n' |
			LC_ALL=C sort
		find . -type f -links +1 -printf '%i %P\n' | LC_ALL=C sort -k2 |
			awk '!($1 in n) { n[$1] = ++count }
				{ $1 = "file " n[$1] ":"; print }'
		find . -type c -exec stat -c '%n %t:%T' {} +
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
		find . -print0 | LC_ALL=C sort -z |
			xargs -0 getfattr -hd -m - -e hex 2>/dev/null
	)
}

# moves SNAPSHOT [SEND_OPTION]... -- [OPTION]...: through the program into
# the second file system
moves() {
	local name=$1 args=()
	shift
	while [[ $1 != -- ]]; do
		args+=("$1")
		shift
	done
	start_consumer btrfs receive -q "$BATS_FILE_TMPDIR/to"
	spawn_receiver -v --ktls "$WHEN" "${@:2}" >consumer
	btrfs send -q "${args[@]}" "$BATS_FILE_TMPDIR/from/$name" |
		bkp_send -v --ktls "$WHEN" "${@:2}"
	wait_receiver 0
	wait_consumer
}

uuid_of() {
	btrfs subvolume show "$BATS_FILE_TMPDIR/$1" |
		sed -nE "s/^[[:space:]]*$2:[[:space:]]*//p"
}

# assert_same_snapshot NAME [WHERE]: WHERE within the second file system
assert_same_snapshot() {
	local at=to/${2-$1}
	[[ $(uuid_of "$at" 'Received UUID') == "$(uuid_of "from/$1" UUID)" ]] ||
		fail "the received UUID of $at is not the sent one" || return
	describe "$BATS_FILE_TMPDIR/$at" >got.txt
	diff "$BATS_FILE_TMPDIR/$1.txt" got.txt >diff.txt ||
		fail "$1 differs" "$(head -20 diff.txt)"
}

# full_and_incremental MODE
full_and_incremental() {
	moves first -- -m "$1"
	assert_same_snapshot first
	moves second -p "$BATS_FILE_TMPDIR/from/first" -- -m "$1"
	assert_same_snapshot second
}

@test "a full and an incremental send arrive with tls13-aes128-gcm" {
	full_and_incremental tls13-aes128-gcm
}

@test "a full and an incremental send arrive with tls13-chacha20-poly1305" {
	full_tier_only 5
	full_and_incremental tls13-chacha20-poly1305
}

@test "a full and an incremental send arrive with tls12-aes128-gcm" {
	full_tier_only 5
	full_and_incremental tls12-aes128-gcm
}

@test "a full and an incremental send arrive with tls12-aes256-gcm" {
	full_and_incremental tls12-aes256-gcm
}

@test "a full send arrives with the defaults" {
	moves first --
	assert_same_snapshot first
}

@test "a full send arrives by splice into and out of the kernel" {
	moves first -- --tx splice --rx splice
	assert_same_snapshot first
}

@test "a full send arrives by send and read" {
	moves first -- --tx send --rx read
	assert_same_snapshot first
}

@test "the sender is killed: btrfs receive leaves no complete snapshot" {
	start_consumer btrfs receive -q "$BATS_FILE_TMPDIR/to"
	spawn_receiver --ktls "$WHEN" >consumer
	mkfifo in
	exec 8<>in
	spawn_sender --ktls "$WHEN" <in
	btrfs send -q "$BATS_FILE_TMPDIR/from/first" 2>/dev/null |
		head -c 1000000 >&8
	until_true test -d "$BATS_FILE_TMPDIR/to/first"
	kill -9 "$SENDER_PID"
	exec 8>&-
	wait_receiver 7
	wait_consumer 1 || :
	[[ $(uuid_of to/first 'Received UUID') == - ]]
}

@test "a send that loses its network ten times is received" {
	local from=$BATS_FILE_TMPDIR/from
	by_tier 30 10 300 300
	btrfs -q subvolume create "$from/big.work" >/dev/null
	head -c "${SIZE}M" /dev/urandom >"$from/big.work/file"
	btrfs -q subvolume snapshot -r "$from/big.work" "$from/big" >/dev/null
	describe "$from/big" >"$BATS_FILE_TMPDIR/big.txt"
	RETRY=(--retry 30s)
	start_consumer btrfs receive -q "$BATS_FILE_TMPDIR/to"
	spawn_receiver --ktls "$WHEN" >consumer
	start_relay rst -a $((SIZE * 90000)) -k 10
	btrfs send -q "$from/big" |
		bkp_send --ktls "$WHEN" --stats stats.json
	wait_receiver 0
	wait_consumer
	assert_same_snapshot big
	grep -qE '"reconnects": ?10\b' stats.json || fail "$(<stats.json)"
}

# The manual's example of --keep. All clients send from the same file system.
@test "two hosts send to one listener, each into a folder of its own" {
	local name pid to=$BATS_FILE_TMPDIR/to senders=()
	make_keys keys alice bob
	mkdir "$to/alice" "$to/bob"
	cleanup_add rmdir "$to/alice" "$to/bob"
	export TO=$to
	listens --keys keys --keep --retry 20s -- \
		sh -c 'btrfs -q receive "$TO/$BTRFS_KTLS_PIPE_IDENTITY"'
	for name in alice bob; do
		btrfs send -q "$BATS_FILE_TMPDIR/from/first" 3>&- |
			sends_as "$name" 3>&- &
		PIDS+=($!) senders+=($!)
	done
	for pid in "${senders[@]}"; do
		wait "$pid"
	done
	kill -TERM "$LISTENER_PID"
	wait_listener 0
	for name in alice bob; do
		cleanup_add btrfs -q subvolume delete "$to/$name/first"
		assert_same_snapshot first "$name/first"
	done
}

@test "the manual's recipe for cron prints nothing, so that cron sends no mail" {
	local recipe words from=$BATS_FILE_TMPDIR/from
	recipe=$(sed -n '/^0 3 /{N;s/^[0-9 *]*btrfs-ktls-pipe //;s/\\e\n//p}' \
		"$BATS_TEST_DIRNAME/../../../man/btrfs-ktls-pipe.1")
	# replaces the key, the network and the file system
	recipe=${recipe/ host / -k key -p PORT 127.0.0.1 }
	recipe=${recipe//\/data\/snap1/"$from/first"}
	recipe=${recipe//\/data\/snap2/"$from/second"}
	moves first --
	start_receiver -- btrfs receive -q "$BATS_FILE_TMPDIR/to"
	read -ra words <<<"${recipe/PORT/"$PORT"}"
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" "$BKP" "${words[@]}" >said 2>&1 3>&- ||
		fail "$(<said)"
	wait_receiver 0
	[[ ! -s said ]] || fail "printed: $(<said)"
	assert_same_snapshot second
}
