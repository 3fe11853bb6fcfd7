/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's input: a pipe, a file, a socket, a terminal.  Another process
 * may read the same pipe and take what poll(2) announced to us, so reads do not
 * wait.  O_NONBLOCK is never set on the descriptor itself, because others share
 * it.
 */
#pragma once

#include <sys/uio.h>

#include "base/err.h"
#include "base/io.h"

struct input {
	int fd; /* borrowed; poll this one */
	int own_fd; /* read here: our own non-blocking description, or -1;
		     * poll(2) may never report a pipe's end on it */
	enum io_kind kind;
	off_t start; /* of a regular file: where the stream begins */
	off_t end; /* of a regular file; 0: nothing lies ahead, or its size
		    * does not tell what it holds (/proc, /sys) */
};

/*
 * Read from fd.  The caller calls input_fini() even after an error.
 * Borrows fd.
 * Errors: ERR_IO for what is no stream of bytes.  A short read of a message
 * socket would truncate a message.
 */
int input_init(struct input *in, int fd, struct err *e) attr_must_check;

/*
 * Read into count buffers.  *done is 0 if there is nothing, if a signal came,
 * or if it is the *end.  Waits only where we cannot have a description of our
 * own (another user's pipe, no /proc), and then until a signal at the latest.
 * Errors: ERR_IO, also for a file that became shorter, and a terminal that hung
 * up.
 */
int input_read(const struct input *in, const struct iovec *buffers, int count,
	       size_t *done, bool *end, struct err *e) attr_must_check;

/*
 * Read it from the beginning of the stream again.  Errors: ERR_IO, it is no
 * file.
 */
int input_rewind(struct input *in, struct err *e) attr_must_check;

/* Another call that reads the input failed with errno: set e.  Returns -1. */
int input_error(struct err *e);

/* The file became shorter: set e.  Returns -1. */
int input_shorter(struct err *e);

/* Close our own description. */
void input_fini(struct input *in);
