/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listener's door: many handshakes at the same time, each with its
 * deadline, until one peer has shown that it holds the key.  What the others
 * do neither ends the waiting nor holds up the right one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "chan.h"
#include "chore.h"
#include "cred.h"
#include "err.h"
#include "frame.h"
#include "mode.h"
#include "net.h"
#include "tls.h"

struct door;

/* Everything is borrowed until door_close(). */
struct door_params {
	const struct net_listener *listener;
	struct cred *cred;
	const struct mode_list *modes;
	enum chan_ktls ktls;
	bool raw; /* no HELLO is expected */
	enum frame_role role; /* ours: the visitor's must be the other */
	uint64_t handshake_ms; /* for each handshake */
};

/* Who was let in; the caller owns the session and the socket. */
struct door_guest {
	struct chan_socket socket;
	struct tls *tls;
	struct frame_hello hello; /* not with raw */
};

/* NULL: ERR_NET (no descriptors, no memory). */
struct door *door_open(const struct door_params *p, struct err *e);

/*
 * Wait for a peer that authenticates and says a HELLO that can be accepted.
 * Everyone else is refused with one line of log each.
 * Errors: ERR_NET, nobody came within wait_ms.
 */
int door_wait(struct door *d, uint64_t wait_ms, struct door_guest *guest,
	      struct err *e) attr_must_check;

/*
 * From now on whoever authenticates is told that we are busy.  The chore does
 * that while a stream runs; it belongs to the door.
 */
struct chore *door_busy(struct door *d);

void door_close(struct door *d);
