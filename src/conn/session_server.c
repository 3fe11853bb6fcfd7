// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/session_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "conn/hello.h"

/* A session that accepts its connections. */
struct session_server {
	struct session session; /* first, for the cast */
	struct acceptor *acceptor; /* NULL: another process accepts */
	int over; /* then: the socket to it */
	struct pass_news *news; /* and what it hears; else NULL */
	struct pending_stream stream;
	uint8_t handle[FRAME_ID_BYTES]; /* of the stream */
	char identity[KEY_IDENTITY_MAX + 1]; /* that may get another ticket */
	uint64_t start; /* where the present peer began */
	uint64_t deadline_ms; /* of --wait */
};

static struct session_server *session_server_of(struct session *s)
{
	return (struct session_server *)s;
}

static int session_server_send(const struct session *s, struct peer *peer,
			       const struct frame *f, struct err *e)
{
	return hello_send(peer->layer, peer->socket.fd, f,
			  clock_deadline(s->p.config->handshake_ms), e);
}

/*
 * Returns when the WELCOME has left our buffers: only then the kernel may take
 * over.  offset: a receiver's position, or how far a sender's input reaches.
 */
static int session_server_welcome(const struct session *s, struct peer *peer,
				  uint64_t offset, enum session_purpose purpose,
				  const uint8_t *handle, struct err *e)
{
	const struct session_config *o = s->p.config;
	bool has = purpose == SESSION_COMPARES && s->role == FRAME_RECEIVES;
	struct frame f = { .type = FRAME_WELCOME };

	if (o->raw)
		return 0;
	f.welcome = (struct frame_welcome){
		.version = FRAME_VERSION,
		.refusal = FRAME_ACCEPTED,
		.role = o->role,
		.offset = offset,
		.limits = session_limits(o),
		.rekey_at = purpose == SESSION_REKEYS ? offset : 0,
		.flags = has ? FRAME_WELCOME_HAVE : 0,
	};
	if (!s->named)
		f.welcome.limits.retry_ms =
			retry_agree(o->retry_ms, peer->hello.limits.retry_ms);
	if (handle)
		memcpy(f.welcome.handle, handle, FRAME_ID_BYTES);
	if (session_server_send(s, peer, &f, e) < 0)
		return -1;
	if (!has)
		return 0;
	f = (struct frame){ .type = FRAME_HAVE, .have = s->have };
	return session_server_send(s, peer, &f, e);
}

static int session_server_use(struct session *s, struct peer *peer,
			      uint64_t offset, enum session_purpose purpose,
			      struct err *e)
{
	s->number = peer->hello.connection;
	return session_use(s, peer->layer, &peer->socket, peer->name, offset,
			   purpose, e);
}

/* A connection that is lost before anything moves is dialled again. */
static int session_server_continue(struct session *s, struct peer *peer,
				   uint64_t offset,
				   enum session_purpose purpose, struct err *e)
{
	if (session_server_use(s, peer, offset, purpose, e) == 0)
		return 0;
	if (session_is_final(e))
		return -1;
	log_debug("%s: %s", peer->name, e->msg);
	*e = (struct err){ 0 };
	session_start_retry(s);
	return 0;
}

/* Must the sender compare its input before it continues the stream? */
static enum session_purpose session_server_purpose(const struct session *s,
						   const struct peer *peer)
{
	bool has = s->role == FRAME_SENDS ? peer->hello.flags & FRAME_HELLO_HAVE
					  : session_compares(s);

	return has ? SESSION_COMPARES : SESSION_STREAMS;
}

/*
 * The stream is this peer's now, from start on: only its ticket counts.  If
 * another process accepts, that has the new ticket, and waits to hear of it.
 */
