/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the receiver's bytes go: a pipe, a file, a socket, a terminal.  Writes
 * never block for long, and O_NONBLOCK is never set on the descriptor itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/io.h"

struct output {
	int fd; /* taken over, unless borrowed */
	bool borrowed;
	int own_fd; /* our own non-blocking description of it, or -1 */
	enum io_kind kind;
	pid_t sync_pid; /* who puts it on disk; 0: nobody yet */
	size_t at_once; /* bytes that a write may have without blocking */
};

/* Take over fd, an open descriptor to write to. */
void output_init(struct output *s, int fd);

/* Write to a non-blocking pipe that somebody else closes. */
void output_init_borrowed(struct output *s, int pipe_fd);

/* What to poll for POLLOUT; POLLERR or POLLHUP: the reader went away. */
int output_fd(const struct output *s);

/* Can the reader of this sink go away?  (Pipes and sockets.) */
bool output_has_reader(const struct output *s);

/* Can splice(2) move bytes there from a pipe? */
bool output_takes_splice(const struct output *s);

/*
 * Bytes that were written and that the reader has not read yet.  0 for sinks
 * without a reader.
 */
size_t output_unread(const struct output *s);

/* Write up to len bytes; *done 0: poll first.  Errors: ERR_IO. */
int output_write(struct output *s, const void *buf, size_t len, size_t *done,
		 struct err *e) attr_must_check;

/* The error for errno num of a write to the sink.  Returns -1. */
int output_error(int num, struct err *e);

/*
 * Put a file on disk, which may take long: to be called again and again until
 * it returns true, then with 0 or an errno in *num.
 */
bool output_synced(struct output *s, int *num);

/* All is written: close, and only success is success.  Errors: ERR_IO. */
int output_finish(struct output *s, struct err *e) attr_must_check;

/* Close what output_init() opened for itself, if it is still open. */
void output_fini(struct output *s);
