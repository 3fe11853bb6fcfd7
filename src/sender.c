// SPDX-License-Identifier: GPL-2.0-or-later
#include "sender.h"

#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "log.h"

/*
 * A record that is not full waits for more input: this long after the last
 * byte came, and that long in all.  Else a producer of small writes would make
 * a record of each.
 */
enum { PAUSE_MS = 2, PAUSE_MAX_MS = 20 };

struct sender {
	struct store *store;
	struct chan *chan;
	bool blocked; /* the socket took less than it was given */
	bool ended; /* close_notify is on its way */
	bool done; /* the receiver said that it has everything */
	uint64_t partial_since; /* when the unfinished record began, or 0 */
	uint64_t push_at; /* when it goes out unfinished */
};

/* Bytes that should go out now: whole records, or all if nothing comes. */
static uint64_t sender_ready(const struct sender *s)
{
	const struct store *st = s->store;
	uint64_t whole = st->head - st->head % REC_MAX;

	if (st->eof || store_full(st) ||
	    (s->partial_since && clock_now_ms() >= s->push_at))
		return st->head - st->sent;
	return whole > st->sent ? whole - st->sent : 0;
}

/* New bytes came: decide how long an unfinished record may wait. */
static void sender_note_input(struct sender *s)
{
	uint64_t now = clock_now_ms();

	if (!s->partial_since)
		s->partial_since = now;
	s->push_at =
		clock_earlier(now + PAUSE_MS, s->partial_since + PAUSE_MAX_MS);
}

static int sender_fill(struct sender *s, struct err *e)
{
	uint64_t head = s->store->head;

	if (s->store->ops->fill(s->store, e) < 0)
		return -1;
	if (s->store->head != head)
		sender_note_input(s);
	return 0;
}

static int sender_send(struct sender *s, struct err *e)
{
	struct store *st = s->store;
	struct chan_io io;
	uint64_t len;

	while (!s->blocked && (len = sender_ready(s)) > 0) {
		if (st->ops->send(st, s->chan, len, &io, e) < 0)
			return -1;
		s->blocked = io.bytes == 0;
		st->ops->ack(st, st->sent);
	}
	if (st->sent == st->head)
		s->partial_since = 0;
	return 0;
}

/* Push out what the channel holds, and after the last byte close_notify. */
static int sender_flush(struct sender *s, struct err *e)
{
	bool empty = true;

	if (chan_pending(s->chan) && chan_flush(s->chan, &empty, e) < 0)
		return -1;
	s->blocked |= !empty;
	if (!s->store->eof || s->store->sent < s->store->head || s->ended ||
	    s->blocked)
		return 0;
	if (chan_end(s->chan, &s->ended, e) < 0)
		return -1;
	s->blocked = !s->ended;
	return 0;
}

/* What the receiver says: so far only that it is done. */
static int sender_control(struct sender *s, struct err *e)
{
	struct chan_io io;
	char ignored[512];

	do {
		if (chan_control_recv(s->chan, ignored, sizeof ignored, &io,
				      e) < 0)
			return -1;
	} while (io.bytes);
	if (!io.end)
		return 0;
	if (!s->ended)
		return err_set(e, ERR_NET, 0,
			       "the receiver ended the connection before the "
			       "end of the stream");
	s->done = true;
	return 0;
}

/*
 * Input is polled when there is room and nothing of it waits for the socket.
 * While an unfinished record waits in the input's own pipe, poll(2) would
 * return at once: then only time passes.
 */
static bool sender_wants_input(const struct sender *s)
{
	const struct store *st = s->store;

	if (st->eof || store_full(st))
		return false;
	return st->room != UINT64_MAX || st->head == st->sent;
}

static int sender_wait(struct sender *s, struct pollfd fds[static 2],
		       struct err *e)
{
	uint64_t until = CLOCK_NEVER;

	if (!s->blocked && s->partial_since)
		until = s->push_at;
	fds[0] = (struct pollfd){ .fd = chan_fd(s->chan), .events = POLLIN };
	if (s->blocked)
		fds[0].events |= POLLOUT;
	fds[1] = (struct pollfd){ .fd = s->store->in_fd, .events = POLLIN };
	if (!sender_wants_input(s))
		fds[1].fd = -1;
	if (poll(fds, 2, clock_poll_ms(until)) < 0 && errno != EINTR)
		return err_set(e, ERR_BUG, errno, "poll");
	return 0;
}

static int sender_step(struct sender *s, struct err *e)
{
	struct pollfd fds[2];

	if (sender_send(s, e) < 0 || sender_flush(s, e) < 0 ||
	    sender_wait(s, fds, e) < 0)
		return -1;
	if (fds[0].revents & POLLOUT)
		s->blocked = false;
	if ((fds[0].revents & ~POLLOUT) && sender_control(s, e) < 0)
		return -1;
	/* Without poll's word the time is up for an unfinished record, which
	 * may have grown since. */
	if (!s->store->eof && !s->blocked &&
	    (fds[1].revents || fds[1].fd < 0) && !store_full(s->store))
		return sender_fill(s, e);
	return 0;
}

/*
 * A failing send often is the receiver's doing, and what it had to say about
 * it may be waiting to be read.
 */
static void sender_explain(struct sender *s, struct err *e)
{
	struct err said = { ERR_NONE };

	if (e->kind == ERR_NET && sender_control(s, &said) < 0 && said.num == 0)
		*e = said;
}

int sender_run(struct store *store, struct chan *chan, struct err *e)
{
	struct sender s = { .store = store, .chan = chan };

	while (!s.done) {
		if (sender_step(&s, e) == 0)
			continue;
		if (e->kind == ERR_IO)
			chan_abort(chan);
		else
			sender_explain(&s, e);
		return -1;
	}
	log_debug("sent %llu bytes", (unsigned long long)store->sent);
	return 0;
}
