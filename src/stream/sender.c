// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/sender.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/min.h"
#include "conn/stuck.h"
#include "stream/comparison.h"
#include "stream/pace.h"
#include "stream/read_ahead.h"

/*
 * A record that is not full waits for more input: PAUSE_MS after the last byte,
 * PAUSE_MAX_MS in all.  Otherwise each small write of a producer would become a
 * record.
 */
enum { PAUSE_MS = 2, PAUSE_MAX_MS = 20 };

/*
 * Sent in a row before we read what the receiver says, and read in a row before
 * we do anything else: frames, or with --raw records
 */
enum { STEP_BYTES = 16 << 20, STEP_FRAMES = 1024 };

/* How long the outcome is looked for among what a receiver said before it */
enum { RECOVER_MS = 1000 };

/* A receiver sends an ACK every 5 s (btrfs-ktls-pipe-protocol(7)). */
enum { SILENCE_MS = 30000 };

/* From the end of sending to the message that we wait for the outcome */
enum { SPEAK_MS = 5000 };

/* The start of a btrfs stream, and its last command: size, number, CRC */
static const uint8_t btrfs_magic[13] = "btrfs-stream";
static const uint8_t btrfs_end[10] = { 0,    0,	   0,	 0,    0x15,
				       0x00, 0x50, 0x6c, 0xc9, 0x9d };

/* What belongs to one connection; the next one begins with a new value. */
struct sender_connection {
	unsigned int number; /* session->count */
	uint64_t heard_ms; /* when the receiver's last frame came */
	struct stuck stuck; /* does the connection still work? */
	bool blocked; /* the socket took less than it was given */
	bool more; /* there is more to send, or to compare, at once */
	bool unheard; /* there may be more to read at once */
	bool ended; /* the end was sent */
	bool key_used_up; /* nothing more may be sent under these keys */
	uint64_t partial_ms; /* when the unfinished record began, or 0 */
	uint64_t push_ms; /* when it is sent unfinished */
};

struct sender {
	const struct sender_params *p;
	struct resend_buffer *resend;
	struct session *session;
	struct sender_connection on; /* the newest connection */
	uint64_t now_ms; /* of this step */
	uint64_t confirmed; /* the receiver has this much */
	uint64_t progress_due_ms;
	bool is_btrfs; /* the stream began with the magic */
	bool complete; /* the input ended without a failure */
	bool told_end; /* the end was sent on some connection */
	uint64_t speak_ms; /* when to log that we wait for the outcome */
	bool done; /* the receiver confirmed the stream */
	bool refused; /* the receiver sent FAIL */
	bool disputed; /* it confirmed a stream of another length */
	char words[FRAME_WORDS_MAX + 1]; /* the last line of its COMMAND */
	struct read_ahead ahead;
	struct pace pace;
	struct comparison comparison; /* with what the receiver has */
	uint64_t paced_ms; /* when --limit allows more; 0: now */
};

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

/* Bytes were read: decide how long an unfinished record may wait. */
static void sender_note_input(struct sender *s)
{
	struct sender_connection *on = &s->on;

	if (!on->partial_ms)
		on->partial_ms = s->now_ms;
	on->push_ms = clock_earlier(s->now_ms + PAUSE_MS,
				    on->partial_ms + PAUSE_MAX_MS);
}

static int sender_fill(struct sender *s, struct err *e)
{
	struct resend_buffer *st = s->resend;
	uint64_t head = st->head;
	uint8_t first[sizeof btrfs_magic];

	if (st->ops->fill(st, e) < 0)
		return -1;
	if (st->cramped)
		return resend_buffer_use_memory(&s->resend, e);
	if (st->head == head)
		return 0;
	sender_note_input(s);
	read_ahead_got(&s->ahead, st->head - head, s->now_ms);
	if (!s->p->check_end || !st->peeks || head >= sizeof first ||
	    st->head < sizeof first)
		return 0;
	if (st->ops->peek(st, 0, first, sizeof first, e) < 0)
		return -1;
	s->is_btrfs = !memcmp(first, btrfs_magic, sizeof first);
	return 0;
}

