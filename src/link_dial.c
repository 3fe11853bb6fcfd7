// SPDX-License-Identifier: GPL-2.0-or-later
#include "link_dial.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "greet.h"
#include "host.h"
#include "log.h"
#include "net.h"
#include "pass.h"

enum {
	CONNECT_MS = 30000,
	PER_ADDRESS_MS = 5000, /* where a name has several */
	BACKOFF_MS = 100, /* the first pause; each is twice the last */
	BACKOFF_MAX_MS = 5000,
	LEAVE_MS = 500, /* for a peer that we refuse to hear why */
};

enum dial_state {
	DIAL_IDLE,
	DIAL_CONNECTING,
	DIAL_PASSWORD, /* the exchange before TLS */
	DIAL_HANDSHAKE,
	DIAL_GREETING,
};

struct link_dial {
	struct link link; /* first: a link is this */
	struct net_endpoint to;
	/* From the second connection on; NULL where the mode cannot do it */
	struct cred *ticket_cred;
	struct addrinfo *list, *next; /* addresses; the one to try */
	enum dial_state state;
	struct chan_socket socket;
	struct pass pass;
	struct tls *tls;
	struct frame_reader reader;
	uint8_t host[FRAME_HOST_BYTES]; /* ours */
	char name[NET_NAME_MAX];
	uint64_t start_ms; /* idle: when to try again */
	uint64_t deadline_ms; /* else: of this step */
	uint64_t backoff_ms;
	bool hope; /* the first connection may still come about */
	bool told; /* why it has not, the first time */
};

static struct link_dial *dial_of(struct link *l)
{
	return (struct link_dial *)l;
}

/* What is to be polled in this state. */
static void dial_watch(struct link_dial *d, enum tls_want want)
{
	struct link *l = &d->link;

	l->fd = d->state == DIAL_IDLE ? -1 : d->socket.fd;
	l->events = want == TLS_WANT_WRITE ? POLLOUT : POLLIN;
	l->due_ms = d->state == DIAL_IDLE ? d->start_ms : d->deadline_ms;
	if (l->chan && !l->rotate_ms && d->state == DIAL_IDLE)
		l->due_ms = CLOCK_NEVER;
}

static bool dial_ready(const struct link_dial *d)
{
	struct pollfd p = { .fd = d->link.fd, .events = d->link.events };

	return poll(&p, 1, 0) > 0;
}

/* Between half of it and all of it, so that many do not come at once. */
static uint64_t dial_jitter(uint64_t ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		return ms;
	return ms / 2 + random % (ms / 2 + 1);
}

static void dial_pause(struct link_dial *d)
{
	d->start_ms = clock_deadline(dial_jitter(d->backoff_ms));
	d->backoff_ms = clock_earlier(2 * d->backoff_ms, BACKOFF_MAX_MS);
}

static void dial_hang_up(struct link_dial *d)
{
	pass_wipe(&d->pass);
	tls_free(d->tls);
	d->tls = NULL;
	if (d->socket.fd >= 0)
		close(steal_fd(&d->socket.fd));
	d->state = DIAL_IDLE;
}

/* May a later try fare better than one that failed with *e? */
static bool dial_may_mend(const struct err *e)
{
	switch (e->num) {
	case EAGAIN: /* the resolver */
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
		return e->kind == ERR_NET;
	}
	return false;
}

/*
 * One try failed.  hope: another may fare better.  Before the first connection
 * that is not so for everything, and the first failure is said aloud; later on
 * whatever did not come from the authenticated peer is just a lost connection.
 */
static int dial_failed(struct link_dial *d, bool hope, struct err *e)
{
	struct link *l = &d->link;
	bool first = !l->count, more;

	dial_hang_up(d);
	d->hope |= hope;
	if (d->next)
		d->next = d->next->ai_next;
	/* Nobody but the peer is on the other side of a handshake. */
	if (first && !hope && e->kind == ERR_AUTH)
		return -1;
	more = d->next;
	if (!more)
		net_free_addresses(&d->list);
	if (first && !more && (!d->hope || clock_now_ms() >= l->give_up_ms))
		return -1;
	if (first && !more && !d->told) {
		d->told = true;
		log_notice("%s; trying again for %" PRIu64 " s", e->msg,
			   l->p.o->retry_ms / 1000);
	} else {
		log_debug("%s", e->msg);
	}
	*e = (struct err){ 0 };
	if (more)
		d->start_ms = clock_now_ms();
	else
		dial_pause(d);
	dial_watch(d, TLS_WANT_READ);
	return 0;
}

/*
 * Was it not the peer that ended the connection, but its system?  That of a
 * listener does so to whoever waits there when it ends, and the next one may be
 * about to begin.  But who answers a password can guess it once in a handshake:
 * there nobody gets another one.
 */
