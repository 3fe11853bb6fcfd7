// SPDX-License-Identifier: GPL-2.0-or-later
#include "conn/peek.h"

#include <stdbool.h>
#include <string.h>

#include "proto/record.h"

enum {
	CLIENT_HELLO = 1,
	RANDOM_BYTES = 32,
	SERVER_NAME = 0, /* the extension */
	HOST_NAME = 0, /* the kind of name in it */
	HELLO_ID_AT = 8, /* in our own frame */
};

/* The part of a message that has arrived, and the length that it claims. */
struct peek_reader {
	uint8_t bytes[PEEK_MAX];
	size_t at, have, end;
	enum peek_result result; /* MORE or NONE, once a read has failed */
};

static size_t peek_number(const uint8_t *p, size_t bytes)
{
	size_t n = 0;

	while (bytes--)
		n = n << 8 | *p++;
	return n;
}

/*
 * Concatenate the bodies of the records.  Returns false if one is not of that
 * type, or is not a record.
 */
static bool peek_unwrap(struct peek_reader *r, uint8_t type,
			const uint8_t *bytes, size_t len)
{
	r->at = r->have = 0;
	r->end = PEEK_MAX;
	r->result = PEEK_MORE;
	if (len > PEEK_MAX)
		len = PEEK_MAX;
	while (len) {
		size_t body, there;

		if (bytes[0] != type || (len > 1 && bytes[1] != 3))
			return false;
		if (len < RECORD_HEADER_BYTES)
			return true;
		body = peek_number(bytes + 3, 2);
		if (!body || body > RECORD_MAX)
			return false;
		bytes += RECORD_HEADER_BYTES;
		len -= RECORD_HEADER_BYTES;
		there = body < len ? body : len;
		memcpy(r->bytes + r->have, bytes, there);
		r->have += there;
		bytes += there;
		len -= there;
	}
	return true;
}

/* The next bytes of the message; NULL: they are not there, see r->result. */
static const uint8_t *peek_take(struct peek_reader *r, size_t bytes)
{
	const uint8_t *p = r->bytes + r->at;

	if (bytes > r->end - r->at) {
		r->result = PEEK_NONE;
		return NULL;
	}
	if (r->at + bytes > r->have)
		return NULL;
	r->at += bytes;
	return p;
}

/* Read a number of so many bytes. */
static bool peek_take_number(struct peek_reader *r, size_t bytes, size_t *n)
{
	const uint8_t *p = peek_take(r, bytes);

	if (p)
		*n = peek_number(p, bytes);
	return p;
}

/* Skip a vector whose length field has so many bytes. */
static bool peek_skip(struct peek_reader *r, size_t length_bytes)
{
	size_t n;

	return peek_take_number(r, length_bytes, &n) && peek_take(r, n);
}

/* Limit the message to its next n bytes. */
static bool peek_narrow(struct peek_reader *r, size_t n)
{
	if (n > r->end - r->at) {
		r->result = PEEK_NONE;
		return false;
	}
	r->end = r->at + n;
	return true;
}

/* Skip the ClientHello up to its extensions. */
static bool peek_client_hello(struct peek_reader *r)
{
	size_t type, len;

	if (!peek_take_number(r, 1, &type))
		return false;
	if (type != CLIENT_HELLO) {
		r->result = PEEK_NONE;
		return false;
	}
	if (!peek_take_number(r, 3, &len))
		return false;
	/* A longer one may still have the extension in its first PEEK_MAX. */
	if (len < r->end - r->at)
		r->end = r->at + len;
	return peek_take(r, 2 + RANDOM_BYTES) && peek_skip(r, 1) &&
	       peek_skip(r, 2) && peek_skip(r, 1) && peek_take(r, 2);
}

static bool peek_name(struct peek_reader *r, size_t len,
		      char name[static PEEK_NAME_MAX + 1])
{
	const uint8_t *p;
	size_t type;

	if (!peek_narrow(r, len) || !peek_take(r, 2) ||
	    !peek_take_number(r, 1, &type) || !peek_take_number(r, 2, &len))
		return false;
	p = peek_take(r, len);
	if (!p)
		return false;
	r->result = PEEK_NONE;
	if (type != HOST_NAME || !len || len > PEEK_NAME_MAX ||
	    memchr(p, 0, len))
		return false;
	memcpy(name, p, len);
	name[len] = '\0';
	return true;
}

enum peek_result peek_server_name(const uint8_t *bytes, size_t len,
				  char name[static PEEK_NAME_MAX + 1])
{
	struct peek_reader r;
	size_t type, size;

	if (!peek_unwrap(&r, RECORD_HANDSHAKE, bytes, len))
		return PEEK_NONE;
	if (!peek_client_hello(&r))
		return r.result;
	while (peek_take_number(&r, 2, &type) && peek_take_number(&r, 2, &size))
		if (type == SERVER_NAME)
			return peek_name(&r, size, name) ? PEEK_FOUND
							 : r.result;
		else if (!peek_take(&r, size))
			break;
	return r.result;
}

enum peek_result peek_stream(const uint8_t *bytes, size_t len,
			     uint8_t id[static FRAME_ID_BYTES])
{
	struct peek_reader r;
	size_t type;
	const uint8_t *p;

	if (!peek_unwrap(&r, RECORD_DATA, bytes, len))
		return PEEK_NONE;
	if (!peek_take_number(&r, 1, &type))
		return r.result;
	if (type != FRAME_HELLO)
		return PEEK_NONE;
	if (!peek_take(&r, HELLO_ID_AT - 1) ||
	    !(p = peek_take(&r, FRAME_ID_BYTES)))
		return r.result;
	memcpy(id, p, FRAME_ID_BYTES);
	return PEEK_FOUND;
}
