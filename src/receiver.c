// SPDX-License-Identifier: GPL-2.0-or-later
#include "receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "clock.h"
#include "io.h"
#include "log.h"

enum {
	BUFFER_BYTES = 1 << 20, /* 64 records a call */
	SPIN_MAX_MS = 20,
	LINGER_MS = 10000,
	ACK_MS = 5000, /* a sign of life at least this often */
	ACK_PARTS = 8, /* an ACK for each eighth of the sender's store */
	DRAIN_MAX_MS = 50, /* between looks at a pipe that empties */
	CONSUMER_GRACE_MS = 2000, /* between its closed input and its exit */
};

struct receiver {
	const struct receiver_params *p;
	struct chan *chan;
	struct sink *sink;
	uint8_t *buffer;
	size_t start, end; /* bytes of buffer still to be written */
	int pipe[2]; /* between socket and output, when splicing */
	size_t piped; /* bytes in it */
	bool splice;
	bool want_chan, want_sink; /* what the last move ran short of */
	bool ended; /* the sender's close_notify came */
	bool mute; /* the sender cannot be told anything */
	bool reader_gone; /* of the output */
	bool said_ready; /* poll(2) said that there is input */
	bool rest; /* leave the socket alone for spin_ms */
	unsigned int spin_ms;
	uint64_t total, acked;
	uint64_t ack_due_ms, status_due_ms;
	struct frame_outcome outcome; /* of a failure */
};

/* A consumer that failed: what to say here and there. */
static int receiver_consumer_failed(struct receiver *r,
				    const struct child_status *s, struct err *e)
{
	struct frame_outcome *o = &r->outcome;

	if (child_succeeded(s)) {
		o->failure = FRAME_FAIL_UNREAD;
		return err_set(e, ERR_COMMAND, 0,
			       "%s exited with bytes left unread",
			       r->p->consumer_name);
	}
	o->failure = s->start_errno ? FRAME_FAIL_START
		     : s->signal    ? FRAME_FAIL_SIGNAL
				    : FRAME_FAIL_STATUS;
	o->detail = (uint16_t)(s->signal ? s->signal : s->exit_status);
	return child_fail(s, r->p->consumer_name, e);
}

static int receiver_output_failed(struct receiver *r, struct err *e)
{
	r->outcome.failure = e->num ? FRAME_FAIL_OUTPUT : FRAME_FAIL_READER;
	return -1;
}

/*
 * The output does not take bytes any more.  If there is a consumer its exit
 * status says why, as soon as it is there.
 */
static int receiver_sink_failed(struct receiver *r, struct err *e)
{
	uint64_t deadline = clock_deadline(CONSUMER_GRACE_MS);
	struct child_status s;

	if (!r->p->consumer)
		return receiver_output_failed(r, e);
	while (!child_ended(r->p->consumer, &s)) {
		struct pollfd p = { .fd = child_status_fd(r->p->consumer),
				    .events = POLLIN };

		if (clock_now_ms() >= deadline) {
			/* It closed its input and lives on. */
			s = (struct child_status){ 0 };
			break;
		}
		poll(&p, 1, clock_poll_ms(deadline));
	}
	return receiver_consumer_failed(r, &s, e);
}

/* Acknowledgements, signs of life, the meter: whatever time asks for. */
static void receiver_tick(struct receiver *r)
{
	uint64_t step = r->p->peer_store_bytes / ACK_PARTS;
	uint64_t now = clock_now_ms();
	struct frame f = { .type = FRAME_ACK, .ack = r->total };
	struct err e = { 0 };
	bool taken = true;

	r->status_due_ms = status_update(r->p->status, now, r->total);
	if (r->p->raw || r->mute)
		return;
	if (now < r->ack_due_ms && (!step || r->total - r->acked < step))
		return;
	/* What is still to be read is worth more than this: reading goes on,
	 * and says whether the connection is lost. */
	if (chan_send_frame(r->chan, &f, &taken, &e) < 0) {
		log_debug("no acknowledgement: %s", e.msg);
		r->mute = true;
	}
	if (taken)
		r->acked = r->total;
	r->ack_due_ms = now + ACK_MS;
}

