// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/progress.h"

#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"

enum { TTY_MS = 500, LINE_MS = 10000, TELL_MS = 2000 };

static volatile sig_atomic_t progress_asked;

static void progress_on_signal(int sig)
{
	progress_asked = 1;
}

void progress_start(struct progress *s, bool shown, uint64_t size,
		    uint32_t *counter)
{
	/* No SA_RESTART: poll(2) must return for the line to be printed. */
	struct sigaction sa = { .sa_handler = progress_on_signal };
	uint64_t now = clock_now_ms();

	*s = (struct progress){ .shown = shown,
				.tty = shown && isatty(STDERR_FILENO),
				.size = size,
				.counter = counter,
				.tell_ms = notify_is_on() ? now : CLOCK_NEVER,
				.outage_end_ms = CLOCK_NEVER };
	s->due_ms = shown ? now + (s->tty ? TTY_MS : LINE_MS) : CLOCK_NEVER;
	rate_start(&s->rate, now, 0);
	sigaction(SIGUSR1, &sa, NULL);
}

void progress_set_comparison(struct progress *s, uint64_t done, uint64_t all)
{
	if (!all)
		rate_start(&s->rate, clock_now_ms(), done);
	s->compared = done;
	s->all = all;
}

static void progress_print(const struct progress *s, uint64_t now_ms, char *out,
			   size_t out_size)
{
	uint64_t end_ms = s->outage_end_ms;

	if (s->all)
		rate_print_comparison(&s->rate, now_ms, s->compared, s->all,
				      out, out_size);
	else if (end_ms == CLOCK_NEVER)
		rate_print(&s->rate, now_ms, s->size, out, out_size);
	else
		rate_print_outage(&s->rate, now_ms,
				  end_ms > now_ms ? end_ms - now_ms : 0, out,
				  out_size);
}

/* Returns when to do it again. */
static uint64_t progress_tell(struct progress *s, uint64_t now_ms)
{
	char line[160];

	if (s->counter)
		__atomic_store_n(s->counter, (uint32_t)(s->rate.bytes / 1024),
				 __ATOMIC_RELAXED);
	notify_tick();
	if (now_ms >= s->tell_ms) {
		progress_print(s, now_ms, line, sizeof line);
		notify_status("%s", line);
		s->tell_ms = now_ms + TELL_MS;
	}
	return clock_earlier(s->tell_ms, notify_due());
}

uint64_t progress_update(struct progress *s, uint64_t now_ms, uint64_t bytes,
			 uint64_t outage_end_ms)
{
	uint64_t tell_ms;
	char line[160];

	s->outage_end_ms = outage_end_ms;
	rate_update(&s->rate, now_ms, bytes);
	tell_ms = progress_tell(s, now_ms);
	if (now_ms < s->due_ms && !progress_asked)
		return clock_earlier(s->due_ms, tell_ms);
	progress_print(s, now_ms, line, sizeof line);
	if (progress_asked || !s->tty)
		log_always("%s", line);
	else
		log_status(line);
	progress_asked = 0;
	if (s->shown && now_ms >= s->due_ms)
		s->due_ms = now_ms + (s->tty ? TTY_MS : LINE_MS);
	return clock_earlier(s->due_ms, tell_ms);
}

void progress_finish(struct progress *s, uint64_t bytes)
{
	uint64_t now = clock_now_ms();
	char line[160];

	if (!s->shown)
		return;
	rate_update(&s->rate, now, bytes);
	rate_print(&s->rate, now, s->size, line, sizeof line);
	log_always("%s", line);
}
