// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/record_layer.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "tls/aead.h"
#include "tls/alert.h"
#include "tls/incoming.h"
#include "tls/key_schedule.h"
#include "tls/ktls.h"

enum { ALERT_MS = 2000 }; /* for a full socket to take our last alert */

struct record_layer {
	int fd;
	struct tls_agreed agreed; /* its keys: see record_layer_forget() */
	struct records *records;
	bool kernel[2]; /* directions that the kernel has */
	uint64_t count[2]; /* kernel: upper bound of records */

	struct incoming incoming;
	uint8_t alert; /* see record_layer_alert() */
	bool violated, lost;
	struct err final; /* the first error; no kind: none yet */
	size_t start, end; /* of a record's data that is not handed out yet */
	uint8_t plain[AEAD_BODY_MAX];

	bool must_update_key; /* a KeyUpdate is due before our data */
};

/* Forget keys that will not be needed: those that no KeyUpdate can follow. */
static void record_layer_forget(struct record_layer *rl,
				enum record_direction dir)
{
	struct traffic *t = &rl->agreed.keys[dir];

	explicit_bzero(t->key, sizeof t->key);
	explicit_bzero(t->iv, sizeof t->iv);
}

struct record_layer *record_layer_take(const struct tls_agreed *value, int fd,
				       struct err *e)
{
	struct record_layer *rl = err_alloc(sizeof *rl, e);

	if (!rl)
		return NULL;
	rl->fd = fd;
	rl->agreed = *value;
	rl->incoming =
		(struct incoming){ .v13 = value->mode->version == MODE_TLS13,
				   .raw = value->raw };
	rl->records = records_new(fd, value->mode, value->keys, e);
	if (!rl->records) {
		record_layer_free(rl);
		return NULL;
	}
	return rl;
}

struct record_layer *record_layer_new(struct tls *t, int fd, struct err *e)
{
	autowipe_agreed struct tls_agreed a = { .mode = NULL };

	return tls_finish(t, &a, e) < 0 ? NULL : record_layer_take(&a, fd, e);
}

void record_layer_free(struct record_layer *rl)
{
	if (!rl)
		return;
	records_free(rl->records);
	explicit_bzero(rl, sizeof *rl);
	free(rl);
}

const struct tls_agreed *record_layer_agreed(const struct record_layer *rl)
{
	return &rl->agreed;
}

/* The keys for the next record of a direction. */
static void record_layer_keys(const struct record_layer *rl,
			      enum record_direction dir, struct traffic *out)
{
	uint64_t seq = htobe64(records_count(rl->records, dir));

	*out = rl->agreed.keys[dir];
	memcpy(out->seq, &seq, sizeof out->seq);
}

void record_layer_give(const struct record_layer *rl, struct tls_agreed *out)
{
	assert(!record_layer_pending(rl) && !record_layer_pending_read(rl));
	*out = rl->agreed;
	record_layer_keys(rl, RECORD_TX, &out->keys[RECORD_TX]);
	record_layer_keys(rl, RECORD_RX, &out->keys[RECORD_RX]);
}

int record_layer_to_kernel(struct record_layer *rl, enum record_direction dir,
			   struct err *e)
{
	autowipe_traffic struct traffic t = { 0 };
	const struct mode *mode = rl->agreed.mode;

	if (mode == &mode_none)
		return err_set(e, ERR_KTLS, 0, "mode none has no keys");
	/*
	 * The kernel would never see bytes that are already decrypted, and
	 * unsent records would be encrypted twice.
	 */
	assert(dir == RECORD_RX ? !record_layer_pending_read(rl)
				: !record_layer_pending(rl));
	record_layer_keys(rl, dir, &t);
	if (ktls_install(rl->fd, dir, mode, &t, e) < 0)
		return -1;
	rl->kernel[dir] = true;
	rl->incoming.bulk |= dir == RECORD_RX;
	records_drop(rl->records, dir);
	record_layer_forget(rl, dir);
	if (dir == RECORD_RX && mode->version == MODE_TLS13 &&
	    !ktls_expect_no_pad(rl->fd))
		log_debug("the kernel decrypts with a copy (needs Linux 6.0)");
	return ktls_verify(rl->fd, dir, mode, e);
}

