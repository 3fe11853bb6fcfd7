// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/confine_calls.h"

#include <errno.h>

#include "config.h"

#ifdef HAVE_LIBSECCOMP

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/compat.h"

#define ALLOW_ANY(name)                \
	{                              \
		.call = SCMP_SYS(name) \
	}
#define ALLOW_IF(name, arg, wanted)                           \
	{                                                     \
		.call = SCMP_SYS(name), .count = 1, .args = { \
			{ arg, SCMP_CMP_EQ, wanted, 0 }       \
		}                                             \
	}
#define ALLOW_IF_NOT(name, arg, bits)                         \
	{                                                     \
		.call = SCMP_SYS(name), .count = 1, .args = { \
			{ arg, SCMP_CMP_MASKED_EQ, bits, 0 }  \
		}                                             \
	}
#define ALLOW_OPTION(level, option)                                 \
	{                                                           \
		.call = SCMP_SYS(setsockopt), .count = 2, .args = { \
			{ 1, SCMP_CMP_EQ, level, 0 },               \
			{ 2, SCMP_CMP_EQ, option, 0 }               \
		}                                                   \
	}

/* fork(2) of glibc and of musl; s390 has the flags in the second argument. */
#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)
#ifdef __s390__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

struct confine_rule {
	int call;
	unsigned int count; /* of args */
	struct scmp_arg_cmp args[2];
};

/*
 * All that a stream needs once it is prepared.  The rest is done before, or by
 * the launcher.  Rows of one call are next to each other; one must apply.
 */
static const struct confine_rule confine_allowed[] = {
	/* bytes */
	ALLOW_ANY(read),
	ALLOW_ANY(readv),
	ALLOW_ANY(pread64),
	ALLOW_ANY(write),
	ALLOW_ANY(writev),
	ALLOW_ANY(splice),
	ALLOW_ANY(tee),
	ALLOW_ANY(vmsplice),
	ALLOW_ANY(sendfile),
	ALLOW_ANY(sendfile64),
	ALLOW_ANY(lseek),
	ALLOW_ANY(_llseek),
	ALLOW_ANY(fsync),
	ALLOW_ANY(fdatasync),
	ALLOW_ANY(ftruncate),
	ALLOW_ANY(ftruncate64),
	/* descriptors */
	ALLOW_ANY(close),
	ALLOW_ANY(close_range),
	ALLOW_ANY(dup),
	ALLOW_ANY(dup2),
	ALLOW_ANY(dup3),
	ALLOW_ANY(pipe2),
	ALLOW_ANY(fstat),
	ALLOW_ANY(fstat64),
	ALLOW_IF(newfstatat, 3, AT_EMPTY_PATH),
	ALLOW_IF(fstatat64, 3, AT_EMPTY_PATH),
	ALLOW_IF(statx, 2, AT_EMPTY_PATH),
	ALLOW_IF(fcntl, 1, F_DUPFD_CLOEXEC),
	ALLOW_IF(fcntl, 1, F_GETFD),
	ALLOW_IF(fcntl, 1, F_SETFD),
	ALLOW_IF(fcntl, 1, F_GETFL),
	ALLOW_IF(fcntl, 1, F_SETFL),
	ALLOW_IF(fcntl, 1, F_GETPIPE_SZ),
	ALLOW_IF(fcntl, 1, F_SETPIPE_SZ),
	ALLOW_IF(fcntl64, 1, F_DUPFD_CLOEXEC),
	ALLOW_IF(fcntl64, 1, F_GETFD),
	ALLOW_IF(fcntl64, 1, F_SETFD),
	ALLOW_IF(fcntl64, 1, F_GETFL),
	ALLOW_IF(fcntl64, 1, F_SETFL),
	ALLOW_IF(fcntl64, 1, F_GETPIPE_SZ),
	ALLOW_IF(fcntl64, 1, F_SETPIPE_SZ),
	ALLOW_IF(ioctl, 1, FIONREAD),
	ALLOW_IF(ioctl, 1, TIOCOUTQ), /* of a socket: SIOCOUTQ */
	ALLOW_IF(ioctl, 1, TCGETS), /* isatty(3) */
	/* sockets that are there */
	ALLOW_IF(socketpair, 0, AF_UNIX),
	ALLOW_ANY(accept4),
	ALLOW_ANY(recvfrom),
	ALLOW_ANY(recvmsg),
	ALLOW_ANY(recv),
	ALLOW_ANY(sendto),
	ALLOW_ANY(sendmsg),
	ALLOW_ANY(send),
	ALLOW_ANY(shutdown),
	ALLOW_ANY(getpeername),
	ALLOW_ANY(getsockname),
	ALLOW_ANY(getsockopt),
	ALLOW_OPTION(SOL_SOCKET, SO_KEEPALIVE),
	ALLOW_OPTION(SOL_SOCKET, SO_LINGER),
	ALLOW_OPTION(SOL_SOCKET, SO_RCVLOWAT),
	ALLOW_OPTION(SOL_SOCKET, SO_SNDBUF),
	ALLOW_OPTION(IPPROTO_TCP, TCP_NODELAY),
	ALLOW_OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
	ALLOW_OPTION(IPPROTO_TCP, TCP_KEEPINTVL),
	ALLOW_OPTION(IPPROTO_TCP, TCP_KEEPCNT),
	ALLOW_OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
	ALLOW_OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
	ALLOW_OPTION(IPPROTO_TCP, TCP_ULP),
	ALLOW_IF(setsockopt, 1, SOL_TLS),
	/* events and time */
	ALLOW_ANY(poll),
	ALLOW_ANY(ppoll),
	ALLOW_ANY(ppoll_time64),
	ALLOW_ANY(epoll_create1),
	ALLOW_ANY(epoll_ctl),
	ALLOW_ANY(epoll_wait),
	ALLOW_ANY(epoll_pwait),
	ALLOW_ANY(signalfd4),
	ALLOW_ANY(clock_gettime),
	ALLOW_ANY(clock_gettime64),
	ALLOW_ANY(clock_nanosleep),
	ALLOW_ANY(clock_nanosleep_time64),
	ALLOW_ANY(gettimeofday),
	ALLOW_ANY(time),
	ALLOW_ANY(restart_syscall),
	/* memory; nothing new can be executed */
	ALLOW_ANY(brk),
	ALLOW_ANY(munmap),
	ALLOW_ANY(mremap),
	ALLOW_ANY(madvise),
	ALLOW_IF_NOT(mmap, 2, PROT_EXEC),
	ALLOW_IF_NOT(mmap2, 2, PROT_EXEC),
	ALLOW_IF_NOT(mprotect, 2, PROT_EXEC),
	ALLOW_ANY(getrandom),
	ALLOW_ANY(futex),
	ALLOW_ANY(futex_time64),
	/* signals and processes: fork(2), but neither exec nor namespaces */
	ALLOW_ANY(rt_sigaction),
	ALLOW_ANY(rt_sigprocmask),
	ALLOW_ANY(rt_sigreturn),
	ALLOW_ANY(sigreturn),
	ALLOW_ANY(sigaltstack),
	ALLOW_IF(clone, CLONE_FLAGS_ARG, FORK_FLAGS),
	ALLOW_IF(clone, CLONE_FLAGS_ARG, SIGCHLD),
	ALLOW_ANY(fork),
	ALLOW_ANY(set_robust_list),
	ALLOW_ANY(rseq),
	ALLOW_ANY(wait4),
	ALLOW_ANY(getpid),
	ALLOW_ANY(gettid),
	ALLOW_ANY(getppid),
	ALLOW_ANY(getuid),
	ALLOW_ANY(geteuid),
	ALLOW_ANY(getgid),
	ALLOW_ANY(getegid),
	ALLOW_ANY(getrusage),
	ALLOW_ANY(sysinfo),
	ALLOW_IF(setpgid, 1, 0),
	ALLOW_IF(prctl, 0, PR_SET_PDEATHSIG),
	ALLOW_IF(prlimit64, 2, 0), /* getrlimit(2) */
	ALLOW_ANY(exit),
	ALLOW_ANY(exit_group),
};

