// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/pending.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conn/hello.h"
#include "conn/host_id.h"

enum { REFUSE_MS = 100 }; /* to send a refusal */

void pending_drop_peer(struct peer *p)
{
	record_layer_free(p->layer);
	p->layer = NULL;
	close(p->socket.fd);
}

void pending_drop(struct pending *p)
{
	tls_free(p->tls);
	p->tls = NULL;
	pending_drop_peer(&p->peer);
}

struct tls *pending_session(const struct pending_rules *r, int fd,
			    struct credential *own, struct err *e)
{
	const struct tls_params params = { .server = true,
					   .fd = fd,
					   .cred = own ? own : r->session->cred,
					   .owns_cred = own,
					   .modes = r->session->modes,
					   .raw = r->session->config->raw };

	return tls_new(&params, e);
}

void pending_send_refusal(const struct peer *p, enum frame_refusal refusal)
{
	struct frame f = { .type = FRAME_WELCOME,
			   .welcome = { .version = FRAME_VERSION,
					.refusal = refusal } };
	struct err ignored = { 0 };

	if (hello_send(p->layer, p->socket.fd, &f, clock_deadline(REFUSE_MS),
		       &ignored) < 0)
		log_debug("%s", ignored.msg);
	record_layer_last_alert(p->layer, RECORD_CLOSE_NOTIFY);
}

static bool pending_knows(const struct pending_rules *r,
			  const struct net_address *source)
{
	for (size_t i = 0; i < r->stream_count; i++) {
		const struct pending_stream *s = r->streams[i];

		if (s && net_address_same(source, &s->source))
			return true;
	}
	return false;
}

bool pending_has_left(const struct pending_rules *r, const struct pending *p)
{
	bool silent = p->state == PENDING_NEW && !p->pass.have;
	bool lost = p->tls ? tls_lost(p->tls)
			   : record_layer_lost(p->peer.layer);

	return pending_knows(r, &p->peer.source) &&
	       (lost || (silent && net_is_closed(p->peer.socket.fd)));
}

void pending_tell_later(const struct pending_rules *r, const struct pending *p)
{
	if (r->session->password && p->state == PENDING_NEW)
		password_exchange_refuse(p->peer.socket.fd,
					 PASSWORD_MESSAGE_REFUSED_LATER);
	else if (p->tls)
		tls_alert(p->tls, RECORD_USER_CANCELED);
	else
		record_layer_last_alert(p->peer.layer, RECORD_USER_CANCELED);
}

/*
 * Does the HELLO continue a stream, instead of starting one?  A ticket lets
 * nobody start one: its holder may have lost the right to.
 */
static bool pending_resumes(const struct peer *p)
{
	static const uint8_t no_proof[FRAME_PROOF_BYTES];

	return record_layer_agreed(p->layer)->ticket || p->hello.rekey_at ||
	       p->hello.offset ||
	       memcmp(p->hello.proof, no_proof, sizeof no_proof);
}

static bool pending_has_ticket(const struct pending_stream *s,
			       const struct peer *p)
{
	return s->ticket && tls_shows_ticket(record_layer_agreed(p->layer),
					     s->ticket, p->hello.proof);
}

static bool pending_has_name(const struct pending_stream *s,
			     const struct peer *p)
{
	return s->name && (p->hello.flags & FRAME_HELLO_NAMED) &&
	       !memcmp(p->stream_name, s->name, sizeof p->stream_name);
}

static bool pending_has_id(const struct pending_stream *s, const struct peer *p)
{
	return !memcmp(p->hello.stream, s->id, sizeof p->hello.stream);
}

/*
 * Does a peer without the stream's ticket ask for one?  It may be another
 * process, with the stream's name, or the same, which never got its WELCOME.
 * It has the stream's identity, and authenticated as for a stream of its own.
 */
static bool pending_is_restart(const struct pending_stream *s,
			       const struct peer *p)
{
	bool same = pending_has_id(s, p) && s->resumes && s->ticket &&
		    p->hello.connection > s->connection &&
		    !(p->hello.flags & FRAME_HELLO_DISCARD);

	/* A late HELLO of the same process has the name, but a lower number. */
	return (pending_has_id(s, p) ? same : pending_has_name(s, p)) &&
	       (!s->identity ||
		(*s->identity &&
		 !strcmp(record_layer_agreed(p->layer)->name, s->identity))) &&
	       !pending_resumes(p) && !pending_has_ticket(s, p);
}