static void session_server_own(struct session *s, struct peer *peer,
			       uint64_t start)
{
	struct session_server *server = session_server_of(s);
	const struct session_config *o = s->p.config;

	server->start = start;
	memcpy(s->stream, peer->hello.stream, sizeof s->stream);
	server->stream = (struct pending_stream){
		.resumes = session_resumes(s),
		.id = s->stream,
		.connection = peer->hello.connection,
		.source = peer->source,
		.identity = o->owner ? NULL : server->identity
	};
	if (!o->raw && s->p.cred && server->acceptor) {
		credential_admit(s->p.cred, s->ticket, CREDENTIAL_TICKET);
		server->stream.ticket = s->ticket;
	}
	if (s->named)
		server->stream.name = s->stream_name;
	if (o->owner)
		o->owner(o->caller_arg, s->identity);
	if (peer->restarts && !server->acceptor)
		pass_tell_restart(server->news, true);
	peer->restarts = false;
}

/*
 * Send WELCOME with this handle, and agree.  On failure the peer is gone, and
 * nothing has changed.
 */
static int session_server_agree(struct session *s, struct peer *peer,
				uint64_t offset, enum session_purpose purpose,
				const uint8_t *handle, struct err *e)
{
	if (session_server_welcome(s, peer, offset, purpose, handle, e) == 0) {
		session_agree(s, record_layer_agreed(peer->layer),
			      &peer->hello.limits, handle);
		return 0;
	}
	if (session_may_log(s))
		log_notice("a peer disconnected: %s", e->msg);
	*e = (struct err){ 0 };
	pending_drop_peer(peer);
	return -1;
}

/* Start the stream, unless the peer has closed before our WELCOME. */
static int session_server_begin(struct session *s, struct peer *peer,
				struct err *e)
{
	struct session_server *server = session_server_of(s);
	enum session_purpose purpose;
	uint64_t offset;

	session_ask(s);
	purpose = session_server_purpose(s, peer);
	offset = s->have.offset;
	s->named = peer->hello.flags & FRAME_HELLO_NAMED;
	memcpy(s->stream_name, peer->stream_name, sizeof s->stream_name);
	if (session_server_agree(s, peer, offset, purpose, server->handle, e) <
	    0)
		return 0;
	snprintf(server->identity, sizeof server->identity, "%s",
		 record_layer_agreed(peer->layer)->name);
	session_server_own(s, peer, offset);
	if (server->acceptor)
		acceptor_serve(server->acceptor, &server->stream);
	return session_server_use(s, peer, offset, purpose, e);
}

/* A live connection has precedence; probe whether its host is still there. */
static void session_server_put_off(struct session *s, struct peer *peer)
{
	log_info("%s wants to restart the stream, but its connection lives",
		 peer->name);
	/* A sender's peer may rightly have a closed window: see net_probe(). */
	if (s->role == FRAME_RECEIVES)
		net_probe(connection_fd(s->conn));
	acceptor_refuse_accepted(peer, FRAME_REFUSED_BUSY);
}

/* The peer abandons the suspended stream. */
static int session_server_discard(struct session *s, struct peer *peer,
				  const struct session_span *span,
				  struct err *e)
{
	struct err ignored = { 0 };

	if (session_server_welcome(s, peer, span->low, SESSION_STREAMS, NULL,
				   &ignored) < 0)
		log_debug("%s: %s", peer->name, ignored.msg);
	pending_drop_peer(peer);
	return err_set(e, ERR_STREAM, 0, "the %s abandoned the stream",
		       s->role == FRAME_SENDS ? "receiver" : "sender");
}

/* Send WELCOME.  Returns whether the stream is the new process's now. */
static bool session_server_hand_over(struct session *s, struct peer *peer,
				     uint64_t offset,
				     enum session_purpose *purpose,
				     struct err *e)
{
	const struct frame_have have = s->have;
	const bool compared = s->compared;

	s->compared = true; /* ask for the present state */
	session_ask(s);
	*purpose = session_server_purpose(s, peer);
	if (session_server_agree(s, peer, offset, *purpose, peer->handle, e) <
	    0) {
		s->have = have;
		s->compared = compared;
		return false;
	}
	if (s->role == FRAME_SENDS) {
		s->have = (struct frame_have){ 0 };
		s->compared = false;
		s->restarted = true;
	}
	session_server_own(s, peer, offset);
	s->peer_sent = 0;
	return true;
}