static bool dial_was_reset(const struct link_dial *d, const struct err *e)
{
	bool guessed = d->link.p.password && !d->link.count &&
		       d->state == DIAL_HANDSHAKE;

	return !guessed && (e->num == ECONNRESET || e->num == EPIPE);
}

/* The peer, or what is in its place, was of no use, if not just busy or gone. */
static int dial_refused(struct link_dial *d, struct err *e)
{
	bool busy = d->tls && tls_put_off(d->tls);
	bool reset = dial_was_reset(d, e);

	if (reset)
		e->kind = ERR_NET;
	err_wrap(e, "%s", d->name);
	if (d->link.hold)
		return link_spoilt(&d->link, e);
	return dial_failed(d, busy || reset, e);
}

static int dial_lookup(struct link_dial *d, struct err *e)
{
	if (net_lookup(&d->to, &d->list, e) < 0)
		return dial_failed(d, dial_may_mend(e), e);
	d->next = d->list;
	d->hope = false;
	return 0;
}

/* Begin with the next address. */
static int dial_begin(struct link_dial *d, struct err *e)
{
	uint64_t patience_ms;

	if (!d->next) {
		int ret = dial_lookup(d, e);

		if (ret < 0 || !d->next)
			return ret;
	}
	patience_ms = d->list->ai_next ? PER_ADDRESS_MS : CONNECT_MS;
	d->socket = (struct chan_socket){
		.fd = net_connect(&d->to, d->next, e),
	};
	if (d->socket.fd < 0)
		return dial_failed(d, dial_may_mend(e), e);
	d->state = DIAL_CONNECTING;
	d->deadline_ms = clock_deadline(patience_ms);
	if (d->link.count || d->link.p.o->retry_ms)
		d->deadline_ms =
			clock_earlier(d->deadline_ms, d->link.give_up_ms);
	dial_watch(d, TLS_WANT_WRITE);
	return 0;
}

/* own: a credential for this connection alone, which is taken over, or NULL */
static int dial_start_tls(struct link_dial *d, struct cred *own, struct err *e)
{
	const struct link_params *p = &d->link.p;
	struct tls_params params = {
		.fd = d->socket.fd,
		.cred = own		 ? own
			: d->ticket_cred ? d->ticket_cred
					 : p->cred,
		.owns_cred = own,
		.modes = p->modes,
		.raw = p->o->raw,
		/* Whoever serves many streams finds ours by it. */
		.server_name = d->link.ticket.identity,
	};

	d->tls = tls_new(&params, e);
	d->state = DIAL_HANDSHAKE;
	return d->tls ? 0 : -1;
}

/* The connection stands.  A password is of use for the first one only. */
static int dial_connected(struct link_dial *d, struct err *e)
{
	const struct link_params *p = &d->link.p;

	net_peer_name(d->socket.fd, d->name);
	chan_attach(&d->socket, p->ktls);
	d->deadline_ms = clock_deadline(p->o->handshake_ms);
	if (!p->password || d->ticket_cred)
		return dial_start_tls(d, NULL, e);
	d->state = DIAL_PASSWORD;
	dial_watch(d, TLS_WANT_READ);
	return pass_offer(&d->pass, d->socket.fd, p->password, e);
}

static int dial_connecting(struct link_dial *d, struct err *e)
{
	int ret = 0;

	if (!dial_ready(d)) {
		if (clock_now_ms() < d->deadline_ms)
			return 0;
		net_address_name(d->next, d->name);
		ret = err_set(e, ERR_NET, ETIMEDOUT, "cannot connect to %s",
			      d->name);
	} else {
		ret = net_connected(d->socket.fd, d->next, e);
	}
	if (ret < 0)
		return dial_failed(d, dial_may_mend(e), e);
	if (dial_connected(d, e) < 0)
		return dial_refused(d, e);
	return 0;
}

static int dial_password(struct link_dial *d, struct err *e)
{
	enum preface_refusal refusal;
	enum pass_event event;
	struct cred *own;

	if (pass_receive(&d->pass, d->socket.fd, PREFACE_ANSWER, &event, e) < 0)
		return dial_refused(d, e);
	if (event == PASS_WAIT)
		return 0;
	if (event == PASS_OTHER) {
		err_set(e, ERR_AUTH, 0,
			"the peer does not answer our password as "
			"btrfs-ktls-pipe does");
		return dial_refused(d, e);
	}
	own = pass_accept(&d->pass, d->link.p.password, &refusal, e);
	pass_wipe(&d->pass);
	if (!own && refusal == PREFACE_REFUSED_LATER) {
		err_wrap(e, "%s", d->name);
		return dial_failed(d, true, e);
	}
	if (!own || dial_start_tls(d, own, e) < 0)
		return dial_refused(d, e);
	return 0;
}

