/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sender's loop: input -> store -> channel, until the peer says so. */
#pragma once

#include "chan.h"
#include "err.h"
#include "store.h"

/*
 * Send what the store's input gives, to its end, and wait for the receiver's
 * word that it has everything.  Borrows both.
 * Errors: ERR_IO (input), ERR_NET (connection, or the peer gave up).
 */
int sender_run(struct store *store, struct chan *chan,
	       struct err *e) attr_must_check;
