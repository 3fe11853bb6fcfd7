/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes go from the input's pipe through one of our own into the kernel's TLS by
 * splice(2).  What is to be kept is kept by tee(2) in a second one: the same
 * pages, not a copy.
 * After a lost connection it is sent again out of memory, and so is everything
 * if an input of small writes wastes the pipe's room, or if a connection has no
 * TLS in the kernel.
 */
#pragma once

#include "store.h"

/*
 * The input is a pipe, borrowed.  bytes: how many are kept, 0: none.  Returns
 * NULL with ERR_IO, errno EPERM or ENOMEM if there cannot be a pipe that large.
 */
struct store *store_pipe_new(const struct input *in, uint64_t bytes,
			     struct err *e);
