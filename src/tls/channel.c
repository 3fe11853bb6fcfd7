// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/channel.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
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

struct channel {
	int fd;
	struct tls_agreed agreed; /* its keys: see channel_forget() */
	struct records *records;
	bool kernel[2]; /* directions that the kernel has */
	uint64_t count[2]; /* kernel: upper bound of records */

	struct incoming incoming;
	uint8_t alert; /* see channel_alert() */
	bool violated, lost;
	struct err final; /* the first error; no kind: none yet */
	size_t start, end; /* of a record's data that was not asked for yet */
	uint8_t plain[AEAD_BODY_MAX];

	bool must_rekey; /* the peer asks for a KeyUpdate before our data */
};

/* Forget keys that will not be needed: those that no KeyUpdate can follow. */
static void channel_forget(struct channel *ch, enum record_direction dir)
{
	struct traffic *t = &ch->agreed.keys[dir];

	explicit_bzero(t->key, sizeof t->key);
	explicit_bzero(t->iv, sizeof t->iv);
}

struct channel *channel_take(const struct tls_agreed *value, int fd,
			     struct err *e)
{
	struct channel *ch = err_alloc(sizeof *ch, e);

	if (!ch)
		return NULL;
	ch->fd = fd;
	ch->agreed = *value;
	ch->incoming =
		(struct incoming){ .v13 = value->mode->version == MODE_TLS13,
				   .raw = value->raw };
	ch->records = records_new(fd, value->mode, value->keys, e);
	if (!ch->records) {
		channel_free(ch);
		return NULL;
	}
	return ch;
}

struct channel *channel_new(struct tls *t, int fd, struct err *e)
{
	autowipe_agreed struct tls_agreed a = { .mode = NULL };

	return tls_finish(t, &a, e) < 0 ? NULL : channel_take(&a, fd, e);
}

void channel_free(struct channel *ch)
{
	if (!ch)
		return;
	records_free(ch->records);
	explicit_bzero(ch, sizeof *ch);
	free(ch);
}

const struct tls_agreed *channel_agreed(const struct channel *ch)
{
	return &ch->agreed;
}

/* The keys for the next record of a direction. */
static void channel_keys(const struct channel *ch, enum record_direction dir,
			 struct traffic *out)
{
	uint64_t seq = htobe64(records_count(ch->records, dir));

	*out = ch->agreed.keys[dir];
	memcpy(out->seq, &seq, sizeof out->seq);
}

void channel_give(const struct channel *ch, struct tls_agreed *out)
{
	assert(!channel_pending(ch) && !channel_pending_read(ch));
	*out = ch->agreed;
	channel_keys(ch, RECORD_TX, &out->keys[RECORD_TX]);
	channel_keys(ch, RECORD_RX, &out->keys[RECORD_RX]);
}

int channel_to_kernel(struct channel *ch, enum record_direction dir,
		      struct err *e)
{
	autowipe_traffic struct traffic t = { 0 };
	const struct mode *mode = ch->agreed.mode;

	if (mode == &mode_none)
		return err_set(e, ERR_KTLS, 0, "mode none has no keys");
	/*
	 * The kernel would never see bytes that are already decrypted, and
	 * unsent records would be encrypted twice.
	 */
	assert(dir == RECORD_RX ? !channel_pending_read(ch)
				: !channel_pending(ch));
	channel_keys(ch, dir, &t);
	if (ktls_install(ch->fd, dir, mode, &t, e) < 0)
		return -1;
	ch->kernel[dir] = true;
	ch->incoming.bulk |= dir == RECORD_RX;
	records_drop(ch->records, dir);
	channel_forget(ch, dir);
	if (dir == RECORD_RX && mode->version == MODE_TLS13 &&
	    !ktls_expect_no_pad(ch->fd))
		log_debug("the kernel decrypts with a copy (needs Linux 6.0)");
	return ktls_verify(ch->fd, dir, mode, e);
}

bool channel_in_kernel(const struct channel *ch, enum record_direction dir)
{
	return ch->kernel[dir];
}

int channel_keep(struct channel *ch, enum record_direction dir, bool bulk,
		 struct err *e)
{
	ch->incoming.bulk |= bulk && dir == RECORD_RX;
	channel_forget(ch, dir);
	return records_keep(ch->records, dir, bulk, e);
}

uint64_t channel_records(struct channel *ch, enum record_direction dir,
			 uint64_t enough)
{
	struct err e = { 0 };

	if (ch->agreed.mode == &mode_none)
		return 0;
	if (!ch->kernel[dir])
		return records_count(ch->records, dir);
	if (ch->count[dir] >= enough &&
	    ktls_records(ch->fd, dir, ch->agreed.mode, &ch->count[dir], &e) < 0)
		log_debug("%s", e.msg);
	return ch->count[dir];
}

