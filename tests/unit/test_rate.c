// SPDX-License-Identifier: GPL-2.0-or-later
/* rate: correct at any time and size, and as text. */
#include "stream/rate.h"
#include "tap.h"

enum { START_MS = 123456 };

static const uint64_t KIB = 1024, MIB = 1 << 20, GIB = 1 << 30;

/* A meter that got so many bytes in so many milliseconds, evenly. */
static struct rate meter_at(uint64_t ms, uint64_t bytes)
{
	struct rate m;

	rate_start(&m, START_MS, 0);
	for (uint64_t t = 500; t < ms; t += 500)
		rate_update(&m, START_MS + t, bytes / ms * t);
	rate_update(&m, START_MS + ms, bytes);
	return m;
}

static void test_start(void)
{
	struct rate m;
	char text[80];

	rate_start(&m, START_MS, 0);
	is_int(rate_now(&m, START_MS), 0, "no time, no rate now");
	is_int(rate_average(&m, START_MS), 0, "nor an average");
	rate_update(&m, START_MS, 5 * MIB);
	is_int(rate_now(&m, START_MS), 0, "with bytes: no rate now");
	is_int(rate_average(&m, START_MS), 0, "with bytes: no average");
	rate_print(&m, START_MS, 10 * MIB, text, sizeof text);
	is_str(text, "5 MiB 0 B/s (avg 0 B/s) 0:00:00 50% ETA -",
	       "no rate: the end is unknown");
	rate_update(&m, START_MS + 1, 5 * MIB);
	is_int(rate_average(&m, START_MS + 1), 5 * MIB * 1000,
	       "one millisecond has a rate");
}

static void test_growth(void)
{
	struct rate m = meter_at(20000, 20000 * KIB);
	uint64_t now = START_MS + 20000;
	int wrong = 0;

	is_int(rate_now(&m, now), 1000 * KIB, "an even rate is the rate");
	is_int(rate_average(&m, now), 1000 * KIB, "and the average");
	for (int i = 0; i < 20; i++) {
		uint64_t before = rate_now(&m, now);

		now += 500;
		rate_update(&m, now, 20000 * KIB);
		wrong += rate_now(&m, now) > before;
	}
	is_int(wrong, 0, "the rate falls when nothing comes");
	is_int(rate_now(&m, now), 0, "until it is 0");
	is_int(rate_average(&m, now), 20000 * KIB / 30,
	       "but the average remembers");
	for (int i = 1; i <= 20; i++)
		rate_update(&m, now + (uint64_t)i * 500,
			    20000 * KIB + (uint64_t)i * MIB);
	is_int(rate_now(&m, now + 10000), 2 * MIB, "the rate forgets a pause");
}

static void test_huge(void)
{
	uint64_t huge = UINT64_MAX / 1000 * 999;
	struct rate m = meter_at(1000, huge);
	char text[120];

	ok(rate_average(&m, START_MS + 1000) == huge,
	   "a huge average in a second does not overflow");
	ok(rate_now(&m, START_MS + 1000) == huge, "and a huge rate does not");
	rate_start(&m, 0, 0);
	rate_update(&m, 999, 998);
	is_int(rate_average(&m, 999), 998 * 1000 / 999,
	       "a rate is not rounded to thousands");
	m.bytes = UINT64_MAX;
	is_int(rate_average(&m, UINT64_MAX / 1000), 1000000,
	       "nor do time and bytes overflow together");
	rate_print(&m, 3600000, UINT64_MAX, text, sizeof text);
	ok(!strncmp(text, "16 EiB ", 7) &&
		   strstr(text, " 1:00:00 100% ETA 0:00:00"),
	   "the largest count has a text: %s", text);
}

static void test_units(void)
{
	const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B " },
		{ 1, "1 B " },
		{ 999, "999 B " },
		{ 1000, "0.977 KiB " },
		{ 1024, "1 KiB " },
		{ 1536, "1.5 KiB " },
		{ 12345, "12.1 KiB " },
		{ 100 * KIB, "100 KiB " },
		{ 999 * KIB, "999 KiB " },
		{ MIB, "1 MiB " },
		{ 5 * GIB / 4, "1.25 GiB " },
		{ 1024 * GIB, "1 TiB " },
		{ 1 << 20, "1 MiB " },
		{ MIB * GIB, "1 PiB " },
		{ GIB * GIB, "1 EiB " },
	};

	for (size_t i = 0; i < array_len(rows); i++) {
		struct rate m = meter_at(1000, rows[i].bytes);
		char text[80];

		rate_print(&m, START_MS + 1000, 0, text, sizeof text);
		text[strlen(rows[i].text)] = '\0';
		is_str(text, rows[i].text, "%llu bytes are a text",
		       (unsigned long long)rows[i].bytes);
	}
}

static void test_print(void)
{
	struct rate m = meter_at(4000, 4 * 300 * MIB);
	char text[80], cut[12] = "";

	rate_print(&m, START_MS + 4000, 0, text, sizeof text);
	is_str(text, "1.17 GiB 300 MiB/s (avg 300 MiB/s) 0:00:04",
	       "no size: no percentage and no ETA");
	rate_print(&m, START_MS + 4000, 4 * 1200 * MIB, text, sizeof text);
	is_str(text,
	       "1.17 GiB 300 MiB/s (avg 300 MiB/s) 0:00:04 25% ETA 0:00:12",
	       "with a size: percentage and ETA");
	rate_print(&m, START_MS + 4000, 1200 * MIB, text, sizeof text);
	ok(strstr(text, " 100% ETA 0:00:00"), "all of it is 100%%");
	rate_print(&m, START_MS + 4000, 600 * MIB, text, sizeof text);
	ok(strstr(text, " 200% ETA 0:00:00"), "a wrong size does no harm");
	rate_print(&m, START_MS + 4000, 600 * MIB, cut, sizeof cut);
	is_str(cut, "1.17 GiB 30", "a text that does not fit is cut");
	rate_print(&m, START_MS + 360000000, 0, text, sizeof text);
	ok(strstr(text, " 100:00:00"), "hours go on after 99");
}

static void test_comparison(void)
{
	struct rate m;
	char text[160];

	rate_start(&m, START_MS, 0);
	rate_print_comparison(&m, START_MS + 65000, 3ull << 30, 118ull << 30,
			      text, sizeof text);
	is_str(text, "comparing 118 GiB that the receiver has: 3 GiB 0:01:05",
	       "a comparison shows how far it is");
	rate_start(&m, START_MS, 1ull << 40);
	rate_update(&m, START_MS + 1000, (1ull << 40) + 5000);
	is_int(rate_average(&m, START_MS + 1000), 5000,
	       "bytes that were there already are no rate");
	is_int(rate_now(&m, START_MS + 1000), 5000, "nor a current one");
}

static void test_outage(void)
{
	struct rate m = meter_at(4000, 4 * 300 * MIB);
	char text[80];

	rate_print_outage(&m, START_MS + 65000, 117999, text, sizeof text);
	is_str(text, "1.17 GiB 0:01:05 reconnecting, 0:01:57 left",
	       "without a connection there is no rate, but a deadline");
}

int main(void)
{
	test_start();
	test_growth();
	test_huge();
	test_units();
	test_print();
	test_outage();
	test_comparison();
	return tap_end();
}
