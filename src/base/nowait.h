/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write to a descriptor that other processes share, such as standard error,
 * without waiting for its reader and without setting O_NONBLOCK on it.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

enum { NOWAIT_MS = 2000 }; /* how long to wait for a reader */

struct nowait {
	int fd; /* borrowed */
	int own_fd; /* the same pipe or terminal, opened again; or -1 */
	int pipe[2]; /* bytes are spliced from here into fd; or -1 */
	bool is_socket;
	bool is_pipe;
	bool is_plain; /* a file or a device, but no terminal: never waits */
};

/* Borrows fd, which must stay open.  The caller calls nowait_fini(). */
void nowait_init(struct nowait *w, int fd);

/*
 * As write(2) on a non-blocking descriptor, but wait for room until end_ms, in
 * clock_now_ms() time; 0: do not.  Then -1 with EAGAIN.  To a pipe it writes at
 * most PIPE_BUF bytes, all of them or none.
 */
ssize_t nowait_write(struct nowait *w, const void *buf, size_t len,
		     uint64_t end_ms) attr_must_check;

/* Wait for room, ms or until a signal.  Returns whether there is room. */
bool nowait_room(const struct nowait *w, int ms);

void nowait_fini(struct nowait *w);

/*
 * Write all of buf to fd in the same way, waiting for room for NOWAIT_MS at
 * most.  Errors: ERR_IO, naming what.
 */
int nowait_write_all(int fd, const char *buf, size_t len, const char *what,
		     struct err *e) attr_must_check;