/* ---- errors: the first one is final */

static int channel_fail(struct channel *ch, const struct err *e)
{
	if (!ch->final.kind)
		ch->final = *e;
	return -1;
}

/* Not final: what the peer sent before can be read, and says more. */
static int channel_send_failed(struct channel *ch, int num, struct err *e)
{
	ch->lost = true;
	return err_set(e, ERR_NET, num, "the connection was lost");
}

static int channel_fail_lost(struct channel *ch, int num, struct err *e)
{
	channel_send_failed(ch, num, e);
	return channel_fail(ch, e);
}

/* Send the alert, after clearing the socket's error, which would fail it. */
static void channel_answer(struct channel *ch, enum record_alert alert)
{
	io_socket_option(ch->fd, SO_ERROR, 0);
	channel_last_alert(ch, alert);
}

/* A record does not authenticate. */
static int channel_forged(struct channel *ch, struct err *e)
{
	ch->lost = true;
	channel_answer(ch, RECORD_BAD_RECORD_MAC);
	return channel_fail(ch, e);
}

int channel_refused(struct channel *ch, int num, struct err *e)
{
	if (num != EBADMSG && num != EMSGSIZE && num != EINVAL)
		return channel_fail_lost(ch, num, e);
	err_set(e, ERR_NET, 0,
		"record authentication failed: forged or corrupted in transit "
		"(bad_record_mac)");
	return channel_forged(ch, e);
}

/*
 * The authenticated peer itself violated the protocol: another connection would
 * not help.  Tell it.
 */
static int channel_on_violation(struct channel *ch, enum record_alert alert,
				struct err *e)
{
	ch->violated = true;
	e->kind = ERR_STREAM;
	err_append(e, " (alert %s)", record_alert_name((uint8_t)alert));
	channel_answer(ch, alert);
	return channel_fail(ch, e);
}

/* ---- sending */

/* What is limited is how often a peer changes keys that protect nothing. */
static void channel_moved(struct channel *ch, size_t bytes)
{
	if (bytes)
		ch->incoming.rekeys = 0;
}

int channel_sent(struct channel *ch, ssize_t n, size_t *done, struct err *e)
{
	*done = n > 0 ? (size_t)n : 0;
	channel_moved(ch, *done);
	/* An upper bound: every record has at least one byte. */
	ch->count[RECORD_TX] += *done;
	return n < 0 && errno != EAGAIN ? channel_send_failed(ch, errno, e) : 0;
}

/* Send a record that is no data, by whoever makes the records. */
static int channel_put_record(struct channel *ch, enum record_type type,
			      const void *body, size_t len, bool *done,
			      struct err *e)
{
	ssize_t n;

	if (!ch->kernel[RECORD_TX])
		return records_put(ch->records, type, body, len, done, e);
	/* The kernel closes and pushes an open data record first. */
	do
		n = ktls_send_record(ch->fd, (uint8_t)type, body, len);
	while (n < 0 && errno == EINTR);
	*done = n > 0;
	return n < 0 && errno != EAGAIN ? channel_send_failed(ch, errno, e) : 0;
}

/* Go on with the next keys of a direction. */
static int channel_rekey(struct channel *ch, enum record_direction dir,
			 struct err *e)
{
	struct traffic *t = &ch->agreed.keys[dir];
	const struct mode *mode = ch->agreed.mode;
	int ret;

	if (key_schedule_next(mode, t, e) < 0)
		return channel_fail(ch, e);
	ret = ch->kernel[dir] ? ktls_install(ch->fd, dir, mode, t, e)
			      : records_rekey(ch->records, dir, t, e);
	channel_forget(ch, dir);
	ch->count[dir] = 0;
	if (ret < 0 && ch->kernel[dir]) {
		err_set(e, ERR_STREAM, 0,
			"the peer changed its keys (KeyUpdate), which this "
			"kernel cannot follow; use --ktls off");
		return channel_on_violation(ch, RECORD_UNEXPECTED_MESSAGE, e);
	}
	return ret < 0 ? channel_fail(ch, e) : 0;
}

/* RFC 8446 section 4.6.3: a KeyUpdate that asks is answered before our data. */
int channel_may_send(struct channel *ch, bool *may, struct err *e)
{
	/* It asks for none in return. */
	static const uint8_t message[] = { RECORD_KEY_UPDATE, 0, 0, 1, 0 };

	*may = true;
	if (!ch->must_rekey)
		return 0;
	if (channel_put_record(ch, RECORD_HANDSHAKE, message, sizeof message,
			       may, e) < 0)
		return -1;
	if (!*may)
		return 0;
	ch->must_rekey = false;
	return channel_rekey(ch, RECORD_TX, e);
}

