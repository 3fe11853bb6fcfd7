// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/session_server.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "conn/acceptor.h"
#include "conn/hello.h"

struct session_server {
	struct session session; /* first: a link is this */
	struct acceptor *acceptor;
	struct acceptor_stream stream;
	uint8_t handle[FRAME_ID_BYTES]; /* of the stream */
	uint64_t deadline_ms; /* of --wait */
	const struct net_listener *listener;
	bool connected; /* as the process was told that hands connections over */
};

static struct session_server *session_server_of(struct session *l)
{
	return (struct session_server *)l;
}

static void accepted_drop(struct accepted_peer *g)
{
	tls_free(g->tls);
	close(g->socket.fd);
}

/*
 * The WELCOME has left our buffers before the kernel takes over.  offset: where
 * a receiver is, or how far a sender's input goes.
 */
static int session_server_welcome(const struct session_config *o,
				  struct accepted_peer *g, uint64_t offset,
				  bool rekeys_now, const uint8_t *handle,
				  struct err *e)
{
	struct frame f = { .type = FRAME_WELCOME };

	if (o->raw)
		return 0;
	f.welcome = (struct frame_welcome){
		.version = FRAME_VERSION,
		.refusal = FRAME_ACCEPTED,
		.role = session_frame_role(o),
		.offset = offset,
		.buffer_bytes = session_buffer_bytes(o),
		.record_limit = session_record_limit(o),
		.rekey_at = rekeys_now ? offset : 0,
		.retry_ms = retry_agree(o->retry_ms, g->hello.retry_ms),
	};
	if (handle)
		memcpy(f.welcome.handle, handle, FRAME_ID_BYTES);
	return hello_send(g->tls, g->socket.fd, &f,
			  clock_deadline(o->handshake_ms), e);
}

static int session_server_use(struct session *l, struct accepted_peer *g,
			      uint64_t offset, bool rekeys_now, struct err *e)
{
	l->number = g->hello.connection;
	return session_use(l, g->tls, &g->socket, g->name, offset, rekeys_now,
			   e);
}

/* The first that is still there when it is welcomed gets the stream. */
static int session_server_begin(struct session *l, struct accepted_peer *g,
				struct err *e)
{
	struct session_server *d = session_server_of(l);
	const struct session_peer peer = {
		.buffer_bytes = g->hello.buffer_bytes,
		.retry_ms = g->hello.retry_ms,
		.record_limit = g->hello.record_limit,
		.handle = d->handle
	};

	if (session_server_welcome(l->p.config, g, 0, false, d->handle, e) <
		    0 ||
	    session_agree(l, g->tls, &peer, e) < 0) {
		log_notice("a peer went away again: %s", e->msg);
		*e = (struct err){ 0 };
		accepted_drop(g);
		return 0;
	}
	memcpy(l->stream, g->hello.stream, sizeof l->stream);
	d->stream = (struct acceptor_stream){ .resumes = session_resumes(l),
					      .id = l->stream,
					      .connection = g->hello.connection,
					      .source = g->source };
	if (!l->p.config->raw && l->p.cred) {
		credential_admit(l->p.cred, &l->ticket);
		d->stream.ticket = &l->ticket;
	}
	acceptor_serve(d->acceptor, &d->stream);
	return session_server_use(l, g, 0, false, e);
}

/*
 * The peer wants fresh keys: both connections live, until the receiver has got
 * from the old one what was sent before the greeting.
 */
static int session_server_rekey(struct session *l, struct accepted_peer *g,
				const struct session_span *span, struct err *e)
{
	bool sends = l->role == CONNECTION_SENDER;
	uint64_t at = sends ? span->at : g->hello.rekey_at;

	if (at < span->at) {
		log_notice("%s wants fresh keys from byte %" PRIu64
			   " on, which is past",
			   g->name, at);
		accepted_drop(g);
		return 0;
	}
	if (session_server_welcome(l->p.config, g, at, true, NULL, e) < 0)
		accepted_drop(g);
	else if (session_server_use(l, g, at, true, e) == 0)
		return 0;
	return session_abort_rekey(l, e);
}

/*
 * The stream's peer is back, whether we knew that it was away or not: the old
 * connection is over from here on.
 */
static void session_server_resume(struct session *l, struct accepted_peer *g,
				  const struct session_span *span)
{
	uint64_t offset = l->role == CONNECTION_SENDER ? g->hello.offset
						       : span->low;
	struct err e = { 0 };
	uint64_t said;

	if (offset < span->low || offset > span->high) {
		log_notice("%s wants to go on at byte %" PRIu64
			   ", which is not kept",
			   g->name, offset);
		accepted_drop(g);
		return;
	}
	said = l->role == CONNECTION_SENDER ? span->high : offset;
	if (l->conn)
		err_set(&l->why, ERR_STREAM, 0,
			"the peer gave its connection up");
	session_close(l);
	l->peer_sent = g->hello.offset;
	if (session_server_welcome(l->p.config, g, said, false, NULL, &e) < 0)
		accepted_drop(g);
	else if (session_server_use(l, g, offset, false, &e) == 0)
		return;
	/* Cut again before it was of use: it will be back. */
	log_debug("%s: %s", g->name, e.msg);
	session_start_retry(l);
}

