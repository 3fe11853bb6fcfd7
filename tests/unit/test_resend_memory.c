// SPDX-License-Identifier: GPL-2.0-or-later
/* resend_memory never loses, repeats or reorders a byte. */

#include "bytes.h"
#include "stream/resend_buffer.h"
#include "tap.h"
#include "wrap.h"

enum { STEPS = 20000, ROOM = 3 * RECORD_MAX };

static uintptr_t lowest, highest; /* where the connection read from */

/* The connection takes a part of the bytes. */
WRAP(connection_send);
int __wrap_connection_send(struct connection *c, uint8_t *buf, size_t len,
			   size_t *done, struct err *e)
{
	if ((uintptr_t)buf < lowest)
		lowest = (uintptr_t)buf;
	if ((uintptr_t)buf + len > highest)
		highest = (uintptr_t)buf + len;
	return take_lent(buf, len, done);
}

/*
 * Peek at random offsets: the right bytes, or an error if they are not held.
 * All unacknowledged bytes are there, and so are the last 64.
 */
static int peek_right(const struct resend_buffer *s, uint64_t start)
{
	uint64_t back = draw(2 * ROOM), len = draw(100);
	uint64_t offset;
	uint8_t bytes[100];
	bool there, must, can;
	struct err e = { 0 };

	if (back > s->head)
		back = s->head;
	offset = s->head - back;
	can = offset >= start && back >= len;
	must = can && (offset >= s->acked || back <= 64);
	there = s->ops->peek(s, offset, bytes, len, &e) == 0;
	if (!there && e.kind != ERR_BUG)
		return 0;
	if ((must && !there) || (there && !can))
		return 0;
	return !there || bytes_right(bytes, offset, len);
}

/* flags: O_DIRECT makes each write a packet, which a short read truncates. */
static void test_random(uint64_t start, int flags)
{
	const uint64_t packet = (uint64_t)sysconf(_SC_PAGESIZE);
	struct err e = { 0 };
	uint64_t fed = start, last;
	int p[2], broken = 0;
	struct resend_buffer *s;

	pipe_to_feed(p, flags);
	if (!(s = resend_memory_new(input_from(p[0]), ROOM - 1, start, true,
				    &e)))
		bail();
	is_int(s->room, ROOM, "the room is whole records");
	sent = start;
	differ = 0;
	for (int i = 0; i < STEPS; i++) {
		size_t done;

		switch (draw(5)) {
		case 0:
			fed += feed(p[1], fed, draw(4096) + 1);
			break;
		case 1:
			last = s->head;
			if (!resend_buffer_full(s))
				broken += s->ops->fill(s, &e) < 0 ||
					  s->head < last || s->head > fed;
			break;
		case 2:
			if (s->head > s->sent)
				broken += s->ops->send(s, NULL,
						       draw(s->head - s->sent) +
							       1,
						       &done, &e) < 0;
			break;
		case 3:
			s->ops->ack(s, s->acked + draw(s->sent - s->acked + 1));
			break;
		case 4:
			broken += !peek_right(s, start);
			break;
		}
		broken += s->eof || s->sent != sent || s->acked > s->sent ||
			  s->sent > s->head ||
			  s->head - s->acked >= s->room + packet;
	}
	is_int(broken, 0, "all offsets from %#llx stay in order",
	       (unsigned long long)start);
	is_int(differ, 0, "the bytes are those that went in");
	ok(sent - start > 100 * ROOM, "and they are many");

	close(p[1]);
	do {
		size_t done;

		if (s->head > s->sent)
			s->ops->send(s, NULL, s->head - s->sent, &done, &e);
		s->ops->ack(s, s->sent);
		if (!resend_buffer_full(s) && s->ops->fill(s, &e) < 0)
			break;
	} while (!s->eof || s->head > s->sent);
	ok(s->eof && sent == fed && !differ, "everything goes out by the end");
	s->ops->free(s);
	close(p[0]);
}

/* While the receiver keeps up, the same little memory is used again. */
static void test_hot(void)
{
	struct err e = { 0 };
	struct resend_buffer *s;
	uint64_t fed = 0;
	int p[2];

	pipe_to_feed(p, 0);
	if (!(s = resend_memory_new(input_from(p[0]), 64 << 20, 0, true, &e)))
		bail();
	sent = 0;
	differ = 0;
	lowest = UINTPTR_MAX;
	highest = 0;
	while (fed < 16 << 20) {
		size_t done;

		fed += feed(p[1], fed, 4096);
		if (s->ops->fill(s, &e) < 0)
			break;
		while (s->head > s->sent)
			s->ops->send(s, NULL, s->head - s->sent, &done, &e);
		s->ops->ack(s, s->sent);
	}
	is_int(differ, 0, "16 MiB went through a large buffer");
	ok(highest - lowest <= 3 << 20, "and used at most 3 MiB of memory");
	s->ops->free(s);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	test_hot();
	test_random(0, 0);
	test_random((1ull << 32) - ROOM, 0);
	test_random((1ull << 63) - ROOM, 0);
	test_random(0, O_DIRECT);
	test_random((1ull << 32) - ROOM, O_DIRECT);
	return tap_end();
}
