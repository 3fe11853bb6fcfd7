// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/link_dial.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "auth/pass.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "conn/greet.h"
#include "conn/host.h"
#include "conn/net.h"
#include "conn/resolve.h"

enum {
	RESOLVE_MS = 30000,
	CONNECT_MS = 30000,
	PER_ADDRESS_MS = 5000, /* where a name has several */
	BACKOFF_MS = 100, /* the first pause; each is twice the last */
	BACKOFF_MAX_MS = 5000,
	LEAVE_MS = 500, /* for a peer that we refuse to hear why */
	SPEAK_MS = 3000, /* without an answer, before we say so */
	SPEAK_HANDSHAKE_MS = 5000, /* the same for one that needs computing */
};

enum dial_state {
	DIAL_IDLE,
	DIAL_RESOLVING,
	DIAL_CONNECTING,
	DIAL_PASSWORD, /* the exchange before TLS */
	DIAL_HANDSHAKE,
	DIAL_GREETING,
};

struct link_dial {
	struct link link; /* first: a link is this */
	/* From the second connection on; NULL where the mode cannot do it */
	struct cred *ticket_cred;
	struct resolve resolve;
	struct net_addresses list, source; /* to connect to, and from */
	size_t next; /* the one to try; list.count: none is left */
	struct resolve_answer known; /* at the last connection, its own first */
	bool look_up; /* known is not good enough */
	enum dial_state state;
	struct chan_socket socket;
	struct pass pass;
	struct tls *tls;
	struct frame_reader reader;
	uint8_t host[FRAME_HOST_BYTES]; /* ours */
	char name[NET_NAME_MAX];
	uint64_t start_ms; /* idle: when to try again */
	uint64_t wait_ms; /* else: since when this step waits, */
	uint64_t deadline_ms; /* and its end */
	uint64_t speak_ms; /* when to say that no answer has come */
	unsigned int spoke; /* about these states since the last connection */
	uint64_t since_ms; /* when we began to be without a connection */
	uint64_t backoff_ms;
	uint64_t give_up_ms; /* reaching the listener for the first time */
	bool hope; /* the first connection may still come about */
	char told[sizeof((struct err *)0)->msg]; /* why it has not, last time */
};

static struct link_dial *dial_of(struct link *l)
{
	return (struct link_dial *)l;
}

/* What is to be polled in this state. */
static void dial_watch(struct link_dial *d, enum tls_want want)
{
	struct link *l = &d->link;

	l->fd = d->state == DIAL_IDLE	     ? -1
		: d->state == DIAL_RESOLVING ? d->resolve.fd
					     : d->socket.fd;
	l->events = want == TLS_WANT_WRITE ? POLLOUT : POLLIN;
	l->due_ms = d->state == DIAL_IDLE
			    ? d->start_ms
			    : clock_earlier(d->deadline_ms, d->speak_ms);
	if (d->state == DIAL_RESOLVING && d->known.host.count)
		l->due_ms = clock_earlier(l->due_ms, d->wait_ms + SPEAK_MS);
	if (l->chan && !l->rotate_ms && d->state == DIAL_IDLE)
		l->due_ms = CLOCK_NEVER;
}

/* When there is no more hope for this connection */
static uint64_t dial_end_ms(const struct link_dial *d)
{
	return d->link.count ? link_deadline(&d->link) : d->give_up_ms;
}

/* Somebody else has to answer now, within timeout_ms. */
static void dial_wait(struct link_dial *d, enum dial_state state,
		      uint64_t timeout_ms, enum tls_want want)
{
	bool computes = state == DIAL_PASSWORD || state == DIAL_HANDSHAKE;

	d->state = state;
	d->wait_ms = clock_now_ms();
	d->deadline_ms = clock_deadline(timeout_ms);
	d->speak_ms = CLOCK_NEVER;
	if (!(d->spoke & 1u << state))
		d->speak_ms = clock_deadline(computes ? SPEAK_HANDSHAKE_MS
						      : SPEAK_MS);
	dial_watch(d, want);
}

static struct net_target dial_target(const struct link_dial *d)
{
	const struct net_addresses *from = &d->source;
	struct net_target t = { .to = &d->list.all[d->next],
				.port = d->link.p.config->port,
				.tcp = &d->link.p.config->tcp };

	for (size_t i = 0; d->link.p.config->bind && i < from->count && !t.from;
	     i++)
		if (from->all[i].family == t.to->family)
			t.from = &from->all[i];
	return t;
}

