/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --stats: one JSON object about a stream, on one line, at its end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "tls/mode.h"

struct stats {
	uint64_t start_ms; /* clock_now_ms(), for the seconds */
	struct timespec start; /* the same moment, of CLOCK_REALTIME */
	bool sends;
	char stream[40]; /* id; "": none */
	const char *method; /* how the peer authenticated; NULL: no peer yet */
	uint64_t bytes; /* sender: confirmed; receiver: received */
	uint64_t reconnects;
	uint64_t rekeys; /* of keys, over another connection */
	char identity[80], peer[80]; /* "": none */
	const struct mode *mode; /* NULL: no connection came about */
	const char *tx, *rx; /* kernel, kernel-sw, kernel-hw, user; NULL */
};

/*
 * Open what --stats names before the work begins, so that a wrong name ends
 * it early.  "-" is standard error.  Append, or begin an empty file.  Returns a descriptor.  Errors: ERR_USAGE.
 */
int stats_open(const char *path, bool append, struct err *e) attr_must_check;

/* The clock starts now. */
void stats_start(struct stats *s);

/*
 * Write the object to fd and close it, unless it is standard error.  error: what
 * went wrong, or NULL.  If it is a pipe that is full it waits 2 s at the most.
 * Errors: ERR_IO.
 */
int stats_write(int fd, const struct stats *s, int exit_status,
		const char *error, struct err *e) attr_must_check;
