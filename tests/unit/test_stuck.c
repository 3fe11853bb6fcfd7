// SPDX-License-Identifier: GPL-2.0-or-later
/* stuck: a connection that is open and moves nothing; similar ones that do. */
#include "conn/stuck.h"

#include "base/clock.h"
#include "tap.h"

/* The clock and the connection of a test. */
static uint64_t now;
static struct stuck s;

static void begins(uint64_t offset)
{
	now = 1000;
	s = stuck_begin(offset);
	stuck_judge(&s, false, now);
}

/*
 * For so many seconds the receiver sends the same ACK every 5 s.  Returns after
 * how many the connection counted as stuck, or 0.
 */
static int passes(int seconds, uint64_t acked, bool waits, bool owed)
{
	for (int i = 1; i <= seconds; i++) {
		now += 1000;
		if (i % 5 == 0)
			stuck_ack(&s, acked, waits);
		if (stuck_judge(&s, owed, now))
			return i;
	}
	return 0;
}

static void test_stuck(void)
{
	begins(0);
	is_int(passes(100, 0, true, true), 31,
	       "stuck after the receiver waited 30 s for bytes sent");
	begins(500);
	is_int(passes(100, 500, true, true), 31, "also after a resume");
	begins(0);
	passes(20, 0, true, true);
	stuck_ack(&s, 1000, true);
	is_int(passes(100, 1000, true, true), 31,
	       "the time counts from the last new ACK");
}

static void test_not_stuck(void)
{
	begins(0);
	is_int(passes(600, 0, true, false), 0, "not stuck: an idle input");
	begins(0);
	is_int(passes(600, 0, false, true), 0,
	       "not stuck: a consumer that stalls");
	begins(0);
	for (uint64_t i = 1; i < 100; i++)
		if (passes(29, i, true, true))
			ok(false, "stuck at byte %d", (int)i);
	ok(true, "not stuck: a slow network, a byte each 29 s");
	begins(0);
	for (int i = 0; i < 20; i++)
		if (passes(25, 0, true, true) || passes(5, 0, false, true))
			ok(false, "stuck in round %d", i);
	ok(true, "not stuck: a consumer that reads from time to time");
	begins(0);
	for (int i = 0; i < 20; i++)
		if (passes(25, 0, true, true) || passes(1, 0, true, false))
			ok(false, "stuck in round %d", i);
	ok(true, "not stuck: bytes outstanding for less than 30 s");
}

static void test_unheard(void)
{
	begins(0);
	for (int i = 0; i < 60; i++)
		if (stuck_judge(&s, true, now += 1000))
			ok(false, "stuck after %d s", i);
	ok(stuck_due(&s) == CLOCK_NEVER,
	   "a receiver that sends no ACK is silent, not stuck");
	begins(0);
	stuck_ack(&s, 0, false);
	for (int i = 0; i < 60; i++)
		if (stuck_judge(&s, true, now += 1000))
			ok(false, "stuck after %d s", i);
	ok(true, "nor is one that has fallen silent while its consumer stalls");
}

static void test_slept(void)
{
	begins(0);
	passes(10, 0, true, true);
	now += 3600000;
	stuck_ack(&s, 0, true);
	ok(!stuck_judge(&s, true, now), "not stuck: our own suspension");
	is_int(passes(100, 0, true, true), 30,
	       "the time begins again after it");
}

static void test_due(void)
{
	begins(0);
	stuck_ack(&s, 0, true);
	stuck_judge(&s, false, now);
	ok(stuck_due(&s) == CLOCK_NEVER, "nothing outstanding: nothing is due");
	stuck_judge(&s, true, now);
	is_int(stuck_due(&s), now + STUCK_MS, "else due in 30 s");
}

static void test_news(void)
{
	begins(7);
	ok(!stuck_ack(&s, 7, true), "an ACK of the same bytes is not new");
	ok(stuck_ack(&s, 8, true), "one of a byte more is");
	ok(!stuck_ack(&s, 3, false), "an older one is not");
	is_int(s.acked, 8, "and does not lower the total");
}

int main(void)
{
	test_stuck();
	test_not_stuck();
	test_unheard();
	test_slept();
	test_due();
	test_news();
	return tap_end();
}
