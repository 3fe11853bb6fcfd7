/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many wrong passwords one address may try: five at once, then one a second.
 * Pure: the time is given, in milliseconds.
 *
 * Every try is counted when it begins, and taken back if it was right: many that
 * run at the same time are not more than one after the other.  Who is at the
 * limit holds up nobody else, and memory is bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GUESS_EVERY_MS = 1000,
	GUESS_BURST = 5,
	/*
	 * Addresses remembered, each for 5 s at the most: more than handshakes
	 * can fail in that time.
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
};

/* May this address try?  Then that counts as a wrong try from now on. */
bool guess_begin(struct guess *g,
		 const uint8_t address[static GUESS_SOURCE_BYTES],
		 uint64_t now_ms);

/* It was the right password. */
void guess_right(struct guess *g,
		 const uint8_t address[static GUESS_SOURCE_BYTES]);
