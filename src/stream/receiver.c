// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/min.h"
#include "base/signals.h"

enum {
	BUFFER_BYTES = 1 << 20, /* 64 records a call */
	SPIN_MAX_MS = 20,
	LINGER_MS = 10000,
	ACK_MS = 5000, /* between signs of life, at most */
	/*
	 * Without a byte: dial another connection.  A sender that is alive
	 * notices a stuck one after 30 s, and can say why: let it.
	 */
	SILENCE_MS = 40000,
	SESSION_MS = 10, /* between looks at the session while bytes flow */
	ACK_PARTS = 8, /* an ACK for each eighth of the resend buffer, */
	ACK_BYTES = 1 << 20, /* or this much: good for the sender's cache */
	DRAIN_MAX_MS = 50, /* between looks at a pipe or a disk */
	CONSUMER_GRACE_MS = 2000, /* from its closed input to its exit */
	STEP_READS = 16, /* in a row, before anything else is done */
};

/* What belongs to one connection; the next one begins with a new value. */
struct receiver_connection {
	unsigned int number; /* session->count */
	uint64_t heard_ms; /* when the last byte came */
	uint64_t acked; /* by our last ACK */
	uint64_t ack_due_ms;
	bool ended; /* the end came over it, or bytes beyond */
	bool told; /* the outcome was sent */
	bool mute; /* nothing can be sent to the sender */
	bool said_ready; /* poll(2) reported POLLIN */
	bool rest; /* leave the socket alone for spin_ms */
	unsigned int spin_ms;
};

struct receiver {
	const struct receiver_params *p;
	struct session *session;
	struct receiver_connection on; /* the newest connection */
	uint64_t now_ms; /* of this step */
	struct output *output;
	uint8_t *buffer;
	size_t start, end; /* bytes of buffer to be written */
	int pipe[2]; /* between socket and output, when splicing */
	size_t piped; /* bytes in it */
	bool splice;
	bool want_data, want_output; /* what the last step was blocked on */
	bool ended; /* the end of the stream was received */
	bool over; /* the outcome is known */
	bool begun; /* the stream is this one, not another */
	bool reader_gone; /* nobody reads the output any more */
	uint64_t total; /* bytes received */
	uint64_t progress_due_ms;
	uint64_t session_due_ms; /* run the session, however busy we are */
	struct frame_outcome outcome; /* of a failure */
	struct frame_words words; /* len 0: the consumer said nothing */
};

/* The consumer failed: set e and the outcome for the sender. */
static int receiver_consumer_failed(struct receiver *r,
				    const struct command_status *s,
				    struct err *e)
{
	struct frame_outcome *o = &r->outcome;

	r->words.len = (uint8_t)strlen(s->words);
	memcpy(r->words.text, s->words, r->words.len);
	if (command_succeeded(s)) {
		o->failure = FRAME_FAIL_UNREAD;
		return err_set(e, ERR_COMMAND, 0,
			       "%s exited with bytes left unread",
			       r->p->consumer_name);
	}
	o->failure = s->start_errno ? FRAME_FAIL_START
		     : s->signal    ? FRAME_FAIL_SIGNAL
				    : FRAME_FAIL_STATUS;
	o->detail = (uint16_t)(s->signal ? s->signal : s->exit_status);
	return command_fail(s, r->p->consumer_name, e);
}

static int receiver_output_failed(struct receiver *r, struct err *e)
{
	r->outcome.failure = e->num ? FRAME_FAIL_OUTPUT : FRAME_FAIL_READER;
	return -1;
}

/*
 * The output takes no more bytes.  If there is a consumer, its exit status
 * tells why, as soon as it has exited.
 */
static int receiver_output_error(struct receiver *r, struct err *e)
{
	uint64_t deadline = clock_deadline(CONSUMER_GRACE_MS);
	struct command_status s;

	if (!r->p->consumer)
		return receiver_output_failed(r, e);
	while (!command_ended(r->p->consumer, &s)) {
		struct pollfd p = { .fd = command_status_fd(r->p->consumer),
				    .events = POLLIN };

		if (clock_now_ms() >= deadline) {
			/* It closed its input and runs on. */
			s = (struct command_status){ 0 };
			break;
		}
		poll(&p, 1, clock_poll_ms(deadline));
	}
	return receiver_consumer_failed(r, &s, e);
}

