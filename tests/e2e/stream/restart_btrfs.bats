#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A btrfs send whose process is killed again and again arrives, and each byte
# goes over the wire once.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/cable

setup_file() {
	[[ $BKP_TIER == full ]] || return 0
	cd "$BATS_FILE_TMPDIR" || return
	make_filesystem from && make_filesystem to || {
		echo 'no loop mount of btrfs' >missing
		return 0
	}
	make_snapshots
	describe from/first >first.txt
	describe from/second >second.txt
}

make_filesystem() {
	truncate -s 3G "$1.img"
	mkfs.btrfs -q "$1.img" >/dev/null 2>&1
	mkdir -p "$1"
	mount -o loop "$1.img" "$1"
}

# Each is sent as 300 MiB.
make_snapshots() {
	local i
	btrfs -q subvolume create from/work >/dev/null
	head -c 250M /dev/urandom >from/work/big
	for ((i = 0; i < 500; i++)); do
		head -c 100K /dev/urandom >"from/work/file$i"
	done
	btrfs -q subvolume snapshot -r from/work from/first >/dev/null
	head -c 250M /dev/urandom >from/work/other
	for ((i = 0; i < 500; i++)); do
		head -c 100K /dev/urandom >"from/work/file$i"
	done
	rm from/work/file7
	btrfs -q subvolume snapshot -r from/work from/second >/dev/null
}

describe() {
	(
		cd "$1" || return
		find . -mindepth 1 -printf '%P|%y|%m|%U:%G|%s\n' | LC_ALL=C sort
		find . -type f -exec sha256sum {} + | LC_ALL=C sort
	)
}

teardown_file() {
	cd / || return
	umount "$BATS_FILE_TMPDIR"/{from,to} 2>/dev/null || :
}

setup() {
	set_up
	full_tier_only 60
	[[ ! -e $BATS_FILE_TMPDIR/missing ]] ||
		skip "$(<"$BATS_FILE_TMPDIR/missing")"
	RETRY=(--retry 60s)
	FROM=$BATS_FILE_TMPDIR/from TO=$BATS_FILE_TMPDIR/to
	cleanup_add delete_received
}

# The next test receives the same snapshots, after a failure too.
delete_received() {
	local name
	for name in second first; do
		[[ ! -e $TO/$name ]] ||
			btrfs -q subvolume delete "$TO/$name" >/dev/null
	done
}

# kills_ten_times NAME BTRFS_SEND_ARG...: with its whole process group
kills_ten_times() {
	local kills pid
	for ((kills = 0; ; kills++)); do
		setsid "$BKP" connect "${CREDENTIAL[@]}" -p "$PORT" \
			"${RETRY[@]}" --ktls "$WHEN" --name "$1" --limit 40M \
			--stats sender.json 127.0.0.1 -- btrfs -q send "${@:2}" \
			2>>"$SENDER_ERR" 3>&- &
		pid=$!
		((kills < 10)) || break
		sleep "$((RANDOM % 2)).$((RANDOM % 10))"
		# It may not be the leader of that group yet.
		kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" && break
	done
	wait_for 0 "$pid" sender "$SENDER_ERR"
	echo "# $1: $kills kills, $(<sender.json)" >&3
	((kills >= 4)) || fail "only $kills kills"
}

# received NAME: as it was sent
received() {
	describe "$TO/$1" | cmp - "$BATS_FILE_TMPDIR/$1.txt" ||
		fail "$1 differs"
	btrfs subvolume show "$TO/$1" |
		grep -Eq 'Received UUID:.*[0-9a-f]{8}-' || fail 'no received UUID'
}

# sent_once BYTES: what all connections carried, with records and greetings, and
# with 2 MiB that were on their way at each of ten kills
sent_once() {
	local total=0 size file most=$(($1 * 101 / 100 + (20 << 20)))
	for file in wire.*; do
		size=$(stat -c %s "$file")
		total=$((total + size))
	done
	echo "# $total bytes on the wire for $1" >&3
	((total <= most && total >= $1)) ||
		fail "$total bytes on the wire for $1"
	rm wire.*
}

streams_with_kills() {
	local size listener=$PORT
	start_relay pass -d wire
	kills_ten_times "$@"
	received "$1"
	size=$(sed -nE 's/.*"bytes": ([0-9]+).*/\1/p' sender.json)
	sent_once "$size"
	PORT=$listener
}

@test "btrfs send is killed ten times: full and incremental snapshots arrive" {
	ktls_here
	start_receiver --ktls "$WHEN" -- btrfs -q receive "$TO"
	streams_with_kills first "$FROM/first"
	receiver_ends 0
	start_receiver --ktls "$WHEN" -- btrfs -q receive "$TO"
	streams_with_kills second -p "$FROM/first" "$FROM/second"
	receiver_ends 0
}