/*
 * A sanitizer's runtime reads /proc and looks into the process at its end.  So
 * here is what a stranger would want most, and the rest is allowed.
 */
static const int confine_wanted_most[] = {
	SCMP_SYS(execve),
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
	SCMP_SYS(mount),
};

#if defined __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

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

/* Calls that this machine does not have count for nothing. */
static int confine_add_allowed(scmp_filter_ctx filter, unsigned int *count)
{
	for (size_t i = 0; i < array_len(confine_allowed); i++) {
		const struct confine_rule *r = &confine_allowed[i];
		int ret;

		if (r->call < 0)
			continue;
		ret = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->call,
					     r->count, r->args);
		if (ret < 0)
			return ret;
		*count += !i || r[-1].call != r->call;
	}
	return 0;
}

/*
 * Calls that libraries try and do without.  glibc falls back from clone3(2) to
 * clone(2), whose flags a filter can see.  raise(3) is for this process alone,
 * so a child that is to end by a signal exits instead.
 */
static int confine_add_exceptions(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp self[] = {
		{ 0, SCMP_CMP_EQ, (uint64_t)getpid(), 0 },
		{ 0, SCMP_CMP_NE, (uint64_t)getpid(), 0 },
	};
	int ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				   SCMP_SYS(clone3), 0);

	if (ret == 0)
		ret = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW,
					     SCMP_SYS(tgkill), 1, &self[0]);
#ifdef CONFINE_KILL
	if (ret == 0)
		ret = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM),
					     SCMP_SYS(tgkill), 1, &self[1]);
#endif
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

static int confine_fill(scmp_filter_ctx filter, unsigned int *count)
{
	int ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);

	if (ret == 0 && SANITIZED)
		return confine_add_wanted_most(filter);
	/* A binary search for the number of the call, not a list. */
	if (ret == 0)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (ret == 0)
		ret = confine_add_exceptions(filter);
	return ret ? ret : confine_add_allowed(filter, count);
}

int confine_calls(unsigned int *count, struct err *e)
{
	attr_cleanup(confine_release) scmp_filter_ctx filter =
		seccomp_init(SANITIZED ? SCMP_ACT_ALLOW : REFUSE);
	int ret = -ENOMEM;

	*count = 0;
	if (filter)
		ret = confine_fill(filter, count);
	if (ret == 0)
		ret = seccomp_load(filter);
	if (ret == 0)
		return 0;
	*count = 0;
	return err_set(e, ERR_KTLS, ret == -ECANCELED ? EPERM : -ret,
		       "cannot limit the system calls (seccomp)");
}

#else

int confine_calls(unsigned int *count, struct err *e)
{
	*count = 0;
	err_set(e, ERR_KTLS, 0,
		"cannot limit the system calls: this program was built "
		"without libseccomp");
	e->num = ENOSYS;
	return -1;
}

#endif