/*
 * The connection failed with *e.  Returns 0 if the stream can resume over
 * another one.
 */
static int receiver_lost(struct receiver *r, struct err *e)
{
	/* After the end nothing is read until the outcome is told. */
	r->want_data = !r->ended;
	return session_lost(r->session, e);
}

/*
 * A send failed, or poll(2) reported a hangup, while we do not read.  If the
 * stream cannot resume, leave the error to the next read: bytes that were
 * received still count.
 */
static void receiver_hung_up(struct receiver *r, struct err *e)
{
	connection_set_lost(r->session->conn);
	if (session_resumes(r->session) && receiver_lost(r, e) == 0)
		return;
	log_debug("cannot tell the sender anything: %s", e->msg);
	r->on.mute = true;
	*e = (struct err){ 0 };
}

/*
 * Is everything that was received written, so that we only wait for the
 * connection?
 */
static bool receiver_waits(const struct receiver *r)
{
	return r->want_data && r->start == r->end && !r->piped && !r->ended &&
	       !r->over;
}

/*
 * Has the connection that we read yet to become the stream's?  While we write,
 * the sender may compare, go on, and even rekey.
 */
static bool receiver_compares(const struct receiver *r)
{
	const struct connection *conn = session_source(r->session);

	return conn && connection_checks(conn);
}

/*
 * DONE is for a stream that ends where ours did: a sender with its name, which
 * may have restarted, has to come to its end first.
 */
static bool receiver_awaits_end(const struct receiver *r)
{
	return r->session->named && !r->outcome.failure && !r->on.ended;
}

/* Is no ACK needed any more? */
static bool receiver_is_done(const struct receiver *r)
{
	return r->over && !receiver_compares(r) && !receiver_awaits_end(r);
}

/* Do what is due: acknowledgements, signs of life, the meter. */
static void receiver_tick(struct receiver *r)
{
	uint64_t step =
		min_u64(r->session->buffer_bytes / ACK_PARTS, ACK_BYTES);
	bool waits = receiver_waits(r);
	struct frame f = { .type = FRAME_ACK,
			   .ack = { waits ? FRAME_ACK_WAITS : 0, r->total } };
	struct err e = { 0 };
	bool taken = true;

	progress_set_outage(r->p->progress, session_outage_end_ms(r->session));
	r->progress_due_ms =
		progress_update(r->p->progress, r->now_ms, r->total);
	if (r->p->raw || r->on.mute || receiver_is_done(r) || !r->session->conn)
		return;
	if (r->now_ms < r->on.ack_due_ms &&
	    (!step || r->total - r->on.acked < step))
		return;
	r->on.ack_due_ms = r->now_ms + ACK_MS;
	if (connection_send_frame(r->session->conn, &f, &taken, &e) < 0)
		receiver_hung_up(r, &e);
	else if (taken)
		r->on.acked = r->total;
}

static void receiver_flush(struct receiver *r)
{
	struct err e = { 0 };
	bool empty;

	if (!r->on.mute && connection_flush(r->session->conn, &empty, &e) < 0)
		receiver_hung_up(r, &e);
}

/*
 * Nobody reads the output any more.  A consumer may have read all that it
 * wants: that is a failure only if bytes are left, or arrive later.
 */
static int receiver_reader_gone(struct receiver *r, struct err *e)
{
	r->reader_gone = true;
	if (r->p->consumer && !r->want_output && !output_unread(r->output))
		return 0;
	output_error(r->output, EPIPE, e);
	return receiver_output_error(r, e);
}

/* Did the consumer fail?  (One that succeeded may have all it wants.) */
static int receiver_check_consumer(struct receiver *r, struct err *e)
{
	struct command_status s;

	if (r->p->consumer && command_ended(r->p->consumer, &s) &&
	    !command_succeeded(&s))
		return receiver_consumer_failed(r, &s, e);
	return 0;
}

/* Which of session_poll()'s descriptors is which */
enum { POLL_OUTPUT, POLL_CONSUMER };

static void receiver_poll_connection(const struct receiver *r,
				     struct session_poll *p)
{
	struct connection *conn = r->session->conn;

	if (!conn)
		return;
	if (r->want_data && !r->on.rest)
		*(r->session->old ? &p->old : &p->conn) |= POLLIN;
	if (!r->on.mute && connection_pending(conn))
		p->conn |= POLLOUT;
	/* A sender that can reconnect must not wait for a slow consumer. */
	if (session_resumes(r->session) && !r->on.rest)
		p->conn |= POLLRDHUP;
}

