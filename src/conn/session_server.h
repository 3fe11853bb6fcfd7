/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session of the side that listens: accepts the first peer that
 * authenticates, and after that only a peer with the stream's ticket.
 */
#pragma once

#include "conn/acceptor.h"
#include "conn/net.h"
#include "conn/pass.h"
#include "conn/session.h"

/*
 * A session that accepts from l, which is borrowed.  Owned by the caller:
 * session_free().  NULL: ERR_NET.
 */
struct session *session_server_new(const struct session_params *p,
				   const struct net_listener *l, struct err *e);

/*
 * A session whose first peer was accepted by another process.  Sends that peer
 * the WELCOME, with the handle that was drawn for its stream.  Further
 * connections come from that process over a socket, and it is told news in
 * shared memory (pass.h); both are borrowed.  Takes over what is in peer, on
 * failure too.  Errors: ERR_NET if the peer is gone; those of session_use().
 */
struct session *session_server_take(const struct session_params *p, int over_fd,
				    struct pass_news *news, struct peer *peer,
				    const uint8_t handle[static FRAME_ID_BYTES],
				    struct err *e);
