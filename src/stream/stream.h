/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream: from our input to the peer's consumer, or from the peer's source
 * to our output.  What a verb does once it has a connection.
 */
#pragma once

#include "base/err.h"
#include "conn/session.h"
#include "stream/part_file.h"
#include "stream/stats.h"

/*
 * How bytes get into the kernel (--tx) and out of it (--rx), in the order of
 * these options' words
 */
enum stream_how { STREAM_AUTO, STREAM_SPLICE, STREAM_COPY };

/* What the command line says about the stream itself.  Strings are borrowed. */
struct stream_config {
	enum stream_how tx, rx;
	char **command; /* NULL-terminated, or NULL */
	struct part_file *part; /* --output, or NULL */
	const char *command_name; /* in messages */
	bool passes_on; /* all that COMMAND prints: see command_start() */
	uint64_t limit_bytes_per_s; /* of the sender; 0: none */
	uint64_t size_bytes; /* for --progress; 0: not known */
	bool progress;
	uint32_t *counter; /* shared memory: KiB so far, wraps; or NULL */
};

/*
 * Before the first connection: what is in p has to be compared.  Either may be
 * NULL.
 */
void stream_offer(struct session *session, struct part_file *p);

/*
 * Find out, while sockets can still be opened, what depends on this kernel and
 * on the mode that a connection will have.
 */
void stream_prepare(const struct stream_config *c, bool sends,
		    const struct mode_list *modes);

/*
 * Transfer the stream over the connections of session, the first of which is
 * open, and free the session.  If session is NULL, *e already says why.
 * Fills *stats as far as the stream got.
 * Errors: those of sender_run() and receiver_run(), and ERR_BUG if the system
 * is out of resources.  The peer is told of each.
 */
int stream_run(struct session *session, const struct stream_config *c,
	       struct stats *stats, struct err *e) attr_must_check;
