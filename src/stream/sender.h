/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sender's loop: input -> store -> channel, until the peer says so.  It
 * outlives connections.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "conn/session.h"
#include "stream/command.h"
#include "stream/progress.h"
#include "stream/resend_buffer.h"

/* Everything but the store is borrowed. */
struct sender_params {
	struct resend_buffer *resend; /* sender_run() frees it */
	struct session *session;
	struct command *source; /* COMMAND, or NULL: standard input */
	const char *source_name; /* for messages, if there is one */
	bool raw; /* no frames: close_notify is all there is */
	bool check_end; /* a btrfs stream must have its last command */
	uint64_t limit_bytes_per_s; /* 0: as fast as it goes */
	struct progress *status;
	int stop_fd; /* of signals_arm() */
};

/*
 * Send what the store's input gives, to its end, and wait for the receiver's
 * word that its consumer took all of it.  *confirmed: bytes acknowledged.
 * Errors: ERR_IO (input failed or was cut short), ERR_STREAM (connection),
 * ERR_COMMAND (source, or the receiver's consumer).
 */
int sender_run(const struct sender_params *p, uint64_t *confirmed,
	       struct err *e) attr_must_check;
