/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Monotonic time and deadlines, in milliseconds. */
#pragma once

#include <stdint.h>

#define CLOCK_NEVER UINT64_MAX /* a deadline that never comes */
enum { CLOCK_TEXT_BYTES = 32 };

/* Milliseconds since a fixed moment; never goes back (CLOCK_MONOTONIC). */
uint64_t clock_now_ms(void);

/* The moment timeout_ms from now.  CLOCK_NEVER gives CLOCK_NEVER. */
uint64_t clock_deadline(uint64_t timeout_ms);

/*
 * Write a duration, like "7d", "1h 30m" or "20s": rounded up to seconds, and in
 * at most two units.
 */
void clock_text(uint64_t ms, char text[static CLOCK_TEXT_BYTES]);

/* The timeout for poll(2): 0 if the deadline has passed, -1 for CLOCK_NEVER. */
int clock_poll_ms(uint64_t deadline_ms);

/* The earlier of two moments; for other numbers there is min_u64(). */
static inline uint64_t clock_earlier(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}
