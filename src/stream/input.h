/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the sender's bytes come from: a pipe, a file, a socket, a terminal.
 * What poll(2) announces may be taken by somebody who reads the same pipe: so
 * reads do not wait, and O_NONBLOCK is never set on the descriptor itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/io.h"

struct input {
	int fd; /* borrowed; poll this one */
	int own_fd; /* our own non-blocking description of it, or -1: to read;
		     * poll(2) may never tell it of a pipe's end */
	enum io_kind kind;
	off_t end; /* of a regular file; 0: nothing lies ahead, or its size
		    * says nothing of what is in it (/proc, /sys) */
};

/*
 * Read from fd, which somebody else closes.  Errors: ERR_IO for a socket of
 * messages, whose ends a read may cut off.  input_fini() in any case.
 */
int input_init(struct input *in, int fd, struct err *e) attr_must_check;

/*
 * Read into count buffers; *done 0: nothing is there, or a signal came, unless
 * it is the *end.  Waits only where there can be no description of our own
 * (another user's pipe, no /proc), and then no longer than until a signal.
 * Errors: ERR_IO, also for a file that became shorter than it was.
 */
int input_read(const struct input *in, const struct iovec *buffers, int count,
	       size_t *done, bool *end, struct err *e) attr_must_check;

/* The error for errno of any other call that reads the input.  Returns -1. */
int input_error(struct err *e);

/* There is less in the file than there was.  Returns -1. */
int input_shorter(struct err *e);

/* Close what input_init() opened for itself. */
void input_fini(struct input *in);
