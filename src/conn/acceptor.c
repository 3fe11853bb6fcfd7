// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "conn/crowd.h"

enum {
	LEAVE_MS = 2000, /* for a refused peer to read it and close */
	PENDING_MAX = 32, /* handshakes at the same time */
	ACCEPT_PAUSE_MS = 100, /* when no descriptor is left */
	PLACE_PAUSE_MS = 20, /* when no peer can be evicted yet */
	SUSPENDED_MS = 500, /* later than that: we were suspended */
	SPARE_FDS = 16, /* for a stream's pipes, COMMAND, netlink */
};

struct acceptor {
	const struct net_listener *listener;
	struct pending_rules rules;
	const struct pending_stream *only; /* see acceptor_serve() */
	int epoll_fd; /* readable when there is something to do */
	size_t watched; /* sockets of the listener */
	int spare_fds[SPARE_FDS]; /* reserved for a stream; -1: released */
	bool prolonged; /* the wait for the first peer */
	uint64_t accept_after_ms; /* when a pause ends; CLOCK_NEVER: none */
	struct log_limit refusals;
	struct err broken; /* why it cannot accept; no kind: it can */
	struct pending pending[PENDING_MAX];
};

/* epoll's user data: the index of a pending handshake, then of a listener */
enum { LISTENER_0 = PENDING_MAX, CALLER = LISTENER_0 + NET_LISTENERS_MAX };

static int acceptor_watch(struct acceptor *a, int op, int fd, uint32_t events,
			  uint32_t who, struct err *e)
{
	struct epoll_event ev = { .events = events, .data.u32 = who };

	return epoll_ctl(a->epoll_fd, op, fd, &ev) < 0
		       ? err_call(e, ERR_NET, "epoll_ctl",
				  "cannot wait for connections")
		       : 0;
}

/* Before fd is closed or handed on, which an error here must not prevent */
static void acceptor_forget(struct acceptor *a, int fd)
{
	struct err e = { 0 };

	if (acceptor_watch(a, EPOLL_CTL_DEL, fd, 0, 0, &e) < 0)
		log_debug("%s", e.msg);
}

static int acceptor_watch_pending(struct acceptor *a, int op,
				  const struct pending *p, struct err *e)
{
	uint32_t events = p->want == TLS_WANT_WRITE ? EPOLLOUT : EPOLLIN;

	return acceptor_watch(a, op, p->peer.socket.fd, events,
			      (uint32_t)(p - a->pending), e);
}

static void acceptor_watch_listener(struct acceptor *a)
{
	const struct net_listener *l = a->listener;

	for (; a->watched < l->count; a->watched++)
		acceptor_watch(a, EPOLL_CTL_ADD, l->fds[a->watched], EPOLLIN,
			       LISTENER_0 + (uint32_t)a->watched, &a->broken);
}

/* Stop accepting for pause_ms; 0: accept again. */
static void acceptor_pause(struct acceptor *a, uint64_t pause_ms)
{
	const struct net_listener *l = a->listener;

	a->accept_after_ms = pause_ms ? clock_deadline(pause_ms) : CLOCK_NEVER;
	for (size_t i = 0; i < a->watched; i++)
		acceptor_watch(a, EPOLL_CTL_MOD, l->fds[i],
			       pause_ms ? 0 : EPOLLIN, LISTENER_0 + (uint32_t)i,
			       &a->broken);
}

/* At the end of a period: log how many refusals were not logged. */
static void acceptor_log_more(unsigned int more)
{
	if (more)
		log_notice("refused %u more", more);
}

/* Limits the rate of log lines that peers can cause. */
static bool acceptor_may_log(struct acceptor *a)
{
	unsigned int more;
	bool may = log_limit(&a->refusals, &more);

	acceptor_log_more(more);
	return may;
}

static void acceptor_log_refusal(struct acceptor *a, const struct pending *p,
				 const char *why)
{
	(acceptor_may_log(a) ? log_notice : log_debug)("refused %s: %s",
						       p->peer.name, why);
}

/*
 * close() does not remove the socket from the epoll set while another process
 * still has it open: remove it first.
 */
static void acceptor_drop(struct acceptor *a, struct pending *p)
{
	acceptor_forget(a, p->peer.socket.fd);
	pending_drop(p);
}

static void acceptor_refuse(struct acceptor *a, struct pending *p,
			    const char *why)
{
	if (p->state != PENDING_LEAVING)
		acceptor_log_refusal(a, p, why);
	acceptor_drop(a, p);
}

/*
 * Refuse a peer that was told why, by an alert or a WELCOME, and wait until it
 * closes.  Closing with its bytes unread would reset the connection, and it
 * might never read the reason.  In TLS 1.3 for example the client has sent its
 * HELLO by the time that its certificate is refused.
 */
