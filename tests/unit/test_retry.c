// SPDX-License-Identifier: GPL-2.0-or-later
/* retry: when a stream without progress is given up. */
#include "conn/retry.h"

#include "base/clock.h"
#include "tap.h"

static void test_agree(void)
{
	is_int(retry_agree(3600000, 120000), 120000, "the shorter one counts");
	is_int(retry_agree(120000, 3600000), 120000, "whichever side it is of");
	is_int(retry_agree(3600000, UINT64_MAX), 3600000,
	       "a peer that asks for ever gets our limit");
	is_int(retry_agree(0, UINT64_MAX), 0, "our 0: no resume");
	is_int(retry_agree(3600000, 0), 0, "the peer's 0: no resume");
}

static void test_without_connection(void)
{
	struct retry r = { .limit_ms = 5000 };

	ok(retry_deadline(&r) == CLOCK_NEVER, "no deadline at first");
	retry_connected(&r, 1000);
	ok(retry_deadline(&r) == CLOCK_NEVER,
	   "no deadline for the first connection");
	retry_lost(&r, 50000);
	is_int(retry_deadline(&r), 55000, "the deadline counts from the loss");
	retry_lost(&r, 52000);
	is_int(retry_deadline(&r), 55000, "not from a second loss");
	retry_moved(&r);
	ok(retry_deadline(&r) == CLOCK_NEVER, "progress ends the outage");
	retry_lost(&r, 60000);
	is_int(retry_deadline(&r), 65000, "the next loss begins another");
}

static void test_of_no_use(void)
{
	struct retry r = { .limit_ms = 60000 };

	retry_connected(&r, 1000);
	retry_lost(&r, 30000);
	ok(!r.connected, "no other connection yet");
	retry_connected(&r, 30200);
	is_int(retry_deadline(&r), 90000,
	       "a connection without progress does not move the deadline");
	retry_lost(&r, 60200);
	retry_connected(&r, 60400);
	is_int(retry_deadline(&r), 90000, "nor does the next one");
	retry_lost(&r, 85000);
	retry_connected(&r, 85100);
	is_int(retry_deadline(&r), 95100, "the last one has its whole trial");
	retry_lost(&r, 85200);
	is_int(retry_deadline(&r), 90000, "but only while it is open");
	ok(r.connected, "there were other connections");
	retry_connected(&r, 89000);
	retry_moved(&r);
	ok(retry_deadline(&r) == CLOCK_NEVER, "progress ends the outage");
}

static void test_excuse(void)
{
	struct retry r = { .limit_ms = 60000 };

	retry_excuse(&r, 1000);
	ok(retry_deadline(&r) == CLOCK_NEVER,
	   "an excuse without an outage changes nothing");
	retry_lost(&r, 30000);
	retry_connected(&r, 31000);
	retry_excuse(&r, 300000);
	is_int(retry_deadline(&r), 360000,
	       "a stalled consumer does not use the time up");
	ok(!r.connected, "the next outage is another one");
	r = (struct retry){ .limit_ms = 1000 };
	retry_lost(&r, 30000);
	retry_connected(&r, 30500);
	retry_excuse(&r, 300000);
	is_int(retry_deadline(&r), 310000, "and the trial begins again");
	retry_lost(&r, 300001);
	retry_excuse(&r, 300002);
	is_int(retry_deadline(&r), 301002,
	       "without a connection there is no trial");
}

static void test_longest(void)
{
	struct retry r = { .limit_ms = INT64_MAX };

	retry_lost(&r, 1000);
	retry_connected(&r, 2000);
	ok(retry_deadline(&r) == (uint64_t)INT64_MAX + 1000,
	   "the longest duration does not overflow");
}

int main(void)
{
	test_agree();
	test_without_connection();
	test_of_no_use();
	test_excuse();
	test_longest();
	return tap_end();
}
