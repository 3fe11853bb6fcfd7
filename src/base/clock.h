/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Monotonic time in milliseconds, and deadlines in it. */
#pragma once

#include <stdint.h>

#define CLOCK_NEVER UINT64_MAX /* a deadline that does not come */

/* Milliseconds since some fixed moment; never steps back (CLOCK_MONOTONIC). */
uint64_t clock_now_ms(void);

/* The moment timeout_ms from now; CLOCK_NEVER stays CLOCK_NEVER. */
uint64_t clock_deadline(uint64_t timeout_ms);

/* What poll(2) wants for a deadline: 0 when past, -1 for CLOCK_NEVER. */
int clock_poll_ms(uint64_t deadline_ms);

static inline uint64_t clock_earlier(uint64_t a_ms, uint64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}