/* The last bytes of a btrfs stream prove that nothing is missing. */
static int sender_check_end(struct sender *s, struct err *e)
{
	uint8_t last[sizeof btrfs_end];
	struct resend_buffer *st;

	if (resend_buffer_use_memory(&s->resend, e) < 0)
		return -1;
	st = s->resend;
	if (st->ops->peek(st, st->head - sizeof last, last, sizeof last, e) < 0)
		return -1;
	if (!memcmp(last, btrfs_end, sizeof last))
		return 0;
	return err_set(e, ERR_IO, 0,
		       "the btrfs stream on the input is cut short: its last "
		       "command is missing (was btrfs send killed?)");
}

/*
 * The input is at its end.  A killed producer looks the same, except that a
 * COMMAND has an exit status and a btrfs stream has a last command.
 */
static int sender_check_input(struct sender *s, struct err *e)
{
	struct command_status status;

	if (s->p->source) {
		if (!command_ended(s->p->source, &status))
			return 0;
		if (!command_succeeded(&status))
			return command_fail(&status, s->p->source_name, e);
	}
	if (s->is_btrfs && sender_check_end(s, e) < 0)
		return -1;
	s->complete = true;
	return 0;
}

/* Bytes that may be sent now: by keys, resend buffer and --limit. */
static uint64_t sender_may_send(struct sender *s)
{
	const struct resend_buffer *st = s->resend;
	uint64_t ready = sender_ready(s), may = session_key_budget(s->session);

	s->on.key_used_up = !may;
	ready = min_u64(min_u64(ready, may), st->limit - st->sent);
	may = pace_budget(&s->pace, ready, s->now_ms);
	s->paced_ms = ready && !may ? pace_due_ms(&s->pace, ready) : 0;
	return may;
}

static int sender_send_some(struct sender *s, size_t len, struct err *e)
{
	struct resend_buffer *st = s->resend;
	struct connection_io io;

	if (st->ops->send(st, s->session->conn, len, &io, e) < 0)
		return -1;
	pace_spend(&s->pace, io.bytes);
	/* A cramped buffer tells nothing about the socket. */
	if (st->cramped)
		return resend_buffer_use_memory(&s->resend, e);
	s->on.blocked = io.bytes == 0;
	if (!st->keeps)
		st->ops->ack(st, st->sent);
	return 0;
}

static int sender_send(struct sender *s, struct err *e)
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

/* Flush the connection; after the last byte send the end. */
static int sender_flush(struct sender *s, struct err *e)
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
		s->speak_ms = s->now_ms + SPEAK_MS;
	s->told_end |= s->on.ended;
	if (s->on.ended)
		rekey_cancel(&s->session->rekey);
	return 0;
}

/* Was something sent on this connection that is not acknowledged yet? */
static bool sender_owes(const struct sender *s)
{
	return s->resend->sent > s->on.stuck.acked || s->on.ended;
}

static int sender_on_ack(struct sender *s, const struct frame_ack *ack,
			 struct err *e)
{
	struct resend_buffer *st = s->resend;
	uint64_t offset = ack->offset;

	/* It only shows that the receiver lives. */
	if (session_compares(s->session))
		return 0;
	if (offset > st->sent)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver acknowledges byte %" PRIu64
			       ", but only %" PRIu64 " were sent",
			       offset, st->sent);
	/* It came over the new connection: the receiver knows of that. */
	session_retire_old(s->session, offset);
	if (stuck_ack(&s->on.stuck, offset, ack->flags & FRAME_ACK_WAITS) ||
	    !sender_owes(s))
		session_moved(s->session);
	if (offset <= s->confirmed)
		return 0;
	s->confirmed = offset;
	resend_buffer_confirm(st, offset);
	return 0;
}

static int sender_on_done(struct sender *s, uint64_t total, struct err *e)
{
	s->disputed = !s->told_end || total != s->resend->head;
	if (s->disputed)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver confirms %" PRIu64
			       " bytes, but the stream has %" PRIu64,
			       total, s->resend->head);
	s->confirmed = total;
	s->done = true;
	return 0;
}

