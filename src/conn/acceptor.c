// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

#include "auth/password_exchange.h"
#include "auth/rate_limit.h"
#include "base/clock.h"
#include "base/log.h"
#include "conn/crowd.h"
#include "conn/hello.h"
#include "conn/host_id.h"
#include "conn/peek.h"

enum {
	LOG_BURST = 20, /* lines about refused visitors in... */
	LOG_PERIOD_MS = 10000,
	REFUSE_MS = 100, /* for telling a visitor why */
	LEAVE_MS = 2000, /* for a visitor that was told to hear it */
	PENDING_MAX = 32, /* handshakes at the same time */
	ACCEPT_PAUSE_MS = 100, /* when no descriptor is left */
	PLACE_PAUSE_MS = 20, /* when all places are taken, not for long yet */
	SPARE_FDS = 16, /* a stream's: pipes, a COMMAND's, netlink */
};

enum pending_state {
	PENDING_UNCLAIMED, /* ours, or somebody else's to claim? */
	PENDING_NEW, /* TLS, or the password exchange before it? */
	PENDING_HANDSHAKE,
	PENDING_GREETING, /* the handshake is done, the HELLO is not */
	PENDING_LEAVING, /* refused: we wait until it has closed */
};

/* A connection that has not shown yet who it is. */
struct pending {
	struct connection_socket socket;
	struct tls *tls; /* NULL: the place is free */
	enum tls_want want;
	enum pending_state state;
	struct password_exchange pass;
	bool guessed; /* a password, which counts as wrong so far */
	struct net_source source; /* whose places and guesses count together */
	struct frame_reader reader;
	struct frame_hello hello;
	size_t discarded; /* bytes that came once it was refused */
	uint64_t since_ms, deadline_ms;
	char name[NET_NAME_MAX];
};

struct acceptor {
	struct acceptor_params p;
	uint8_t host[FRAME_HOST_BYTES]; /* ours */
	int epoll_fd; /* readable when there is something to do */
	int spare_fds[SPARE_FDS]; /* out of visitors' reach; -1: released */
	const struct acceptor_stream *stream; /* the one that runs, or NULL */
	bool paused; /* accepts nobody until accept_after_ms */
	uint64_t accept_after_ms;
	uint64_t log_since_ms;
	unsigned int logged, unlogged; /* lines since then */
	struct err broken; /* why it cannot go on; no kind: it can */
	struct rate_limit guess;
	struct pending pending[PENDING_MAX];
};

/* epoll's user data: a visitor's number, or behind them a listener's */
enum { LISTENER_0 = PENDING_MAX };

static void acceptor_watch(struct acceptor *d, int op, int fd, uint32_t events,
			   uint32_t who)
{
	struct epoll_event ev = { .events = events, .data.u32 = who };

	if (epoll_ctl(d->epoll_fd, op, fd, &ev) == 0)
		return;
	log_debug("epoll_ctl: %s", strerror(errno));
	if (err_refuses(errno))
		err_call(&d->broken, ERR_NET, "epoll_ctl",
			 "cannot wait for connections");
}

static void acceptor_watch_pending(struct acceptor *d, int op,
				   const struct pending *v)
{
	uint32_t events = v->want == TLS_WANT_WRITE ? EPOLLOUT : EPOLLIN;

	/* What was only looked at is still there: wait for news, not for it. */
	if (v->state == PENDING_UNCLAIMED)
		events = EPOLLIN | EPOLLRDHUP | EPOLLET;
	acceptor_watch(d, op, v->socket.fd, events, (uint32_t)(v - d->pending));
}

/* Leave the listening sockets alone for a moment, or (0) listen again. */
static void acceptor_pause(struct acceptor *d, uint64_t pause_ms)
{
	const struct net_listener *l = d->p.listener;
	bool paused = pause_ms;

	d->paused = paused;
	d->accept_after_ms = paused ? clock_deadline(pause_ms) : CLOCK_NEVER;
	for (size_t i = 0; i < l->count; i++)
		acceptor_watch(d, EPOLL_CTL_MOD, l->fds[i],
			       paused ? 0 : EPOLLIN, LISTENER_0 + (uint32_t)i);
}

