// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/session_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "auth/password_exchange.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/min.h"
#include "conn/hello.h"
#include "conn/host_id.h"
#include "conn/net.h"
#include "conn/resolve.h"
#include "tls/priority.h"

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

enum client_state {
	CLIENT_IDLE,
	CLIENT_RESOLVING,
	CLIENT_CONNECTING,
	CLIENT_PASSWORD, /* the exchange before TLS */
	CLIENT_HANDSHAKE,
	CLIENT_GREETING,
};

struct session_client {
	struct session session; /* first: a link is this */
	/* From the second connection on; NULL where the mode cannot do it */
	struct credential *ticket_cred;
	struct resolve resolve;
	struct net_addresses list, source; /* to connect to, and from */
	size_t next; /* the one to try; list.count: none is left */
	struct resolve_answer known; /* at the last connection, its own first */
	bool look_up; /* known is not good enough */
	enum client_state state;
	struct connection_socket socket;
	struct password_exchange pass;
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

static struct session_client *client_of(struct session *l)
{
	return (struct session_client *)l;
}

/* What is to be polled in this state. */
static void client_watch(struct session_client *d, enum tls_want want)
{
	struct session *l = &d->session;

	l->fd = d->state == CLIENT_IDLE	       ? -1
		: d->state == CLIENT_RESOLVING ? d->resolve.fd
					       : d->socket.fd;
	l->events = want == TLS_WANT_WRITE ? POLLOUT : POLLIN;
	l->due_ms = d->state == CLIENT_IDLE
			    ? d->start_ms
			    : clock_earlier(d->deadline_ms, d->speak_ms);
	if (d->state == CLIENT_RESOLVING && d->known.host.count)
		l->due_ms = clock_earlier(l->due_ms, d->wait_ms + SPEAK_MS);
	if (l->conn && !l->rekey_since_ms && d->state == CLIENT_IDLE)
		l->due_ms = CLOCK_NEVER;
}

/* When there is no more hope for this connection */
static uint64_t client_end_ms(const struct session_client *d)
{
	return d->session.count ? session_deadline(&d->session) : d->give_up_ms;
}

/* Somebody else has to answer now, within timeout_ms. */
static void client_wait(struct session_client *d, enum client_state state,
			uint64_t timeout_ms, enum tls_want want)
{
	bool computes = state == CLIENT_PASSWORD || state == CLIENT_HANDSHAKE;

	d->state = state;
	d->wait_ms = clock_now_ms();
	d->deadline_ms = clock_deadline(timeout_ms);
	d->speak_ms = CLOCK_NEVER;
	if (!(d->spoke & 1u << state))
		d->speak_ms = clock_deadline(computes ? SPEAK_HANDSHAKE_MS
						      : SPEAK_MS);
	client_watch(d, want);
}

static struct net_target client_target(const struct session_client *d)
{
	const struct net_addresses *from = &d->source;
	struct net_target t = { .to = &d->list.all[d->next],
				.port = d->session.p.config->port,
				.tcp = &d->session.p.config->tcp };

