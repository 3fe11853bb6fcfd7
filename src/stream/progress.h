/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --progress: the meter on standard error.  It stays in place on a terminal,
 * and is a line every 10 s elsewhere.  SIGUSR1 prints it once, even without
 * --progress.  The service manager, if there is one, is told the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "stream/rate.h"

struct progress {
	bool shown; /* --progress */
	bool tty;
	uint64_t size; /* of the whole stream; 0: not known */
	uint64_t due_ms;
	uint32_t *counter; /* see stream.h */
	uint64_t tell_ms; /* when to tell the service manager */
	uint64_t outage_end_ms; /* see progress_update() */
	uint64_t compared, all; /* see progress_set_comparison() */
	struct rate rate;
};

/* Start the clock and catch SIGUSR1.  counter: see struct progress. */
void progress_start(struct progress *s, bool shown, uint64_t size,
		    uint32_t *counter);

/*
 * Print if it is time.  bytes: confirmed so far.  outage_end_ms: there is no
 * connection, and the stream is given up then; CLOCK_NEVER: there is one.
 * Cheap to call often.  Returns when to call it again, in clock_now_ms() time.
 */
uint64_t progress_update(struct progress *s, uint64_t now_ms, uint64_t bytes,
			 uint64_t outage_end_ms);

/*
 * A restarted sender has compared done of all bytes that the receiver has.  all
 * 0: no longer; the stream continues behind done bytes.
 */
void progress_set_comparison(struct progress *s, uint64_t done, uint64_t all);

/* The stream has ended: with --progress, print one last line. */
void progress_finish(struct progress *s, uint64_t bytes);
