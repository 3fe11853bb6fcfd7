/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening side's link: lets the first peer in that authenticates, and
 * then whoever comes back with the stream's ticket.
 */
#pragma once

#include "conn/acceptor.h"
#include "conn/net.h"
#include "conn/session.h"

/*
 * Listen to l, which is borrowed.  Owned by the caller: session_free().  NULL:
 * ERR_NET.
 */
struct session *session_server_new(const struct session_params *p,
				   const struct net_listener *l, struct err *e);

/* Draw the handle of a stream, by which its peer comes back.  Errors: ERR_BUG. */
int session_server_draw(uint8_t handle[static FRAME_ID_BYTES],
			struct err *e) attr_must_check;

/*
 * The same for a guest that another door let in: welcome it to its stream, whose
 * handle was drawn before; from then on take connections from l.  Takes over what
 * is in g, on failure too.  Errors: ERR_NET, if it is gone; those of session_use().
 */
struct session *session_server_take(const struct session_params *p,
				    const struct net_listener *l,
				    struct accepted_peer *g,
				    const uint8_t handle[static FRAME_ID_BYTES],
				    struct err *e);
