// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/confine_calls.h"

#include <errno.h>

#include "config.h"

#ifdef HAVE_LIBSECCOMP

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/compat.h"

/*
 * A row of confine_some: the call, and what one or two arguments must be.  Not
 * SCMP_SYS(name): musl has macros of some names, which would be expanded.
 */
#define ALLOW(name, ...)                                      \
	{                                                     \
		.call = __SNR_##name, .args = { __VA_ARGS__ } \
	}
#define EQ(arg, wanted)                      \
	{                                    \
		arg, SCMP_CMP_EQ, wanted, 0, \
	}
#define BITS(arg, mask, wanted)                        \
	{                                              \
		arg, SCMP_CMP_MASKED_EQ, mask, wanted, \
	}

/* fork(2) of glibc and of musl; s390 has the flags in the second argument. */
#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)
#ifdef __s390__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

enum { MEMORY_BYTES = 256 << 10 }; /* more than libseccomp takes */

struct confine_rule {
	int call;
	struct scmp_arg_cmp args[2]; /* unused ones are all zero */
};

/*
 * All that a stream needs once it is prepared.  The rest is done before, or by
 * the launcher.  With any arguments:
 */
static const int confine_any[] = {
	/* bytes */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(splice), SCMP_SYS(tee), SCMP_SYS(vmsplice),
	SCMP_SYS(sendfile), SCMP_SYS(sendfile64), SCMP_SYS(lseek),
	SCMP_SYS(_llseek), SCMP_SYS(fsync), SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
	/* descriptors */
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(pipe2), SCMP_SYS(fstat), SCMP_SYS(fstat64),
	/* open sockets */
	SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(recv), SCMP_SYS(shutdown), SCMP_SYS(getpeername),
	SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
	/* events and time */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(signalfd4), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(gettimeofday),
	SCMP_SYS(time), SCMP_SYS(restart_syscall), SCMP_SYS(setitimer),
	/* memory; nothing new can be executed */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(getrandom), SCMP_SYS(futex), SCMP_SYS(futex_time64),
	/* signals and processes: fork(2), but neither exec nor namespaces */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(fork), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
	SCMP_SYS(wait4), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(sysinfo),
	SCMP_SYS(exit), SCMP_SYS(exit_group)
};

/* With some arguments alone.  Rows of one call are next to each other. */
static const struct confine_rule confine_some[] = {
	/* descriptors */
	ALLOW(newfstatat, EQ(3, AT_EMPTY_PATH)),
	ALLOW(fstatat64, EQ(3, AT_EMPTY_PATH)),
	/* glibc of 32 bits, for fstat(2), adds AT_NO_AUTOMOUNT */
	ALLOW(statx, BITS(2, ~AT_NO_AUTOMOUNT, AT_EMPTY_PATH)),
	ALLOW(fcntl, EQ(1, F_DUPFD_CLOEXEC)),
	ALLOW(fcntl, EQ(1, F_GETFD)),
	ALLOW(fcntl, EQ(1, F_SETFD)),
	ALLOW(fcntl, EQ(1, F_GETFL)),
	ALLOW(fcntl, EQ(1, F_SETFL)),
	ALLOW(fcntl, EQ(1, F_GETPIPE_SZ)),
	ALLOW(fcntl, EQ(1, F_SETPIPE_SZ)),
	ALLOW(fcntl64, EQ(1, F_DUPFD_CLOEXEC)),
	ALLOW(fcntl64, EQ(1, F_GETFD)),
	ALLOW(fcntl64, EQ(1, F_SETFD)),
	ALLOW(fcntl64, EQ(1, F_GETFL)),
	ALLOW(fcntl64, EQ(1, F_SETFL)),
	ALLOW(fcntl64, EQ(1, F_GETPIPE_SZ)),
	ALLOW(fcntl64, EQ(1, F_SETPIPE_SZ)),
	ALLOW(ioctl, EQ(1, FIONREAD)),
	ALLOW(ioctl, EQ(1, TIOCOUTQ)), /* of a socket: SIOCOUTQ */
	/* isatty(3): of older glibc, of newer glibc, of musl */
	ALLOW(ioctl, EQ(1, TCGETS)),
#ifdef TCGETS2
	ALLOW(ioctl, EQ(1, TCGETS2)),
#endif
	ALLOW(ioctl, EQ(1, TIOCGWINSZ)),
	ALLOW(ioctl, EQ(1, SIOCGIFNAME)), /* of a link-local peer */
	/* open sockets; a datagram socket could send to any other */
	ALLOW(socketpair, EQ(0, AF_UNIX), BITS(1, 0xf, SOCK_STREAM)),
	ALLOW(socketpair, EQ(0, AF_UNIX), BITS(1, 0xf, SOCK_SEQPACKET)),
	/* with an address, or with MSG_FASTOPEN, they could connect */
	ALLOW(send, BITS(3, MSG_FASTOPEN, 0)),
	ALLOW(sendmsg, BITS(2, MSG_FASTOPEN, 0)),
	ALLOW(sendto, BITS(3, MSG_FASTOPEN, 0), EQ(4, 0)),
	ALLOW(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_KEEPALIVE)),
	ALLOW(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_LINGER)),
	ALLOW(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_RCVLOWAT)),
	ALLOW(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_SNDBUF)),
	ALLOW(setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_NODELAY)),
	ALLOW(setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_KEEPIDLE)),
	ALLOW(setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_KEEPINTVL)),
	ALLOW(setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_KEEPCNT)),
	ALLOW(setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_USER_TIMEOUT)),
	ALLOW(setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_NOTSENT_LOWAT)),
	ALLOW(setsockopt, EQ(1, IPPROTO_TCP), EQ(2, TCP_ULP)),
	ALLOW(setsockopt, EQ(1, SOL_TLS)),