/* No answer for a while: say what we wait for, and what to look at. */
static void dial_speak(struct link_dial *d)
{
	struct net_target t = dial_target(d);
	char name[NET_NAME_MAX];

	d->spoke |= d->state < DIAL_PASSWORD ? 1u << d->state
					     : ~0u << DIAL_PASSWORD;
	d->speak_ms = CLOCK_NEVER;
	if (d->state == DIAL_RESOLVING) {
		log_notice("no name server has answered for %d s about %s; %s",
			   SPEAK_MS / 1000, d->link.p.config->host,
			   d->known.host.count
				   ? "trying the addresses of before"
				   : "still waiting");
	} else if (d->state == DIAL_CONNECTING) {
		net_target_name(&t, name);
		log_notice("no answer from %s for %d s: is TCP port %u open "
			   "there (firewall), and is 'btrfs-ktls-pipe listen' "
			   "running there?",
			   name, SPEAK_MS / 1000, t.port);
	} else {
		log_notice("%s has taken the connection, but not said a word "
			   "for %d s: is that 'btrfs-ktls-pipe listen', and "
			   "is its host overloaded?",
			   d->name, SPEAK_HANDSHAKE_MS / 1000);
	}
	dial_watch(d, d->state == DIAL_CONNECTING ? TLS_WANT_WRITE
						  : TLS_WANT_READ);
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
	resolve_stop(&d->resolve);
	pass_wipe(&d->pass);
	tls_free(d->tls);
	d->tls = NULL;
	if (d->socket.fd >= 0)
		close(steal_fd(&d->socket.fd));
	d->state = DIAL_IDLE;
}

/*
 * May a later try fare better than one that failed with *e?  A firewall that
 * rejects looks like a missing route, or like a lack of permission; a link or a
 * listener may be about to come up.
 */
static bool dial_may_mend(const struct err *e)
{
	switch (e->num) {
	case EAGAIN: /* the resolver */
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENETDOWN:
	case ENETRESET:
	case ENONET:
	case EACCES: /* ICMPv6, administratively prohibited */
	case EINVAL: /* a route that discards */
	case EPROTO: /* ICMPv6, parameter problem */
	case ENOPROTOOPT: /* ICMP, protocol unreachable */
	case EADDRNOTAVAIL: /* no address yet, or no free port */
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return e->kind == ERR_NET;
	}
	return false;
}

/*
 * Say why a try failed: before the first connection at once, later on when
 * SPEAK_MS have passed without one; and again if it is for another reason.
 */
static void dial_explain(struct link_dial *d, const struct err *e)
{
	const struct link *l = &d->link;
	uint64_t now = clock_now_ms(), end_ms = dial_end_ms(d);
	uint64_t since_ms = l->chan ? l->rotate_ms : d->since_ms;

	if (!strcmp(d->told, e->msg) ||
	    (l->count && now - since_ms < SPEAK_MS)) {
		log_debug("%s", e->msg);
		return;
	}
	snprintf(d->told, sizeof d->told, "%s", e->msg);
	if (l->chan)
		log_notice("%s; trying again, for fresh keys", e->msg);
	else
		log_notice("%s; trying again for %" PRIu64 " s", e->msg,
			   end_ms > now ? (end_ms - now + 999) / 1000 : 0);
}

/*
 * One try failed.  hope: another may fare better.  Before the first connection
 * that is not so for everything; later on whatever did not come from the
 * authenticated peer is just a lost connection.
 */
