// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "conn/net.h"
#include "tls/ktls.h"
#include "tls/records.h"
#include "tls/sock_diag.h"

enum {
	ABORT_MS = 2000, /* for the peer to read our alert */
	GAVE_UP_MS = 100, /* the same, if the peer gave up before us */
	DISCARDS = 64, /* reads before the next look at the clock */
};

struct connection {
	int fd;
	struct tls *tls;
	enum connection_role role;
	enum connection_ktls when;
	bool attached; /* to kernel TLS */
	struct err why_not; /* why it is not attached */
	bool checks; /* CHECKING goes first in the bulk direction */
	bool kernel; /* the bulk direction is the kernel's */
	bool raw;
	struct records *bulk; /* in user space, by us; NULL: kernel or GnuTLS */
	bool said; /* close_notify is in our buffer */
	bool gave_up; /* the peer sent a fatal alert */
	bool final; /* the peer violated the protocol and was told */
	unsigned int empties; /* kernel: empty records in a row */
	unsigned int closes; /* close_notify sent or received so often */
	uint64_t records; /* kernel: upper bound of records */
	bool lost;
	const char *path;
	struct frame_reader reader;
};

void connection_attach(struct connection_socket *s, enum connection_ktls when)
{
	s->attached = when != CONNECTION_KTLS_OFF &&
		      ktls_attach(s->fd, &s->why_not) == 0;
}

/* The bulk direction, as the TLS session names it. */
static enum tls_direction connection_direction(const struct connection *c)
{
	return c->role == CONNECTION_SENDER ? TLS_WRITE : TLS_READ;
}

static int connection_hand_over(struct connection *c, struct err *e)
{
	enum ktls_direction dir = c->role == CONNECTION_SENDER ? KTLS_TX
							       : KTLS_RX;
	autowipe_traffic struct traffic traffic = { 0 };
	const struct mode *mode = tls_mode(c->tls);

	if (tls_traffic(c->tls, connection_direction(c), &traffic, e) < 0)
		return -1;
	if (ktls_install(c->fd, dir, mode, &traffic, e) < 0)
		return -1;
	c->kernel = true;
	tls_give_away(c->tls, connection_direction(c));
	if (dir == KTLS_RX && mode->version == MODE_TLS13 &&
	    !ktls_expect_no_pad(c->fd))
		log_debug("the kernel decrypts with a copy (needs Linux 6.0)");
	return ktls_verify(c->fd, dir, mode, e);
}

/* Log which path makes the records, as the kernel reports it. */
static int connection_report(struct connection *c, struct err *e)
{
	bool tx = c->role == CONNECTION_SENDER;
	struct err ignored = { 0 };
	struct sock_diag_tls diag = { SOCK_DIAG_UNKNOWN, SOCK_DIAG_UNKNOWN };
	enum sock_diag_conf conf;

	if (c->kernel && sock_diag_tls(c->fd, &diag, &ignored) < 0)
		log_debug("%s", ignored.msg);
	conf = tx ? diag.tx : diag.rx;
	if (c->kernel && conf == SOCK_DIAG_BASE)
		return err_set(e, ERR_KTLS, 0,
			       "the kernel took the keys but does not use "
			       "them");
	c->path = !c->kernel		 ? "user"
		  : conf == SOCK_DIAG_SW ? "kernel-sw"
		  : conf >= SOCK_DIAG_HW ? "kernel-hw"
					 : "kernel";
	if (tls_mode(c->tls) == &mode_none) {
		log_info("no TLS: %s, nothing is encrypted", tx ? "tx" : "rx");
		return 0;
	}
	log_info("%s TLS: %s%s%s, %s", c->kernel ? "kernel" : "user-space",
		 tx ? "tx" : "rx", sock_diag_conf_name(conf) ? " " : "",
		 sock_diag_conf_name(conf) ? sock_diag_conf_name(conf) : "",
		 tls_mode(c->tls)->title);
	return 0;
}

/*
 * Open the user-space path.  A raw peer may use any feature of TLS, and mode
 * none has no keys: in both cases the TLS session makes the records.
 */
static int connection_open_records(struct connection *c, struct err *e)
{
	enum tls_direction dir = connection_direction(c);
	autowipe_traffic struct traffic traffic = { 0 };

	if (c->raw || tls_mode(c->tls) == &mode_none)
		return tls_bulk(c->tls, dir, e);
	if (tls_traffic(c->tls, dir, &traffic, e) < 0)
		return -1;
	tls_give_away(c->tls, dir);
	c->bulk = records_new(c->fd, tls_mode(c->tls), &traffic, e);
	return c->bulk ? 0 : -1;
}

