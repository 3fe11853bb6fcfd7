/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --progress: the meter on standard error, in place on a terminal, else a line
 * every 10 s; and once for each SIGUSR1, asked for or not.
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
	uint64_t outage_end_ms; /* CLOCK_NEVER: there is a connection */
	struct rate meter;
};

/* Start the clock and take SIGUSR1. */
void progress_start(struct progress *s, bool shown, uint64_t size);

/*
 * bytes: confirmed so far.  Prints if it is time.  Cheap to call often.
 * Returns when it wants to be called again, in clock_now_ms() time.
 */
uint64_t progress_update(struct progress *s, uint64_t now_ms, uint64_t bytes);

/*
 * There is no connection, and end_ms is when it is too late for another one; or
 * CLOCK_NEVER: there is one.
 */
void progress_set_outage(struct progress *s, uint64_t end_ms);

/* The last word: with --progress, one line that stays. */
void progress_finish(struct progress *s, uint64_t bytes);