static int sender_on_fail(const struct frame_outcome *o, struct err *e)
{
	switch (o->failure) {
	case FRAME_FAIL_STATUS:
		return err_set(e, ERR_COMMAND, 0,
			       "the receiver's command exited with status %u",
			       o->detail);
	case FRAME_FAIL_SIGNAL:
		return err_set(e, ERR_COMMAND, 0,
			       "the receiver's command was killed by signal "
			       "%u (%s)",
			       o->detail, strsignal(o->detail));
	case FRAME_FAIL_UNREAD:
		return err_set(e, ERR_COMMAND, 0,
			       "the receiver's command exited with bytes left "
			       "unread");
	case FRAME_FAIL_READER:
		return err_set(e, ERR_COMMAND, 0,
			       "the reader of the receiver's output went away");
	case FRAME_FAIL_OUTPUT:
		return err_set(e, ERR_COMMAND, 0,
			       "the receiver cannot write its output");
	case FRAME_FAIL_START:
		return err_set(e, ERR_COMMAND, 0,
			       "the receiver's command could not be started");
	}
	return err_set(e, ERR_COMMAND, 0, "the receiver failed (reason %u)",
		       (unsigned int)o->failure);
}

static int sender_on_frame(struct sender *s, const struct frame *f,
			   struct err *e)
{
	switch (f->type) {
	case FRAME_ACK:
		return sender_on_ack(s, &f->ack, e);
	case FRAME_DONE:
		return sender_on_done(s, f->outcome.total, e);
	case FRAME_FAIL:
		s->refused = true;
		sender_on_fail(&f->outcome, e);
		if (*s->words)
			err_append(e, ": %s", s->words);
		return -1;
	case FRAME_WORDS:
		memcpy(s->words, f->words.text, f->words.len);
		s->words[f->words.len] = '\0';
		return 0;
	case FRAME_HELLO:
	case FRAME_WELCOME:
		return err_set(e, ERR_STREAM, 0,
			       "the receiver sent a second greeting");
	case FRAME_NAME:
	case FRAME_HAVE:
	case FRAME_CHECKING:
		break;
	}
	return err_set(e, ERR_STREAM, 0,
		       "the receiver sent an unexpected frame (type %u)",
		       (unsigned int)f->type);
}

/* A raw receiver's close_notify is the only confirmation there is. */
static int sender_on_end(struct sender *s, struct err *e)
{
	if (!s->p->raw || !s->on.ended)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver ended the connection before it "
			       "confirmed the stream");
	s->confirmed = s->resend->head;
	s->done = true;
	return 0;
}

/* Read one frame; from a raw receiver, bytes that mean nothing. */
static int sender_hear(struct sender *s, bool *got, struct err *e)
{
	struct connection *conn = s->session->conn;
	struct frame f;
	bool closed;

	if ((s->p->raw ? connection_drop(conn, got, &closed, e)
		       : connection_recv_frame(conn, &f, got, &closed, e)) < 0)
		return -1;
	if (closed)
		return sender_on_end(s, e);
	if (!*got || s->p->raw)
		return 0;
	s->on.heard_ms = s->now_ms;
	return sender_on_frame(s, &f, e);
}

/* Read what the receiver says, but not for ever: it may never pause. */
static int sender_control(struct sender *s, struct err *e)
{
	bool got = true;

	for (int n = 0; n < STEP_FRAMES && got && !s->done; n++)
		if (sender_hear(s, &got, e) < 0)
			return -1;
	s->on.unheard = got && !s->done;
	return 0;
}

/*
 * Poll the input if there is room and nothing of it waits for the socket.
 * While an unfinished record waits in the input's own pipe, poll(2) would
 * return at once, so only time counts then.
 */
static bool sender_wants_input(struct sender *s)
{
	struct resend_buffer *st = s->resend;

	st->ahead = read_ahead_limit(&s->ahead, s->now_ms);
	if (st->eof || resend_buffer_full(st))
		return false;
	if (!resend_buffer_wants(st)) {
		read_ahead_hold_back(&s->ahead);
		return false;
	}
	return !st->in_place || st->head == st->sent;
}

/* A consumer may take long after the last byte. */
static void sender_speak(struct sender *s)
{
	if (s->now_ms < s->speak_ms)
		return;
	s->speak_ms = CLOCK_NEVER;
	log_notice("everything is sent; waiting for the receiver to confirm "
		   "that it was taken");
}