/* A notice once per process: for later connections the kernel is the same. */
static bool told;

void connection_told_user_space(void)
{
	told = true;
}

static void connection_log_user_space(const struct err *why)
{
	if (told)
		log_debug("%s; going on in user space", why->msg);
	else
		log_notice("%s; going on in user space", why->msg);
	told = true;
}

static int connection_choose_path(struct connection *c, struct err *e)
{
	struct err why = c->why_not;

	if (c->attached && connection_hand_over(c, &why) == 0)
		return 0;
	/* Keys that the kernel has already cannot be taken back. */
	if (c->kernel || c->when == CONNECTION_KTLS_REQUIRE ||
	    why.kind == ERR_BUG) {
		*e = why;
		return -1;
	}
	if (c->when == CONNECTION_KTLS_AUTO)
		connection_log_user_space(&why);
	return connection_open_records(c, e);
}

int connection_start(struct connection *c, struct err *e)
{
	c->checks = false;
	if (connection_choose_path(c, e) < 0)
		return -1;
	return connection_report(c, e);
}

struct connection *connection_open_checking(struct tls *t,
					    const struct connection_socket *s,
					    enum connection_role role,
					    enum connection_ktls when, bool raw,
					    struct err *e)
{
	struct connection *c = calloc(1, sizeof *c);

	if (!c) {
		tls_free(t);
		close(s->fd);
		err_set(e, ERR_BUG, 0, "out of memory");
		return NULL;
	}
	c->fd = s->fd;
	c->tls = t;
	c->role = role;
	c->raw = raw;
	c->when = when;
	c->attached = s->attached;
	c->why_not = s->why_not;
	c->checks = true;
	c->path = "user";
	return c;
}

struct connection *connection_open(struct tls *t,
				   const struct connection_socket *s,
				   enum connection_role role,
				   enum connection_ktls when, bool raw,
				   struct err *e)
{
	struct connection *c =
		connection_open_checking(t, s, role, when, raw, e);

	if (c && connection_start(c, e) < 0) {
		connection_abort(c);
		connection_close(c);
		return NULL;
	}
	return c;
}

static void connection_free(struct connection *c)
{
	records_free(c->bulk);
	tls_free(c->tls);
	free(c);
}

void connection_close(struct connection *c)
{
	if (!c)
		return;
	close(c->fd);
	connection_free(c);
}

void connection_close_hard(struct connection *c)
{
	if (!c)
		return;
	net_close_hard(c->fd);
	connection_free(c);
}

int connection_fd(const struct connection *c)
{
	return c->fd;
}

const char *connection_path(const struct connection *c)
{
	return c->path;
}

const struct mode *connection_mode(const struct connection *c)
{
	return tls_mode(c->tls);
}

bool connection_in_kernel(const struct connection *c)
{
	return c->kernel;
}

/*
 * During a stream all network and authentication errors are ERR_STREAM.  Except
 * with raw: a client learns only now that its certificate was refused.
 */
static int connection_fail(struct connection *c, struct err *e)
{
	if (e->kind == ERR_NET || (e->kind == ERR_AUTH && !c->raw))
		e->kind = ERR_STREAM;
	return -1;
}

static int connection_fail_lost(struct connection *c, int num, struct err *e)
{
	c->lost = true;
	err_set(e, ERR_STREAM, num, "the connection was lost");
	return connection_fail(c, e);
}

void connection_set_lost(struct connection *c)
{
	c->lost = true;
}

bool connection_lost(const struct connection *c)
{
	return !c->final && (c->lost || tls_lost(c->tls) ||
			     (c->bulk && records_lost(c->bulk)));
}

/* An upper bound: every record has at least one byte. */
static void connection_count(struct connection *c,
			     const struct connection_io *io)
{
	c->records += io->bytes;
}

/* Evaluate the result n of a call that sends on the kernel path. */
static int connection_sent(struct connection *c, ssize_t n,
			   struct connection_io *io, struct err *e)
{
	if (n < 0 && errno != EAGAIN)
		return connection_fail_lost(c, errno, e);
	io->bytes = n > 0 ? (size_t)n : 0;
	connection_count(c, io);
	return 0;
}

