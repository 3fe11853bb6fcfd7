#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Units of systemd: they are correct and hardened, and a real "btrfs receive"
# works within their limits. No systemd runs here; see booted.bats.

load ../../lib/helpers
load ../../lib/snapshot

PACKAGING=$BATS_TEST_DIRNAME/../../../packaging

# Units as they are installed, but with the program under test, in a path
# without spaces
setup() {
	local unit name
	set_up
	ln -s "$(realpath "$BKP")" program
	for unit in "$PACKAGING"/systemd/*.{service.in,socket,timer} "$PACKAGING"/examples/*.in; do
		name=${unit##*/} name=${name%.in}
		sed "s|@bindir@/btrfs-ktls-pipe|$TMP/program|" "$unit" \
			>"${name/@/@nas}"
	done
}

need_analyze() {
	command -v systemd-analyze >/dev/null || skip "systemd is not installed"
	[[ -w /tmp ]] || skip "own kernel only: systemd-analyze writes to /tmp"
}

# setting NAME [FILE]: its values in a unit, joined; of ExecStart lines too
setting() {
	sed -e ':a' -e '/\\$/{N;s/\\\n//;ba' -e '}' "${2:-btrfs-ktls-pipe.service}" |
		sed -n "s/^$1=//p" | tr '\n' ' '
}

# The command of the listener's unit, for eval, as systemd would run it
listener_command() {
	local command
	command=$(setting ExecStart)
	[[ $command == *' $OPTIONS '* ]] || fail "no \$OPTIONS in $command" || return
	command=${command/ '$OPTIONS' / --keys keys -b 127.0.0.1 -p 0 --ready-fd 9 --ktls "$WHEN" }
	echo "${command//\$\$/\$}"
}

# A capability for each word of the unit, as setpriv wants them
bounding_set() {
	local cap set=-all
	for cap in $(setting CapabilityBoundingSet); do
		cap=${cap#CAP_}
		set+=,+${cap,,}
	done
	echo "$set"
}

# receive_under CODE WRAPPER...: receives a snapshot by the unit's own command;
# the sender exits with CODE
receive_under() {
	local command code=$1
	shift
	command=$(listener_command)
	[[ $(id -u) = 0 ]] || skip "needs root"
	make_filesystem from
	make_filesystem to
	make_snapshot
	make_key key laptop
	cp key keys
	have_fifo ready
	export DIRECTORY=$TMP/to
	eval "exec ${*@Q} $command" <&0 2>"$RECEIVER_ERR" 3>&- 9>ready &
	RECEIVER_PID=$!
	PIDS+=("$RECEIVER_PID")
	read_port || {
		show "$RECEIVER_ERR"
		fail "the unit's command did not get ready"
	}
	bkp "$code" connect -k key -p "$PORT" --ktls "$WHEN" 127.0.0.1 -- \
		btrfs -q send from/snap
	((code == 0)) || return 0
	describe from/snap >sent
	describe to/laptop/snap >received
	diff sent received >&2
}

# Every call that a unit allows, by name
allowed_calls() {
	local word
	for word; do
		if [[ $word == @* ]]; then
			# shellcheck disable=SC2046 # words
			allowed_calls $(systemd-analyze syscall-filter "$word" |
				sed -n 's/^    \([^#]\)/\1/p')
		else
			echo "$word"
		fi
	done
}

@test "systemd finds no fault in the units" {
	need_analyze
	systemd-analyze verify --man=no ./*.service ./*.socket ./*.timer >said 2>&1 ||
		fail "$(<said)"
	[[ ! -s said ]] || fail "$(<said)"
}

@test "systemd-analyze rates the exposure of the services below 3.0" {
	local unit
	need_analyze
	for unit in ./btrfs-ktls-pipe*.service; do
		systemd-analyze security --no-pager --offline=true --threshold=29 \
			"$unit" >said 2>&1 || fail "$(tail -n 1 said)"
	done
}

# Users, their capabilities and the network differ.
@test "the units for one stream and for many have the same hardening otherwise" {
	local part='/^DevicePolicy/,/^SystemCallErrorNumber/p'
	sed -n "$part" btrfs-ktls-pipe.service >many
	sed -n "$part" btrfs-ktls-pipe-pull@nas.service >one
	[[ -s many ]] || fail "there is no such part"
	diff many one >&2
}

@test "the example for the listener has the settings of the unit" {
	sed -n 's/^#\(DIRECTORY=.*\)/\1/p' "$PACKAGING"/examples/listen.conf >example
	[[ -s example ]] || fail "the example sets no DIRECTORY"
	tr ' ' '\n' < <(setting Environment) | grep '^DIRECTORY=' | diff - example >&2
}

@test "a snapshot is received with the capabilities of the unit alone" {
	receive_under 0 setpriv --no-new-privs --inh-caps -all \
		--bounding-set "$(bounding_set)"
}

@test "without the capability to make devices the same snapshot is refused" {
	receive_under 9 setpriv --no-new-privs --inh-caps -all \
		--bounding-set "$(bounding_set),-mknod"
	until_true has_line 'mknod|mkchar|Operation not permitted' "$RECEIVER_ERR"
}

@test "all system calls of the listener and btrfs receive are in the unit's filter" {
	need_analyze
	command -v strace >/dev/null || skip "strace is not installed"
	receive_under 0 strace -D -f -qq -o trace # -D: $! is the listener
	# shellcheck disable=SC2046 # words
	allowed_calls $(setting SystemCallFilter) | sort -u >allowed
	sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' trace | sort -u >called
	[[ $(wc -l <called) -gt 30 ]] || fail "strace saw next to nothing"
	comm -23 called allowed >refused
	[[ ! -s refused ]] || fail "not in SystemCallFilter:" "$(<refused)"
}
