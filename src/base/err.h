/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one way errors travel: a function returns 0 (or a descriptor, or a
 * pointer) on success and -1 (or NULL) after it filled a struct err.  Only
 * main() prints an error and exits.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"

/* The kind of an error is the exit status it leads to (see the man page). */
enum err_kind {
	ERR_NONE = 0,
	ERR_USAGE = 2, /* wrong usage */
	ERR_KEY = 3, /* key or credential unusable */
	ERR_NET = 4, /* network: there never was a stream */
	ERR_AUTH = 5, /* refused: there never was a stream */
	ERR_KTLS = 6, /* kernel TLS required and not available */
	ERR_STREAM = 7, /* the stream broke */
	ERR_IO = 8, /* our own standard input or output failed */
	ERR_COMMAND = 9, /* a COMMAND failed, here or there */
	ERR_BUG = 70,
};

struct err {
	enum err_kind kind;
	int num; /* errno, 0 where none applies */
	char msg[512]; /* one line: object, cause, remedy; no full stop */
};

/*
 * Describe an error: "what: strerror(num)" with err_remedy(num), without the
 * second half if num is 0.  Returns -1, so that a caller can say "return err_set(...)".
 */
int err_set(struct err *e, enum err_kind kind, int num, const char *fmt, ...)
	attr_printf(4, 5);

/* Does errno num say that the environment refuses a system call? */
bool err_refuses(int num);

/*
 * err_set() with errno of a system call that the program cannot do without.
 * Where a seccomp list or an old kernel refuses it, the message names the call
 * and the remedy.
 */
int err_call(struct err *e, enum err_kind kind, const char *call,
	     const char *fmt, ...) attr_printf(4, 5);

/*
 * What to do about an errno that says that a limit is reached, to be put behind
 * its text; "" for all others.
 */
const char *err_remedy(int num);

/* Put context in front of the message of e: "context: message".  Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) attr_printf(2, 3);

/* Append a remedy or a detail to the message of e.  Returns -1. */
int err_append(struct err *e, const char *fmt, ...) attr_printf(2, 3);
