/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pass a connection whose peer is accepted to the process of its stream, over a
 * pair of SOCK_SEQPACKET sockets: the TCP socket, the keys and the HELLO.  In the
 * other direction the process tells whether its stream has a connection.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "conn/acceptor.h"

/* Can pass_send() work?  ERR_NET: the system calls are refused. */
int pass_check(struct err *e) attr_must_check;

/* Make the pair, with room for a few connections.  -1: errno is set. */
int pass_open(int ends[static 2]) attr_must_check;

/*
 * Pass peer on, which the caller still has to free.  Returns 0, or -1 with errno
 * set; EPIPE: the other process is gone.
 */
int pass_send(int over, const struct accepted_peer *peer) attr_must_check;

/*
 * Take the next connection that was passed; the caller owns what is in *peer.
 * Returns false if there is none now.  *ended: nor ever will be.
 */
bool pass_recv(int over, struct accepted_peer *peer, bool *ended);

/*
 * pass_tell() tells whether the stream has a connection.  At the other end
 * pass_told() reads it: returns false if nothing new was told, else sets
 * *connected to the latest.  Best effort.
 */
void pass_tell(int over, bool connected);
bool pass_told(int over, bool *connected);
