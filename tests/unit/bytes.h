/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream whose every byte follows from its offset, for tests of the resend
 * buffers: the test feeds it to one, and the connection behind that compares
 * what comes.
 */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "conn/connection.h"
#include "stream/input.h"
#include "tap.h"

static uint64_t bytes_seed = 1;

static inline uint64_t draw(uint64_t below)
{
	bytes_seed ^= bytes_seed << 13;
	bytes_seed ^= bytes_seed >> 7;
	bytes_seed ^= bytes_seed << 17;
	return bytes_seed % below;
}

/* What the byte at an offset is, wherever the stream begins. */
static inline uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 0x9e3779b97f4a7c15 >> 56);
}

/* A pipe to feed.  Reading it is blocking, unless flags say otherwise. */
static inline void pipe_to_feed(int p[static 2], int flags)
{
	if (pipe2(p, flags) < 0 || fcntl(p[1], F_SETFL, flags | O_NONBLOCK) < 0)
		bail();
}

/* Put up to len bytes of the stream into the pipe; returns how many. */
static inline uint64_t feed(int fd, uint64_t offset, size_t len)
{
	uint8_t bytes[4096];
	ssize_t n;

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(offset + i);
	n = write(fd, bytes, len);
	return n > 0 ? (uint64_t)n : 0;
}

/* The input of a resend buffer: one at a time, the last one until the end. */
static struct input bytes_input = { .own_fd = -1 };

static inline void bytes_end(void)
{
	input_fini(&bytes_input);
}

static inline const struct input *input_from(int fd)
{
	static bool registered;
	struct err e = { 0 };

	if (!registered && atexit(bytes_end))
		bail();
	registered = true;
	input_fini(&bytes_input);
	if (input_init(&bytes_input, fd, &e) < 0)
		bail();
	return &bytes_input;
}

/* The connection: where in the stream it is, and how many bytes were wrong. */
static uint64_t sent;
static int differ;

/* It takes what it gets, and compares it. */
static inline int take(const uint8_t *bytes, size_t len, size_t *done)
{
	*done = len;
	for (size_t i = 0; i < len; i++)
		differ += bytes[i] != byte_at(sent++);
	return 0;
}

/* As connection_send(): some of it, and the byte behind it is lent. */
static inline int take_lent(uint8_t *bytes, size_t len, size_t *done)
{
	const uint8_t behind = bytes[len];
	int ret;

	bytes[len] = (uint8_t)~behind;
	ret = take(bytes, draw(len + 1), done);
	bytes[len] = behind;
	return ret;
}

/* Are these the bytes of the stream from offset on? */
static inline bool bytes_right(const uint8_t *bytes, uint64_t offset,
			       size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != byte_at(offset + i))
			return false;
	return true;
}
