/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiver's loop: channel -> output, until the sender's close_notify. */
#pragma once

#include <stdbool.h>

#include "chan.h"
#include "err.h"
#include "sink.h"

enum receiver_how {
	RECEIVER_AUTO, /* what costs least: read */
	RECEIVER_SPLICE, /* kernel to pipe, no copy, one record a call */
	RECEIVER_READ, /* recvmsg(2) into a big buffer and write(2) */
};

/*
 * Receive a whole stream into sink, finish it and tell the sender.  Borrows
 * chan; sink is closed on success.
 * Errors: ERR_STREAM (connection, sender), ERR_IO (output).
 */
int receiver_run(struct chan *chan, struct sink *sink, enum receiver_how how,
		 struct err *e) attr_must_check;