bool record_layer_in_kernel(const struct record_layer *rl,
			    enum record_direction dir)
{
	return rl->kernel[dir];
}

int record_layer_keep(struct record_layer *rl, enum record_direction dir,
		      bool bulk, struct err *e)
{
	rl->incoming.bulk |= bulk && dir == RECORD_RX;
	record_layer_forget(rl, dir);
	return records_keep(rl->records, dir, bulk, e);
}

uint64_t record_layer_records(struct record_layer *rl,
			      enum record_direction dir, uint64_t enough)
{
	struct err e = { 0 };

	if (rl->agreed.mode == &mode_none)
		return 0;
	if (!rl->kernel[dir])
		return records_count(rl->records, dir);
	if (rl->count[dir] >= enough &&
	    ktls_records(rl->fd, dir, rl->agreed.mode, &rl->count[dir], &e) < 0)
		log_debug("%s", e.msg);
	return rl->count[dir];
}

/* The first error is final. */
static int record_layer_fail(struct record_layer *rl, const struct err *e)
{
	if (!rl->final.kind)
		rl->final = *e;
	return -1;
}

/* Not final: what the peer sent before can be read, and may say why. */
static int record_layer_send_failed(struct record_layer *rl, int num,
				    struct err *e)
{
	rl->lost = true;
	return err_set(e, ERR_NET, num, "the connection was lost");
}

static int record_layer_fail_lost(struct record_layer *rl, int num,
				  struct err *e)
{
	record_layer_send_failed(rl, num, e);
	return record_layer_fail(rl, e);
}

/* Send the alert, after clearing the socket's error, which would fail it. */
static void record_layer_answer(struct record_layer *rl,
				enum record_alert alert)
{
	io_socket_option(rl->fd, SO_ERROR, 0);
	record_layer_last_alert(rl, alert);
}

/* A record does not authenticate. */
static int record_layer_forged(struct record_layer *rl, struct err *e)
{
	rl->lost = true;
	record_layer_answer(rl, RECORD_BAD_RECORD_MAC);
	return record_layer_fail(rl, e);
}

/* What the kernel says of a record that it refuses */
static bool record_layer_refusal(int num)
{
	return num == EBADMSG || num == EMSGSIZE || num == EINVAL;
}

/* The kernel refuses a record. */
static int record_layer_refused(struct record_layer *rl, int num, struct err *e)
{
	if (!record_layer_refusal(num))
		return record_layer_fail_lost(rl, num, e);
	err_set(e, ERR_NET, 0,
		"record authentication failed: forged or corrupted in transit "
		"(bad_record_mac)");
	return record_layer_forged(rl, e);
}

/*
 * The authenticated peer itself violated the protocol: another connection would
 * not help.  Tell it.
 */
static int record_layer_on_violation(struct record_layer *rl,
				     enum record_alert alert, struct err *e)
{
	rl->violated = true;
	e->kind = ERR_STREAM;
	err_append(e, " (alert %s)", record_alert_name((uint8_t)alert));
	record_layer_answer(rl, alert);
	return record_layer_fail(rl, e);
}

/* Only KeyUpdates without data between them are limited. */
static void record_layer_moved(struct record_layer *rl, size_t bytes)
{
	if (bytes)
		rl->incoming.key_updates = 0;
}

/* The result n and errno of a call that sent data by the kernel. */
static int record_layer_sent(struct record_layer *rl, ssize_t n, size_t *done,
			     struct err *e)
{
	*done = n > 0 ? (size_t)n : 0;
	record_layer_moved(rl, *done);
	/* An upper bound: every record has at least one byte. */
	rl->count[RECORD_TX] += *done;
	return n < 0 && errno != EAGAIN ? record_layer_send_failed(rl, errno, e)
					: 0;
}

