/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's loop: input -> resend buffer -> connection, until the receiver
 * has confirmed the stream.  When a connection is lost it goes on over the next
 * one.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "conn/session.h"
#include "stream/command.h"
#include "stream/progress.h"
#include "stream/resend_buffer.h"

/* Everything but the resend buffer is borrowed. */
struct sender_params {
	struct resend_buffer *resend; /* sender_run() frees it */
	struct session *session;
	struct command *source; /* COMMAND, or NULL: standard input */
	const char *source_name; /* for messages, if there is a source */
	bool raw; /* no frames: a close_notify is all we get */
	bool check_end; /* a btrfs stream must end with its last command */
	uint64_t limit_bytes_per_s; /* 0: no limit */
	struct progress *progress;
};

/* How far it came. */
struct sender_end {
	uint64_t sent, confirmed; /* bytes; confirmed: acknowledged */
	bool suspended; /* another process with its name can continue it */
	bool restarted; /* another receiver came: begin the input again */
};

/*
 * Send the input to its end, and wait until the receiver confirms that
 * everything was consumed.  Fills *end, on failure too.  If end->restarted,
 * returns 0 early: call it again, with the input from its beginning.
 * Errors: ERR_IO (input failed or is truncated), ERR_STREAM (connection),
 * ERR_COMMAND (source, or the receiver's consumer).
 */
int sender_run(const struct sender_params *p, struct sender_end *end,
	       struct err *e) attr_must_check;