int channel_send(struct channel *ch, uint8_t *buf, size_t len, size_t *done,
		 struct err *e)
{
	bool may;
	ssize_t n;
	int ret;

	*done = 0;
	if (channel_may_send(ch, &may, e) < 0)
		return -1;
	if (!may)
		return channel_flush(ch, &may, e);
	if (!ch->kernel[RECORD_TX]) {
		ret = records_send(ch->records, buf, len, done, e);
		channel_moved(ch, *done);
		return ret;
	}
	do
		n = send(ch->fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return channel_sent(ch, n, done, e);
}

int channel_put(struct channel *ch, const void *bytes, size_t len, bool *taken,
		struct err *e)
{
	assert(!ch->kernel[RECORD_TX]);
	if (channel_may_send(ch, taken, e) < 0)
		return -1;
	if (!*taken)
		return 0;
	return records_put(ch->records, RECORD_DATA, bytes, len, taken, e);
}

int channel_flush(struct channel *ch, bool *empty, struct err *e)
{
	return records_flush(ch->records, empty, e);
}

bool channel_pending(const struct channel *ch)
{
	return records_pending(ch->records);
}

int channel_put_alert(struct channel *ch, enum record_alert alert, bool *done,
		      struct err *e)
{
	uint8_t body[RECORD_ALERT_BYTES];

	record_alert(body, alert);
	return channel_put_record(ch, RECORD_ALERT, body, sizeof body, done, e);
}

void channel_last_alert(struct channel *ch, enum record_alert alert)
{
	uint64_t deadline = clock_deadline(ALERT_MS);
	struct pollfd p = { .fd = ch->fd, .events = POLLOUT };
	struct err e = { 0 };
	bool done = false;

	while (channel_put_alert(ch, alert, &done, &e) == 0 && !done &&
	       ch->kernel[RECORD_TX] && clock_now_ms() < deadline)
		if (poll(&p, 1, clock_poll_ms(deadline)) < 0 && errno != EINTR)
			break;
	if (!done)
		log_debug("alert %s not sent: %s",
			  record_alert_name((uint8_t)alert), e.msg);
}

/* ---- receiving */

/* In TLS 1.3 a client completes the handshake before the server refuses it. */
static int channel_on_abort(struct channel *ch, uint8_t alert, struct err *e)
{
	static const struct alert_context c = { .server = false };

	ch->alert = alert;
	/* Damage on the way to the peer is not our fault: resume. */
	ch->lost |= alert == RECORD_BAD_RECORD_MAC;
	if (alert == RECORD_NO_APPLICATION_PROTOCOL ||
	    alert_judges_certificate(alert))
		alert_error(alert, &c, e);
	else
		err_set(e, ERR_NET, 0, "the peer gave up (alert %s)%s",
			record_alert_name(alert),
			alert == RECORD_UNEXPECTED_MESSAGE &&
					ch->agreed.mode == &mode_none
				? "; give -m none to both sides"
				: "");
	return channel_fail(ch, e);
}

/*
 * Since Linux 6.14 the kernel reads on only with new keys, after any record of
 * a handshake that begins as a KeyUpdate does.  It may be the rest of a ticket:
 * then the new keys are those that it has.  An older kernel refuses them.
 */
static void channel_on_ticket(const struct channel *ch, const uint8_t *body)
{
	autowipe_traffic struct traffic t = ch->agreed.keys[RECORD_RX];
	const struct mode *mode = ch->agreed.mode;
	struct err e = { 0 };
	uint64_t seq;

	if (!ch->kernel[RECORD_RX] || *body != RECORD_KEY_UPDATE ||
	    ktls_records(ch->fd, RECORD_RX, mode, &seq, &e) < 0 ||
	    key_schedule_derive(mode, &t, &e) < 0)
		return;
	seq = htobe64(seq);
	memcpy(t.seq, &seq, sizeof t.seq);
	if (ktls_install(ch->fd, RECORD_RX, mode, &t, &e) < 0)
		log_debug("%s", e.msg);
}

/* A complete record that is not data. */
static int channel_on_record(struct channel *ch, unsigned int type,
			     const uint8_t *body, size_t len,
			     struct channel_io *io, struct err *e)
{
	uint8_t alert;

