/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A terminal for the tests: a chroot may have none. */
#pragma once

#include <fcntl.h>
#include <stdlib.h>

#include "tap.h"

/* Returns a terminal, and *ours, which drives it; or skips the check: -1. */
static inline int terminal_open(int *ours, const char *name)
{
	int theirs;

	*ours = posix_openpt(O_RDWR | O_NOCTTY);
	if (*ours < 0) {
		tap_skip(name, "no terminal here (is /dev/pts mounted?)");
		return -1;
	}
	if (grantpt(*ours) < 0 || unlockpt(*ours) < 0 ||
	    (theirs = open(ptsname(*ours), O_RDWR | O_NOCTTY)) < 0)
		bail();
	return theirs;
}
