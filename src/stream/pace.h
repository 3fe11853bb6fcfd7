/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --limit: a token bucket for the bytes that a sender may send.  Pure. */
#pragma once

#include <stdint.h>

enum { PACE_BURST_MS = 100 }; /* how much may go out at once after a pause */

struct pace {
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t tokens; /* thousandths of a byte */
	uint64_t since_ms; /* when tokens was right */
};

void pace_init(struct pace *p, uint64_t bytes_per_s, uint64_t now_ms);

/*
 * How many of wanted bytes may go out now: all, none, or a piece that is worth a
 * record of its own.
 */
uint64_t pace_budget(struct pace *p, uint64_t wanted, uint64_t now_ms);

/* So many bytes, of a budget, went out. */
void pace_spend(struct pace *p, uint64_t bytes);

/* When there will be a budget for wanted bytes; UINT64_MAX: there is no limit. */
uint64_t pace_due_ms(const struct pace *p, uint64_t wanted);
