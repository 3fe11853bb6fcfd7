/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --limit: a token bucket for the bytes that a sender may send.  Pure. */
#pragma once

#include <stdint.h>

/* After a pause this much of the rate may go out at once. */
enum { PACE_BURST_MS = 100 };

struct pace {
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t tokens; /* thousandths of a byte */
	uint64_t since_ms; /* when tokens was brought up to date */
};

void pace_init(struct pace *p, uint64_t bytes_per_s, uint64_t now_ms);

/*
 * How many of the wanted bytes may be sent now: all, none, or a piece large
 * enough for a record of its own.
 */
uint64_t pace_budget(struct pace *p, uint64_t wanted, uint64_t now_ms);

/* This many bytes of the budget were sent. */
void pace_spend(struct pace *p, uint64_t bytes);

/* When pace_budget() will not be 0; UINT64_MAX: there is no limit. */
uint64_t pace_due_ms(const struct pace *p, uint64_t wanted);
