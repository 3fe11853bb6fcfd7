/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the resend buffer into the connection. */
#pragma once

#include "stream/sender.h"

/* Send whole records, or all that is there if no more input comes. */
int sender_send(struct sender *s, struct err *e);

/* Flush the connection; after the last byte send the end. */
int sender_send_flush(struct sender *s, struct err *e);

/* On another connection: go back to what the receiver does not have. */
int sender_send_again(struct sender *s, struct err *e);
