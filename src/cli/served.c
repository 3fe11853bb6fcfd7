// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/served.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/order.h"
#include "conn/session.h"

enum {
	ALONE_MS = 500, /* without a connection, before it may be evicted */
	KILL_MS = 20000, /* for a stream to end after SIGTERM */
	OWED_MS = 100, /* until a signal that is owed is sent again */
};

/* Two tickets for each place; see served_next_ticket(). */
enum { TICKETS_BYTES = 2 * SERVED_PROCESSES_MAX * sizeof(struct key) };

int served_init(struct served *t, struct credential *cred)
{
	t->cred = cred;
	t->tickets = secret_alloc(TICKETS_BYTES);
	return t->tickets ? 0 : -1;
}

void served_fini(struct served *t)
{
	secret_free(t->tickets, TICKETS_BYTES);
}

/* Is there a stream in this place that was not told to end? */
static bool served_runs(const struct served_stream *s)
{
	return s->pid && !s->gives_way;
}

bool served_is_suspended(const struct served_stream *s)
{
	return served_runs(s) && s->named && s->alone_since_ms;
}

struct served_numbers served_numbers(const struct served *t)
{
	struct served_numbers n = { 0 };

	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++) {
		const struct served_stream *s = &t->streams[i];

		n.processes += s->pid != 0;
		n.running += served_runs(s) && !served_is_suspended(s);
		n.suspended += served_is_suspended(s);
		n.named += served_runs(s) && s->named;
	}
	return n;
}

/* The ticket of the process that is about to restart the stream */
static struct key *served_next_ticket(const struct served *t,
				      const struct served_stream *s)
{
	return &t->tickets[SERVED_PROCESSES_MAX + (size_t)(s - t->streams)];
}

void served_restarted(struct served *t, struct served_stream *s, bool did)
{
	struct key *next = served_next_ticket(t, s);

	if (did && s->restarts) {
		credential_dismiss(t->cred, s->ticket);
		*s->ticket = *next;
		credential_admit(t->cred, s->ticket, CREDENTIAL_TICKET);
		memcpy(s->id, s->next_id, sizeof s->id);
		s->stream.connection = s->next_connection;
		s->stream.source = s->next_source;
	}
	s->restarts = false;
	key_wipe(next);
}

void served_signal(struct served_stream *s, int sig)
{
	struct err e = { 0 };
	bool failed = order_signal(s->pid, sig, &e) < 0;

	if (sig == SIGUSR1)
		return;
	if (sig == SIGTERM && !s->kill_ms)
		s->kill_ms = clock_deadline(KILL_MS);
	s->owed_sig = failed ? sig : 0;
}

uint64_t served_signal_due(struct served *t)
{
	uint64_t now = clock_now_ms(), due_ms = CLOCK_NEVER;

	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++) {
		struct served_stream *s = &t->streams[i];

		if (!s->pid || !s->kill_ms)
			continue;
		if (now >= s->kill_ms) {
			served_signal(s, SIGKILL);
			s->kill_ms = clock_deadline(KILL_MS);
		} else if (s->owed_sig) {
			served_signal(s, s->owed_sig);
		}
		due_ms = clock_earlier(due_ms, s->owed_sig
						       ? clock_deadline(OWED_MS)
						       : s->kill_ms);
	}
	return due_ms;
}

static void served_hear_stream(struct served *t, struct served_stream *s)
{
	const struct pass_news was = s->heard, now = pass_hear(s->news);

	s->heard = now;
	s->alone_since_ms = pass_alone_since(&now);
	t->bytes += (uint64_t)(uint32_t)(now.kib - was.kib) * 1024;
	if (served_runs(s) &&
	    (now.restarted != was.restarted || now.refused != was.refused))
		served_restarted(t, s, now.restarted != was.restarted);
}

void served_hear(struct served *t)
{
	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++)
		if (t->streams[i].pid)
			served_hear_stream(t, &t->streams[i]);
}

/* A client is an identity or, where it has none, a source. */
static bool served_same_client(const char *a,
			       const struct net_address *a_source,
			       const char *b,
			       const struct net_address *b_source)
{
	return !strcmp(a, b) && (*a || net_address_same(a_source, b_source));
}

static bool served_is_of(const struct served_stream *s, const char *identity,
			 const struct net_address *source)
{
	return served_same_client(s->identity, &s->stream.source, identity,
				  source);
}

uint64_t served_count(const struct served *t, const char *identity,
		      const struct net_address *source)
{
	uint64_t count = 0;

	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++)
		count += t->streams[i].pid &&
			 served_is_of(&t->streams[i], identity, source);
	return count;
}

