// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into User-Mode Linux by scripts/guest on CPUs with AMX.  User-Mode
 * Linux saves and restores the registers of its processes with ptrace(2), in a
 * buffer of fixed size that ends before AMX's state.  PTRACE_SETREGSET accepts
 * only the whole state (Linux, arch/x86/kernel/fpu/regset.c), so User-Mode
 * Linux panics at its first process.  Here ptrace() copies the part over the
 * whole present state first.  No process in a guest uses AMX, which needs
 * arch_prctl(2).
 *
 * syscall(2) alone is used, so that any libc will do.
 */
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long set_xstate(long pid, const struct iovec *part)
{
	static char whole[1 << 16];
	struct iovec iov = { whole, sizeof whole };

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov) < 0)
		return -1;
	memcpy(whole, part->iov_base,
	       part->iov_len < iov.iov_len ? part->iov_len : iov.iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov);
}

/* As libc's: what PTRACE_PEEK... finds is returned. */
long ptrace(enum __ptrace_request request, ...)
{
	long pid, address, data, word = 0, ret;
	va_list args;

	va_start(args, request);
	pid = va_arg(args, pid_t);
	address = va_arg(args, long);
	data = va_arg(args, long);
	va_end(args);
	if (request == PTRACE_SETREGSET && address == NT_X86_XSTATE)
		return set_xstate(pid, (const struct iovec *)data);
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA ||
	    request == PTRACE_PEEKUSER)
		data = (long)&word;
	ret = syscall(SYS_ptrace, request, pid, address, data);
	return ret == 0 && data == (long)&word ? word : ret;
}
