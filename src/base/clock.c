// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/clock.h"

#include <limits.h>
#include <time.h>

uint64_t clock_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_deadline(uint64_t timeout_ms)
{
	uint64_t now = clock_now_ms();

	return timeout_ms >= CLOCK_NEVER - now ? CLOCK_NEVER : now + timeout_ms;
}

int clock_poll_ms(uint64_t deadline_ms)
{
	uint64_t now = clock_now_ms();

	if (deadline_ms == CLOCK_NEVER)
		return -1;
	if (deadline_ms <= now)
		return 0;
	return deadline_ms - now > INT_MAX ? INT_MAX : (int)(deadline_ms - now);
}
