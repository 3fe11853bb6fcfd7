/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening side's link: lets the first peer in that authenticates, and
 * then whoever comes back with the stream's ticket.
 */
#pragma once

#include "link.h"
#include "net.h"

/*
 * Listen to l, which is borrowed.  Owned by the caller: link_free().  NULL:
 * ERR_NET.
 */
struct link *link_door_new(const struct link_params *p,
			   const struct net_listener *l, struct err *e);