static int dial_hello(struct link_dial *d, const struct link_span *span,
		      struct err *e)
{
	struct link *l = &d->link;
	const struct opts *o = l->p.o;
	struct frame f = { .type = FRAME_HELLO };

	l->hold = l->chan; /* what comes from here on goes the new way */
	f.hello = (struct frame_hello){
		.version = FRAME_VERSION,
		.role = link_frame_role(o),
		.connection = ++l->number,
		.offset = span->high,
		.store_bytes = link_store_bytes(o),
		.record_limit = link_record_limit(o),
		.retry_ms = o->retry_ms,
		.rotate_at = l->chan ? span->at : 0,
	};
	memcpy(f.hello.stream, l->stream, sizeof l->stream);
	memcpy(f.hello.host, d->host, sizeof d->host);
	/* Without the ticket this connection says who we are, but not yet that
	 * the stream is ours. */
	if (l->count && l->p.cred && !d->ticket_cred &&
	    tls_prove(d->tls, &l->ticket, f.hello.proof, e) < 0)
		return -1;
	d->reader = (struct frame_reader){ 0 };
	d->state = DIAL_GREETING;
	return greet_send(d->tls, d->socket.fd, &f, d->deadline_ms, e);
}

/* The connection is authenticated and welcome: make it the stream's. */
static int dial_use(struct link_dial *d, uint64_t offset, bool rotates,
		    struct err *e)
{
	struct link *l = &d->link;
	struct tls *t = d->tls;
	int ret;

	d->tls = NULL;
	d->state = DIAL_IDLE;
	ret = link_use(l, t, &d->socket, d->name, offset, rotates, e);
	d->socket.fd = -1;
	/* A connection that is cut by now cannot be given to the kernel. */
	if (ret < 0 && l->chan)
		return link_spoilt(l, e);
	if (ret < 0)
		return l->count ? dial_failed(d, true, e) : -1;
	net_free_addresses(&d->list);
	d->next = NULL;
	if (rotates)
		d->backoff_ms = BACKOFF_MS;
	dial_watch(d, TLS_WANT_READ);
	return 0;
}

static int dial_agree(struct link_dial *d, const struct frame_welcome *w,
		      struct err *e)
{
	struct link *l = &d->link;
	const struct link_peer peer = { .store_bytes = w->store_bytes,
					.retry_ms = w->retry_ms,
					.record_limit = w->record_limit,
					.handle = w->handle };

	if (link_agree(l, d->tls, &peer, e) < 0)
		return -1;
	if (l->p.o->raw || !l->p.cred ||
	    !tls_mode_usable(tls_mode(d->tls), CRED_PSK))
		return 0;
	d->ticket_cred = cred_new_psk(&l->ticket, false, e);
	return d->ticket_cred ? 0 : -1;
}

/* Both sides know now where the old connection ends and the new one begins. */
static int dial_rotated(struct link_dial *d, const struct link_span *span,
			uint64_t at, struct err *e)
{
	struct link *l = &d->link;

	if (l->role == CHAN_SENDER ? at == span->at : at >= span->at)
		return dial_use(d, at, true, e);
	err_set(e, ERR_STREAM, 0,
		"the peer wants fresh keys from byte %" PRIu64
		" on, which is not where we are (%" PRIu64 ")",
		at, span->at);
	return link_spoilt(l, e);
}

/* The receiver's offset counts, whoever connects. */
static int dial_welcomed(struct link_dial *d, const struct link_span *span,
			 const struct frame_welcome *w, struct err *e)
{
	struct link *l = &d->link;
	uint64_t offset = l->role == CHAN_SENDER ? w->offset : span->low;

	if (l->chan && w->rotate_at)
		return dial_rotated(d, span, w->rotate_at, e);
	if (offset < span->low || offset > span->high)
		return err_set(e, l->count ? ERR_STREAM : ERR_AUTH, 0,
			       "the receiver wants to go on at byte %" PRIu64
			       ", but what is kept begins at %" PRIu64
			       " and ends at %" PRIu64,
			       offset, span->low, span->high);
	if (!l->count && dial_agree(d, w, e) < 0)
		return -1;
	return dial_use(d, offset, false, e);
}

static int dial_greeting(struct link_dial *d, const struct link_span *span,
			 struct err *e)
{
	struct link *l = &d->link;
	struct frame f;
	bool got;