	for (size_t i = 0;
	     d->session.p.config->bind && i < from->count && !t.from; i++)
		if (from->all[i].family == t.to->family)
			t.from = &from->all[i];
	return t;
}

/* No answer for a while: say what we wait for, and what to look at. */
static void client_speak(struct session_client *d)
{
	struct net_target t = client_target(d);
	char name[NET_NAME_MAX];

	d->spoke |= d->state < CLIENT_PASSWORD ? 1u << d->state
					       : ~0u << CLIENT_PASSWORD;
	d->speak_ms = CLOCK_NEVER;
	if (d->state == CLIENT_RESOLVING) {
		log_notice("no name server has answered for %d s about %s; %s",
			   SPEAK_MS / 1000, d->session.p.config->host,
			   d->known.host.count
				   ? "trying the addresses of before"
				   : "still waiting");
	} else if (d->state == CLIENT_CONNECTING) {
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
	client_watch(d, d->state == CLIENT_CONNECTING ? TLS_WANT_WRITE
						      : TLS_WANT_READ);
}

static bool client_ready(const struct session_client *d)
{
	struct pollfd p = { .fd = d->session.fd, .events = d->session.events };

	return poll(&p, 1, 0) > 0;
}

/* Between half of it and all of it, so that many do not come at once. */
static uint64_t client_jitter(uint64_t ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		return ms;
	return ms / 2 + random % (ms / 2 + 1);
}

static void client_pause(struct session_client *d)
{
	d->start_ms = clock_deadline(client_jitter(d->backoff_ms));
	d->backoff_ms = min_u64(2 * d->backoff_ms, BACKOFF_MAX_MS);
}

static void client_hang_up(struct session_client *d)
{
	resolve_stop(&d->resolve);
	password_exchange_wipe(&d->pass);
	tls_free(d->tls);
	d->tls = NULL;
	if (d->socket.fd >= 0)
		close(steal_fd(&d->socket.fd));
	d->state = CLIENT_IDLE;
}

/*
 * May a later try fare better than one that failed with *e?  A firewall that
 * rejects looks like a missing route, or like a lack of permission; a link or a
 * listener may be about to come up.
 */
static bool client_may_mend(const struct err *e)
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
static void client_explain(struct session_client *d, const struct err *e)
{
	const struct session *l = &d->session;
	uint64_t now = clock_now_ms(), end_ms = client_end_ms(d);
	uint64_t since_ms = l->conn ? l->rekey_since_ms : d->since_ms;

	if (!strcmp(d->told, e->msg) ||
	    (l->count && now - since_ms < SPEAK_MS)) {
		log_debug("%s", e->msg);
		return;
	}
	snprintf(d->told, sizeof d->told, "%s", e->msg);
	if (l->conn)
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
static int client_failed(struct session_client *d, bool hope, struct err *e)
{
	struct session *l = &d->session;
	bool first = !l->count, more;

	client_hang_up(d);
	d->hope |= hope;
	if (d->next < d->list.count)
		d->next++;
	/* Nobody but the peer is on the other side of a handshake. */
	if (first && !hope && e->kind == ERR_AUTH)
		return -1;
	more = d->next < d->list.count;
	if (first && !more && (!d->hope || clock_now_ms() >= client_end_ms(d)))
		return -1;
	if (more)
		log_debug("%s", e->msg);
	else
		client_explain(d, e);
	*e = (struct err){ 0 };
	d->look_up |= !more;
	if (more)
		d->start_ms = clock_now_ms();
	else
		client_pause(d);
	client_watch(d, TLS_WANT_READ);
	return 0;
}

/*
 * Was it not the peer that ended the connection, but its system?  That of a
 * listener does so to whoever waits there when it ends, and the next one may be
 * about to begin.  But who answers a password can guess it once in a handshake:
 * there nobody gets another one.
 */
static bool client_was_reset(const struct session_client *d,
			     const struct err *e)
{
	bool guessed = d->session.p.password && !d->session.count &&
		       d->state == CLIENT_HANDSHAKE;

	return !guessed && (e->num == ECONNRESET || e->num == EPIPE);
}

/* The peer, or what is in its place, was of no use, if not just busy or gone. */
static int client_refused(struct session_client *d, struct err *e)
{
	bool busy = d->tls && tls_put_off(d->tls);
	bool reset = client_was_reset(d, e);

	if (reset)
		e->kind = ERR_NET;
	err_wrap(e, "%s", d->name);
	if (d->session.rekey_agreed)
		return session_abort_rekey(&d->session, e);
	return client_failed(d, busy || reset, e);
}

/* How long a step may take that nobody but us counts. */
static uint64_t client_patience(const struct session_client *d,
				uint64_t most_ms)
{
	uint64_t now = clock_now_ms(), end_ms = client_end_ms(d);

	if (!d->session.count && !d->session.p.config->retry_ms)
		return most_ms;
	return min_u64(most_ms, end_ms > now ? end_ms - now : 0);
}

/* Connect to the address whose turn it is. */
static int client_connect(struct session_client *d, struct err *e)
{
	struct net_target t = client_target(d);

	d->socket = (struct connection_socket){ .fd = -1 };
	if (d->session.p.config->bind && !t.from) {
		char name[NET_NAME_MAX];

		net_target_name(&t, name);
		err_set(e, ERR_NET, 0,
			"cannot connect to %s from %s: it is of another "
			"address family",
			name, d->session.p.config->bind);
		return client_failed(d, false, e);
	}
	d->socket.fd = net_connect(&t, e);
	if (d->socket.fd < 0)
		return client_failed(d, client_may_mend(e), e);
	client_wait(d, CLIENT_CONNECTING,
		    client_patience(d, d->list.count > 1 ? PER_ADDRESS_MS
							 : CONNECT_MS),
		    TLS_WANT_WRITE);
	return 0;
}

/* The addresses that a look-up found, or that were good before. */
static int client_found(struct session_client *d,
			const struct resolve_answer *a, struct err *e)
{
	d->list = a->host;
	d->source = a->source;
	d->next = 0;
	d->hope = false;
	return client_connect(d, e);
}

static int client_resolving(struct session_client *d, struct err *e)
{
	uint64_t now = clock_now_ms();
	bool done, late;
	int ret = resolve_take(&d->resolve, &done, e);

	if (ret == 0 && done)
		return client_found(d, &d->resolve.answer, e);
	late = now >= d->deadline_ms;
	if (ret == 0 && d->known.host.count)
		late |= now >= d->wait_ms + SPEAK_MS;
	if (ret == 0 && !late)
		return 0;
	if (ret == 0) {
		err_set(e, ERR_NET, ETIMEDOUT, "cannot resolve %s",
			d->session.p.config->host);
		err_append(e, " (does a name server answer?)");
	}
	if (!d->known.host.count)
		return client_failed(d, client_may_mend(e), e);
	log_debug("%s; trying the addresses of before", e->msg);
	*e = (struct err){ 0 };
	resolve_stop(&d->resolve);
	return client_found(d, &d->known, e);
}

/*
 * Begin with the next address, or look the name up again.  The peer of a stream
 * that runs is where it was.
 */
static int client_begin(struct session_client *d, struct err *e)
{
	const struct session_config *o = d->session.p.config;
	const struct resolve_query q = { .host = o->host,
					 .source = o->bind,
					 .family = o->family };

	if (d->next < d->list.count)
		return client_connect(d, e);
	if (!d->look_up)
		return client_found(d, &d->known, e);
	d->list.count = d->next = 0;
	if (resolve_start(&d->resolve, &q, e) < 0)
		return client_failed(d, client_may_mend(e), e);
	client_wait(d, CLIENT_RESOLVING, client_patience(d, RESOLVE_MS),
		    TLS_WANT_READ);
	return 0;
}

/* own: a credential for this connection alone, which is taken over, or NULL */
static int client_start_tls(struct session_client *d, struct credential *own,
			    struct err *e)
{
	const struct session_params *p = &d->session.p;
	struct tls_params params = {
		.fd = d->socket.fd,
		.cred = own		 ? own
			: d->ticket_cred ? d->ticket_cred
					 : p->cred,
		.owns_cred = own,
		.modes = p->modes,
		.raw = p->config->raw,
		/* Whoever serves many streams finds ours by it. */
		.server_name = d->session.ticket.identity,
	};

	d->tls = tls_new(&params, e);
	d->state = CLIENT_HANDSHAKE;
	return d->tls ? 0 : -1;
}

/* The connection stands.  A password is of use for the first one only. */
static int client_connected(struct session_client *d, struct err *e)
{
	const struct session_params *p = &d->session.p;

	net_peer_name(d->socket.fd, d->name);
	connection_attach(&d->socket, p->ktls);
	client_wait(d,
		    p->password && !d->ticket_cred ? CLIENT_PASSWORD
						   : CLIENT_HANDSHAKE,
		    p->config->handshake_ms, TLS_WANT_READ);
	if (d->state == CLIENT_HANDSHAKE)
		return client_start_tls(d, NULL, e);
	return password_exchange_offer(&d->pass, d->socket.fd, p->password, e);
}

static int client_connecting(struct session_client *d, struct err *e)
{
	struct net_target t = client_target(d);
	int ret;

	if (client_ready(d))
		ret = net_connected(d->socket.fd, &t, e);
	else if (clock_now_ms() < d->deadline_ms)
		return 0;
	else
		ret = net_cannot_connect(&t, ETIMEDOUT, e);
	if (ret < 0)
		return client_failed(d, client_may_mend(e), e);
	if (client_connected(d, e) < 0)
		return client_refused(d, e);
	return 0;
}

static int client_password(struct session_client *d, struct err *e)
{
	enum password_message_refusal refusal;
	enum password_exchange_event event;
	struct credential *own;

	if (password_exchange_receive(&d->pass, d->socket.fd,
				      PASSWORD_MESSAGE_ANSWER, &event, e) < 0)
		return client_refused(d, e);
	if (event == PASSWORD_EXCHANGE_WAIT)
		return 0;
	if (event == PASSWORD_EXCHANGE_OTHER) {
		err_set(e, ERR_AUTH, 0,
			"the peer does not answer our password as "
			"btrfs-ktls-pipe does");
		return client_refused(d, e);
	}
	own = password_exchange_accept(&d->pass, d->session.p.password,
				       &refusal, e);
	password_exchange_wipe(&d->pass);
	if (!own && refusal == PASSWORD_MESSAGE_REFUSED_LATER) {
		err_wrap(e, "%s", d->name);
		return client_failed(d, true, e);
	}
	if (!own || client_start_tls(d, own, e) < 0)
		return client_refused(d, e);
	return 0;
}

static int client_hello(struct session_client *d,
			const struct session_span *span, struct err *e)
{
	struct session *l = &d->session;
	const struct session_config *o = l->p.config;
	struct frame f = { .type = FRAME_HELLO };

	l->rekey_agreed =
		l->conn; /* what comes from here on goes the new way */
	f.hello = (struct frame_hello){
		.version = FRAME_VERSION,
		.role = session_frame_role(o),
		.connection = ++l->number,
		.offset = span->high,
		.buffer_bytes = session_buffer_bytes(o),
		.record_limit = session_record_limit(o),
		.retry_ms = o->retry_ms,
		.rekey_at = l->conn ? span->at : 0,
	};
	memcpy(f.hello.stream, l->stream, sizeof l->stream);
	memcpy(f.hello.host, d->host, sizeof d->host);
	/* Without the ticket this connection says who we are, but not yet that
	 * the stream is ours. */
	if (l->count && l->p.cred && !d->ticket_cred &&
	    tls_prove(d->tls, &l->ticket, f.hello.proof, e) < 0)
		return -1;
	d->reader = (struct frame_reader){ 0 };
	d->state = CLIENT_GREETING;
	return hello_send(d->tls, d->socket.fd, &f, d->deadline_ms, e);
}

/* This address is good: the next connection begins with it. */
static void client_know(struct session_client *d)
{
	struct net_address used = d->list.all[d->next];

	d->list.all[d->next] = d->list.all[0];
	d->list.all[0] = used;
	d->known.host = d->list;
	d->known.source = d->source;
	d->look_up = false;
}

/* The connection is authenticated and welcome: make it the stream's. */
static int client_use(struct session_client *d, uint64_t offset,
		      bool rekeys_now, struct err *e)
{
	struct session *l = &d->session;
	struct tls *t = d->tls;
	int ret;

	d->tls = NULL;
	d->state = CLIENT_IDLE;
	ret = session_use(l, t, &d->socket, d->name, offset, rekeys_now, e);
	d->socket.fd = -1;
	/* A connection that is cut by now cannot be given to the kernel. */
	if (ret < 0 && l->conn)
		return session_abort_rekey(l, e);
	if (ret < 0)
		return l->count ? client_failed(d, true, e) : -1;
	client_know(d);
	d->list.count = d->next = 0;
	d->spoke = 0;
	*d->told = '\0';
	if (rekeys_now)
		d->backoff_ms = BACKOFF_MS;
	client_watch(d, TLS_WANT_READ);
	return 0;
}

static int client_agree(struct session_client *d, const struct frame_welcome *w,
			struct err *e)
{
	struct session *l = &d->session;
	const struct session_peer peer = { .buffer_bytes = w->buffer_bytes,
					   .retry_ms = w->retry_ms,
					   .record_limit = w->record_limit,
					   .handle = w->handle };

	if (session_agree(l, d->tls, &peer, e) < 0)
		return -1;
	if (l->p.config->raw || !l->p.cred ||
	    !priority_mode_usable(tls_mode(d->tls), CREDENTIAL_PSK))
		return 0;
	d->ticket_cred = credential_new_psk(&l->ticket, false, e);
	return d->ticket_cred ? 0 : -1;
}

/* Both sides know now where the old connection ends and the new one begins. */
static int client_rekeyed(struct session_client *d,
			  const struct session_span *span, uint64_t at,
			  struct err *e)
{
	struct session *l = &d->session;

	if (l->role == CONNECTION_SENDER ? at == span->at : at >= span->at)
		return client_use(d, at, true, e);
	err_set(e, ERR_STREAM, 0,
		"the peer wants fresh keys from byte %" PRIu64
		" on, which is not where we are (%" PRIu64 ")",
		at, span->at);
	return session_abort_rekey(l, e);
}

/* The receiver's offset counts, whoever connects. */
static int client_welcomed(struct session_client *d,
			   const struct session_span *span,
			   const struct frame_welcome *w, struct err *e)
{
	struct session *l = &d->session;
	uint64_t offset = l->role == CONNECTION_SENDER ? w->offset : span->low;

	if (l->conn && w->rekey_at)
		return client_rekeyed(d, span, w->rekey_at, e);
	if (offset < span->low || offset > span->high)
		return err_set(e, l->count ? ERR_STREAM : ERR_AUTH, 0,
			       "the receiver wants to go on at byte %" PRIu64
			       ", but what is kept begins at %" PRIu64
			       " and ends at %" PRIu64,
			       offset, span->low, span->high);
	if (!l->count && client_agree(d, w, e) < 0)
		return -1;
	l->peer_sent = w->offset;
	return client_use(d, offset, false, e);
}

static int client_greeting(struct session_client *d,
			   const struct session_span *span, struct err *e)
{
	struct session *l = &d->session;
	struct frame f;
	bool got;

	if (hello_recv(d->tls, &d->reader, FRAME_WELCOME, &f, &got, e) < 0)
		return client_refused(d, e);
	if (!got)
		return 0;
	if (hello_check(&f.welcome, session_frame_role(l->p.config), e) < 0) {
		if (l->rekey_agreed)
			return client_refused(d, e);
		err_wrap(e, "%s", d->name);
		if (f.welcome.refusal == FRAME_REFUSED_BUSY)
			return client_failed(d, true, e);
		/* The peer itself says so: it is of no use to ask again. */
		if (l->count)
			e->kind = ERR_STREAM;
		return -1;
	}
	return client_welcomed(d, span, &f.welcome, e);
}

static int client_handshake(struct session_client *d,
			    const struct session_span *span, struct err *e)
{
	enum tls_want want;

	if (tls_handshake(d->tls, &want, e) < 0) {
		/* We say why, with the end of its flight still unread. */
		if (!d->session.count)
			net_discard_all(d->socket.fd, LEAVE_MS);
		return client_refused(d, e);
	}
	client_watch(d, want);
	if (want != TLS_DONE)
		return 0;
	/* The stream ended meanwhile. */
	if (d->session.conn && !d->session.rekey_since_ms) {
		client_hang_up(d);
		client_watch(d, TLS_WANT_READ);
		return 0;
	}
	if (d->session.p.config->raw)
		return client_welcomed(d, span, &(struct frame_welcome){ 0 },
				       e);
	if (client_hello(d, span, e) < 0)
		return client_refused(d, e);
	client_watch(d, TLS_WANT_READ);
	return 0;
}

static int client_too_late(struct session_client *d, struct err *e)
{
	err_set(e, ERR_AUTH, 0,
		"no handshake within %" PRIu64
		" ms: the peer does not answer, or not in TLS",
		d->session.p.config->handshake_ms);
	return client_refused(d, e);
}

static int client_step(struct session_client *d,
		       const struct session_span *span, struct err *e)
{
	if (d->state != CLIENT_IDLE && clock_now_ms() >= d->speak_ms)
		client_speak(d);
	/* The stream ended meanwhile. */
	if (d->state <= CLIENT_CONNECTING && d->session.conn &&
	    !d->session.rekey_since_ms)
		client_hang_up(d);
	switch (d->state) {
	case CLIENT_IDLE:
		if ((d->session.conn && !d->session.rekey_since_ms) ||
		    clock_now_ms() < d->start_ms)
			return 0;
		return client_begin(d, e);
	case CLIENT_RESOLVING:
		return client_resolving(d, e);
	case CLIENT_CONNECTING:
		return client_connecting(d, e);
	case CLIENT_PASSWORD:
		if (clock_now_ms() >= d->deadline_ms)
			return client_too_late(d, e);
		return client_password(d, e);
	case CLIENT_HANDSHAKE:
		if (clock_now_ms() >= d->deadline_ms)
			return client_too_late(d, e);
		return client_handshake(d, span, e);
	case CLIENT_GREETING:
		if (clock_now_ms() >= d->deadline_ms)
			return client_too_late(d, e);
		return client_greeting(d, span, e);
	}
	return 0;
}

/* As long as one step leads to the next. */
static int client_run(struct session *l, const struct session_span *span,
		      struct err *e)
{
	struct session_client *d = client_of(l);
	enum client_state before;

	do {
		before = d->state;
		if (client_step(d, span, e) < 0)
			return -1;
	} while (d->state != before && d->state != CLIENT_IDLE);
	return 0;
}

static void client_lost(struct session *l)
{
	struct session_client *d = client_of(l);

	client_hang_up(d);
	d->since_ms = clock_now_ms();
	d->look_up = true;
	if (l->useful)
		d->backoff_ms = BACKOFF_MS;
	client_pause(d);
	client_watch(d, TLS_WANT_READ);
}

static void client_free(struct session *l)
{
	struct session_client *d = client_of(l);

	client_hang_up(d);
	credential_free(d->ticket_cred);
	free(d);
}

static const struct session_ops dial_ops = {
	.run = client_run,
	.lost = client_lost,
	.free = client_free,
};

struct session *session_client_new(const struct session_params *p,
				   struct err *e)
{
	struct session_client *d = calloc(1, sizeof *d);

	if (!d) {
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	session_init(&d->session, &dial_ops, p);
	resolve_init(&d->resolve);
	d->socket.fd = -1;
	host_id_own(d->host);
	d->look_up = true;
	d->backoff_ms = BACKOFF_MS;
	d->start_ms = clock_now_ms();
	d->session.due_ms = d->start_ms;
	/* How long the listener may keep us waiting in the first place */
	d->give_up_ms = clock_deadline(p->config->retry_ms);
	/* 128 bits that nobody else draws; not a secret. */
	if (io_random(d->session.stream, sizeof d->session.stream, e) < 0) {
		session_free(&d->session);
		return NULL;
	}
	return &d->session;
}