/* How many lines were left out, when their period is over. */
static void acceptor_log_summary(struct acceptor *d)
{
	if (d->unlogged)
		log_notice("refused %u more", d->unlogged);
	d->logged = d->unlogged = 0;
}

/* Is another line of log in order?  There is to be no flood of them. */
static bool acceptor_may_log(struct acceptor *d)
{
	uint64_t now = clock_now_ms();

	if (now - d->log_since_ms >= LOG_PERIOD_MS) {
		acceptor_log_summary(d);
		d->log_since_ms = now;
	}
	return d->logged < LOG_BURST && ++d->logged;
}

static void acceptor_log_refusal(struct acceptor *d, const struct pending *v,
				 const char *why)
{
	if (acceptor_may_log(d)) {
		log_notice("refused %s: %s", v->name, why);
	} else {
		d->unlogged++;
		log_debug("refused %s: %s", v->name, why);
	}
}

static void pending_drop(struct pending *v)
{
	tls_free(v->tls);
	close(v->socket.fd);
	v->tls = NULL;
}

/*
 * The socket may be open in another process as well, and would then be heard of
 * here for ever.
 */
static void acceptor_drop(struct acceptor *d, struct pending *v)
{
	acceptor_watch(d, EPOLL_CTL_DEL, v->socket.fd, 0, 0);
	pending_drop(v);
}

static void acceptor_refuse(struct acceptor *d, struct pending *v,
			    const char *why)
{
	if (v->state != PENDING_LEAVING)
		acceptor_log_refusal(d, v, why);
	acceptor_drop(d, v);
}

/*
 * The peer of the stream that runs dials for its next connection in good time,
 * and drops that when the stream ends meanwhile: nobody has refused it.
 */
static bool acceptor_was_left(const struct acceptor *d, const struct pending *v)
{
	bool silent = v->state == PENDING_NEW && !v->pass.have;

	return d->stream && net_source_same(&v->source, &d->stream->source) &&
	       (tls_lost(v->tls) || (silent && net_is_closed(v->socket.fd)));
}

/*
 * The same to a visitor that was told why, by an alert or a WELCOME: what it
 * sends before it has read that, such as its HELLO after a handshake of TLS 1.3
 * that only the client found complete, must not cost it the reason.
 */
static void acceptor_close_lingering(struct acceptor *d, struct pending *v,
				     const char *why)
{
	if (acceptor_was_left(d, v))
		log_debug("%s has left: %s", v->name, why);
	else
		acceptor_log_refusal(d, v, why);
	v->state = PENDING_LEAVING;
	v->want = TLS_WANT_READ;
	v->deadline_ms =
		clock_earlier(v->deadline_ms, clock_deadline(LEAVE_MS));
	net_shutdown_send(v->socket.fd);
	acceptor_watch_pending(d, EPOLL_CTL_MOD, v);
}

/*
 * Who is honest may come again, and is told so in what it waits for: before TLS
 * that is the answer to a password.
 */
static void acceptor_tell_later(const struct acceptor *d,
				const struct pending *v)
{
	if (d->p.password &&
	    (v->state == PENDING_UNCLAIMED || v->state == PENDING_NEW))
		password_exchange_refuse(v->socket.fd,
					 PASSWORD_MESSAGE_REFUSED_LATER);
	else
		tls_alert(v->tls, RECORD_USER_CANCELED);
}

/*
 * All places or descriptors are taken: one peer has to go.  NULL: nobody is
 * there, or nobody has been for long enough.
 */
static struct pending *acceptor_evict(struct acceptor *d)
{
	struct crowd_place places[PENDING_MAX] = { 0 };
	struct pending *loser;
	int pick;

	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *v = &d->pending[i];

		if (v->tls)
			places[i] =
				(struct crowd_place){ &v->source, v->since_ms };
	}
	pick = crowd_pick(places, PENDING_MAX, clock_now_ms());
	if (pick < 0)
		return NULL;
	loser = &d->pending[pick];
	acceptor_tell_later(d, loser);
	acceptor_refuse(d, loser, "too many handshakes at the same time");
	return loser;
}

static struct pending *acceptor_find_place(struct acceptor *d)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (!d->pending[i].tls)
			return &d->pending[i];
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (d->pending[i].state == PENDING_LEAVING) {
			acceptor_drop(d, &d->pending[i]);
			return &d->pending[i];
		}
	return acceptor_evict(d);
}

