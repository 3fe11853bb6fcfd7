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
	PER_ADDRESS_MS = 5000, /* if the name has several */
	BACKOFF_MS = 100, /* the first pause; doubles each time */
	BACKOFF_MAX_MS = 5000,
	LAST_MS = 1000, /* for the last attempt at a first connection */
	LEAVE_MS = 500, /* for a peer that we refuse to read our alert */
	SPEAK_MS = 3000, /* without an answer, before we log that */
	SPEAK_HANDSHAKE_MS = 5000, /* the same where the peer must compute */
};

enum client_state {
	CLIENT_IDLE,
	CLIENT_RESOLVING,
	CLIENT_CONNECTING,
	CLIENT_PASSWORD, /* the password exchange, before TLS */
	CLIENT_HANDSHAKE,
	CLIENT_GREETING,
	CLIENT_LEARNING, /* WELCOME came, and HAVE is to follow */
};

struct session_client {
	struct session session; /* first, for the cast */
	/* From the second connection on; NULL if the mode has no PSK */
	struct credential *ticket_cred;
	struct resolve resolve;
	struct net_addresses list, source; /* to connect to, and from */
	size_t next; /* index of the one to try; list.count: none left */
	struct resolve_answer
		known; /* of the last connection, its peer first */
	bool look_up; /* resolve again, do not use known */
	enum client_state state;
	struct connection_socket socket;
	struct password_exchange pass;
	struct tls *tls; /* until the handshake is done */
	struct channel *channel; /* then, until the connection is used */
	struct frame_reader reader;
	struct frame_welcome welcome; /* while we learn what it has */
	uint8_t host[FRAME_HOST_BYTES]; /* ours */
	char name[NET_NAME_MAX];
	uint64_t start_ms; /* idle: when to try again */
	uint64_t wait_ms; /* else: when this step began... */
	uint64_t deadline_ms; /* ...and when it fails */
	uint64_t speak_ms; /* when to log that there is no answer */
	unsigned int spoke; /* states logged since the last connection */
	uint64_t since_ms; /* when the last connection was lost */
	uint64_t backoff_ms;
	uint64_t give_up_ms; /* deadline of the first connection */
	bool retryable; /* another attempt at the first one may succeed */
	char told[sizeof((struct err *)0)->msg]; /* the last failure logged */
};

static struct session_client *client_of(struct session *s)
{
	return (struct session_client *)s;
}

/* Do we need another connection? */
static bool client_dials(const struct session_client *client)
{
	const struct session *s = &client->session;

	return !s->conn || rekey_dials(&s->rekey);
}

/* Set what the session polls in this state. */
static void client_watch(struct session_client *client, enum tls_want want)
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
	if (client->state == CLIENT_RESOLVING && client->known.host.count)
		s->due_ms =
			clock_earlier(s->due_ms, client->wait_ms + SPEAK_MS);
	if (client->state == CLIENT_IDLE && !client_dials(client))
		s->due_ms = CLOCK_NEVER;
}

/* When to give up on getting a connection. */
static uint64_t client_end_ms(const struct session_client *client)
{
	return client->session.count ? session_deadline(&client->session)
				     : client->give_up_ms;
}

/* Enter a state in which another process must answer within timeout_ms. */
static void client_wait(struct session_client *client, enum client_state state,
			uint64_t timeout_ms, enum tls_want want)
{
	bool computes = state == CLIENT_PASSWORD || state == CLIENT_HANDSHAKE;

	client->state = state;
	client->wait_ms = clock_now_ms();
	client->deadline_ms = clock_deadline(timeout_ms);
	client->speak_ms = CLOCK_NEVER;
	/* Whoever has a lifeline says itself what to check. */
	if (!(client->spoke & 1u << state) &&
	    client->session.p.config->lifeline_fd < 0)
		client->speak_ms = clock_deadline(computes ? SPEAK_HANDSHAKE_MS
							   : SPEAK_MS);
	client_watch(client, want);
}

static struct net_target client_target(const struct session_client *client)
{
	const struct net_addresses *from = &client->source;
	struct net_target t = { .to = &client->list.all[client->next],
				.port = client->session.p.config->port,
				.tcp = &client->session.p.config->tcp };

