// SPDX-License-Identifier: GPL-2.0-or-later
/* rekey: when to dial, when to hold, and when the old connection is empty. */
#include "conn/rekey.h"

#include "tap.h"

enum { LIMIT = 1000, NOW = 5000 };

static void test_dial(void)
{
	struct rekey r = { 0 };

	ok(!rekey_dial(&r, 749, LIMIT, NOW), "no rekey begins too early");
	ok(!rekey_dials(&r) && !rekey_holds(&r), "and nothing changes");
	ok(rekey_dial(&r, 750, LIMIT, NOW),
	   "a rekey begins when a quarter of the records is left");
	ok(rekey_dials(&r) && !rekey_holds(&r), "the stream goes on meanwhile");
	is_int(r.since_ms, NOW, "it knows since when it dials");
	ok(!rekey_dial(&r, 900, LIMIT, NOW + 1), "it begins once");
	is_int(r.since_ms, NOW, "and the time does not move");
	ok(!rekey_drained(&r, UINT64_MAX), "there is no old connection yet");
}

static void test_cancel(void)
{
	struct rekey r = { 0 };

	rekey_cancel(&r);
	is_int(r.phase, REKEY_NONE, "without a rekey nothing is cancelled");
	rekey_dial(&r, LIMIT, LIMIT, NOW);
	rekey_cancel(&r);
	ok(!rekey_dials(&r), "the end of the stream cancels a rekey");
	rekey_dial(&r, LIMIT, LIMIT, NOW);
	rekey_agree(&r);
	rekey_cancel(&r);
	ok(rekey_holds(&r), "but not one that the peer may have accepted");
	rekey_switch(&r, 7);
	rekey_cancel(&r);
	is_int(r.phase, REKEY_DRAINS, "nor one that has switched");
}

static void test_whole(void)
{
	struct rekey r = { 0 };

	rekey_agree(&r);
	is_int(r.phase, REKEY_NONE, "a HELLO to resume agrees on no rekey");
	rekey_dial(&r, LIMIT, LIMIT, NOW);
	rekey_agree(&r);
	ok(rekey_holds(&r) && rekey_dials(&r),
	   "nothing is sent between HELLO and WELCOME");
	ok(!rekey_drained(&r, UINT64_MAX),
	   "the old connection is the only one");
	rekey_switch(&r, 100);
	ok(!rekey_holds(&r) && !rekey_dials(&r), "then the stream goes on");
	ok(!rekey_dial(&r, LIMIT, LIMIT, NOW),
	   "no rekey begins before the old connection is empty");
	ok(!rekey_drained(&r, 99), "it is not empty one byte before the end");
	ok(rekey_drained(&r, 100), "it is empty at its end");
	ok(!rekey_drained(&r, 101), "which is said once");
	ok(rekey_dial(&r, LIMIT, LIMIT, NOW), "the next rekey can begin");
}

/* The server does not dial. */
static void test_server(void)
{
	struct rekey r = { 0 };

	rekey_switch(&r, 0);
	is_int(r.phase, REKEY_DRAINS, "the server switches without dialling");
	ok(rekey_drained(&r, 0), "an old connection may have carried nothing");
}

int main(void)
{
	test_dial();
	test_cancel();
	test_whole();
	test_server();
	return tap_end();
}