/* When to act at the latest, whatever happens. */
static uint64_t sender_due(struct sender *s)
{
	const struct session *session = s->session;
	const struct sender_connection *on = &s->on;
	uint64_t until = clock_earlier(s->progress_due_ms, s->speak_ms);

	until = clock_earlier(until, session_deadline(session));
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
		until = clock_earlier(until, on->heard_ms + SILENCE_MS);
	if (session_compares(session))
		return clock_earlier(until, s->comparison.due_ms);
	if (!on->blocked && s->paced_ms)
		until = clock_earlier(until, s->paced_ms);
	else if (!on->blocked && !on->key_used_up && on->partial_ms &&
		 s->resend->sent < s->resend->limit)
		until = clock_earlier(until, on->push_ms);
	if (!rekey_holds(&session->rekey))
		until = clock_earlier(until, stuck_due(&on->stuck));
	return until;
}

/* Which of session_poll()'s descriptors is which */
enum { POLL_INPUT, POLL_SOURCE };

static int sender_wait(struct sender *s, struct session_poll *p, struct err *e)
{
	const struct session *session = s->session;
	const struct command *source = s->complete ? NULL : s->p->source;

	*p = (struct session_poll){
		.conn = s->on.blocked ? POLLOUT : 0,
		.extra = { { sender_wants_input(s) ? s->resend->in->fd : -1,
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

/* A failing source fails the stream, with or without an end of file. */
static int sender_check_source(struct sender *s, struct err *e)
{
	struct command_status status;

	if (command_ended(s->p->source, &status) && !command_succeeded(&status))
		return command_fail(&status, s->p->source_name, e);
	return 0;
}

static int sender_check_silence(struct sender *s, struct err *e)
{
	if (s->p->raw || s->now_ms < s->on.heard_ms + SILENCE_MS)
		return 0;
	connection_set_lost(s->session->conn);
	return err_set(e, ERR_STREAM, 0,
		       "the receiver has not been heard from for %d s",
		       SILENCE_MS / 1000);
}

/* During a rekey we do not read from this connection. */
static int sender_check_stuck(struct sender *s, struct err *e)
{
	if (s->p->raw || rekey_holds(&s->session->rekey) ||
	    session_compares(s->session) ||
	    !stuck_judge(&s->on.stuck, sender_owes(s), s->now_ms))
		return 0;
	connection_set_lost(s->session->conn);
	return err_set(e, ERR_STREAM, 0,
		       "the receiver has waited for %d s for bytes that were "
		       "sent: something on the way swallows them (the path's "
		       "MTU is too small? a firewall?)",
		       STUCK_MS / 1000);
}

/*
 * The key limit is reached, and our attempts to dial for a rekey failed.  If we
 * only wait for the receiver to dial, or to finish an old connection, we wait
 * on: its consumer may be stuck.
 */
static int sender_check_rekey(struct sender *s, struct err *e)
{
	const struct rekey *r = &s->session->rekey;

	if (!s->on.key_used_up || !rekey_dials(r) ||
	    s->now_ms < r->since_ms + SILENCE_MS)
		return 0;
	connection_set_lost(s->session->conn);
	return err_set(e, ERR_STREAM, 0,
		       "cannot rekey: no new connection within %d s",
		       SILENCE_MS / 1000);
}

/* On another connection, send again what the receiver does not have. */
static int sender_go_back(struct sender *s, struct err *e)
{
	if (resend_buffer_go_back(&s->resend, s->session->offset, e) < 0)
		return -1;
	if (s->session->offset > s->confirmed) {
		s->confirmed = s->session->offset;
		/* It arrived over an earlier connection. */
		session_moved(s->session);
	}
	resend_buffer_confirm(s->resend, s->confirmed);
	return 0;
}

/* An unfinished record has waited long enough by now. */
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

static int sender_go_on(struct sender *s, struct err *e)
{
	if (!s->session->old && !session_compares(s->session) &&
	    sender_go_back(s, e) < 0)
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
	if (s->on.number != s->session->count && sender_go_on(s, e) < 0)
		return -1;
	return session_check(s->session, e);
}

/*
 * The receiver has these bytes.  Continue behind them, even if the connection
 * was lost before it took the result: that is said again over the next one.
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
		session_moved(session);
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
	if (sender_send(s, e) < 0 || sender_flush(s, e) < 0)
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

/* Handle events of the connection. */
static int sender_hear_connection(struct sender *s, short revents,
				  struct err *e)
{
	if (!s->session->conn)
		return 0;
	if (revents & POLLOUT) {
		s->on.blocked = false;
		read_ahead_note(&s->ahead, true, s->now_ms);
	}
	/* The receiver closes an old connection once it has all of it. */
	if (((revents & ~POLLOUT) || s->on.unheard) &&
	    !rekey_holds(&s->session->rekey) && sender_control(s, e) < 0)
		return -1;
	if (sender_check_rekey(s, e) < 0)
		return -1;
	/* Read first, then judge silence: we may have been suspended. */
	if (sender_check_silence(s, e) < 0 || sender_check_stuck(s, e) < 0)
		return -1;
	if (!s->on.stuck.waits)
		session_excuse(s->session);
	return session_check(s->session, e);
}

/*
 * Fill the buffer even while the socket is full.  An input that was not polled,
 * because an unfinished record waits in its own pipe, may have grown by now.
 */
static int sender_take_input(struct sender *s, const struct pollfd *input,
			     struct err *e)
{
	const struct resend_buffer *st = s->resend;
	bool not_polled = input->fd < 0 && !s->on.blocked;

	if (st->eof || !resend_buffer_wants(st) ||
	    (!input->revents && !not_polled))
		return 0;
	return sender_fill(s, e);
}

static void sender_show(struct sender *s)
{
	sender_speak(s);
	progress_set_outage(s->p->progress, session_outage_end_ms(s->session));
	s->progress_due_ms =
		progress_update(s->p->progress, s->now_ms, s->confirmed);
}

static int sender_step(struct sender *s, struct err *e)
{
	struct session_poll p;

	if (s->resend->eof && !s->complete && sender_check_input(s, e) < 0)
		return -1;
	if (sender_use_connection(s, e) < 0 || sender_wait(s, &p, e) < 0)
		return -1;
	sender_show(s);
	/* The outcome may have arrived: it goes before a new connection. */
	if (sender_hear_connection(s, p.conn, e) < 0)
		return -1;
	if (p.old && sender_flush_old(s, e) < 0)
		return -1;
	if (s->done)
		return 0;
	if (p.due && sender_run_session(s, e) < 0)
		return -1;
	if (p.extra[POLL_SOURCE].revents && sender_check_source(s, e) < 0)
		return -1;
	return sender_take_input(s, &p.extra[POLL_INPUT], e);
}

/* Read to the end what the receiver said before the connection failed. */
static int sender_hear_last(struct sender *s, struct err *e)
{
	uint64_t deadline_ms = clock_deadline(RECOVER_MS);
	int ret;

	do
		ret = sender_control(s, e);
	while (ret == 0 && s->on.unheard && clock_now_ms() < deadline_ms);
	return ret;
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
	while (!s->done)
		if (sender_step(s, e) < 0 && sender_recover(s, e) < 0)
			return -1;
	return 0;
}

/* Does the receiver wait for another process that sends the rest? */
static bool sender_is_suspended(const struct sender *s)
{
	const struct session *session = s->session;

	return session->named && !s->refused && !s->disputed &&
	       !(session->conn && connection_gave_up(session->conn));
}

int sender_run(const struct sender_params *p, struct sender_end *end,
	       struct err *e)
{
	struct sender s = { .p = p,
			    .resend = p->resend,
			    .session = p->session,
			    .now_ms = clock_now_ms(),
			    .speak_ms = CLOCK_NEVER };
	int ret;

	s.on = sender_connection_new(&s);
	read_ahead_init(&s.ahead, s.resend->room);
	pace_init(&s.pace, p->limit_bytes_per_s, s.now_ms);
	ret = sender_loop(&s, e);
	end->sent = session_compares(s.session) ? s.session->have.offset
						: s.resend->sent;
	s.resend->ops->free(s.resend);

	/* Tell the receiver that its outcome was read, or that our input
	 * failed.  One that waits for another process is told nothing. */
	if (!p->raw && p->session->conn && (s.done || s.refused))
		connection_confirm(p->session->conn);
	else if (p->session->conn && ret < 0 && e->kind != ERR_STREAM &&
		 !p->session->named && !session_compares(p->session))
		connection_abort(p->session->conn);
	comparison_fini(&s.comparison);
	end->confirmed = s.confirmed;
	end->suspended = ret < 0 && sender_is_suspended(&s);
	return ret;
}