	for (size_t i = 0;
	     client->session.p.config->bind && i < from->count && !t.from; i++)
		if (from->all[i].family == t.to->family)
			t.from = &from->all[i];
	return t;
}

/* No answer for a while: log what we wait for, and what to check. */
static void client_speak(struct session_client *client)
{
	struct net_target t = client_target(client);
	char name[NET_NAME_MAX];

	client->spoke |= client->state < CLIENT_PASSWORD
				 ? 1u << client->state
				 : ~0u << CLIENT_PASSWORD;
	client->speak_ms = CLOCK_NEVER;
	if (client->state == CLIENT_RESOLVING) {
		log_notice("no name server has answered for %d s about %s; %s",
			   SPEAK_MS / 1000, client->session.p.config->host,
			   client->known.host.count
				   ? "using the previous addresses"
				   : "still waiting");
	} else if (client->state == CLIENT_CONNECTING) {
		net_target_name(&t, name);
		log_notice("no answer from %s for %d s: is TCP port %u open "
			   "there (firewall), and is 'btrfs-ktls-pipe listen' "
			   "running there?",
			   name, SPEAK_MS / 1000, t.port);
	} else {
		log_notice("%s has taken the connection, but not said a word "
			   "for %d s: is that 'btrfs-ktls-pipe listen', and "
			   "is its host overloaded?",
			   client->name, SPEAK_HANDSHAKE_MS / 1000);
	}
	client_watch(client, client->state == CLIENT_CONNECTING
				     ? TLS_WANT_WRITE
				     : TLS_WANT_READ);
}

static bool client_ready(const struct session_client *client)
{
	struct pollfd p = { .fd = client->session.fd,
			    .events = client->session.events };

	return poll(&p, 1, 0) > 0;
}

/* Between half of ms and ms, so that many clients do not dial at once. */
static uint64_t client_jitter(uint64_t ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
		return ms;
	return ms / 2 + random % (ms / 2 + 1);
}

static void client_pause(struct session_client *client)
{
	client->start_ms = clock_deadline(client_jitter(client->backoff_ms));
	client->backoff_ms = min_u64(2 * client->backoff_ms, BACKOFF_MAX_MS);
}

static void client_hang_up(struct session_client *client)
{
	resolve_stop(&client->resolve);
	password_exchange_wipe(&client->pass);
	tls_free(client->tls);
	channel_free(client->channel);
	client->tls = NULL;
	client->channel = NULL;
	if (client->socket.fd >= 0)
		close(steal_fd(&client->socket.fd));
	client->state = CLIENT_IDLE;
}

/*
 * May a later attempt succeed where one failed with *e?  A firewall that rejects
 * looks like a missing route, or like a lack of permission; an interface or a
 * listener may be about to come up.
 */
static bool client_retryable(const struct err *e)
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
 * Log why an attempt failed: before the first connection at once, later after
 * SPEAK_MS without a connection; and again for each new reason.
 */
static void client_explain(struct session_client *client, const struct err *e)
{
	const struct session *s = &client->session;
	uint64_t now = clock_now_ms(), end_ms = client_end_ms(client);
	uint64_t since_ms = s->conn ? s->rekey.since_ms : client->since_ms;

	if (!strcmp(client->told, e->msg) ||
	    (s->count && now - since_ms < SPEAK_MS)) {
		log_debug("%s", e->msg);
		return;
	}
	snprintf(client->told, sizeof client->told, "%s", e->msg);
	if (s->conn)
		log_notice("%s; trying again, to rekey", e->msg);
	else
		log_notice("%s; trying again for %" PRIu64 " s", e->msg,
			   end_ms > now ? (end_ms - now + 999) / 1000 : 0);
}

/*
 * When the last attempt at a first connection may begin: it needs some time, or
 * it would end with a timeout of ours instead of the reason.
 */
static uint64_t client_last_ms(const struct session_client *client)
{
	return client->give_up_ms -
	       min_u64(LAST_MS, client->session.p.config->reach_ms / 4);
}

/*
 * One attempt failed.  retryable: another may succeed.  That matters only before
 * the first connection; later any failure that the authenticated peer did not
 * report itself is just another lost connection.
 */