static void receiver_poll_output(const struct receiver *r,
				 struct session_poll *p)
{
	bool watched = output_has_reader(r->output) && r->output->fd >= 0 &&
		       !r->reader_gone;

	if (r->over)
		return;
	if (r->want_output || watched)
		p->extra[POLL_OUTPUT].fd = output_fd(r->output);
	p->extra[POLL_OUTPUT].events = r->want_output ? POLLOUT : 0;
	if (r->p->consumer)
		p->extra[POLL_CONSUMER].fd = command_status_fd(r->p->consumer);
}

static uint64_t receiver_due(const struct receiver *r)
{
	const struct session *session = r->session;
	uint64_t until_ms = r->progress_due_ms;

	if (!r->p->raw && !r->on.mute && !receiver_is_done(r) && session->conn)
		until_ms = clock_earlier(until_ms, r->on.ack_due_ms);
	if (session->conn && r->want_data && !r->over)
		until_ms = clock_earlier(until_ms, r->on.heard_ms + SILENCE_MS);
	if (!r->ended)
		until_ms = clock_earlier(until_ms, session_deadline(session));
	if (r->want_data && r->on.rest)
		until_ms = clock_earlier(until_ms, r->now_ms + r->on.spin_ms);
	return until_ms;
}

/* If all of the old connection was received, acknowledge it at once. */
static void receiver_arrived(struct receiver *r)
{
	struct session *session = r->session;

	if (session->old && r->total >= session->offset)
		r->on.ack_due_ms = r->now_ms;
	session_retire_old(session, r->total);
}

/* For a sender that restarts */
static void receiver_have(void *arg, struct frame_have *have)
{
	const struct receiver *r = arg;

	digest_have(r->p->digest, have);
}

static struct receiver_connection receiver_connection_new(
	const struct receiver *r)
{
	return (struct receiver_connection){
		.number = r->session->count,
		.heard_ms = r->now_ms,
		.acked = r->total,
		.ack_due_ms = r->now_ms + ACK_MS,
	};
}

/* There is another connection: the sender continues at our total. */
static void receiver_go_on(struct receiver *r)
{
	r->on = receiver_connection_new(r);
	/* The sender has no bytes that we lack: the connection works. */
	if (r->session->peer_sent <= r->total)
		session_moved(r->session);
	receiver_arrived(r);
}

static int receiver_run_session(struct receiver *r, struct err *e)
{
	const struct session_span span = { r->total, r->total, r->total };

	r->session_due_ms = r->now_ms + SESSION_MS;
	if (session_run(r->session, &span, e) < 0)
		return -1;
	if (r->on.number != r->session->count)
		receiver_go_on(r);
	return 0;
}

static void receiver_check_silence(struct receiver *r, short revents)
{
	/* Neither a slow consumer nor our own suspension counts as silence. */
	if (!r->want_data || revents || r->over)
		return;
	if (r->now_ms < r->on.heard_ms + SILENCE_MS)
		return;
	r->on.heard_ms = r->now_ms;
	session_redial(r->session);
}

static void receiver_hear_connection(struct receiver *r, short revents,
				     short old_revents)
{
	struct err e = { 0 };
	bool reads = r->want_data && !r->session->old;

	if (!r->session->conn)
		return;
	if (revents & POLLOUT)
		receiver_flush(r);
	receiver_check_silence(r, revents | old_revents);
	if (!(revents & (POLLRDHUP | POLLERR | POLLHUP)) || reads ||
	    !r->session->conn)
		return;
	err_set(&e, ERR_STREAM, 0, "the connection was lost");
	receiver_hung_up(r, &e);
}

/*
 * Wait for what the last step was blocked on, or until until_ms, and do what is
 * due.  Returns at the first event.
 */