int connection_send(struct connection *c, uint8_t *buf, size_t len,
		    struct connection_io *io, struct err *e)
{
	ssize_t n;

	assert(c->role == CONNECTION_SENDER);
	*io = (struct connection_io){ 0 };
	if (!c->kernel) {
		if ((c->bulk ? records_send(c->bulk, buf, len, &io->bytes, e)
			     : tls_send(c->tls, buf, len, &io->bytes, e)) < 0)
			return connection_fail(c, e);
		return 0;
	}
	do
		n = send(c->fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return connection_sent(c, n, io, e);
}

int connection_splice_from(struct connection *c, int pipe_fd, size_t len,
			   struct connection_io *io, struct err *e)
{
	ssize_t n;

	assert(c->role == CONNECTION_SENDER && c->kernel);
	*io = (struct connection_io){ 0 };
	do
		n = splice(pipe_fd, NULL, c->fd, NULL, len, SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	return connection_sent(c, n, io, e);
}

int connection_sendfile(struct connection *c, int file_fd, uint64_t offset,
			size_t len, struct connection_io *io, struct err *e)
{
	off_t at = (off_t)offset;
	ssize_t n;

	assert(c->role == CONNECTION_SENDER && c->kernel);
	*io = (struct connection_io){ 0 };
	do
		n = sendfile(c->fd, file_fd, &at, len);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EINVAL || err_refuses(errno)))
		return err_set(e, ERR_IO, errno, "cannot send a file");
	return connection_sent(c, n, io, e);
}

uint64_t connection_records(struct connection *c, uint64_t enough)
{
	enum ktls_direction dir = c->role == CONNECTION_SENDER ? KTLS_TX
							       : KTLS_RX;
	struct err e = { 0 };

	if (c->bulk)
		return records_records(c->bulk);
	if (!c->kernel)
		return tls_records(c->tls, connection_direction(c));
	if (c->records >= enough &&
	    ktls_records(c->fd, dir, tls_mode(c->tls), &c->records, &e) < 0)
		log_debug("%s", e.msg);
	return c->records;
}

bool connection_pending(const struct connection *c)
{
	if (c->bulk && records_pending(c->bulk))
		return true;
	return tls_pending_write(c->tls);
}

int connection_flush(struct connection *c, bool *empty, struct err *e)
{
	bool sends = c->bulk && c->role == CONNECTION_SENDER;

	if ((sends ? records_flush(c->bulk, empty, e)
		   : tls_flush(c->tls, empty, e)) < 0)
		return connection_fail(c, e);
	return 0;
}

/* Send an alert, in a direction that the kernel does not own. */
static int connection_user_alert(struct connection *c, enum record_alert alert,
				 struct err *e)
{
	if (c->bulk && c->role == CONNECTION_SENDER)
		return records_alert(c->bulk, alert, e);
	tls_alert(c->tls, alert);
	return 0;
}

/* In user space: put close_notify into the buffer once, then flush. */
static int connection_say_close(struct connection *c, bool *done, struct err *e)
{
	if (!c->said && connection_user_alert(c, RECORD_CLOSE_NOTIFY, e) < 0)
		return connection_fail(c, e);
	c->said = true;
	return connection_flush(c, done, e);
}

int connection_end(struct connection *c, bool *done, struct err *e)
{
	uint8_t alert[RECORD_ALERT_BYTES];
	ssize_t n;

	assert(c->role == CONNECTION_SENDER);
	if (!c->kernel) {
		c->closes = 1;
		return connection_say_close(c, done, e);
	}
	/* The kernel closes and pushes an open data record first. */
	record_alert(alert, RECORD_CLOSE_NOTIFY);
	do
		n = ktls_send_record(c->fd, RECORD_ALERT, alert, sizeof alert);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return connection_fail_lost(c, errno, e);
	*done = n > 0;
	c->closes = *done;
	return 0;
}

int connection_control_end(struct connection *c, bool *done, struct err *e)
{
	assert(c->role == CONNECTION_RECEIVER);
	return connection_say_close(c, done, e);
}

