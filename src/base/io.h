/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * File descriptors: their kinds, and reads and writes that survive EINTR.
 * Nothing here sets O_NONBLOCK on a descriptor that the program inherited: the
 * flag belongs to the open file description, which other processes share.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

enum io_kind {
	IO_PIPE,
	IO_SOCKET,
	IO_FILE, /* regular file or block device: cached */
	IO_DEVICE, /* terminal or other character device */
	IO_OTHER, /* also the master of a pseudo terminal */
};

/* The kind of fd; IO_OTHER if fstat(2) fails. */
enum io_kind io_kind(int fd);

/* An option of SOL_SOCKET; unknown: the kernel does not tell. */
int io_socket_option(int fd, int option, int unknown);

/* Is fd open for access, O_RDONLY or O_WRONLY? */
bool io_allows(int fd, int access);

/* Has fd this flag of open(2), such as O_APPEND? */
bool io_has_flag(int fd, int flag);

/* Are both the same file, pipe or device?  false: one is not open. */
bool io_same_file(int a, int b);

/* Does poll(2) report any of events at once? */
bool io_ready(int fd, short events);

/*
 * Wait until poll(2) reports any of events, whatever signals come.  Returns 1,
 * or 0 if the deadline passes before.  Errors: ERR_NET.
 */
int io_wait(int fd, short events, uint64_t deadline_ms,
	    struct err *e) attr_must_check;

/*
 * Take the lock of the open file description behind fd (flock(2), exclusive),
 * or wait for it until the deadline.  Returns 0, or -1 with errno set.
 */
int io_lock(int fd, uint64_t deadline_ms) attr_must_check;

/*
 * Set a pipe's capacity.  The launcher does it if we may not.  Returns 0, or -1
 * with errno set.
 */
int io_set_pipe_size(int fd, int bytes);

/* Raise a pipe's capacity as far as allowed, up to 1 MiB.  Best effort. */
void io_grow_pipe(int fd);

/* Set O_NONBLOCK on a descriptor of our own making.  Errors: ERR_STREAM. */
int io_set_nonblocking(int fd, struct err *e) attr_must_check;

/*
 * Open the pipe or terminal behind fd again, through /proc/self/fd/FD: the new
 * open file description is non-blocking, that of fd stays as it is.  access is
 * O_RDONLY or O_WRONLY.  Returns the new descriptor, or -1 if it cannot be
 * opened (a socket; a pipe of another user; IO_OTHER; no /proc, or not the
 * kernel's; a launcher opens only 0, 1 and 2).
 */
int io_reopen_nonblocking(int fd, int access);

/* Open /dev/null for writing.  Returns it, or -1 with errno set. */
int io_open_null(void);

/* read(2) and write(2), repeated after EINTR. */
ssize_t io_read(int fd, void *buf, size_t len);
ssize_t io_write(int fd, const void *buf, size_t len);

/*
 * Close all descriptors from first on but those in kept, which it sorts; -1 in
 * kept stands for none.  Works without close_range(2), which kernels before
 * Linux 5.9 lack and the seccomp lists of some containers refuse.
 */
void io_close_all_but(unsigned int first, int *kept, size_t count);

/*
 * Fill buf with random bytes from getrandom(2), or from /dev/urandom if that
 * call is refused.  Errors: ERR_NET.
 */
int io_random(void *buf, size_t len, struct err *e) attr_must_check;

/* Flush standard output.  Errors: ERR_IO, also of an earlier print. */
int io_flush_stdout(struct err *e) attr_must_check;

/*
 * Write all of buf, however long that takes, also if another process has made
 * the descriptor non-blocking.  Errors: ERR_IO, naming what; ERR_NET.
 */
int io_write_all(int fd, const void *buf, size_t len, const char *what,
		 struct err *e) attr_must_check;
