// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/io.h"

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
		retry_moved(&r->session->retry);
	} else if (r->on.said_ready &&
		   connection_in_kernel(session_source(r->session))) {
		r->on.rest = true;
	}
	r->on.said_ready = false;
	if (r->on.rest && r->on.spin_ms < RECEIVER_SPIN_MAX_MS)
		r->on.spin_ms = r->on.spin_ms ? 2 * r->on.spin_ms : 1;
}

/*
 * Rekey in time, and do not take bytes over an old connection that belong to
 * the new one.
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
	r->differs = true;
	connection_set_lost(r->session->conn);
	/* A stream that nobody has continued yet has no sender to wait for. */
	if (!r->session->named || !r->begun)
		return err_set(e, ERR_IO, 0,
			       "the sender has another stream, not the one "
			       "whose part is here; if it is not wanted any "
			       "more, remove it");
	return err_set(e, ERR_STREAM, 0,
		       "%s came with another stream, not the one that was "
		       "begun",
		       r->session->newest);
}

int receiver_transfer_compare(struct receiver *r, struct err *e)
{
	struct frame f;
	bool got = true;

	for (int n = 0; n < RECEIVER_STEP_READS && got && receiver_compares(r);
	     n++) {
		if (connection_recv_checking(session_source(r->session), &f,
					     &got, e) < 0 ||
		    (got && receiver_on_result(r, &f.checking, e) < 0))
			return e->kind == ERR_STREAM ? receiver_lost(r, e) : -1;
		r->on.heard_ms = r->now_ms;
		retry_excuse(&r->session->retry, clock_now_ms());
	}
	r->want_data = !got;
	return 0;
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
		n = io_read(r->pipe[0], r->buffer, RECEIVER_BUFFER_BYTES);
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
 * Take bytes from the connection: into the buffer or, without a copy, into our
 * own pipe.  Never splice from the socket straight into the output, even if it
 * is a pipe: if a nearly full pipe takes only a part of a record, Linux 6.1 and
 * 6.12 lose the rest.  Our own pipe is always empty and has room for a record.
 */
static int receiver_take(struct receiver *r, struct err *e)
{
	struct connection *source = session_source(r->session);
	struct connection_io io;

	r->splice &= connection_in_kernel(source);
	if ((r->splice ? connection_splice_to(source, r->pipe[1],
					      RECEIVER_BUFFER_BYTES, &io, e)
		       : connection_recv(source, r->buffer,
					 RECEIVER_BUFFER_BYTES, &io, e)) < 0)
		return receiver_lost(r, e);
	if (r->session->digest)
		digest_update(r->session->digest, r->buffer, io.bytes);
	receiver_got(r, &io);
	r->start = 0;
	r->end = r->splice ? 0 : io.bytes;
	r->piped = r->splice ? io.bytes : 0;
	r->want_data = !io.bytes && !io.mark;
	return receiver_check_rekey(r, &io, e);
}

/* One step: what was taken is written before more is taken. */
static int receiver_move(struct receiver *r, struct err *e)
{
	if (r->start < r->end)
		return receiver_write_buffer(r, e);
	if (r->piped)
		return receiver_empty_pipe(r, e);
	/* Between two connections there is nothing to read. */
	r->want_data = !r->session->conn;
	if (r->want_data)
		return 0;
	return receiver_compares(r) ? receiver_transfer_compare(r, e)
				    : receiver_take(r, e);
}

int receiver_transfer(struct receiver *r, struct err *e)
{
	while (!r->ended || r->start < r->end || r->piped) {
		r->want_data = r->want_output = false;
		if (receiver_move(r, e) < 0)
			return -1;
		if (r->want_data || r->want_output) {
			if (receiver_wait(r, CLOCK_NEVER, e) < 0 ||
			    receiver_check_session(r, e) < 0)
				return -1;
		} else if (receiver_work_on(r, e) < 0) {
			return -1;
		}
	}
	r->want_data = r->want_output = false;
	return 0;
}
