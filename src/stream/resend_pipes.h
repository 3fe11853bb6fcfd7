/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A resend buffer of pipes.  splice(2) moves bytes from the input's pipe
 * through one of our own into kernel TLS.  tee(2) keeps them in a second pipe:
 * the same pages, not a copy.
 * It cannot rewind.  Call to_memory() first to send bytes again, to use a
 * connection without kernel TLS, to peek at the end of the stream, or if the
 * input's writes are so small that they waste the pipe's room.
 */
#pragma once

#include "stream/resend_buffer.h"

/*
 * The input is a pipe.  bytes: how many are kept; 0: none.
 * Borrows in.
 * Errors: NULL, ERR_IO; errno EPERM or ENOMEM: no pipe can be that large.
 */
struct resend_buffer *resend_pipes_new(const struct input *in, uint64_t bytes,
				       struct err *e);
