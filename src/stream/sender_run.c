// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/sender.h"

#include "base/clock.h"
#include "base/log.h"

/* Which of session_poll()'s descriptors is which */
enum { POLL_INPUT, POLL_SOURCE };

/* A consumer may take long after the last byte, and so may our COMMAND. */
static void sender_speak(struct sender *s)
{
	if (s->now_ms < s->speak_ms)
		return;
	s->speak_ms = CLOCK_NEVER;
	if (s->told_end)
		log_notice("everything is sent; waiting for the receiver to "
			   "confirm that all of it was taken");
	else if (!s->complete)
		log_notice("%s has closed its output, but still runs: waiting "
			   "for it to exit",
			   s->p->source_name);
}

/* When to act at the latest, whatever happens. */
static uint64_t sender_due(struct sender *s)
{
	const struct session *session = s->session;
	const struct sender_connection *on = &s->on;
	uint64_t until = clock_earlier(s->progress_due_ms, s->speak_ms);

	until = clock_earlier(until, retry_deadline(&session->retry));
	if (!s->resend->eof)
		until = clock_earlier(until,
				      read_ahead_due_ms(&s->ahead, s->now_ms));
	if (on->more)
		return 0;
	if (!session->conn)
		return until;
	if (on->unheard && !rekey_holds(&session->rekey))
		return 0;
	if (!s->p->raw)
		until = clock_earlier(until, on->heard_ms + SENDER_SILENCE_MS);
	if (session->learns)
		return until;
	if (session_compares(session))
		return clock_earlier(until, s->comparison.due_ms);
	if (!on->blocked && s->paced_ms)
		until = clock_earlier(until, s->paced_ms);
	else if (!on->blocked && !on->key_used_up && on->partial_ms &&
		 !s->resend->stalled)
		until = clock_earlier(until, on->push_ms);
	if (!rekey_holds(&session->rekey))
		until = clock_earlier(until, stuck_due(&on->stuck));
	return until;
}

static int sender_wait(struct sender *s, struct session_poll *p, struct err *e)
{
	const struct session *session = s->session;
	const struct command *source = s->complete ? NULL : s->p->source;

	*p = (struct session_poll){
		.conn = s->on.blocked ? POLLOUT : 0,
		.extra = { { sender_input_wanted(s) ? s->resend->in->fd : -1,
			     POLLIN, 0 },
			   { source ? command_status_fd(source) : -1, POLLIN,
			     0 } },
		.until_ms = sender_due(s),
	};
	if (!rekey_holds(&session->rekey))
		p->conn |= POLLIN;
	else if (session->conn && !connection_pending(session->conn))
		p->conn = 0;
	if (session->old && connection_pending(session->old))
		p->old = POLLOUT;
	if (session_poll(s->session, p, e) < 0)
		return -1;
	s->now_ms = p->now_ms;
	return 0;
}

/* A record left unfinished by the last connection need not wait again. */
static struct sender_connection sender_connection_new(const struct sender *s)
{
	return (struct sender_connection){
		.number = s->session->count,
		.heard_ms = s->now_ms,
		.stuck = stuck_begin(s->confirmed),
		.partial_ms = s->resend->sent < s->resend->head ? s->now_ms : 0,
		.push_ms = s->now_ms,
	};
}

static int sender_resume(struct sender *s, struct err *e)
{
	if (!s->session->old && !session_compares(s->session) &&
	    sender_send_again(s, e) < 0)
		return -1;
	s->on = sender_connection_new(s);
	return 0;
}

static int sender_run_session(struct sender *s, struct err *e)
{
	const struct resend_buffer *st = s->resend;
	struct session_span span = { st->keeps ? st->acked : st->sent,
				     st->keeps ? st->head : st->sent,
				     st->sent };

	/* Nothing is sent before the comparison is done. */
	if (session_compares(s->session))
		span.low = span.high = span.at = s->session->have.offset;
	if (session_run(s->session, &span, e) < 0)
		return -1;
	if (s->session->restarted)
		return 0;
	if (s->on.number != s->session->count && sender_resume(s, e) < 0)
		return -1;
	return session_check(s->session, e);
}

/*
 * The receiver has these bytes.  Continue behind them, even if the connection
 * was lost before it took the result: the result is sent again over the next
 * one.
 */
static int sender_compare(struct sender *s, struct err *e)
{
	struct session *session = s->session;
	int ret;

	if (resend_buffer_use_memory(&s->resend, e) < 0)
		return -1;
	ret = comparison_step(&s->comparison, session, s->resend, s->complete,
			      &s->on.more, e);
	if (ret == 0 && session->conn)
		retry_moved(&session->retry);
	progress_set_comparison(s->p->progress, s->resend->sent,
				session_compares(session) ? session->have.offset
							  : 0);
	if (session_compares(session))
		return ret;
	comparison_fini(&s->comparison);
	s->confirmed = session->have.offset;
	s->on.stuck = stuck_begin(s->confirmed);
	return ret;
}