static void acceptor_close_lingering(struct acceptor *a, struct pending *p,
				     const char *why)
{
	if (pending_has_left(&a->rules, p))
		log_debug("%s has left: %s", p->peer.name, why);
	else
		acceptor_log_refusal(a, p, why);
	p->state = PENDING_LEAVING;
	p->want = TLS_WANT_READ;
	p->deadline_ms =
		clock_earlier(p->deadline_ms, clock_deadline(LEAVE_MS));
	shutdown(p->peer.socket.fd, SHUT_WR);
	acceptor_watch_pending(a, EPOLL_CTL_MOD, p, &a->broken);
}

/*
 * All slots or descriptors are taken: refuse one peer.  Returns its slot; NULL
 * if there is no peer, or the grace of each still runs (crowd.h).
 */
static struct pending *acceptor_evict(struct acceptor *a)
{
	struct crowd_place places[PENDING_MAX] = { 0 };
	struct pending *loser;
	int pick;

	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &a->pending[i];

		if (pending_exists(p))
			places[i] = (struct crowd_place){ &p->peer.source,
							  p->since_ms };
	}
	pick = crowd_pick(places, PENDING_MAX, clock_now_ms());
	if (pick < 0)
		return NULL;
	loser = &a->pending[pick];
	pending_tell_later(&a->rules, loser);
	acceptor_refuse(a, loser, "too many handshakes at the same time");
	return loser;
}

static struct pending *acceptor_find_place(struct acceptor *a)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (!pending_exists(&a->pending[i]))
			return &a->pending[i];
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (a->pending[i].state == PENDING_LEAVING) {
			acceptor_drop(a, &a->pending[i]);
			return &a->pending[i];
		}
	return acceptor_evict(a);
}

static void acceptor_add(struct acceptor *a, struct pending *p, int fd)
{
	struct err e = { 0 };

	*p = (struct pending){ .peer.socket.fd = fd,
			       .want = TLS_WANT_READ,
			       .state = PENDING_NEW };
	p->since_ms = clock_now_ms();
	p->deadline_ms = clock_deadline(a->rules.session->config->handshake_ms);
	p->peer.source = net_peer_source(fd);
	net_peer_name(fd, p->peer.name);
	connection_attach(&p->peer.socket, a->rules.session->ktls);
	p->tls = pending_session(&a->rules, fd, NULL, &e);
	if (!p->tls) {
		acceptor_refuse(a, p, e.msg);
		return;
	}
	/* A limit costs this peer; a refused call costs the listener. */
	if (acceptor_watch_pending(a, EPOLL_CTL_ADD, p, &e) < 0) {
		if (err_refuses(e.num))
			a->broken = e;
		pending_tell_later(&a->rules, p);
		acceptor_refuse(a, p, e.msg);
		return;
	}
	log_debug("connection from %s", p->peer.name);
}

void acceptor_adopt(struct acceptor *a, int fd)
{
	acceptor_add(a, acceptor_find_place(a), fd);
}

static bool acceptor_is_empty(const struct acceptor *a)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (pending_exists(&a->pending[i]))
			return false;
	return true;
}

