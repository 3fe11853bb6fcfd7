// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/comparison.h"

#include <inttypes.h>

#include "base/clock.h"

enum {
	PIECE_BYTES = 256 << 10,
	PIECES = 16, /* before we look at the connection again */
	CHECKING_MS = 5000, /* between signs of life */
};

static int comparison_begin(struct comparison *c, struct err *e)
{
	if (c->digest)
		return 0;
	c->digest = digest_new(e);
	c->buffer = malloc(PIECE_BYTES);
	c->due_ms = clock_deadline(CHECKING_MS);
	if (c->digest && !c->buffer)
		err_memory(e);
	return c->digest && c->buffer ? 0 : -1;
}

/* How much of the next piece is here */
static size_t comparison_piece(const struct session *s,
			       const struct resend_buffer *st)
{
	uint64_t end = min_u64(st->head, s->have.offset);

	return end > st->sent ? (size_t)min_u64(end - st->sent, PIECE_BYTES)
			      : 0;
}

static int comparison_take(struct comparison *c, const struct session *s,
			   struct resend_buffer *st, bool *more, struct err *e)
{
	size_t n;

	for (int i = 0; i < PIECES && (n = comparison_piece(s, st)) > 0; i++) {
		if (st->ops->peek(st, st->sent, c->buffer, n, e) < 0)
			return -1;
		digest_update(c->digest, c->buffer, n);
		st->sent += n;
		st->ops->ack(st, st->sent);
	}
	*more = comparison_piece(s, st) > 0;
	return 0;
}

/* A sign of life, which may be lost */
static int comparison_speak(struct comparison *c, struct session *s,
			    struct err *e)
{
	struct frame f = { .type = FRAME_CHECKING,
			   .checking = { FRAME_CHECK_GOES_ON,
					 digest_bytes(c->digest) } };
	bool taken, empty;

	if (!s->conn || !connection_checks(s->conn) ||
	    clock_now_ms() < c->due_ms)
		return 0;
	c->due_ms = clock_deadline(CHECKING_MS);
	if (connection_send_frame(s->conn, &f, &taken, e) < 0)
		return -1;
	return connection_flush(s->conn, &empty, e);
}

static int comparison_differs(struct session *s, const struct resend_buffer *st,
			      struct err *e)
{
	struct err ignored = { 0 };

	if (session_compared(s, FRAME_CHECK_OTHER, &ignored) == 0 && s->conn)
		connection_linger(s->conn, 2000);
	if (st->sent < s->have.offset)
		return err_set(e, ERR_IO, 0,
			       "the input is another stream, not the one that "
			       "was begun, or is cut short: it has %" PRIu64
			       " bytes, and the receiver has %" PRIu64
			       " already",
			       st->sent, s->have.offset);
	return err_set(e, ERR_IO, 0,
		       "the input is another stream, not the one that was "
		       "begun: its first %" PRIu64 " bytes differ from those "
		       "that the receiver has (a changed snapshot, another "
		       "kernel?)",
		       s->have.offset);
}

int comparison_step(struct comparison *c, struct session *s,
		    struct resend_buffer *st, bool complete, bool *more,
		    struct err *e)
{
	struct frame_have have;

	if (comparison_begin(c, e) < 0 ||
	    comparison_take(c, s, st, more, e) < 0)
		return -1;
	if (*more || (st->sent < s->have.offset && !complete))
		return comparison_speak(c, s, e);
	digest_have(c->digest, &have);
	if (!frame_have_same(&have, &s->have))
		return comparison_differs(s, st, e);
	return session_compared(s, FRAME_CHECK_SAME, e);
}

void comparison_fini(struct comparison *c)
{
	digest_free(c->digest);
	free(c->buffer);
	*c = (struct comparison){ 0 };
}
