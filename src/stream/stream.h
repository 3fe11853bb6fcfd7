/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream from its input to the far consumer, or from the far source to its
 * output: what a verb does once it has a connection.
 */
#pragma once

#include "base/err.h"
#include "conn/session.h"
#include "stream/stats.h"

/* How bytes get into the kernel and out of it */
enum stream_how { STREAM_AUTO, STREAM_SPLICE, STREAM_COPY };

/* What the command line says about the stream itself.  Borrowed. */
struct stream_config {
	enum stream_how tx, rx;
	char **command; /* NULL-terminated, or NULL */
	uint64_t limit_bytes_per_s; /* sender; 0: none */
	uint64_t size_bytes; /* for the meter; 0: not known */
	bool progress;
};

/*
 * Carry the stream over the connections of l, the first of which is there.
 * Fills *stats as far as it got.
 * Errors: those of sender_run() and receiver_run(), and ERR_BUG where the system
 * is out of resources.  The peer hears of each.
 */
int stream_run(struct session *l, const struct stream_config *c,
	       struct stats *stats, struct err *e) attr_must_check;
