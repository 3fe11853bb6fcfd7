// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	BACKOFF_MS = 100, /* the first pause; doubles each time */
	BACKOFF_MAX_MS = 5000,
	LAST_MS = 1000, /* for the last attempt at a first connection */
};

bool client_dials(const struct client *client)
{
	const struct session *s = &client->session;

	return !s->conn || rekey_dials(&s->rekey);
}

void client_watch(struct client *client, enum tls_want want)
{
	struct session *s = &client->session;

	s->fd = client->state == CLIENT_IDLE	    ? -1
		: client->state == CLIENT_RESOLVING ? client->resolve.fd
						    : client->socket.fd;
	s->events = want == TLS_WANT_WRITE ? POLLOUT : POLLIN;
	s->due_ms =
		client->state == CLIENT_IDLE
			? client->start_ms
			: clock_earlier(client->deadline_ms, client->speak_ms);
	if (client->state == CLIENT_IDLE && !client_dials(client))
		s->due_ms = CLOCK_NEVER;
}

/* When to give up on getting a connection. */
static uint64_t client_end_ms(const struct client *client)
{
	return client->session.count ? retry_deadline(&client->session.retry)
				     : client->give_up_ms;
}

void client_wait(struct client *client, enum client_state state,
		 uint64_t timeout_ms, enum tls_want want)
{
	bool computes = state == CLIENT_PASSWORD || state == CLIENT_HANDSHAKE;

	client->state = state;
	client->speak_ms = CLOCK_NEVER;
	/* With a lifeline the other host says what to check. */
	if (!(client->spoke & 1u << state) &&
	    client->session.p.config->lifeline_fd < 0)
		client->speak_ms = clock_deadline(
			computes ? CLIENT_SPEAK_HANDSHAKE_MS : CLIENT_SPEAK_MS);
	/* Later than speak_ms: if both are as long, speak before failing. */
	client->deadline_ms = clock_deadline(timeout_ms);
	client_watch(client, want);
}

uint64_t client_patience(const struct client *client, uint64_t most_ms)
{
	uint64_t now = clock_now_ms(), end_ms = client_end_ms(client);

	if (!client->session.count && !client->session.p.config->reach_ms)
		return most_ms;
	return min_u64(most_ms, end_ms > now ? end_ms - now : 0);
}

/* Between half of ms and ms, so that many clients do not dial at once. */
static uint64_t client_jitter(uint64_t ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		return ms;
	return ms / 2 + random % (ms / 2 + 1);
}

void client_reset_pause(struct client *client)
{
	client->backoff_ms = BACKOFF_MS;
}

void client_pause(struct client *client)
{
	client->start_ms = clock_deadline(client_jitter(client->backoff_ms));
	client->backoff_ms = min_u64(2 * client->backoff_ms, BACKOFF_MAX_MS);
}

void client_hang_up(struct client *client)
{
	resolve_stop(&client->resolve);
	password_exchange_wipe(&client->pass);
	tls_free(client->tls);
	record_layer_free(client->layer);
	client->tls = NULL;
	client->layer = NULL;
	attr_close(&client->socket.fd);
	client->state = CLIENT_IDLE;
}

/*
 * Log why an attempt failed: before the first connection at once, later after
 * CLIENT_SPEAK_MS without a connection; and again for each new reason.
 */
static void client_explain(struct client *client, const struct err *e)
{
	const struct session *s = &client->session;
	uint64_t now = clock_now_ms(), end_ms = client_end_ms(client);
	uint64_t since_ms = s->conn ? s->rekey.since_ms : client->since_ms;
	char left[CLOCK_TEXT_BYTES];

	/* Without time left, main() reports the error. */
	if (!strcmp(client->told, e->msg) || (!s->conn && now >= end_ms) ||
	    (s->count && now - since_ms < CLIENT_SPEAK_MS)) {
		log_debug("%s", e->msg);
		return;
	}
	snprintf(client->told, sizeof client->told, "%s", e->msg);
	clock_text(end_ms - now, left);
	if (s->conn)
		log_notice("%s; trying again, to rekey", e->msg);
	else
		log_notice("%s; trying again for %s", e->msg, left);
}

/*
 * When the last attempt at a first connection may begin: it needs some time, or
 * it would end with a timeout of ours instead of the reason.
 */
static uint64_t client_last_ms(const struct client *client)
{
	return client->give_up_ms -
	       min_u64(LAST_MS, client->session.p.config->reach_ms / 4);
}

int client_failed(struct client *client, bool retryable, struct err *e)
{
	struct session *s = &client->session;
	bool first = !s->count, more;

	client_hang_up(client);
	client->retryable |= retryable;
	if (client->next < client->list.count)
		client->next++;
	/* The peer itself failed the handshake: other addresses do not help. */
	if (first && !retryable && e->kind == ERR_AUTH)
		return -1;
	more = client->next < client->list.count;
	if (first && !more &&
	    (!client->retryable || clock_now_ms() >= client_last_ms(client)))
		return -1;
	if (more)
		log_debug("%s", e->msg);
	else
		client_explain(client, e);
	*e = (struct err){ 0 };
	client->look_up |= !more;
	if (more)
		client->start_ms = clock_now_ms();
	else
		client_pause(client);
	if (first && !more)
		client->start_ms =
			clock_earlier(client->start_ms, client_last_ms(client));
	client_watch(client, TLS_WANT_READ);
	return 0;
}

/*
 * Did the peer's kernel reset us, for example because a listener exited with us
 * in its backlog?  The next listener may be about to start.  Not after a
 * password exchange: each handshake lets the peer try one password, so a reset
 * must not gain it another try.
 */
static bool client_was_reset(const struct client *client, const struct err *e)
{
	bool tried_password = client->session.p.password &&
			      !client->session.count &&
			      client->state == CLIENT_HANDSHAKE;

	return !tried_password && (e->num == ECONNRESET || e->num == EPIPE);
}

/*
 * The listener no longer accepts our ticket.  That refusal was not
 * authenticated, so we keep trying, but do not promise that the stream is
 * suspended.
 */
static void client_note_replaced(struct client *client, struct err *e)
{
	struct session *s = &client->session;

	if (!s->named || s->conn || !client->ticket_cred || !client->tls ||
	    !tls_refused(client->tls))
		return;
	s->replaced = true;
	err_set(e, ERR_AUTH, 0,
		"the listener does not know this process any more: another one "
		"continues the stream, or it is over");
	s->why = *e;
}

int client_refused(struct client *client, struct err *e)
{
	bool busy = (client->tls && tls_put_off(client->tls)) ||
		    (client->layer &&
		     record_layer_alert(client->layer) == RECORD_USER_CANCELED);
	bool reset = client_was_reset(client, e);
	/* A refusal would have come as a WELCOME or an alert. */
	bool lost = client->state == CLIENT_GREETING && client->layer &&
		    record_layer_lost(client->layer);

	if (reset)
		e->kind = ERR_NET;
	else if (!busy)
		client_note_replaced(client, e);
	err_wrap(e, "%s", client->name);
	if (rekey_holds(&client->session.rekey))
		return session_abort_rekey(&client->session, e);
	return client_failed(client, busy || reset || lost, e);
}
