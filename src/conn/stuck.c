// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/stuck.h"

#include "base/clock.h"

struct stuck stuck_begin(uint64_t offset)
{
	/* A peer that has just connected waits, until an ACK says otherwise. */
	return (struct stuck){ .acked = offset, .waits = true };
}

bool stuck_ack(struct stuck *s, uint64_t acked, bool waits)
{
	bool news = acked > s->acked;

	s->heard = true;
	s->waits = waits;
	if (news)
		s->acked = acked;
	if (news || !waits)
		s->since_ms = 0;
	return news;
}

bool stuck_judge(struct stuck *s, bool owed, uint64_t now_ms)
{
	bool slept = now_ms - s->judged_ms >= STUCK_GAP_MS;

	s->judged_ms = now_ms;
	if (!owed || !s->waits)
		s->since_ms = 0;
	else if (!s->since_ms || slept)
		s->since_ms = now_ms;
	return s->heard && s->since_ms && now_ms - s->since_ms >= STUCK_MS;
}

uint64_t stuck_due(const struct stuck *s)
{
	return s->heard && s->since_ms ? s->since_ms + STUCK_MS : CLOCK_NEVER;
}
