// SPDX-License-Identifier: GPL-2.0-or-later
/* pace: the sender never exceeds its rate, and nearly reaches it. */
#include "stream/pace.h"
#include "tap.h"

enum { SECONDS = 20 };

/* Send all that is allowed, when it is due.  Returns the bytes of SECONDS. */
static uint64_t run(uint64_t rate, uint64_t wanted, int *early)
{
	struct pace p;
	uint64_t now = 5000, end = now + SECONDS * 1000, sent = 0;

	pace_init(&p, rate, now);
	while (now < end) {
		uint64_t n = pace_budget(&p, wanted, now), due;

		pace_spend(&p, n);
		sent += n;
		if (n)
			continue;
		due = pace_due_ms(&p, wanted);
		*early += due <= now;
		now = due > now ? due : now + 1;
	}
	return sent;
}

static void test_rates(void)
{
	static const uint64_t rates[] = {
		1, 100, 5000, 100000, 1 << 20, 10000000, 1 << 30, 1ull << 40
	};

	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		uint64_t all = rates[i] * SECONDS;
		int early = 0;
		uint64_t sent = run(rates[i], 1 << 20, &early);

		/* One burst more than the rate */
		ok(sent <= all + rates[i] / 10 + 1,
		   "%llu a second are not exceeded",
		   (unsigned long long)rates[i]);
		/* A clock of milliseconds allows so many bursts. */
		if (rates[i] < 1u << 30)
			ok(sent >= all - all / 20 - 1, "and used");
		is_int(early, 0, "bytes that are due can be sent");
	}
}

static void test_pieces(void)
{
	struct pace p;

	pace_init(&p, 0, 0);
	is_int(pace_budget(&p, 12345678, 0), 12345678, "0 is no limit");
	ok(pace_due_ms(&p, 1) == UINT64_MAX, "which is never due");
	pace_init(&p, 10 << 20, 0);
	is_int(pace_budget(&p, 1 << 20, 0), 0, "it begins empty");
	is_int(pace_budget(&p, 1 << 20, 1), 0, "a piece of a record waits");
	is_int(pace_budget(&p, 1 << 20, 2), 16384, "for a whole one");
	is_int(pace_budget(&p, 100, 2), 100, "less is sent as it is");
	is_int(pace_budget(&p, 64 << 20, 60000), (1 << 20) / 16384 * 16384,
	       "after a pause it is a burst, not more");
}

int main(void)
{
	test_rates();
	test_pieces();
	return tap_end();
}
