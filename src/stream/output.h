/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver's output: a pipe, a file, a socket, a terminal.  Writes never
 * block for long.  O_NONBLOCK is never set on the descriptor itself, because
 * others share it.
 */
#pragma once

#include "base/err.h"
#include "base/io.h"
#include "stream/part_file.h"

struct output {
	int fd; /* owned, unless borrowed */
	bool borrowed;
	int own_fd; /* write here: our own non-blocking description, or -1 */
	enum io_kind kind;
	pid_t sync_pid; /* the process that syncs it to disk; 0: none yet */
	struct part_file *part; /* --output; borrowed, or NULL */
	bool messages; /* a message socket, or a pipe in packet mode */
	size_t at_once; /* bytes that one write takes without blocking */
};

/* Write to fd, which out then owns. */
void output_init(struct output *out, int fd);

/* Write to a non-blocking pipe.  Borrows it. */
void output_init_borrowed(struct output *out, int pipe_fd);

/* Write to FILE.part, which is renamed when all is written.  Borrows it. */
void output_init_part(struct output *out, struct part_file *part);

/* What to poll for POLLOUT; POLLERR or POLLHUP: the reader is gone. */
int output_fd(const struct output *out);

/* Is there a reader that can go away?  (Pipes and sockets.) */
bool output_has_reader(const struct output *out);

/* Can splice(2) move bytes from a pipe into it? */
bool output_takes_splice(const struct output *out);

/* Can we ask what its reader has read?  Errors: ERR_IO. */
int output_check(const struct output *out, struct err *e) attr_must_check;

/*
 * Bytes that were written and that the reader has not read yet; 0 if there is
 * no reader.
 */
size_t output_unread(const struct output *out);

/* Write up to len bytes.  *done 0: poll first.  Errors: ERR_IO. */
int output_write(struct output *out, const void *buf, size_t len, size_t *done,
		 struct err *e) attr_must_check;

/* A write to the output failed with errno num: set e.  Returns -1. */
int output_error(const struct output *out, int num, struct err *e);

/*
 * Sync a file to disk, which may take long.  Call it until it returns true;
 * then *num is 0 or an errno.
 */
bool output_synced(struct output *out, int *num);

/* All is written: close.  A failing close fails the stream.  Errors: ERR_IO. */
int output_finish(struct output *out, struct err *e) attr_must_check;

/* Close our own description if it is still open. */
void output_fini(struct output *out);
