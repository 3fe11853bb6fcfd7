// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/signals.h"

enum {
	LINGER_MS = 10000,
	DRAIN_MAX_MS = 50, /* between looks at a pipe or a disk */
	SILENT_MS = 3000, /* longest wait for a disk without a message */
	PIPE_MIN_PAGES = 32, /* a buffer each */
};

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
		if (receiver_wait(r, clock_deadline(pause_ms), e) < 0)
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
	uint64_t pause_ms = 1, tell_ms = clock_deadline(SILENT_MS);
	int num;

	while (!output_synced(r->output, &num)) {
		if (clock_now_ms() >= tell_ms) {
			tell_ms = CLOCK_NEVER;
			log_notice("everything is received; waiting until it "
				   "is on the disk");
		}
		if (receiver_wait(r, clock_deadline(pause_ms), e) < 0)
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
		if (receiver_wait(r, CLOCK_NEVER, e) < 0)
			return -1;
	return command_succeeded(&s) ? 0 : receiver_consumer_failed(r, &s, e);
}

/* All bytes are written: make sure that they are consumed. */
static int receiver_consume(struct receiver *r, struct err *e)
{
	if (receiver_drain(r, e) < 0 || receiver_sync(r, e) < 0)
		return -1;
	if (r->p->consumer)
		return receiver_wait_consumer(r, e);
	if (output_finish(r->output, e) < 0)
		return receiver_output_failed(r, e);
	return 0;
}

/* WORDS precedes FAIL, or is left out if there is no room. */
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
	return connection_end(r->session->conn, &done, e);
}

/* Discard what arrives.  *confirmed: the sender's close_notify came. */
static int receiver_discard(struct receiver *r, bool *confirmed, struct err *e)
{
	struct connection_io io;
	int n = 0;

	do {
		if (connection_recv(r->session->conn, r->buffer,
				    RECEIVER_BUFFER_BYTES, &io, e) < 0)
			return -1;
		*confirmed = io.mark == CONNECTION_CONFIRMED;
		r->on.ended |= io.bytes || io.mark;
		r->want_data = !io.bytes && !io.mark;
	} while (!r->want_data && !*confirmed && ++n < RECEIVER_STEP_READS);
	r->on.rest = r->on.said_ready && connection_in_kernel(r->session->conn);
	r->on.spin_ms = RECEIVER_SPIN_MAX_MS;
	return 0;
}

/* Tell the outcome when the sender is at its end; then hear that it arrived. */
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
	if (receiver_compares(r) && receiver_transfer_compare(r, e) < 0)
		return -1;
	if (r->session->conn && !receiver_compares(r) &&
	    receiver_answer(r, confirmed, e) < 0)
		return receiver_lost(r, e);
	if (*confirmed)
		return 0;
	/* What had come by then was read, also if we were suspended. */
	if (r->now_ms >= deadline_ms)
		return err_set(e, ERR_STREAM, 0, "it does not answer");
	/* There may be more to read at once. */
	if (receiver_wait(r,
			  r->session->conn && !r->want_data ? 0 : deadline_ms,
			  e) < 0)
		return -1;
	return receiver_check_session(r, e);
}

/*
 * Tell the outcome, until the sender has read it and closes the connection.  A
 * sender that lost its connection before that reconnects to ask.  Returns -1 if
 * all was consumed, but a signal came before the sender knew.
 */
static int receiver_tell(struct receiver *r, struct err *e)
{
	uint64_t deadline_ms = clock_deadline(
		session_resumes(r->session) ? r->session->retry.limit_ms
					    : LINGER_MS);
	bool confirmed = false;
	struct err why = { 0 };

	r->over = true;
	while (!confirmed) {
		/* The outcome is kept for another process. */
		if (r->session->named && r->session->conn)
			deadline_ms =
				clock_deadline(r->session->retry.limit_ms);
		if (receiver_tell_step(r, deadline_ms, &confirmed, &why) < 0) {
			err_wrap(&why, "the sender may not know the outcome");
			if (!r->outcome.failure && signals_check(e) < 0) {
				*e = why;
				return -1;
			}
			log_notice("%s", why.msg);
			return 0;
		}
	}
	return 0;
}

/* A raw sender gets no outcome, only our close_notify. */
static void receiver_tell_raw(struct receiver *r)
{
	struct err e = { 0 };
	bool done;

	if (r->on.mute || connection_end(r->session->conn, &done, &e) < 0)
		log_notice("cannot tell the sender the outcome%s%s",
			   *e.msg ? ": " : "", e.msg);
	else
		connection_linger(r->session->conn, LINGER_MS);
}

/*
 * Make the pipe for splice(2).  A record lies in up to 17 buffers
 * (MAX_SKB_FRAGS); Linux 6.1 loses what a pipe has no buffer for, and one that
 * exceeds fs.pipe-max-size or fs.pipe-user-pages-soft has only one or two.
 */
static bool receiver_open_pipe(struct receiver *r)
{
	if (pipe2(r->pipe, O_CLOEXEC) < 0)
		return false;
	io_grow_pipe(r->pipe[0]);
	if (fcntl(r->pipe[0], F_GETPIPE_SZ) <
	    PIPE_MIN_PAGES * sysconf(_SC_PAGESIZE))
		return false;
	/* It is empty: splice(2) fails with EAGAIN if it is allowed. */
	return splice(r->pipe[0], NULL, output_fd(r->output), NULL, 1,
		      SPLICE_F_NONBLOCK) >= 0 ||
	       !err_refuses(errno);
}

static int receiver_loop(struct receiver *r, struct err *e)
{
	r->buffer = mmap(NULL, RECEIVER_BUFFER_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->buffer == MAP_FAILED)
		return err_call(e, ERR_STREAM, "mmap",
				"no memory for a buffer");
	if (r->p->no_consumer) {
		r->outcome.failure = FRAME_FAIL_START;
		return -1;
	}
	if (output_check(r->output, e) < 0)
		return receiver_output_failed(r, e);
	r->splice = r->p->splice && !r->session->digest &&
		    connection_in_kernel(r->session->conn) &&
		    output_takes_splice(r->output) && receiver_open_pipe(r);
	log_debug("output by %s", r->splice ? "splice" : "read and write");
	if (receiver_transfer(r, e) < 0)
		return -1;
	return receiver_consume(r, e);
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
	ret = receiver_loop(&r, e);
	if (!p->raw && (ret == 0 || r.outcome.failure)) {
		if (receiver_tell(&r, e) < 0)
			ret = -1;
	} else if (p->raw && ret == 0) {
		receiver_tell_raw(&r);
	} else if (ret < 0 && p->session->conn &&
		   !session_suspends(p->session) &&
		   !connection_lost(p->session->conn)) {
		connection_abort(p->session->conn);
	}
	*total = r.total;
	if (ret < 0 && !r.over && !r.differs)
		session_say_suspended(p->session, r.total);
	if (r.buffer != MAP_FAILED)
		munmap(r.buffer, RECEIVER_BUFFER_BYTES);
	attr_close_pair(&r.pipe);
	return ret;
}
