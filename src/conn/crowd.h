/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has to give way when all places for handshakes are taken.  Pure.
 *
 * A peer that has just come may keep its place for a moment, in which it can say
 * who it is.  The more places a source holds the shorter that moment, and a crowd
 * has none: so one host that opens connections as fast as it can, from all
 * addresses that it has, does not keep others waiting.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/net_source.h"

enum {
	CROWD_MAX = 8, /* places of a source; more are a crowd */
	CROWD_SITE_MAX = 16, /* the same of a site */
	CROWD_GRACE_MS = 500, /* for a source with one place */
};

struct crowd_place {
	const struct net_source *source; /* NULL: the place is free */
	uint64_t since_ms; /* when it was taken */
};

/*
 * The place of the peer that has to go: of those whose time is over, the one that
 * came first from the source that holds the most.  Returns its index, -1 if
 * nobody has to go yet.
 */
int crowd_pick(const struct crowd_place *places, size_t count, uint64_t now_ms);
