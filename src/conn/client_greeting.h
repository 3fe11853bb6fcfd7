/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After the handshake: HELLO and WELCOME, then the session uses the connection. */
#pragma once

#include "conn/client.h"

/* Send HELLO.  With --raw there is none: the connection is used at once. */
int client_greeting_begin(struct client *client,
			  const struct session_span *span, struct err *e);

/* CLIENT_GREETING: read what the listener answers. */
int client_greeting_step(struct client *client, const struct session_span *span,
			 struct err *e);
