/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that a confined process keeps: an allow list, made with
 * libseccomp, which no other module uses.
 */
#pragma once

#include "base/err.h"

/* LeakSanitizer reads /proc/self, and traces the process, at its end. */
#if defined __SANITIZE_ADDRESS__
enum { CONFINE_SANITIZED = 1 };
#else
enum { CONFINE_SANITIZED = 0 };
#endif

/* libc uses socketcall(2) for all sockets; no filter sees its arguments. */
#if defined __i386__ || defined __m68k__ || defined __s390__
#define CONFINE_SOCKETCALL 1
#else
#define CONFINE_SOCKETCALL 0
#endif

/*
 * Refuse, from here on and in all children, every system call that is not in
 * the list, and arguments that we do not use.  A refused call fails with EPERM;
 * in a build of configure --enable-confine-kill it kills the process.
 * no_new_privs must be set.  may_raise: as for confine_enter().  *count: the
 * calls in the list.  Errors: ERR_KTLS; num is ENOSYS if this program has no
 * libseccomp.
 */
int confine_calls(bool may_raise, unsigned int *count,
		  struct err *e) attr_must_check;
