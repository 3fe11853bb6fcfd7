// SPDX-License-Identifier: GPL-2.0-or-later
/* clock: deadlines neither wrap around nor come too late. */
#include <limits.h>
#include <time.h>

#include "base/clock.h"
#include "tap.h"
#include "wrap.h"

static struct timespec now;
static clockid_t asked;

WRAP64(clock_gettime, __clock_gettime64, clock_gettime);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	asked = id;
	*ts = now;
	return 0;
}

/* The clock shows 1000 ms. */
static const struct {
	uint64_t timeout, deadline;
} deadlines[] = {
	{ 0, 1000 },
	{ 1, 1001 },
	{ CLOCK_NEVER - 1002, CLOCK_NEVER - 2 },
	{ CLOCK_NEVER - 1001, CLOCK_NEVER - 1 },
	{ CLOCK_NEVER - 1000, CLOCK_NEVER },
	{ CLOCK_NEVER - 999, CLOCK_NEVER },
	{ CLOCK_NEVER - 1, CLOCK_NEVER },
	{ CLOCK_NEVER, CLOCK_NEVER },
};

static const struct {
	uint64_t deadline;
	int poll_ms;
} polls[] = {
	{ 0, 0 },
	{ 999, 0 },
	{ 1000, 0 },
	{ 1001, 1 },
	{ 1000ull + INT_MAX - 1, INT_MAX - 1 },
	{ 1000ull + INT_MAX, INT_MAX },
	{ 1001ull + INT_MAX, INT_MAX },
	{ 1000ull + UINT32_MAX, INT_MAX },
	{ 1000ull + (1ull << 32), INT_MAX },
	{ CLOCK_NEVER - 1, INT_MAX },
	{ CLOCK_NEVER, -1 },
};

static const struct {
	uint64_t ms;
	const char *text;
} texts[] = {
	{ 0, "0s" },	       { 1, "1s" },
	{ 20000, "20s" },      { 60000, "1m" },
	{ 125000, "2m 5s" },   { 3599001, "1h" },
	{ 3600000, "1h" },     { 86400000 - 1000, "23h 59m" },
	{ 604800000, "7d" },   { 604800000 - 1, "7d" },
	{ 90060001, "1d 1h" }, { CLOCK_NEVER, "213503982334d 14h" },
};

int main(void)
{
	char text[CLOCK_TEXT_BYTES];

	now = (struct timespec){ 1234567890, 999999999 };
	is_int(clock_now_ms(), 1234567890999, "nanoseconds are rounded down");
	is_int(asked, CLOCK_MONOTONIC, "the clock never steps back");

	now = (struct timespec){ 1, 0 };
	for (size_t i = 0; i < array_len(deadlines); i++)
		is_int(clock_deadline(deadlines[i].timeout),
		       deadlines[i].deadline, "deadline %zu", i);
	for (size_t i = 0; i < array_len(polls); i++)
		is_int(clock_poll_ms(polls[i].deadline), polls[i].poll_ms,
		       "poll for deadline %zu", i);
	for (size_t i = 0; i < array_len(texts); i++) {
		clock_text(texts[i].ms, text);
		is_str(text, texts[i].text, "text of duration %zu", i);
	}
	is_int(clock_earlier(1, 2), 1, "the earlier one comes first");
	is_int(clock_earlier(CLOCK_NEVER, 5), 5, "anything is before never");
	return tap_end();
}
