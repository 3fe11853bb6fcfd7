// SPDX-License-Identifier: GPL-2.0-or-later
#include "door.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "greet.h"
#include "log.h"

enum {
	LOG_BURST = 20, /* lines about refused visitors in... */
	LOG_PERIOD_MS = 10000,
	REFUSE_MS = 100, /* for telling a visitor why */
	VISITORS_MAX = 32, /* handshakes at the same time */
	ACCEPT_PAUSE_MS = 100, /* when no descriptor is left */
};

/* A connection that has not shown yet who it is. */
struct visitor {
	struct chan_socket socket;
	struct tls *tls; /* NULL: the place is free */
	enum tls_want want;
	bool greeting; /* the handshake is done, the HELLO is not */
	struct frame_reader reader;
	struct frame_hello hello;
	uint64_t deadline_ms;
	char name[NET_NAME_MAX];
};

struct door {
	const struct door_params *p;
	struct visitor visitors[VISITORS_MAX];
	uint64_t accept_after_ms; /* no accept before */
	uint64_t log_since_ms;
	unsigned int logged, unlogged; /* lines since then */
};

/* How many lines were left out, when their period is over. */
static void door_log_summary(struct door *d)
{
	if (d->unlogged)
		log_notice("refused %u more", d->unlogged);
	d->logged = d->unlogged = 0;
}