static int receiver_poll(struct receiver *r, uint64_t until_ms, struct err *e)
{
	struct session_poll p = { .extra = { { -1, 0, 0 },
					     { -1, POLLIN, 0 } } };

	r->now_ms = clock_now_ms();
	receiver_tick(r);
	receiver_poll_connection(r, &p);
	receiver_poll_output(r, &p);
	p.until_ms = clock_earlier(until_ms, receiver_due(r));
	if (session_poll(r->session, &p, e) < 0)
		return -1;
	r->now_ms = p.now_ms;
	r->on.rest = false;
	r->on.said_ready = (p.conn | p.old) & POLLIN;
	receiver_hear_connection(r, p.conn, p.old);
	if (p.due && receiver_run_session(r, e) < 0)
		return -1;
	if (p.extra[POLL_CONSUMER].revents && receiver_check_consumer(r, e) < 0)
		return -1;
	if ((p.extra[POLL_OUTPUT].revents & (POLLERR | POLLHUP)) &&
	    output_has_reader(r->output))
		return receiver_reader_gone(r, e);
	return 0;
}

static int receiver_write_buffer(struct receiver *r, struct err *e)
{
	size_t done;

	if (output_write(r->output, r->buffer + r->start, r->end - r->start,
			 &done, e) < 0)
		return receiver_output_error(r, e);
	r->start += done;
	r->want_output = r->start < r->end && !done;
	return 0;
}

/*
 * Count what the connection gave.  Linux 6.1 reports POLLIN for a part of a
 * record: then leave the socket alone for a while, each time twice as long.
 */
static void receiver_got(struct receiver *r, const struct connection_io *io)
{
	r->total += io->bytes;
	r->on.ended |= io->mark == CONNECTION_END;
	r->ended |= r->on.ended;
	if (io->bytes) {
		r->on.spin_ms = 0;
		r->on.heard_ms = r->now_ms;
		session_moved(r->session);
	} else if (r->on.said_ready &&
		   connection_in_kernel(session_source(r->session))) {
		r->on.rest = true;
	}
	r->on.said_ready = false;
	if (r->on.rest && r->on.spin_ms < SPIN_MAX_MS)
		r->on.spin_ms = r->on.spin_ms ? 2 * r->on.spin_ms : 1;
}

/*
 * The bytes count for the keys that protected them, and an old connection
 * carries exactly the bytes that were agreed on.
 */
static int receiver_check_rekey(struct receiver *r,
				const struct connection_io *io, struct err *e)
{
	struct session *session = r->session;

	if (r->ended)
		rekey_cancel(&session->rekey);
	else if (session_check_rekey(session, e) < 0)
		return -1;
	if (!session->old)
		return 0;
	if (io->mark || r->total > session->offset)
		return err_set(e, ERR_STREAM, 0,
			       "the sender uses the old connection beyond "
			       "byte %" PRIu64 ", where the new one begins",
			       session->offset);
	receiver_arrived(r);
	return 0;
}

/* The sender has compared its input with what we have. */
static int receiver_on_result(struct receiver *r,
			      const struct frame_checking *c, struct err *e)
{
	switch (c->check) {
	case FRAME_CHECK_GOES_ON:
		return 0;
	case FRAME_CHECK_SAME:
		r->begun = true;
		if (c->offset == r->total)
			return session_compared(r->session, c->check, e);
		connection_set_lost(r->session->conn);
		return err_set(e, ERR_STREAM, 0,
			       "the sender compared %" PRIu64
			       " bytes of %" PRIu64,
			       c->offset, r->total);
	case FRAME_CHECK_OTHER:
		break;
	}
	connection_set_lost(r->session->conn);
	/* A stream that nobody has continued yet has no sender to wait for. */
	if (!r->session->named || !r->begun)
		return err_set(e, ERR_IO, 0,
			       "the sender has another stream than the one "
			       "whose beginning is there; if that is not "
			       "wanted any more, remove it");
	return err_set(e, ERR_STREAM, 0,
		       "%s came with another stream than the one that was "
		       "begun",
		       r->session->name);
}

/* Hear how far a restarted sender is.  Until it is done there is no data. */
static int receiver_compare(struct receiver *r, struct err *e)
{
	struct frame f;
	bool got = true;

	for (int n = 0; n < STEP_READS && got && receiver_compares(r); n++) {
		if (connection_recv_checking(session_source(r->session), &f,
					     &got, e) < 0 ||
		    (got && receiver_on_result(r, &f.checking, e) < 0))
			return e->kind == ERR_STREAM ? receiver_lost(r, e) : -1;
		r->on.heard_ms = r->now_ms;
		session_excuse(r->session);
	}
	r->want_data = !got;
	return 0;
}

/* Between two connections there is nothing to read. */
static bool receiver_lacks_connection(struct receiver *r)
{
	r->want_data = !r->session->conn;
	return r->want_data;
}

