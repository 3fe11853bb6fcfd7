/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A resend buffer in memory: input is read into it and sent straight from it.
 */
#pragma once

#include "stream/resend_buffer.h"

/*
 * bytes: its room, rounded up to whole records.  start: stream offset of the
 * input's first byte.  keeps: until acknowledged, else until sent.
 * Borrows in.
 * Errors: NULL, ERR_BUG if there is no memory.
 */
struct resend_buffer *resend_memory_new(const struct input *in, uint64_t bytes,
					uint64_t start, bool keeps,
					struct err *e);