static int client_failed(struct session_client *client, bool retryable,
			 struct err *e)
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
static bool client_was_reset(const struct session_client *client,
			     const struct err *e)
{
	bool tried_password = client->session.p.password &&
			      !client->session.count &&
			      client->state == CLIENT_HANDSHAKE;

	return !tried_password && (e->num == ECONNRESET || e->num == EPIPE);
}

/* The peer failed the handshake; retryable if it was only busy or reset us. */
static int client_refused(struct session_client *client, struct err *e)
{
	bool busy = (client->tls && tls_put_off(client->tls)) ||
		    (client->channel && channel_put_off(client->channel));
	bool reset = client_was_reset(client, e);

	if (reset)
		e->kind = ERR_NET;
	err_wrap(e, "%s", client->name);
	if (rekey_holds(&client->session.rekey))
		return session_abort_rekey(&client->session, e);
	return client_failed(client, busy || reset, e);
}

/* The timeout of a step, most_ms, but not beyond the end of --retry. */
static uint64_t client_patience(const struct session_client *client,
				uint64_t most_ms)
{
	uint64_t now = clock_now_ms(), end_ms = client_end_ms(client);

	if (!client->session.count && !client->session.p.config->reach_ms)
		return most_ms;
	return min_u64(most_ms, end_ms > now ? end_ms - now : 0);
}

static uint64_t client_connect_ms(const struct session_client *client)
{
	uint64_t ms = client->session.p.config->connect_ms;

	return client->list.count > 1 ? min_u64(ms, PER_ADDRESS_MS) : ms;
}

/* Connect to the next address. */
static int client_connect(struct session_client *client, struct err *e)
{
	struct net_target t = client_target(client);

	client->socket = (struct connection_socket){ .fd = -1 };
	if (client->session.p.config->bind && !t.from) {
		char name[NET_NAME_MAX];

		net_target_name(&t, name);
		err_set(e, ERR_NET, 0,
			"cannot connect to %s from %s: it is of another "
			"address family",
			name, client->session.p.config->bind);
		return client_failed(client, false, e);
	}
	client->socket.fd = net_connect(&t, e);
	if (client->socket.fd < 0)
		return client_failed(client, client_retryable(e), e);
	client_wait(client, CLIENT_CONNECTING,
		    client_patience(client, client_connect_ms(client)),
		    TLS_WANT_WRITE);
	return 0;
}

/* Use the addresses that a look-up found, or those of the last connection. */
static int client_found(struct session_client *client,
			const struct resolve_answer *a, struct err *e)
{
	client->list = a->host;
	client->source = a->source;
	client->next = 0;
	client->retryable = false;
	return client_connect(client, e);
}

static int client_resolving(struct session_client *client, struct err *e)
{
	uint64_t now = clock_now_ms();
	bool done, late;
	int ret = resolve_take(&client->resolve, &done, e);

	if (ret == 0 && done)
		return client_found(client, &client->resolve.answer, e);
	late = now >= client->deadline_ms;
	if (ret == 0 && client->known.host.count)
		late |= now >= client->wait_ms + SPEAK_MS;
	if (ret == 0 && !late)
		return 0;
	if (ret == 0) {
		err_set(e, ERR_NET, ETIMEDOUT, "cannot resolve %s",
			client->session.p.config->host);
		err_append(e, " (does a name server answer?)");
	}
	if (!client->known.host.count)
		return client_failed(client, client_retryable(e), e);
	log_debug("%s; using the previous addresses", e->msg);
	*e = (struct err){ 0 };
	resolve_stop(&client->resolve);
	return client_found(client, &client->known, e);
}

/* own: a credential for this connection only (taken over), or NULL. */
static int client_start_tls(struct session_client *client,
			    struct credential *own, struct err *e)
{
	const struct session_params *p = &client->session.p;
	struct tls_params params = {
		.fd = client->socket.fd,
		.cred = own		      ? own
			: client->ticket_cred ? client->ticket_cred
					      : p->cred,
		.owns_cred = own,
		.modes = p->modes,
		.raw = p->config->raw,
	};

	client->tls = tls_new(&params, e);
	client->state = CLIENT_HANDSHAKE;
	return client->tls ? 0 : -1;
}

