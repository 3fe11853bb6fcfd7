/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --stats: one JSON object on one line, written at the end of a stream. */
#pragma once

#include <time.h>

#include "base/err.h"
#include "conn/session.h"

struct stats {
	uint64_t start_ms; /* clock_now_ms(), for the seconds */
	struct timespec start; /* the same moment by CLOCK_REALTIME */
	bool sends;
	char stream[SESSION_HEX_CHARS + 1]; /* id; "": none */
	const char *method; /* how the peer authenticated; NULL: no peer yet */
	uint64_t bytes; /* sender: confirmed; receiver: received */
	uint64_t compared; /* of these, not sent: the receiver had them */
	uint64_t reconnects;
	uint64_t rekeys; /* each over another connection */
	char identity[80], peer[80]; /* "": none */
	const struct mode *mode; /* NULL: there was no connection */
	const char *tx, *rx; /* kernel, kernel-sw, kernel-hw, user; NULL */
};

/*
 * Open the file of --stats before the work begins, so that a wrong name fails
 * early.  "-" is standard error.  append: keep what it holds, else truncate it.
 * stream_fd is where the stream comes from or goes, or -1.  Returns a
 * descriptor.  A FIFO has to have a reader within 2 s.
 * Errors: ERR_USAGE, also for the file or pipe of the stream.
 */
int stats_open(const char *path, bool append, int stream_fd,
	       struct err *e) attr_must_check;

/* Start the clock. */
void stats_start(struct stats *s);

/*
 * Write the object to fd, then close fd unless it is standard error.  error:
 * why the stream failed, or NULL.  Waits for a full pipe for 2 s at most.
 * Errors: ERR_IO.
 */
int stats_write(int fd, const struct stats *s, int exit_status,
		const char *error, struct err *e) attr_must_check;