static void receiver_flush(struct receiver *r)
{
	struct err e = { 0 };
	bool empty;

	if (!r->mute && chan_flush(r->chan, &empty, &e) < 0)
		r->mute = true;
}

/*
 * Nobody reads any more.  A COMMAND may have had all it wants: that counts as
 * a failure only if bytes are left, or come later.
 */
static int receiver_reader_gone(struct receiver *r, struct err *e)
{
	r->reader_gone = true;
	if (r->p->consumer && !r->want_sink && !sink_unread(r->sink))
		return 0;
	sink_error(EPIPE, e);
	return receiver_sink_failed(r, e);
}

/* Did the consumer fail?  (One that ended well may have all it wants.) */
static int receiver_check_consumer(struct receiver *r, struct err *e)
{
	struct child_status s;

	if (r->p->consumer && child_ended(r->p->consumer, &s) &&
	    !child_succeeded(&s))
		return receiver_consumer_failed(r, &s, e);
	return 0;
}

enum { POLL_CHAN, POLL_SINK, POLL_CONSUMER, POLL_CHORE, POLL_COUNT };

static void receiver_poll_set(struct receiver *r,
			      struct pollfd fds[static POLL_COUNT])
{
	bool pending = !r->mute && chan_pending(r->chan);

	for (int i = 0; i < POLL_COUNT; i++)
		fds[i] = (struct pollfd){ .fd = -1 };
	if ((r->want_chan && !r->rest) || pending)
		fds[POLL_CHAN].fd = chan_fd(r->chan);
	if (r->want_chan && !r->rest)
		fds[POLL_CHAN].events |= POLLIN;
	if (pending)
		fds[POLL_CHAN].events |= POLLOUT;
	if (r->want_sink ||
	    (sink_has_reader(r->sink) && r->sink->fd >= 0 && !r->reader_gone))
		fds[POLL_SINK].fd = sink_fd(r->sink);
	fds[POLL_SINK].events = r->want_sink ? POLLOUT : 0;
	if (r->p->chore) {
		fds[POLL_CHORE].fd = r->p->chore->fd;
		fds[POLL_CHORE].events = POLLIN;
	}
	if (r->p->consumer) {
		fds[POLL_CONSUMER].fd = child_status_fd(r->p->consumer);
		fds[POLL_CONSUMER].events = POLLIN;
	}
}

/*
 * Wait for what the last move ran short of, or until_ms, doing what time asks
 * for.  Returns at the first event.
 */
static int receiver_poll(struct receiver *r, uint64_t until_ms, struct err *e)
{
	struct pollfd fds[POLL_COUNT];

	receiver_tick(r);
	receiver_poll_set(r, fds);
	until_ms = clock_earlier(until_ms, r->status_due_ms);
	if (!r->p->raw && !r->mute)
		until_ms = clock_earlier(until_ms, r->ack_due_ms);
	if (r->p->chore)
		until_ms = clock_earlier(until_ms, r->p->chore->due_ms);
	if (r->want_chan && r->rest)
		until_ms = clock_earlier(until_ms, clock_deadline(r->spin_ms));
	if (poll(fds, POLL_COUNT, clock_poll_ms(until_ms)) < 0) {
		if (errno != EINTR)
			return err_set(e, ERR_BUG, errno, "poll");
		return 0;
	}
	if (r->p->chore &&
	    (fds[POLL_CHORE].revents || clock_now_ms() >= r->p->chore->due_ms))
		r->p->chore->run(r->p->chore);
	r->rest = false;
	r->said_ready = fds[POLL_CHAN].revents & POLLIN;
	if (fds[POLL_CHAN].revents & POLLOUT)
		receiver_flush(r);
	if (fds[POLL_CONSUMER].revents && receiver_check_consumer(r, e) < 0)
		return -1;
	if ((fds[POLL_SINK].revents & POLLERR) && sink_has_reader(r->sink))
		return receiver_reader_gone(r, e);
	return 0;
}

static int receiver_write_buffer(struct receiver *r, struct err *e)
{
	size_t done;

	if (sink_write(r->sink, r->buffer + r->start, r->end - r->start, &done,
		       e) < 0)
		return receiver_sink_failed(r, e);
	r->start += done;
	r->want_sink = r->start < r->end && !done;
	return 0;
}