/* TCP is connected.  Only the first connection uses the password. */
static int client_connected(struct session_client *client, struct err *e)
{
	const struct session_params *p = &client->session.p;

	if (p->config->in_channel)
		snprintf(client->name, sizeof client->name, "ssh");
	else
		net_peer_name(client->socket.fd, client->name);
	connection_attach(&client->socket, p->ktls);
	client_wait(client,
		    p->password && !client->ticket_cred ? CLIENT_PASSWORD
							: CLIENT_HANDSHAKE,
		    p->config->handshake_ms, TLS_WANT_READ);
	if (client->state == CLIENT_HANDSHAKE)
		return client_start_tls(client, NULL, e);
	return password_exchange_offer(&client->pass, client->socket.fd,
				       p->password, e);
}

static int client_connecting(struct session_client *client, struct err *e)
{
	struct net_target t = client_target(client);
	int ret;

	if (client_ready(client))
		ret = net_connected(client->socket.fd, &t, e);
	else if (clock_now_ms() < client->deadline_ms)
		return 0;
	else
		ret = net_cannot_connect(&t, ETIMEDOUT, e);
	if (ret < 0)
		return client_failed(client, client_retryable(e), e);
	if (client_connected(client, e) < 0)
		return client_refused(client, e);
	return 0;
}

/* There is one connection already, and no other: see client_failed(). */
static int client_use_channel(struct session_client *client, struct err *e)
{
	client->socket = (struct connection_socket){
		.fd = client->session.p.config->channel_fd
	};
	if (client_connected(client, e) < 0)
		return client_refused(client, e);
	return 0;
}

/*
 * Begin with the next address, or look the name up again.  A rekey needs no
 * look-up: the peer of a running stream is where it was.
 */
static int client_begin(struct session_client *client, struct err *e)
{
	const struct session_config *o = client->session.p.config;
	const struct resolve_query q = { .host = o->host,
					 .source = o->bind,
					 .family = o->family };

	if (o->in_channel)
		return client_use_channel(client, e);
	if (client->next < client->list.count)
		return client_connect(client, e);
	if (!client->look_up)
		return client_found(client, &client->known, e);
	client->list.count = client->next = 0;
	if (resolve_start(&client->resolve, &q, e) < 0)
		return client_failed(client, client_retryable(e), e);
	client_wait(client, CLIENT_RESOLVING,
		    client_patience(client, RESOLVE_MS), TLS_WANT_READ);
	return 0;
}

static int client_password(struct session_client *client, struct err *e)
{
	enum password_message_refusal refusal;
	enum password_exchange_event event;
	struct credential *own;

	if (password_exchange_receive(&client->pass, client->socket.fd,
				      PASSWORD_MESSAGE_ANSWER, &event, e) < 0)
		return client_refused(client, e);
	if (event == PASSWORD_EXCHANGE_WAIT)
		return 0;
	if (event == PASSWORD_EXCHANGE_OTHER) {
		err_set(e, ERR_AUTH, 0,
			"the peer does not answer our password as "
			"btrfs-ktls-pipe does");
		return client_refused(client, e);
	}
	own = password_exchange_accept(&client->pass,
				       client->session.p.password, &refusal, e);
	password_exchange_wipe(&client->pass);
	if (!own && refusal == PASSWORD_MESSAGE_REFUSED_LATER) {
		err_wrap(e, "%s", client->name);
		return client_failed(client, true, e);
	}
	if (!own || client_start_tls(client, own, e) < 0)
		return client_refused(client, e);
	return 0;
}

static int client_send(struct session_client *client, const struct frame *f,
		       struct err *e)
{
	return hello_send(client->channel, client->socket.fd, f,
			  client->deadline_ms, e);
}

/* The name of the stream is a part of every HELLO. */
static int client_say_name(struct session_client *client, struct err *e)
{
	const uint8_t *name = client->session.p.config->name;
	struct frame f = { .type = FRAME_NAME };

	if (!name)
		return 0;
	memcpy(f.name, name, sizeof f.name);
	return client_send(client, &f, e);
}

