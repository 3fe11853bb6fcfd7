/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The smaller of two numbers, such as byte counts; moments: clock_earlier(). */
#pragma once

#include <stdint.h>

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}
