// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/link_door.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "conn/door.h"
#include "conn/greet.h"

struct link_door {
	struct link link; /* first: a link is this */
	struct door *door;
	struct door_stream stream;
	uint8_t handle[FRAME_ID_BYTES]; /* of the stream */
	uint64_t deadline_ms; /* of --wait */
	const struct net_listener *listener;
	bool connected; /* as the process was told that hands connections over */
};

static struct link_door *link_door_of(struct link *l)
{
	return (struct link_door *)l;
}

static void guest_drop(struct door_guest *g)
{
	tls_free(g->tls);
	close(g->socket.fd);
}

/*
 * The WELCOME has left our buffers before the kernel takes over.  offset: where
 * a receiver is, or how far a sender's input goes.
 */
static int link_door_welcome(const struct link_config *o, struct door_guest *g,
			     uint64_t offset, bool rotates,
			     const uint8_t *handle, struct err *e)
{
	struct frame f = { .type = FRAME_WELCOME };

	if (o->raw)
		return 0;
	f.welcome = (struct frame_welcome){
		.version = FRAME_VERSION,
		.refusal = FRAME_ACCEPTED,
		.role = link_frame_role(o),
		.offset = offset,
		.store_bytes = link_store_bytes(o),
		.record_limit = link_record_limit(o),
		.rotate_at = rotates ? offset : 0,
		.retry_ms = retry_agree(o->retry_ms, g->hello.retry_ms),
	};
	if (handle)
		memcpy(f.welcome.handle, handle, FRAME_ID_BYTES);
	return greet_send(g->tls, g->socket.fd, &f,
			  clock_deadline(o->handshake_ms), e);
}

static int link_door_use(struct link *l, struct door_guest *g, uint64_t offset,
			 bool rotates, struct err *e)
{
	l->number = g->hello.connection;
	return link_use(l, g->tls, &g->socket, g->name, offset, rotates, e);
}

/* The first that is still there when it is welcomed gets the stream. */
static int link_door_begin(struct link *l, struct door_guest *g, struct err *e)
{
	struct link_door *d = link_door_of(l);
	const struct link_peer peer = { .store_bytes = g->hello.store_bytes,
					.retry_ms = g->hello.retry_ms,
					.record_limit = g->hello.record_limit,
					.handle = d->handle };

	if (link_door_welcome(l->p.config, g, 0, false, d->handle, e) < 0 ||
	    link_agree(l, g->tls, &peer, e) < 0) {
		log_notice("a peer went away again: %s", e->msg);
		*e = (struct err){ 0 };
		guest_drop(g);
		return 0;
	}
	memcpy(l->stream, g->hello.stream, sizeof l->stream);
	d->stream = (struct door_stream){ .resumes = link_resumes(l),
					  .id = l->stream,
					  .connection = g->hello.connection,
					  .source = g->source };
	if (!l->p.config->raw && l->p.cred) {
		cred_admit(l->p.cred, &l->ticket);
		d->stream.ticket = &l->ticket;
	}
	door_serve(d->door, &d->stream);
	return link_door_use(l, g, 0, false, e);
}

/*
 * The peer wants fresh keys: both connections live, until the receiver has got
 * from the old one what was sent before the greeting.
 */
static int link_door_rotate(struct link *l, struct door_guest *g,
			    const struct link_span *span, struct err *e)
{
	bool sends = l->role == CHAN_SENDER;
	uint64_t at = sends ? span->at : g->hello.rotate_at;

	if (at < span->at) {
		log_notice("%s wants fresh keys from byte %" PRIu64
			   " on, which is past",
			   g->name, at);
		guest_drop(g);
		return 0;
	}
	if (link_door_welcome(l->p.config, g, at, true, NULL, e) < 0)
		guest_drop(g);
	else if (link_door_use(l, g, at, true, e) == 0)
		return 0;
	return link_spoilt(l, e);
}

/*
 * The stream's peer is back, whether we knew that it was away or not: the old
 * connection is over from here on.
 */
static void link_door_resume(struct link *l, struct door_guest *g,
			     const struct link_span *span)
{
	uint64_t offset = l->role == CHAN_SENDER ? g->hello.offset : span->low;
	struct err e = { 0 };
	uint64_t said;

	if (offset < span->low || offset > span->high) {
		log_notice("%s wants to go on at byte %" PRIu64
			   ", which is not kept",
			   g->name, offset);
		guest_drop(g);
		return;
	}
	said = l->role == CHAN_SENDER ? span->high : offset;
	if (l->chan)
		err_set(&l->why, ERR_STREAM, 0,
			"the peer gave its connection up");
	link_close(l);
	l->peer_sent = g->hello.offset;
	if (link_door_welcome(l->p.config, g, said, false, NULL, &e) < 0)
		guest_drop(g);
	else if (link_door_use(l, g, offset, false, &e) == 0)
		return;
	/* Cut again before it was of use: it will be back. */
	log_debug("%s: %s", g->name, e.msg);
	link_miss(l);
}

