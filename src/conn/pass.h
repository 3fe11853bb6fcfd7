/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pass a connection whose peer is accepted to the process of its stream, over a
 * pair of SOCK_SEQPACKET sockets: the TCP socket, the keys and the HELLO.  In the
 * other direction the process tells whether its stream has a connection.
 */
#pragma once

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
int pass_send(int over, const struct peer *peer) attr_must_check;

/*
 * Take the next connection that was passed; the caller owns what is in *peer.
 * Returns false if there is none now.  *ended: nor ever will be.
 */
bool pass_recv(int over, struct peer *peer, bool *ended);

/* What the process of a stream tells the one that accepts. */
enum pass_news {
	PASS_REGISTERED, /* it can be signalled */
	PASS_ALONE, /* the stream has no connection */
	PASS_CONNECTED,
	PASS_RESTARTED, /* the peer that was to restart it did: see handle */
	PASS_REFUSED, /* it was refused, or is gone */
};

/*
 * pass_told() reads at the other end, one after the other, what pass_tell()
 * told; false: nothing new.  Best effort.
 */
void pass_tell(int over, enum pass_news news);
bool pass_told(int over, enum pass_news *news);
