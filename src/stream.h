/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream from its input to the far consumer, or from the far source to its
 * output: what a verb does once it has a connection.
 */
#pragma once

#include "err.h"
#include "link.h"
#include "stats.h"

/*
 * Carry the stream over the connections of l, the first of which is there.
 * Fills *stats as far as it got.
 * Errors: those of sender_run() and receiver_run(), and ERR_BUG where the system
 * is out of resources.  The peer hears of each.
 */
int stream_run(struct link *l, struct stats *stats,
	       struct err *e) attr_must_check;