	if (greet_recv(d->tls, &d->reader, FRAME_WELCOME, &f, &got, e) < 0)
		return dial_refused(d, e);
	if (!got)
		return 0;
	if (greet_check(&f.welcome, link_frame_role(l->p.o), e) < 0) {
		if (l->hold)
			return dial_refused(d, e);
		err_wrap(e, "%s", d->name);
		if (f.welcome.refusal == FRAME_REFUSED_BUSY)
			return dial_failed(d, true, e);
		/* The peer itself says so: it is of no use to ask again. */
		if (l->count)
			e->kind = ERR_STREAM;
		return -1;
	}
	return dial_welcomed(d, span, &f.welcome, e);
}

static int dial_handshake(struct link_dial *d, const struct link_span *span,
			  struct err *e)
{
	enum tls_want want;

	if (tls_handshake(d->tls, &want, e) < 0) {
		/* We say why, with the end of its flight still unread. */
		if (!d->link.count)
			net_see_off(d->socket.fd, LEAVE_MS);
		return dial_refused(d, e);
	}
	dial_watch(d, want);
	if (want != TLS_DONE)
		return 0;
	/* The stream ended meanwhile. */
	if (d->link.chan && !d->link.rotate_ms) {
		dial_hang_up(d);
		dial_watch(d, TLS_WANT_READ);
		return 0;
	}
	if (d->link.p.o->raw)
		return dial_welcomed(d, span, &(struct frame_welcome){ 0 }, e);
	if (dial_hello(d, span, e) < 0)
		return dial_refused(d, e);
	dial_watch(d, TLS_WANT_READ);
	return 0;
}

static int dial_too_late(struct link_dial *d, struct err *e)
{
	err_set(e, ERR_AUTH, 0,
		"no handshake within %" PRIu64
		" ms: the peer does not answer, or not in TLS",
		d->link.p.o->handshake_ms);
	return dial_refused(d, e);
}

static int dial_step(struct link_dial *d, const struct link_span *span,
		     struct err *e)
{
	switch (d->state) {
	case DIAL_IDLE:
		if ((d->link.chan && !d->link.rotate_ms) ||
		    clock_now_ms() < d->start_ms)
			return 0;
		return dial_begin(d, e);
	case DIAL_CONNECTING:
		return dial_connecting(d, e);
	case DIAL_PASSWORD:
		if (clock_now_ms() >= d->deadline_ms)
			return dial_too_late(d, e);
		return dial_password(d, e);
	case DIAL_HANDSHAKE:
		if (clock_now_ms() >= d->deadline_ms)
			return dial_too_late(d, e);
		return dial_handshake(d, span, e);
	case DIAL_GREETING:
		if (clock_now_ms() >= d->deadline_ms)
			return dial_too_late(d, e);
		return dial_greeting(d, span, e);
	}
	return 0;
}

/* As long as one step leads to the next. */
static int dial_run(struct link *l, const struct link_span *span, struct err *e)
{
	struct link_dial *d = dial_of(l);
	enum dial_state before;

	do {
		before = d->state;
		if (dial_step(d, span, e) < 0)
			return -1;
	} while (d->state != before && d->state != DIAL_IDLE);
	return 0;
}

static void dial_lost(struct link *l)
{
	struct link_dial *d = dial_of(l);

	dial_hang_up(d);
	if (l->useful)
		d->backoff_ms = BACKOFF_MS;
	dial_pause(d);
	dial_watch(d, TLS_WANT_READ);
}

static void dial_free(struct link *l)
{
	struct link_dial *d = dial_of(l);

	dial_hang_up(d);
	net_free_addresses(&d->list);
	cred_free(d->ticket_cred);
	free(d);
}

static const struct link_ops dial_ops = {
	.run = dial_run,
	.lost = dial_lost,
	.free = dial_free,
};

struct link *link_dial_new(const struct link_params *p, struct err *e)
{
	struct link_dial *d = calloc(1, sizeof *d);

	if (!d) {
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	link_init(&d->link, &dial_ops, p);
	d->to = (struct net_endpoint){ .host = p->o->host,
				       .bind = p->o->bind,
				       .port = (uint16_t)p->o->port,
				       .family = p->o->family };
	d->socket.fd = -1;
	host_id(d->host);
	d->backoff_ms = BACKOFF_MS;
	d->start_ms = clock_now_ms();
	d->link.due_ms = d->start_ms;
	/* How long the listener may keep us waiting in the first place */
	d->link.give_up_ms = clock_deadline(p->o->retry_ms);
	/* 128 bits that nobody else draws; not a secret.  Short reads happen
	 * only above 256 bytes (getrandom(2)). */
	if (getrandom(d->link.stream, sizeof d->link.stream, 0) < 0)
		log_debug("no random stream id");
	return &d->link;
}
