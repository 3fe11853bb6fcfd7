/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connecting side's link: resolves, connects, handshakes and greets, and
 * does it again, with growing pauses, as long as there is hope.
 */
#pragma once

#include "conn/link.h"

/* Owned by the caller: link_free().  NULL: ERR_BUG (memory). */
struct link *link_dial_new(const struct link_params *p, struct err *e);
