/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listener's door: many handshakes at the same time, each with its
 * deadline, until one peer has shown that it holds the key.  What the others
 * do neither ends the waiting nor holds up the right one.
 */
#pragma once

#include <stdint.h>

#include "chan.h"
#include "cred.h"
#include "err.h"
#include "mode.h"
#include "net.h"
#include "tls.h"

struct door_params {
	const struct net_listener *listener;
	struct cred *cred;
	const struct mode_list *modes;
	enum chan_ktls ktls;
	uint64_t wait_ms; /* for the first peer that authenticates */
	uint64_t handshake_ms; /* for each handshake */
};

/*
 * Wait for a peer that authenticates.  Fills *s and returns its session; the
 * caller owns both.  Everyone else was refused with one line of log each.
 * NULL: ERR_NET, nobody came in time.
 */
struct tls *door_wait(const struct door_params *p, struct chan_socket *s,
		      struct err *e);
