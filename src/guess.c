// SPDX-License-Identifier: GPL-2.0-or-later
#include "guess.h"

#include <string.h>

/* Where an address is counted: by itself if it has a place. */
static struct guess_source *guess_find(
	struct guess *g, const uint8_t address[static GUESS_SOURCE_BYTES])
{
	for (size_t i = 0; i < GUESS_SOURCES; i++)
		if (!memcmp(g->sources[i].address, address, GUESS_SOURCE_BYTES))
			return &g->sources[i];
	return &g->others;
}

/* The place of an address that owes nothing: it is as good as none. */
static struct guess_source *guess_free(struct guess *g, uint64_t now_ms)
{
	for (size_t i = 0; i < GUESS_SOURCES; i++)
		if (g->sources[i].paid_ms <= now_ms)
			return &g->sources[i];
	return NULL;
}

bool guess_begin(struct guess *g,
		 const uint8_t address[static GUESS_SOURCE_BYTES],
		 uint64_t now_ms)
{
	struct guess_source *s = guess_find(g, address);
	struct guess_source *place = s == &g->others ? guess_free(g, now_ms)
						     : NULL;

	if (place) {
		s = place;
		memcpy(s->address, address, GUESS_SOURCE_BYTES);
	}
	if (s->paid_ms < now_ms)
		s->paid_ms = now_ms;
	if (s->paid_ms - now_ms > (GUESS_BURST - 1) * GUESS_EVERY_MS)
		return false;
	s->paid_ms += GUESS_EVERY_MS;
	return true;
}

void guess_right(struct guess *g,
		 const uint8_t address[static GUESS_SOURCE_BYTES])
{
	struct guess_source *s = guess_find(g, address);

	if (s->paid_ms >= GUESS_EVERY_MS)
		s->paid_ms -= GUESS_EVERY_MS;
}
