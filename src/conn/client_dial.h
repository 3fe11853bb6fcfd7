/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the name of the host to a TCP connection. */
#pragma once

#include "conn/client.h"

/*
 * Begin with the next address, or look the name up again.  A rekey needs no
 * look-up: the peer of a running stream is where it was.
 */
int client_dial_begin(struct client *client, struct err *e);

/* CLIENT_RESOLVING, CLIENT_CONNECTING */
int client_dial_step(struct client *client, struct err *e);

/* No answer for a while: log what we wait for, and what to check. */
void client_dial_speak(struct client *client);
