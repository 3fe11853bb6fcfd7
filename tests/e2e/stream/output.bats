#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# listen --output FILE: FILE is complete or not there, whatever is killed, and
# FILE.part is continued.

load ../../lib/helpers
load ../../lib/delivery

setup() {
	set_up
	RETRY=(--retry 20s)
	RX=(--output file)
	OUTPUT=/dev/null
	make_btrfs_like in 3000000
}

# sends [CODE] [OPTION]...: standard input, to the listener
sends() {
	local want=0
	if [[ ${1-} =~ ^[0-9]+$ ]]; then
		want=$1
		shift
	fi
	bkp_send "$want" --ktls "$WHEN" --stats sender.json "$@"
}

listens() {
	ktls_here
	start_receiver --ktls "$WHEN" "${RX[@]}" "$@"
}

whole() {
	receiver_ends 0
	assert_output_whole
}

compared() {
	assert_compared sender.json "$@"
}

# ends_early: a sender without a name fails after 1000000 bytes
ends_early() {
	sends 8 < <(head -c 1000000 in)
	receiver_ends 7
	[[ ! -e file ]] || fail 'file is there'
	[[ -s file.part ]] || fail 'the part is empty'
	assert_prefix file.part in
}

# part_is_continued: by the next stream, which compares all of it
part_is_continued() {
	local size
	listens
	ends_early
	size=$(stat -c %s file.part)
	listens
	sends <in
	compared "$size"
	whole
}

@test "--output writes a file of mode 0600, and nothing beside it" {
	listens
	sends <in
	whole
	compared 0
}

@test "a sender fails: the file is absent, and another stream of the same bytes continues its part" {
	keeps_attributes
	part_is_continued
}

@test "a receiver is killed: what was synced is continued" {
	keeps_attributes
	make_btrfs_like in 75000000
	listens
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" --retry 1s <feed
	head -c 70000000 in >&8
	until_true size_is 70000000 file.part
	until_true synced 1 # after 64 MiB or, where that is slow, 5 s
	kill -KILL "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	exec 8>&-
	wait "$SENDER_PID" || :
	[[ ! -e file ]]
	printf 'no bytes of the stream' >>file.part
	listens
	sends <in
	compared "$SYNCED" 70000000
	whole
}

@test "a slow receiver is killed: what came 5 seconds before is kept" {
	keeps_attributes
	listens
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" <feed
	head -c 1000000 in >&8
	until_true size_is 1000000 file.part
	sleep 5
	head -c 1001000 in | tail -c 1000 >&8
	until_true synced 1000000
	kill -KILL "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	exec 8>&-
	wait "$SENDER_PID" || :
	[[ ! -e file ]]
	listens
	sends <in
	compared 1000000 1001000
	whole
}

# Beside it lies a note then.
without_attributes() {
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOTSUP fsetxattr fgetxattr fremovexattr --"
}

@test "a file system without extended attributes: the part is continued, too" {
	without_attributes
	part_is_continued
	[[ $(echo file*) == file ]] || fail "left: $(echo file*)"
}

@test "attributes can be read but not set: the part is continued, and no note is left" {
	wrapped '' "\"$BKP_TOOLS/refuse\" EPERM fsetxattr --"
	part_is_continued
	[[ $(echo file*) == file ]] || fail "left: $(echo file*)"
}

@test "something else in the place of the note beside the part is refused with 8, and nothing is left" {
	local other
	without_attributes
	for other in 'ln -s victim' mkfifo mkdir; do
		$other file.part.durable
		bkp 8 listen -k key -p 0 --output file
		assert_stderr_has 'file.part.durable is no file of ours'
		[[ $(echo file*) == file.part.durable ]] || fail "left: $(echo file*)"
		rm -r file.part.durable
	done
}

@test "something else that comes in the place of the note beside the part does not end the stream" {
	without_attributes
	make_btrfs_like in 80000000
	listens
	echo victim >victim
	ln -sf victim file.part.durable
	sends <in
	whole
	[[ $(<victim) == victim ]]
}

@test "another file with the name of the note is left alone where attributes work" {
	keeps_attributes
	echo precious >file.part.durable
	listens
	bkp_send --ktls "$WHEN" <<<word
	wait_receiver 0
	[[ $(<file) == word && $(<file.part.durable) == precious ]]
}

