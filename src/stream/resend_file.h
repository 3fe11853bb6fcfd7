/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A resend buffer for a regular file as input.  The file can be read again, so
 * nothing is kept; the kernel sends out of its page cache.
 */
#pragma once

#include "stream/resend_buffer.h"

/*
 * The stream is the file from its current offset to its end.  The end may move
 * while it is sent.
 * Borrows in.
 * Errors: NULL, ERR_IO; ERR_BUG if there is no memory.
 */
struct resend_buffer *resend_file_new(const struct input *in, struct err *e);