/*
 * Another process continues the suspended stream.  From here on the ticket of
 * the previous one is void.
 */
static int session_server_restart(struct session *s, struct peer *peer,
				  const struct session_span *span,
				  struct err *e)
{
	uint64_t offset = s->role == FRAME_SENDS ? 0 : span->low;
	enum session_purpose purpose;

	if (s->conn) {
		session_server_put_off(s, peer);
		return 0;
	}
	if (peer->hello.flags & FRAME_HELLO_DISCARD)
		return session_server_discard(s, peer, span, e);
	if (!session_server_hand_over(s, peer, offset, &purpose, e))
		return 0;
	return session_server_continue(s, peer, offset, purpose, e);
}

/*
 * The peer rekeys.  The old connection stays open until the receiver has all
 * bytes that were sent over it before the HELLO.
 */
static int session_server_rekey(struct session *s, struct peer *peer,
				const struct session_span *span, struct err *e)
{
	bool sends = s->role == FRAME_SENDS;
	uint64_t at = sends ? span->at : peer->hello.rekey_at;

	if (at < span->at) {
		if (session_may_log(s))
			log_notice("%s wants to rekey at byte %" PRIu64
				   ", which is past",
				   peer->name, at);
		pending_drop_peer(peer);
		return 0;
	}
	if (session_server_welcome(s, peer, at, SESSION_REKEYS, NULL, e) < 0)
		pending_drop_peer(peer);
	else if (session_server_use(s, peer, at, SESSION_REKEYS, e) == 0)
		return 0;
	return session_is_final(e) ? -1 : session_abort_rekey(s, e);
}

/*
 * Send the WELCOME of a resume; a peer without the ticket gets another one.  On
 * failure the peer is gone.
 */
static int session_server_welcome_resume(struct session *s, struct peer *peer,
					 uint64_t offset,
					 enum session_purpose purpose,
					 struct err *e)
{
	if (!peer->restarts) {
		if (session_server_welcome(s, peer, offset, purpose, NULL, e) ==
		    0)
			return 0;
		pending_drop_peer(peer);
		return -1;
	}
	if (session_server_agree(s, peer, offset, purpose, peer->handle, e) < 0)
		return -1;
	session_server_own(s, peer, session_server_of(s)->start);
	return 0;
}

/*
 * The peer resumes.  We may not have noticed yet that the old connection was
 * lost; close it.
 */
static int session_server_resume(struct session *s, struct peer *peer,
				 const struct session_span *span, struct err *e)
{
	uint64_t offset = s->role == FRAME_SENDS ? peer->hello.offset
						 : span->low;
	enum session_purpose purpose = session_server_purpose(s, peer);
	uint64_t said;

	/* A sender that compares begins its input again: any offset will do. */
	if ((offset < span->low || offset > span->high) &&
	    (s->role == FRAME_RECEIVES || purpose != SESSION_COMPARES)) {
		if (session_may_log(s))
			log_notice("%s wants to resume at byte %" PRIu64
				   ", which is not in the resend buffer",
				   peer->name, offset);
		pending_drop_peer(peer);
		return 0;
	}
	said = s->role == FRAME_SENDS ? span->high : offset;
	if (s->conn)
		err_set(&s->why, ERR_STREAM, 0,
			"the peer gave up its connection");
	session_close(s);
	s->peer_sent = peer->hello.offset;
	if (session_server_welcome_resume(s, peer, said, purpose, e) == 0)
		return session_server_continue(s, peer, offset, purpose, e);
	log_debug("%s: %s", peer->name, e->msg);
	*e = (struct err){ 0 };
	session_start_retry(s);
	return 0;
}