/* Send and flush before waiting. */
static int sender_use_connection(struct sender *s, struct err *e)
{
	struct connection *conn = s->session->conn;

	if (s->session->learns)
		return 0;
	if (session_compares(s->session))
		return sender_compare(s, e);
	if (!conn) {
		s->on.more = false;
		read_ahead_note(&s->ahead, false, s->now_ms);
		return 0;
	}
	if (!connection_in_kernel(conn) &&
	    resend_buffer_use_memory(&s->resend, e) < 0)
		return -1;
	if (sender_send(s, e) < 0 || sender_send_flush(s, e) < 0)
		return -1;
	read_ahead_note(&s->ahead, !s->on.blocked, s->now_ms);
	return 0;
}

/* Flush the old connection. */
static int sender_flush_old(struct sender *s, struct err *e)
{
	struct session *session = s->session;
	bool empty;

	if (!session->old || !connection_pending(session->old) ||
	    connection_flush(session->old, &empty, e) == 0)
		return 0;
	connection_set_lost(session->conn);
	return -1;
}

static void sender_show(struct sender *s)
{
	sender_speak(s);
	s->progress_due_ms = progress_update(s->p->progress, s->now_ms,
					     s->confirmed,
					     session_outage_end_ms(s->session));
}

static int sender_step(struct sender *s, struct err *e)
{
	struct session_poll p;

	if (s->resend->eof && !s->complete && sender_input_check(s, e) < 0)
		return -1;
	if (sender_use_connection(s, e) < 0 || sender_wait(s, &p, e) < 0)
		return -1;
	sender_show(s);
	/* Read an outcome that has arrived before using a new connection. */
	if (sender_hear(s, p.conn, e) < 0)
		return -1;
	if (p.old && sender_flush_old(s, e) < 0)
		return -1;
	if (s->done)
		return 0;
	if (p.due && sender_run_session(s, e) < 0)
		return -1;
	if (p.extra[POLL_SOURCE].revents && sender_input_check(s, e) < 0)
		return -1;
	return sender_input_take(s, &p.extra[POLL_INPUT], e);
}

/*
 * Often a send fails because the receiver failed, and its outcome is waiting to
 * be read.  Otherwise, if the connection failed, the stream may resume over
 * another one.
 */
static int sender_recover(struct sender *s, struct err *e)
{
	struct err said = { 0 };

	if (e->kind != ERR_STREAM || !s->session->conn || s->disputed)
		return -1;
	if (sender_hear_last(s, &said) < 0 &&
	    (said.num == 0 || said.kind == ERR_COMMAND))
		*e = said;
	if (s->done)
		return 0;
	if (s->refused)
		return -1;
	return session_lost(s->session, e);
}

static int sender_loop(struct sender *s, struct err *e)
{
	while (!s->done && !s->session->restarted)
		if (sender_step(s, e) < 0 && sender_recover(s, e) < 0)
			return -1;
	return 0;
}

/*
 * Must the receiver hear that we gave up?  Not if it waits for another process
 * of ours, nor if our input is another stream than it has.  ERR_STREAM over a
 * connection that works: the receiver broke the protocol or gave up, ssh ended,
 * or nothing moves.  A raw receiver has ended then.
 */
static bool sender_must_abort(const struct sender *s, const struct err *e)
{
	const struct session *session = s->session;

	if (!session->conn || session_suspends(session))
		return false;
	return e->kind == ERR_STREAM
		       ? !s->p->raw && !connection_lost(session->conn)
		       : !session_compares(session);
}

int sender_run(const struct sender_params *p, uint64_t *confirmed,
	       struct err *e)
{
	struct sender s = { .p = p,
			    .resend = p->resend,
			    .session = p->session,
			    .now_ms = clock_now_ms(),
			    .speak_ms = CLOCK_NEVER };
	uint64_t sent;
	int ret;

	s.on = sender_connection_new(&s);
	read_ahead_init(&s.ahead, s.resend->room);
	pace_init(&s.pace, p->limit_bytes_per_s, s.now_ms);
	ret = sender_loop(&s, e);
	sent = session_compares(s.session) ? s.session->have.offset
					   : s.resend->sent;
	s.resend->ops->free(s.resend);

	/* Tell the receiver that its outcome was read. */
	if (!p->raw && p->session->conn && (s.done || s.refused))
		connection_confirm(p->session->conn);
	else if (ret < 0 && sender_must_abort(&s, e))
		connection_abort(p->session->conn);
	comparison_fini(&s.comparison);
	*confirmed = s.confirmed;
	if (ret < 0 && !s.refused && !s.disputed)
		session_say_suspended(p->session, sent);
	return ret;
}
