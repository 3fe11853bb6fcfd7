/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --stats: one JSON object about a stream, at its end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "mode.h"

struct stats {
	uint64_t start_ms;
	uint64_t bytes; /* sender: confirmed; receiver: received */
	uint64_t reconnects;
	uint64_t rotations; /* of keys, over another connection */
	char identity[80], peer[80]; /* "": none */
	const struct mode *mode; /* NULL: no connection came about */
	const char *tx, *rx; /* kernel, kernel-sw, kernel-hw, user; NULL */
};

/*
 * Open what --stats names before the work begins, so that a wrong name ends
 * it early.  "-" is standard error.  Append, or begin an empty file.  Returns a descriptor.  Errors: ERR_USAGE.
 */
int stats_open(const char *path, bool append, struct err *e) attr_must_check;

/* Write the object to fd and close it, unless it is standard error. */
int stats_write(int fd, const struct stats *s, int exit_status,
		struct err *e) attr_must_check;
