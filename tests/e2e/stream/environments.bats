#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What a program inherits is input too: descriptors, signals, processes, limits,
# variables, namespaces. In each of these environments a stream is delivered.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/forms

setup() {
	set_up_forms missing
	CREDENTIAL=(--key "$TMP/key")
}

# inside SIDE ENVIRONMENT: from here on SIDE runs in it: a line of bash, or
# "with" and the command that starts the program
inside() {
	BKP=$REAL
	if [[ $2 == with\ * ]]; then
		wrapped '' "${2#with }"
	else
		wrapped "$2"
	fi
	on_side "$1"
}

# delivers_in, with lines of environments on standard input: in the full tier
# both sides run in it, in each form and in both directions. The quick tier
# takes one of these streams for each environment, another one each time, and
# guests two in the full tier; the side changes from line to line.
FORMS=(plain command file keep)

delivers_in() {
	local row form way side n rows=$BATS_TEST_NUMBER count=$((2 * ${#FORMS[@]}))
	local ways=(push pull) sides=(both connect listen)
	[[ ${FORMS[*]} != *keep* ]] || count=$((count - 1))
	by_tier 1 1 0 2
	while IFS= read -r -u 7 row; do
		side=${sides[(SIZE ? rows + 1 : 0) % 3]} n=0
		for form in "${FORMS[@]}"; do
			for way in "${ways[@]}"; do
				[[ $form:$way != keep:pull ]] || continue
				((SIZE == 0 || (n++ + count - rows % count) % count < SIZE)) ||
					continue
				inside "$side" "$row"
				delivers "$way" "$side" "$form" "$row"
			done
		done
		rows=$((rows + 1))
	done 7<&0
}

@test "odd descriptors: delivered" {
	mkfifo fifo
	delivers_in <<-'END'
		exec 2>&-
		exec 2</dev/null
		exec 2>/dev/full
		exec 5<"$PWD" 6<>fifo 7</dev/zero 8>/dev/full 10<fifo 11>fifo 250</dev/null
		for ((i = 10; i < 120; i++)); do eval "exec $i</dev/null"; done
	END
}

@test "odd signals: delivered" {
	delivers_in <<-'END'
		trap '' HUP INT QUIT PIPE ALRM TERM USR1 USR2 CHLD CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
		with env --block-signal
		with env --ignore-signal=CHLD,PIPE,ALRM --block-signal=CHLD,PIPE,ALRM
	END
}

@test "processes that the program did not start: delivered" {
	delivers_in <<-'END'
		{ sleep 0.1; exit 3; } &
		sleep 0.2 & kill -STOP $!; kill -KILL $!
		sh -c 'sleep 0.1 & exit 0'; sleep 5 </dev/null >/dev/null 2>&1 &
		for i in {1..40}; do sh -c 'exit 3' & done
	END
}

@test "small limits, slow scheduling: delivered" {
	delivers_in <<-'END'
		ulimit -n 64
		ulimit -n 1000000 || ulimit -n "$(ulimit -Hn)"
		ulimit -s 256
		ulimit -s unlimited
		ulimit -c 0 -l 0 -q 0 -i 0 -e 0 -r 0
		umask 777
		umask 0
		with nice -n 19 taskset -c 0
		with chrt --idle 0
		with chrt --batch 0
		with setarch --addr-no-randomize
		with setarch --uname-2.6
	END
}

@test "odd variables: delivered" {
	delivers_in <<-'END'
		with env -i
		unset HOME USER LOGNAME SHELL TERM LANG
		unset PATH
		export HOME=/nonexistent TMPDIR=/nonexistent TZ=nowhere TERM=none
		export LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 LANGUAGE=xx LOCPATH=/nonexistent
		export POSIXLY_CORRECT=1 COLUMNS=0 LINES=-1
		export MALLOC_PERTURB_=85 MALLOC_ARENA_MAX=1 GLIBC_TUNABLES=glibc.malloc.tcache_count=0
		export GNUTLS_SYSTEM_PRIORITY_FILE=/nonexistent GNUTLS_CPUID_OVERRIDE=0x1
		export GNUTLS_NO_EXPLICIT_INIT=1 GNUTLS_SKIP_FIPS_INTEGRITY_CHECKS=1 SSLKEYLOGFILE=/nonexistent/keys
		export LISTEN_FDS=3 LISTEN_PID=1 LISTEN_FDNAMES=a:b:c
		export NOTIFY_SOCKET=/nonexistent WATCHDOG_USEC=1 WATCHDOG_PID=1 JOURNAL_STREAM=0:0
		export BIG="$(printf %100000s)"
	END
}

@test "odd folders: delivered" {
	delivers_in <<-'END'
		cd /
		cd /proc/self/fd
		mkdir -p gone; cd gone; rmdir ../gone
	END
}

# lying_proc: makes a script, "lying", in whose /proc our standard descriptors
# are other files
lying_proc() {
	printf '%s\n' 'mount -t tmpfs none /proc && mkdir -p /proc/self/fd &&
		for i in 0 1 2; do ln -s /dev/null /proc/self/fd/$i; done &&
		exec "$@"' >lying
}

@test "namespaces, privileges: delivered" {
	need_namespaces
	lying_proc
	delivers_in <<-'END'
		with unshare --mount sh -c 'umount -l /proc; exec "$@"' sh
		with unshare --mount sh lying
		with unshare --mount sh -c 'mount -t tmpfs none /dev; exec "$@"' sh
		with unshare --mount sh -c 'mount -t tmpfs none /dev; : >/dev/null; exec "$@"' sh
		with unshare --mount sh -c 'mount -t tmpfs none /run; mount -t tmpfs none /var; exec "$@"' sh
		with unshare --mount sh -c 'mount -o remount,bind,ro /; exec "$@"' sh
		with unshare --user --map-root-user
		with unshare --ipc --uts --cgroup
		with setpriv --no-new-privs --bounding-set=-all --inh-caps=-all
		with setpriv --securebits=+noroot,+noroot_locked
	END
}

@test "/proc is not ours, the output is a pipe: delivered" {
	need_namespaces
	lying_proc
	inside both "with unshare --mount sh lying"
	start_consumer cat
	OUTPUT=consumer
	streams push 0 0 < <(cat in)
	wait_consumer
	assert_same_file in "$RECEIVED"
}

@test "process 1 of a namespace: delivered" {
	need_namespaces
	FORMS=(plain command file) # unshare --fork ignores SIGTERM
	delivers_in <<-'END'
		with unshare --pid --mount-proc --fork --kill-child
		with unshare --pid --fork --kill-child
	END
}

@test "another clock: delivered" {
	unshare --time true 2>/dev/null || skip 'own kernel only: no time namespaces here'
	FORMS=(plain command file)
	delivers_in <<-'END'
		with unshare --time --monotonic 100000000 --boottime 100000000 --fork --kill-child
	END
}
