#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# btrbk, unchanged, with the program in ssh's place, between two real file
# systems.

load ../../lib/helpers
load ../../lib/sshd

SHIM=$BATS_TEST_DIRNAME/../../../packaging/examples/ssh

setup() {
	set_up
	command -v btrbk >/dev/null || skip 'own kernel only: no btrbk'
	make_filesystem from && make_filesystem to ||
		skip 'own kernel only: no loop mount of btrfs'
	btrfs -q subvolume create from/work >/dev/null
	make_data from/work/a 2000000
	start_sshd
	mkdir -p shim real.bin config/btrfs-ktls-pipe
	cp "$SHIM" shim/ssh
	printf '%s\n' '#!/bin/sh' "exec /usr/bin/ssh -F $TMP/ssh_config \"\$@\"" >real.bin/ssh
	chmod +x real.bin/ssh
	ln -s "$(realpath "$BKP")" real.bin/btrfs-ktls-pipe
	echo "stats $TMP/stats.json" >config/btrfs-ktls-pipe/ssh
	export XDG_CONFIG_HOME=$TMP/config PATH=$TMP/shim:$TMP/real.bin:$PATH
}

make_filesystem() {
	truncate -s 1G "$1.img"
	mkfs.btrfs -q "$1.img" >/dev/null 2>&1 || return
	mkdir -p "$1"
	mount -o loop "$1.img" "$1" 2>/dev/null || return
	cleanup_add umount "$TMP/$1"
}

# btrbk_runs LINE...: with this configuration; our stream must be of METHOD
btrbk_runs() {
	printf '%s\n' 'timestamp_format long' 'snapshot_preserve_min all' \
		'target_preserve_min all' 'lockfile '"$TMP/lock" "$@" >btrbk.conf
	rm -f stats.json
	"$BKP_TOOLS/deadline" "$BKP_DEADLINE" btrbk -c btrbk.conf run \
		>btrbk.out 2>&1 || {
		show btrbk.out btrbk.conf
		fail 'btrbk failed'
	}
	grep -q "\"method\": \"${METHOD-psk}\".*\"exit\": 0" stats.json || {
		show stats.json btrbk.out
		fail 'no stream of ours'
	}
}

push() {
	btrbk_runs "$@" "volume $TMP/from" "subvolume work" \
		"target ssh://there$TMP/to"
}

pull() {
	btrbk_runs "$@" "volume ssh://there$TMP/from" "subvolume work" \
		"target $TMP/to"
}

newest_is_the_same() {
	local all=(to/work.*)
	diff -r from/work "${all[-1]}" >&2
}

# Two rounds, the second one incremental
both_rounds() {
	"$@"
	make_data from/work/b 300000
	rm from/work/a
	"$@"
	grep -qE '^\*\*\*|^>>>' btrbk.out || show btrbk.out
	local all=(to/work.*)
	((${#all[@]} == 2)) || fail "${all[*]}"
	newest_is_the_same
	bytes=$(sed -nE 's/.*"bytes": ([0-9]+).*/\1/p' stats.json)
	((bytes < 1000000)) || fail "not incremental: $bytes bytes"
}

@test "btrbk pushes, first all and then the difference" {
	both_rounds push
}

@test "btrbk pulls, first all and then the difference" {
	both_rounds pull
}

@test "the script ssh does not call itself: its directory must come first in PATH, or exit status 255" {
	mkdir empty
	PATH=$TMP/empty:$PATH run -255 "$BKP_TOOLS/deadline" 10 ssh -V
	[[ $output == *'must come first in PATH'* ]] || fail "$output"
}

@test "btrbk pushes and pulls with stream_compress zstd" {
	full_tier_only 20
	push 'stream_compress zstd'
	btrfs -q subvolume delete to/work.* >/dev/null
	pull 'stream_compress zstd'
	newest_is_the_same
}

@test "btrbk pushes and pulls behind its own filter" {
	full_tier_only 20
	printf 'restrict,command="btrfs-ktls-pipe ssh-server --forced %s" %s\n' \
		"/usr/share/btrbk/scripts/ssh_filter_btrbk.sh --source --target --info --delete" \
		"$(<"$BATS_FILE_TMPDIR/user.pub")" >authorized
	push
	btrfs -q subvolume delete to/work.* >/dev/null
	pull
	newest_is_the_same
}

# snbk_runs COMMAND: as snbk does it, which quotes each word of it
snbk_runs() {
	cat >real.bin/snbk <<-END
		#!/bin/sh
		/usr/bin/ssh 'there' '-F' '$TMP/ssh_config' ''\''mkdir'\'' '\''-p'\'' '\''$TMP/to/1'\'''
		exec /bin/sh -c "\$1"
	END
	chmod +x real.bin/snbk
	cp "${SHIM%/*}/snbk" shim/snbk-here
	rm -f stats.json
	shim/snbk-here "$1"
	grep -q '"method": "psk".*"exit": 0' stats.json || fail 'no stream of ours'
}

@test "snbk's way: /usr/bin/ssh by its path, HOST before the options, each word quoted" {
	local there="/usr/bin/ssh 'there' '-F' '$TMP/ssh_config'"
	btrfs -q subvolume snapshot -r from/work from/snapshot >/dev/null
	snbk_runs "'/usr/bin/btrfs' 'send' '--' '$TMP/from/snapshot' | \
		$there ''\''btrfs'\'' '\''receive'\'' '\''--'\'' '\''$TMP/to/1'\'''"
	diff -r from/work to/1/snapshot >&2
	mkdir to/2
	snbk_runs "$there ''\''btrfs'\'' '\''send'\'' '\''--'\'' '\''$TMP/from/snapshot'\''' | \
		'btrfs' 'receive' '--' '$TMP/to/2'"
	diff -r from/work to/2/snapshot >&2
}

@test "btrbk pushes through ssh where there is no direct connection" {
	echo "port $SSHD_PORT" >>config/btrfs-ktls-pipe/ssh
	METHOD=none push
	newest_is_the_same
}
