// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/serve_log.h"

#include <stdio.h>
#include <string.h>

static void serve_log_more(const struct serve_log_client *c, unsigned int more)
{
	if (more)
		log_notice("%s: %u more streams were not logged", c->name,
			   more);
}

static bool serve_log_is(const struct serve_log_client *c, const char *identity,
			 const struct net_source *source)
{
	return c->streams.since_ms && !strcmp(c->identity, identity) &&
	       (*identity || net_source_same(&c->source, source));
}

/* The place of this client, or the one that was idle longest */
static struct serve_log_client *serve_log_find(struct serve_log *l,
					       const char *identity,
					       const struct net_source *source)
{
	struct serve_log_client *c = &l->clients[0];

	for (size_t i = 0; i < SERVE_LOG_CLIENTS; i++) {
		if (serve_log_is(&l->clients[i], identity, source))
			return &l->clients[i];
		if (l->clients[i].streams.since_ms < c->streams.since_ms)
			c = &l->clients[i];
	}
	serve_log_more(c, c->streams.left_out);
	*c = (struct serve_log_client){ .source = *source };
	snprintf(c->identity, sizeof c->identity, "%s", identity);
	return c;
}

bool serve_log_may(struct serve_log *l, const char *identity,
		   const struct net_source *source, const char *name)
{
	struct serve_log_client *c = serve_log_find(l, identity, source);
	unsigned int more;
	bool may = log_limit(&c->streams, &more);

	snprintf(c->name, sizeof c->name, "%s", name);
	serve_log_more(c, more);
	return may;
}

void serve_log_end(const struct serve_log *l)
{
	for (size_t i = 0; i < SERVE_LOG_CLIENTS; i++)
		serve_log_more(&l->clients[i], l->clients[i].streams.left_out);
}