/* One step by reading and writing. */
static int receiver_copy(struct receiver *r, struct err *e)
{
	struct connection_io io;

	if (r->start < r->end)
		return receiver_write_buffer(r, e);
	if (receiver_lacks_connection(r))
		return 0;
	if (receiver_compares(r))
		return receiver_compare(r, e);
	if (connection_recv(session_source(r->session), r->buffer, BUFFER_BYTES,
			    &io, e) < 0)
		return receiver_lost(r, e);
	if (r->p->digest)
		digest_update(r->p->digest, r->buffer, io.bytes);
	receiver_got(r, &io);
	r->start = 0;
	r->end = io.bytes;
	r->want_data = !io.bytes && !io.mark;
	return receiver_check_rekey(r, &io, e);
}

/*
 * Empty our own pipe into the output.  If a file refuses splice(2), write these
 * bytes and all that follow.
 */
static int receiver_empty_pipe(struct receiver *r, struct err *e)
{
	ssize_t n = splice(r->pipe[0], NULL, output_fd(r->output), NULL,
			   r->piped, SPLICE_F_NONBLOCK);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0 && errno == EAGAIN) {
		r->want_output = true;
		return 0;
	}
	if (n < 0 && errno != EINVAL) {
		output_error(r->output, errno, e);
		return receiver_output_error(r, e);
	}
	if (n < 0) {
		n = io_read(r->pipe[0], r->buffer, BUFFER_BYTES);
		if (n < 0)
			return err_set(e, ERR_BUG, errno, "cannot read a pipe");
		r->start = 0;
		r->end = (size_t)n;
		r->splice = r->piped > (size_t)n;
	}
	r->piped -= (size_t)n;
	return 0;
}

/*
 * One step by splicing.  Never splice from the socket straight into the output,
 * even if it is a pipe: if a nearly full pipe takes only a part of a record,
 * Linux 6.1 and 6.12 lose the rest.  Our own pipe is always empty and has room
 * for a record.
 */
static int receiver_splice(struct receiver *r, struct err *e)
{
	struct connection_io io;

	if (r->start < r->end)
		return receiver_write_buffer(r, e);
	if (r->piped)
		return receiver_empty_pipe(r, e);
	if (receiver_lacks_connection(r))
		return 0;
	if (!connection_in_kernel(session_source(r->session))) {
		r->splice = false;
		return 0;
	}
	if (connection_splice_to(session_source(r->session), r->pipe[1],
				 BUFFER_BYTES, &io, e) < 0)
		return receiver_lost(r, e);
	receiver_got(r, &io);
	r->piped = io.bytes;
	r->want_data = !io.bytes && !io.mark;
	return receiver_check_rekey(r, &io, e);
}

/* While we still write, the connection cannot prove that it works. */
static int receiver_check_session(struct receiver *r, struct err *e)
{
	if (r->session->conn && !receiver_waits(r))
		session_excuse(r->session);
	return session_check(r->session, e);
}

/* Work that cannot wait for a pause of the stream */
static int receiver_work_on(struct receiver *r, struct err *e)
{
	r->now_ms = clock_now_ms();
	receiver_tick(r);
	if (r->now_ms < r->session_due_ms && r->now_ms < r->session->due_ms)
		return 0;
	if (receiver_run_session(r, e) < 0 || signals_check(e) < 0)
		return -1;
	return receiver_check_session(r, e);
}

static int receiver_transfer(struct receiver *r, struct err *e)
{
	while (!r->ended || r->start < r->end || r->piped) {
		r->want_data = r->want_output = false;
		if ((r->splice ? receiver_splice(r, e) : receiver_copy(r, e)) <
		    0)
			return -1;
		if (r->want_data || r->want_output) {
			if (receiver_poll(r, CLOCK_NEVER, e) < 0 ||
			    receiver_check_session(r, e) < 0)
				return -1;
		} else if (receiver_work_on(r, e) < 0) {
			return -1;
		}
	}
	r->want_data = r->want_output = false;
	return 0;
}

/*
 * Wait until the reader has read everything.  A consumer may read the last byte
 * and exit at any moment: bytes were left only if they are unread after its
 * exit.
 */
