/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers from the command line.  The whole text must be one number in range.
 * Errors: ERR_USAGE, which says what is accepted; then the result is undefined.
 */
#pragma once

#include "base/err.h"

/* A decimal number from min to max. */
int parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *out,
	       struct err *e) attr_must_check;

/* Bytes, below 2^63: digits, then nothing, K, M, G or T (powers of 1024). */
int parse_size(const char *text, uint64_t *bytes,
	       struct err *e) attr_must_check;

/* Milliseconds: digits, then ms, s, m, h or d; bare digits are seconds. */
int parse_duration(const char *text, uint64_t *ms,
		   struct err *e) attr_must_check;
