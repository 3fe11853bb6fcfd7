// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/session_client.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/io.h"
#include "conn/client.h"

static struct client *client_of(struct session *s)
{
	return (struct client *)s;
}

/*
 * A peer that has authenticated is this program, and answers a greeting: if no
 * WELCOME comes, the connection was lost.
 */
static int client_too_late(struct client *client, struct err *e)
{
	uint64_t ms = client->session.p.config->handshake_ms;

	if (client->layer)
		record_layer_set_lost(client->layer);
	err_set(e, ERR_AUTH, 0,
		client->layer ? "no answer to our greeting within %" PRIu64
				" ms"
			      : "no handshake within %" PRIu64
				" ms: the peer does not answer, or not in TLS",
		ms);
	return client_refused(client, e);
}

static int client_step(struct client *client, const struct session_span *span,
		       struct err *e)
{
	/* The stream ended meanwhile. */
	if (client->state < CLIENT_GREETING && !client_dials(client))
		client_hang_up(client);
	if (client->state != CLIENT_IDLE && clock_now_ms() >= client->speak_ms)
		client_dial_speak(client);
	switch (client->state) {
	case CLIENT_IDLE:
		if (!client_dials(client) ||
		    clock_now_ms() < client->start_ms) {
			/* A rekey may have been cancelled. */
			client_watch(client, TLS_WANT_READ);
			return 0;
		}
		return client_dial_begin(client, e);
	case CLIENT_RESOLVING:
		return client_dial_resolving(client, e);
	case CLIENT_CONNECTING:
		return client_dial_connecting(client, e);
	case CLIENT_PASSWORD:
		return client_handshake_password(client, e);
	case CLIENT_HANDSHAKE:
		return client_handshake_step(client, span, e);
	case CLIENT_GREETING:
		return client_greeting_step(client, span, e);
	}
	return 0;
}

/* Run the steps, as far as each completes. */
static int client_run(struct session *s, const struct session_span *span,
		      struct err *e)
{
	struct client *client = client_of(s);
	enum client_state before;

	if (s->prepare) {
		s->due_ms = clock_now_ms();
		client->give_up_ms = clock_deadline(s->p.config->reach_ms);
		return session_get_ready(s, e);
	}
	do {
		before = client->state;
		if (client_step(client, span, e) < 0)
			return -1;
	} while (client->state != before && client->state != CLIENT_IDLE);
	/* A raw peer sends no WELCOME. */
	if (client->state == CLIENT_GREETING && s->p.config->raw)
		return 0;
	/* After the steps: the answer may have come while we were suspended. */
	if (client->state >= CLIENT_PASSWORD &&
	    clock_now_ms() >= client->deadline_ms)
		return client_too_late(client, e);
	return 0;
}

static void client_lost(struct session *s)
{
	struct client *client = client_of(s);

	client_hang_up(client);
	client->since_ms = clock_now_ms();
	client->look_up = true;
	if (s->useful)
		client_reset_pause(client);
	client_pause(client);
	client_watch(client, TLS_WANT_READ);
}

static void client_free(struct session *s)
{
	struct client *client = client_of(s);

	client_hang_up(client);
	credential_free(client->ticket_cred);
	free(client);
}

static const struct session_ops client_ops = {
	.run = client_run,
	.lost = client_lost,
	.free = client_free,
};

struct session *session_client_new(const struct session_params *p,
				   struct err *e)
{
	struct client *client = err_alloc(sizeof *client, e);

	if (!client)
		return NULL;
	if (session_init(&client->session, &client_ops, p, e) < 0) {
		free(client);
		return NULL;
	}
	client->session.named = p->config->name;
	resolve_init(&client->resolve);
	client->socket.fd = -1;
	client->look_up = true;
	client_reset_pause(client);
	client->start_ms = clock_now_ms();
	client->session.due_ms = client->start_ms;
	client->give_up_ms = clock_deadline(p->config->reach_ms);
	/* The stream's id: unique, not secret. */
	if (io_random(client->session.stream, sizeof client->session.stream,
		      e) < 0) {
		session_free(&client->session);
		return NULL;
	}
	return &client->session;
}
