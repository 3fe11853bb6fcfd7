/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nearly every file uses: the basic types, free(3) and close(2), function
 * attributes, array_len(), min_u64() and the cleanup attribute.  Leaving the
 * scope of a variable that is declared autoclose or autofree, in whatever way,
 * closes or frees it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define attr_must_check __attribute__((warn_unused_result))
#define attr_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define attr_cleanup(fn) __attribute__((cleanup(fn)))

#define array_len(a) (sizeof(a) / sizeof((a)[0]))

/* The smaller of two numbers; for moments there is clock_earlier(). */
static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Close *fd unless it is -1, and set it to -1. */
static inline void attr_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The same for both ends of a pipe or of a pair of sockets. */
static inline void attr_close_pair(int (*ends)[2])
{
	attr_close(&(*ends)[0]);
	attr_close(&(*ends)[1]);
}

static inline void attr_free(void *p)
{
	free(*(void **)p);
}

#define autoclose attr_cleanup(attr_close)
#define autoclose_pair attr_cleanup(attr_close_pair)
#define autofree attr_cleanup(attr_free)

/* Hand *fd to the caller: the variable no longer owns it. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
