// SPDX-License-Identifier: GPL-2.0-or-later
/* store_mem never loses, doubles or mixes up a byte. */
#include <fcntl.h>

#include "store_mem.h"
#include "tap.h"

enum { STEPS = 20000, ROOM = 3 * REC_MAX };

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* The stream: what the byte at an offset is, wherever it begins. */
static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 0x9e3779b97f4a7c15 >> 56);
}

/* The channel: takes some of what it gets, and compares it. */
static uint64_t sent;
static int differ;
static uintptr_t lowest, highest; /* where it took from */

int __wrap_chan_send(struct chan *c, const void *buf, size_t len,
		     struct chan_io *io, struct err *e);
int __wrap_chan_send(struct chan *c, const void *buf, size_t len,
		     struct chan_io *io, struct err *e)
{
	const uint8_t *bytes = buf;

	*io = (struct chan_io){ .bytes = draw(len + 1) };
	if ((uintptr_t)buf < lowest)
		lowest = (uintptr_t)buf;
	if ((uintptr_t)buf + len > highest)
		highest = (uintptr_t)buf + len;
	for (size_t i = 0; i < io->bytes; i++)
		differ += bytes[i] != byte_at(sent++);
	return 0;
}

/* Put up to len bytes of the stream into the pipe; returns how many. */
static uint64_t feed(int fd, uint64_t offset, size_t len)
{
	uint8_t bytes[4096];
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(offset + i);
	n = write(fd, bytes, len);
	return n > 0 ? (uint64_t)n : 0;
}

/*
 * Peek at random: the right bytes, or none where there can be none.  What is not
 * acknowledged is there, and so are the last 64 bytes.
 */
static int peek_right(const struct store *s, uint64_t start)
{
	uint64_t back = draw(2 * ROOM), len = draw(100);
	uint64_t offset;
	uint8_t bytes[100];
	bool there, must, can;

	if (back > s->head)
		back = s->head;
	offset = s->head - back;
	can = offset >= start && back >= len;
	must = can && (offset >= s->acked || back <= 64);
	there = s->ops->peek(s, offset, bytes, len);
	if ((must && !there) || (there && !can))
		return 0;
	for (uint64_t i = 0; there && i < len; i++)
		if (bytes[i] != byte_at(offset + i))
			return 0;
	return 1;
}

static void test_random(uint64_t start)
{
	struct err e = { 0 };
	uint64_t fed = start, last;
	int p[2], broken = 0;
	struct store *s;

	if (pipe2(p, O_NONBLOCK) < 0 ||
	    !(s = store_mem_new(p[0], ROOM - 1, start, true, &e)))
		exit(1);
	is_int(s->room, ROOM, "the room is whole records");
	sent = start;
	differ = 0;
	for (int i = 0; i < STEPS; i++) {
		struct chan_io io;

		switch (draw(5)) {
		case 0:
			fed += feed(p[1], fed, draw(4096) + 1);
			break;
		case 1:
			last = s->head;
			if (!store_full(s))
				broken += s->ops->fill(s, &e) < 0 ||
					  s->head < last || s->head > fed;
			break;
		case 2:
			if (s->head > s->sent)
				broken += s->ops->send(s, NULL,
						       draw(s->head - s->sent) +
							       1,
						       &io, &e) < 0;
			break;
		case 3:
			s->ops->ack(s, s->acked + draw(s->sent - s->acked + 1));
			break;
		case 4:
			broken += !peek_right(s, start);
			break;
		}
		broken += s->eof || s->sent != sent || s->acked > s->sent ||
			  s->sent > s->head || s->head - s->acked > s->room;
	}
	is_int(broken, 0, "all offsets from %#llx stay in order",
	       (unsigned long long)start);
	is_int(differ, 0, "the bytes are those that went in");
	ok(sent - start > 100 * ROOM, "and they are many");

	close(p[1]);
	do {
		struct chan_io io;

		if (s->head > s->sent)
			s->ops->send(s, NULL, s->head - s->sent, &io, &e);
		s->ops->ack(s, s->sent);
		if (!store_full(s) && s->ops->fill(s, &e) < 0)
			break;
	} while (!s->eof || s->head > s->sent);
	ok(s->eof && sent == fed && !differ, "everything goes out by the end");
	s->ops->free(s);
	close(p[0]);
}

/* As long as the receiver keeps up the same little memory is used again. */
static void test_hot(void)
{
	struct err e = { 0 };
	struct store *s;
	uint64_t fed = 0;
	int p[2];

	if (pipe2(p, O_NONBLOCK) < 0 ||
	    !(s = store_mem_new(p[0], 64 << 20, 0, true, &e)))
		exit(1);
	sent = 0;
	differ = 0;
	lowest = UINTPTR_MAX;
	highest = 0;
	while (fed < 16 << 20) {
		struct chan_io io;

		fed += feed(p[1], fed, 4096);
		if (s->ops->fill(s, &e) < 0)
			break;
		while (s->head > s->sent)
			s->ops->send(s, NULL, s->head - s->sent, &io, &e);
		s->ops->ack(s, s->sent);
	}
	is_int(differ, 0, "16 MiB went through a big store");
	ok(highest - lowest <= 3 << 20,
	   "and through 3 MiB of memory at the most");
	s->ops->free(s);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	test_hot();
	test_random(0);
	test_random((1ull << 32) - ROOM);
	test_random((1ull << 63) - ROOM);
	return tap_end();
}
