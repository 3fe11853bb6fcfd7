// SPDX-License-Identifier: GPL-2.0-or-later
#include "guess.h"

#include <string.h>

static struct guess_source *guess_find(
	struct guess *g, const uint8_t address[static GUESS_SOURCE_BYTES])
{
	for (size_t i = 0; i < GUESS_SOURCES; i++)
		if (!memcmp(g->sources[i].address, address, GUESS_SOURCE_BYTES))
			return &g->sources[i];
	return NULL;
}

/* An address that owes nothing is as good as none; else the next to be so. */
static struct guess_source *guess_oldest(struct guess *g)
{
	struct guess_source *oldest = &g->sources[0];

	for (size_t i = 1; i < GUESS_SOURCES; i++)
		if (g->sources[i].paid_ms < oldest->paid_ms)
			oldest = &g->sources[i];
	return oldest;
}

bool guess_begin(struct guess *g,
		 const uint8_t address[static GUESS_SOURCE_BYTES],
		 uint64_t now_ms)
{
	struct guess_source *s = guess_find(g, address);

	if (!s) {
		s = guess_oldest(g);
		memcpy(s->address, address, GUESS_SOURCE_BYTES);
		s->paid_ms = 0;
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

	if (s && s->paid_ms >= GUESS_EVERY_MS)
		s->paid_ms -= GUESS_EVERY_MS;
}