/* A line for each refused visitor, but no flood of them. */
static void door_log_refusal(struct door *d, const struct visitor *v,
			     const char *why)
{
	uint64_t now = clock_now_ms();

	if (now - d->log_since_ms >= LOG_PERIOD_MS) {
		door_log_summary(d);
		d->log_since_ms = now;
	}
	if (d->logged < LOG_BURST) {
		d->logged++;
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

static void door_refuse(struct door *d, struct visitor *v, const char *why)
{
	door_log_refusal(d, v, why);
	visitor_drop(v);
}

/* The part of "[address]:port" in front of the port. */
static size_t visitor_address_len(const struct visitor *v)
{
	const char *colon = strrchr(v->name, ':');

	return colon ? (size_t)(colon - v->name) : strlen(v->name);
}

static bool visitor_same_address(const struct visitor *a,
				 const struct visitor *b)
{
	size_t len = visitor_address_len(a);

	return len == visitor_address_len(b) && !memcmp(a->name, b->name, len);
}

/*
 * All places are taken: the address that holds most of them loses its oldest,
 * so that one host that opens many does not keep another out.
 */
static struct visitor *door_evict(struct door *d)
{
	struct visitor *loser = NULL;
	unsigned int most = 0;

	for (size_t i = 0; i < VISITORS_MAX; i++) {
		struct visitor *v = &d->visitors[i];
		unsigned int held = 0;

		for (size_t k = 0; k < VISITORS_MAX; k++)
			held += visitor_same_address(v, &d->visitors[k]);
		if (held > most ||
		    (held == most && v->deadline_ms < loser->deadline_ms)) {
			most = held;
			loser = v;
		}
	}
	door_refuse(d, loser, "too many handshakes at the same time");
	return loser;
}

static struct visitor *door_place(struct door *d)
{
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (!d->visitors[i].tls)
			return &d->visitors[i];
	return door_evict(d);
}

static void door_welcome(struct door *d, int fd)
{
	struct visitor *v = door_place(d);
	struct tls_params params = { .server = true,
				     .fd = fd,
				     .cred = d->p->cred,
				     .modes = d->p->modes,
				     .raw = d->p->raw };
	struct err e = { ERR_NONE };

	*v = (struct visitor){ .socket.fd = fd, .want = TLS_WANT_READ };
	v->deadline_ms = clock_deadline(d->p->handshake_ms);
	net_peer_name(fd, v->name);
	chan_attach(&v->socket, d->p->ktls);
	v->tls = tls_new(&params, &e);
	if (!v->tls)
		door_refuse(d, v, e.msg);
	else
		log_debug("connection from %s", v->name);
}

static void door_accept(struct door *d, int listen_fd)
{
	int fd = net_accept(listen_fd);

	if (fd >= 0) {
		door_welcome(d, fd);
		return;
	}
	/* A connection that is gone again, or one that we cannot take now. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
	    errno == ENOBUFS) {
		log_notice("cannot accept a connection: %s", strerror(errno));
		d->accept_after_ms = clock_deadline(ACCEPT_PAUSE_MS);
	}
}

/* Tell a visitor that authenticated why it is refused all the same. */
static int door_say_no(struct visitor *v, enum frame_refusal refusal,
		       struct err *e)
{
	struct frame f = { .type = FRAME_WELCOME,
			   .welcome = { .version = FRAME_VERSION,
					.refusal = refusal } };
	struct err ignored = { ERR_NONE };

	if (greet_send(v->tls, v->socket.fd, &f, clock_deadline(REFUSE_MS),
		       &ignored) < 0)
		log_debug("%s", ignored.msg);
	tls_alert(v->tls, REC_CLOSE_NOTIFY);
	return err_set(e, ERR_AUTH, 0, "%s", frame_refusal_text(refusal));
}

static int door_greet(struct door *d, struct visitor *v, bool *done,
		      struct err *e)
{
	struct frame f;

	v->want = TLS_WANT_READ;
	if (greet_recv(v->tls, &v->reader, FRAME_HELLO, &f, done, e) < 0)
		return -1;
	if (!*done)
		return 0;
	v->hello = f.hello;
	if (f.hello.version != FRAME_VERSION)
		return door_say_no(v, FRAME_REFUSED_VERSION, e);
	if (f.hello.role == d->p->role)
		return door_say_no(v, FRAME_REFUSED_ROLE, e);
	return 0;
}

static int door_handshake(struct door *d, struct visitor *v, bool *done,
			  struct err *e)
{
	if (!v->greeting) {
		if (tls_handshake(v->tls, &v->want, e) < 0)
			return -1;
		if (v->want != TLS_DONE)
			return 0;
		v->greeting = true;
		*done = d->p->raw;
	}
	return *done ? 0 : door_greet(d, v, done, e);
}

/* Go on with one visitor.  Returns whether it is to be let in. */
static bool door_advance(struct door *d, struct visitor *v)
{
	struct err e = { ERR_NONE };
	bool done = false;

	if (door_handshake(d, v, &done, &e) < 0) {
		door_refuse(d, v, e.msg);
		return false;
	}
	return done;
}

static void door_take(struct visitor *v, struct door_guest *guest)
{
	log_info("peer %s, %s", v->name, tls_mode(v->tls)->title);
	*guest = (struct door_guest){ .socket = v->socket,
				      .tls = v->tls,
				      .hello = v->hello };
	v->tls = NULL;
}

/* fds: first the listening sockets, then one for each visitor. */
static int door_poll(struct door *d, struct pollfd *fds, uint64_t until_ms,
		     struct err *e)
{
	const struct net_listener *l = d->p->listener;
	bool accepting = clock_now_ms() >= d->accept_after_ms;

	if (!accepting)
		until_ms = clock_earlier(until_ms, d->accept_after_ms);
	for (size_t i = 0; i < l->count; i++)
		fds[i] = (struct pollfd){ .fd = accepting ? l->fds[i] : -1,
					  .events = POLLIN };
	for (size_t i = 0; i < VISITORS_MAX; i++) {
		const struct visitor *v = &d->visitors[i];

		fds[l->count + i] = (struct pollfd){
			.fd = v->tls ? v->socket.fd : -1,
			.events = v->want == TLS_WANT_WRITE ? POLLOUT : POLLIN,
		};
		if (v->tls)
			until_ms = clock_earlier(until_ms, v->deadline_ms);
	}
	if (poll(fds, l->count + VISITORS_MAX, clock_poll_ms(until_ms)) >= 0)
		return 0;
	if (errno != EINTR)
		return err_set(e, ERR_BUG, errno, "poll");
	memset(fds, 0, (l->count + VISITORS_MAX) * sizeof *fds);
	return 0;
}

/* Returns whether somebody was let in. */
static bool door_serve(struct door *d, const struct pollfd *fds,
		       struct door_guest *guest)
{
	const struct net_listener *l = d->p->listener;
	uint64_t now = clock_now_ms();

	for (size_t i = 0; i < VISITORS_MAX; i++) {
		struct visitor *v = &d->visitors[i];

		if (!v->tls)
			continue;
		if (fds[l->count + i].revents && door_advance(d, v)) {
			door_take(v, guest);
			return true;
		}
		if (v->tls && now >= v->deadline_ms)
			door_refuse(d, v, "the handshake took too long");
	}
	for (size_t i = 0; i < l->count; i++)
		if (fds[i].revents)
			door_accept(d, l->fds[i]);
	return false;
}

int door_wait(const struct door_params *p, struct door_guest *guest,
	      struct err *e)
{
	uint64_t deadline = clock_deadline(p->wait_ms);
	struct pollfd fds[NET_LISTENERS_MAX + VISITORS_MAX];
	struct door d = { .p = p, .log_since_ms = clock_now_ms() };
	int ret = -1;

	for (;;) {
		if (clock_now_ms() >= deadline) {
			err_set(e, ERR_NET, 0,
				"nobody came within the time of --wait");
			break;
		}
		if (door_poll(&d, fds, deadline, e) < 0)
			break;
		if (door_serve(&d, fds, guest)) {
			ret = 0;
			break;
		}
	}
	door_log_summary(&d);
	for (size_t i = 0; i < VISITORS_MAX; i++)
		if (d.visitors[i].tls)
			visitor_drop(&d.visitors[i]);
	return ret;
}
