// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/clock.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
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

void clock_text(uint64_t ms, char text[static CLOCK_TEXT_BYTES])
{
	static const struct {
		uint64_t seconds;
		char name;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t left = ms / 1000 + (ms % 1000 != 0);
	size_t i = 0;
	int n;

	while (i < 3 && left < units[i].seconds)
		i++;
	n = snprintf(text, CLOCK_TEXT_BYTES, "%" PRIu64 "%c",
		     left / units[i].seconds, units[i].name);
	left %= units[i].seconds;
	if (i < 3 && left / units[i + 1].seconds)
		snprintf(text + n, CLOCK_TEXT_BYTES - (size_t)n, " %u%c",
			 (unsigned int)(left / units[i + 1].seconds),
			 units[i + 1].name);
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
