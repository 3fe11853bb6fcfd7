// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/door.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

#include "auth/guess.h"
#include "auth/pass.h"
#include "base/clock.h"
#include "base/log.h"
#include "conn/crowd.h"
#include "conn/greet.h"
#include "conn/host.h"
#include "conn/peek.h"

enum {
	LOG_BURST = 20, /* lines about refused visitors in... */
	LOG_PERIOD_MS = 10000,
	REFUSE_MS = 100, /* for telling a visitor why */
	LEAVE_MS = 2000, /* for a visitor that was told to hear it */
	VISITORS_MAX = 32, /* handshakes at the same time */
	ACCEPT_PAUSE_MS = 100, /* when no descriptor is left */
	PLACE_PAUSE_MS = 20, /* when all places are taken, not for long yet */
	SPARE_FDS = 16, /* a stream's: pipes, a COMMAND's, netlink */
};

enum visitor_state {
	VISITOR_STRANGE, /* ours, or somebody else's to claim? */
	VISITOR_NEW, /* TLS, or the password exchange before it? */
	VISITOR_HANDSHAKE,
	VISITOR_GREETING, /* the handshake is done, the HELLO is not */
	VISITOR_LEAVING, /* refused: we wait until it has closed */
};

/* A connection that has not shown yet who it is. */
struct visitor {
	struct chan_socket socket;
	struct tls *tls; /* NULL: the place is free */
	enum tls_want want;
	enum visitor_state state;
	struct pass pass;
	bool guesses; /* a password, which counts as wrong so far */
	struct net_source source; /* whose places and guesses count together */
	struct frame_reader reader;
	struct frame_hello hello;
	size_t discarded; /* bytes that came once it was refused */
	uint64_t since_ms, deadline_ms;
	char name[NET_NAME_MAX];
};

struct door {
	struct door_params p;
	uint8_t host[FRAME_HOST_BYTES]; /* ours */
	int epoll_fd; /* readable when there is something to do */
	int spare_fds[SPARE_FDS]; /* out of visitors' reach; -1: released */
	const struct door_stream *stream; /* the one that runs, or NULL */
	bool paused; /* accepts nobody until accept_after_ms */
	uint64_t accept_after_ms;
	uint64_t log_since_ms;
	unsigned int logged, unlogged; /* lines since then */
	struct err broken; /* why it cannot go on; no kind: it can */
	struct guess guess;
	struct visitor visitors[VISITORS_MAX];
};

/* epoll's user data: a visitor's number, or behind them a listener's */
enum { LISTENER_0 = VISITORS_MAX };

