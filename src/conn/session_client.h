/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connecting side's link: resolves, connects, handshakes and greets, and
 * does it again, with growing pauses, as long as there is hope.
 */
#pragma once

#include "conn/session.h"

/* Owned by the caller: session_free().  NULL: ERR_BUG (memory). */
struct session *session_client_new(const struct session_params *p,
				   struct err *e);