@test "a note beside the part that is not ours does not make the part ours" {
	without_attributes
	local note
	for note in garbage '0000000000000\0\0\0\0\0\0\0' 0000000000000000000x; do
		(umask 077 && echo precious >file.part && printf "$note" >file.part.durable)
		cp -p file.part before
		bkp 8 listen -k key -p 0 --wait 1s --output file
		assert_stderr_has 'not a part of ours: move it away'
		assert_same_file before file.part
	done
}

@test "a note beside the part does not make the part ours where attributes work" {
	local note
	keeps_attributes
	for note in '' 00000000000000000004; do
		(umask 077 && echo precious >file.part && printf %s "$note" >file.part.durable)
		cp -p file.part before
		bkp 8 listen -k key -p 0 --wait 1s --output file
		assert_stderr_has 'not a part of ours: move it away'
		assert_same_file before file.part
	done
}

@test "an attribute that is not a number does not make the part ours" {
	local note
	keeps_attributes
	for note in '' +2 ' 2' 2x 0x320078; do
		(umask 077 && echo precious >file.part)
		setfattr -n user.btrfs-ktls-pipe.durable -v "$note" file.part
		cp -p file.part before
		bkp 8 listen -k key -p 0 --wait 1s --output file
		assert_stderr_has 'not a part of ours: move it away'
		assert_same_file before file.part
	done
}

# no_room CALL...: a full disk, or a quota, refuses the note beside or within
no_room() {
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOSPC $* --"
}

@test "there is no room to note whose the part is: exit status 8 at once, and no part is left" {
	keeps_attributes
	no_room fsetxattr
	bkp 8 listen -k key -p 0 --output file
	assert_stderr_has 'no room to note how much of file.part is on the disk, or its name'
	[[ ! -e file.part ]] || fail 'file.part was made'
}

@test "there is no room for a note beside the part: exit status 8 at once, and nothing is left" {
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOTSUP fsetxattr fgetxattr fremovexattr -- \
		\"$BKP_TOOLS/refuse\" ENOSPC pwrite64:2=20 --"
	bkp 8 listen -k key -p 0 --output file
	assert_stderr_has 'no room to note how much of file.part is on the disk'
	[[ $(echo file*) == 'file*' ]] || fail "left: $(echo file*)"
}

@test "there is no room for a later note: a message says that no more is kept, and the next receiver begins again" {
	local program=$BKP
	keeps_attributes
	no_room fsetxattr:3=6 fsetxattr:3=7 # the length of its length
	listens
	ends_early
	assert_stderr_has 'file.part keeps only what was noted before: there is no room' \
		"$RECEIVER_ERR"
	BKP=$program
	listens
	sends <in
	whole
}

@test "a file system without locks: exit status 8 at once, and no part is left" {
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOSYS flock --"
	bkp 8 listen -k key -p 0 --output file
	assert_stderr_has 'cannot lock file.part: Function not implemented'
	[[ ! -e file.part ]] || fail 'file.part was made'
}

# keeps_part CALL [OTHER]: a disk that fails at CALL; OTHER precedes its refusal
keeps_part() {
	local program=$BKP size
	size=$(stat -c %s file.part)
	[[ -s file.part ]] || fail 'the part is empty'
	wrapped '' "${2-} \"$BKP_TOOLS/refuse\" EIO $1 --"
	bkp 8 listen -k key -p 0 --wait 1s --output file
	assert_stderr_has "--output: .*file.part.*: Input/output error"
	size_is "$size" file.part || fail "$1: only $(stat -c %s file.part) bytes are left"
	BKP=$program
}

@test "a disk that cannot tell how long the part is: exit status 8, and the part is kept" {
	keeps_attributes
	listens
	ends_early
	keeps_part fgetxattr
	keeps_part flock
}

@test "a disk that cannot read the note beside the part: exit status 8, and the part is kept" {
	local program=$BKP
	without_attributes
	listens
	ends_early
	BKP=$program
	keeps_part pread64:2=20 \
		"\"$BKP_TOOLS/refuse\" ENOTSUP fsetxattr fgetxattr fremovexattr --"
}

@test "--wait is over while the part is read: the receiver still waits for its sender" {
	full_tier_only 30
	local bytes=$((30 << 30))
	[[ ! ${BKP_GUEST-} ]] || bytes=$((12 << 30))
	keeps_attributes
	truncate -s "$bytes" file.part
	chmod 600 file.part
	setfattr -n user.btrfs-ktls-pipe.durable -v "$bytes" file.part
	listens --wait 6s # the sender tries again after 5 s at the latest
	head -c 1000 /dev/zero | bkp_send 8 --ktls "$WHEN" --retry 60s --name snap
	receiver_ends 8
	assert_stderr_has 'another stream|shorter' "$RECEIVER_ERR"
}