static int dial_failed(struct link_dial *d, bool hope, struct err *e)
{
	struct link *l = &d->link;
	bool first = !l->count, more;

	dial_hang_up(d);
	d->hope |= hope;
	if (d->next < d->list.count)
		d->next++;
	/* Nobody but the peer is on the other side of a handshake. */
	if (first && !hope && e->kind == ERR_AUTH)
		return -1;
	more = d->next < d->list.count;
	if (first && !more && (!d->hope || clock_now_ms() >= dial_end_ms(d)))
		return -1;
	if (more)
		log_debug("%s", e->msg);
	else
		dial_explain(d, e);
	*e = (struct err){ 0 };
	d->look_up |= !more;
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

/* How long a step may take that nobody but us counts. */
static uint64_t dial_patience(const struct link_dial *d, uint64_t most_ms)
{
	uint64_t now = clock_now_ms(), end_ms = dial_end_ms(d);

	if (!d->link.count && !d->link.p.config->retry_ms)
		return most_ms;
	return clock_earlier(most_ms, end_ms > now ? end_ms - now : 0);
}

/* Connect to the address whose turn it is. */
static int dial_connect(struct link_dial *d, struct err *e)
{
	struct net_target t = dial_target(d);

	d->socket = (struct chan_socket){ .fd = -1 };
	if (d->link.p.config->bind && !t.from) {
		char name[NET_NAME_MAX];

		net_target_name(&t, name);
		err_set(e, ERR_NET, 0,
			"cannot connect to %s from %s: it is of another "
			"address family",
			name, d->link.p.config->bind);
		return dial_failed(d, false, e);
	}
	d->socket.fd = net_connect(&t, e);
	if (d->socket.fd < 0)
		return dial_failed(d, dial_may_mend(e), e);
	dial_wait(d, DIAL_CONNECTING,
		  dial_patience(d, d->list.count > 1 ? PER_ADDRESS_MS
						     : CONNECT_MS),
		  TLS_WANT_WRITE);
	return 0;
}

/* The addresses that a look-up found, or that were good before. */
static int dial_found(struct link_dial *d, const struct resolve_answer *a,
		      struct err *e)
{
	d->list = a->host;
	d->source = a->source;
	d->next = 0;
	d->hope = false;
	return dial_connect(d, e);
}

static int dial_resolving(struct link_dial *d, struct err *e)
{
	uint64_t now = clock_now_ms();
	bool done, late;
	int ret = resolve_take(&d->resolve, &done, e);

	if (ret == 0 && done)
		return dial_found(d, &d->resolve.answer, e);
	late = now >= d->deadline_ms;
	if (ret == 0 && d->known.host.count)
		late |= now >= d->wait_ms + SPEAK_MS;
	if (ret == 0 && !late)
		return 0;
	if (ret == 0) {
		err_set(e, ERR_NET, ETIMEDOUT, "cannot resolve %s",
			d->link.p.config->host);
		err_append(e, " (does a name server answer?)");
	}
	if (!d->known.host.count)
		return dial_failed(d, dial_may_mend(e), e);
	log_debug("%s; trying the addresses of before", e->msg);
	*e = (struct err){ 0 };
	resolve_stop(&d->resolve);
	return dial_found(d, &d->known, e);
}

/*
 * Begin with the next address, or look the name up again.  The peer of a stream
 * that runs is where it was.
 */
static int dial_begin(struct link_dial *d, struct err *e)
{
	const struct link_config *o = d->link.p.config;
	const struct resolve_query q = { .host = o->host,
					 .source = o->bind,
					 .family = o->family };

	if (d->next < d->list.count)
		return dial_connect(d, e);
	if (!d->look_up)
		return dial_found(d, &d->known, e);
	d->list.count = d->next = 0;
	if (resolve_start(&d->resolve, &q, e) < 0)
		return dial_failed(d, dial_may_mend(e), e);
	dial_wait(d, DIAL_RESOLVING, dial_patience(d, RESOLVE_MS),
		  TLS_WANT_READ);
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
		.raw = p->config->raw,
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
	dial_wait(d,
		  p->password && !d->ticket_cred ? DIAL_PASSWORD
						 : DIAL_HANDSHAKE,
		  p->config->handshake_ms, TLS_WANT_READ);
	if (d->state == DIAL_HANDSHAKE)
		return dial_start_tls(d, NULL, e);
	return pass_offer(&d->pass, d->socket.fd, p->password, e);
}

static int dial_connecting(struct link_dial *d, struct err *e)
{
	struct net_target t = dial_target(d);
	int ret;

	if (dial_ready(d))
		ret = net_connected(d->socket.fd, &t, e);
	else if (clock_now_ms() < d->deadline_ms)
		return 0;
	else
		ret = net_cannot_connect(&t, ETIMEDOUT, e);
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
	const struct link_config *o = l->p.config;
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

/* This address is good: the next connection begins with it. */
static void dial_know(struct link_dial *d)
{
	struct net_address used = d->list.all[d->next];

	d->list.all[d->next] = d->list.all[0];
	d->list.all[0] = used;
	d->known.host = d->list;
	d->known.source = d->source;
	d->look_up = false;
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
	dial_know(d);
	d->list.count = d->next = 0;
	d->spoke = 0;
	*d->told = '\0';
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
	if (l->p.config->raw || !l->p.cred ||
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
	l->peer_sent = w->offset;
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
	if (greet_check(&f.welcome, link_frame_role(l->p.config), e) < 0) {
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
	if (d->link.p.config->raw)
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
		d->link.p.config->handshake_ms);
	return dial_refused(d, e);
}

static int dial_step(struct link_dial *d, const struct link_span *span,
		     struct err *e)
{
	if (d->state != DIAL_IDLE && clock_now_ms() >= d->speak_ms)
		dial_speak(d);
	/* The stream ended meanwhile. */
	if (d->state <= DIAL_CONNECTING && d->link.chan && !d->link.rotate_ms)
		dial_hang_up(d);
	switch (d->state) {
	case DIAL_IDLE:
		if ((d->link.chan && !d->link.rotate_ms) ||
		    clock_now_ms() < d->start_ms)
			return 0;
		return dial_begin(d, e);
	case DIAL_RESOLVING:
		return dial_resolving(d, e);
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
	d->since_ms = clock_now_ms();
	d->look_up = true;
	if (l->useful)
		d->backoff_ms = BACKOFF_MS;
	dial_pause(d);
	dial_watch(d, TLS_WANT_READ);
}

static void dial_free(struct link *l)
{
	struct link_dial *d = dial_of(l);

	dial_hang_up(d);
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
	resolve_init(&d->resolve);
	d->socket.fd = -1;
	host_id(d->host);
	d->look_up = true;
	d->backoff_ms = BACKOFF_MS;
	d->start_ms = clock_now_ms();
	d->link.due_ms = d->start_ms;
	/* How long the listener may keep us waiting in the first place */
	d->give_up_ms = clock_deadline(p->config->retry_ms);
	/* 128 bits that nobody else draws; not a secret. */
	if (io_random(d->link.stream, sizeof d->link.stream, e) < 0) {
		link_free(&d->link);
		return NULL;
	}
	return &d->link;
}
