// SPDX-License-Identifier: GPL-2.0-or-later
/* retry: how long a stream goes on without a connection that is of use. */
#include "conn/retry.h"

#include "base/clock.h"
#include "tap.h"

static void test_agree(void)
{
	is_int(retry_agree(3600000, 120000), 120000, "the smaller one counts");
	is_int(retry_agree(120000, 3600000), 120000, "whoever wishes for it");
	is_int(retry_agree(3600000, UINT64_MAX), 3600000,
	       "a peer that wishes for ever gets what is granted");
	is_int(retry_agree(0, UINT64_MAX), 0, "0 is no resume on one side");
	is_int(retry_agree(3600000, 0), 0, "and on the other");
}

static void test_without_connection(void)
{
	struct retry r = { .limit_ms = 5000 };

	ok(retry_deadline(&r) == CLOCK_NEVER, "nothing is lost at first");
	retry_connected(&r, 1000);
	ok(retry_deadline(&r) == CLOCK_NEVER,
	   "the first connection has all the time that it likes");
	retry_lost(&r, 50000);
	is_int(retry_deadline(&r), 55000, "the time counts from the loss");
	retry_lost(&r, 52000);
	is_int(retry_deadline(&r), 55000, "not from a later one");
	retry_moved(&r);
	ok(retry_deadline(&r) == CLOCK_NEVER, "until something moves");
	retry_lost(&r, 60000);
	is_int(retry_deadline(&r), 65000, "then it begins again");
}

static void test_of_no_use(void)
{
	struct retry r = { .limit_ms = 60000 };

	retry_lost(&r, 30000);
	retry_connected(&r, 30200);
	is_int(retry_deadline(&r), 90000,
	       "a connection over which nothing moves does not stop the time");
	retry_lost(&r, 60200);
	retry_connected(&r, 60400);
	is_int(retry_deadline(&r), 90000, "nor does the next one");
	retry_lost(&r, 85000);
	retry_connected(&r, 85100);
	is_int(retry_deadline(&r), 95100, "the last one has its trial");
	retry_lost(&r, 85200);
	is_int(retry_deadline(&r), 90000, "but only as long as it lasts");
	retry_connected(&r, 89000);
	retry_moved(&r);
	ok(retry_deadline(&r) == CLOCK_NEVER, "one that is of use ends it");
}

static void test_excuse(void)
{
	struct retry r = { .limit_ms = 60000 };

	retry_excuse(&r, 1000);
	ok(retry_deadline(&r) == CLOCK_NEVER,
	   "who is not late needs no excuse");
	retry_lost(&r, 30000);
	retry_connected(&r, 31000);
	retry_excuse(&r, 300000);
	is_int(retry_deadline(&r), 360000,
	       "a consumer that stalls does not use the time up");
	r = (struct retry){ .limit_ms = 1000 };
	retry_lost(&r, 30000);
	retry_connected(&r, 30500);
	retry_excuse(&r, 300000);
	is_int(retry_deadline(&r), 310000, "and the trial begins behind it");
	retry_lost(&r, 300001);
	retry_excuse(&r, 300002);
	is_int(retry_deadline(&r), 301002,
	       "but without a connection there is none");
}

static void test_longest(void)
{
	struct retry r = { .limit_ms = INT64_MAX };

	retry_lost(&r, 1000);
	retry_connected(&r, 2000);
	ok(retry_deadline(&r) == (uint64_t)INT64_MAX + 1000,
	   "the longest duration is one");
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
