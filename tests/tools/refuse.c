// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * refuse EPERM|ENOSYS|ENOTSUP|ENOSPC|EIO CALL[:N=VALUE]... ... -- COMMAND
 * [ARG]...: executes COMMAND so that these system calls fail with that errno,
 * like a container's seccomp filter, a kernel that lacks them, or a bad or full
 * disk.  With :N=VALUE only calls whose argument N (from 0) is VALUE are
 * refused.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif

#define CALL(name)                \
	{                         \
#name, SYS_##name \
	}

static const struct {
	const char *name;
	long number;
} calls[] = {
	CALL(accept4),
	CALL(clock_gettime),
	CALL(clock_nanosleep),
	CALL(clone),
	CALL(clone3),
	CALL(close_range),
	CALL(connect),
	CALL(dup),
	CALL(dup3),
	CALL(bind),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_pwait),
	CALL(execve),
	CALL(exit_group),
	CALL(fcntl),
	CALL(futex),
	CALL(fdatasync),
	CALL(fgetxattr),
	CALL(flock),
	CALL(fremovexattr),
	CALL(fsetxattr),
	CALL(fsync),
	CALL(ftruncate),
	CALL(getdents64),
	CALL(getpeername),
	CALL(getpgid),
	CALL(getrandom),
	CALL(getsockname),
	CALL(getsockopt),
	CALL(ioctl),
	CALL(kill),
	CALL(linkat),
	CALL(listen),
	CALL(setresuid),
	CALL(seccomp),
	CALL(landlock_create_ruleset),
	CALL(lseek),
	CALL(madvise),
	CALL(mprotect),
	CALL(munmap),
	CALL(openat),
	CALL(pidfd_open),
	CALL(pipe2),
	CALL(ppoll),
	CALL(prctl),
	CALL(pread64),
	CALL(prlimit64),
	CALL(pwrite64),
	CALL(pwritev),
	CALL(readlinkat),
	CALL(readv),
	CALL(recvfrom),
	CALL(recvmmsg),
	CALL(recvmsg),
	CALL(renameat2),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(sched_setaffinity),
	CALL(sched_yield),
	CALL(sendfile),
	CALL(sendmmsg),
	CALL(sendmsg),
	CALL(sendto),
	CALL(signalfd4),
	CALL(setitimer),
	CALL(setpgid),
	CALL(setsid),
	CALL(setsockopt),
	CALL(shutdown),
	CALL(socket),
	CALL(socketpair),
	CALL(splice),
	CALL(statx),
	CALL(sysinfo),
	CALL(tee),
	CALL(uname),
	CALL(unlinkat),
	CALL(vmsplice),
	CALL(wait4),
	CALL(waitid),
	CALL(writev),
#ifdef SYS_dup2
	CALL(dup2),
#endif
#ifdef SYS_epoll_wait
	CALL(epoll_wait),
#endif
#ifdef SYS_fadvise64
	CALL(fadvise64),
#endif
#ifdef SYS_fork
	CALL(fork),
#endif
#ifdef SYS_fstat
	CALL(fstat),
#endif
#ifdef SYS_getpgrp
	CALL(getpgrp),
#endif
#ifdef SYS_mmap
	CALL(mmap),
#endif
#ifdef SYS_newfstatat
	CALL(newfstatat),
#endif
#ifdef SYS_pipe
	CALL(pipe),
#endif
#ifdef SYS_poll
	CALL(poll),
#endif
#ifdef SYS_readlink
	CALL(readlink),
#endif
#ifdef SYS_rename
	CALL(rename),
#endif
#ifdef SYS_unlink
	CALL(unlink),
#endif
#ifdef SYS_vfork
	CALL(vfork),
#endif
};

static struct sock_filter program[256];
static unsigned short len;

static int usage(const char *what)
{
	fprintf(stderr,
		"refuse: %s\nusage: refuse EPERM|ENOSYS|ENOTSUP|ENOSPC|EIO "
		"CALL[:N=VALUE]... ... -- COMMAND [ARG]...\n",
		what);
	exit(2);
}

static void add(uint16_t code, uint32_t k, uint8_t on_false)
{
	if (len == sizeof program / sizeof program[0])
		usage("too many calls");
	program[len++] = (struct sock_filter){ code, 0, on_false, k };
}

/* The half of argument i that a call that takes an int uses. */
static uint32_t low_half(unsigned int i)
{
	uint32_t at = (uint32_t)offsetof(struct seccomp_data, args) + 8 * i;

	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? at + 4 : at;
}

static long number_of(const char *name)
{
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].number;
	return usage(name);
}

static int errno_of(const char *name)
{
	static const struct {
		const char *name;
		int num;
	} rows[] = { { "EPERM", EPERM },
		     { "ENOSYS", ENOSYS },
		     { "ENOTSUP", ENOTSUP },
		     { "ENOSPC", ENOSPC },
		     { "EIO", EIO } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (!strcmp(rows[i].name, name))
			return rows[i].num;
	return usage(name);
}

/*
 * Compare the number, then each argument.  A difference jumps past the refusal;
 * each argument takes two instructions.
 */
static void refuse(char *spec, int num)
{
	char *args[6];
	uint8_t n = 0;

	for (strtok(spec, ":"); n < 6 && (args[n] = strtok(NULL, ":"));)
		n++;
	add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0);
	add(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number_of(spec),
	    (uint8_t)(2 * n + 1));
	for (uint8_t i = 0; i < n; i++) {
		if (args[i][0] < '0' || args[i][0] > '5' || args[i][1] != '=')
			usage(args[i]);
		add(BPF_LD | BPF_W | BPF_ABS,
		    low_half((unsigned int)args[i][0] - '0'), 0);
		add(BPF_JMP | BPF_JEQ | BPF_K,
		    (uint32_t)strtol(args[i] + 2, NULL, 0),
		    (uint8_t)(2 * (n - i) - 1));
	}
	add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)num, 0);
}

int main(int argc, char **argv)
{
	struct sock_fprog filter = { .filter = program };
	int i = 2, num;

	if (argc < 3)
		usage("too few arguments");
	num = errno_of(argv[1]);
	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		refuse(argv[i], num);
	if (i + 1 >= argc)
		usage("no COMMAND");
	add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0);
	filter.len = len;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
		perror("refuse: seccomp");
		return 1;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 127;
}
