/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen --keep: tells the service manager how many streams run and how fast
 * they are together.
 */
#pragma once

#include "cli/served.h"
#include "stream/rate.h"

struct serve_status {
	struct served_numbers told;
	bool stops; /* as last told */
	struct rate rate; /* of all streams */
	/* clock_now_ms() time; CLOCK_NEVER: no change, or nobody listens */
	uint64_t due_ms;
};

/* Call at s->due_ms at the latest.  stops: no new streams are accepted. */
void serve_status_tick(struct serve_status *s, const struct served *t,
		       bool stops);
