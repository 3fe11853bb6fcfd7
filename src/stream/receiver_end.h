/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a receiver does behind the end of the stream. */
#pragma once

#include "stream/receiver.h"

/* All bytes are written: make sure that they are consumed. */
int receiver_end_consume(struct receiver *r, struct err *e);

/*
 * Tell the outcome, until the sender has read it and closes the connection.  A
 * sender that lost its connection before that reconnects to ask.
 */
void receiver_end_tell(struct receiver *r);

/* A raw sender gets no outcome, only our close_notify. */
void receiver_end_tell_raw(struct receiver *r);