@test "another stream is refused on both sides with 8, and the part is kept" {
	keeps_attributes
	listens
	ends_early
	cp file.part kept
	make_data other 2000000
	listens
	sends 8 <other
	assert_stderr_has 'another stream, not the one that was begun'
	receiver_ends 8
	assert_same_file kept file.part
	listens
	sends <in
	whole
}

@test "a file that exists is not overwritten, neither at the start nor at the end" {
	: >file
	bkp 8 listen -k key -p 0 --output file
	assert_stderr_has 'file exists already'
	[[ ! -e file.part ]] || fail 'file.part was made'
	rm file
	overwrites_nothing
}

# As on NFS; then FILE is a second name of FILE.part for a moment.
@test "without renameat2 FILE gets its name all the same, and is not overwritten" {
	keeps_attributes
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOSYS renameat2 --"
	overwrites_nothing
	[[ $(echo file*) == file && $(stat -c %h file) == 1 ]] ||
		fail "$(stat -c '%h %n' file*)"
}

# As on FUSE and vboxsf, often
@test "without renameat2 and second names FILE gets its name all the same, and is not overwritten" {
	keeps_attributes
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOSYS renameat2 -- \
		\"$BKP_TOOLS/refuse\" EPERM linkat --"
	overwrites_nothing
	[[ $(echo file*) == file ]] || fail "left: $(echo file*)"
}

# overwrites_nothing: FILE comes while the stream runs; then it goes on
overwrites_nothing() {
	listens
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" <feed
	head -c 2000000 in >&8
	until_true size_is 2000000 file.part
	echo mine >file
	tail -c +2000001 in >&8
	exec 8>&-
	receiver_ends 8
	assert_stderr_has 'not overwritten' "$RECEIVER_ERR"
	wait_sender 9
	[[ $(<file) == mine ]]
	# What was received can still be continued.
	rm file
	listens
	sends <in
	compared 3000000
	whole
}

@test "a part that is not a file of ours alone is refused with 8" {
	refused() {
		bkp 8 listen -k key -p 0 --output file
		assert_stderr_has "$1"
		[[ ! ${2-} ]] || assert_same_file "$2" file.part
		rm -r file.part
	}
	echo victim >victim
	ln -s victim file.part
	refused 'symbolic link: remove it$'
	ln victim file.part
	refused 'two names'
	mkfifo file.part
	refused 'no regular file'
	mkdir file.part
	refused 'file.part: Is a directory'
	: >file.part
	chmod 644 file.part
	refused 'remove it, or give it our user and mode 0600'
	(umask 077 && echo "somebody's download" >file.part)
	cp -p file.part before
	refused 'not a part of ours: move it away' before
	[[ $(<victim) == victim ]]
	bkp 8 listen -k key -p 0 --output no/file
	bkp 2 listen -k key -p 0 --output ''
	bkp 2 listen -k key -p 0 --output folder/
}

# Without a launcher, as with --confine off or where it cannot be started, too.
@test "FILE.part becomes another receiver's: it does not get the name FILE" {
	local when
	have_fifo feed
	for when in auto off; do
		exec 8<>feed
		listens --confine $when
		spawn_sender --ktls "$WHEN" --retry 1s <feed
		head -c 1000000 in >&8
		until_true size_is 1000000 file.part
		mv file.part moved
		head -c 500000 in >file.part
		# Nobody takes the rest once the receiver has noticed.
		tail -c +1000001 in >&8 3>&- &
		PIDS+=($!)
		exec 8>&-
		receiver_ends 8
		assert_stderr_has 'changed, removed or replaced file.part' \
			"$RECEIVER_ERR"
		wait_sender 9
		assert_stderr_has 'cannot write its output: FILE.part was changed, removed or' \
			"$SENDER_ERR"
		[[ ! -e file ]] || fail "--confine $when: FILE is another's"
		rm -f moved file.part
	done
}

@test "another process makes FILE.part longer: FILE is not made, sender and receiver exit 9 and 8" {
	part_gets 4M
}

@test "another process empties FILE.part: FILE is not made, sender and receiver exit 9 and 8" {
	part_gets 0
}