@test "--keep --keys: btrfs send is killed ten times, and full and incremental snapshots arrive" {
	ktls_here
	make_key alice alice
	cp alice keys
	SERVER=(--keys keys)
	CREDENTIAL=(-k alice)
	start_receiver --ktls "$WHEN" --keep -- btrfs -q receive "$TO"
	streams_with_kills first "$FROM/first"
	streams_with_kills second -p "$FROM/first" "$FROM/second"
}

# --- the sender's host is a guest, with the snapshots on its disk

# plug_in_guest: NEAR is its address on a cable to a namespace, where the
# listener has HOST
plug_in_guest() {
	other_host
	HOST=198.51.100.$((NUMBER + 1)) NEAR=198.51.100.$((NUMBER + 2))
	ip -n "$CABLE" tuntap add dev "$CABLE" mode tap 2>ip.err ||
		skip "own kernel only: no tap device ($(<ip.err))"
	ip -n "$CABLE" addr add "$HOST/29" dev "$CABLE"
	ip -n "$CABLE" link set "$CABLE" up
	listen_there
	umount "$FROM"
	cleanup_add mount -o loop "$FROM.img" "$FROM"
}

# boots BTRFS_SEND_ARG...: the guest $KERNEL, which sends the stream NAME
boots() {
	local sends=("$BKP" connect -v "${CREDENTIAL[@]}" -p "$PORT"
		"${RETRY[@]}" --ktls require --name "$NAME" --limit 40M
		--stats sender.json "$HOST" -- btrfs -q send "$@")
	TMPDIR=$TMP ip netns exec "$CABLE" \
		"$BATS_TEST_DIRNAME/../../../scripts/guest" -t 600 -n "$CABLE" \
		-w "$BATS_FILE_TMPDIR" -w "$TMP" "$KERNEL" "
			ip addr add $NEAR/29 dev vec0
			ip link set vec0 up
			mount -o loop '$FROM.img' '$FROM'
			cd '$TMP'
			exec ${sends[*]@Q}" >guest.out 2>guest.err 3>&- &
	GUEST=$!
	PIDS+=("$GUEST")
}

# has_sent: the stream runs, or has ended
has_sent() {
	has_line ': peer ' guest.out || gone "$GUEST"
}

# Nothing of it is left, but its disk.
loses_power() {
	local pid
	pid=$(cat guest.*/uml/pid) || return
	kill -KILL -- "-$pid"
	! wait "$GUEST" || fail 'the guest did not lose power'
	! pgrep -f "$TMP/guest" || fail 'some of the guest is left'
}

# on_the_wire: bytes that came from the guest, with all headers
on_the_wire() {
	ip netns exec "$CABLE" cat "/sys/class/net/$CABLE/statistics/rx_bytes"
}

# loses_power_ten_times NAME BTRFS_SEND_ARG...
loses_power_ten_times() {
	local NAME=$1 losses before total size
	before=$(on_the_wire)
	for ((losses = 0; ; losses++)); do
		: >guest.out
		boots "${@:2}"
		((losses < 10)) || break
		PATIENT=120 until_true has_sent
		sleep "$((RANDOM % 2)).$((RANDOM % 10))"
		gone "$GUEST" && break
		loses_power
	done
	show guest.out
	wait_for 0 "$GUEST" guest guest.err
	total=$(($(on_the_wire) - before))
	size=$(sed -nE 's/.*"bytes": ([0-9]+).*/\1/p' sender.json)
	echo "# $KERNEL, $NAME: $losses losses of power, $total bytes on the wire for $size" >&3
	received "$NAME"
	((losses >= 4)) || fail "only $losses losses of power"
	((total >= size && total <= size * 105 / 100)) ||
		fail "$total bytes on the wire for $size"
}

# streams_without_power KERNEL: both snapshots
streams_without_power() {
	local KERNEL=$1
	[[ ! ${BKP_GUEST-} ]] || skip 'own kernel only: boots guests itself'
	plug_in_guest
	BKP=$THERE start_receiver "${LISTEN[@]}" --retry 60s \
		-- btrfs -q receive "$TO"
	loses_power_ten_times first "$FROM/first"
	receiver_ends 0
	BKP=$THERE start_receiver "${LISTEN[@]}" --retry 60s \
		-- btrfs -q receive "$TO"
	loses_power_ten_times second -p "$FROM/first" "$FROM/second"
	receiver_ends 0
}

@test "the sender's host, Linux 6.1, loses power ten times: both snapshots arrive" {
	streams_without_power 6.1
}

@test "the sender's host, the newest Linux, loses power ten times: both snapshots arrive" {
	streams_without_power new
}
