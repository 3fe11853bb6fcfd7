// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/client.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "conn/hello.h"
#include "conn/host_id.h"
#include "tls/mode.h"

/* With raw: for the server to refuse us */
enum { VERDICT_MS = 500 };

static int client_send(struct client *client, const struct frame *f,
		       struct err *e)
{
	return hello_send(client->layer, client->socket.fd, f,
			  client->deadline_ms, e);
}

/* The name of the stream is a part of every HELLO. */
static int client_say_name(struct client *client, struct err *e)
{
	const uint8_t *name = client->session.p.config->name;
	struct frame f = { .type = FRAME_NAME };

	if (!name)
		return 0;
	memcpy(f.name, name, sizeof f.name);
	return client_send(client, &f, e);
}

static uint8_t client_flags(const struct session *s)
{
	const struct session_config *o = s->p.config;
	bool has = s->role == FRAME_RECEIVES && session_compares(s);

	return (uint8_t)((o->name ? FRAME_HELLO_NAMED : 0) |
			 (o->discard ? FRAME_HELLO_DISCARD : 0) |
			 (has ? FRAME_HELLO_HAVE : 0));
}

static int client_hello(struct client *client, const struct session_span *span,
			struct err *e)
{
	struct session *s = &client->session;
	const struct session_config *o = s->p.config;
	struct frame f = { .type = FRAME_HELLO };

	if (!s->count)
		session_ask(s);
	/* From here on bytes go over the new connection only. */
	rekey_agree(&s->rekey);
	f.hello = (struct frame_hello){
		.version = FRAME_VERSION,
		.role = o->role,
		.connection = ++s->number,
		.offset = span->high,
		.limits = session_limits(o),
		.rekey_at = s->conn ? span->at : 0,
		.flags = client_flags(s),
	};
	memcpy(f.hello.stream, s->stream, sizeof s->stream);
	host_id_own(f.hello.host);
	/*
	 * A handshake without the ticket authenticates us, but does not show
	 * that the stream is ours.
	 */
	if (s->count && s->p.cred && !client->ticket_cred &&
	    tls_prove(record_layer_agreed(client->layer), s->ticket,
		      f.hello.proof, e) < 0)
		return -1;
	client->reader = (struct frame_reader){ 0 };
	client->state = CLIENT_GREETING;
	if (client_send(client, &f, e) < 0)
		return -1;
	return client_say_name(client, e);
}

/* This address works: the next connection tries it first. */
static void client_know(struct client *client)
{
	struct net_address used = client->list.all[client->next];

	client->list.all[client->next] = client->list.all[0];
	client->list.all[0] = used;
	client->known.host = client->list;
	client->known.source = client->source;
	client->look_up = false;
}

/* The connection is authenticated and accepted: use it for the stream. */
static int client_use(struct client *client, uint64_t offset,
		      enum session_purpose purpose, struct err *e)
{
	struct session *s = &client->session;
	struct record_layer *rl = client->layer;
	int ret;

	client->layer = NULL;
	client->state = CLIENT_IDLE;
	ret = session_use(s, rl, &client->socket, client->name, offset, purpose,
			  e);
	client->socket.fd = -1;
	if (ret < 0 && session_is_final(e))
		return -1;
	/* If it is lost already, the kernel does not take its keys. */
	if (ret < 0 && s->conn)
		return session_abort_rekey(s, e);
	if (ret < 0)
		return s->count ? client_failed(client, true, e) : -1;
	s->replaced = false;
	client_know(client);
	client->list.count = client->next = 0;
	client->spoke = 0;
	*client->told = '\0';
	if (purpose == SESSION_REKEYS)
		client_reset_pause(client);
	client_watch(client, TLS_WANT_READ);
	return 0;
}

static int client_agree(struct client *client, const struct frame_welcome *w,
			struct err *e)
{
	const struct tls_agreed *agreed = record_layer_agreed(client->layer);
	struct session *s = &client->session;

	session_agree(s, agreed, &w->limits, w->handle);
	if (s->p.config->raw || !s->p.cred ||
	    !(agreed->psk || mode_usable(agreed->mode, CREDENTIAL_PSK)))
		return 0;
	client->ticket_cred = credential_new_psk(s->ticket, false, e);
	return client->ticket_cred ? 0 : -1;
}

/* Both sides know at which byte the new connection takes over. */
static int client_rekeyed(struct client *client,
			  const struct session_span *span, uint64_t at,
			  struct err *e)
{
	struct session *s = &client->session;

	if (s->role == FRAME_SENDS ? at == span->at : at >= span->at)
		return client_use(client, at, SESSION_REKEYS, e);
	err_set(e, ERR_STREAM, 0,
		"the peer wants to rekey at byte %" PRIu64
		", but we are at byte %" PRIu64,
		at, span->at);
	return session_abort_rekey(s, e);
}