static void door_watch(struct door *d, int op, int fd, uint32_t events,
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

static void door_watch_visitor(struct door *d, int op, const struct visitor *v)
{
	uint32_t events = v->want == TLS_WANT_WRITE ? EPOLLOUT : EPOLLIN;

	/* What was only looked at is still there: wait for news, not for it. */
	if (v->state == VISITOR_STRANGE)
		events = EPOLLIN | EPOLLRDHUP | EPOLLET;
	door_watch(d, op, v->socket.fd, events, (uint32_t)(v - d->visitors));
}

/* Leave the listening sockets alone for a moment, or (0) listen again. */
static void door_pause(struct door *d, uint64_t pause_ms)
{
	const struct net_listener *l = d->p.listener;
	bool paused = pause_ms;

	d->paused = paused;
	d->accept_after_ms = paused ? clock_deadline(pause_ms) : CLOCK_NEVER;
	for (size_t i = 0; i < l->count; i++)
		door_watch(d, EPOLL_CTL_MOD, l->fds[i], paused ? 0 : EPOLLIN,
			   LISTENER_0 + (uint32_t)i);
}

/* How many lines were left out, when their period is over. */
static void door_log_summary(struct door *d)
{
	if (d->unlogged)
		log_notice("refused %u more", d->unlogged);
	d->logged = d->unlogged = 0;
}

/* Is another line of log in order?  There is to be no flood of them. */
static bool door_may_log(struct door *d)
{
	uint64_t now = clock_now_ms();

	if (now - d->log_since_ms >= LOG_PERIOD_MS) {
		door_log_summary(d);
		d->log_since_ms = now;
	}
	return d->logged < LOG_BURST && ++d->logged;
}

static void door_log_refusal(struct door *d, const struct visitor *v,
			     const char *why)
{
	if (door_may_log(d)) {
		log_notice("refused %s: %s", v->name, why);
	} else {
		d->unlogged++;
		log_debug("refused %s: %s", v->name, why);
	}
}

static void visitor_drop(struct visitor *v)
{
	tls_free(v->tls);
	close(v->socket.fd);
	v->tls = NULL;
}

/*
 * The socket may be open in another process as well, and would then be heard of
 * here for ever.
 */
static void door_drop(struct door *d, struct visitor *v)
{
	door_watch(d, EPOLL_CTL_DEL, v->socket.fd, 0, 0);
	visitor_drop(v);
}

static void door_refuse(struct door *d, struct visitor *v, const char *why)
{
	if (v->state != VISITOR_LEAVING)
		door_log_refusal(d, v, why);
	door_drop(d, v);
}

/*
 * The peer of the stream that runs dials for its next connection in good time,
 * and drops that when the stream ends meanwhile: nobody has refused it.
 */
static bool door_was_left(const struct door *d, const struct visitor *v)
{
	bool silent = v->state == VISITOR_NEW && !v->pass.have;

	return d->stream && net_source_same(&v->source, &d->stream->source) &&
	       (tls_lost(v->tls) || (silent && net_is_closed(v->socket.fd)));
}

/*
 * The same to a visitor that was told why, by an alert or a WELCOME: what it
 * sends before it has read that, such as its HELLO after a handshake of TLS 1.3
 * that only the client found complete, must not cost it the reason.
 */
static void door_see_off(struct door *d, struct visitor *v, const char *why)
{
	if (door_was_left(d, v))
		log_debug("%s has left: %s", v->name, why);
	else
		door_log_refusal(d, v, why);
	v->state = VISITOR_LEAVING;
	v->want = TLS_WANT_READ;
	v->deadline_ms =
		clock_earlier(v->deadline_ms, clock_deadline(LEAVE_MS));
	net_say_goodbye(v->socket.fd);
	door_watch_visitor(d, EPOLL_CTL_MOD, v);
}

/*
 * Who is honest may come again, and is told so in what it waits for: before TLS
 * that is the answer to a password.
 */
static void door_put_off(const struct door *d, const struct visitor *v)
{
	if (d->p.password &&
	    (v->state == VISITOR_STRANGE || v->state == VISITOR_NEW))
		pass_refuse(v->socket.fd, PREFACE_REFUSED_LATER);
	else
		tls_alert(v->tls, REC_USER_CANCELED);
}

/*
 * All places or descriptors are taken: one peer has to go.  NULL: nobody is
 * there, or nobody has been for long enough.
 */
static struct visitor *door_evict(struct door *d)
{
	struct crowd_place places[VISITORS_MAX] = { 0 };
	struct visitor *loser;
	int pick;

	for (size_t i = 0; i < VISITORS_MAX; i++) {
		struct visitor *v = &d->visitors[i];

		if (v->tls)
			places[i] =
				(struct crowd_place){ &v->source, v->since_ms };
	}
	pick = crowd_pick(places, VISITORS_MAX, clock_now_ms());
	if (pick < 0)
		return NULL;
	loser = &d->visitors[pick];
	door_put_off(d, loser);
	door_refuse(d, loser, "too many handshakes at the same time");
	return loser;
}

static struct visitor *door_place(struct door *d)
{
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (!d->visitors[i].tls)
			return &d->visitors[i];
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (d->visitors[i].state == VISITOR_LEAVING) {
			door_drop(d, &d->visitors[i]);
			return &d->visitors[i];
		}
	return door_evict(d);
}

/* A session for a visitor; own: with a credential that is its alone. */
static struct tls *door_session(const struct door *d, int fd, struct cred *own,
				struct err *e)
{
	const struct tls_params params = { .server = true,
					   .fd = fd,
					   .cred = own ? own : d->p.cred,
					   .owns_cred = own,
					   .modes = d->p.modes,
					   .raw = d->p.raw };

	return tls_new(&params, e);
}

static void door_welcome(struct door *d, struct visitor *v, int fd)
{
	struct err e = { 0 };

	*v = (struct visitor){ .socket.fd = fd,
			       .want = TLS_WANT_READ,
			       .state = d->p.claim ? VISITOR_STRANGE
						   : VISITOR_NEW };
	v->since_ms = clock_now_ms();
	v->deadline_ms = clock_deadline(d->p.handshake_ms);
	v->source = net_peer_source(fd);
	net_peer_name(fd, v->name);
	chan_attach(&v->socket, d->p.ktls);
	v->tls = door_session(d, fd, NULL, &e);
	if (!v->tls) {
		door_refuse(d, v, e.msg);
		return;
	}
	door_watch_visitor(d, EPOLL_CTL_ADD, v);
	log_debug("connection from %s", v->name);
}

static bool door_is_empty(const struct door *d)
{
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (d->visitors[i].tls)
			return false;
	return true;
}

static void door_accept(struct door *d, size_t i)
{
	struct visitor *place = door_place(d);
	int fd;

	/* Those behind wait in the kernel's queue for their turn. */
	if (!place) {
		door_pause(d, PLACE_PAUSE_MS);
		return;
	}
	fd = net_accept(d->p.listener, i);
	if (fd >= 0) {
		door_welcome(d, place, fd);
		return;
	}
	if (errno == EPIPE)
		door_watch(d, EPOLL_CTL_DEL, d->p.listener->fds[i], 0, 0);
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

		if (door_evict(d))
			return;
		if (door_is_empty(d) && door_may_log(d))
			log_notice("cannot accept a connection: %s%s",
				   strerror(num), err_remedy(num));
		door_pause(d, ACCEPT_PAUSE_MS);
	}
}

