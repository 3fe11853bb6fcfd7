/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chooses the pending handshake to evict when all places are taken.  Pure.
 *
 * Every new peer has a grace period, in which it can authenticate.  The more
 * places a source holds the shorter is the grace, and a crowd has none.  So a
 * host that opens connections as fast as it can, from all of its addresses,
 * cannot keep others out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/net_address.h"

enum {
	CROWD_MAX = 8, /* a source with more places is a crowd */
	CROWD_SITE_MAX = 16, /* a site with more places is one too */
	CROWD_GRACE_MS = 500, /* of a source with one place */
};

struct crowd_place {
	const struct net_address *source; /* NULL: the place is free */
	uint64_t since_ms; /* when it was taken */
};

/*
 * Of the peers whose grace is over: the oldest of the source that holds the
 * most places.  Returns its index, or -1 if there is none yet.
 */
int crowd_pick(const struct crowd_place *places, size_t count, uint64_t now_ms);
