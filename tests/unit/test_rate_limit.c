// SPDX-License-Identifier: GPL-2.0-or-later
/* rate_limit: a source has five tries at once, then one a second. */
#include "auth/rate_limit.h"
#include "tap.h"

static struct rate_limit g;

/* Each source has a site of its own, except for those of one_site(). */
static const struct net_address *source(unsigned int n)
{
	static struct net_address s;

	s = (struct net_address){ .family = AF_INET6,
				  .bytes = { (uint8_t)(n >> 16),
					     (uint8_t)(n >> 8), (uint8_t)n, 1,
					     0, 0, (uint8_t)(n >> 24) } };
	return &s;
}

/* The n-th /64 of a /48 */
static unsigned int one_site(unsigned int n)
{
	return 0x123456 + (n << 24);
}

/* How many of these tries at one moment are allowed? */
static int wrong(unsigned int who, int tries, uint64_t now_ms)
{
	int through = 0;

	while (tries--)
		through += rate_limit_begin(&g, source(who), now_ms);
	return through;
}

static void test_rate(void)
{
	uint64_t t = 100000;
	int through = 0;

	g = (struct rate_limit){ 0 };
	is_int(wrong(1, 20, t), RATE_LIMIT_BURST, "five at once");
	is_int(wrong(1, 20, t + 999), 0, "none within the next second");
	is_int(wrong(1, 20, t + 1000), 1, "then one");
	is_int(wrong(1, 20, t + 1999), 0, "one a second");
	is_int(wrong(1, 20, t + 4000), 3, "unused tries add up");
	is_int(wrong(1, 20, t + 3600000), RATE_LIMIT_BURST,
	       "but no more than five");
	t += 7200000;
	for (int ms = 0; ms < 60000; ms += 10)
		through += wrong(1, 1, t + (uint64_t)ms);
	is_int(through, RATE_LIMIT_BURST + 59, "a minute of trying: 5 and 59");
}

static void test_others(void)
{
	uint64_t t = 1;

	g = (struct rate_limit){ 0 };
	wrong(1, 1000, t);
	is_int(wrong(2, 20, t), RATE_LIMIT_BURST,
	       "another address is not held up");
	is_int(wrong(1, 1, t), 0, "nor does it help the first");
}

static void test_right(void)
{
	uint64_t t = 5000;
	int through = 0;

	g = (struct rate_limit){ 0 };
	for (int i = 0; i < 1000; i++) {
		through += rate_limit_begin(&g, source(1), t);
		rate_limit_right(&g, source(1));
	}
	is_int(through, 1000, "right passwords are not limited");
	is_int(wrong(1, 20, t), RATE_LIMIT_BURST, "and leave no debt");
	rate_limit_right(&g, source(1));
	is_int(wrong(1, 20, t), 1, "a right one gives back only its own try");
	rate_limit_right(&g, source(77));
	is_int(wrong(77, 20, t), RATE_LIMIT_BURST,
	       "a right one of an unknown source changes nothing");
	/* Handshakes that have begun and are not over */
	g = (struct rate_limit){ 0 };
	is_int(wrong(1, 32, t), RATE_LIMIT_BURST,
	       "many at the same time are many");
}

/* Tries at one moment, the same number from each of many addresses */
static int wrong_from(unsigned int first, unsigned int count, int tries,
		      uint64_t now_ms)
{
	int through = 0;

	for (unsigned int i = 0; i < count; i++)
		through += wrong(first + i, tries, now_ms);
	return through;
}

static void test_memory(void)
{
	uint64_t t = 1000000;

	g = (struct rate_limit){ 0 };
	is_int(wrong_from(1, RATE_LIMIT_SOURCES, 5, t), 5 * RATE_LIMIT_SOURCES,
	       "each source that fits has its own tries");
	is_int(wrong_from(5000, 3000, 5, t + 1), RATE_LIMIT_BURST,
	       "all further sources share the tries of one");
	is_int(wrong_from(1, RATE_LIMIT_SOURCES, 1, t + 2), 0,
	       "and no other source is forgotten for them");
	is_int(wrong_from(200000, 3000, 1, t + 1001), 1,
	       "together they have one a second");
	is_int(wrong_from(1, RATE_LIMIT_SOURCES, 2, t + 1001),
	       RATE_LIMIT_SOURCES, "the first sources have their own");
	is_int(wrong_from(300000, 3, 20, t + 6001), 3 * RATE_LIMIT_BURST,
	       "once others have paid, new sources count one by one");
	is_int(wrong_from(300000, 3, 20, t + 6002), 0, "and stays so");
	is_int(wrong(5, 20, t + 3600000), RATE_LIMIT_BURST,
	       "an hour later no source owes anything");
}

