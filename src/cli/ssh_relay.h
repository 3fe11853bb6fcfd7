/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of a stream with a name, which outlives the ssh that started it:
 * a process of their own passes them on to the ssh that has the stream.  It has
 * no key.
 */
#pragma once

#include "base/err.h"

/*
 * From now on standard error leads to that process, here and in all that we
 * start.  It ends with the last of them.  Errors: ERR_NET.
 */
int ssh_relay_start(struct err *e) attr_must_check;

/* From now on it writes to fd, which stays the caller's. */
void ssh_relay_use(int fd);
