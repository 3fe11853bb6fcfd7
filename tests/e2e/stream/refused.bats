#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# System calls that an environment refuses: the seccomp list of a container, or
# a kernel that lacks them. The program does without them, or exits at once and
# says so. tests/tools/refuse is the environment.

load ../../lib/helpers
load ../../lib/delivery
load ../../lib/forms

setup() {
	set_up_forms refused
}

# refused SIDE EPERM|ENOSYS CALL...: from here on SIDE is refused these calls
refused() {
	BKP=$REAL
	wrapped '' "\"$BKP_TOOLS/refuse\" ${*:2} --"
	on_side "$1"
}

# does_without SIDE EPERM|ENOSYS FORM CALL...: the whole stream is delivered,
# although these system calls are refused
does_without() {
	refused "$1" "$2" "${@:4}"
	delivers "${WAY-push}" "$1" "$3" "$2 of ${*:4}"
}

# ends SIDE EPERM|ENOSYS FORM CALL CODES: both sides exit at once. CODES is a
# pattern for the exit statuses of connect and listen; the refused side names
# the call and the remedy, unless CODES begins with "~".
ends() {
	local way=${WAY-push} codes=${5#\~} said=$SENDER_ERR

	refused "$1" "$2" "$4"
	form "$3"
	# A side that is not told would wait for the other to resume.
	RETRY=(--retry 0)
	[[ $codes == *[456n-]* ]] || RETRY=(--retry 1h)
	GOES_ON=
	[[ $codes != *on ]] || GOES_ON=y
	runs "$way"
	# shellcheck disable=SC2053
	[[ "$CONNECT,$LISTENER" == $codes ]] || {
		show start.err "$SENDER_ERR" "$RECEIVER_ERR"
		fail "$way, $3, $1: $2 of $4: exit $CONNECT,$LISTENER, not $codes"
	}
	[[ $5 != \~* ]] || return 0
	[[ "$1 $way" != @(listen push|connect pull) ]] || said=$RECEIVER_ERR
	assert_stderr_has "^btrfs-ktls-pipe: .*allow .*${4%%:*}.* in this container" \
		"$said"
}

# each_push FUNCTION, with lines SIDE FORM ... on standard input: with both
# errnos
each_push() {
	local line num WAY=push
	while read -r -u 7 -a line; do
		for num in EPERM ENOSYS; do
			"$1" "${line[0]}" "$num" "${line[@]:1}"
		done
	done 7<&0
}

# each FUNCTION [STEP], the same: in the full tier in both directions, too. The
# quick tier alternates between errnos and directions, and takes every STEPth
# line.
each() {
	local line num turn n=0 step=${2-1}
	while read -r -u 7 -a line; do
		turn=0
		for num in EPERM ENOSYS; do
			for WAY in push pull; do
				if [[ $BKP_TIER == full ]] ||
					((n % step == 0 && turn++ == n / step % 4)); then
					"$1" "${line[0]}" "$num" "${line[@]:1}"
				fi
			done
		done
		n=$((n + 1))
	done 7<&0
}

# --- COMMAND

@test "without close_range COMMAND and its supervisor still inherit no descriptor of ours" {
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
		refused both "$num" close_range
		both_ways descriptors
	done
	exec 5<&- 6>&-
}

@test "the calls that show the children of COMMAND are refused: they are waited for, and their status counts" {
	local calls call
	by_tier 2 2 8 8
	for calls in 'fstat getdents64 getpgid readlink readlinkat' setpgid \
		fstat getdents64 getpgid readlink readlinkat kill; do
		((SIZE-- > 0)) || break
		refused both EPERM $calls
		SOURCE=(sh -c '{ sleep 0.5; echo one; exit 3; } & exit 0')
		streams push 9 7
		says sender 'a background process of sh exited with status 3'
		SOURCE=(sh -c '{ sleep 0.5; echo one; } & exit 0')
		streams push 0 0
		[[ $(<"$RECEIVED") == one ]]
	done
}

@test "prctl is refused: a process that COMMAND leaves fails the stream, because its status goes to others" {
	each_push ends <<-END
		connect leaves prctl 9,[79]
	END
	WAY=push does_without both EPERM command prctl
}

@test "ioctl is refused: an output with a reader fails the stream, a file does not" {
	each_push ends <<-END
		listen command ioctl [79],8
	END
	WAY=push does_without both EPERM plain ioctl
	WAY=pull does_without both ENOSYS plain ioctl
	WAY=push does_without both ENOSYS file ioctl
	WAY=pull does_without both EPERM file ioctl
}

# The order is one byte; 220 bytes are the status. A loss of either ended in
# waiting for ever.
@test "an order to the supervisor, or the status from it, is lost: both sides end" {
	each_push ends <<-END
		listen command sendto:2=1 ~[79],9
		connect command sendto:2=220 ~9,[79]
		listen command sendto:2=220 ~[79],9
	END
}

# --- optional system calls

@test "all optional system calls fail at once: delivered, on both sides" {
	# fcntl: F_SETPIPE_SZ, F_GETPIPE_SZ; socket: AF_NETLINK
	local calls=(close_range tee splice vmsplice sendfile getrandom prctl
		prlimit64 setsockopt:1=1 setsockopt:1=6 fcntl:1=1031 fcntl:1=1032
		madvise kill setpgid rt_sigaction rt_sigprocmask socket:0=16
		shutdown setitimer statx sysinfo uname fadvise64 clone3 sched_yield)
	local WAY
	# Without these options there is no kernel TLS.
	ktls_here() { WHEN=auto; }
	for WAY in push pull; do
		does_without both ENOSYS command "${calls[@]}"
		does_without both EPERM plain "${calls[@]}"
	done
	WAY=push
	does_without both ENOSYS keep "${calls[@]}"
	with_stats
	TX+=(--progress)
	does_without both EPERM file "${calls[@]}"
	CREDENTIAL=(-m none)
	does_without both ENOSYS file "${calls[@]}"
	bkp 3 listen --password-file none
	! has_line 'without libsodium' "$ERR" || return 0
	echo 'correct horse' >password
	CREDENTIAL=(--password-file password)
	does_without both EPERM command "${calls[@]}"
}

# GnuTLS sends a flight in one sendmsg. Kernel TLS needs it, and so does the
# launcher: the program goes on unconfined.
@test "without sendmsg there is a handshake, and the stream is delivered" {
	local WAY num
	ktls_here() { WHEN=auto; }
	for num in EPERM ENOSYS; do
		WAY=push does_without both "$num" plain sendmsg
		WAY=pull does_without both "$num" plain sendmsg
	done
}

@test "each optional system call fails: delivered" {
	local form call WAY num
	full_tier_only 100
	for call in close_range tee splice vmsplice sendfile getrandom prctl \
		prctl:0=1 prctl:0=4 prctl:0=15 prctl:0=36 prlimit64 setsockopt:1=1 \
		setsockopt:1=6:2=1 setsockopt:1=6:2=25 fcntl:1=1031 fcntl:1=1032 \
		madvise kill setpgid rt_sigaction rt_sigprocmask socket:0=16 \
		shutdown statx sysinfo uname fadvise64 clone3 sched_yield lseek \
		getsockopt:1=1:2=3; do
		for num in EPERM ENOSYS; do
			for form in plain command file keep; do
				for WAY in push pull; do
					[[ $form:$WAY != keep:pull ]] || continue
					does_without both "$num" "$form" "$call"
				done
			done
		done
	done
}

# --- system calls that are needed

# The refused side names the call where there is only one; the other codes are
# those of any error of that call.

@test "a system call that listen needs fails: it is named, and both sides exit" {
	each ends <<-END
		listen plain socket -,[46]
		listen plain bind -,4
		listen plain listen -,4
		listen plain getsockname -,4
		listen plain epoll_create1 -,4
		listen plain epoll_ctl [-45],4
		listen plain epoll_wait [45],4
		listen plain accept4 [45],4
		listen plain poll [45],4
	END
}

@test "a system call that connect needs fails: it is named, and connect exits at once" {
	each ends <<-END
		connect plain socket [46],on
		connect plain connect ~4,on
		connect plain getsockopt:1=1:2=4 4,on
		connect plain poll 4,on
	END
}

@test "a stream that cannot start or continue ends on both sides" {
	each ends <<-END
		listen plain pipe2 7,7
		connect plain pipe2 7,7
		connect plain recvfrom ~5,on
		listen plain recvfrom ~5,on
		connect plain sendto ~5,on
		listen plain sendto ~5,on
	END
}

@test "a system call that starts COMMAND fails: it is named, exit status 9, and the other side is told" {
	each ends 2 <<-END
		connect command socketpair 9,[79]
		listen command socketpair [79],9
		listen command clone [79],9
		connect command clone 9,[79]
		connect command dup2 9,[79]
		listen command dup2 [79],9
		listen command wait4 [79],9
		connect command wait4 9,[79]
		connect command waitid 9,[79]
		listen command waitid [79],9
		connect command fcntl:1=4 9,[79]
		listen command fcntl:1=4 [79],9
	END
	# The supervisor polls three descriptors, unless a source has ended.
	WAY=push ends listen EPERM command poll:1=3 [79],9
	WAY=pull ends connect ENOSYS command poll:1=3 9,[79]
}

@test "SIGCHLD is blocked and stays so: the end of COMMAND is noticed" {
	blocked() {
		form command
		runs "$1"
		[[ $CONNECT,$LISTENER == 0,0 ]] || {
			show "$SENDER_ERR" "$RECEIVER_ERR"
			fail "exit $CONNECT, $LISTENER"
		}
		assert_same_file in "$RECEIVED"
	}
	wrapped '' "env --block-signal=CHLD \"$BKP_TOOLS/refuse\" EPERM rt_sigprocmask --"
	both_ways blocked
}

@test "a system call that --keep needs fails: it is named, and no place is lost" {
	local WAY=push num
	for num in EPERM ENOSYS; do
		ends listen "$num" keep signalfd4 -,4
		ends listen "$num" keep epoll_wait [45],4
		ends listen "$num" keep clone [45],4
		ends listen "$num" keep socketpair [45],4
		ends listen "$num" keep wait4 -,4
		ends listen "$num" keep sendmsg -,[46]
		ends listen "$num" keep recvmsg -,[46]
	done
}

@test "a limit on processes that is reached: the client is told busy, and the listener goes on" {
	local WAY=push
	ends listen EIO keep clone '~5,on'
	assert_stderr_has 'refused: the listener is busy' "$SENDER_ERR"
	assert_stderr_has ': cannot start a stream: Input/output error' \
		"$RECEIVER_ERR"
}

# --- kernel TLS

@test "without tee, splice and sendfile kernel TLS uses read and send" {
	local WAY num side
	require_ktls
	for num in EPERM ENOSYS; do
		does_without both "$num" command tee
		does_without both "$num" plain splice
		does_without both "$num" file sendfile
		TX=(--tx splice) RX=(--rx splice)
		does_without connect "$num" command splice tee
		does_without listen "$num" plain splice
		TX=() RX=()
	done
	WAY=pull
	does_without both EPERM command tee splice
	does_without both ENOSYS file sendfile
}

# 6, 31: TCP_ULP; 282: TLS_TX, TLS_RX
@test "kernel TLS is refused: --ktls auto continues in user space" {
	local call side
	require_ktls
	ktls_here() { WHEN=auto; }
	while read -r side call; do
		((ROW++ % 2)) || [[ $BKP_TIER == full ]] ||
			[[ $side == connect ]] || continue
		does_without "$side" EPERM plain "$call"
		assert_stderr_has 'going on in user space' \
			"$TMP/$([[ $side == connect ]] && echo sender || echo receiver).err"
	done <<-END
		connect sendmsg
		connect setsockopt:1=6:2=31
		connect setsockopt:1=282:2=1
		connect getsockopt:1=282
		listen recvmsg
		listen setsockopt:1=6:2=31
		listen setsockopt:1=282:2=2
		listen getsockopt:1=282
	END
}

@test "kernel TLS is refused: --ktls require exits 6 and names the call" {
	require_ktls
	each ends <<-END
		connect plain sendmsg 6,on
		listen plain recvmsg -,6
		connect plain getsockopt:1=282 6,on
		listen plain getsockopt:1=282 -,6
		connect plain setsockopt:1=6:2=31 6,on
		listen plain setsockopt:1=6:2=31 -,6
		connect plain setsockopt:1=282 6,[457]
		listen plain setsockopt:1=282 [47],6
	END
}
