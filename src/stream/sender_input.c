// SPDX-License-Identifier: GPL-2.0-or-later
#include "stream/sender.h"

#include <string.h>

#include "base/clock.h"

/* The start of a btrfs stream, and its last command: size, number, CRC */
static const uint8_t btrfs_magic[13] = "btrfs-stream";
static const uint8_t btrfs_end[10] = { 0,    0,	   0,	 0,    0x15,
				       0x00, 0x50, 0x6c, 0xc9, 0x9d };

/*
 * A record that is not full waits for more input: PAUSE_MS after the last byte,
 * PAUSE_MAX_MS in all.  Otherwise each small write of a producer would become a
 * record.
 */
enum { PAUSE_MS = 2, PAUSE_MAX_MS = 20 };

/* Bytes were read: decide how long an unfinished record may wait. */
static void sender_note_input(struct sender *s)
{
	struct sender_connection *on = &s->on;

	if (!on->partial_ms)
		on->partial_ms = s->now_ms;
	on->push_ms = clock_earlier(s->now_ms + PAUSE_MS,
				    on->partial_ms + PAUSE_MAX_MS);
}

static int sender_input_fill(struct sender *s, struct err *e)
{
	struct resend_buffer *st = s->resend;
	uint64_t head = st->head;
	uint8_t first[sizeof btrfs_magic];

	if (st->ops->fill(st, e) < 0)
		return -1;
	if (st->eof && s->p->source)
		s->speak_ms = s->now_ms + SENDER_SPEAK_MS;
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

int sender_input_check(struct sender *s, struct err *e)
{
	struct command_status status;

	if (s->p->source) {
		if (!command_ended(s->p->source, &status))
			return 0;
		if (!command_succeeded(&status))
			return command_fail(&status, s->p->source_name, e);
	}
	if (!s->resend->eof)
		return 0;
	if (s->is_btrfs && sender_check_end(s, e) < 0)
		return -1;
	s->complete = true;
	return 0;
}

bool sender_input_wanted(struct sender *s)
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

int sender_input_take(struct sender *s, const struct pollfd *input,
		      struct err *e)
{
	const struct resend_buffer *st = s->resend;
	/* A file is not polled while unsent bytes are left in it. */
	bool in_file = st->in_place && input->fd < 0 && !s->on.blocked;

	if (st->eof || !resend_buffer_wants(st) ||
	    (!input->revents && !in_file))
		return 0;
	return sender_input_fill(s, e);
}
