/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the receiver says, and what it means that it says nothing. */
#pragma once

#include "stream/sender.h"

/* Handle events of the connection. */
int sender_hear(struct sender *s, short revents, struct err *e);

/* Read to the end what the receiver said before the connection failed. */
int sender_hear_last(struct sender *s, struct err *e);