struct served_stream *served_pick(struct served *t, const char *identity,
				  const struct net_address *source)
{
	uint64_t now = clock_now_ms();
	struct served_stream *pick = NULL;
	bool pick_is_own = false;

	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++) {
		struct served_stream *s = &t->streams[i];
		bool own = served_is_of(s, identity, source);

		if (!served_runs(s) || !s->alone_since_ms || s->named)
			continue;
		if (!pick || own > pick_is_own ||
		    (own == pick_is_own &&
		     s->alone_since_ms < pick->alone_since_ms)) {
			pick = s;
			pick_is_own = own;
		}
	}
	return pick && now >= pick->alone_since_ms + ALONE_MS ? pick : NULL;
}

struct served_stream *served_place(struct served *t)
{
	for (size_t i = 0; i < SERVED_PROCESSES_MAX; i++)
		if (!t->streams[i].pid)
			return &t->streams[i];
	return NULL;
}

void served_forget(struct served *t, struct served_stream *s)
{
	t->resumable[s - t->streams] = NULL;
	if (t->cred)
		credential_dismiss(t->cred, s->ticket);
	s->restarts = false;
	key_wipe(s->ticket);
	key_wipe(served_next_ticket(t, s));
}

void served_end(struct served *t, struct served_stream *s)
{
	served_hear_stream(t, s);
	if (served_runs(s))
		served_forget(t, s);
	close(s->fd);
	pass_news_free(s->news);
	s->pid = 0;
}

int served_prepare_restart(struct served *t, struct served_stream *s,
			   struct peer *g)
{
	struct err e = { 0 };

	if (io_random(g->handle, sizeof g->handle, &e) < 0) {
		log_notice("%s", e.msg);
		return -1;
	}
	session_ticket(served_next_ticket(t, s), record_layer_agreed(g->layer),
		       g->handle);
	memcpy(s->next_id, g->hello.stream, sizeof s->next_id);
	s->next_connection = g->hello.connection;
	s->next_source = g->source;
	s->restarts = true;
	return 0;
}

void served_note(struct served *t, struct served_stream *s,
		 const struct peer *g, const uint8_t *handle)
{
	const struct tls_agreed *agreed = record_layer_agreed(g->layer);
	size_t i = (size_t)(s - t->streams);

	memcpy(s->id, g->hello.stream, sizeof s->id);
	s->stream = (struct pending_stream){ .resumes = true,
					     .id = s->id,
					     .connection = g->hello.connection,
					     .source = g->source };
	s->ticket = &t->tickets[i];
	if (t->cred) {
		session_ticket(s->ticket, agreed, handle);
		s->stream.ticket = s->ticket;
		credential_admit(t->cred, s->ticket, CREDENTIAL_TICKET);
	}
	snprintf(s->owner, sizeof s->owner, "%s", agreed->name);
	s->stream.identity = s->owner;
	s->named = g->hello.flags & FRAME_HELLO_NAMED;
	if (s->named) {
		memcpy(s->stream_name, g->stream_name, sizeof s->stream_name);
		s->stream.name = s->stream_name;
	}
	t->resumable[i] = &s->stream;
}

static void served_log_more(const struct served_log_client *c,
			    unsigned int more)
{
	if (more)
		log_notice("%s: %u more stream%s not logged, except failures "
			   "of the first %d",
			   c->name, more, more == 1 ? " was" : "s were",
			   SERVED_LOG_FAILURES);
}

/* The place of this client, or the one that was idle longest */
static struct served_log_client *served_log_find(
	struct served *t, const char *identity,
	const struct net_address *source)
{
	struct served_log_client *idle = &t->logged[0];

	for (size_t i = 0; i < SERVED_LOG_CLIENTS; i++) {
		struct served_log_client *c = &t->logged[i];

		if (c->streams.since_ms &&
		    served_same_client(c->identity, &c->source, identity,
				       source))
			return c;
		if (c->streams.since_ms < idle->streams.since_ms)
			idle = c;
	}
	served_log_more(idle, idle->streams.left_out);
	*idle = (struct served_log_client){ .source = *source };
	snprintf(idle->identity, sizeof idle->identity, "%s", identity);
	return idle;
}

enum served_logged served_log_may(struct served *t, const char *identity,
				  const struct net_address *source,
				  const char *name)
{
	struct served_log_client *c = served_log_find(t, identity, source);
	unsigned int more;
	bool may = log_limit(&c->streams, &more);

	snprintf(c->name, sizeof c->name, "%s", name);
	served_log_more(c, more);
	if (may)
		return SERVED_LOG_ALL;
	return c->streams.left_out <= SERVED_LOG_FAILURES ? SERVED_LOG_FAILURE
							  : SERVED_LOG_NOTHING;
}

void served_log_end(const struct served *t)
{
	for (size_t i = 0; i < SERVED_LOG_CLIENTS; i++)
		served_log_more(&t->logged[i], t->logged[i].streams.left_out);
}
