/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver's loop: channel -> output, until the end of the stream.  It
 * outlives connections.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conn/session.h"
#include "stream/command.h"
#include "stream/output.h"
#include "stream/progress.h"

enum receiver_how {
	RECEIVER_AUTO, /* what costs least: read */
	RECEIVER_SPLICE, /* kernel to pipe, no copy, one record a call */
	RECEIVER_READ, /* recvmsg(2) into a big buffer and write(2) */
};

/* Everything is borrowed. */
struct receiver_params {
	struct session *session;
	struct output *output; /* closed on success */
	struct command *consumer; /* COMMAND behind the sink, or NULL */
	const char *consumer_name; /* for messages, if there is one */
	bool no_consumer; /* it could not be started: only tell the sender */
	enum receiver_how how;
	bool raw; /* no frames: close_notify is the answer */
	struct progress *status;
	int stop_fd; /* of signals_arm() */
};

/*
 * Receive a whole stream, see that it is consumed, and tell the sender how it
 * went.  *total: bytes received.
 * Errors: ERR_STREAM (connection, sender), ERR_IO (output), ERR_COMMAND
 * (consumer), ERR_BUG (out of resources).
 */
int receiver_run(const struct receiver_params *p, uint64_t *total,
		 struct err *e) attr_must_check;
