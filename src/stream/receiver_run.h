/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver's loop: connection -> output, until the end of the stream.  When
 * a connection is lost it goes on over the next one.
 */
#pragma once

#include "stream/receiver.h"

/*
 * Receive a whole stream, make sure that it is consumed, and tell the sender
 * the outcome.  Fills *end, on failure too.
 * Errors: ERR_STREAM (connection, sender), ERR_IO (output), ERR_COMMAND
 * (consumer), ERR_BUG (out of resources).
 */
int receiver_run(const struct receiver_params *p, struct receiver_end *end,
		 struct err *e) attr_must_check;