/*
 * Count what came out of the channel.  Linux 6.1 says POLLIN when only a part
 * of a record is there: then the socket is left alone for a moment that
 * doubles.
 */
static void receiver_got(struct receiver *r, const struct chan_io *io)
{
	r->total += io->bytes;
	r->ended = io->end;
	if (io->bytes)
		r->spin_ms = 0;
	else if (r->said_ready && chan_in_kernel(r->chan))
		r->rest = true;
	r->said_ready = false;
	if (r->rest && r->spin_ms < SPIN_MAX_MS)
		r->spin_ms = r->spin_ms ? 2 * r->spin_ms : 1;
}

/* One step by reading and writing. */
static int receiver_copy(struct receiver *r, struct err *e)
{
	struct chan_io io;

	if (r->start < r->end)
		return receiver_write_buffer(r, e);
	if (chan_recv(r->chan, r->buffer, BUFFER_BYTES, &io, e) < 0)
		return -1;
	receiver_got(r, &io);
	r->start = 0;
	r->end = io.bytes;
	r->want_chan = !io.bytes && !io.end;
	return 0;
}

/*
 * Empty our own pipe into the output.  A file that refuses splice gets the
 * bytes by hand, and so all that follow.
 */
static int receiver_empty_pipe(struct receiver *r, struct err *e)
{
	ssize_t n = splice(r->pipe[0], NULL, sink_fd(r->sink), NULL, r->piped,
			   SPLICE_F_NONBLOCK);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0 && errno == EAGAIN) {
		r->want_sink = true;
		return 0;
	}
	if (n < 0 && errno != EINVAL) {
		sink_error(errno, e);
		return receiver_sink_failed(r, e);
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
 * One step by splicing.  Never straight from the socket into the output, even
 * if that is a pipe: Linux 6.1 and 6.12 lose what of a record a nearly full
 * pipe does not take.  Our own pipe is always empty and has room for a record.
 */
static int receiver_splice(struct receiver *r, struct err *e)
{
	struct chan_io io;

	if (r->start < r->end)
		return receiver_write_buffer(r, e);
	if (r->piped)
		return receiver_empty_pipe(r, e);
	if (chan_splice_to(r->chan, r->pipe[1], BUFFER_BYTES, &io, e) < 0)
		return -1;
	receiver_got(r, &io);
	r->piped = io.bytes;
	r->want_chan = !io.bytes && !io.end;
	return 0;
}

static int receiver_transfer(struct receiver *r, struct err *e)
{
	while (!r->ended || r->start < r->end || r->piped) {
		r->want_chan = r->want_sink = false;
		if ((r->splice ? receiver_splice(r, e) : receiver_copy(r, e)) <
		    0)
			return -1;
		if (r->want_chan || r->want_sink) {
			if (receiver_poll(r, CLOCK_NEVER, e) < 0)
				return -1;
		} else {
			receiver_tick(r);
		}
	}
	r->want_chan = r->want_sink = false;
	return 0;
}

/* Wait until the reader has read everything. */
static int receiver_drain(struct receiver *r, struct err *e)
{
	struct child_status s;
	uint64_t pause_ms = 1;

	while (sink_unread(r->sink)) {
		if (r->p->consumer && child_ended(r->p->consumer, &s))
			return receiver_consumer_failed(r, &s, e);
		if (receiver_poll(r, clock_deadline(pause_ms), e) < 0)
			return -1;
		pause_ms = clock_earlier(2 * pause_ms, DRAIN_MAX_MS);
	}
	if (r->p->consumer || !sink_has_reader(r->sink))
		return receiver_check_consumer(r, e);
	/* Drained, or gone with the last byte unused: who can tell. */
	if (io_ready(sink_fd(r->sink), 0)) {
		sink_error(EPIPE, e);
		return receiver_output_failed(r, e);
	}
	return 0;
}

/* Wait for the process pid, as patient as it takes.  Returns its status. */
static int receiver_wait_sync(struct receiver *r, pid_t pid, int *status,
			      struct err *e)
{
	uint64_t pause_ms = 1;

	while (waitpid(pid, status, WNOHANG) == 0) {
		if (receiver_poll(r, clock_deadline(pause_ms), e) < 0)
			return -1;
		pause_ms = clock_earlier(2 * pause_ms, DRAIN_MAX_MS);
	}
	return 0;
}

/* A slow disk must not look like a dead receiver: sync in another process. */
static int receiver_sync(struct receiver *r, struct err *e)
{
	int status = -1;
	pid_t pid;

	if (r->sink->kind != IO_FILE)
		return 0;
	pid = fork();
	if (pid == 0)
		_exit(sink_sync(r->sink));
	if (pid > 0 && receiver_wait_sync(r, pid, &status, e) < 0)
		return -1;
	if (pid > 0 && WIFEXITED(status))
		status = WEXITSTATUS(status);
	else
		status = sink_sync(r->sink);
	if (!status)
		return 0;
	sink_error(status, e);
	return receiver_output_failed(r, e);
}

/* The end of its input is given to the consumer; its exit status decides. */
static int receiver_wait_consumer(struct receiver *r, struct err *e)
{
	struct child_status s;

	child_close_pipe(r->p->consumer);
	r->sink->fd = -1;
	while (!child_ended(r->p->consumer, &s))
		if (receiver_poll(r, CLOCK_NEVER, e) < 0)
			return -1;
	return child_succeeded(&s) ? 0 : receiver_consumer_failed(r, &s, e);
}

/* All bytes are out: see that they were consumed. */
static int receiver_consumed(struct receiver *r, struct err *e)
{
	if (receiver_drain(r, e) < 0 || receiver_sync(r, e) < 0)
		return -1;
	if (r->p->consumer)
		return receiver_wait_consumer(r, e);
	if (sink_finish(r->sink, e) < 0)
		return receiver_output_failed(r, e);
	return 0;
}

/* Say how it went and leave the connection so that the word arrives. */
static void receiver_tell(struct receiver *r)
{
	struct frame f = { .type = r->outcome.failure ? FRAME_FAIL : FRAME_DONE,
			   .outcome = r->outcome };
	struct err e = { 0 };
	bool taken = true, done;

	f.outcome.total = r->total;
	if (r->mute ||
	    (!r->p->raw && chan_send_frame(r->chan, &f, &taken, &e) < 0) ||
	    !taken || chan_control_end(r->chan, &done, &e) < 0) {
		log_notice("the sender could not be told the outcome%s%s",
			   *e.msg ? ": " : "", e.msg);
		return;
	}
	chan_linger(r->chan, LINGER_MS);
}

static int receiver_loop(struct receiver *r, struct err *e)
{
	r->splice = r->p->how == RECEIVER_SPLICE && chan_in_kernel(r->chan) &&
		    sink_takes_splice(r->sink);
	log_debug("output by %s", r->splice ? "splice" : "read and write");
	if (r->splice) {
		if (pipe2(r->pipe, O_CLOEXEC) < 0) {
			err_set(e, ERR_IO, errno, "cannot make a pipe");
			return receiver_output_failed(r, e);
		}
		io_grow_pipe(r->pipe[0]);
	}
	if (receiver_transfer(r, e) < 0)
		return -1;
	return receiver_consumed(r, e);
}

int receiver_run(const struct receiver_params *p, uint64_t *total,
		 struct err *e)
{
	struct receiver r = { .p = p,
			      .chan = p->chan,
			      .sink = p->sink,
			      .pipe = { -1, -1 },
			      .ack_due_ms = clock_deadline(ACK_MS) };
	int ret;

	r.buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r.buffer == MAP_FAILED)
		return err_set(e, ERR_IO, errno, "no memory");
	ret = receiver_loop(&r, e);
	if (ret == 0 || (r.outcome.failure && !p->raw))
		receiver_tell(&r);
	else if (r.outcome.failure)
		chan_abort(p->chan);
	*total = r.total;
	munmap(r.buffer, BUFFER_BYTES);
	attr_close(&r.pipe[0]);
	attr_close(&r.pipe[1]);
	return ret;
}
