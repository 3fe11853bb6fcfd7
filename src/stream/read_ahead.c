// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/read_ahead.h"

#include "base/cleanup.h"

static uint64_t read_ahead_clamp(const struct read_ahead *r, uint64_t bytes)
{
	if (bytes < READ_AHEAD_MIN)
		bytes = READ_AHEAD_MIN;
	return min_u64(bytes, r->max);
}

void read_ahead_init(struct read_ahead *r, uint64_t max)
{
	*r = (struct read_ahead){ .max = max };
	r->bytes = read_ahead_clamp(r, READ_AHEAD_MIN);
}

void read_ahead_note(struct read_ahead *r, bool takes, uint64_t now_ms)
{
	if (takes)
		r->stalled_since_ms = 0;
	else if (!r->stalled_since_ms)
		r->stalled_since_ms = now_ms;
}

uint64_t read_ahead_limit(const struct read_ahead *r, uint64_t now_ms)
{
	bool stalls = r->stalled_since_ms &&
		      now_ms - r->stalled_since_ms >= READ_AHEAD_STALL_MS;

	return stalls ? UINT64_MAX : r->bytes;
}

uint64_t read_ahead_due_ms(const struct read_ahead *r, uint64_t now_ms)
{
	if (!r->stalled_since_ms || read_ahead_limit(r, now_ms) == UINT64_MAX)
		return UINT64_MAX;
	return r->stalled_since_ms + READ_AHEAD_STALL_MS;
}

void read_ahead_hold_back(struct read_ahead *r)
{
	r->held_back = true;
}

void read_ahead_ran_dry(struct read_ahead *r, uint64_t now_ms)
{
	if (!r->dry_since_ms)
		r->dry_since_ms = now_ms;
}

/* Could more bytes have bridged the pause?  Did the producer have them? */
static bool read_ahead_missed(const struct read_ahead *r, uint64_t now_ms)
{
	return r->dry_since_ms && r->held_back &&
	       now_ms - r->dry_since_ms >= READ_AHEAD_DRY_MS;
}

void read_ahead_got(struct read_ahead *r, uint64_t bytes, uint64_t now_ms)
{
	bool missed = read_ahead_missed(r, now_ms);

	r->dry_since_ms = 0;
	r->calm_bytes += bytes;
	if (missed)
		r->bytes = read_ahead_clamp(r, r->bytes * READ_AHEAD_GROWTH);
	else if (r->calm_bytes >= r->bytes * READ_AHEAD_CALM)
		r->bytes = read_ahead_clamp(r, r->bytes / 2);
	else
		return;
	r->calm_bytes = 0;
	r->held_back = false;
}
