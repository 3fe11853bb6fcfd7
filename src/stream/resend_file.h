/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard input is a regular file: what was sent can be read again, so nothing
 * is kept.  The kernel takes the bytes out of its page cache.
 */
#pragma once

#include "stream/resend_buffer.h"

/*
 * The stream is the input, a regular file, from its offset to its end; both may
 * move while it is sent.  Borrowed.  Returns NULL with ERR_IO.
 */
struct resend_buffer *resend_file_new(const struct input *in, struct err *e);
