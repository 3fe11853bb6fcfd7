// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/serve_status.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/notify.h"

enum { TELL_MS = 2000 };

static void serve_status_tell(const struct serve_status *s, uint64_t now_ms)
{
	unsigned int running = s->told.running;
	char rate[RATE_TEXT_BYTES], more[32] = "";

	if (s->told.suspended)
		snprintf(more, sizeof more, ", %u suspended",
			 s->told.suspended);
	if (!running)
		notify_status("no stream%s", more);
	else
		notify_status(
			"%s%u stream%s, %s%s", s->stops ? "finishing " : "",
			running, running == 1 ? "" : "s",
			rate_text(rate_now(&s->rate, now_ms), rate), more);
}

void serve_status_tick(struct serve_status *s, const struct served *t,
		       bool stops)
{
	const struct served_numbers n = served_numbers(t);
	uint64_t now = clock_now_ms();

	if (!notify_is_on() ||
	    (now < s->due_ms && n.running == s->told.running &&
	     n.suspended == s->told.suspended && stops == s->stops))
		return;
	/* A pause does not count. */
	if (!s->told.running)
		rate_start(&s->rate, now, t->bytes);
	rate_update(&s->rate, now, t->bytes);
	s->told = n;
	s->stops = stops;
	/* Nothing tells that a suspended stream has been restarted. */
	s->due_ms = n.running || n.suspended ? now + TELL_MS : CLOCK_NEVER;
	serve_status_tell(s, now);
}
