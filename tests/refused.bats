#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# System calls that an environment refuses: the seccomp list of a container, or
# a kernel that lacks them. The program does without, or ends at once and says
# so; tests/tools/refuse is the environment.

load helpers
load delivery

setup() {
	set_up
	REAL=$BKP
}

# refused EPERM|ENOSYS CALL...: for $BKP from here on
refused() {
	BKP=$REAL
	wrapped '' "\"$BKP_TOOLS/refuse\" $* --"
}

# --- COMMAND

@test "without close_range COMMAND and its supervisor get no descriptor of ours" {
	descriptors() {
		SOURCE=(sh -c 'ls /proc/self/fd; cat in')
		CONSUMER=(sh -c 'cat; exec ls /proc/self/fd')
		streams "$1" 0 0
		# 3 is the directory that ls reads
		diff <(printf '%s\n' 0 1 2 3; cat in; printf '%s\n' 0 1 2 3) \
			"$RECEIVED"
	}
	seq 1000 >in
	exec 5</dev/null 6>/dev/null
	for num in EPERM ENOSYS; do
		refused "$num" close_range
		both_ways descriptors
	done
	exec 5<&- 6>&-
}
