# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A snapshot to send. Loaded after helpers.bash.

# make_filesystem DIR [SIZE]: mounts a new btrfs there, from DIR.img
make_filesystem() {
	truncate -s "${2:-256M}" "$1.img"
	mkdir "$1"
	mkfs.btrfs -q "$1.img" >/dev/null 2>missing &&
		mount -o loop "$1.img" "$1" 2>missing ||
		skip "no loop mount of btrfs: $(<missing)"
	cleanup_add umount "$TMP/$1"
}

# from/snap: a tree that only root can receive, with owners, modes, device nodes
# and capabilities
make_snapshot() {
	btrfs -q subvolume create from/work >/dev/null
	(
		cd from/work || exit
		mkdir -m 700 private
		echo secret >private/file
		cp /bin/true setuid
		chown -R 1234:2345 private setuid
		chmod 4711 setuid
		cp /bin/true capable
		setcap cap_net_raw+ep capable
		mknod null c 1 3
		mknod disk b 8 0
		mkfifo fifo
		setfattr -n user.comment -v 'a value' private/file
	)
	btrfs -q subvolume snapshot -r from/work from/snap >/dev/null
}

# describe DIR: all that must be the same after receiving
describe() {
	(
		cd "$1" || exit
		find . -printf '%P %y %m %U %G %s %l\n' | sort
		find . -type f -exec sha256sum {} + | sort
		find . \( -type c -o -type b \) -exec stat -c '%n %t %T' {} + | sort
		getcap capable
	)
}
