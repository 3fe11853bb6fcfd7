// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/connection.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "conn/net.h"
#include "tls/ktls.h"
#include "tls/sock_diag.h"

enum {
	ABORT_MS = 2000, /* for the peer to read our alert */
	GAVE_UP_MS = 100, /* the same, if the peer gave up before us */
	DISCARDS = 64, /* reads before the next look at the clock */
};

struct connection {
	struct connection_socket socket;
	struct connection_params p; /* checks: still */
	struct record_layer *layer;
	bool said; /* close_notify is in our buffer */
	unsigned int closes; /* receiver: close_notify came so often */
	const char *path;
	struct frame_reader reader;
};

void connection_attach(struct connection_socket *s, enum connection_ktls when)
{
	s->attached = when != CONNECTION_KTLS_OFF &&
		      ktls_attach(s->fd, &s->why_not) == 0;
}

/* The bulk direction */
static enum record_direction connection_bulk(const struct connection *c)
{
	return c->p.role == FRAME_SENDS ? RECORD_TX : RECORD_RX;
}

bool connection_in_kernel(const struct connection *c)
{
	return record_layer_in_kernel(c->layer, connection_bulk(c));
}

/* Log which path makes the records, as the kernel reports it. */
static int connection_report(struct connection *c, struct err *e)
{
	bool tx = c->p.role == FRAME_SENDS;
	struct err ignored = { 0 };
	struct sock_diag_tls diag = { SOCK_DIAG_UNKNOWN, SOCK_DIAG_UNKNOWN };
	bool kernel = connection_in_kernel(c);
	enum sock_diag_conf conf;

	if (kernel && sock_diag_tls(c->socket.fd, &diag, &ignored) < 0)
		log_debug("%s", ignored.msg);
	conf = tx ? diag.tx : diag.rx;
	if (kernel && conf == SOCK_DIAG_BASE)
		return err_set(e, ERR_KTLS, 0,
			       "the kernel took the keys but does not use "
			       "them");
	c->path = !kernel		 ? "user"
		  : conf == SOCK_DIAG_SW ? "kernel-sw"
		  : conf >= SOCK_DIAG_HW ? "kernel-hw"
					 : "kernel";
	if (connection_mode(c) == &mode_none) {
		log_info("no TLS: %s, nothing is encrypted", tx ? "tx" : "rx");
		return 0;
	}
	log_info("%s TLS: %s%s, %s", kernel ? "kernel" : "user-space",
		 tx ? "tx" : "rx",
		 conf == SOCK_DIAG_SW  ? " sw"
		 : conf > SOCK_DIAG_SW ? " hw"
				       : "",
		 connection_mode(c)->title);
	return 0;
}

/* Was the lack of kernel TLS reported?  Once per process is enough. */
static bool told;

void connection_told_user_space(void)
{
	told = true;
}

void connection_tell_user_space(const struct err *why)
{
	(told ? log_debug : log_notice)("%s; going on in user space", why->msg);
	told = true;
}

static int connection_choose_path(struct connection *c, struct err *e)
{
	enum record_direction bulk = connection_bulk(c);
	struct err why = c->socket.why_not;

	/* Data followed HELLO or WELCOME in the same record. */
	if (record_layer_pending_read(c->layer))
		return err_set(e, ERR_AUTH, 0, "the peer sent data too early");
	if (record_layer_keep(c->layer, !bulk, false, e) < 0)
		return -1;
	if (c->socket.attached &&
	    record_layer_to_kernel(c->layer, bulk, &why) == 0)
		return 0;
	/* Keys that the kernel has already cannot be taken back. */
	if (connection_in_kernel(c) || c->p.when == CONNECTION_KTLS_REQUIRE ||
	    why.kind == ERR_BUG) {
		*e = why;
		return -1;
	}
	if (c->p.when == CONNECTION_KTLS_AUTO)
		connection_tell_user_space(&why);
	return record_layer_keep(c->layer, bulk, true, e);
}

int connection_start(struct connection *c, struct err *e)
{
	c->p.checks = false;
	if (connection_choose_path(c, e) < 0)
		return -1;
	return connection_report(c, e);
}

struct connection *connection_open(struct record_layer *rl,
				   const struct connection_socket *s,
				   const struct connection_params *p,
				   struct err *e)
{
	struct connection *c = err_alloc(sizeof *c, e);

