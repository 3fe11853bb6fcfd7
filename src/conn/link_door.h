/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening side's link: lets the first peer in that authenticates, and
 * then whoever comes back with the stream's ticket.
 */
#pragma once

#include "conn/door.h"
#include "conn/link.h"
#include "conn/net.h"

/*
 * Listen to l, which is borrowed.  Owned by the caller: link_free().  NULL:
 * ERR_NET.
 */
struct link *link_door_new(const struct link_params *p,
			   const struct net_listener *l, struct err *e);

/* Draw the handle of a stream, by which its peer comes back.  Errors: ERR_BUG. */
int link_door_draw(uint8_t handle[static FRAME_ID_BYTES],
		   struct err *e) attr_must_check;

/*
 * The same for a guest that another door let in: welcome it to its stream, whose
 * handle was drawn before; from then on take connections from l.  Takes over what
 * is in g, on failure too.  Errors: ERR_NET, if it is gone; those of link_use().
 */
struct link *link_door_take(const struct link_params *p,
			    const struct net_listener *l, struct door_guest *g,
			    const uint8_t handle[static FRAME_ID_BYTES],
			    struct err *e);