/* Send a record that is no data, through the kernel if it makes the records. */
static int record_layer_put_record(struct record_layer *rl,
				   enum record_type type, const void *body,
				   size_t len, bool *done, struct err *e)
{
	ssize_t n;

	if (!rl->kernel[RECORD_TX])
		return records_put(rl->records, type, body, len, done, e);
	/* The kernel closes and pushes an open data record first. */
	do
		n = ktls_send_record(rl->fd, (uint8_t)type, body, len);
	while (n < 0 && errno == EINTR);
	*done = n > 0;
	return n < 0 && errno != EAGAIN ? record_layer_send_failed(rl, errno, e)
					: 0;
}

/* Switch a direction to its next keys. */
static int record_layer_update_key(struct record_layer *rl,
				   enum record_direction dir, struct err *e)
{
	struct traffic *t = &rl->agreed.keys[dir];
	const struct mode *mode = rl->agreed.mode;
	int ret;

	if (key_schedule_next(mode, t, e) < 0)
		return record_layer_fail(rl, e);
	ret = rl->kernel[dir] ? ktls_install(rl->fd, dir, mode, t, e)
			      : records_update_key(rl->records, dir, t, e);
	record_layer_forget(rl, dir);
	rl->count[dir] = 0;
	if (ret < 0 && rl->kernel[dir]) {
		err_set(e, ERR_STREAM, 0,
			"the peer changed its keys (KeyUpdate), which this "
			"kernel cannot follow; use --ktls off");
		return record_layer_on_violation(rl, RECORD_UNEXPECTED_MESSAGE,
						 e);
	}
	return ret < 0 ? record_layer_fail(rl, e) : 0;
}

/*
 * RFC 8446 section 4.6.3: a KeyUpdate that asks is answered before our data.
 * Returns 1; 0: there is no room for the answer, poll.
 */
static int record_layer_may_send(struct record_layer *rl, struct err *e)
{
	/* It asks for no KeyUpdate in return. */
	static const uint8_t message[] = { RECORD_KEY_UPDATE, 0, 0, 1, 0 };
	bool taken;

	if (!rl->must_update_key)
		return 1;
	if (record_layer_put_record(rl, RECORD_HANDSHAKE, message,
				    sizeof message, &taken, e) < 0)
		return -1;
	if (!taken)
		return 0;
	rl->must_update_key = false;
	return record_layer_update_key(rl, RECORD_TX, e) < 0 ? -1 : 1;
}

int record_layer_send(struct record_layer *rl, uint8_t *buf, size_t len,
		      size_t *done, struct err *e)
{
	int ret = record_layer_may_send(rl, e);
	bool empty;
	ssize_t n;

	*done = 0;
	if (ret < 0)
		return -1;
	if (!ret)
		return record_layer_flush(rl, &empty, e);
	if (!rl->kernel[RECORD_TX]) {
		ret = records_send(rl->records, buf, len, done, e);
		record_layer_moved(rl, *done);
		return ret;
	}
	do
		n = send(rl->fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return record_layer_sent(rl, n, done, e);
}

int record_layer_splice_from(struct record_layer *rl, int pipe_fd, size_t len,
			     size_t *done, struct err *e)
{
	int ret = record_layer_may_send(rl, e);
	ssize_t n;

	*done = 0;
	if (ret <= 0)
		return ret;
	do
		n = splice(pipe_fd, NULL, rl->fd, NULL, len, SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	return record_layer_sent(rl, n, done, e);
}

int record_layer_sendfile(struct record_layer *rl, int file_fd, uint64_t offset,
			  size_t len, size_t *done, struct err *e)
{
	off_t at = (off_t)offset;
	int ret = record_layer_may_send(rl, e);
	ssize_t n;

	*done = 0;
	if (ret <= 0)
		return ret;
	do
		n = sendfile(rl->fd, file_fd, &at, len);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EINVAL || err_refuses(errno)))
		return err_set(e, ERR_IO, errno, "cannot send a file");
	return record_layer_sent(rl, n, done, e);
}

