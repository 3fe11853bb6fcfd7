/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain descriptors: what they are, and reading and writing that survives
 * EINTR.  Nothing here ever sets O_NONBLOCK on a descriptor that came from
 * outside: that flag belongs to the open file description, which other
 * processes and the terminal share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum io_kind {
	IO_PIPE,
	IO_SOCKET,
	IO_FILE, /* regular file or block device: it is cached */
	IO_DEVICE, /* terminal or other character device */
	IO_OTHER,
};

/* What fd is.  A descriptor that cannot be asked is IO_OTHER. */
enum io_kind io_kind(int fd);

/* Was fd opened with O_APPEND?  splice(2) refuses to write to such files. */
bool io_is_append(int fd);

/* Does poll(2) say at once that any of events is there? */
bool io_ready(int fd, short events);

/* Make a pipe hold as much as it may, 1 MiB at the most.  Best effort. */
void io_grow_pipe(int fd);

/* Set O_NONBLOCK; only for descriptors that this program made.  ERR_STREAM. */
int io_set_nonblocking(int fd, struct err *e) attr_must_check;

/*
 * A description of its own for the pipe or terminal behind fd, non-blocking,
 * by opening /proc/self/fd/FD.  access is O_RDONLY or O_WRONLY.  Returns the
 * new descriptor, or -1 where that can't be had (a socket, /proc missing, a
 * pipe of another user).
 */
int io_reopen_nonblocking(int fd, int access);

/* read(2) and write(2), again after EINTR. */
ssize_t io_read(int fd, void *buf, size_t len);
ssize_t io_write(int fd, const void *buf, size_t len);

/*
 * Close the descriptors from first to last, which need not be open.  Works
 * without close_range(2): before Linux 5.9 there is none, and the system call
 * lists of some containers refuse it.
 */
void io_close_range(unsigned int first, unsigned int last);

/*
 * Fill buf with random bytes: from getrandom(2), or where that is refused from
 * /dev/urandom.  ERR_NET: there are none.
 */
int io_random(void *buf, size_t len, struct err *e) attr_must_check;

/* Write all of buf to a blocking descriptor; ERR_IO, naming what. */
int io_write_all(int fd, const void *buf, size_t len, const char *what,
		 struct err *e) attr_must_check;
