/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of --output: FILE appears complete or not at all.  Until then its
 * bytes are in FILE.part, which a later process can continue: a note
 * (stream/durable) says how many of them survive the loss of power.
 *
 * Ref: renameat2(2), fdatasync(2).
 */
#pragma once

#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/order.h"
#include "conn/digest.h"

struct part_file {
	int dir_fd; /* the folder of both */
	int fd; /* FILE.part, locked; at the next byte */
	const char *path; /* FILE; borrowed */
	char name[256], part[256]; /* in the folder */
	uint64_t start; /* bytes that it had already */
	struct timespec modified; /* its time, before those were digested */
	bool wrote; /* or tried to, since then */
	uint64_t bytes; /* written so far */
	struct digest *digest; /* of those bytes; see part_file_prepare() */
	uint64_t synced; /* bytes that a process syncs, or has synced */
	uint64_t sync_due_ms; /* when it starts, if there are any bytes */
	pid_t sync_pid; /* that process; 0: none */
	bool finishing; /* it also gives FILE its name */
	int failed; /* errno of a sync: what came since the note is in doubt */
	bool made; /* this process made FILE.part */
	bool opened; /* FILE.part is ours */
};

/*
 * Open FILE.part beside path, and lock it.  If it exists, it is cut to the
 * bytes that are surely on the disk.  It must be a regular file of ours with
 * one name, and FILE must not exist.  Borrows path.  The caller calls
 * part_file_close(), even after an error.  Errors: ERR_USAGE, ERR_IO.
 */
int part_file_open(struct part_file *p, const char *path,
		   struct err *e) attr_must_check;

/*
 * Digest some of the bytes that it had already; takes some milliseconds.
 * *ready: all are.  Errors: ERR_IO.
 */
int part_file_prepare(void *part_file, bool *ready,
		      struct err *e) attr_must_check;

/*
 * Does FILE.part have the length that we gave it and, before our first write,
 * the time that it had when it was digested?  Returns 0; if not, ESTALE; or the
 * errno of fstat(2).
 */
int part_file_unchanged(const struct part_file *p);

/* The same, and a write follows. */
int part_file_before_write(struct part_file *p);

/*
 * This many more bytes were written.  Now and then a process of its own syncs
 * them to disk.  Returns 0 or the errno of an earlier sync.
 */
int part_file_wrote(struct part_file *p, size_t bytes);

/*
 * All is written: sync it and give it its name.  Call it until it returns true;
 * then *num is 0 or an errno: EEXIST, FILE exists by now; ECANCELED, it may be
 * there, and is complete then.
 */
bool part_file_finished(struct part_file *p, int *num);

/*
 * For the launcher: what a confined process may not do itself with the files of
 * path.  fds are the folder and FILE.part: as long as the order is on its way,
 * it holds the lock, even if the process is gone.  Returns 0 or an errno;
 * ESTALE: it is not FILE.part, or not any more.
 */
int part_file_obey(const char *path, const struct order *o,
		   const int fds[static 2]);

/*
 * Close it.  FILE.part stays if it has bytes; to note how many of them may take
 * 20 s, if the disk or the launcher hangs.
 */
void part_file_close(struct part_file *p);