/* A session for a visitor; own: with a credential that is its alone. */
static struct tls *acceptor_session(const struct acceptor *d, int fd,
				    struct credential *own, struct err *e)
{
	const struct tls_params params = { .server = true,
					   .fd = fd,
					   .cred = own ? own : d->p.cred,
					   .owns_cred = own,
					   .modes = d->p.modes,
					   .raw = d->p.raw };

	return tls_new(&params, e);
}

static void acceptor_add(struct acceptor *d, struct pending *v, int fd)
{
	struct err e = { 0 };

	*v = (struct pending){ .socket.fd = fd,
			       .want = TLS_WANT_READ,
			       .state = d->p.claim ? PENDING_UNCLAIMED
						   : PENDING_NEW };
	v->since_ms = clock_now_ms();
	v->deadline_ms = clock_deadline(d->p.handshake_ms);
	v->source = net_peer_source(fd);
	net_peer_name(fd, v->name);
	connection_attach(&v->socket, d->p.ktls);
	v->tls = acceptor_session(d, fd, NULL, &e);
	if (!v->tls) {
		acceptor_refuse(d, v, e.msg);
		return;
	}
	acceptor_watch_pending(d, EPOLL_CTL_ADD, v);
	log_debug("connection from %s", v->name);
}

static bool acceptor_is_empty(const struct acceptor *d)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (d->pending[i].tls)
			return false;
	return true;
}