	if (!c) {
		record_layer_free(rl);
		close(s->fd);
		return NULL;
	}
	*c = (struct connection){
		.socket = *s, .p = *p, .layer = rl, .path = "user"
	};
	if (!p->checks && connection_start(c, e) < 0) {
		connection_abort(c);
		connection_close(c);
		return NULL;
	}
	return c;
}

void connection_close(struct connection *c)
{
	if (!c)
		return;
	close(c->socket.fd);
	record_layer_free(c->layer);
	free(c);
}

void connection_close_hard(struct connection *c)
{
	if (!c)
		return;
	net_reset_on_close(c->socket.fd);
	connection_close(c);
}

int connection_fd(const struct connection *c)
{
	return c->socket.fd;
}

const char *connection_path(const struct connection *c)
{
	return c->path;
}

const struct mode *connection_mode(const struct connection *c)
{
	return record_layer_agreed(c->layer)->mode;
}

/*
 * During a stream all network and authentication errors are ERR_STREAM, also if
 * a raw server refuses our certificate only now.
 */
static int connection_result(int ret, struct err *e)
{
	if (ret < 0 && (e->kind == ERR_NET || e->kind == ERR_AUTH))
		e->kind = ERR_STREAM;
	return ret;
}

void connection_set_lost(struct connection *c)
{
	record_layer_set_lost(c->layer);
}

bool connection_lost(const struct connection *c)
{
	return record_layer_lost(c->layer);
}

int connection_send(struct connection *c, uint8_t *buf, size_t len,
		    size_t *done, struct err *e)
{
	assert(c->p.role == FRAME_SENDS);
	return connection_result(record_layer_send(c->layer, buf, len, done, e),
				 e);
}

int connection_splice_from(struct connection *c, int pipe_fd, size_t len,
			   size_t *done, struct err *e)
{
	assert(c->p.role == FRAME_SENDS && connection_in_kernel(c));
	return connection_result(
		record_layer_splice_from(c->layer, pipe_fd, len, done, e), e);
}

int connection_sendfile(struct connection *c, int file_fd, uint64_t offset,
			size_t len, size_t *done, struct err *e)
{
	assert(c->p.role == FRAME_SENDS && connection_in_kernel(c));
	return connection_result(
		record_layer_sendfile(c->layer, file_fd, offset, len, done, e),
		e);
}

uint64_t connection_records(struct connection *c, uint64_t enough)
{
	return record_layer_records(c->layer, connection_bulk(c), enough);
}

bool connection_pending(const struct connection *c)
{
	return record_layer_pending(c->layer);
}

int connection_flush(struct connection *c, bool *empty, struct err *e)
{
	return connection_result(record_layer_flush(c->layer, empty, e), e);
}

int connection_end(struct connection *c, bool *done, struct err *e)
{
	if (!c->said && record_layer_put_alert(c->layer, RECORD_CLOSE_NOTIFY,
					       &c->said, e) < 0)
		return connection_result(-1, e);
	if (connection_flush(c, done, e) < 0)
		return -1;
	*done &= c->said;
	return 0;
}

static int connection_bad_frame(struct err *e)
{
	return err_set(e, ERR_STREAM, 0, "the peer sent a malformed frame");
}

/* Drop bytes of a raw receiver, which mean nothing. */
static int connection_drop(struct connection *c, bool *got, bool *closed,
			   struct err *e)
{
	char dropped[CONNECTION_RECV_MIN];
	struct record_layer_io io;

	if (record_layer_recv(c->layer, dropped, sizeof dropped, &io, e) < 0)
		return connection_result(-1, e);
	*got = io.bytes;
	*closed = io.closed;
	return 0;
}

/* Read the next frame; *got: f holds it; *closed: close_notify came instead. */
static int connection_read_frame(struct connection *c, struct frame *f,
				 bool *got, bool *closed, struct err *e)
{
	struct frame_reader *r = &c->reader;
	struct record_layer_io io;
	size_t want;

	*got = *closed = false;
	while ((want = frame_reader_wants(r)) > 0) {
		if (record_layer_recv(c->layer, r->bytes + r->have, want, &io,
				      e) < 0)
			return connection_result(-1, e);
		*closed = io.closed;
		if (!io.bytes)
			return 0;
		r->have += io.bytes;
	}
	r->have = 0;
	if (frame_decode(r->bytes, f) < 0)
		return connection_bad_frame(e);
	*got = true;
	return 0;
}

