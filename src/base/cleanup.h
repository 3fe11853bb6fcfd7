/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Function attributes and the cleanup attribute: leaving the scope of a
 * variable declared autoclose or autofree, in whatever way, closes or frees it.
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define attr_must_check __attribute__((warn_unused_result))
#define attr_printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define attr_cleanup(fn) __attribute__((cleanup(fn)))

#define array_len(a) (sizeof(a) / sizeof((a)[0]))

static inline void attr_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void attr_free(void *p)
{
	free(*(void **)p);
}

#define autoclose attr_cleanup(attr_close)
#define autofree attr_cleanup(attr_free)

/* Hand *fd to the caller: the variable no longer owns it. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