static int session_server_on_return(struct session *l, struct accepted_peer *g,
				    const struct session_span *span,
				    struct err *e)
{
	session_server_of(l)->stream.connection = g->hello.connection;
	session_server_of(l)->stream.source = g->source;
	/* A receiver that wants fresh keys again is done with the old ones. */
	if (g->hello.rekey_at && l->role == CONNECTION_SENDER)
		session_retire_old(l, g->hello.offset);
	if (g->hello.rekey_at && l->conn && !l->old)
		return session_server_rekey(l, g, span, e);
	if (session_resumes(l))
		session_server_resume(l, g, span);
	else
		accepted_drop(g);
	return 0;
}

/* Who has no connection may have to give way to another stream. */
static void session_server_tell(struct session_server *d)
{
	bool connected = d->session.conn;

	if (d->listener->handed && connected != d->connected)
		net_tell(d->listener, connected);
	d->connected = connected;
}

static int session_server_run(struct session *l,
			      const struct session_span *span, struct err *e)
{
	struct session_server *d = session_server_of(l);
	struct accepted_peer accepted;

	while (acceptor_step(d->acceptor, &accepted)) {
		if ((l->count ? session_server_on_return(l, &accepted, span, e)
			      : session_server_begin(l, &accepted, e)) < 0)
			return -1;
	}
	if (acceptor_check(d->acceptor, e) < 0)
		return -1;
	session_server_tell(d);
	l->due_ms = acceptor_due(d->acceptor);
	if (l->count)
		return 0;
	l->due_ms = clock_earlier(l->due_ms, d->deadline_ms);
	if (clock_now_ms() >= d->deadline_ms)
		return err_set(e, ERR_NET, 0,
			       "nobody came within the time of --wait");
	return 0;
}

static void session_server_lost(struct session *l)
{
	session_server_tell(session_server_of(l));
}

static void session_server_free(struct session *l)
{
	struct session_server *d = session_server_of(l);

	acceptor_close(d->acceptor);
	free(d);
}

static const struct session_ops session_server_ops = {
	.run = session_server_run,
	.lost = session_server_lost,
	.free = session_server_free,
};

int session_server_draw(uint8_t handle[static FRAME_ID_BYTES], struct err *e)
{
	return io_random(handle, FRAME_ID_BYTES, e);
}

static struct session_server *session_server_alloc(
	const struct session_params *p, const struct net_listener *l,
	struct err *e)
{
	struct acceptor_params acceptor = {
		.listener = l,
		.cred = p->cred,
		.password = p->password,
		.modes = p->modes,
		.ktls = p->ktls,
		.raw = p->config->raw,
		.role = session_frame_role(p->config),
		.allow_self = p->config->allow_self,
		.handshake_ms = p->config->handshake_ms
	};
	struct session_server *d = calloc(1, sizeof *d);

	if (!d) {
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	session_init(&d->session, &session_server_ops, p);
	d->listener = l;
	d->acceptor = acceptor_open(&acceptor, e);
	if (!d->acceptor) {
		free(d);
		return NULL;
	}
	d->session.fd = acceptor_fd(d->acceptor);
	d->session.due_ms = clock_now_ms();
	d->deadline_ms = CLOCK_NEVER;
	return d;
}

struct session *session_server_new(const struct session_params *p,
				   const struct net_listener *l, struct err *e)
{
	struct session_server *d = session_server_alloc(p, l, e);

	if (!d)
		return NULL;
	d->deadline_ms = clock_deadline(p->config->wait_ms);
	if (session_server_draw(d->handle, e) < 0) {
		session_free(&d->session);
		return NULL;
	}
	return &d->session;
}

struct session *session_server_take(const struct session_params *p,
				    const struct net_listener *l,
				    struct accepted_peer *g,
				    const uint8_t handle[static FRAME_ID_BYTES],
				    struct err *e)
{
	struct session_server *d = session_server_alloc(p, l, e);

	if (!d) {
		accepted_drop(g);
		return NULL;
	}
	memcpy(d->handle, handle, sizeof d->handle);
	if (session_server_begin(&d->session, g, e) == 0 && d->session.conn) {
		d->connected = true;
		return &d->session;
	}
	if (!e->kind)
		err_set(e, ERR_NET, 0, "there is no stream");
	session_free(&d->session);
	return NULL;
}