/* The socket may be full: wait for room, ABORT_MS at the most. */
static void connection_alert_kernel(struct connection *c,
				    enum record_alert what)
{
	uint64_t deadline = clock_deadline(ABORT_MS);
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };
	uint8_t alert[RECORD_ALERT_BYTES];

	record_alert(alert, what);
	while (ktls_send_record(c->fd, RECORD_ALERT, alert, sizeof alert) < 0) {
		if ((errno != EAGAIN && errno != EINTR) ||
		    poll(&p, 1, clock_poll_ms(deadline)) <= 0) {
			log_debug("alert %s not sent: %s",
				  record_alert_name(what), strerror(errno));
			return;
		}
	}
}

static void connection_last_alert(struct connection *c, enum record_alert what)
{
	struct err e = { 0 };

	if (c->role == CONNECTION_SENDER && c->kernel)
		connection_alert_kernel(c, what);
	else if (connection_user_alert(c, what, &e) < 0)
		log_debug("alert %s not sent: %s", record_alert_name(what),
			  e.msg);
}

/* A TLS session failed to read.  A sender still has to send the alert. */
static int connection_session_failed(struct connection *c, struct err *e)
{
	enum record_alert alert;

	if (!tls_violated(c->tls, &alert))
		return connection_fail(c, e);
	if (c->role == CONNECTION_SENDER)
		connection_last_alert(c, alert);
	c->final = true;
	return -1;
}

static int connection_bad_frame(struct err *e)
{
	return err_set(e, ERR_STREAM, 0, "the peer sent a malformed frame");
}

/* Bytes that a raw receiver sends have no meaning: drop them. */
static int connection_drop_raw(struct connection *c, bool *closed,
			       struct err *e)
{
	char dropped[512];
	size_t n;

	do
		if (tls_recv(c->tls, dropped, sizeof dropped, &n, closed, e) <
		    0)
			return connection_session_failed(c, e);
	while (n);
	return 0;
}

int connection_recv_frame(struct connection *c, struct frame *f, bool *got,
			  bool *closed, struct err *e)
{
	struct frame_reader *r = &c->reader;
	size_t want, n;

	assert(c->role == CONNECTION_SENDER);
	*got = *closed = false;
	if (c->raw)
		return connection_drop_raw(c, closed, e);
	while ((want = frame_reader_wants(r)) > 0) {
		if (tls_recv(c->tls, r->bytes + r->have, want, &n, closed, e) <
		    0)
			return connection_session_failed(c, e);
		if (!n)
			return 0;
		r->have += n;
	}
	r->have = 0;
	if (frame_decode(r->bytes, f) < 0)
		return connection_bad_frame(e);
	*got = true;
	return 0;
}

int connection_send_frame(struct connection *c, const struct frame *f,
			  bool *taken, struct err *e)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t size = frame_encode(f, bytes), done;

	assert(c->role == CONNECTION_RECEIVER);
	if (tls_send(c->tls, bytes, size, &done, e) < 0)
		return connection_fail(c, e);
	*taken = done == size; /* a frame is one record: all or nothing */
	return 0;
}

bool connection_checks(const struct connection *c)
{
	return c->checks;
}

int connection_send_checking(struct connection *c, const struct frame *f,
			     bool *taken, struct err *e)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t size = frame_encode(f, bytes), done;

	assert(c->role == CONNECTION_SENDER && c->checks);
	if (tls_send(c->tls, bytes, size, &done, e) < 0)
		return connection_fail(c, e);
	*taken = done == size;
	return 0;
}

/* Nothing may end a comparison but its result, or the loss of the connection. */
int connection_recv_checking(struct connection *c, struct frame *f, bool *got,
			     struct err *e)
{
	struct frame_reader *r = &c->reader;
	size_t want, n;
	bool closed;

	assert(c->role == CONNECTION_RECEIVER && c->checks);
	*got = false;
	while ((want = frame_reader_wants(r)) > 0) {
		if (tls_recv(c->tls, r->bytes + r->have, want, &n, &closed, e) <
		    0)
			return connection_session_failed(c, e);
		if (closed)
			return connection_fail_lost(c, 0, e);
		if (!n)
			return 0;
		r->have += n;
	}
	r->have = 0;
	if (frame_decode(r->bytes, f) < 0 || f->type != FRAME_CHECKING)
		return connection_bad_frame(e);
	*got = true;
	return 0;
}

bool connection_gave_up(const struct connection *c)
{
	return c->gave_up || tls_gave_up(c->tls);
}