/*
 * A peer has no ticket.  It is our client, which lost our WELCOME, if it knows
 * the stream's id, and nothing has arrived or was acknowledged yet: that would
 * show that it got the ticket.  Any other peer needs the stream's name.
 */
static int session_server_renew(struct session *s, struct peer *peer,
				const struct session_span *span, struct err *e)
{
	struct session_server *server = session_server_of(s);
	bool again = !memcmp(peer->hello.stream, s->stream, sizeof s->stream) &&
		     !(peer->hello.flags & FRAME_HELLO_DISCARD) &&
		     span->low == server->start && session_resumes(s);

	if (server->acceptor &&
	    io_random(peer->handle, sizeof peer->handle, e) < 0) {
		pending_drop_peer(peer);
		return -1;
	}
	if (again)
		return session_server_resume(s, peer, span, e);
	if (s->named)
		return session_server_restart(s, peer, span, e);
	acceptor_refuse_accepted(peer, FRAME_REFUSED_STREAM);
	return 0;
}

static int session_server_on_reconnect(struct session *s, struct peer *peer,
				       const struct session_span *span,
				       struct err *e)
{
	struct session_server *server = session_server_of(s);
	int ret;

	if (peer->restarts) {
		ret = session_server_renew(s, peer, span, e);
		/* Cleared if the peer got the stream: session_server_own() */
		if (peer->restarts && !server->acceptor)
			pass_tell_restart(server->news, false);
		return ret;
	}
	/* Another process restarted the stream since this one was accepted. */
	if (memcmp(peer->hello.stream, s->stream, sizeof s->stream)) {
		acceptor_refuse_accepted(peer, FRAME_REFUSED_STREAM);
		return 0;
	}
	server->stream.connection = peer->hello.connection;
	server->stream.source = peer->source;
	/* While they compare there is no stream yet that could be rekeyed. */
	if (peer->hello.rekey_at && s->role == FRAME_SENDS && s->conn &&
	    (session_compares(s) || connection_checks(s->conn))) {
		pending_drop_peer(peer);
		return 0;
	}
	/* A receiver that rekeys again has finished the previous rekey. */
	if (peer->hello.rekey_at && s->role == FRAME_SENDS)
		session_retire_old(s, peer->hello.offset);
	if (peer->hello.rekey_at && s->conn && !s->old)
		return session_server_rekey(s, peer, span, e);
	if (session_resumes(s))
		return session_server_resume(s, peer, span, e);
	acceptor_refuse_accepted(peer, FRAME_REFUSED_STREAM);
	return 0;
}

/* The listener may end a stream without a connection to admit another. */
static void session_server_tell(struct session *s)
{
	struct pass_news *news = session_server_of(s)->news;

	if (news)
		pass_tell_connected(news, s->conn);
}

/* Until we know what we have, a peer is told to come later. */
static int session_server_admit(void *arg, const struct tls_agreed *agreed,
				const struct net_address *source, struct err *e)
{
	const struct session_server *server = arg;

	if (!server->session.prepare)
		return 0;
	return err_set(e, ERR_AUTH, 0, "not ready: reading what is there");
}

/* No connection will ever be passed again. */
static void session_server_orphaned(struct session *s)
{
	s->fd = -1;
	if (!s->final)
		s->final = "cannot resume: the listener has ended";
}

/* Get the next peer that was accepted, here or by the other process. */
static bool session_server_next(struct session_server *server,
				struct peer *accepted)
{
	bool ended;

	if (server->acceptor)
		return acceptor_step(server->acceptor, accepted);
	if (pass_recv(server->over, server->news, accepted, &ended))
		return true;
	if (ended)
		session_server_orphaned(&server->session);
	return false;
}

/* Without a connection, and without the hope of one, the stream is over. */
static int session_server_check(const struct session_server *server,
				struct err *e)
{
	const struct session *s = &server->session;

	if (server->acceptor)
		return acceptor_check(server->acceptor, e);
	if (s->fd >= 0 || s->conn)
		return 0;
	return err_set(e, ERR_STREAM, 0, "%s (%s)", s->why.msg, s->final);
}