static int link_door_return(struct link *l, struct door_guest *g,
			    const struct link_span *span, struct err *e)
{
	link_door_of(l)->stream.connection = g->hello.connection;
	link_door_of(l)->stream.source = g->source;
	/* A receiver that wants fresh keys again is done with the old ones. */
	if (g->hello.rotate_at && l->role == CHAN_SENDER)
		link_arrived(l, g->hello.offset);
	if (g->hello.rotate_at && l->chan && !l->old)
		return link_door_rotate(l, g, span, e);
	if (link_resumes(l))
		link_door_resume(l, g, span);
	else
		guest_drop(g);
	return 0;
}

/* Who has no connection may have to give way to another stream. */
static void link_door_tell(struct link_door *d)
{
	bool connected = d->link.chan;

	if (d->listener->handed && connected != d->connected)
		net_tell(d->listener, connected);
	d->connected = connected;
}

static int link_door_run(struct link *l, const struct link_span *span,
			 struct err *e)
{
	struct link_door *d = link_door_of(l);
	struct door_guest guest;

	while (door_step(d->door, &guest)) {
		if ((l->count ? link_door_return(l, &guest, span, e)
			      : link_door_begin(l, &guest, e)) < 0)
			return -1;
	}
	if (door_check(d->door, e) < 0)
		return -1;
	link_door_tell(d);
	l->due_ms = door_due(d->door);
	if (l->count)
		return 0;
	l->due_ms = clock_earlier(l->due_ms, d->deadline_ms);
	if (clock_now_ms() >= d->deadline_ms)
		return err_set(e, ERR_NET, 0,
			       "nobody came within the time of --wait");
	return 0;
}

static void link_door_lost(struct link *l)
{
	link_door_tell(link_door_of(l));
}

static void link_door_free(struct link *l)
{
	struct link_door *d = link_door_of(l);

	door_close(d->door);
	free(d);
}

static const struct link_ops link_door_ops = {
	.run = link_door_run,
	.lost = link_door_lost,
	.free = link_door_free,
};

int link_door_draw(uint8_t handle[static FRAME_ID_BYTES], struct err *e)
{
	return io_random(handle, FRAME_ID_BYTES, e);
}

static struct link_door *link_door_alloc(const struct link_params *p,
					 const struct net_listener *l,
					 struct err *e)
{
	struct door_params door = { .listener = l,
				    .cred = p->cred,
				    .password = p->password,
				    .modes = p->modes,
				    .ktls = p->ktls,
				    .raw = p->config->raw,
				    .role = link_frame_role(p->config),
				    .allow_self = p->config->allow_self,
				    .handshake_ms = p->config->handshake_ms };
	struct link_door *d = calloc(1, sizeof *d);

	if (!d) {
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	link_init(&d->link, &link_door_ops, p);
	d->listener = l;
	d->door = door_open(&door, e);
	if (!d->door) {
		free(d);
		return NULL;
	}
	d->link.fd = door_fd(d->door);
	d->link.due_ms = clock_now_ms();
	d->deadline_ms = CLOCK_NEVER;
	return d;
}

struct link *link_door_new(const struct link_params *p,
			   const struct net_listener *l, struct err *e)
{
	struct link_door *d = link_door_alloc(p, l, e);

	if (!d)
		return NULL;
	d->deadline_ms = clock_deadline(p->config->wait_ms);
	if (link_door_draw(d->handle, e) < 0) {
		link_free(&d->link);
		return NULL;
	}
	return &d->link;
}

struct link *link_door_take(const struct link_params *p,
			    const struct net_listener *l, struct door_guest *g,
			    const uint8_t handle[static FRAME_ID_BYTES],
			    struct err *e)
{
	struct link_door *d = link_door_alloc(p, l, e);

	if (!d) {
		guest_drop(g);
		return NULL;
	}
	memcpy(d->handle, handle, sizeof d->handle);
	if (link_door_begin(&d->link, g, e) == 0 && d->link.chan) {
		d->connected = true;
		return &d->link;
	}
	if (!e->kind)
		err_set(e, ERR_NET, 0, "there is no stream");
	link_free(&d->link);
	return NULL;
}
