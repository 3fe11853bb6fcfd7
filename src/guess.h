/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many wrong passwords one address may try: five at once, then one a second.
 * Pure: the time is given, in milliseconds.
 *
 * Every try is counted when it begins, and taken back if it was right: many that
 * run at the same time are not more than one after the other.
 *
 * Memory is bounded, and what an address owes is not forgotten for another one.
 * Who is at the limit holds up nobody else until there are more such addresses
 * than are remembered: newcomers then share the tries of one, because any number
 * of them may be one attacker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GUESS_EVERY_MS = 1000,
	GUESS_BURST = 5,
	/*
	 * Addresses remembered, each as long as it owes.  So many passwords a
	 * second, and one more, can be tried with any number of addresses;
	 * one core could answer five times as many.
	 */
	GUESS_SOURCES = 1024,
	GUESS_SOURCE_BYTES = 16,
};

struct guess_source {
	uint8_t address[GUESS_SOURCE_BYTES];
	uint64_t paid_ms; /* when all its tries will be forgotten */
};

struct guess {
	struct guess_source sources[GUESS_SOURCES];
	struct guess_source others; /* all that find no place; no address */
};

/* May this address try?  Then that counts as a wrong try from now on. */
bool guess_begin(struct guess *g,
		 const uint8_t address[static GUESS_SOURCE_BYTES],
		 uint64_t now_ms);

/* It was the right password. */
void guess_right(struct guess *g,
		 const uint8_t address[static GUESS_SOURCE_BYTES]);
