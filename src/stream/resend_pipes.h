/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes go from the input's pipe through one of our own into the kernel's TLS by
 * splice(2).  What is to be kept is kept by tee(2) in a second one: the same
 * pages, not a copy.
 * It cannot go back: whoever has to send bytes again calls to_memory() first, and
 * so does whoever has a connection without TLS in the kernel, an input of small
 * writes that waste the pipe's room, or a question about the stream's last bytes.
 */
#pragma once

#include "stream/resend_buffer.h"

/*
 * The input is a pipe, borrowed.  bytes: how many are kept, 0: none.  Returns
 * NULL with ERR_IO, errno EPERM or ENOMEM if there cannot be a pipe that large.
 */
struct resend_buffer *resend_pipes_new(const struct input *in, uint64_t bytes,
				       struct err *e);
