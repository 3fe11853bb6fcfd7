# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# For scripts/bench: real snapshots, sent by btrfs send and received by btrfs
# receive. Loaded after contenders.bash; works in the current directory.

snapshot_contenders=(user kernel none socat-64K ssh mbuffer)

# ---- two file systems

# In memory where there is room, because disks are slow and noisy.
image_directory()
{
	local free

	free=$(df --output=avail -BM /dev/shm | tail -1)
	if [ "${free%M}" -gt $((5 * mib)) ] && [ -w /dev/shm ]; then
		mktemp -d /dev/shm/bench.XXXXXX
	else
		mktemp -d "$work/images.XXXXXX"
	fi
}

make_file_system()
{
	local said

	truncate -s $((3 * mib + 512))M "$images/$1"
	said=$(mkfs.btrfs -q "$images/$1" 2>&1) || die "mkfs.btrfs: $said"
	mkdir "$1"
	mount -o loop "$images/$1" "$1"
}

remove_file_systems()
{
	local name

	for name in from to; do
		! mountpoint -q "$work/$name" || umount "$work/$name"
	done
	rm -rf "$images"
}

# small_files DIR COUNT: of 0 to 32 KiB, most of them of less than 8
small_files()
{
	local i dir size

	for ((i = 0; i < $2; i++)); do
		dir=$1/$((i % 97))/$((i % 13))
		[ -d "$dir" ] || mkdir -p "$dir"
		size=$(((RANDOM % 181) * (RANDOM % 181)))
		head -c $size <&8 >"$dir/$i"
	done
}

# Six parts of seven are in six big files, as in a tree of 15,000 files and
# 1.4 GiB.
make_tree()
{
	local i count=$((mib * 11))

	exec 8</dev/urandom
	btrfs -q subvolume create from/tree
	small_files from/tree/small $count
	for ((i = 0; i < 6; i++)); do
		head -c $((mib * 150000)) <&8 >from/tree/big$i
	done
	btrfs -q subvolume snapshot -r from/tree from/full
	# Then a fifth changes: small files are new or gone, big ones differ.
	small_files from/tree/new $((count / 20))
	for ((i = 0; i < count; i += 20)); do
		rm -f "from/tree/small/$((i % 97))/$((i % 13))/$i"
	done
	for i in 0 1; do
		head -c $((mib * 100000)) <&8 | dd of=from/tree/big$i bs=64K \
			seek=1 conv=notrunc status=none
	done
	exec 8<&-
	btrfs -q subvolume snapshot -r from/tree from/incremental
	sync
}

# ---- measuring

# The two ends of a stream. Time is that from the start of btrfs send to the end
# of btrfs receive.
send_full()
{
	echo "${EPOCHREALTIME/./}" >began
	exec btrfs -q send from/full
}
send_incremental()
{
	echo "${EPOCHREALTIME/./}" >began
	exec btrfs -q send -p from/full from/incremental
}
receive_snapshot()
{
	btrfs -q receive to 2>receive.err && echo "${EPOCHREALTIME/./}" >finished
}

# A shell is all that there is between these two.
local_pipe()
{
	echo 0 0 0 0 >client.cost
	echo 0 0 0 0 >server.cost
	"$1" 2>client.err | receive_snapshot
}

# one_snapshot NAME full|incremental: adds "NAME/WHAT CPU_NS SECONDS_NS"
one_snapshot()
{
	local run=(transfer "$1" "send_$2" receive_snapshot)

	rm -f began finished
	[ "$1" != local ] || run=(local_pipe "send_$2")
	if ! "${run[@]}" || [ ! -s finished ] || [ ! -e "to/$2" ]; then
		echo "$1, $2: failed: $(cat client.err server.err receive.err \
			2>/dev/null | head -5)"
		return 1
	fi
	paste -d' ' client.cost server.cost began finished |
		awk -v name="$1/$2" '{
			printf "%s %.0f %.0f\n", name,
				($1 + $2 + $5 + $6) * 1000, ($10 - $9) * 1000
		}' >>results
}

delete_snapshots()
{
	btrfs -q subvolume delete -c to/* >/dev/null
	btrfs filesystem sync to
	btrfs subvolume sync to >/dev/null
}

# both_snapshots NAME [compare]
both_snapshots()
{
	local what status=0

	for what in full incremental; do
		one_snapshot "$1" $what || { status=1; break; }
		[ -z "${2-}" ] || diff -r --no-dereference from/$what to/$what || {
			echo "$1: the $what snapshot differs"
			status=1
		}
	done
	[ -z "$(ls -A to)" ] || delete_snapshots
	return $status
}

# ---- the table

# seconds NAME/WHAT, cpu NAME/WHAT, cpu_of_byte NAME/WHAT BYTES, cpu_ratio
# NAME/WHAT OTHER/WHAT: medians
seconds()
{
	# shellcheck disable=SC2016 # for awk
	column "$1" '$3 / 1e9'
}
cpu()
{
	# shellcheck disable=SC2016 # for awk
	column "$1" '$2 / 1e9'
}
cpu_of_byte()
{
	column "$1" "\$2 / $2"
}
cpu_ratio()
{
	# shellcheck disable=SC2016 # for awk
	paste <(values "$1" '$2') <(values "$2" '$2') |
		awk 'NF == 2 && $2 { print $1 / $2 }' | median
}

snapshot_table()
{
	local what bytes name

	for what in full incremental; do
		bytes=$("send_$what" 2>/dev/null | wc -c)
		[ "$bytes" -gt 0 ] || die "btrfs send printed nothing ($what)"
		echo "$what: $((bytes >> 20)) MiB; seconds in all; processor" \
			'time of the transport alone, both ends'
		printf '  %-12s %8s %8s %8s %6s\n' '' seconds 'CPU s' ns/byte ratio
		for name; do
			[ -n "$(values "$name/$what" 1)" ] || continue
			printf '  %-12s %8.2f %8.2f %8.3f %6.2f\n' "$name" \
				"$(seconds "$name/$what")" "$(cpu "$name/$what")" \
				"$(cpu_of_byte "$name/$what" "$bytes")" \
				"$(cpu_ratio "$name/$what" "$base/$what")"
			bar "$what snapshot" "$name" \
				"$(cpu_of_byte "$name/$what" "$bytes")"
		done
	done
	echo "ratio: of processor times, to $base; the median of the rounds"
}

snapshots()
{
	local name round names=(local) base=local

	[ $# = 0 ] || snapshot_contenders=("$@")
	[ "$(id -u)" = 0 ] || die 'snapshots need root: mount, btrfs receive'
	command -v mkfs.btrfs >/dev/null || die 'no mkfs.btrfs: install btrfs-progs'
	images=$(image_directory)
	trap 'remove_file_systems; rm -rf "$work"' EXIT
	make_file_system from
	make_file_system to
	make_tree
	both_snapshots local compare || die 'btrfs send and receive fail here'
	for name in "${snapshot_contenders[@]}"; do
		if ! usable "$name"; then
			echo "$name: $(why_unusable "$name")"
		elif both_snapshots "$name" compare; then
			names+=("$name")
		fi
	done
	[ ${#names[@]} -gt 1 ] || die 'none of the programs works here'
	[[ " ${names[*]} " != *' socat-64K '* ]] || base=socat-64K
	: >results
	for ((round = 0; round < rounds; round++)); do
		for name in "${names[@]}"; do
			both_snapshots "$name"
		done
	done
	snapshot_table "${names[@]}"
}