# Its length stays the same; some of the stream is to come, or nothing.
@test "FILE.part is overwritten after it was read: FILE is not made, sender and receiver exit 9 and 8" {
	local bytes
	keeps_attributes
	for bytes in 1000000 3000000; do
		head -c "$bytes" in >file.part
		setfattr -n user.btrfs-ktls-pipe.durable -v "$bytes" file.part
		listens
		assert_stderr_has 'reading them' "$RECEIVER_ERR"
		sleep 0.2 # they are read, and the clock of the file moves on
		printf X | dd of=file.part conv=notrunc status=none
		sends 9 <in
		receiver_ends 8
		assert_stderr_has 'changed, removed or replaced file.part' \
			"$RECEIVER_ERR"
		[[ ! -e file ]] || fail "$bytes: file is there"
		rm file.part
	done
}

part_gets() {
	have_fifo feed
	exec 8<>feed
	listens
	spawn_sender --ktls "$WHEN" <feed
	head -c 1000000 in >&8
	until_true size_is 1000000 file.part
	truncate -s "$1" file.part
	# Nobody takes the rest once the receiver has noticed.
	tail -c +1000001 in >&8 3>&- &
	PIDS+=($!)
	exec 8>&-
	wait_sender 9
	receiver_ends 8
	assert_stderr_has 'changed, removed or replaced file.part' "$RECEIVER_ERR"
	[[ ! -e file ]]
}

@test "a disk fails when all is received: FILE is not made, sender and receiver exit 9 and 8" {
	keeps_attributes # else the note has to be synced at the start
	wrapped '' "\"$BKP_TOOLS/refuse\" EIO fdatasync --"
	listens
	bkp_send 9 --ktls "$WHEN" <in
	assert_stderr_has 'cannot write its output: Input/output error'
	receiver_ends 8
	[[ ! -e file ]] || fail 'file is there'
}

@test "a folder cannot be synced: FILE is complete, sender and receiver exit 0" {
	wrapped '' "\"$BKP_TOOLS/refuse\" EPERM fsync --"
	listens
	bkp_send 0 --ktls "$WHEN" <in
	receiver_ends 0
	assert_same_file in file
}

# fails_after_naming CALL: CALL fails after FILE has its name
fails_after_naming() {
	wrapped '' "\"$BKP_TOOLS/refuse\" ENOSYS renameat2 -- \
		\"$BKP_TOOLS/refuse\" EIO $1 --"
	listens
	bkp_send 9 --ktls "$WHEN" <in
	receiver_ends 8
	assert_stderr_has 'cannot tell whether file is on the disk .*; if it is there, it is complete' "$RECEIVER_ERR"
	assert_same_file in file
}

@test "the folder cannot be synced after FILE has its name: sender exits 9, receiver 8 and says that FILE may be there" {
	keeps_attributes # else the folder is synced at the start, too
	fails_after_naming fsync
}

@test "FILE.part cannot be removed after FILE has its name: sender exits 9, receiver 8 and says that FILE may be there" {
	fails_after_naming unlinkat
}

# ends_early_after COMMAND...: which was done to FILE.part
ends_early_after() {
	have_fifo feed
	exec 8<>feed
	listens --retry 1s
	spawn_sender --ktls "$WHEN" <feed
	head -c 1000000 in >&8
	until_true size_is 1000000 file.part
	"$@"
	kill -KILL "$SENDER_PID"
	exec 8>&-
	receiver_ends 7
	assert_stderr_has 'part was changed, removed or replaced: it may be impossible to continue it' \
		"$RECEIVER_ERR"
	assert_stderr_lacks 'keeps the first' "$RECEIVER_ERR"
}

@test "FILE.part is made shorter, and the stream ends early: no message says that it is kept" {
	ends_early_after truncate -s 1000 file.part
}

@test "FILE.part is removed, and the stream ends early: a message says that it cannot be continued" {
	ends_early_after rm file.part
	# Its length may be noted in a file beside it.
	[[ ! -e file && ! -e file.part ]] || fail "left: $(echo file*)"
}

@test "the disk takes long when all is received: the receiver says so" {
	can_strace
	wrapped '' 'strace -D -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=4000000'
	listens
	sends <in
	whole
	assert_stderr_has 'everything is received; waiting until it is on the disk' "$RECEIVER_ERR"
}

# launcher_hangs: like a disk, when the receiver is told to end
launcher_hangs() {
	local launcher
	have_fifo feed
	exec 8<>feed
	listens
	spawn_sender --ktls "$WHEN" --retry 1s <feed
	head -c 1000000 in >&8
	until_true size_is 1000000 file.part
	launcher=$(launcher_of "$RECEIVER_PID")
	kill -STOP "$launcher"
	cleanup_add kill -CONT "$launcher"
	kill -TERM "$RECEIVER_PID"
	PATIENT=10 until_true has_line 'waiting until file.part is on the disk' "$RECEIVER_ERR"
}