static uint8_t client_flags(const struct session_config *o)
{
	return (uint8_t)((o->name ? FRAME_HELLO_NAMED : 0) |
			 (o->discard ? FRAME_HELLO_DISCARD : 0));
}

static int client_hello(struct session_client *client,
			const struct session_span *span, struct err *e)
{
	struct session *s = &client->session;
	const struct session_config *o = s->p.config;
	struct frame f = { .type = FRAME_HELLO };

	/* From here on bytes go over the new connection only. */
	rekey_agree(&s->rekey);
	f.hello = (struct frame_hello){
		.version = FRAME_VERSION,
		.role = session_frame_role(o),
		.connection = ++s->number,
		.offset = span->high,
		.buffer_bytes = session_buffer_bytes(o),
		.record_limit = session_record_limit(o),
		.retry_ms = o->retry_ms,
		.rekey_at = s->conn ? span->at : 0,
		.flags = client_flags(o),
	};
	memcpy(f.hello.stream, s->stream, sizeof s->stream);
	memcpy(f.hello.host, client->host, sizeof client->host);
	/*
	 * A handshake without the ticket authenticates us, but does not show
	 * that the stream is ours.
	 */
	if (s->count && s->p.cred && !client->ticket_cred &&
	    tls_prove(channel_agreed(client->channel), s->ticket, f.hello.proof,
		      e) < 0)
		return -1;
	client->reader = (struct frame_reader){ 0 };
	client->state = CLIENT_GREETING;
	if (client_send(client, &f, e) < 0)
		return -1;
	return client_say_name(client, e);
}

/* This address works: the next connection tries it first. */
static void client_know(struct session_client *client)
{
	struct net_address used = client->list.all[client->next];

	client->list.all[client->next] = client->list.all[0];
	client->list.all[0] = used;
	client->known.host = client->list;
	client->known.source = client->source;
	client->look_up = false;
}

/* The connection is authenticated and accepted: use it for the stream. */
static int client_use(struct session_client *client, uint64_t offset,
		      enum session_purpose purpose, struct err *e)
{
	struct session *s = &client->session;
	struct channel *ch = client->channel;
	int ret;

	client->channel = NULL;
	client->state = CLIENT_IDLE;
	ret = session_use(s, ch, &client->socket, client->name, offset, purpose,
			  e);
	client->socket.fd = -1;
	/* One that is lost already cannot be given to the kernel. */
	if (ret < 0 && s->conn)
		return session_abort_rekey(s, e);
	if (ret < 0)
		return s->count ? client_failed(client, true, e) : -1;
	client_know(client);
	client->list.count = client->next = 0;
	client->spoke = 0;
	*client->told = '\0';
	if (purpose == SESSION_REKEYS)
		client->backoff_ms = BACKOFF_MS;
	client_watch(client, TLS_WANT_READ);
	return 0;
}

static int client_agree(struct session_client *client,
			const struct frame_welcome *w, struct err *e)
{
	struct session *s = &client->session;
	const struct session_peer peer = { .buffer_bytes = w->buffer_bytes,
					   .retry_ms = w->retry_ms,
					   .record_limit = w->record_limit,
					   .handle = w->handle };

	session_agree(s, channel_agreed(client->channel), &peer);
	if (s->p.config->raw || !s->p.cred ||
	    !priority_mode_usable(channel_agreed(client->channel)->mode,
				  CREDENTIAL_PSK))
		return 0;
	client->ticket_cred = credential_new_psk(s->ticket, false, e);
	return client->ticket_cred ? 0 : -1;
}

/* Both sides know at which byte the new connection takes over. */
static int client_rekeyed(struct session_client *client,
			  const struct session_span *span, uint64_t at,
			  struct err *e)
{
	struct session *s = &client->session;

	if (s->role == CONNECTION_SENDER ? at == span->at : at >= span->at)
		return client_use(client, at, SESSION_REKEYS, e);
	err_set(e, ERR_STREAM, 0,
		"the peer wants to rekey at byte %" PRIu64
		", but we are at byte %" PRIu64,
		at, span->at);
	return session_abort_rekey(s, e);
}

