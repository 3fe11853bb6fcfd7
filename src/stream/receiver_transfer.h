/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a receiver does until the end of the stream: move bytes to the output. */
#pragma once

#include "stream/receiver.h"

/* Move all bytes of the stream, over as many connections as it takes. */
int receiver_transfer(struct receiver *r, struct err *e);

/* Hear how far a restarted sender is.  Until it is done there is no data. */
int receiver_transfer_compare(struct receiver *r, struct err *e);
