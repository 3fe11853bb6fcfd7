/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the TCP connection to the keys: the password exchange, if any, and TLS. */
#pragma once

#include "conn/client.h"

/* The socket is connected.  Only the first connection uses the password. */
int client_handshake_begin(struct client *client, struct err *e);

/* CLIENT_PASSWORD, CLIENT_HANDSHAKE */
int client_handshake_step(struct client *client,
			  const struct session_span *span, struct err *e);
