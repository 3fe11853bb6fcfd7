// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/crowd.h"

/* How many places a source holds; those of its site count proportionally. */
static unsigned int crowd_weight(const struct crowd_place *places, size_t count,
				 const struct net_address *source)
{
	unsigned int held = 0, site = 0;

	for (size_t i = 0; i < count; i++) {
		if (!places[i].source)
			continue;
		held += net_address_same(places[i].source, source);
		site += net_address_same_site(places[i].source, source);
	}
	site = site * CROWD_MAX / CROWD_SITE_MAX;
	return held > site ? held : site;
}

static uint64_t crowd_grace_ms(unsigned int weight)
{
	return weight > CROWD_MAX ? 0 : CROWD_GRACE_MS / weight;
}

int crowd_pick(const struct crowd_place *places, size_t count, uint64_t now_ms)
{
	unsigned int most = 0;
	int pick = -1;

	for (size_t i = 0; i < count; i++) {
		const struct crowd_place *p = &places[i];
		unsigned int weight;

		if (!p->source)
			continue;
		weight = crowd_weight(places, count, p->source);
		if (now_ms < p->since_ms + crowd_grace_ms(weight))
			continue;
		if (weight > most ||
		    (weight == most && p->since_ms < places[pick].since_ms)) {
			most = weight;
			pick = (int)i;
		}
	}
	return pick;
}
