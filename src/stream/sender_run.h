/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's loop: input -> resend buffer -> connection, until the receiver
 * has confirmed the stream.  When a connection is lost it goes on over the next
 * one.
 */
#pragma once

#include "stream/sender.h"

/*
 * Send the input to its end, and wait until the receiver confirms that
 * everything was consumed.  Fills *end, on failure too.  If end->restarted,
 * returns 0 early: call it again, with the input from its beginning.
 * Errors: ERR_IO (input failed or is truncated), ERR_STREAM (connection),
 * ERR_COMMAND (source, or the receiver's consumer).
 */
int sender_run(const struct sender_params *p, struct sender_end *end,
	       struct err *e) attr_must_check;
