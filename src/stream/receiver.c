// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/receiver.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/signals.h"

enum {
	ACK_MS = 5000, /* between signs of life, at most */
	/*
	 * Without a byte: dial another connection.  A sender that is alive
	 * notices a stuck one after 30 s, and can say why: let it.
	 */
	SILENCE_MS = 40000,
	SESSION_MS = 10, /* between looks at the session while bytes flow */
	ACK_PARTS = 8, /* an ACK for each eighth of the resend buffer, */
	ACK_BYTES = 1 << 20, /* or this much: good for the sender's cache */
	CONSUMER_GRACE_MS = 2000, /* from its closed input to its exit */
};

struct receiver_connection receiver_connection_new(const struct receiver *r)
{
	return (struct receiver_connection){
		.number = r->session->count,
		.heard_ms = r->now_ms,
		.acked = r->total,
		.ack_due_ms = r->now_ms + ACK_MS,
	};
}

/* What WORDS says beside FAIL */
static void receiver_set_words(struct receiver *r, const char *text)
{
	char words[FRAME_WORDS_MAX + 1];

	log_printable(words, sizeof words, text, strlen(text));
	r->words.len = (uint8_t)strlen(words);
	memcpy(r->words.text, words, r->words.len);
}

int receiver_consumer_failed(struct receiver *r, const struct command_status *s,
			     struct err *e)
{
	struct frame_outcome *o = &r->outcome;

	receiver_set_words(r, s->words);
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

int receiver_output_failed(struct receiver *r, struct err *e)
{
	r->outcome.failure = e->num ? FRAME_FAIL_OUTPUT : FRAME_FAIL_READER;
	if (e->num)
		receiver_set_words(
			r, e->num == ESTALE ? "FILE.part was changed, removed "
					      "or replaced"
			   : e->num == ECANCELED && r->output->part &&
					   r->output->part->finishing
				   ? "naming FILE failed halfway; if it is "
				     "there, it is complete"
				   : strerror(e->num));
	return -1;
}

int receiver_output_error(struct receiver *r, struct err *e)
{
	uint64_t deadline = clock_deadline(CONSUMER_GRACE_MS);
	struct err ignored = { 0 };
	struct command_status s;

	if (!r->p->consumer)
		return receiver_output_failed(r, e);
	/* If it has not ended then, it closed its input and runs on. */
	if (!command_ended(r->p->consumer, &s) &&
	    (io_wait(command_status_fd(r->p->consumer), POLLIN, deadline,
		     &ignored) <= 0 ||
	     !command_ended(r->p->consumer, &s)))
		s = (struct command_status){ 0 };
	return receiver_consumer_failed(r, &s, e);
}

int receiver_check_consumer(struct receiver *r, struct err *e)
{
	struct command_status s;

	if (r->p->consumer && command_ended(r->p->consumer, &s) &&
	    !command_succeeded(&s))
		return receiver_consumer_failed(r, &s, e);
	return 0;
}

int receiver_lost(struct receiver *r, struct err *e)
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

bool receiver_compares(const struct receiver *r)
{
	const struct connection *conn = session_source(r->session);

	return conn && connection_checks(conn);
}

bool receiver_awaits_end(const struct receiver *r)
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

	r->progress_due_ms = progress_update(r->p->progress, r->now_ms,
					     r->total,
					     session_outage_end_ms(r->session));
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

/* Which of session_poll()'s descriptors is which */
enum { POLL_OUTPUT, POLL_CONSUMER };

/* Not once the outcome is known: we drop data of the new connection then. */
static bool receiver_reads_old(const struct receiver *r)
{
	return r->session->old && (!r->over || receiver_compares(r));
}

static void receiver_poll_connection(const struct receiver *r,
				     struct session_poll *p)
{
	struct connection *conn = r->session->conn;

	if (!conn)
		return;
	if (r->want_data && !r->on.rest)
		*(receiver_reads_old(r) ? &p->old : &p->conn) |= POLLIN;
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
		until_ms = clock_earlier(until_ms,
					 retry_deadline(&session->retry));
	if (r->want_data && r->on.rest)
		until_ms = clock_earlier(until_ms, r->now_ms + r->on.spin_ms);
	return until_ms;
}

void receiver_arrived(struct receiver *r)
{
	struct session *session = r->session;

	if (session->old && r->total >= session->offset)
		r->on.ack_due_ms = r->now_ms;
	session_retire_old(session, r->total);
}

/* There is another connection: the sender continues at our total. */
static void receiver_resume(struct receiver *r)
{
	r->on = receiver_connection_new(r);
	/* Say at once whether we wait: the connection may soon be lost. */
	if (!r->session->old)
		r->on.ack_due_ms = r->now_ms;
	/* The sender has no bytes that we lack: the connection works. */
	if (r->session->peer_sent <= r->total)
		retry_moved(&r->session->retry);
	receiver_arrived(r);
}

static int receiver_run_session(struct receiver *r, struct err *e)
{
	const struct session_span span = { r->total, r->total, r->total };

	r->session_due_ms = r->now_ms + SESSION_MS;
	if (session_run(r->session, &span, e) < 0)
		return -1;
	if (r->on.number != r->session->count)
		receiver_resume(r);
	return 0;
}

int receiver_check_session(struct receiver *r, struct err *e)
{
	if (r->session->conn && !receiver_waits(r))
		retry_excuse(&r->session->retry, clock_now_ms());
	/* If we were suspended, what arrived meanwhile counts. */
	return r->on.said_ready ? 0 : session_check(r->session, e);
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
	bool reads = r->want_data && !receiver_reads_old(r);

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

int receiver_wait(struct receiver *r, uint64_t until_ms, struct err *e)
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

int receiver_work_on(struct receiver *r, struct err *e)
{
	r->now_ms = clock_now_ms();
	receiver_tick(r);
	if (r->now_ms < r->session_due_ms && r->now_ms < r->session->due_ms)
		return 0;
	if (receiver_run_session(r, e) < 0 || signals_check(e) < 0)
		return -1;
	return receiver_check_session(r, e);
}
