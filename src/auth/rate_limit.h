/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many wrong passwords one source may try: five at once, then one a second.
 * Pure: the time is given, in milliseconds.
 *
 * Every try is counted when it begins, and taken back if it was right: many that
 * run at the same time are not more than one after the other.
 *
 * Memory is bounded, and what a source owes is not forgotten for another one.  A
 * site (net_source.h) has no more than its share of the memory: its other sources
 * then share the tries of one, and nobody else notices.  When the memory is full
 * all newcomers share the tries of one, because any number of them may be one
 * attacker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/net_source.h"

enum {
	RATE_LIMIT_EVERY_MS = 1000,
	RATE_LIMIT_BURST = 5,
	/*
	 * Sources remembered, each as long as it owes.  So many passwords a
	 * second, and one more, can be tried with any number of addresses;
	 * one core could answer five times as many.
	 */
	RATE_LIMIT_SOURCES = 1024,
	RATE_LIMIT_SITE_SOURCES = 32, /* of one site that count by themselves */
};

struct rate_limit_source {
	struct net_source source; /* or any of the site */
	bool site; /* what the other sources of a site owe */
	uint64_t paid_ms; /* when all its tries will be forgotten */
};

struct rate_limit {
	struct rate_limit_source sources[RATE_LIMIT_SOURCES];
	struct rate_limit_source
		others; /* all that find no place; no address */
};

/* May this source try?  Then that counts as a wrong try from now on. */
bool rate_limit_begin(struct rate_limit *g, const struct net_source *source,
		      uint64_t now_ms);

/* It was the right password. */
void rate_limit_right(struct rate_limit *g, const struct net_source *source);