/* Tell somebody who authenticated why it is refused all the same. */
static int door_say_no(struct tls *t, int fd, enum frame_refusal refusal,
		       struct err *e)
{
	struct frame f = { .type = FRAME_WELCOME,
			   .welcome = { .version = FRAME_VERSION,
					.refusal = refusal } };
	struct err ignored = { 0 };

	if (greet_send(t, fd, &f, clock_deadline(REFUSE_MS), &ignored) < 0)
		log_debug("%s", ignored.msg);
	tls_alert(t, REC_CLOSE_NOTIFY);
	return err_set(e, ERR_AUTH, 0, "%s", frame_refusal_text(refusal));
}

void door_turn_away(struct door_guest *g, enum frame_refusal why)
{
	struct err ignored = { 0 };

	door_say_no(g->tls, g->socket.fd, why, &ignored);
	tls_free(g->tls);
	close(g->socket.fd);
}

/*
 * Who comes back for the stream that runs?  Whoever shows its ticket, over a
 * connection that is newer than the last.
 */
static enum frame_refusal door_judge_return(const struct door_stream *s,
					    const struct visitor *v)
{
	if (memcmp(v->hello.stream, s->id, sizeof v->hello.stream))
		return FRAME_REFUSED_BUSY;
	if ((!s->resumes && !v->hello.rotate_at) ||
	    (s->ticket &&
	     !tls_shows_ticket(v->tls, s->ticket, v->hello.proof)) ||
	    v->hello.connection <= s->connection)
		return FRAME_REFUSED_STREAM;
	return FRAME_ACCEPTED;
}

/* Our own connection, reflected?  Over loopback that is how tests are made. */
static bool door_is_self(const struct door *d, const struct visitor *v)
{
	return !d->p.allow_self && host_same(v->hello.host, d->host) &&
	       !net_peer_is_loopback(v->socket.fd);
}

/*
 * Does it want to go on with a stream?  Then it is not a new one.  (One with a
 * ticket in its handshake does not come this far.)
 */
static bool visitor_goes_on(const struct visitor *v)
{
	static const uint8_t no_proof[FRAME_PROOF_BYTES];

	return v->hello.rotate_at || v->hello.offset ||
	       memcmp(v->hello.proof, no_proof, sizeof no_proof);
}

static enum frame_refusal door_judge(const struct door *d,
				     const struct visitor *v)
{
	if (v->hello.version != FRAME_VERSION || tls_is_old(v->tls))
		return FRAME_REFUSED_VERSION;
	if (v->hello.flags & FRAME_HELLO_NAMED)
		return FRAME_REFUSED_NAME;
	if (door_is_self(d, v))
		return FRAME_REFUSED_SELF;
	if (d->stream && v->hello.role != d->p.role)
		return door_judge_return(d->stream, v);
	if (d->stream)
		return FRAME_REFUSED_BUSY;
	if (v->hello.role == d->p.role)
		return FRAME_REFUSED_ROLE;
	if (visitor_goes_on(v))
		return FRAME_REFUSED_STREAM;
	return FRAME_ACCEPTED;
}

/* It may have a stream: is there one for it? */
static int door_admit(struct door *d, struct visitor *v, struct err *e)
{
	struct err ignored = { 0 };

	if (d->stream || !d->p.admit ||
	    d->p.admit(d->p.callback_arg, v->tls, &v->source, e) == 0)
		return 0;
	return door_say_no(v->tls, v->socket.fd, FRAME_REFUSED_BUSY, &ignored);
}

static int door_greet(struct door *d, struct visitor *v, bool *done,
		      struct err *e)
{
	enum frame_refusal refusal;
	struct frame f;