#if CONFINE_SOCKETCALL
	ALLOW(socketcall, EQ(0, SYS_GETSOCKNAME)),
	ALLOW(socketcall, EQ(0, SYS_GETPEERNAME)),
	ALLOW(socketcall, EQ(0, SYS_SOCKETPAIR)),
	ALLOW(socketcall, EQ(0, SYS_SEND)),
	ALLOW(socketcall, EQ(0, SYS_RECV)),
	ALLOW(socketcall, EQ(0, SYS_SENDTO)),
	ALLOW(socketcall, EQ(0, SYS_RECVFROM)),
	ALLOW(socketcall, EQ(0, SYS_SHUTDOWN)),
	ALLOW(socketcall, EQ(0, SYS_SETSOCKOPT)),
	ALLOW(socketcall, EQ(0, SYS_GETSOCKOPT)),
	ALLOW(socketcall, EQ(0, SYS_SENDMSG)),
	ALLOW(socketcall, EQ(0, SYS_RECVMSG)),
	ALLOW(socketcall, EQ(0, SYS_ACCEPT4)),
#endif
	/* memory; nothing new can be executed */
	ALLOW(mmap, BITS(2, PROT_EXEC, 0)),
	ALLOW(mmap2, BITS(2, PROT_EXEC, 0)),
	ALLOW(mprotect, BITS(2, PROT_EXEC, 0)),
	/* signals and processes: fork(2), but neither exec nor namespaces */
	ALLOW(clone, EQ(CLONE_FLAGS_ARG, FORK_FLAGS)),
	ALLOW(clone, EQ(CLONE_FLAGS_ARG, SIGCHLD)),
	ALLOW(setpgid, EQ(1, 0)),
	ALLOW(prctl, EQ(0, PR_SET_PDEATHSIG)),
	/* read its own limits, and lower these two */
	ALLOW(prlimit64, EQ(0, 0), EQ(2, 0)),
	ALLOW(prlimit64, EQ(0, 0), EQ(1, RLIMIT_NPROC)),
	ALLOW(prlimit64, EQ(0, 0), EQ(1, RLIMIT_NOFILE)),
};

/*
 * At its end a sanitizer's runtime reads /proc and traces the process.  So a
 * build with one allows all calls but these, which an attacker would want most.
 */
static const int confine_wanted_most[] = { SCMP_SYS(execve),
					   SCMP_SYS(execveat),
					   SCMP_SYS(socket),
					   SCMP_SYS(connect),
					   SCMP_SYS(bind),
					   SCMP_SYS(listen),
					   SCMP_SYS(process_vm_readv),
					   SCMP_SYS(process_vm_writev),
					   SCMP_SYS(bpf),
					   SCMP_SYS(unshare),
					   SCMP_SYS(io_uring_setup),
					   SCMP_SYS(perf_event_open),
					   SCMP_SYS(userfaultfd),
					   SCMP_SYS(mount) };