/* Find the running stream that a HELLO names.  NULL: none */
static const struct pending_stream *pending_find(const struct pending_rules *r,
						 struct peer *p)
{
	for (p->stream = 0; p->stream < r->stream_count; p->stream++) {
		const struct pending_stream *s = r->streams[p->stream];

		if (s && (pending_has_id(s, p) || pending_is_restart(s, p)))
			return s;
	}
	return NULL;
}

/*
 * Is this the peer of the running stream?  It has to prove possession of the
 * stream's ticket, over a connection with a higher number than the last.
 */
static enum frame_refusal pending_judge_reconnect(
	const struct pending_stream *s, struct peer *p)
{
	p->restarts = pending_is_restart(s, p);
	if (p->restarts)
		return FRAME_ACCEPTED;
	if ((!s->resumes && !p->hello.rekey_at) ||
	    (s->ticket && !pending_has_ticket(s, p)) ||
	    p->hello.connection <= s->connection)
		return FRAME_REFUSED_STREAM;
	return FRAME_ACCEPTED;
}

/* Our own connection, reflected?  Tests over loopback are allowed. */
static bool pending_is_self(const struct pending_rules *r, const struct peer *p)
{
	uint8_t own[FRAME_HOST_BYTES];

	host_id_own(own);
	return !r->session->config->allow_self &&
	       host_id_same(p->hello.host, own) &&
	       !net_peer_is_loopback(p->socket.fd);
}

/* Every certificate without a name would count as the same identity. */
static bool pending_may_name(const struct pending_rules *r,
			     const struct peer *p)
{
	return r->session->config->names &&
	       *record_layer_agreed(p->layer)->name;
}

static enum frame_refusal pending_judge(const struct pending_rules *r,
					struct peer *p)
{
	const struct pending_stream *s = pending_find(r, p);
	enum frame_role ours = r->session->config->role;

	p->reconnects = s;
	if (p->hello.version != FRAME_VERSION ||
	    record_layer_agreed(p->layer)->old)
		return FRAME_REFUSED_VERSION;
	if ((p->hello.flags & FRAME_HELLO_NAMED) && !pending_may_name(r, p))
		return FRAME_REFUSED_NAME;
	if (pending_is_self(r, p))
		return FRAME_REFUSED_SELF;
	if (s && p->hello.role != ours)
		return pending_judge_reconnect(s, p);
	if (s || r->one)
		return FRAME_REFUSED_BUSY;
	if (p->hello.role == ours)
		return FRAME_REFUSED_ROLE;
	if (pending_resumes(p) || (p->hello.flags & FRAME_HELLO_DISCARD))
		return FRAME_REFUSED_STREAM;
	return FRAME_ACCEPTED;
}

/* Ask the admit callback, unless the peer belongs to the running stream. */
static int pending_admit(struct pending_rules *r, struct pending *p,
			 struct err *e)
{
	if (p->peer.reconnects || !r->admit ||
	    r->admit(r->admit_arg, record_layer_agreed(p->peer.layer),
		     &p->peer.source, e) == 0)
		return 0;
	pending_send_refusal(&p->peer, FRAME_REFUSED_BUSY);
	return -1;
}

/* Receive a frame of this type; refuse a complete frame of another type. */
static int pending_recv(struct pending *p, enum frame_type type,
			struct frame *f, bool *done, struct err *e)
{
	if (hello_recv(p->peer.layer, &p->reader, type, f, done, e) == 0)
		return 0;
	if (p->reader.have && !frame_reader_wants(&p->reader))
		pending_send_refusal(&p->peer, FRAME_REFUSED_MALFORMED);
	return -1;
}

static int pending_decide(struct pending_rules *r, struct pending *p,
			  struct err *e)
{
	enum frame_refusal refusal = pending_judge(r, &p->peer);

	if (!refusal && record_layer_pending_read(p->peer.layer))
		refusal = FRAME_REFUSED_MALFORMED;
	if (!refusal)
		return pending_admit(r, p, e);
	pending_send_refusal(&p->peer, refusal);
	if (refusal == FRAME_REFUSED_STREAM && !p->peer.reconnects &&
	    (p->peer.hello.flags & FRAME_HELLO_DISCARD))
		return err_set(e, ERR_AUTH, 0,
			       "there is no stream of that name (--discard)");
	return err_set(e, ERR_AUTH, 0, "%s",
		       frame_refusal_text(refusal, p->peer.hello.version));
}

