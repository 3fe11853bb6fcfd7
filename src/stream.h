/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One stream from its input to the far consumer, or from the far source to its
 * output: what a verb does once it has a channel.
 */
#pragma once

#include <stdint.h>

#include "chan.h"
#include "err.h"
#include "frame.h"
#include "opt.h"
#include "stats.h"

/* Does this side send or receive? */
enum chan_role stream_role(const struct opts *o);
enum frame_role stream_frame_role(const struct opts *o);

/*
 * Carry the stream over chan, which is closed then.  peer_store_bytes: what
 * the sender keeps, if that is the peer.  Fills *stats as far as it got.
 * Errors: those of sender_run() and receiver_run().
 */
int stream_run(const struct opts *o, struct chan *chan,
	       uint64_t peer_store_bytes, struct stats *stats,
	       struct err *e) attr_must_check;
