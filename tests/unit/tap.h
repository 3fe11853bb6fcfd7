/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAP for the unit tests: a line for each check, the plan at the end.  A
 * program is one source file, so everything here is static.
 */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int tap_count, tap_failures;

attr_printf(3, 0) static inline void tap_result(bool good, const char *where,
						const char *name, va_list ap)
{
	tap_count++;
	tap_failures += !good;
	printf("%sok %d - ", good ? "" : "not ", tap_count);
	vprintf(name, ap);
	printf("\n");
	if (!good)
		printf("#   failed at %s\n", where);
	/* An empty buffer: a child process must not print it again. */
	fflush(stdout);
}

attr_printf(3, 4) static inline bool tap_ok(bool good, const char *where,
					    const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	tap_result(good, where, name, ap);
	va_end(ap);
	return good;
}

attr_printf(4, 5) static inline bool tap_int(long long got, long long want,
					     const char *where,
					     const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	tap_result(got == want, where, name, ap);
	va_end(ap);
	if (got != want)
		printf("#   got %lld, want %lld\n", got, want);
	return got == want;
}

attr_printf(4, 5) static inline bool tap_str(const char *got, const char *want,
					     const char *where,
					     const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	tap_result(!strcmp(got, want), where, name, ap);
	va_end(ap);
	if (strcmp(got, want))
		printf("#   got '%s', want '%s'\n", got, want);
	return !strcmp(got, want);
}

#define TAP_TEXT(x) TAP_TEXT_(x)
#define TAP_TEXT_(x) #x
#define TAP_HERE __FILE__ ":" TAP_TEXT(__LINE__)

/* All take the name of the check last, as for printf(3), without a '#'. */
#define ok(cond, ...) tap_ok((cond), TAP_HERE, __VA_ARGS__)
#define is_int(got, want, ...) \
	tap_int((long long)(got), (long long)(want), TAP_HERE, __VA_ARGS__)
#define is_str(got, want, ...) tap_str((got), (want), TAP_HERE, __VA_ARGS__)
#define bail() tap_bail(TAP_HERE)

/* Reports a check that cannot run here. */
static inline void tap_skip(const char *name, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_count, name, reason);
	fflush(stdout);
}

/* What the checks need cannot be had: say where, and why. */
static inline _Noreturn void tap_bail(const char *where)
{
	printf("Bail out! %s: %s\n", where, strerror(errno));
	exit(1);
}

/* Print the plan.  Returns the exit status of main(). */
static inline int tap_end(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures != 0;
}