/* The most for many sources: five each while they fit, then one a second. */
static void test_many(void)
{
	uint64_t t = 1000000;
	int through = 0;

	g = (struct rate_limit){ 0 };
	for (unsigned int i = 0; i < 60000; i++)
		through += wrong(i, 1, t + i / 10);
	ok(through <= (RATE_LIMIT_SOURCES + 1) * (RATE_LIMIT_BURST + 6),
	   "6 s with a new address for each try: %d were allowed", through);
	is_int(wrong_from(700000, 20, 1, t + 8000), 20,
	       "2 s later no source is held up");
}

static void test_right_beyond(void)
{
	uint64_t t = 1000000;
	int through = 0;

	g = (struct rate_limit){ 0 };
	wrong_from(1, RATE_LIMIT_SOURCES, 5, t);
	for (unsigned int i = 0; i < 1000; i++) {
		through += rate_limit_begin(&g, source(5000 + i), t);
		rate_limit_right(&g, source(5000 + i));
	}
	is_int(through, 1000, "beyond, right passwords are not limited either");
	is_int(wrong_from(5000, 100, 1, t), RATE_LIMIT_BURST,
	       "and leave no debt");
	rate_limit_right(&g, source(1));
	is_int(wrong_from(5000, 100, 1, t), 0,
	       "a right one of a source that fits helps no other source");
}

/* A /48 has 65536 sources, but only its share of the memory. */
static void test_site(void)
{
	uint64_t t = 1000000;
	int through = 0, own = 5 * RATE_LIMIT_SITE_SOURCES;

	g = (struct rate_limit){ 0 };
	for (unsigned int i = 0; i < 200; i++)
		through += wrong(one_site(i), 5, t);
	is_int(through, own + RATE_LIMIT_BURST,
	       "a /48: 32 sources count one by one, the others as one");
	is_int(wrong(one_site(0), 1, t + 1000), 1, "the first have theirs");
	through = 0;
	for (unsigned int i = 100; i < 200; i++)
		through += wrong(one_site(i), 5, t + 1000);
	is_int(through, 1, "together the others have one a second");
	is_int(wrong_from(1, RATE_LIMIT_SOURCES - RATE_LIMIT_SITE_SOURCES - 1,
			  5, t + 1),
	       5 * (RATE_LIMIT_SOURCES - RATE_LIMIT_SITE_SOURCES - 1),
	       "all the rest of the memory is for other sources");
	through = 0;
	for (unsigned int i = 100; i < 200; i++) {
		through += rate_limit_begin(&g, source(one_site(i)), t + 2000);
		rate_limit_right(&g, source(one_site(i)));
	}
	is_int(through, 100, "right passwords of such a /48 are not limited");
	is_int(wrong(one_site(100), 5, t + 2000), 1, "and leave no debt");
	is_int(wrong(one_site(150), 20, t + 3600000), RATE_LIMIT_BURST,
	       "an hour later no source owes anything");
	g = (struct rate_limit){ 0 };
	/* Its place stays, because that of another is free before it. */
	wrong(1, 1, t);
	for (unsigned int i = 1; i < RATE_LIMIT_SITE_SOURCES; i++)
		wrong(one_site(i), 5, t);
	wrong(one_site(500), 5, t);
	for (unsigned int i = 1; i < RATE_LIMIT_SITE_SOURCES; i++)
		wrong(one_site(i), 5, t + 9000);
	wrong(one_site(0), 5, t + 9000);
	through = 0;
	for (unsigned int i = 0; i < 100; i++) {
		through +=
			rate_limit_begin(&g, source(one_site(500)), t + 9000);
		rate_limit_right(&g, source(one_site(500)));
	}
	is_int(through, 100,
	       "nor are those of a source that counted alone before");
	g = (struct rate_limit){ 0 };
	wrong_from(1, 2 * RATE_LIMIT_SITE_SOURCES, 5, t);
	is_int(wrong(one_site(0), 9, t) + wrong(one_site(1), 9, t),
	       2 * RATE_LIMIT_BURST,
	       "sources of other sites are no neighbours");
}

static void test_site_of_ipv4(void)
{
	int through = 0;

	g = (struct rate_limit){ 0 };
	for (unsigned int i = 0; i < 200; i++) {
		const struct net_address v4 = {
			.family = AF_INET, .bytes = { 192, [3] = (uint8_t)i }
		};

		through += rate_limit_begin(&g, &v4, 1000000);
	}
	is_int(through, 200, "each IPv4 address is a site by itself");
}

int main(void)
{
	test_site();
	test_site_of_ipv4();
	test_rate();
	test_others();
	test_right();
	test_memory();
	test_many();
	test_right_beyond();
	return tap_end();
}