	io->took = true;
	switch (incoming_record(&ch->incoming, type, body, len, &alert, e)) {
	case RECORD_MEANS_END:
		io->closed = true;
		return 0;
	case RECORD_MEANS_ABORT:
		return channel_on_abort(ch, alert, e);
	case RECORD_MEANS_TICKET:
		channel_on_ticket(ch, body);
		return 0;
	case RECORD_MEANS_REKEY_BOTH:
		ch->must_rekey = true;
		return channel_rekey(ch, RECORD_RX, e);
	case RECORD_MEANS_REKEY:
		return channel_rekey(ch, RECORD_RX, e);
	case RECORD_MEANS_RENEGOTIATION:
	case RECORD_MEANS_VIOLATION:
		break;
	}
	return channel_on_violation(ch, alert, e);
}

int channel_received(struct channel *ch, size_t bytes, struct err *e)
{
	ch->count[RECORD_RX] += bytes;
	if (incoming_data(&ch->incoming, e) < 0)
		return channel_on_violation(ch, RECORD_UNEXPECTED_MESSAGE, e);
	return 0;
}

int channel_recv_kernel(struct channel *ch, void *buf, size_t len,
			struct channel_io *io, struct err *e)
{
	unsigned int type;
	ssize_t n;

	*io = (struct channel_io){ 0 };
	do
		n = ktls_recv_record(ch->fd, &type, buf, len);
	while (n < 0 && errno == EINTR);
	/* The kernel reports an empty record only before another type. */
	if (n == 0 && type == RECORD_DATA) {
		io->took = true;
		return incoming_empty(&ch->incoming, e) < 0
			       ? channel_on_violation(
					 ch, RECORD_UNEXPECTED_MESSAGE, e)
			       : 0;
	}
	ch->incoming.empties = 0;
	if (n < 0)
		return errno == EAGAIN ? 0 : channel_refused(ch, errno, e);
	if (n == 0 && type == RECORD_NONE) {
		ch->lost = true;
		err_set(e, ERR_NET, 0,
			"the connection closed without close_notify");
		return channel_fail(ch, e);
	}
	if (type != RECORD_DATA)
		return channel_on_record(ch, type, buf, (size_t)n, io, e);
	io->bytes = (size_t)n;
	io->took = true;
	return channel_received(ch, io->bytes, e);
}

static int channel_records_failed(struct channel *ch, struct err *e)
{
	enum record_alert alert = records_alert(ch->records);

	if (alert == RECORD_BAD_RECORD_MAC)
		return channel_forged(ch, e);
	return alert ? channel_on_violation(ch, alert, e) : channel_fail(ch, e);
}

static int channel_recv_user(struct channel *ch, void *buf, size_t len,
			     struct channel_io *io, struct err *e)
{
	unsigned int type;
	size_t n;

	if (records_recv(ch->records, &type, buf, len, &n, e) < 0)
		return channel_records_failed(ch, e);
	if (type != RECORD_DATA)
		return channel_on_record(ch, type, buf, n, io, e);
	io->bytes = n;
	io->took = n;
	return n ? channel_received(ch, n, e) : 0;
}

/* Hand out a part of a record's data. */
static void channel_hand_out(struct channel *ch, void *buf, size_t len,
			     struct channel_io *io)
{
	if (len > ch->end - ch->start)
		len = ch->end - ch->start;
	memcpy(buf, ch->plain + ch->start, len);
	ch->start += len;
	io->bytes = len;
	io->took = true;
}

int channel_recv(struct channel *ch, void *buf, size_t len,
		 struct channel_io *io, struct err *e)
{
	bool small = len < sizeof ch->plain;
	void *into = small ? ch->plain : buf;
	size_t room = small ? sizeof ch->plain : len;

	*io = (struct channel_io){ 0 };
	if (channel_pending_read(ch)) {
		channel_hand_out(ch, buf, len, io);
		return 0;
	}
	if (ch->final.kind) {
		*e = ch->final;
		return -1;
	}
	/* Records without data do not end this: others may be buffered. */
	do {
		*io = (struct channel_io){ 0 };
		if ((ch->kernel[RECORD_RX]
			     ? channel_recv_kernel(ch, into, room, io, e)
			     : channel_recv_user(ch, into, room, io, e)) < 0)
			return -1;
	} while (io->took && !io->bytes && !io->closed);
	if (small && io->bytes) {
		ch->start = 0;
		ch->end = io->bytes;
		channel_hand_out(ch, buf, len, io);
	}
	return 0;
}

bool channel_pending_read(const struct channel *ch)
{
	return ch->start < ch->end;
}

uint8_t channel_alert(const struct channel *ch)
{
	return ch->alert;
}

bool channel_lost(const struct channel *ch)
{
	return !ch->violated && (ch->lost || records_lost(ch->records));
}

void channel_set_lost(struct channel *ch)
{
	ch->lost = true;
}

bool channel_violated(const struct channel *ch)
{
	return ch->violated;
}