static void acceptor_accept(struct acceptor *a, size_t i)
{
	struct pending *place = acceptor_find_place(a);
	int fd;

	/* Further connections wait in the kernel's queue. */
	if (!place) {
		acceptor_pause(a, PLACE_PAUSE_MS);
		return;
	}
	fd = net_accept(a->listener, i);
	if (fd >= 0) {
		acceptor_add(a, place, fd);
		return;
	}
	if (err_refuses(errno)) {
		err_call(&a->broken, ERR_NET, "accept4",
			 "cannot accept connections");
		return;
	}
	/* Other errors: the connection is gone already. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
	    errno == ENOBUFS) {
		int num = errno;

		if (acceptor_evict(a))
			return;
		if (acceptor_is_empty(a) && acceptor_may_log(a))
			log_notice("cannot accept a connection: %s%s",
				   strerror(num), err_remedy(num));
		acceptor_pause(a, ACCEPT_PAUSE_MS);
	}
}

void acceptor_refuse_accepted(struct peer *peer, enum frame_refusal why)
{
	pending_send_refusal(peer, why);
	pending_drop_peer(peer);
}

/* Advance one handshake.  Returns whether its peer is accepted. */
static bool acceptor_advance(struct acceptor *a, struct pending *p)
{
	struct err e = { 0 };
	bool done = false;

	if (p->state == PENDING_LEAVING) {
		if (!net_discard(p->peer.socket.fd, &p->discarded))
			acceptor_drop(a, p);
		return false;
	}
	if (pending_step(&a->rules, p, &done, &e) < 0) {
		acceptor_close_lingering(a, p, e.msg);
		return false;
	}
	if (!done)
		acceptor_watch_pending(a, EPOLL_CTL_MOD, p, &a->broken);
	return done;
}

static void acceptor_take(struct acceptor *a, struct pending *p,
			  struct peer *accepted)
{
	acceptor_forget(a, p->peer.socket.fd);
	*accepted = p->peer;
	p->peer.layer = NULL;
}

static void acceptor_check_deadlines(struct acceptor *a)
{
	uint64_t now = clock_now_ms();

	if (now >= a->accept_after_ms)
		acceptor_pause(a, 0);
	for (size_t i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &a->pending[i];

		if (!pending_exists(p) || now < p->deadline_ms)
			continue;
		/* If we were suspended, what arrived meanwhile counts. */
		if (p->overdue)
			acceptor_refuse(a, p, "the handshake took too long");
		p->overdue = true;
	}
}

bool acceptor_step(struct acceptor *a, struct peer *accepted)
{
	const struct session_config *config = a->rules.session->config;
	struct epoll_event ev;

	/*
	 * One event at a time: handling it may free the place of another.  One
	 * new connection a step: more could take the descriptors that
	 * acceptor_serve() has just released for the stream.
	 */
	for (int i = 0; i < 2 * PENDING_MAX; i++) {
		struct pending *p;
		int n = epoll_wait(a->epoll_fd, &ev, 1, 0);

		if (n < 0 && errno != EINTR)
			err_call(&a->broken, ERR_NET, "epoll_wait",
				 "cannot wait for connections");
		if (n <= 0)
			break;
		if (ev.data.u32 == CALLER) {
			config->on_caller(config->caller_arg);
			acceptor_watch_listener(a);
			continue;
		}
		if (ev.data.u32 >= LISTENER_0) {
			acceptor_accept(a, ev.data.u32 - LISTENER_0);
			break;
		}
		p = &a->pending[ev.data.u32];
		if (pending_exists(p) && acceptor_advance(a, p)) {
			acceptor_take(a, p, accepted);
			return true;
		}
	}
	acceptor_check_deadlines(a);
	return false;
}

int acceptor_check(const struct acceptor *a, struct err *e)
{
	if (!a->broken.kind)
		return 0;
	*e = a->broken;
	return -1;
}

uint64_t acceptor_due(const struct acceptor *a)
{
	uint64_t due = a->accept_after_ms;

	for (size_t i = 0; i < PENDING_MAX; i++)
		if (pending_exists(&a->pending[i]))
			due = clock_earlier(due, a->pending[i].deadline_ms);
	return due;
}

int acceptor_check_wait(struct acceptor *a, uint64_t *deadline_ms,
			struct err *e)
{
	uint64_t now = clock_now_ms();

	if (now < *deadline_ms)
		return 0;
	/* The verbs for ssh, which have a lifeline, have no --wait. */
	if (a->prolonged || acceptor_is_empty(a) ||
	    now < *deadline_ms + SUSPENDED_MS)
		return err_set(e, ERR_NET, 0, "no peer authenticated %s",
			       a->rules.session->config->lifeline_fd < 0
				       ? "within --wait"
				       : "in time");
	a->prolonged = true;
	*deadline_ms = clock_deadline(a->rules.session->config->handshake_ms);
	return 0;
}

int acceptor_fd(const struct acceptor *a)
{
	return a->epoll_fd;
}

/* Also reserve descriptors for a stream: handshakes must not use them up. */
static int acceptor_open_fds(struct acceptor *a, struct err *e)
{
	memset(a->spare_fds, -1, sizeof a->spare_fds);
	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll_fd < 0)
		return err_call(e, ERR_NET, "epoll_create1",
				"cannot wait for connections");
	for (size_t i = 0; i < SPARE_FDS; i++) {
		a->spare_fds[i] = fcntl(a->epoll_fd, F_DUPFD_CLOEXEC, 0);
		if (a->spare_fds[i] < 0)
			return err_set(e, ERR_NET, errno,
				       "cannot wait for connections");
	}
	return 0;
}

static void acceptor_release_fds(struct acceptor *a)
{
	for (size_t i = 0; i < SPARE_FDS; i++)
		attr_close(&a->spare_fds[i]);
}

void acceptor_serve(struct acceptor *a, const struct pending_stream *s)
{
	a->only = s;
	a->rules.streams = &a->only;
	a->rules.stream_count = 1;
	a->rules.one = true;
	acceptor_release_fds(a);
}

struct acceptor *acceptor_open(const struct net_listener *l,
			       const struct pending_rules *rules, struct err *e)
{
	const struct session_config *config = rules->session->config;
	struct acceptor *a = err_alloc(sizeof *a, e);

	if (!a)
		return NULL;
	a->accept_after_ms = CLOCK_NEVER;
	if (acceptor_open_fds(a, e) < 0) {
		acceptor_close(a);
		return NULL;
	}
	a->listener = l;
	a->rules = *rules;
	acceptor_watch_listener(a);
	if (config->on_caller)
		acceptor_watch(a, EPOLL_CTL_ADD, config->caller_fd, EPOLLIN,
			       CALLER, &a->broken);
	return a;
}

void acceptor_leave(struct acceptor *a)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (pending_exists(&a->pending[i]))
			pending_drop(&a->pending[i]);
	acceptor_release_fds(a);
	attr_close(&a->epoll_fd);
	free(a);
}

void acceptor_close(struct acceptor *a)
{
	if (!a)
		return;
	acceptor_log_more(a->refusals.left_out);
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (pending_exists(&a->pending[i]) &&
		    a->pending[i].state != PENDING_LEAVING)
			pending_tell_later(&a->rules, &a->pending[i]);
	acceptor_leave(a);
}
