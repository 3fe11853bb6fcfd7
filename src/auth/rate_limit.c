// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/rate_limit.h"

/* The places in memory that concern one source; NULL: none. */
struct rate_limit_places {
	struct rate_limit_source *own; /* of this source alone */
	struct rate_limit_source *site; /* of the further sources of its site */
	struct rate_limit_source *free; /* of a source that owes nothing */
	unsigned int neighbours; /* sources of its site that owe */
};

static struct rate_limit_places rate_limit_look(
	struct rate_limit *l, const struct net_address *source, uint64_t now_ms)
{
	struct rate_limit_places p = { 0 };

	for (size_t i = 0; i < RATE_LIMIT_SOURCES; i++) {
		struct rate_limit_source *s = &l->sources[i];
		bool owes = s->paid_ms > now_ms;

		if (s->site && net_address_same_site(&s->source, source))
			p.site = s;
		else if (!s->site && net_address_same(&s->source, source))
			p.own = s;
		else if (!owes && !p.free)
			p.free = s;
		p.neighbours += owes && !s->site &&
				net_address_same_site(&s->source, source);
	}
	return p;
}

/* The place where a try counts. */
static struct rate_limit_source *rate_limit_place(
	struct rate_limit *l, const struct net_address *source, uint64_t now_ms)
{
	struct rate_limit_places p = rate_limit_look(l, source, now_ms);
	bool site = p.neighbours >= RATE_LIMIT_SITE_SOURCES;

	if (p.own && (p.own->paid_ms > now_ms || !site))
		return p.own;
	/* Its tries count at the site: rate_limit_right() looks there. */
	if (p.own) {
		*p.own = (struct rate_limit_source){ 0 };
		p.free = p.own;
	}
	if (site && p.site)
		return p.site;
	if (!p.free)
		return &l->others;
	*p.free = (struct rate_limit_source){ .source = *source, .site = site };
	return p.free;
}

bool rate_limit_begin(struct rate_limit *l, const struct net_address *source,
		      uint64_t now_ms)
{
	struct rate_limit_source *s = rate_limit_place(l, source, now_ms);

	if (s->paid_ms < now_ms)
		s->paid_ms = now_ms;
	if (s->paid_ms - now_ms > (RATE_LIMIT_BURST - 1) * RATE_LIMIT_EVERY_MS)
		return false;
	s->paid_ms += RATE_LIMIT_EVERY_MS;
	return true;
}

void rate_limit_right(struct rate_limit *l, const struct net_address *source)
{
	const struct rate_limit_places p = rate_limit_look(l, source, 0);
	struct rate_limit_source *s = p.own    ? p.own
				      : p.site ? p.site
					       : &l->others;

	if (s->paid_ms >= RATE_LIMIT_EVERY_MS)
		s->paid_ms -= RATE_LIMIT_EVERY_MS;
}