	v->want = TLS_WANT_READ;
	if (greet_recv(v->tls, &v->reader, FRAME_HELLO, &f, done, e) < 0) {
		struct err ignored = { 0 };

		/* A whole frame, but no HELLO of ours */
		if (v->reader.have && !frame_reader_wants(&v->reader))
			door_say_no(v->tls, v->socket.fd,
				    FRAME_REFUSED_MALFORMED, &ignored);
		return -1;
	}
	if (!*done)
		return 0;
	v->hello = f.hello;
	refusal = door_judge(d, v);
	if (!refusal && tls_pending_read(v->tls))
		refusal = FRAME_REFUSED_MALFORMED;
	if (!refusal)
		return door_admit(d, v, e);
	door_say_no(v->tls, v->socket.fd, refusal, e);
	if (refusal == FRAME_REFUSED_VERSION)
		err_set(e, ERR_AUTH, 0, "%s",
			frame_version_text(v->hello.version));
	return -1;
}

/* May this visitor try a password? */
static enum preface_refusal door_judge_guess(struct door *d, struct visitor *v)
{
	if (!d->p.password)
		return PREFACE_REFUSED_UNUSED;
	v->guesses = guess_begin(&d->guess, &v->source, clock_now_ms());
	return v->guesses ? PREFACE_ACCEPTED : PREFACE_REFUSED_LATER;
}

/* The visitor's handshake is with what both passwords led to. */
static int door_answer_guess(struct door *d, struct visitor *v, struct err *e)
{
	enum preface_refusal refusal = door_judge_guess(d, v);
	struct cred *own;
	struct tls *t;

	if (refusal) {
		pass_refuse(v->socket.fd, refusal);
		return err_set(e, ERR_AUTH, 0, "%s",
			       refusal == PREFACE_REFUSED_UNUSED
				       ? "the peer has a password, where this "
					 "side has none"
				       : "too many wrong passwords from there; "
					 "told to try again later");
	}
	own = pass_answer(&v->pass, v->socket.fd, d->p.password, e);
	t = own ? door_session(d, v->socket.fd, own, e) : NULL;
	if (!t)
		return -1;
	tls_free(v->tls);
	v->tls = t;
	v->state = VISITOR_HANDSHAKE;
	return 0;
}

/* What does the visitor begin with, TLS or the password exchange before it? */
static int door_preface(struct door *d, struct visitor *v, struct err *e)
{
	enum pass_event event;

	if (pass_receive(&v->pass, v->socket.fd, PREFACE_OFFER, &event, e) < 0)
		return -1;
	if (event == PASS_HERE)
		return door_answer_guess(d, v, e);
	if (event == PASS_OTHER)
		v->state = VISITOR_HANDSHAKE;
	return 0;
}

static int door_handshake(struct door *d, struct visitor *v, bool *done,
			  struct err *e)
{
	if (tls_handshake(v->tls, &v->want, e) < 0)
		return -1;
	if (v->want != TLS_DONE)
		return 0;
	v->state = VISITOR_GREETING;
	if (v->guesses)
		guess_right(&d->guess, &v->source);
	*done = d->p.raw;
	if (*done && d->stream)
		return err_set(e, ERR_AUTH, 0, "busy with another stream");
	return 0;
}

/* As far as one step leads to the next. */
static int door_lead(struct door *d, struct visitor *v, bool *done,
		     struct err *e)
{
	if (v->state == VISITOR_NEW && door_preface(d, v, e) < 0)
		return -1;
	if (v->state == VISITOR_HANDSHAKE && door_handshake(d, v, done, e) < 0)
		return -1;
	if (v->state == VISITOR_GREETING && !*done)
		return door_greet(d, v, done, e);
	return 0;
}

/* Is a visitor one of ours, as far as its first bytes tell? */
static bool door_peek(struct door *d, struct visitor *v, uint32_t events)
{
	bool ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	enum door_claim claim = DOOR_OURS;
	uint8_t bytes[PEEK_MAX];
	ssize_t n = recv(v->socket.fd, bytes, sizeof bytes,
			 MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !ended)
		return false;
	if (n > 0)
		claim = d->p.claim(d->p.callback_arg, v->socket.fd, bytes,
				   (size_t)n);
	if (claim == DOOR_GONE) {
		door_drop(d, v);
		return false;
	}
	if (claim == DOOR_MORE && !ended && n < PEEK_MAX)
		return false;
	v->state = VISITOR_NEW;
	return true;
}

