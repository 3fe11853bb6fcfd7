/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen --keep: tells the service manager how many streams run and how fast
 * they are together.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/rate.h"

/* In shared memory */
struct serve_counter {
	uint32_t kib; /* of the stream; wraps */
	uint32_t heard; /* of these; only for the listener's process */
};

struct serve_status {
	struct serve_counter *counters; /* one for each place; or NULL */
	size_t count;
	unsigned int running, suspended; /* streams, as last told */
	bool stops; /* the same */
	uint64_t bytes; /* of all streams since there was none */
	struct rate rate; /* of all streams */
	uint64_t due_ms; /* clock_now_ms() time; CLOCK_NEVER: nothing changes */
};

/* places: how many processes there can be.  The caller calls the other one. */
void serve_status_init(struct serve_status *s, size_t places);
void serve_status_fini(struct serve_status *s);

/*
 * Where the process of a stream counts its bytes (stream.h); NULL: nobody wants
 * to know.  serve_status_end() when it has ended.
 */
uint32_t *serve_status_counter(struct serve_status *s, size_t place);
void serve_status_end(struct serve_status *s, size_t place);

/* Call at s->due_ms at the latest.  stops: no new streams are accepted. */
void serve_status_tick(struct serve_status *s, unsigned int running,
		       unsigned int suspended, bool stops);
