/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session of the side that connects: resolves the name, connects, makes the
 * handshake and exchanges HELLO and WELCOME.  When that fails it tries again,
 * with growing pauses, until --retry has passed.
 */
#pragma once

#include "conn/session.h"

/* Owned by the caller: session_free().  NULL: ERR_BUG (memory). */
struct session *session_client_new(const struct session_params *p,
				   struct err *e);
