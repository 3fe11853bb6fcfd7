/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A restarted sender compares the beginning of its input with what the receiver
 * has: it takes these bytes out of the resend buffer, into a digest instead of
 * the connection.
 */
#pragma once

#include "base/err.h"
#include "conn/digest.h"
#include "conn/session.h"
#include "stream/resend_buffer.h"

struct comparison {
	struct digest *digest; /* owned; NULL: it has not begun */
	uint8_t *buffer; /* owned */
	uint64_t due_ms; /* of the next CHECKING */
};

/*
 * Take what the resend buffer holds, as far as the receiver has it.  When all
 * of that is taken, or the input is complete, tell the session the result.
 * *more: there is more to take at once.  Errors: ERR_IO, it is another stream
 * or a shorter one; those of session_compared() and of peek().
 */
int comparison_step(struct comparison *c, struct session *s,
		    struct resend_buffer *st, bool complete, bool *more,
		    struct err *e) attr_must_check;

void comparison_fini(struct comparison *c);
