/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How functions report errors: they return 0, a descriptor or a pointer on
 * success.  On failure they fill a struct err and return -1 or NULL.  Only
 * main() prints an error and exits.
 */
#pragma once

#include "base/cleanup.h"

/* Kinds of errors; the number is the exit status (see the manual page). */
enum err_kind {
	ERR_NONE = 0,
	ERR_USAGE = 2, /* wrong usage */
	ERR_KEY = 3, /* key or credential unusable */
	ERR_NET = 4, /* network, before the stream began */
	ERR_AUTH = 5, /* refused, before the stream began */
	ERR_KTLS = 6, /* kernel TLS or confinement required, not available */
	ERR_STREAM = 7, /* the stream failed after it had begun */
	ERR_IO = 8, /* our own standard input or output failed */
	ERR_COMMAND = 9, /* a COMMAND failed, on this host or the peer's */
	ERR_BUG = 70,
	ERR_NO_PROGRAM = 127, /* ssh: the far host lacks this program */
	ERR_SSH = 255, /* ssh itself failed */
};

struct err {
	enum err_kind kind;
	int num; /* errno; 0: none applies */
	char msg[512]; /* one line: object, cause, remedy; no full stop */
};

/*
 * Fill e.  The message is fmt, followed by ": strerror(num)" and
 * err_remedy(num) unless num is 0.  Returns -1, for "return err_set(...)".
 */
int err_set(struct err *e, enum err_kind kind, int num, const char *fmt, ...)
	attr_printf(4, 5);

/* Out of memory, wherever it happens: ERR_BUG.  Returns -1. */
int err_memory(struct err *e);

/* Zeroed memory, for free(3).  NULL: out of memory, as err_memory() says. */
static inline void *err_alloc(size_t bytes, struct err *e)
{
	void *p = calloc(1, bytes);

	if (!p)
		err_memory(e);
	return p;
}

/* Does errno num mean that seccomp or an old kernel refuses a system call? */
bool err_refuses(int num);

/*
 * err_set() with errno, after the system call named call failed.  If seccomp
 * or an old kernel refuses it, the message names the call and the remedy.
 */
int err_call(struct err *e, enum err_kind kind, const char *call,
	     const char *fmt, ...) attr_printf(4, 5);

/*
 * How to raise the limit that errno num reports, to be appended to its text;
 * "" if num reports no limit.
 */
const char *err_remedy(int num);

/* Prefix the message of e: "context: message".  Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) attr_printf(2, 3);

/* Append a remedy or a detail to the message of e.  Returns -1. */
int err_append(struct err *e, const char *fmt, ...) attr_printf(2, 3);