/*
 * Evaluate the result of a send by user space.  The kernel reports once that it
 * refused a record that it received, and maybe to us: a read would then wait
 * for ever.
 */
static int record_layer_sent_own(struct record_layer *rl, int ret,
				 struct err *e)
{
	return ret < 0 && rl->kernel[RECORD_RX] && record_layer_refusal(e->num)
		       ? record_layer_refused(rl, e->num, e)
		       : ret;
}

int record_layer_put(struct record_layer *rl, const void *bytes, size_t len,
		     bool *taken, struct err *e)
{
	int ret;

	assert(!rl->kernel[RECORD_TX]);
	ret = record_layer_may_send(rl, e);
	*taken = ret > 0;
	if (ret <= 0)
		return ret;
	ret = records_put(rl->records, RECORD_DATA, bytes, len, taken, e);
	return record_layer_sent_own(rl, ret, e);
}

int record_layer_flush(struct record_layer *rl, bool *empty, struct err *e)
{
	int ret = records_flush(rl->records, empty, e);

	return record_layer_sent_own(rl, ret, e);
}

bool record_layer_pending(const struct record_layer *rl)
{
	return records_pending(rl->records);
}

int record_layer_put_alert(struct record_layer *rl, enum record_alert alert,
			   bool *done, struct err *e)
{
	uint8_t body[RECORD_ALERT_BYTES];

	record_alert(body, alert);
	return record_layer_put_record(rl, RECORD_ALERT, body, sizeof body,
				       done, e);
}

void record_layer_last_alert(struct record_layer *rl, enum record_alert alert)
{
	uint64_t deadline = clock_deadline(ALERT_MS);
	struct pollfd p = { .fd = rl->fd, .events = POLLOUT };
	struct err e = { 0 };
	bool done = false;

	while (record_layer_put_alert(rl, alert, &done, &e) == 0 && !done &&
	       rl->kernel[RECORD_TX] && clock_now_ms() < deadline)
		if (poll(&p, 1, clock_poll_ms(deadline)) < 0 && errno != EINTR)
			break;
	if (!done)
		log_debug("alert %s not sent: %s",
			  record_alert_name((uint8_t)alert), e.msg);
}

/* In TLS 1.3 a client completes the handshake before the server refuses it. */
static int record_layer_on_abort(struct record_layer *rl, uint8_t alert,
				 struct err *e)
{
	static const struct alert_context c = { .server = false };

	rl->alert = alert;
	/* Damage on the way to the peer is not our fault: resume. */
	rl->lost |= alert == RECORD_BAD_RECORD_MAC;
	if (alert == RECORD_NO_APPLICATION_PROTOCOL ||
	    alert_judges_certificate(alert))
		alert_error(alert, &c, e);
	else
		err_set(e, ERR_NET, 0, "the peer gave up (alert %s)%s",
			record_alert_name(alert),
			alert == RECORD_UNEXPECTED_MESSAGE &&
					rl->agreed.mode == &mode_none
				? "; give -m none to both sides"
				: "");
	return record_layer_fail(rl, e);
}

/*
 * Since Linux 6.14 the kernel takes every handshake record that begins with the
 * type of KeyUpdate for one, and reads on only with new keys.  The record may
 * be the rest of a ticket: then give it the same keys again.  An older kernel
 * refuses them.
 */
