/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rate limit of wrong passwords: a source may try five at once, then one a
 * second.  In other words: each wrong try costs a second, and a source may owe
 * five.  Pure: the caller gives the time, in milliseconds.
 *
 * A try counts as wrong from its beginning until it turns out right.  So tries
 * at the same time gain nothing over tries one after the other.
 *
 * Memory is bounded, and no source is forgotten while it owes.  A site
 * (net_address.h) has its share of the memory: its further sources count
 * together as one, which affects no other site.  When the memory is full, all
 * new sources count together as one, because they may all be one attacker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/net_address.h"

enum {
	RATE_LIMIT_EVERY_MS = 1000,
	RATE_LIMIT_BURST = 5,
	/*
	 * Sources remembered, each while it owes.  An attacker with any number
	 * of addresses can try this many passwords a second, and one more.  One
	 * core could answer five times as many.
	 */
	RATE_LIMIT_SOURCES = 1024,
	RATE_LIMIT_SITE_SOURCES = 32, /* of one site, counted one by one */
};

struct rate_limit_source {
	struct net_address source; /* or any source of the site */
	bool site; /* stands for the further sources of a site */
	uint64_t paid_ms; /* when it will owe nothing */
};

struct rate_limit {
	struct rate_limit_source sources[RATE_LIMIT_SOURCES];
	struct rate_limit_source others; /* all without a place of their own */
};

/* May this source try?  If so, the try counts as wrong from now on. */
bool rate_limit_begin(struct rate_limit *l, const struct net_address *source,
		      uint64_t now_ms);

/* The password was right: the try no longer counts. */
void rate_limit_right(struct rate_limit *l, const struct net_address *source);