/* The stream resumes at the receiver's offset, whichever side connects. */
static int client_welcomed(struct session_client *client,
			   const struct session_span *span,
			   const struct frame_welcome *w, struct err *e)
{
	struct session *s = &client->session;
	uint64_t offset = s->role == CONNECTION_SENDER ? w->offset : span->low;

	if (s->conn && w->rekey_at)
		return client_rekeyed(client, span, w->rekey_at, e);
	if (offset < span->low || offset > span->high)
		return err_set(e, s->count ? ERR_STREAM : ERR_AUTH, 0,
			       "the receiver wants to resume at byte %" PRIu64
			       ", but the resend buffer holds bytes %" PRIu64
			       " to %" PRIu64,
			       offset, span->low, span->high);
	if (!s->count && client_agree(client, w, e) < 0)
		return -1;
	s->peer_sent = w->offset;
	return client_use(client, offset, SESSION_STREAMS, e);
}

/* The receiver still waits for the result of a comparison that we know. */
static int client_repeat_result(struct session_client *client, struct err *e)
{
	struct session *s = &client->session;

	if (!s->conn || session_compared(s, FRAME_CHECK_SAME, e) == 0)
		return 0;
	/* Another connection would not get kernel TLS either. */
	if (e->kind != ERR_STREAM)
		return -1;
	session_close(s);
	session_start_retry(s);
	return client_failed(client, true, e);
}

/*
 * The receiver has a part of the stream.  We compare our input with it before
 * anything is sent.  Should the connection be lost meanwhile, it says the same
 * again over the next one.
 */
static int client_learned(struct session_client *client,
			  const struct frame_have *have, struct err *e)
{
	struct session *s = &client->session;
	bool first = !s->have.kind;

	if (s->role != CONNECTION_SENDER ||
	    have->offset != client->welcome.offset || (first && s->count) ||
	    (!first && !frame_have_same(have, &s->have)))
		return err_set(e, s->count ? ERR_STREAM : ERR_AUTH, 0,
			       "the receiver does not have what it had before");
	if (!s->count && client_agree(client, &client->welcome, e) < 0)
		return -1;
	s->have = *have;
	s->peer_sent = have->offset;
	if (client_use(client, have->offset, SESSION_COMPARES, e) < 0)
		return -1;
	return s->compared ? client_repeat_result(client, e) : 0;
}

static int client_learning(struct session_client *client, struct err *e)
{
	struct frame f;
	bool got;

	if (hello_recv(client->channel, &client->reader, FRAME_HAVE, &f, &got,
		       e) < 0)
		return client_refused(client, e);
	return got ? client_learned(client, &f.have, e) : 0;
}

/* WELCOME accepts us. */
static int client_accepted(struct session_client *client,
			   const struct session_span *span,
			   const struct frame_welcome *w, struct err *e)
{
	struct session *s = &client->session;

	if (s->p.config->discard) {
		s->discarded = true;
		client_hang_up(client);
		return 0;
	}
	if (w->flags & FRAME_WELCOME_HAVE) {
		client->welcome = *w;
		client->reader = (struct frame_reader){ 0 };
		client->state = CLIENT_LEARNING;
		return 0;
	}
	if (session_compares(s))
		return err_set(e, ERR_STREAM, 0,
			       "the receiver does not wait for the comparison "
			       "any more");
	return client_welcomed(client, span, w, e);
}

static int client_greeting(struct session_client *client,
			   const struct session_span *span, struct err *e)
{
	struct session *s = &client->session;
	struct frame f;
	bool got;

	if (hello_recv(client->channel, &client->reader, FRAME_WELCOME, &f,
		       &got, e) < 0)
		return client_refused(client, e);
	if (!got)
		return 0;
	if (hello_check(&f.welcome, session_frame_role(s->p.config), e) < 0) {
		if (rekey_holds(&s->rekey))
			return client_refused(client, e);
		err_wrap(e, "%s", client->name);
		if (f.welcome.refusal == FRAME_REFUSED_BUSY)
			return client_failed(client, true, e);
		if (f.welcome.refusal == FRAME_REFUSED_STREAM &&
		    s->p.config->discard)
			err_append(e, " (no stream of that name is there)");
		/* The peer itself refuses the stream: asking again is no use. */
		if (s->count)
			e->kind = ERR_STREAM;
		return -1;
	}
	return client_accepted(client, span, &f.welcome, e);
}