static int receiver_drain(struct receiver *r, struct err *e)
{
	struct command_status s;
	uint64_t pause_ms = 1;

	for (;;) {
		bool ended = r->p->consumer &&
			     command_ended(r->p->consumer, &s);

		if (!output_unread(r->output))
			break;
		if (ended)
			return receiver_consumer_failed(r, &s, e);
		if (receiver_poll(r, clock_deadline(pause_ms), e) < 0)
			return -1;
		pause_ms = min_u64(2 * pause_ms, DRAIN_MAX_MS);
	}
	if (r->p->consumer || !output_has_reader(r->output))
		return receiver_check_consumer(r, e);
	/* The reader is gone: it may not have used the last bytes. */
	if (io_ready(output_fd(r->output), 0)) {
		output_error(r->output, EPIPE, e);
		return receiver_output_failed(r, e);
	}
	return 0;
}

/* A slow disk must not look like a dead receiver: keep polling. */
static int receiver_sync(struct receiver *r, struct err *e)
{
	uint64_t pause_ms = 1;
	int num;

	while (!output_synced(r->output, &num)) {
		if (receiver_poll(r, clock_deadline(pause_ms), e) < 0)
			return -1;
		pause_ms = min_u64(2 * pause_ms, DRAIN_MAX_MS);
	}
	if (!num)
		return 0;
	output_error(r->output, num, e);
	return receiver_output_failed(r, e);
}

/* Close the consumer's input; its exit status decides. */
static int receiver_wait_consumer(struct receiver *r, struct err *e)
{
	struct command_status s;

	command_close_pipe(r->p->consumer);
	r->output->fd = -1;
	while (!command_ended(r->p->consumer, &s))
		if (receiver_poll(r, CLOCK_NEVER, e) < 0)
			return -1;
	return command_succeeded(&s) ? 0 : receiver_consumer_failed(r, &s, e);
}

/* All bytes are written: make sure that they are consumed. */
static int receiver_consumed(struct receiver *r, struct err *e)
{
	if (receiver_drain(r, e) < 0 || receiver_sync(r, e) < 0)
		return -1;
	if (r->p->consumer)
		return receiver_wait_consumer(r, e);
	if (output_finish(r->output, e) < 0)
		return receiver_output_failed(r, e);
	return 0;
}

_Static_assert(COMMAND_LOG_WORDS_BYTES == FRAME_WORDS_MAX + 1,
	       "WORDS takes the last line as it is");

/*
 * The consumer's last line precedes FAIL, or is left out if there is no room.
 */
static int receiver_say_outcome(struct receiver *r, struct err *e)
{
	struct frame f = { .type = r->outcome.failure ? FRAME_FAIL : FRAME_DONE,
			   .outcome = r->outcome };
	bool taken = true, done;

	f.outcome.total = r->total;
	r->on.told = true;
	if (r->outcome.failure && r->words.len &&
	    connection_send_frame(
		    r->session->conn,
		    &(struct frame){ .type = FRAME_WORDS, .words = r->words },
		    &taken, e) < 0)
		return -1;
	if (connection_send_frame(r->session->conn, &f, &taken, e) < 0)
		return -1;
	if (!taken)
		return err_set(e, ERR_STREAM, 0,
			       "the connection takes no more frames");
	return connection_control_end(r->session->conn, &done, e);
}

/* Discard what arrives.  *confirmed: the sender's close_notify came. */
static int receiver_discard(struct receiver *r, bool *confirmed, struct err *e)
{
	struct connection_io io;
	int n = 0;

	do {
		if (connection_recv(r->session->conn, r->buffer, BUFFER_BYTES,
				    &io, e) < 0)
			return -1;
		*confirmed = io.mark == CONNECTION_CONFIRMED;
		r->on.ended |= io.bytes || io.mark;
		r->want_data = !io.bytes && !io.mark;
	} while (!r->want_data && !*confirmed && ++n < STEP_READS);
	r->on.rest = r->on.said_ready && connection_in_kernel(r->session->conn);
	r->on.spin_ms = SPIN_MAX_MS;
	return 0;
}

/* Tell the outcome as soon as it is the sender's, then hear that it knows it. */
static int receiver_answer(struct receiver *r, bool *confirmed, struct err *e)
{
	if (receiver_awaits_end(r) && receiver_discard(r, confirmed, e) < 0)
		return -1;
	if (receiver_awaits_end(r))
		return 0;
	if (!r->on.told && receiver_say_outcome(r, e) < 0)
		return -1;
	return receiver_discard(r, confirmed, e);
}