/* Send the alert, after clearing the socket's error, which would fail it. */
static int connection_refuse(struct connection *c, enum record_alert alert,
			     struct err *e)
{
	int ignored;
	socklen_t len = sizeof ignored;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &ignored, &len);
	tls_alert(c->tls, alert);
	return connection_fail(c, e);
}

/* The kernel rejected a record. */
static int connection_bad_record(struct connection *c, int num, struct err *e)
{
	if (num == EBADMSG || num == EMSGSIZE || num == EINVAL) {
		c->lost = true;
		err_set(e, ERR_STREAM, 0,
			"record authentication failed: forged or corrupted in "
			"transit (bad_record_mac)");
		return connection_refuse(c, RECORD_BAD_RECORD_MAC, e);
	}
	return connection_fail_lost(c, num, e);
}

static void connection_on_close_notify(struct connection *c,
				       struct connection_io *io)
{
	io->mark = c->closes++ ? CONNECTION_CONFIRMED : CONNECTION_END;
}

/*
 * The authenticated peer itself violated the protocol: another connection would
 * not help.  Send the alert and make the error final.
 */
static int connection_violated(struct connection *c, enum record_alert alert,
			       struct err *e)
{
	c->final = true;
	e->kind = ERR_STREAM;
	err_append(e, " (alert %s)", record_alert_name((uint8_t)alert));
	return connection_refuse(c, alert, e);
}

static int connection_bad_control(struct connection *c, unsigned int type,
				  enum record_alert alert, struct err *e)
{
	err_set(e, ERR_STREAM, 0,
		alert == RECORD_UNEXPECTED_MESSAGE
			? "the peer sent a record of unexpected type %u"
			: "the peer sent a malformed record of type %u",
		type);
	return connection_violated(c, alert, e);
}

/* A complete record that is not data; body is what was read of it. */
static int connection_control_record(struct connection *c, unsigned int type,
				     const uint8_t *body, size_t len,
				     struct connection_io *io, struct err *e)
{
	uint8_t alert;

	switch (record_parse(type, body, len, &alert)) {
	case RECORD_MEANS_END:
		connection_on_close_notify(c, io);
		return 0;
	case RECORD_MEANS_ABORT:
		c->gave_up = true;
		/* Damage on the way to the peer is not our fault: resume. */
		c->lost |= alert == RECORD_BAD_RECORD_MAC;
		err_set(e, ERR_STREAM, 0, "the peer gave up (alert %s)",
			record_alert_name(alert));
		return connection_fail(c, e);
	case RECORD_MEANS_TICKET:
		if (c->raw)
			return 0;
		alert = RECORD_UNEXPECTED_MESSAGE;
		break;
	case RECORD_MEANS_REKEY:
		err_set(e, ERR_STREAM, 0,
			c->raw ? "the peer changed its keys (KeyUpdate), which "
				 "kernel TLS cannot follow here; --ktls off can"
			       : "the peer changed its keys (KeyUpdate), which "
				 "this protocol does not use");
		return connection_violated(c, RECORD_UNEXPECTED_MESSAGE, e);
	case RECORD_MEANS_VIOLATION:
		break;
	}
	return connection_bad_control(c, type, alert, e);
}

/* The kernel reports an empty record only before one of another type. */
static int connection_empty_record(struct connection *c, struct err *e)
{
	if (++c->empties <= RECORD_EMPTY_MAX)
		return 0;
	err_set(e, ERR_STREAM, 0,
		"the peer sent more than %d empty records in a row",
		RECORD_EMPTY_MAX);
	return connection_violated(c, RECORD_UNEXPECTED_MESSAGE, e);
}

/* *took: there was a record, though it may have held nothing to report. */
static int connection_take_record(struct connection *c, void *buf, size_t len,
				  bool *took, struct connection_io *io,
				  struct err *e)
{
	unsigned int type;
	ssize_t n;

	do
		n = ktls_recv_record(c->fd, &type, buf, len);
	while (n < 0 && errno == EINTR);
	*took = n >= 0;
	if (n == 0 && type == RECORD_DATA)
		return connection_empty_record(c, e);
	c->empties = 0;
	if (n < 0)
		return errno == EAGAIN ? 0 : connection_bad_record(c, errno, e);
	if (n == 0 && type == RECORD_NONE) {
		c->lost = true;
		err_set(e, ERR_STREAM, 0,
			"the connection closed without close_notify");
		return connection_fail(c, e);
	}
	if (type != RECORD_DATA)
		return connection_control_record(c, type, buf, (size_t)n, io,
						 e);
	io->bytes = (size_t)n;
	connection_count(c, io);
	return 0;
}