static void record_layer_on_ticket(const struct record_layer *rl,
				   const uint8_t *body)
{
	autowipe_traffic struct traffic t = rl->agreed.keys[RECORD_RX];
	const struct mode *mode = rl->agreed.mode;
	struct err e = { 0 };
	uint64_t seq;

	if (!rl->kernel[RECORD_RX] || *body != RECORD_KEY_UPDATE ||
	    ktls_records(rl->fd, RECORD_RX, mode, &seq, &e) < 0 ||
	    key_schedule_derive(mode, &t, &e) < 0)
		return;
	seq = htobe64(seq);
	memcpy(t.seq, &seq, sizeof t.seq);
	if (ktls_install(rl->fd, RECORD_RX, mode, &t, &e) < 0)
		log_debug("%s", e.msg);
}

/* A complete record that is not data. */
static int record_layer_on_record(struct record_layer *rl, unsigned int type,
				  const uint8_t *body, size_t len,
				  struct record_layer_io *io, struct err *e)
{
	uint8_t alert;

	io->took = true;
	switch (incoming_record(&rl->incoming, type, body, len, &alert, e)) {
	case RECORD_MEANS_END:
		io->closed = true;
		return 0;
	case RECORD_MEANS_ABORT:
		return record_layer_on_abort(rl, alert, e);
	case RECORD_MEANS_TICKET:
		record_layer_on_ticket(rl, body);
		return 0;
	case RECORD_MEANS_KEY_UPDATE_BOTH:
		rl->must_update_key = true;
		return record_layer_update_key(rl, RECORD_RX, e);
	case RECORD_MEANS_KEY_UPDATE:
		return record_layer_update_key(rl, RECORD_RX, e);
	case RECORD_MEANS_RENEGOTIATION:
	case RECORD_MEANS_VIOLATION:
		break;
	}
	return record_layer_on_violation(rl, alert, e);
}

static int record_layer_received(struct record_layer *rl, size_t bytes,
				 struct err *e)
{
	rl->count[RECORD_RX] += bytes;
	if (incoming_data(&rl->incoming, e) < 0)
		return record_layer_on_violation(rl, RECORD_UNEXPECTED_MESSAGE,
						 e);
	return 0;
}

static int record_layer_recv_kernel(struct record_layer *rl, void *buf,
				    size_t len, struct record_layer_io *io,
				    struct err *e)
{
	unsigned int type;
	ssize_t n;

	*io = (struct record_layer_io){ 0 };
	do
		n = ktls_recv_record(rl->fd, &type, buf, len);
	while (n < 0 && errno == EINTR);
	/* The kernel reports an empty record only before another type. */
	if (n == 0 && type == RECORD_DATA) {
		io->took = true;
		return incoming_empty(&rl->incoming, e) < 0
			       ? record_layer_on_violation(
					 rl, RECORD_UNEXPECTED_MESSAGE, e)
			       : 0;
	}
	rl->incoming.empties = 0;
	if (n < 0)
		return errno == EAGAIN ? 0 : record_layer_refused(rl, errno, e);
	if (n == 0 && type == RECORD_NONE) {
		rl->lost = true;
		err_set(e, ERR_NET, 0,
			"the connection closed without close_notify");
		return record_layer_fail(rl, e);
	}
	if (type != RECORD_DATA)
		return record_layer_on_record(rl, type, buf, (size_t)n, io, e);
	io->bytes = (size_t)n;
	io->took = true;
	return record_layer_received(rl, io->bytes, e);
}

/*
 * splice(2) moved nothing.  invalid (EINVAL): the next record is not data, or
 * not a record.  Otherwise: an empty record, or the end.  recvmsg(2) tells
 * which.  The kernel gives EINVAL for a bad header only once; if recvmsg(2)
 * then has nothing to read we would wait for ever, so that is a bad record too.
 * After an empty record recvmsg(2) may return data, of one record; the empty
 * pipe has room for it.
 */
static int record_layer_splice_stopped(struct record_layer *rl, bool invalid,
				       int pipe_fd, struct record_layer_io *io,
				       struct err *e)
{
	uint8_t body[AEAD_BODY_MAX];

