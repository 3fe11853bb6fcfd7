// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * read_ahead: the limit stays small while the producer keeps up, and grows if
 * it works in bursts that could have kept the connection busy in the pauses.
 */
#include "stream/read_ahead.h"
#include "tap.h"

enum { MAX = 64 << 20, BURST = 32 << 20, PAUSE_MS = 2000, CYCLES = 12 };

static void test_limits(void)
{
	struct read_ahead r;

	read_ahead_init(&r, MAX);
	is_int(r.bytes, READ_AHEAD_MIN, "it begins small");
	read_ahead_init(&r, 4096);
	is_int(r.bytes, 4096, "but never beyond --buffer");
}

/* Run dry at 1000 ms, for so long, then get bytes. */
static uint64_t after_pause(struct read_ahead *r, uint64_t pause_ms)
{
	read_ahead_ran_dry(r, 1000);
	read_ahead_ran_dry(r, 1001);
	read_ahead_got(r, 4096, 1000 + pause_ms);
	return r->bytes;
}

static void test_growth(void)
{
	struct read_ahead r;

	read_ahead_init(&r, MAX);
	is_int(after_pause(&r, 500), READ_AHEAD_MIN,
	       "a slow producer, never held back, does not make it grow");
	read_ahead_hold_back(&r);
	is_int(after_pause(&r, READ_AHEAD_DRY_MS - 1), READ_AHEAD_MIN,
	       "nor does a pause that the socket bridges");
	read_ahead_hold_back(&r);
	is_int(after_pause(&r, READ_AHEAD_DRY_MS), 4 * READ_AHEAD_MIN,
	       "a pause of one that was held back does");
	is_int(after_pause(&r, 500), 4 * READ_AHEAD_MIN,
	       "but only if it was held back since");
	for (int i = 0; i < 10; i++) {
		read_ahead_hold_back(&r);
		after_pause(&r, 500);
	}
	is_int(r.bytes, MAX, "up to --buffer");
}

/* While the connection takes nothing, reading on costs nothing. */
static void test_stall(void)
{
	struct read_ahead r;

	read_ahead_init(&r, MAX);
	ok(read_ahead_due_ms(&r, 1000) == UINT64_MAX, "nothing is due");
	read_ahead_note(&r, false, 1000);
	read_ahead_note(&r, false, 1050);
	is_int(read_ahead_limit(&r, 1099), READ_AHEAD_MIN,
	       "a connection that is full for a moment changes nothing");
	is_int(read_ahead_due_ms(&r, 1099), 1100, "the limit is lifted soon");
	ok(read_ahead_limit(&r, 1100) == UINT64_MAX,
	   "one that takes nothing for long: as much as there is room for");
	ok(read_ahead_due_ms(&r, 1100) == UINT64_MAX, "and nothing is due");
	read_ahead_note(&r, true, 1200);
	is_int(read_ahead_limit(&r, 1200), READ_AHEAD_MIN,
	       "until it takes bytes again");
}

static void test_calm(void)
{
	struct read_ahead r;
	uint64_t bytes = 0;

	read_ahead_init(&r, MAX);
	r.bytes = MAX;
	while (r.bytes > READ_AHEAD_MIN && bytes < (4ull << 30)) {
		read_ahead_hold_back(&r);
		read_ahead_got(&r, 1 << 20, 0);
		bytes += 1 << 20;
	}
	is_int(r.bytes, READ_AHEAD_MIN, "without pauses it shrinks again");
	ok(bytes < (3ull << 30), "within 3 GiB");
}

/*
 * A producer gives BURST bytes as fast as they are taken and then pauses; the
 * network carries 20 MB/s; steps are a millisecond.  Returns how long CYCLES of
 * that take, after as many to adapt.
 */
static uint64_t simulate(struct read_ahead *r, bool follows)
{
	const uint64_t link_bytes_per_ms = 20000;
	uint64_t now = 1, unsent = 0, burst = 0, wakes = 0, began = 0;

	for (int cycles = 0; cycles < 2 * CYCLES; now++) {
		uint64_t room = r->bytes -
				(unsent < r->bytes ? unsent : r->bytes);

		if (now >= wakes && room && burst < BURST) {
			uint64_t n = BURST - burst < room ? BURST - burst
							  : room;

			burst += n;
			unsent += n;
			if (follows)
				read_ahead_got(r, n, now);
		}
		if (now >= wakes && burst < BURST)
			read_ahead_hold_back(r);
		if (burst == BURST) {
			burst = 0;
			wakes = now + PAUSE_MS;
			if (++cycles == CYCLES)
				began = now;
		}
		unsent -= unsent < link_bytes_per_ms ? unsent
						     : link_bytes_per_ms;
		if (!unsent)
			read_ahead_ran_dry(r, now);
	}
	return now - began;
}

static void test_bursts(void)
{
	struct read_ahead follows, largest, smallest;
	uint64_t ms, best, worst;

	read_ahead_init(&follows, MAX);
	read_ahead_init(&largest, MAX);
	largest.bytes = MAX;
	read_ahead_init(&smallest, MAX);
	ms = simulate(&follows, true);
	best = simulate(&largest, false);
	worst = simulate(&smallest, false);
	ok(worst > best * 3 / 2,
	   "bursts over a small one take half as long again");
	ok(ms <= best * 21 / 20,
	   "bursts keep the network as busy as with the largest");
}

int main(void)
{
	test_limits();
	test_growth();
	test_stall();
	test_calm();
	test_bursts();
	return tap_end();
}
