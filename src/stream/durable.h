/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many bytes of a file survive the loss of power: a note in an extended
 * attribute or, on a file system without them, in a file beside it.
 *
 * Ref: xattr(7).
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* A file of ours, in a folder that is open */
struct durable {
	int dir_fd; /* the folder */
	int fd; /* the file */
	const char *name; /* in the folder */
};

/*
 * Can bytes be noted?  No if the note must be a file beside, and something else
 * lies there.
 */
bool durable_possible(const struct durable *d);

/*
 * Sync the names in a folder, if its file system can do that.  Returns 0 or an
 * errno.
 */
int durable_sync_folder(int dir_fd);

/* There is no room for a note, or its place is taken: the one before stays. */
#define DURABLE_NO_ROOM EXFULL

/* Note that these synced bytes are on the disk.  Returns 0 or an errno. */
int durable_note(const struct durable *d, uint64_t bytes);

#define DURABLE_NONE UINT64_MAX

/*
 * *bytes: what was noted; DURABLE_NONE: nothing.  Returns 0 or an errno: if
 * the disk fails, nobody knows whether there is a note.
 */
int durable_read(const struct durable *d, uint64_t *bytes);

/* Remove the note.  Returns 0 or an errno. */
int durable_forget(const struct durable *d);
