// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/guess.h"

/* What of the memory concerns one source at one moment; NULL: there is none. */
struct guess_places {
	struct guess_source *own; /* where it is counted by itself */
	struct guess_source *site; /* where the rest of its site is counted */
	struct guess_source *free; /* owes nothing: as good as none */
	unsigned int neighbours; /* sources of its site that owe */
};

static struct guess_places guess_look(struct guess *g,
				      const struct net_source *source,
				      uint64_t now_ms)
{
	struct guess_places p = { 0 };

	for (size_t i = 0; i < GUESS_SOURCES; i++) {
		struct guess_source *s = &g->sources[i];
		bool owes = s->paid_ms > now_ms;

		if (s->site && net_source_same_site(&s->source, source))
			p.site = s;
		else if (!s->site && net_source_same(&s->source, source))
			p.own = s;
		else if (!owes && !p.free)
			p.free = s;
		p.neighbours += owes && !s->site &&
				net_source_same_site(&s->source, source);
	}
	return p;
}

/* Where a try is counted. */
static struct guess_source *guess_place(struct guess *g,
					const struct net_source *source,
					uint64_t now_ms)
{
	const struct guess_places p = guess_look(g, source, now_ms);
	bool site = p.neighbours >= GUESS_SITE_SOURCES;

	if (p.own && (p.own->paid_ms > now_ms || !site))
		return p.own;
	if (site && p.site)
		return p.site;
	if (!p.free)
		return &g->others;
	*p.free = (struct guess_source){ .source = *source, .site = site };
	return p.free;
}

bool guess_begin(struct guess *g, const struct net_source *source,
		 uint64_t now_ms)
{
	struct guess_source *s = guess_place(g, source, now_ms);

	if (s->paid_ms < now_ms)
		s->paid_ms = now_ms;
	if (s->paid_ms - now_ms > (GUESS_BURST - 1) * GUESS_EVERY_MS)
		return false;
	s->paid_ms += GUESS_EVERY_MS;
	return true;
}

void guess_right(struct guess *g, const struct net_source *source)
{
	const struct guess_places p = guess_look(g, source, 0);
	struct guess_source *s = p.own ? p.own : p.site ? p.site : &g->others;

	if (s->paid_ms >= GUESS_EVERY_MS)
		s->paid_ms -= GUESS_EVERY_MS;
}