#ifdef CONFINE_KILL
#define REFUSE SCMP_ACT_KILL_PROCESS
#else
#define REFUSE SCMP_ACT_ERRNO(EPERM)
#endif

static void confine_release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/* Leave out a call that this machine does not have. */
static int confine_allow(scmp_filter_ctx filter, const struct confine_rule *r)
{
	/* op 0, which libseccomp does not use: no condition */
	unsigned int count = !!r->args[0].op + !!r->args[1].op;

	return r->call < 0 ? 0
			   : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
						    r->call, count, r->args);
}

static int confine_add_allowed(scmp_filter_ctx filter, unsigned int *count)
{
	int ret = 0, last = -1;

	for (size_t i = 0; ret == 0 && i < array_len(confine_any); i++) {
		const struct confine_rule any = { .call = confine_any[i] };

		ret = confine_allow(filter, &any);
		*count += any.call >= 0;
	}
	for (size_t i = 0; ret == 0 && i < array_len(confine_some); i++) {
		const struct confine_rule *r = &confine_some[i];

		ret = confine_allow(filter, r);
		*count += r->call >= 0 && r->call != last;
		last = r->call;
	}
	return ret;
}

/*
 * Calls that libraries try and can do without.  glibc falls back from clone3(2)
 * to clone(2), whose flags a filter can see.  raise(3), which is tgkill(2) in
 * glibc and tkill(2) in musl, is allowed only with may_raise: signals_act().
 */
static int confine_add_exceptions(scmp_filter_ctx filter, bool may_raise)
{
	const struct scmp_arg_cmp self[] = {
		{ 0, SCMP_CMP_EQ, (uint64_t)getpid(), 0 },
		{ 0, SCMP_CMP_NE, (uint64_t)getpid(), 0 },
	};
	const int raises[] = { SCMP_SYS(tgkill), SCMP_SYS(tkill) };
	int ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				   SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < array_len(raises); i++) {
		if (ret == 0 && may_raise)
			ret = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
						     raises[i], 1, &self[0]);
#ifdef CONFINE_KILL
		if (ret == 0)
			ret = seccomp_rule_add_array(
				filter, SCMP_ACT_ERRNO(EPERM), raises[i],
				may_raise, &self[1]);
#endif
	}
	return ret;
}

static int confine_add_wanted_most(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < array_len(confine_wanted_most); i++) {
		int ret = seccomp_rule_add(filter, REFUSE,
					   confine_wanted_most[i], 0);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int confine_fill(scmp_filter_ctx filter, bool may_raise,
			unsigned int *count)
{
	int ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);

	if (ret == 0 && CONFINE_SANITIZED)
		return confine_add_wanted_most(filter);
	/* A binary search for the number of the call, not a list. */
	if (ret == 0)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (ret == 0)
		ret = confine_add_exceptions(filter, may_raise);
	return ret ? ret : confine_add_allowed(filter, count);
}

/*
 * Is there room for all that libseccomp allocates?  Where it gets no memory, it
 * may crash, loop for ever, or load a wrong filter and report success (2.5.4).
 */
static bool confine_has_memory(void)
{
	void *p = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && munmap(p, MEMORY_BYTES) == 0;
}

int confine_calls(bool may_raise, unsigned int *count, struct err *e)
{
	attr_cleanup(confine_release) scmp_filter_ctx filter = NULL;
	int ret = -ENOMEM;

	*count = 0;
	if (confine_has_memory())
		filter = seccomp_init(CONFINE_SANITIZED ? SCMP_ACT_ALLOW
							: REFUSE);
	if (filter)
		ret = confine_fill(filter, may_raise, count);
	if (ret == 0)
		ret = seccomp_load(filter);
	if (ret == 0)
		return 0;
	*count = 0;
	return err_set(e, ERR_KTLS, ret == -ECANCELED ? EPERM : -ret,
		       "cannot limit the system calls (seccomp)");
}

#else

int confine_calls(bool may_raise, unsigned int *count, struct err *e)
{
	*count = 0;
	err_set(e, ERR_KTLS, 0,
		"cannot limit the system calls: this program was built "
		"without libseccomp");
	e->num = ENOSYS;
	return -1;
}

#endif
