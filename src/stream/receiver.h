/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiver's loop: connection -> output, until the end of the stream.  When
 * a connection is lost it goes on over the next one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conn/session.h"
#include "stream/command.h"
#include "stream/digest.h"
#include "stream/output.h"
#include "stream/progress.h"

enum receiver_how {
	RECEIVER_AUTO, /* the cheapest: read */
	RECEIVER_SPLICE, /* kernel to pipe: no copy, one record a call */
	RECEIVER_READ, /* recvmsg(2) into a large buffer, then write(2) */
};

/* Everything is borrowed. */
struct receiver_params {
	struct session *session;
	struct output *output; /* closed on success */
	struct command *consumer; /* COMMAND behind the output, or NULL */
	const char *consumer_name; /* for messages, if there is a consumer */
	bool no_consumer; /* it could not be started: just tell the sender */
	enum receiver_how how;
	bool raw; /* no frames: our close_notify is the answer */
	struct digest *digest; /* of all bytes; NULL: no restart */
	uint64_t start; /* bytes that the output had already */
	struct progress *progress;
};

/* How far it came. */
struct receiver_end {
	uint64_t total; /* bytes received */
	bool suspended; /* another process with its name can continue it */
};

/*
 * Receive a whole stream, make sure that it is consumed, and tell the sender
 * the outcome.  Fills *end, on failure too.
 * Errors: ERR_STREAM (connection, sender), ERR_IO (output), ERR_COMMAND
 * (consumer), ERR_BUG (out of resources).
 */
int receiver_run(const struct receiver_params *p, struct receiver_end *end,
		 struct err *e) attr_must_check;