/* Continue at the receiver's offset, or compare what it has with our input. */
static int client_sends(struct client *client, const struct session_span *span,
			const struct frame_welcome *w, struct err *e)
{
	struct session *s = &client->session;
	bool have = w->flags & FRAME_WELCOME_HAVE;

	if (!have && (w->offset < span->low || w->offset > span->high))
		return err_set(e, s->count ? ERR_STREAM : ERR_AUTH, 0,
			       "the receiver wants to resume at byte %" PRIu64
			       ", but the resend buffer holds bytes %" PRIu64
			       " to %" PRIu64,
			       w->offset, span->low, span->high);
	if (!s->count && client_agree(client, w, e) < 0)
		return -1;
	return client_use(client, w->offset,
			  have ? SESSION_COMPARES : SESSION_STREAMS, e);
}

/* The stream continues where we are.  The sender may have to compare first. */
static int client_receives(struct client *client,
			   const struct session_span *span,
			   const struct frame_welcome *w, struct err *e)
{
	struct session *s = &client->session;
	const struct frame have = { .type = FRAME_HAVE, .have = s->have };
	bool has = session_compares(s);

	/* Until HAVE has left, the next WELCOME may bring another ticket. */
	if (has && client_send(client, &have, e) < 0)
		return client_refused(client, e);
	if (!s->count && client_agree(client, w, e) < 0)
		return -1;
	s->peer_sent = w->offset;
	return client_use(client, has ? s->have.offset : span->low,
			  has ? SESSION_COMPARES : SESSION_STREAMS, e);
}

/* WELCOME accepts us. */
static int client_accepted(struct client *client,
			   const struct session_span *span,
			   const struct frame_welcome *w, struct err *e)
{
	struct session *s = &client->session;

	if (s->p.config->discard) {
		s->discarded = true;
		client_hang_up(client);
		return 0;
	}
	if (s->conn && w->rekey_at)
		return client_rekeyed(client, span, w->rekey_at, e);
	if (s->role == FRAME_RECEIVES)
		return client_receives(client, span, w, e);
	if (!(w->flags & FRAME_WELCOME_HAVE) && session_compares(s))
		return err_set(e, ERR_STREAM, 0,
			       "the receiver does not wait for the comparison "
			       "any more");
	return client_sends(client, span, w, e);
}

/*
 * The server's first record after the handshake: an alert, if it refuses our
 * certificate or us, but a session ticket or data if it accepts us.
 */
static int client_raw_step(struct client *client,
			   const struct session_span *span, struct err *e)
{
	uint8_t dropped[RECORD_MAX];
	struct record_layer_io io;

	if (record_layer_recv(client->layer, dropped, sizeof dropped, &io, e) <
	    0)
		return client_refused(client, e);
	if (io.closed) {
		err_set(e, ERR_AUTH, 0,
			"the peer ended the connection before the stream");
		return client_refused(client, e);
	}
	if (!record_layer_records(client->layer, RECORD_RX, 1) &&
	    clock_now_ms() < client->deadline_ms)
		return 0;
	return client_accepted(client, span, &(struct frame_welcome){ 0 }, e);
}

/*
 * A client of TLS 1.3 may send before the server has judged it.  A sender gives
 * the server a moment: once input was read, it is too late for ERR_AUTH.
 */
static int client_raw_begin(struct client *client,
			    const struct session_span *span, struct err *e)
{
	const struct mode *mode = record_layer_agreed(client->layer)->mode;

	if (client->session.role != FRAME_SENDS || mode->version != MODE_TLS13)
		return client_accepted(client, span,
				       &(struct frame_welcome){ 0 }, e);
	client_wait(client, CLIENT_GREETING, VERDICT_MS, TLS_WANT_READ);
	return 0;
}

int client_greeting_begin(struct client *client,
			  const struct session_span *span, struct err *e)
{
	if (client->session.p.config->raw)
		return client_raw_begin(client, span, e);
	if (client_hello(client, span, e) < 0)
		return client_refused(client, e);
	client_watch(client, TLS_WANT_READ);
	return 0;
}

int client_greeting_step(struct client *client, const struct session_span *span,
			 struct err *e)
{
	struct session *s = &client->session;
	struct frame f;
	bool got;

	if (s->p.config->raw)
		return client_raw_step(client, span, e);
	if (hello_recv(client->layer, &client->reader, FRAME_WELCOME, &f, &got,
		       e) < 0)
		return client_refused(client, e);
	if (!got)
		return 0;
	if (hello_check(&f.welcome, s->role, e) < 0) {
		if (rekey_holds(&s->rekey))
			return client_refused(client, e);
		if (f.welcome.refusal == FRAME_REFUSED_STREAM &&
		    s->p.config->discard)
			err_set(e, e->kind, 0,
				"there is no stream of that name");
		err_wrap(e, "%s", client->name);
		if (f.welcome.refusal == FRAME_REFUSED_BUSY)
			return client_failed(client, true, e);
		/* The peer itself refuses the stream: do not ask again. */
		if (s->count)
			e->kind = ERR_STREAM;
		s->replaced = f.welcome.refusal == FRAME_REFUSED_STREAM;
		return -1;
	}
	if (client_accepted(client, span, &f.welcome, e) == 0)
		return 0;
	/* To the listener the stream has begun: it must not wait for us. */
	if (client->layer && !session_suspends(s))
		record_layer_last_alert(client->layer, RECORD_USER_CANCELED);
	return -1;
}
