// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/sender.h"

#include "base/clock.h"

/* Sent in a row before we read what the receiver says */
enum { STEP_BYTES = 16 << 20 };

/* Bytes to send now: whole records, or all if no input comes. */
static uint64_t sender_ready(const struct sender *s)
{
	const struct resend_buffer *st = s->resend;
	uint64_t whole = st->head - st->head % RECORD_MAX;

	if (st->eof || resend_buffer_full(st) ||
	    (s->on.partial_ms && s->now_ms >= s->on.push_ms))
		return st->head - st->sent;
	return whole > st->sent ? whole - st->sent : 0;
}

/* Bytes that may be sent now: by keys, resend buffer and --limit. */
static uint64_t sender_may_send(struct sender *s)
{
	const struct resend_buffer *st = s->resend;
	uint64_t ready = st->stalled ? 0 : sender_ready(s);
	uint64_t may = session_key_budget(s->session);

	s->on.key_used_up = !may;
	ready = min_u64(ready, may);
	may = pace_budget(&s->pace, ready, s->now_ms);
	s->paced_ms = ready && !may ? pace_due_ms(&s->pace, ready) : 0;
	return may;
}

static int sender_send_some(struct sender *s, size_t len, struct err *e)
{
	struct resend_buffer *st = s->resend;
	size_t done;

	if (st->ops->send(st, s->session->conn, len, &done, e) < 0)
		return -1;
	pace_spend(&s->pace, done);
	/* A cramped buffer tells nothing about the socket. */
	if (st->cramped)
		return resend_buffer_use_memory(&s->resend, e);
	s->on.blocked = !done;
	if (!st->keeps)
		st->ops->ack(st, st->sent);
	return 0;
}

int sender_send(struct sender *s, struct err *e)
{
	uint64_t len = 0, end = s->resend->sent + STEP_BYTES;
	struct resend_buffer *st;

	while (!s->on.blocked && (len = sender_may_send(s)) > 0 &&
	       s->resend->sent < end)
		if (sender_send_some(s, len, e) < 0)
			return -1;
	s->now_ms = clock_now_ms(); /* that may have taken long */
	st = s->resend;
	s->on.more = !s->on.blocked && len;
	if (st->sent == st->head) {
		s->on.partial_ms = 0;
		read_ahead_ran_dry(&s->ahead, s->now_ms);
	}
	return s->on.ended ? 0 : session_check_rekey(s->session, e);
}

int sender_send_flush(struct sender *s, struct err *e)
{
	struct connection *conn = s->session->conn;
	bool empty = true;

	if (connection_pending(conn) && connection_flush(conn, &empty, e) < 0)
		return -1;
	s->on.blocked |= !empty;
	if (rekey_holds(&s->session->rekey))
		return 0;
	if (!s->complete || s->resend->sent < s->resend->head || s->on.ended ||
	    s->on.blocked)
		return 0;
	if (connection_end(conn, &s->on.ended, e) < 0)
		return -1;
	s->on.blocked = !s->on.ended;
	if (s->on.ended && !s->told_end)
		s->speak_ms = s->now_ms + SENDER_SPEAK_MS;
	s->told_end |= s->on.ended;
	if (s->on.ended)
		rekey_cancel(&s->session->rekey);
	return 0;
}

int sender_send_again(struct sender *s, struct err *e)
{
	if (s->session->offset != s->resend->sent &&
	    (resend_buffer_use_memory(&s->resend, e) < 0 ||
	     resend_buffer_rewind(s->resend, s->session->offset, e) < 0))
		return -1;
	if (s->session->offset > s->confirmed) {
		s->confirmed = s->session->offset;
		/* It arrived over an earlier connection. */
		retry_moved(&s->session->retry);
	}
	resend_buffer_confirm(s->resend, s->confirmed);
	return 0;
}
