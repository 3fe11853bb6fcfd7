// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/retry.h"

#include "base/clock.h"

void retry_lost(struct retry *r, uint64_t now_ms)
{
	r->connected_ms = 0;
	if (r->since_ms)
		return;
	r->since_ms = now_ms;
	r->connected = false;
}

void retry_connected(struct retry *r, uint64_t now_ms)
{
	r->connected_ms = now_ms;
	r->connected = true;
}

void retry_moved(struct retry *r)
{
	r->since_ms = 0;
}

void retry_excuse(struct retry *r, uint64_t now_ms)
{
	if (r->since_ms)
		r->since_ms = now_ms;
	if (r->connected_ms)
		r->connected_ms = now_ms;
	r->connected = false;
}

uint64_t retry_deadline(const struct retry *r)
{
	uint64_t trial_ms = r->connected_ms + RETRY_TRIAL_MS;
	uint64_t end_ms = r->since_ms + r->limit_ms;

	if (!r->since_ms)
		return CLOCK_NEVER;
	return r->connected_ms && trial_ms > end_ms ? trial_ms : end_ms;
}
