// SPDX-License-Identifier: GPL-2.0-or-later
/* parse: valid numbers, and that all else is refused. */
#include <inttypes.h>

#include "base/parse.h"
#include "tap.h"

static const struct {
	const char *text;
	uint64_t bytes;
} sizes[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "007", 7 },
	{ "512K", 512ull << 10 },
	{ "64M", 64ull << 20 },
	{ "2G", 2ull << 30 },
	{ "1T", 1ull << 40 },
	{ "8388607T", 8388607ull << 40 },
	{ "9223372036854775807", INT64_MAX },
};

static const char *const no_sizes[] = {
	"", "K", "k", "1k", "1KB", "1KiB", "1P", "1.5G", "1,5G", "-1", "+1",
	" 1", "1 ", "1 K", "1K ", "1K1", "0x10", "1e3", "ten", "\xd9\xa3",
	/* 2^63, 2^64 and beyond, in digits and by the unit */
	"9223372036854775808", "18446744073709551615", "18446744073709551616",
	"18446744073709551626", "8388608T", "16777216T", "16777217T",
	"99999999999999999999999999999999999999K"
};

static const struct {
	const char *text;
	uint64_t ms;
} durations[] = {
	{ "0", 0 },
	{ "10", 10000 },
	{ "500ms", 500 },
	{ "10s", 10000 },
	{ "2m", 120000 },
	{ "1h", 3600000 },
	{ "1d", 86400000 },
	{ "7d", 604800000 },
	{ "106751991167d", 9223372036828800000 },
	{ "2562047788015h", 9223372036854000000 },
	{ "9223372036854775s", 9223372036854775000 },
	{ "9223372036854775807ms", INT64_MAX },
};

static const char *const no_durations[] = { "",
					    "s",
					    "ms",
					    "1D",
					    "1d1",
					    "1w",
					    "106751991168d",
					    "1S",
					    "1sec",
					    "1 s",
					    "1.5s",
					    "-1s",
					    "1s2",
					    "9223372036854775808ms",
					    "18446744073709551615",
					    "18446744073709552",
					    "18446744073709552s",
					    "2562047788016h",
					    "5124095576031h" };

static const struct {
	const char *text;
	uint64_t min, max, value;
} uints[] = {
	{ "0", 0, 65535, 0 },
	{ "65535", 0, 65535, 65535 },
	{ "1", 1, 1, 1 },
	{ "000000000000000000000000000000080", 1, 65535, 80 },
	{ "18446744073709551615", 0, UINT64_MAX, UINT64_MAX },
}, no_uints[] = {
	{ "", 0, 65535, 0 },
	{ "65536", 0, 65535, 0 },
	{ "0", 1, 65535, 0 },
	{ "-1", 0, UINT64_MAX, 0 },
	{ "-0", 0, UINT64_MAX, 0 },
	{ "80x", 0, 65535, 0 },
	{ "0x50", 0, 65535, 0 },
	{ "80 ", 0, 65535, 0 },
	{ "\n80", 0, 65535, 0 },
	{ "18446744073709551616", 0, UINT64_MAX, 0 },
	{ "18446744073709551696", 0, UINT64_MAX, 0 },
};

/* A refusal is an ERR_USAGE that quotes the text. */
static bool refused(int ret, const char *text, const struct err *e)
{
	char quoted[64];

	snprintf(quoted, sizeof quoted, "'%s'", text);
	return ret == -1 && e->kind == ERR_USAGE && strstr(e->msg, quoted);
}

static void test_sizes(void)
{
	struct err e = { 0 };
	uint64_t out;

	for (size_t i = 0; i < array_len(sizes); i++) {
		out = 1;
		ok(parse_size(sizes[i].text, &out, &e) == 0 &&
			   out == sizes[i].bytes,
		   "size %s is %" PRIu64 " bytes", sizes[i].text,
		   sizes[i].bytes);
	}
	for (size_t i = 0; i < array_len(no_sizes); i++) {
		e = (struct err){ 0 };
		ok(refused(parse_size(no_sizes[i], &out, &e), no_sizes[i], &e),
		   "'%s' is no size", no_sizes[i]);
	}
}

static void test_durations(void)
{
	struct err e = { 0 };
	uint64_t out;

	for (size_t i = 0; i < array_len(durations); i++) {
		out = 1;
		ok(parse_duration(durations[i].text, &out, &e) == 0 &&
			   out == durations[i].ms,
		   "duration %s is %" PRIu64 " ms", durations[i].text,
		   durations[i].ms);
	}
	for (size_t i = 0; i < array_len(no_durations); i++) {
		e = (struct err){ 0 };
		ok(refused(parse_duration(no_durations[i], &out, &e),
			   no_durations[i], &e),
		   "'%s' is no duration", no_durations[i]);
	}
}

static void test_uints(void)
{
	struct err e = { 0 };
	uint64_t out;

	for (size_t i = 0; i < array_len(uints); i++) {
		out = 99;
		ok(parse_uint(uints[i].text, uints[i].min, uints[i].max, &out,
			      &e) == 0 &&
			   out == uints[i].value,
		   "number %s is %" PRIu64, uints[i].text, uints[i].value);
	}
	for (size_t i = 0; i < array_len(no_uints); i++) {
		e = (struct err){ 0 };
		out = 99;
		ok(refused(parse_uint(no_uints[i].text, no_uints[i].min,
				      no_uints[i].max, &out, &e),
			   no_uints[i].text, &e) &&
			   out == 99,
		   "no number to %" PRIu64 " in row %zu", no_uints[i].max, i);
	}
}

int main(void)
{
	test_sizes();
	test_durations();
	test_uints();
	return tap_end();
}
