// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/status.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { TTY_MS = 500, LINE_MS = 10000 };

static volatile sig_atomic_t status_asked;

static void status_on_signal(int sig)
{
	status_asked = 1;
}

void status_start(struct status *s, bool shown, uint64_t size)
{
	/* No SA_RESTART: poll(2) must return for the line to be printed. */
	struct sigaction sa = { .sa_handler = status_on_signal };
	uint64_t now = clock_now_ms();

	*s = (struct status){ .shown = shown,
			      .tty = shown && isatty(STDERR_FILENO),
			      .size = size,
			      .outage_end_ms = CLOCK_NEVER };
	s->due_ms = shown ? now + (s->tty ? TTY_MS : LINE_MS) : CLOCK_NEVER;
	meter_start(&s->meter, now);
	sigaction(SIGUSR1, &sa, NULL);
}

void status_set_outage(struct status *s, uint64_t end_ms)
{
	s->outage_end_ms = end_ms;
}

static void status_print(const struct status *s, uint64_t now_ms, char *out,
			 size_t out_size)
{
	uint64_t end_ms = s->outage_end_ms;

	if (end_ms == CLOCK_NEVER)
		meter_print(&s->meter, now_ms, s->size, out, out_size);
	else
		meter_print_outage(&s->meter, now_ms,
				   end_ms > now_ms ? end_ms - now_ms : 0, out,
				   out_size);
}

uint64_t status_update(struct status *s, uint64_t now_ms, uint64_t bytes)
{
	char line[160];

	meter_update(&s->meter, now_ms, bytes);
	if (now_ms < s->due_ms && !status_asked)
		return s->due_ms;
	status_print(s, now_ms, line, sizeof line);
	if (status_asked || !s->tty)
		log_always("%s", line);
	else
		log_status(line);
	status_asked = 0;
	if (s->shown && now_ms >= s->due_ms)
		s->due_ms = now_ms + (s->tty ? TTY_MS : LINE_MS);
	return s->due_ms;
}

void status_finish(struct status *s, uint64_t bytes)
{
	uint64_t now = clock_now_ms();
	char line[160];

	if (!s->shown)
		return;
	meter_update(&s->meter, now, bytes);
	meter_print(&s->meter, now, s->size, line, sizeof line);
	log_always("%s", line);
}
