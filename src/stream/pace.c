// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/pace.h"

#include "base/cleanup.h"

enum { RECORD_BYTES = 16384, UNIT = 1000 };

static uint64_t pace_capacity(const struct pace *p)
{
	uint64_t bytes = p->bytes_per_s * PACE_BURST_MS / 1000;

	return bytes ? bytes : 1;
}

/* The least to send at once: a record, or less if the rate is very low. */
static uint64_t pace_piece(const struct pace *p, uint64_t wanted)
{
	uint64_t piece = pace_capacity(p);

	if (piece > RECORD_BYTES)
		piece = RECORD_BYTES;
	return min_u64(wanted, piece);
}

void pace_init(struct pace *p, uint64_t bytes_per_s, uint64_t now_ms)
{
	/* Beyond this the tokens of a millisecond do not fit. */
	if (bytes_per_s > UINT64_MAX / 1000 / UNIT)
		bytes_per_s = 0;
	*p = (struct pace){ .bytes_per_s = bytes_per_s, .since_ms = now_ms };
}

static void pace_refill(struct pace *p, uint64_t now_ms)
{
	uint64_t ms = now_ms - p->since_ms, full = pace_capacity(p) * UNIT;

	if (ms >= 1000)
		p->tokens = full;
	else
		p->tokens += ms * p->bytes_per_s * UNIT / 1000;
	if (p->tokens > full)
		p->tokens = full;
	p->since_ms = now_ms;
}

uint64_t pace_budget(struct pace *p, uint64_t wanted, uint64_t now_ms)
{
	uint64_t bytes;

	if (!p->bytes_per_s)
		return wanted;
	pace_refill(p, now_ms);
	bytes = p->tokens / UNIT;
	if (bytes >= wanted)
		return wanted;
	if (bytes < pace_piece(p, wanted))
		return 0;
	/* Whole records, if it is at least one */
	return bytes > RECORD_BYTES ? bytes - bytes % RECORD_BYTES : bytes;
}

void pace_spend(struct pace *p, uint64_t bytes)
{
	if (p->bytes_per_s)
		p->tokens -= bytes * UNIT < p->tokens ? bytes * UNIT
						      : p->tokens;
}

uint64_t pace_due_ms(const struct pace *p, uint64_t wanted)
{
	uint64_t need, per_ms = p->bytes_per_s * UNIT / 1000;

	if (!p->bytes_per_s)
		return UINT64_MAX;
	need = pace_piece(p, wanted) * UNIT;
	if (need <= p->tokens)
		return p->since_ms;
	return p->since_ms + (need - p->tokens + per_ms - 1) / per_ms;
}