/* One step of telling the sender the outcome */
static int receiver_tell_step(struct receiver *r, uint64_t deadline_ms,
			      bool *confirmed, struct err *e)
{
	if (receiver_compares(r) && receiver_compare(r, e) < 0)
		return -1;
	if (r->session->conn && !receiver_compares(r) &&
	    receiver_answer(r, confirmed, e) < 0)
		return receiver_lost(r, e);
	if (*confirmed)
		return 0;
	/* There may be more to read at once. */
	if (receiver_poll(r,
			  r->session->conn && !r->want_data ? 0 : deadline_ms,
			  e) < 0 ||
	    receiver_check_session(r, e) < 0)
		return -1;
	if (r->now_ms >= deadline_ms)
		return err_set(e, ERR_STREAM, 0, "it does not answer");
	return 0;
}

/*
 * Tell the outcome, until the sender has read it and closes the connection.  A
 * sender that lost its connection before that reconnects to ask.
 */
static void receiver_tell(struct receiver *r)
{
	uint64_t deadline_ms = clock_deadline(
		session_resumes(r->session) ? r->session->retry.limit_ms
					    : LINGER_MS);
	bool confirmed = false;
	struct err e = { 0 };

	r->over = true;
	while (!confirmed) {
		/* The outcome is kept for another process. */
		if (r->session->named && r->session->conn)
			deadline_ms =
				clock_deadline(r->session->retry.limit_ms);
		if (receiver_tell_step(r, deadline_ms, &confirmed, &e) < 0) {
			log_notice("the sender may not know the outcome: %s",
				   e.msg);
			return;
		}
	}
}

/* A raw sender gets no outcome, only our close_notify. */
static void receiver_tell_raw(struct receiver *r)
{
	struct err e = { 0 };
	bool done;

	if (r->on.mute ||
	    connection_control_end(r->session->conn, &done, &e) < 0)
		log_notice("cannot tell the sender the outcome%s%s",
			   *e.msg ? ": " : "", e.msg);
	else
		connection_linger(r->session->conn, LINGER_MS);
}

static int receiver_loop(struct receiver *r, struct err *e)
{
	r->buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->buffer == MAP_FAILED)
		return err_call(e, ERR_STREAM, "mmap",
				"no memory for a buffer");
	if (r->p->no_consumer) {
		r->outcome.failure = FRAME_FAIL_START;
		return -1;
	}
	r->splice = r->p->how == RECEIVER_SPLICE && !r->p->digest &&
		    connection_in_kernel(r->session->conn) &&
		    output_takes_splice(r->output);
	log_debug("output by %s", r->splice ? "splice" : "read and write");
	if (r->splice) {
		if (pipe2(r->pipe, O_CLOEXEC) < 0)
			return err_call(e, ERR_STREAM, "pipe2",
					"cannot make a pipe");
		io_grow_pipe(r->pipe[0]);
		/* On an empty pipe it fails with EAGAIN if it is allowed. */
		r->splice = splice(r->pipe[0], NULL, output_fd(r->output), NULL,
				   1, SPLICE_F_NONBLOCK) >= 0 ||
			    !err_refuses(errno);
	}
	if (receiver_transfer(r, e) < 0)
		return -1;
	return receiver_consumed(r, e);
}

int receiver_run(const struct receiver_params *p, uint64_t *total,
		 struct err *e)
{
	struct receiver r = { .p = p,
			      .session = p->session,
			      .output = p->output,
			      .pipe = { -1, -1 },
			      .total = p->start,
			      .begun = !session_compares(p->session),
			      .now_ms = clock_now_ms() };
	int ret;

	r.on = receiver_connection_new(&r);

	if (p->digest) {
		p->session->ask = receiver_have;
		p->session->ask_arg = &r;
	}
	ret = receiver_loop(&r, e);
	if (!p->raw && (ret == 0 || r.outcome.failure))
		receiver_tell(&r);
	else if (p->raw && ret == 0)
		receiver_tell_raw(&r);
	else if (ret < 0 && p->session->conn &&
		 !connection_lost(p->session->conn))
		connection_abort(p->session->conn);
	p->session->ask = NULL;
	*total = r.total;
	if (r.buffer != MAP_FAILED)
		munmap(r.buffer, BUFFER_BYTES);
	attr_close(&r.pipe[0]);
	attr_close(&r.pipe[1]);
	return ret;
}