static void acceptor_accept(struct acceptor *d, size_t i)
{
	struct pending *place = acceptor_find_place(d);
	int fd;

	/* Those behind wait in the kernel's queue for their turn. */
	if (!place) {
		acceptor_pause(d, PLACE_PAUSE_MS);
		return;
	}
	fd = net_accept(d->p.listener, i);
	if (fd >= 0) {
		acceptor_add(d, place, fd);
		return;
	}
	if (errno == EPIPE)
		acceptor_watch(d, EPOLL_CTL_DEL, d->p.listener->fds[i], 0, 0);
	if (err_refuses(errno)) {
		err_call(&d->broken, ERR_NET,
			 d->p.listener->handed ? "recvmsg" : "accept4",
			 "cannot accept connections");
		return;
	}
	/* A connection that is gone again, or one that we cannot take now. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
	    errno == ENOBUFS) {
		int num = errno;

		if (acceptor_evict(d))
			return;
		if (acceptor_is_empty(d) && acceptor_may_log(d))
			log_notice("cannot accept a connection: %s%s",
				   strerror(num), err_remedy(num));
		acceptor_pause(d, ACCEPT_PAUSE_MS);
	}
}

/* Tell somebody who authenticated why it is refused all the same. */
static int acceptor_send_refusal(struct tls *t, int fd,
				 enum frame_refusal refusal, struct err *e)
{
	struct frame f = { .type = FRAME_WELCOME,
			   .welcome = { .version = FRAME_VERSION,
					.refusal = refusal } };
	struct err ignored = { 0 };

	if (hello_send(t, fd, &f, clock_deadline(REFUSE_MS), &ignored) < 0)
		log_debug("%s", ignored.msg);
	tls_alert(t, RECORD_CLOSE_NOTIFY);
	return err_set(e, ERR_AUTH, 0, "%s", frame_refusal_text(refusal));
}

void acceptor_refuse_accepted(struct accepted_peer *g, enum frame_refusal why)
{
	struct err ignored = { 0 };

	acceptor_send_refusal(g->tls, g->socket.fd, why, &ignored);
	tls_free(g->tls);
	close(g->socket.fd);
}

/*
 * Who comes back for the stream that runs?  Whoever shows its ticket, over a
 * connection that is newer than the last.
 */
static enum frame_refusal acceptor_judge_return(const struct acceptor_stream *s,
						const struct pending *v)
{
	if (memcmp(v->hello.stream, s->id, sizeof v->hello.stream))
		return FRAME_REFUSED_BUSY;
	if ((!s->resumes && !v->hello.rekey_at) ||
	    (s->ticket &&
	     !tls_shows_ticket(v->tls, s->ticket, v->hello.proof)) ||
	    v->hello.connection <= s->connection)
		return FRAME_REFUSED_STREAM;
	return FRAME_ACCEPTED;
}

/* Our own connection, reflected?  Over loopback that is how tests are made. */
static bool acceptor_is_self(const struct acceptor *d, const struct pending *v)
{
	return !d->p.allow_self && host_id_same(v->hello.host, d->host) &&
	       !net_peer_is_loopback(v->socket.fd);
}

/*
 * Does it want to go on with a stream?  Then it is not a new one.  (One with a
 * ticket in its handshake does not come this far.)
 */
static bool pending_goes_on(const struct pending *v)
{
	static const uint8_t no_proof[FRAME_PROOF_BYTES];

	return v->hello.rekey_at || v->hello.offset ||
	       memcmp(v->hello.proof, no_proof, sizeof no_proof);
}

static enum frame_refusal acceptor_judge(const struct acceptor *d,
					 const struct pending *v)
{
	if (v->hello.version != FRAME_VERSION || tls_is_old(v->tls))
		return FRAME_REFUSED_VERSION;
	if (v->hello.flags & FRAME_HELLO_NAMED)
		return FRAME_REFUSED_NAME;
	if (acceptor_is_self(d, v))
		return FRAME_REFUSED_SELF;
	if (d->stream && v->hello.role != d->p.role)
		return acceptor_judge_return(d->stream, v);
	if (d->stream)
		return FRAME_REFUSED_BUSY;
	if (v->hello.role == d->p.role)
		return FRAME_REFUSED_ROLE;
	if (pending_goes_on(v))
		return FRAME_REFUSED_STREAM;
	return FRAME_ACCEPTED;
}

/* It may have a stream: is there one for it? */
static int acceptor_admit(struct acceptor *d, struct pending *v, struct err *e)
{
	struct err ignored = { 0 };

	if (d->stream || !d->p.admit ||
	    d->p.admit(d->p.callback_arg, v->tls, &v->source, e) == 0)
		return 0;
	return acceptor_send_refusal(v->tls, v->socket.fd, FRAME_REFUSED_BUSY,
				     &ignored);
}

static int acceptor_read_hello(struct acceptor *d, struct pending *v,
			       bool *done, struct err *e)
{
	enum frame_refusal refusal;
	struct frame f;

	v->want = TLS_WANT_READ;
	if (hello_recv(v->tls, &v->reader, FRAME_HELLO, &f, done, e) < 0) {
		struct err ignored = { 0 };

		/* A whole frame, but no HELLO of ours */
		if (v->reader.have && !frame_reader_wants(&v->reader))
			acceptor_send_refusal(v->tls, v->socket.fd,
					      FRAME_REFUSED_MALFORMED,
					      &ignored);
		return -1;
	}
	if (!*done)
		return 0;
	v->hello = f.hello;
	refusal = acceptor_judge(d, v);
	if (!refusal && tls_pending_read(v->tls))
		refusal = FRAME_REFUSED_MALFORMED;
	if (!refusal)
		return acceptor_admit(d, v, e);
	acceptor_send_refusal(v->tls, v->socket.fd, refusal, e);
	if (refusal == FRAME_REFUSED_VERSION)
		err_set(e, ERR_AUTH, 0, "%s",
			frame_version_text(v->hello.version));
	return -1;
}

/* May this visitor try a password? */
static enum password_message_refusal acceptor_judge_password(struct acceptor *d,
							     struct pending *v)
{
	if (!d->p.password)
		return PASSWORD_MESSAGE_REFUSED_UNUSED;
	v->guessed = rate_limit_begin(&d->guess, &v->source, clock_now_ms());
	return v->guessed ? PASSWORD_MESSAGE_ACCEPTED
			  : PASSWORD_MESSAGE_REFUSED_LATER;
}

/* The visitor's handshake is with what both passwords led to. */
static int acceptor_answer_password(struct acceptor *d, struct pending *v,
				    struct err *e)
{
	enum password_message_refusal refusal = acceptor_judge_password(d, v);
	struct credential *own;
	struct tls *t;

	if (refusal) {
		password_exchange_refuse(v->socket.fd, refusal);
		return err_set(e, ERR_AUTH, 0, "%s",
			       refusal == PASSWORD_MESSAGE_REFUSED_UNUSED
				       ? "the peer has a password, where this "
					 "side has none"
				       : "too many wrong passwords from there; "
					 "told to try again later");
	}
	own = password_exchange_answer(&v->pass, v->socket.fd, d->p.password,
				       e);
	t = own ? acceptor_session(d, v->socket.fd, own, e) : NULL;
	if (!t)
		return -1;
	tls_free(v->tls);
	v->tls = t;
	v->state = PENDING_HANDSHAKE;
	return 0;
}

/* What does the visitor begin with, TLS or the password exchange before it? */
static int acceptor_read_password_message(struct acceptor *d, struct pending *v,
					  struct err *e)
{
	enum password_exchange_event event;

	if (password_exchange_receive(&v->pass, v->socket.fd,
				      PASSWORD_MESSAGE_OFFER, &event, e) < 0)
		return -1;
	if (event == PASSWORD_EXCHANGE_HERE)
		return acceptor_answer_password(d, v, e);
	if (event == PASSWORD_EXCHANGE_OTHER)
		v->state = PENDING_HANDSHAKE;
	return 0;
}

static int acceptor_handshake(struct acceptor *d, struct pending *v, bool *done,
			      struct err *e)
{
	if (tls_handshake(v->tls, &v->want, e) < 0)
		return -1;
	if (v->want != TLS_DONE)
		return 0;
	v->state = PENDING_GREETING;
	if (v->guessed)
		rate_limit_right(&d->guess, &v->source);
	*done = d->p.raw;
	if (*done && d->stream)
		return err_set(e, ERR_AUTH, 0, "busy with another stream");
	return 0;
}

/* As far as one step leads to the next. */
static int acceptor_step_peer(struct acceptor *d, struct pending *v, bool *done,
			      struct err *e)
{
	if (v->state == PENDING_NEW &&
	    acceptor_read_password_message(d, v, e) < 0)
		return -1;
	if (v->state == PENDING_HANDSHAKE &&
	    acceptor_handshake(d, v, done, e) < 0)
		return -1;
	if (v->state == PENDING_GREETING && !*done)
		return acceptor_read_hello(d, v, done, e);
	return 0;
}

/* Is a visitor one of ours, as far as its first bytes tell? */
static bool acceptor_peek(struct acceptor *d, struct pending *v,
			  uint32_t events)
{
	bool ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	enum acceptor_claim claim = ACCEPTOR_OURS;
	uint8_t bytes[PEEK_MAX];
	ssize_t n = recv(v->socket.fd, bytes, sizeof bytes,
			 MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !ended)
		return false;
	if (n > 0)
		claim = d->p.claim(d->p.callback_arg, v->socket.fd, bytes,
				   (size_t)n);
	if (claim == ACCEPTOR_GONE) {
		acceptor_drop(d, v);
		return false;
	}
	if (claim == ACCEPTOR_MORE && !ended && n < PEEK_MAX)
		return false;
	v->state = PENDING_NEW;
	return true;
}

/* Go on with one visitor.  Returns whether it is to be let in. */
static bool acceptor_advance(struct acceptor *d, struct pending *v,
			     uint32_t events)
{
	struct err e = { 0 };
	bool done = false;

	if (v->state == PENDING_LEAVING) {
		if (!net_discard(v->socket.fd, &v->discarded))
			acceptor_drop(d, v);
		return false;
	}
	if (v->state == PENDING_UNCLAIMED && !acceptor_peek(d, v, events))
		return false;
	if (acceptor_step_peer(d, v, &done, &e) < 0) {
		acceptor_close_lingering(d, v, e.msg);
		return false;
	}
	if (!done)
		acceptor_watch_pending(d, EPOLL_CTL_MOD, v);
	return done;
}

static void acceptor_take(struct acceptor *d, struct pending *v,
			  struct accepted_peer *accepted)
{
	acceptor_watch(d, EPOLL_CTL_DEL, v->socket.fd, 0, 0);
	*accepted = (struct accepted_peer){ .socket = v->socket,
					    .tls = v->tls,
					    .hello = v->hello,
					    .source = v->source };
	memcpy(accepted->name, v->name, sizeof v->name);
	v->tls = NULL;
}

static void acceptor_check_deadlines(struct acceptor *d)
{
	uint64_t now = clock_now_ms();

	if (d->paused && now >= d->accept_after_ms)
		acceptor_pause(d, 0);
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (d->pending[i].tls && now >= d->pending[i].deadline_ms)
			acceptor_refuse(d, &d->pending[i],
					"the handshake took too long");
}

bool acceptor_step(struct acceptor *d, struct accepted_peer *accepted)
{
	struct epoll_event ev;

	/*
	 * One at a time: what is edge-triggered is told once.  And one newcomer
	 * a step, or they would take what a stream has set free for itself.
	 */
	for (int i = 0; i < 2 * PENDING_MAX; i++) {
		struct pending *v;
		int n = epoll_wait(d->epoll_fd, &ev, 1, 0);

		if (n < 0 && errno != EINTR)
			err_call(&d->broken, ERR_NET, "epoll_wait",
				 "cannot wait for connections");
		if (n <= 0)
			break;
		if (ev.data.u32 >= LISTENER_0) {
			acceptor_accept(d, ev.data.u32 - LISTENER_0);
			break;
		}
		v = &d->pending[ev.data.u32];
		if (v->tls && acceptor_advance(d, v, ev.events)) {
			acceptor_take(d, v, accepted);
			return true;
		}
	}
	acceptor_check_deadlines(d);
	return false;
}

int acceptor_check(const struct acceptor *d, struct err *e)
{
	if (!d->broken.kind)
		return 0;
	*e = d->broken;
	return -1;
}

uint64_t acceptor_due(const struct acceptor *d)
{
	uint64_t due = d->paused ? d->accept_after_ms : CLOCK_NEVER;

	for (size_t i = 0; i < PENDING_MAX; i++)
		if (d->pending[i].tls)
			due = clock_earlier(due, d->pending[i].deadline_ms);
	return due;
}

int acceptor_fd(const struct acceptor *d)
{
	return d->epoll_fd;
}

/* Descriptors for the stream to come, which visitors must not use up. */
static int acceptor_save_fds(struct acceptor *d, struct err *e)
{
	for (size_t i = 0; i < SPARE_FDS; i++) {
		d->spare_fds[i] = fcntl(d->epoll_fd, F_DUPFD_CLOEXEC, 0);
		if (d->spare_fds[i] < 0)
			return err_set(e, ERR_NET, errno,
				       "cannot wait for connections (raise "
				       "ulimit -n)");
	}
	return 0;
}

static void acceptor_release_fds(struct acceptor *d)
{
	for (size_t i = 0; i < SPARE_FDS; i++)
		if (d->spare_fds[i] >= 0)
			close(steal_fd(&d->spare_fds[i]));
}

void acceptor_serve(struct acceptor *d, const struct acceptor_stream *s)
{
	d->stream = s;
	acceptor_release_fds(d);
}

struct acceptor *acceptor_open(const struct acceptor_params *p, struct err *e)
{
	struct acceptor *d = calloc(1, sizeof *d);

	if (!d || (d->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		err_call(e, ERR_NET, "epoll_create1",
			 "cannot wait for connections");
		free(d);
		return NULL;
	}
	memset(d->spare_fds, -1, sizeof d->spare_fds);
	if (acceptor_save_fds(d, e) < 0) {
		acceptor_close(d);
		return NULL;
	}
	d->p = *p;
	host_id_own(d->host);
	d->log_since_ms = clock_now_ms();
	for (size_t i = 0; i < p->listener->count; i++)
		acceptor_watch(d, EPOLL_CTL_ADD, p->listener->fds[i], EPOLLIN,
			       LISTENER_0 + (uint32_t)i);
	return d;
}

static void acceptor_free(struct acceptor *d)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (d->pending[i].tls)
			pending_drop(&d->pending[i]);
	acceptor_release_fds(d);
	close(d->epoll_fd);
	free(d);
}

void acceptor_close(struct acceptor *d)
{
	if (!d)
		return;
	acceptor_log_summary(d);
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (d->pending[i].tls && d->pending[i].state != PENDING_LEAVING)
			acceptor_tell_later(d, &d->pending[i]);
	acceptor_free(d);
}

void acceptor_leave(struct acceptor *d)
{
	acceptor_free(d);
}
