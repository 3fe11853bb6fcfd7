/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes to a descriptor that other processes share, such as standard error,
 * without ever waiting for its reader and without setting O_NONBLOCK on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct nowait {
	int fd; /* as it was given; not owned */
	int own_fd; /* the same pipe or terminal, opened again; or -1 */
	int pipe[2]; /* from here bytes are spliced into fd; or -1 */
	bool is_socket;
	bool is_pipe;
	bool is_plain; /* a file or a plain device: it takes all at once */
};

/* Borrows fd, which must stay open.  The caller calls nowait_fini(). */
void nowait_init(struct nowait *w, int fd);

/*
 * As write(2) on a non-blocking descriptor: -1 with EAGAIN where the reader has
 * left no room.  A pipe takes at most PIPE_BUF bytes, and these as a whole.
 */
ssize_t nowait_write(struct nowait *w, const void *buf,
		     size_t len) attr_must_check;

/* Wait ms at most, or until a signal comes, for room.  Returns whether there is. */
bool nowait_room(const struct nowait *w, int ms);

void nowait_fini(struct nowait *w);