	if (record_layer_recv_kernel(rl, body, sizeof body, io, e) < 0)
		return -1;
	if (invalid && (io->bytes || !io->took))
		return record_layer_refused(rl, EINVAL, e);
	if (io->bytes &&
	    io_write(pipe_fd, body, io->bytes) != (ssize_t)io->bytes)
		return err_set(e, ERR_IO, errno, "cannot write into a pipe");
	return 0;
}

/* Only if no earlier error was final. */
static int record_layer_may_recv(const struct record_layer *rl, struct err *e)
{
	if (!rl->final.kind)
		return 0;
	*e = rl->final;
	return -1;
}

int record_layer_splice_to(struct record_layer *rl, int pipe_fd, size_t len,
			   struct record_layer_io *io, struct err *e)
{
	ssize_t n;

	*io = (struct record_layer_io){ 0 };
	if (record_layer_may_recv(rl, e) < 0)
		return -1;
	do
		n = splice(rl->fd, NULL, pipe_fd, NULL, len, SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		io->bytes = (size_t)n;
		return record_layer_received(rl, io->bytes, e);
	}
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno != EINVAL)
		return record_layer_refused(rl, errno, e);
	return record_layer_splice_stopped(rl, n < 0, pipe_fd, io, e);
}

static int record_layer_records_failed(struct record_layer *rl, struct err *e)
{
	enum record_alert alert = records_alert(rl->records);

	if (alert == RECORD_BAD_RECORD_MAC)
		return record_layer_forged(rl, e);
	return alert ? record_layer_on_violation(rl, alert, e)
		     : record_layer_fail(rl, e);
}

static int record_layer_recv_user(struct record_layer *rl, void *buf,
				  size_t len, struct record_layer_io *io,
				  struct err *e)
{
	unsigned int type;
	size_t n;

	if (records_recv(rl->records, &type, buf, len, &n, e) < 0)
		return record_layer_records_failed(rl, e);
	if (type != RECORD_DATA)
		return record_layer_on_record(rl, type, buf, n, io, e);
	io->bytes = n;
	io->took = n;
	return n ? record_layer_received(rl, n, e) : 0;
}

/* Hand out a part of a record's data. */
static void record_layer_hand_out(struct record_layer *rl, void *buf,
				  size_t len, struct record_layer_io *io)
{
	if (len > rl->end - rl->start)
		len = rl->end - rl->start;
	memcpy(buf, rl->plain + rl->start, len);
	rl->start += len;
	io->bytes = len;
	io->took = true;
}

int record_layer_recv(struct record_layer *rl, void *buf, size_t len,
		      struct record_layer_io *io, struct err *e)
{
	bool small = len < sizeof rl->plain;
	void *into = small ? rl->plain : buf;
	size_t room = small ? sizeof rl->plain : len;

	*io = (struct record_layer_io){ 0 };
	if (record_layer_pending_read(rl)) {
		record_layer_hand_out(rl, buf, len, io);
		return 0;
	}
	if (record_layer_may_recv(rl, e) < 0)
		return -1;
	/* Records without data do not end this: others may be buffered. */
	do {
		*io = (struct record_layer_io){ 0 };
		if ((rl->kernel[RECORD_RX]
			     ? record_layer_recv_kernel(rl, into, room, io, e)
			     : record_layer_recv_user(rl, into, room, io, e)) <
		    0)
			return -1;
	} while (io->took && !io->bytes && !io->closed);
	if (small && io->bytes) {
		rl->start = 0;
		rl->end = io->bytes;
		record_layer_hand_out(rl, buf, len, io);
	}
	return 0;
}

bool record_layer_pending_read(const struct record_layer *rl)
{
	return rl->start < rl->end;
}

uint8_t record_layer_alert(const struct record_layer *rl)
{
	return rl->alert;
}

bool record_layer_lost(const struct record_layer *rl)
{
	return !rl->violated && (rl->lost || records_lost(rl->records));
}

void record_layer_set_lost(struct record_layer *rl)
{
	rl->lost = true;
}

bool record_layer_violated(const struct record_layer *rl)
{
	return rl->violated;
}