static int session_server_run(struct session *s,
			      const struct session_span *span, struct err *e)
{
	struct session_server *server = session_server_of(s);
	struct peer accepted;

	if (session_get_ready(s, e) < 0)
		return -1;
	while (session_server_next(server, &accepted)) {
		if ((s->count ? session_server_on_reconnect(s, &accepted, span,
							    e)
			      : session_server_begin(s, &accepted, e)) < 0)
			return -1;
	}
	if (session_server_check(server, e) < 0)
		return -1;
	session_server_tell(s);
	s->due_ms = server->acceptor ? acceptor_due(server->acceptor)
				     : CLOCK_NEVER;
	if (s->count)
		return 0;
	if (s->prepare)
		server->deadline_ms = clock_deadline(s->p.config->wait_ms);
	if (acceptor_check_wait(server->acceptor, &server->deadline_ms, e) < 0)
		return -1;
	s->due_ms = s->prepare ? clock_now_ms()
			       : clock_earlier(s->due_ms, server->deadline_ms);
	return 0;
}

/* The stream has ended: tell the peers whose connections wait for it. */
static void session_server_refuse_waiting(const struct session_server *server)
{
	struct peer peer;
	bool ended;

	while (pass_recv(server->over, server->news, &peer, &ended))
		acceptor_refuse_accepted(&peer, peer.restarts
							? FRAME_REFUSED_BUSY
							: FRAME_REFUSED_STREAM);
}

static void session_server_free(struct session *s)
{
	struct session_server *server = session_server_of(s);

	if (server->over >= 0)
		session_server_refuse_waiting(server);
	if (s->p.cred && server->stream.ticket)
		credential_dismiss(s->p.cred, server->stream.ticket);
	acceptor_close(server->acceptor);
	free(server);
}

static const struct session_ops session_server_ops = {
	.run = session_server_run,
	.lost = session_server_tell,
	.free = session_server_free,
};

static struct session_server *session_server_alloc(
	const struct session_params *p, struct err *e)
{
	struct session_server *server = err_alloc(sizeof *server, e);

	if (!server)
		return NULL;
	if (session_init(&server->session, &session_server_ops, p, e) < 0) {
		free(server);
		return NULL;
	}
	server->session.due_ms = clock_now_ms();
	server->deadline_ms = CLOCK_NEVER;
	server->over = -1;
	return server;
}

struct session *session_server_new(const struct session_params *p,
				   const struct net_listener *listener,
				   struct err *e)
{
	struct pending_rules rules = { .session = p,
				       .admit = session_server_admit };
	struct session_server *server = session_server_alloc(p, e);

	if (!server)
		return NULL;
	rules.admit_arg = server;
	server->deadline_ms = clock_deadline(p->config->wait_ms);
	server->acceptor = acceptor_open(listener, &rules, e);
	if (!server->acceptor ||
	    io_random(server->handle, sizeof server->handle, e) < 0) {
		session_free(&server->session);
		return NULL;
	}
	if (p->config->in_channel)
		acceptor_adopt(server->acceptor, p->config->channel_fd);
	server->session.fd = acceptor_fd(server->acceptor);
	return &server->session;
}

struct session *session_server_take(const struct session_params *p, int over_fd,
				    struct pass_news *news, struct peer *peer,
				    const uint8_t handle[static FRAME_ID_BYTES],
				    struct err *e)
{
	struct session_server *server = session_server_alloc(p, e);

	if (!server) {
		pending_drop_peer(peer);
		return NULL;
	}
	server->over = server->session.fd = over_fd;
	server->news = news;
	memcpy(server->handle, handle, sizeof server->handle);
	if (session_server_begin(&server->session, peer, e) == 0 &&
	    server->session.conn)
		return &server->session;
	if (!e->kind)
		err_set(e, ERR_NET, 0,
			"the peer disconnected before the stream began");
	session_free(&server->session);
	return NULL;
}
