// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/serve_status.h"

#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"

enum { TELL_MS = 2000 };

void serve_status_init(struct serve_status *s, size_t places)
{
	void *shared;

	*s = (struct serve_status){ .count = places, .due_ms = CLOCK_NEVER };
	rate_start(&s->rate, clock_now_ms(), 0);
	if (!notify_is_on())
		return;
	shared = mmap(NULL, places * sizeof *s->counters,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared != MAP_FAILED)
		s->counters = shared;
	else
		log_notice("the service manager is not told how fast the "
			   "streams are: no shared memory");
	s->due_ms = 0;
}

void serve_status_fini(struct serve_status *s)
{
	if (s->counters)
		munmap(s->counters, s->count * sizeof *s->counters);
	s->counters = NULL;
}

uint32_t *serve_status_counter(struct serve_status *s, size_t place)
{
	return s->counters ? &s->counters[place].kib : NULL;
}

static void serve_status_hear(struct serve_status *s, size_t place)
{
	struct serve_counter *c = &s->counters[place];
	uint32_t kib = __atomic_load_n(&c->kib, __ATOMIC_RELAXED);

	s->bytes += (uint64_t)(uint32_t)(kib - c->heard) * 1024;
	c->heard = kib;
}

void serve_status_end(struct serve_status *s, size_t place)
{
	if (!s->counters)
		return;
	serve_status_hear(s, place);
	s->counters[place] = (struct serve_counter){ 0 };
}

static void serve_status_tell(struct serve_status *s, uint64_t now_ms,
			      bool stops)
{
	const char *plural = s->running == 1 ? "" : "s";
	const char *verb = stops ? "finishing " : "";
	char rate[RATE_TEXT_BYTES], more[32] = "";

	if (s->suspended)
		snprintf(more, sizeof more, ", %u suspended", s->suspended);
	if (!s->running)
		notify_status("no stream%s", more);
	else if (!s->counters)
		notify_status("%s%u stream%s%s", verb, s->running, plural,
			      more);
	else
		notify_status("%s%u stream%s, %s%s", verb, s->running, plural,
			      rate_text(rate_now(&s->rate, now_ms), rate),
			      more);
}

void serve_status_tick(struct serve_status *s, unsigned int running,
		       unsigned int suspended, bool stops)
{
	uint64_t now = clock_now_ms();

	if (!notify_is_on() || (now < s->due_ms && running == s->running &&
				suspended == s->suspended && stops == s->stops))
		return;
	for (size_t i = 0; s->counters && i < s->count; i++)
		serve_status_hear(s, i);
	/* A pause does not count. */
	if (!s->running) {
		s->bytes = 0;
		rate_start(&s->rate, now, 0);
	}
	rate_update(&s->rate, now, s->bytes);
	s->running = running;
	s->suspended = suspended;
	s->stops = stops;
	s->due_ms = running ? now + TELL_MS : CLOCK_NEVER;
	serve_status_tell(s, now, stops);
}
