// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/sender.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

enum {
	STEP_FRAMES = 1024, /* read in a row; with --raw records */
	LAST_MS = 1000, /* to find the outcome among what was said before it */
};

#define SWALLOWED                                                    \
	"something on the way swallows them (the path's MTU is too " \
	"small? a firewall?)"

/* Was something sent on this connection that is not acknowledged yet? */
static bool sender_owes(const struct sender *s)
{
	return s->resend->sent > s->on.stuck.acked || s->on.ended;
}

/* Does the receiver have all that there is? */
static bool sender_is_idle(const struct sender *s)
{
	return s->resend->head <= s->on.stuck.acked && !s->complete;
}

static int sender_on_ack(struct sender *s, const struct frame_ack *ack,
			 struct err *e)
{
	struct resend_buffer *st = s->resend;
	uint64_t offset = ack->offset;

	/* While we compare, it only shows that the receiver lives. */
	if (session_compares(s->session))
		return 0;
	if (offset > st->sent)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver acknowledges byte %" PRIu64
			       ", but only %" PRIu64 " were sent",
			       offset, st->sent);
	/* It came over the new connection, so the receiver uses that. */
	session_retire_old(s->session, offset);
	if (stuck_ack(&s->on.stuck, offset, ack->flags & FRAME_ACK_WAITS) ||
	    sender_is_idle(s))
		retry_moved(&s->session->retry);
	if (offset <= s->confirmed)
		return 0;
	s->confirmed = offset;
	resend_buffer_confirm(st, offset);
	return 0;
}

static int sender_on_done(struct sender *s, uint64_t total, struct err *e)
{
	s->disputed = !s->told_end || total != s->resend->head;
	if (s->disputed && total == s->resend->head)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver confirms the stream before its "
			       "end");
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

/* Once bytes were sent without a comparison, none can follow. */
static int sender_on_have(struct sender *s, const struct frame_have *have,
			  struct err *e)
{
	if (!s->session->have.kind && s->resend->sent)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver does not have what it had before");
	if (session_learn(s->session, have, e) < 0)
		return -1;
	return session_compares(s->session) ? 0 : sender_send_again(s, e);
}

static int sender_on_frame(struct sender *s, const struct frame *f,
			   struct err *e)
{
	/* HAVE comes right after WELCOME. */
	if (s->session->learns && f->type != FRAME_HAVE)
		return err_set(e, ERR_STREAM, 0,
			       "the receiver does not say what it has");
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
	case FRAME_HAVE:
		return sender_on_have(s, &f->have, e);
	case FRAME_NAME:
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
static int sender_hear_one(struct sender *s, bool *got, struct err *e)
{
	struct frame f;
	bool closed;

	if (connection_recv_frame(s->session->conn, &f, got, &closed, e) < 0)
		return -1;
	if (closed)
		return sender_on_end(s, e);
	if (!*got || s->p->raw)
		return 0;
	s->on.heard_ms = s->now_ms;
	return sender_on_frame(s, &f, e);
}

/* Read what the receiver says, but not for ever: it may never pause. */
static int sender_hear_some(struct sender *s, struct err *e)
{
	bool got = true;

	for (int n = 0; n < STEP_FRAMES && got && !s->done; n++)
		if (sender_hear_one(s, &got, e) < 0)
			return -1;
	s->on.unheard = got && !s->done;
	return 0;
}

int sender_hear_last(struct sender *s, struct err *e)
{
	uint64_t deadline_ms = clock_deadline(LAST_MS);
	int ret;

	do
		ret = sender_hear_some(s, e);
	while (ret == 0 && s->on.unheard && clock_now_ms() < deadline_ms);
	return ret;
}

static int sender_check_silence(struct sender *s, struct err *e)
{
	if (s->p->raw || s->now_ms < s->on.heard_ms + SENDER_SILENCE_MS)
		return 0;
	connection_set_lost(s->session->conn);
	err_set(e, ERR_STREAM, 0,
		"the receiver has not been heard from for %d s",
		SENDER_SILENCE_MS / 1000);
	/* What swallows our bytes swallows TCP's ACKs, too: it cannot send. */
	if (sender_owes(s))
		err_append(e, " with bytes on their way to it: it or the "
			      "network has stalled, or " SWALLOWED);
	return -1;
}

/*
 * During a rekey we do not read from this connection.  At the key limit we hold
 * back bytes that the receiver waits for.
 */
static int sender_check_stuck(struct sender *s, struct err *e)
{
	bool limited = s->on.key_used_up && s->resend->sent < s->resend->head;

	if (s->p->raw || rekey_holds(&s->session->rekey) ||
	    session_compares(s->session) ||
	    !stuck_judge(&s->on.stuck, sender_owes(s) || limited, s->now_ms))
		return 0;
	connection_set_lost(s->session->conn);
	if (limited && !sender_owes(s))
		return err_set(e, ERR_STREAM, 0,
			       "cannot rekey: no new connection within %d s",
			       STUCK_MS / 1000);
	return err_set(e, ERR_STREAM, 0,
		       "the receiver has waited for %d s for bytes that were "
		       "sent: " SWALLOWED,
		       STUCK_MS / 1000);
}

int sender_hear(struct sender *s, short revents, struct err *e)
{
	if (!s->session->conn)
		return 0;
	if (revents & POLLOUT) {
		s->on.blocked = false;
		read_ahead_note(&s->ahead, true, s->now_ms);
	}
	/* The receiver closes an old connection once it has all of it. */
	if (((revents & ~POLLOUT) || s->on.unheard) &&
	    !rekey_holds(&s->session->rekey) && sender_hear_some(s, e) < 0)
		return -1;
	/* Read first, then judge silence: we may have been suspended. */
	if (sender_check_silence(s, e) < 0 || sender_check_stuck(s, e) < 0)
		return -1;
	if (!s->on.stuck.waits)
		retry_excuse(&s->session->retry, clock_now_ms());
	return session_check(s->session, e);
}
