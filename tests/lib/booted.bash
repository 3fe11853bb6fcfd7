# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A booted systemd in a container of namespaces. Its root is this machine's, but
# what it writes is kept apart and gone when the test ends. Loaded after
# helpers.bash.

PACKAGING=$(realpath "$BATS_TEST_DIRNAME/../../../packaging")

# boot_systemd DIR: starts it, with the program, its units and its user, and
# with the btrfs of to.img at DIR. The directory "shared" of the test is /shared
# there. Afterwards "inside COMMAND" runs a command in the container, whose init
# is INIT here.
boot_systemd() {
	local group=bkp-$BASHPID
	[[ $(id -u) = 0 ]] || skip "needs root"
	not_under sanitizers 'the units forbid what it does at the end'
	[[ -x /lib/systemd/systemd ]] || skip "systemd is not installed"
	mkdir -p shared root cgroup
	chmod 755 . shared
	have_fifo booted
	cleanup_add remove_cgroup "$TMP/cgroup" "$group"
	unshare --mount --propagation private bash -c "
		$(declare -f enter_cgroup boot_container)
		enter_cgroup ${TMP@Q}/cgroup $group
		exec unshare --pid --cgroup --uts --ipc --net --fork --kill-child \
			bash -c \"\$(declare -f boot_container); boot_container ${TMP@Q} ${PACKAGING@Q} ${BKP@Q} ${1@Q}\"" \
		>boot.log 2>&1 3>&- 7>&- 8>&- &
	CONTAINER=$!
	PIDS+=("$CONTAINER")
	read -r -t "$BKP_DEADLINE" <>booted || REPLY=
	[[ $REPLY == booted ]] || {
		show boot.log
		[[ $REPLY != skip* ]] || skip "${REPLY#skip }"
		fail "systemd did not boot"
	}
	INIT=$(pgrep -P "$CONTAINER")
}

# enter_cgroup DIR NAME: systemd's cgroups are below one of our own
enter_cgroup() {
	mount -t cgroup2 cgroup2 "$1" && mkdir "$1/$2" && echo $$ >"$1/$2/cgroup.procs"
}

# Processes of the container may need a moment to end.
remove_cgroup() {
	unshare --mount bash -c '
		mount -t cgroup2 cgroup2 "$0"
		for ((i = 0; i < 50; i++)); do
			find "$0/$1" -depth -type d -exec rmdir {} \;
			[ -e "$0/$1" ] || exit 0
			sleep 0.1
		done' "$1" "$2"
}

# boot_container TMP PACKAGING PROGRAM BTRFS: in the namespaces; becomes systemd
boot_container() {
	local unit name node
	umask 022
	cd "$1" || return
	exec 4<>booted
	trap 'echo failed >&4' EXIT
	set -e
	mount -t tmpfs tmpfs root
	mkdir root/{upper,work,all}
	mount -t overlay -o lowerdir=/,upperdir=root/upper,workdir=root/work \
		overlay root/all || {
		echo "skip no overlay file system" >&4
		exit 1
	}
	cd root/all
	mkdir -p shared srv/{btrfs-ktls-pipe,nas} etc/btrfs-ktls-pipe
	chmod 700 etc/btrfs-ktls-pipe
	# Nothing of this may change the machine.
	mount -t proc proc proc
	mount -o bind,ro proc/sys proc/sys
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs -o mode=755 tmpfs dev
	for node in null zero full random urandom tty; do
		cp -a "/dev/$node" dev/
	done
	ln -s /proc/self/fd dev/fd
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs -o mode=1777 tmpfs tmp
	mount -o loop "$1/to.img" "$4"
	mount --bind "$1/shared" shared
	install -m 755 "$3" usr/bin/btrfs-ktls-pipe
	rm -rf etc/systemd/system/* lib/systemd/system/*.wants
	for unit in "$2"/systemd/*.{service.in,timer,socket}; do
		name=${unit##*/}
		sed 's|@bindir@|/usr/bin|' "$unit" >"lib/systemd/system/${name%.in}"
	done
	systemd-sysusers --root="$PWD" "$2/systemd/sysusers.d/btrfs-ktls-pipe.conf"
	printf '%s\n' '[Unit]' 'Wants=systemd-journald.service' \
		'Requires=test.service' >etc/systemd/system/test.target
	printf '%s\n' '[Service]' 'Type=oneshot' \
		"ExecStart=/bin/sh -c 'echo booted >/booted'" \
		>etc/systemd/system/test.service
	: >booted
	mount --bind "$1/booted" booted
	ip link set lo up
	trap - EXIT
	exec 4>&- chroot . env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		LC_ALL=C /lib/systemd/systemd --system --unit=test.target --show-status=0
}

inside() {
	nsenter --target "$INIT" --mount --uts --ipc --net --pid --cgroup --root --wd=/ \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@" 3>&- 7>&- 8>&-
}