/* Go on with one visitor.  Returns whether it is to be let in. */
static bool door_advance(struct door *d, struct visitor *v, uint32_t events)
{
	struct err e = { 0 };
	bool done = false;

	if (v->state == VISITOR_LEAVING) {
		if (!net_discard(v->socket.fd, &v->discarded))
			door_drop(d, v);
		return false;
	}
	if (v->state == VISITOR_STRANGE && !door_peek(d, v, events))
		return false;
	if (door_lead(d, v, &done, &e) < 0) {
		door_see_off(d, v, e.msg);
		return false;
	}
	if (!done)
		door_watch_visitor(d, EPOLL_CTL_MOD, v);
	return done;
}

static void door_take(struct door *d, struct visitor *v,
		      struct door_guest *guest)
{
	door_watch(d, EPOLL_CTL_DEL, v->socket.fd, 0, 0);
	*guest = (struct door_guest){ .socket = v->socket,
				      .tls = v->tls,
				      .hello = v->hello,
				      .source = v->source };
	memcpy(guest->name, v->name, sizeof v->name);
	v->tls = NULL;
}

static void door_check_deadlines(struct door *d)
{
	uint64_t now = clock_now_ms();

	if (d->paused && now >= d->accept_after_ms)
		door_pause(d, 0);
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (d->visitors[i].tls && now >= d->visitors[i].deadline_ms)
			door_refuse(d, &d->visitors[i],
				    "the handshake took too long");
}

bool door_step(struct door *d, struct door_guest *guest)
{
	struct epoll_event ev;

	/*
	 * One at a time: what is edge-triggered is told once.  And one newcomer
	 * a step, or they would take what a stream has set free for itself.
	 */
	for (int i = 0; i < 2 * VISITORS_MAX; i++) {
		struct visitor *v;
		int n = epoll_wait(d->epoll_fd, &ev, 1, 0);

		if (n < 0 && errno != EINTR)
			err_call(&d->broken, ERR_NET, "epoll_wait",
				 "cannot wait for connections");
		if (n <= 0)
			break;
		if (ev.data.u32 >= LISTENER_0) {
			door_accept(d, ev.data.u32 - LISTENER_0);
			break;
		}
		v = &d->visitors[ev.data.u32];
		if (v->tls && door_advance(d, v, ev.events)) {
			door_take(d, v, guest);
			return true;
		}
	}
	door_check_deadlines(d);
	return false;
}

int door_check(const struct door *d, struct err *e)
{
	if (!d->broken.kind)
		return 0;
	*e = d->broken;
	return -1;
}

uint64_t door_due(const struct door *d)
{
	uint64_t due = d->paused ? d->accept_after_ms : CLOCK_NEVER;

	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (d->visitors[i].tls)
			due = clock_earlier(due, d->visitors[i].deadline_ms);
	return due;
}

int door_fd(const struct door *d)
{
	return d->epoll_fd;
}

/* Descriptors for the stream to come, which visitors must not use up. */
static int door_save_fds(struct door *d, struct err *e)
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

static void door_release_fds(struct door *d)
{
	for (size_t i = 0; i < SPARE_FDS; i++)
		if (d->spare_fds[i] >= 0)
			close(steal_fd(&d->spare_fds[i]));
}

void door_serve(struct door *d, const struct door_stream *s)
{
	d->stream = s;
	door_release_fds(d);
}

struct door *door_open(const struct door_params *p, struct err *e)
{
	struct door *d = calloc(1, sizeof *d);

	if (!d || (d->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) {
		err_call(e, ERR_NET, "epoll_create1",
			 "cannot wait for connections");
		free(d);
		return NULL;
	}
	memset(d->spare_fds, -1, sizeof d->spare_fds);
	if (door_save_fds(d, e) < 0) {
		door_close(d);
		return NULL;
	}
	d->p = *p;
	host_id(d->host);
	d->log_since_ms = clock_now_ms();
	for (size_t i = 0; i < p->listener->count; i++)
		door_watch(d, EPOLL_CTL_ADD, p->listener->fds[i], EPOLLIN,
			   LISTENER_0 + (uint32_t)i);
	return d;
}

static void door_free(struct door *d)
{
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (d->visitors[i].tls)
			visitor_drop(&d->visitors[i]);
	door_release_fds(d);
	close(d->epoll_fd);
	free(d);
}

void door_close(struct door *d)
{
	if (!d)
		return;
	door_log_summary(d);
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (d->visitors[i].tls &&
		    d->visitors[i].state != VISITOR_LEAVING)
			door_put_off(d, &d->visitors[i]);
	door_free(d);
}

void door_leave(struct door *d)
{
	door_free(d);
}