static int connection_recv_kernel(struct connection *c, void *buf, size_t len,
				  struct connection_io *io, struct err *e)
{
	bool took;

	return connection_take_record(c, buf, len, &took, io, e);
}

static int connection_recv_records(struct connection *c, void *buf, size_t len,
				   struct connection_io *io, struct err *e)
{
	enum record_alert alert;
	unsigned int type;
	size_t n;

	if (records_recv(c->bulk, &type, buf, len, &n, e) < 0) {
		if (records_forged(c->bulk))
			return connection_refuse(c, RECORD_BAD_RECORD_MAC, e);
		if (records_violated(c->bulk, &alert))
			return connection_violated(c, alert, e);
		return connection_fail(c, e);
	}
	if (type != RECORD_DATA)
		return connection_control_record(c, type, buf, n, io, e);
	io->bytes = n;
	return 0;
}

int connection_recv(struct connection *c, void *buf, size_t len,
		    struct connection_io *io, struct err *e)
{
	bool end;

	assert(c->role == CONNECTION_RECEIVER && len >= CONNECTION_RECV_MIN);
	*io = (struct connection_io){ 0 };
	if (c->kernel)
		return connection_recv_kernel(c, buf, len, io, e);
	if (c->bulk)
		return connection_recv_records(c, buf, len, io, e);
	if (tls_recv(c->tls, buf, len, &io->bytes, &end, e) < 0)
		return connection_session_failed(c, e);
	if (end)
		connection_on_close_notify(c, io);
	return 0;
}

/*
 * splice(2) moved nothing.  invalid (EINVAL): the next record is not data, or
 * not a record.  Otherwise: an empty record, or the end.  recvmsg(2) tells which.
 * The kernel gives EINVAL for a bad header only once; if recvmsg(2) then has
 * nothing to read we would wait for ever, so that is a bad record too.  After an
 * empty record recvmsg(2) may return data, of one record; the empty pipe has
 * room for it.
 */
static int connection_splice_stopped(struct connection *c, bool invalid,
				     int pipe_fd, struct connection_io *io,
				     struct err *e)
{
	uint8_t body[CONNECTION_RECV_MIN];
	bool took;

	if (connection_take_record(c, body, sizeof body, &took, io, e) < 0)
		return -1;
	if (invalid && (io->bytes || !took))
		return connection_bad_record(c, EINVAL, e);
	if (!io->bytes)
		return 0;
	if (io_write(pipe_fd, body, io->bytes) != (ssize_t)io->bytes)
		return err_set(e, ERR_IO, errno, "cannot write into a pipe");
	return 0;
}

int connection_splice_to(struct connection *c, int pipe_fd, size_t len,
			 struct connection_io *io, struct err *e)
{
	ssize_t n;

	assert(c->role == CONNECTION_RECEIVER && c->kernel);
	*io = (struct connection_io){ 0 };
	do
		n = splice(c->fd, NULL, pipe_fd, NULL, len, SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->empties = 0;
		io->bytes = (size_t)n;
		connection_count(c, io);
		return 0;
	}
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno != EINVAL)
		return connection_bad_record(c, errno, e);
	return connection_splice_stopped(c, n < 0, pipe_fd, io, e);
}

/* Read and discard, DISCARDS times at the most.  Returns false at its end. */
static bool connection_discard(struct connection *c)
{
	char discarded[RECORD_MAX];
	unsigned int type, left = DISCARDS;
	ssize_t n;

	do
		n = c->kernel && c->role == CONNECTION_RECEIVER
			    ? ktls_recv_record(c->fd, &type, discarded,
					       sizeof discarded)
			    : recv(c->fd, discarded, sizeof discarded,
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
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

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

	if (!c->final)
		connection_last_alert(c, RECORD_USER_CANCELED);
	/* A peer that gave up only waits for us to close. */
	connection_linger(c, gave_up ? GAVE_UP_MS : ABORT_MS);
}

void connection_confirm(struct connection *c)
{
	assert(c->role == CONNECTION_SENDER);
	for (unsigned int n = c->closes; n < 2; n++)
		connection_last_alert(c, RECORD_CLOSE_NOTIFY);
	connection_linger(c, ABORT_MS);
}