int connection_recv_frame(struct connection *c, struct frame *f, bool *got,
			  bool *closed, struct err *e)
{
	assert(c->p.role == FRAME_SENDS);
	return c->p.raw ? connection_drop(c, got, closed, e)
			: connection_read_frame(c, f, got, closed, e);
}

int connection_send_frame(struct connection *c, const struct frame *f,
			  bool *taken, struct err *e)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t size = frame_encode(f, bytes);

	assert(c->p.role == FRAME_RECEIVES || c->p.checks);
	return connection_result(
		record_layer_put(c->layer, bytes, size, taken, e), e);
}

bool connection_checks(const struct connection *c)
{
	return c->p.checks;
}

/* Nothing may end a comparison but its result or a lost connection. */
int connection_recv_checking(struct connection *c, struct frame *f, bool *got,
			     struct err *e)
{
	bool closed;

	assert(c->p.role == FRAME_RECEIVES && c->p.checks);
	if (connection_read_frame(c, f, got, &closed, e) < 0)
		return -1;
	if (closed) {
		connection_set_lost(c);
		return err_set(e, ERR_STREAM, 0, "the connection was lost");
	}
	return *got && f->type != FRAME_CHECKING ? connection_bad_frame(e) : 0;
}

bool connection_gave_up(const struct connection *c)
{
	return record_layer_alert(c->layer);
}

static void connection_found(struct connection *c,
			     const struct record_layer_io *found,
			     struct connection_io *io)
{
	io->bytes = found->bytes;
	if (found->closed)
		io->mark = c->closes++ ? CONNECTION_CONFIRMED : CONNECTION_END;
}

int connection_recv(struct connection *c, void *buf, size_t len,
		    struct connection_io *io, struct err *e)
{
	struct record_layer_io found;

	assert(c->p.role == FRAME_RECEIVES && len >= CONNECTION_RECV_MIN);
	*io = (struct connection_io){ 0 };
	if (record_layer_recv(c->layer, buf, len, &found, e) < 0)
		return connection_result(-1, e);
	connection_found(c, &found, io);
	return 0;
}

int connection_splice_to(struct connection *c, int pipe_fd, size_t len,
			 struct connection_io *io, struct err *e)
{
	struct record_layer_io found;

	assert(c->p.role == FRAME_RECEIVES && connection_in_kernel(c));
	*io = (struct connection_io){ 0 };
	if (record_layer_splice_to(c->layer, pipe_fd, len, &found, e) < 0)
		return connection_result(-1, e);
	connection_found(c, &found, io);
	return 0;
}

/* Read and discard, at most DISCARDS times.  Returns false at the end. */
static bool connection_discard(struct connection *c)
{
	char discarded[RECORD_MAX];
	unsigned int type, left = DISCARDS;
	ssize_t n;

	do
		n = record_layer_in_kernel(c->layer, RECORD_RX)
			    ? ktls_recv_record(c->socket.fd, &type, discarded,
					       sizeof discarded)
			    : recv(c->socket.fd, discarded, sizeof discarded,
				   MSG_DONTWAIT);
	while (--left && (n > 0 || (n < 0 && errno == EINTR)));
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

void connection_linger(struct connection *c, uint64_t timeout_ms)
{
	uint64_t deadline = clock_deadline(timeout_ms);
	struct err ignored = { 0 };
	bool empty = true;

	while (clock_now_ms() < deadline) {
		struct pollfd p = { .fd = c->socket.fd, .events = POLLIN };

		if (connection_pending(c) &&
		    connection_flush(c, &empty, &ignored) < 0)
			return;
		if (connection_pending(c))
			p.events |= POLLOUT;
		if (poll(&p, 1, clock_poll_ms(deadline)) < 0 && errno != EINTR)
			return;
		if ((p.revents & ~POLLOUT) && !connection_discard(c))
			return;
	}
}

void connection_abort(struct connection *c)
{
	bool gave_up = connection_gave_up(c);

	if (!record_layer_violated(c->layer))
		record_layer_last_alert(c->layer, RECORD_USER_CANCELED);
	/* A peer that gave up only waits for us to close. */
	connection_linger(c, gave_up ? GAVE_UP_MS : ABORT_MS);
}

void connection_confirm(struct connection *c)
{
	assert(c->p.role == FRAME_SENDS);
	for (unsigned int n = c->said; n < 2; n++)
		record_layer_last_alert(c->layer, RECORD_CLOSE_NOTIFY);
	connection_linger(c, ABORT_MS);
}
