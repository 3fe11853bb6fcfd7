/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream from its input to the far consumer, or from the far source to its
 * output: what a verb does once it has a channel.
 */
#pragma once

#include <stdint.h>

#include "chan.h"
#include "chore.h"
#include "err.h"
#include "frame.h"
#include "opt.h"
#include "stats.h"

/* Does this side send or receive? */
enum chan_role stream_role(const struct opts *o);
enum frame_role stream_frame_role(const struct opts *o);

struct stream_params {
	const struct opts *o;
	struct chan *chan; /* taken over */
	uint64_t
		peer_store_bytes; /* what the sender keeps, if it is the peer */
	struct chore *chore; /* what goes on beside it, or NULL */
};

/*
 * Carry the stream over the channel.  Fills *stats as far as it got.
 * Errors: those of sender_run() and receiver_run().
 */
int stream_run(const struct stream_params *p, struct stats *stats,
	       struct err *e) attr_must_check;
