/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store in memory, that input is read into and sent straight from. */
#pragma once

#include "stream/resend_buffer.h"

/*
 * Room for so many bytes, which are rounded up to whole records.  The input is
 * borrowed; start is the stream offset of its first byte.
 * Returns NULL with ERR_BUG if there is no memory.
 */
struct resend_buffer *resend_memory_new(const struct input *in, uint64_t bytes,
					uint64_t start, bool keeps,
					struct err *e);