@test "the disk hangs at the end: a message says so, and a second signal ends the receiver at once" {
	launcher_hangs
	kill -TERM "$RECEIVER_PID"
	takes_at_most 2 receiver_ends 143
}

@test "the disk hangs at the end: after 20 s the receiver ends, and does not say that the part is kept" {
	full_tier_only 20
	keeps_attributes
	launcher_hangs
	takes_at_most 25 receiver_ends 143
	assert_stderr_has 'file.part keeps only what was noted before: .* does not answer' \
		"$RECEIVER_ERR"
}

# The launcher gives FILE its name, perhaps late.
@test "a receiver is killed while its launcher names the file: no other process gets the part before that" {
	can_strace
	keeps_attributes
	local launcher program=$BKP
	wrapped '' 'strace -D -f -qq -o /dev/null -e trace=renameat2 -e inject=renameat2:delay_enter=4000000'
	listens
	launcher=$(launcher_of "$RECEIVER_PID")
	spawn_sender --ktls "$WHEN" --retry 1s <in
	until_true size_is 3000000 file.part
	until_true pgrep -P "$launcher" >pid # it has its order, and needs 4 s
	kill -9 "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	BKP=$program
	bkp 8 listen "${CREDENTIAL[@]}" --wait 1s -p 0 --output file
	assert_stderr_has 'file.part is being written by another process'
	until_true gone "$launcher"
	assert_output_whole
}

# has_order LAUNCHER: to note what is on the disk, or had it on a slow machine
has_order() {
	pgrep -P "$1" >/dev/null || size_is 68000000 file.part
}

# Its launcher has the lock until it has done what it was asked for.
@test "a receiver is killed while its launcher works: the next one waits for that" {
	can_strace
	keeps_attributes
	local launcher program=$BKP
	make_btrfs_like in 70000000
	wrapped '' 'strace -D -f -qq -o /dev/null -e trace=fsetxattr -e inject=fsetxattr:delay_enter=1000000'
	listens
	launcher=$(launcher_of "$RECEIVER_PID")
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" --retry 1s <feed
	head -c 68000000 in >&8 3>&- &
	PIDS+=($!)
	until_true has_order "$launcher" # it needs 1 s
	kill -9 "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	exec 8>&-
	BKP=$program
	listens
	wait "$SENDER_PID" || :
	sends <in
	whole
}

@test "two receivers do not write one file" {
	listens
	bkp 8 listen -k key -p 0 --output file
	assert_stderr_has 'being written by another process'
	sends <in
	whole
}

@test "--output is not for COMMAND, --keep, --raw or the side that sends" {
	bkp 2 listen -k key --output file -- cat
	bkp 2 listen -k key --output file --keep -- cat
	bkp 2 listen -k key --output file --raw
	bkp 2 listen -k key --output file --send
}

@test "a stream with a name into a file continues in a third process, too" {
	keeps_attributes
	listens
	have_fifo feed
	exec 8<>feed
	spawn_sender --ktls "$WHEN" --name x <feed
	head -c 1000000 in >&8
	until_true size_is 1000000 file.part
	kill -KILL "$SENDER_PID"
	wait "$SENDER_PID" || :
	sends 8 --name x < <(head -c 2000000 in)
	exec 8>&-
	kill -TERM "$RECEIVER_PID"
	wait "$RECEIVER_PID" || :
	listens
	sends --name x <in
	compared 1000000 2000000
	whole
}

@test "either side is killed at random moments: the file is absent or whole" {
	local round tries hurry
	by_tier 1 1 200 20
	make_btrfs_like in 80000000
	for ((round = 0; round < SIZE; round++)); do
		rm -f file file.part
		hurry=(--retry 1s --wait 5s) # a sender may die before it connects
		for ((tries = 0; tries < 20; tries++)); do
			[[ ! -e file ]] || break
			((tries < 5)) || hurry=()
			listens "${hurry[@]}"
			spawn_sender --ktls "$WHEN" "${hurry[@]:0:2}" < <(cat in)
			((tries < 5)) || break
			sleep "0.$((RANDOM % 5))"
			((RANDOM % 2)) || kill -KILL "$SENDER_PID" 2>/dev/null || :
			((RANDOM % 2)) || kill -KILL "$RECEIVER_PID" 2>/dev/null || :
			wait "$SENDER_PID" 2>/dev/null || :
			wait "$RECEIVER_PID" 2>/dev/null || :
			part_is_beginning
		done
		wait "$RECEIVER_PID" || :
		cmp file in
	done
}
