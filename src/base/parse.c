// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/parse.h"

#include <inttypes.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Parse digits at *text; move *text behind them. */
static bool parse_digits(const char **text, uint64_t *out)
{
	const char *p = *text;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *p - '0', &value))
			return false;
	*text = p;
	*out = value;
	return true;
}

static bool parse_with_unit(const char *text, const struct unit *units,
			    uint64_t *out)
{
	uint64_t value;

	if (!parse_digits(&text, &value))
		return false;
	for (; units->name; units++)
		if (!strcmp(text, units->name))
			return !__builtin_mul_overflow(value, units->factor,
						       out);
	return false;
}

int parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *out,
	       struct err *e)
{
	const char *p = text;
	uint64_t value;

	if (!parse_digits(&p, &value) || *p || value < min || value > max)
		return err_set(e, ERR_USAGE, 0,
			       "'%s' is not a number from %" PRIu64
			       " to %" PRIu64,
			       text, min, max);
	*out = value;
	return 0;
}

int parse_size(const char *text, uint64_t *bytes, struct err *e)
{
	static const struct unit units[] = {
		{ "", 1 },	     { "K", 1ull << 10 }, { "M", 1ull << 20 },
		{ "G", 1ull << 30 }, { "T", 1ull << 40 }, { NULL, 0 },
	};

	if (!parse_with_unit(text, units, bytes) || *bytes > INT64_MAX)
		return err_set(e, ERR_USAGE, 0,
			       "'%s' is not a size; write it like 512K, 64M, "
			       "2G or 1T",
			       text);
	return 0;
}

int parse_duration(const char *text, uint64_t *ms, struct err *e)
{
	static const struct unit units[] = {
		{ "ms", 1 },	{ "s", 1000 },	  { "", 1000 },
		{ "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
		{ NULL, 0 },
	};

	if (!parse_with_unit(text, units, ms) || *ms > INT64_MAX)
		return err_set(e, ERR_USAGE, 0,
			       "'%s' is not a duration; write it like 500ms, "
			       "10s, 2m, 1h or 7d",
			       text);
	return 0;
}