static int client_handshake(struct session_client *client,
			    const struct session_span *span, struct err *e)
{
	enum tls_want want;

	if (tls_handshake(client->tls, &want, e) < 0) {
		/* Our alert says why; do not reset it with bytes unread. */
		if (!client->session.count)
			net_discard_all(client->socket.fd, LEAVE_MS);
		return client_refused(client, e);
	}
	client_watch(client, want);
	if (want != TLS_DONE)
		return 0;
	client->channel = channel_new(client->tls, client->socket.fd,
				      client->session.p.config->raw, e);
	tls_free(client->tls);
	client->tls = NULL;
	if (!client->channel)
		return client_refused(client, e);
	/* The stream ended meanwhile. */
	if (!client_dials(client)) {
		client_hang_up(client);
		client_watch(client, TLS_WANT_READ);
		return 0;
	}
	if (client->session.p.config->raw)
		return client_welcomed(client, span,
				       &(struct frame_welcome){ 0 }, e);
	if (client_hello(client, span, e) < 0)
		return client_refused(client, e);
	client_watch(client, TLS_WANT_READ);
	return 0;
}

static int client_too_late(struct session_client *client, struct err *e)
{
	err_set(e, ERR_AUTH, 0,
		"no handshake within %" PRIu64
		" ms: the peer does not answer, or not in TLS",
		client->session.p.config->handshake_ms);
	return client_refused(client, e);
}

static int client_step(struct session_client *client,
		       const struct session_span *span, struct err *e)
{
	if (client->state != CLIENT_IDLE && clock_now_ms() >= client->speak_ms)
		client_speak(client);
	/* The stream ended meanwhile. */
	if (client->state <= CLIENT_CONNECTING && !client_dials(client))
		client_hang_up(client);
	switch (client->state) {
	case CLIENT_IDLE:
		if (!client_dials(client) ||
		    clock_now_ms() < client->start_ms) {
			/* A rekey may have been cancelled. */
			client_watch(client, TLS_WANT_READ);
			return 0;
		}
		return client_begin(client, e);
	case CLIENT_RESOLVING:
		return client_resolving(client, e);
	case CLIENT_CONNECTING:
		return client_connecting(client, e);
	case CLIENT_PASSWORD:
		if (clock_now_ms() >= client->deadline_ms)
			return client_too_late(client, e);
		return client_password(client, e);
	case CLIENT_HANDSHAKE:
		if (clock_now_ms() >= client->deadline_ms)
			return client_too_late(client, e);
		return client_handshake(client, span, e);
	case CLIENT_GREETING:
		if (clock_now_ms() >= client->deadline_ms)
			return client_too_late(client, e);
		return client_greeting(client, span, e);
	case CLIENT_LEARNING:
		if (clock_now_ms() >= client->deadline_ms)
			return client_too_late(client, e);
		return client_learning(client, e);
	}
	return 0;
}

/* Run the steps, as far as each completes. */
static int client_run(struct session *s, const struct session_span *span,
		      struct err *e)
{
	struct session_client *client = client_of(s);
	enum client_state before;

	do {
		before = client->state;
		if (client_step(client, span, e) < 0)
			return -1;
	} while (client->state != before && client->state != CLIENT_IDLE);
	return 0;
}

static void client_lost(struct session *s)
{
	struct session_client *client = client_of(s);

	client_hang_up(client);
	client->since_ms = clock_now_ms();
	client->look_up = true;
	if (s->useful)
		client->backoff_ms = BACKOFF_MS;
	client_pause(client);
	client_watch(client, TLS_WANT_READ);
}

static void client_free(struct session *s)
{
	struct session_client *client = client_of(s);

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
	struct session_client *client = calloc(1, sizeof *client);

	if (!client) {
		err_memory(e);
		return NULL;
	}
	if (session_init(&client->session, &client_ops, p, e) < 0) {
		free(client);
		return NULL;
	}
	client->session.named = p->config->name;
	resolve_init(&client->resolve);
	client->socket.fd = -1;
	host_id_own(client->host);
	client->look_up = true;
	client->backoff_ms = BACKOFF_MS;
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
