// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tries PID: what can a running process still do?  Stops it as a debugger, has
 * it make system calls that an attacker would want, and prints a line for each:
 * its name and OK, EPERM or "another" errno.  The calls harm nothing if they
 * are allowed: most have an argument that the kernel finds invalid later than
 * seccomp would refuse the call.  Then the process goes on; the call that it
 * was in returns EINTR.  Needs root.  Exit status 77: not on this machine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __x86_64__

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { RED_ZONE = 512, SYSCALL_BYTES = 2 };

/* PATH: its address in the process */
#define PATH (-0x1000000L)

static const struct {
	const char *name, *path;
	long number, args[6];
} calls[] = {
	{ "open", "/etc/passwd", SYS_open, { PATH, O_RDONLY } },
	{ "openat", "/etc/passwd", SYS_openat, { AT_FDCWD, PATH, O_RDONLY } },
	{ "unlink", "/nonexistent/file", SYS_unlink, { PATH } },
	{ "rename", "/nonexistent/file", SYS_rename, { PATH, PATH } },
	{ "execve", "/nonexistent/program", SYS_execve, { PATH } },
	{ "socket", NULL, SYS_socket, { AF_INET, SOCK_STREAM } },
	{ "connect", NULL, SYS_connect, { -1 } },
	{ "bind", NULL, SYS_bind, { -1 } },
	{ "listen", NULL, SYS_listen, { -1 } },
	{ "socketpair-datagram",
	  NULL,
	  SYS_socketpair,
	  { AF_UNIX, SOCK_DGRAM } },
	{ "sendto-address", NULL, SYS_sendto, { -1, 0, 0, 0, 1, 1 } },
	{ "sendto-fastopen", NULL, SYS_sendto, { -1, 0, 0, MSG_FASTOPEN } },
	{ "sendmsg-fastopen", NULL, SYS_sendmsg, { -1, 0, MSG_FASTOPEN } },
	{ "ptrace", NULL, SYS_ptrace, { PTRACE_CONT, 1 } },
	{ "process_vm_readv", NULL, SYS_process_vm_readv, { 1 } },
	{ "kill", NULL, SYS_kill, { 0x3fffffff, 0 } },
	{ "tgkill", NULL, SYS_tgkill, { 0x3ffffffe, 0x3fffffff, 0 } },
	{ "setresuid", NULL, SYS_setresuid, { -1, -1, -1 } },
	{ "unshare", NULL, SYS_unshare, { 0 } },
	{ "mmap-exec",
	  NULL,
	  SYS_mmap,
	  { 0, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
};

static pid_t pid;

static void need(long ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "tries: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void await_stop(void)
{
	int wstatus;

	need(waitpid(pid, &wstatus, __WALL), "waitpid");
	if (WIFSTOPPED(wstatus))
		return;
	fprintf(stderr, "tries: process %d ended: status %#x\n", (int)pid,
		(unsigned int)wstatus);
	exit(1);
}

/* The process stands behind a syscall instruction: have it make another one. */
static long make_call(const struct user_regs_struct *at, long number,
		      const long args[6])
{
	struct user_regs_struct r = *at;

	r.rip -= SYSCALL_BYTES;
	r.orig_rax = (unsigned long long)-1; /* nothing to restart */
	r.rax = (unsigned long long)number;
	r.rdi = (unsigned long long)args[0];
	r.rsi = (unsigned long long)args[1];
	r.rdx = (unsigned long long)args[2];
	r.r10 = (unsigned long long)args[3];
	r.r8 = (unsigned long long)args[4];
	r.r9 = (unsigned long long)args[5];
	need(ptrace(PTRACE_SETREGS, pid, 0, &r), "PTRACE_SETREGS");
	for (int i = 0; i < 2; i++) { /* its beginning and its end */
		need(ptrace(PTRACE_SYSCALL, pid, 0, 0), "PTRACE_SYSCALL");
		await_stop();
	}
	need(ptrace(PTRACE_GETREGS, pid, 0, &r), "PTRACE_GETREGS");
	return (long)r.rax;
}

static void put_path(unsigned long long at, const char *path)
{
	size_t left = strlen(path) + 1;

	for (size_t i = 0; left; i += sizeof(long)) {
		size_t n = left < sizeof(long) ? left : sizeof(long);
		long word = 0;

		memcpy(&word, path + i, n);
		need(ptrace(PTRACE_POKEDATA, pid, at + i, word),
		     "PTRACE_POKEDATA");
		left -= n;
	}
}

static void try_call(const struct user_regs_struct *at, size_t i)
{
	unsigned long long path = (at->rsp - RED_ZONE) & ~7ULL;
	long args[6], ret;

	if (calls[i].path)
		put_path(path, calls[i].path);
	for (size_t k = 0; k < 6; k++)
		args[k] = calls[i].args[k] == PATH ? (long)path
						   : calls[i].args[k];
	ret = make_call(at, calls[i].number, args);
	printf("%s %s\n", calls[i].name,
	       ret == -EPERM		? "EPERM"
	       : ret < 0 && ret > -4096 ? "another"
					: "OK");
}

int main(int argc, char **argv)
{
	struct user_regs_struct at;

	if (argc != 2)
		return 2;
	pid = atoi(argv[1]);
	need(ptrace(PTRACE_SEIZE, pid, 0, 0), "PTRACE_SEIZE");
	need(ptrace(PTRACE_INTERRUPT, pid, 0, 0), "PTRACE_INTERRUPT");
	await_stop();
	need(ptrace(PTRACE_GETREGS, pid, 0, &at), "PTRACE_GETREGS");
	if ((long)at.orig_rax < 0) {
		fprintf(stderr, "tries: it waits for nothing\n");
		return 1;
	}
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		try_call(&at, i);
	/* ERESTARTSYS and its like: the kernel's own, for a signal handler */
	if ((long)at.rax <= -512 && (long)at.rax >= -516)
		at.rax = (unsigned long long)-EINTR;
	at.orig_rax = (unsigned long long)-1;
	need(ptrace(PTRACE_SETREGS, pid, 0, &at), "PTRACE_SETREGS");
	need(ptrace(PTRACE_DETACH, pid, 0, 0), "PTRACE_DETACH");
	return 0;
}

#else

int main(void)
{
	return 77;
}

#endif
