#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The units in a booted systemd: a snapshot arrives through all of their limits.

load ../../lib/helpers
load ../../lib/booted
load ../../lib/snapshot

UNIT=btrfs-ktls-pipe

# boot_with_btrfs DIR: boots, with an empty btrfs at DIR of the container, and
# with from/snap here to send
boot_with_btrfs() {
	make_filesystem from
	make_snapshot
	truncate -s 256M to.img
	mkfs.btrfs -q to.img >/dev/null
	boot_systemd "$1"
	IN=/proc/$INIT/root
}

# admit NAME: a client with that key
admit() {
	make_key "shared/$1.key" "$1"
	cat "shared/$1.key" >>"$IN/etc/$UNIT/keys"
}

# sends NAME: sends standard input to the listener
sends() {
	inside btrfs-ktls-pipe connect -k "/shared/$1.key" --ktls "$WHEN" 127.0.0.1 \
		2>"$ERR" || {
		show "$ERR"
		inside journalctl --no-pager -u $UNIT.service >&2
		fail "the snapshot was not delivered"
	}
}

# is PROPERTY PATTERN: of the service, now
is() {
	# shellcheck disable=SC2053 # a pattern
	[[ $(inside systemctl show -P "$1" $UNIT.service) == $2 ]]
}

becomes() {
	until_true is "$@" || {
		inside systemctl status --no-pager $UNIT.service >&2
		fail "$1 does not become $2"
	}
}

same_tree() {
	describe from/snap >sent
	describe "$IN/$1" >received
	diff sent received >&2
}

@test "the first peer starts the service, which receives, reloads and stops" {
	boot_with_btrfs srv/btrfs-ktls-pipe
	admit laptop
	inside systemctl start $UNIT.socket
	is ActiveState inactive
	sends laptop < <(btrfs -q send from/snap)
	same_tree srv/btrfs-ktls-pipe/laptop/snap
	is ActiveState active
	becomes StatusText 'no stream'

	admit desk
	inside systemctl reload $UNIT.service
	until_true has_journal 5 'keys file .*: 2 keys are now in use'
	is ActiveState active
	sends desk < <(btrfs -q send from/snap)

	inside systemctl stop $UNIT.socket $UNIT.service
	is Result success
	! has_journal 7 '<[0-7]>' || fail "a severity is not understood"
}

# has_journal PRIORITY REGEX: a message of that priority at most
has_journal() {
	inside journalctl --no-pager -o cat -p "$1" -u $UNIT.service >journal
	has_line "$2" journal
}

# strangers N: so many clients without a key connect and send nothing
strangers() {
	inside bash -c 'for ((i = 0; i < $0; i++)); do
		exec 4<>/dev/tcp/127.0.0.1/6330
	done' "$1" || :
}

socket_is() {
	[[ $(inside systemctl show -P ActiveState $UNIT.socket) == "$1" ]]
}

@test "clients without a key that connect often do not end the socket, not even if there are no keys yet" {
	boot_with_btrfs srv/btrfs-ktls-pipe
	inside systemctl start $UNIT.socket
	# Longer than the 10 s in which systemd counts starts
	local end=$((SECONDS + 12))
	while ((SECONDS < end)); do
		strangers 5
		socket_is active || fail "$(inside systemctl status --no-pager $UNIT.socket)"
	done
	has_journal 3 'keys' || fail 'the service was not even tried'
	admit laptop
	strangers 60
	sends laptop < <(btrfs -q send from/snap)
	same_tree srv/btrfs-ktls-pipe/laptop/snap
	strangers 60
	socket_is active
	is ActiveState active
}

@test "stopping the service lets its stream finish" {
	boot_with_btrfs srv/btrfs-ktls-pipe
	admit laptop
	inside systemctl start $UNIT.socket
	have_fifo source
	exec 8<>source
	spawn_inside <source
	btrfs -q send from/snap -f stream
	head -c 1000 stream >&8
	becomes StatusText '1 stream, *B/s'
	inside systemctl stop --no-block $UNIT.service
	becomes StatusText 'finishing 1 stream, *'
	is ActiveState deactivating
	tail -c +1001 stream >&8
	exec 8>&-
	wait_sender 0
	same_tree srv/btrfs-ktls-pipe/laptop/snap
	becomes ActiveState inactive
	is Result success
}

spawn_inside() {
	sends laptop <&0 7>&- 8>&- &
	SENDER_PID=$!
	PIDS+=("$SENDER_PID")
}

@test "the unit for one stream pulls it, without root" {
	boot_with_btrfs srv/nas
	make_key shared/key
	install -m 600 shared/key "$IN/etc/$UNIT/key"
	printf '%s\n' HOST=127.0.0.1 DIRECTORY=/srv/nas \
		'OPTIONS="-p 7000 --retry 60s"' >"$IN/etc/$UNIT/pull-nas.conf"
	inside btrfs-ktls-pipe listen -k /shared/key -p 7000 --send \
		--ktls "$WHEN" < <(btrfs -q send from/snap) 2>"$RECEIVER_ERR" &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	inside systemctl start $UNIT-pull@nas.service || {
		inside journalctl --no-pager -u "$UNIT-pull@*" >&2
		fail "the unit failed"
	}
	wait_receiver 0
	same_tree srv/nas/snap
	[[ $(inside systemctl show -P User $UNIT-pull@nas.service) == "$UNIT" ]]
}

laptop_tried_again() {
	inside journalctl --no-pager -o cat -u laptop.service >journal
	has_line 'cannot connect to' journal && has_line 'status=4/' journal &&
		has_line 'Scheduled restart' journal
}

laptop_is() {
	[[ $(inside systemctl is-active laptop.service) == "$1" ]]
}

# The listener comes later.
@test "the laptop's unit tries again until its listener is there" {
	boot_with_btrfs srv/nas
	sed 's|@bindir@|/usr/bin|; s|--retry 30m|--retry 0|' "$PACKAGING/examples/laptop-backup.service.in" \
		>"$IN/etc/systemd/system/laptop.service"
	mkdir -p "$IN/etc/systemd/system/laptop.service.d" "$IN/root/.config/$UNIT"
	printf '%s\n' '[Unit]' StartLimitIntervalSec=0 '[Service]' RestartSec=500ms \
		>"$IN/etc/systemd/system/laptop.service.d/soon.conf"
	printf '%s\n' HOST=127.0.0.1 'SEND=/shared/stream' \
		>"$IN/root/.config/$UNIT/laptop.conf"
	btrfs -q send from/snap -f shared/stream
	# sudo -n btrfs send FILE
	printf '#!/bin/sh\ncat "$4"\n' >"$IN/usr/bin/sudo"
	chmod 755 "$IN/usr/bin/sudo"
	make_key "$IN/root/.config/$UNIT/key"
	cp "$IN/root/.config/$UNIT/key" shared/key
	inside systemctl start --no-block laptop.service
	until_true laptop_tried_again
	inside timeout "$BKP_DEADLINE" btrfs-ktls-pipe listen -k /shared/key \
		--ktls "$WHEN" -- btrfs receive /srv/nas 2>"$RECEIVER_ERR" &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	wait_receiver 0
	same_tree srv/nas/snap
	until_true laptop_is inactive
}