static int pending_read_name(struct pending_rules *r, struct pending *p,
			     bool *done, struct err *e)
{
	struct frame f;

	if (pending_recv(p, FRAME_NAME, &f, done, e) < 0)
		return -1;
	if (!*done)
		return 0;
	memcpy(p->peer.stream_name, f.name, sizeof p->peer.stream_name);
	return pending_decide(r, p, e);
}

static int pending_read_hello(struct pending_rules *r, struct pending *p,
			      bool *done, struct err *e)
{
	struct frame f;

	p->want = TLS_WANT_READ;
	if (pending_recv(p, FRAME_HELLO, &f, done, e) < 0)
		return -1;
	if (!*done)
		return 0;
	p->peer.hello = f.hello;
	if (!(p->peer.hello.flags & FRAME_HELLO_NAMED) ||
	    record_layer_pending_read(p->peer.layer))
		return pending_decide(r, p, e);
	p->reader = (struct frame_reader){ 0 };
	p->state = PENDING_NAMING;
	return pending_read_name(r, p, done, e);
}

/* May this peer try a password? */
static enum password_message_refusal pending_judge_password(
	struct pending_rules *r, struct pending *p)
{
	if (!r->session->password)
		return PASSWORD_MESSAGE_REFUSED_UNUSED;
	p->password_tried = rate_limit_begin(&r->rate_limit, &p->peer.source,
					     clock_now_ms());
	return p->password_tried ? PASSWORD_MESSAGE_ACCEPTED
				 : PASSWORD_MESSAGE_REFUSED_LATER;
}

/* The handshake authenticates with the key that CPace gave both sides. */
static int pending_answer_password(struct pending_rules *r, struct pending *p,
				   struct err *e)
{
	enum password_message_refusal refusal = pending_judge_password(r, p);
	struct credential *own;
	struct tls *t;

	if (refusal) {
		password_exchange_refuse(p->peer.socket.fd, refusal);
		return err_set(e, ERR_AUTH, 0, "%s",
			       refusal == PASSWORD_MESSAGE_REFUSED_UNUSED
				       ? "the peer offers a password, but this "
					 "side uses none"
				       : "too many wrong passwords from there; "
					 "told to try again later");
	}
	own = password_exchange_answer(&p->pass, p->peer.socket.fd,
				       r->session->password, e);
	t = own ? pending_session(r, p->peer.socket.fd, own, e) : NULL;
	if (!t)
		return -1;
	tls_free(p->tls);
	p->tls = t;
	p->state = PENDING_HANDSHAKE;
	return 0;
}

/* Does the peer begin with TLS, or with a password exchange? */
static int pending_read_password_message(struct pending_rules *r,
					 struct pending *p, struct err *e)
{
	enum password_exchange_event event;

	if (password_exchange_receive(&p->pass, p->peer.socket.fd,
				      PASSWORD_MESSAGE_OFFER, &event, e) < 0)
		return -1;
	if (event == PASSWORD_EXCHANGE_HERE)
		return pending_answer_password(r, p, e);
	if (event == PASSWORD_EXCHANGE_OTHER)
		p->state = PENDING_HANDSHAKE;
	return 0;
}

static int pending_handshake(struct pending_rules *r, struct pending *p,
			     bool *done, struct err *e)
{
	if (tls_handshake(p->tls, &p->want, e) < 0)
		return -1;
	if (p->want != TLS_DONE)
		return 0;
	p->peer.layer = record_layer_new(p->tls, p->peer.socket.fd, e);
	if (!p->peer.layer)
		return -1;
	tls_free(p->tls);
	p->tls = NULL;
	p->state = PENDING_GREETING;
	if (p->password_tried)
		rate_limit_right(&r->rate_limit, &p->peer.source);
	*done = r->session->config->raw;
	if (*done && r->one)
		return err_set(e, ERR_AUTH, 0, "busy with another stream");
	return 0;
}

int pending_step(struct pending_rules *r, struct pending *p, bool *done,
		 struct err *e)
{
	if (p->state == PENDING_NEW &&
	    pending_read_password_message(r, p, e) < 0)
		return -1;
	if (p->state == PENDING_HANDSHAKE &&
	    pending_handshake(r, p, done, e) < 0)
		return -1;
	if (p->state == PENDING_GREETING && !*done)
		return pending_read_hello(r, p, done, e);
	if (p->state == PENDING_NAMING && !*done)
		return pending_read_name(r, p, done, e);
	return 0;
}
