// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/frame.h"

#include <string.h>

#include "base/cleanup.h"

/* A part of a frame and the member of struct frame that it stands for */
struct frame_field {
	uint8_t type; /* FRAME_DONE: also of FRAME_FAIL */
	uint8_t at, bytes; /* in the frame; up to 8 bytes are a number */
	uint16_t offset, size; /* of the member */
};

#define FIELD(type, at, bytes, member)                           \
	{                                                        \
		type, at, bytes, offsetof(struct frame, member), \
			sizeof(((struct frame *)0)->member)      \
	}

static const struct frame_field frame_fields[] = {
	FIELD(FRAME_HELLO, 1, 1, hello.version),
	FIELD(FRAME_HELLO, 2, 1, hello.role),
	FIELD(FRAME_HELLO, 3, 1, hello.flags),
	FIELD(FRAME_HELLO, 4, 4, hello.connection),
	FIELD(FRAME_HELLO, 8, FRAME_ID_BYTES, hello.stream),
	FIELD(FRAME_HELLO, 24, 8, hello.offset),
	FIELD(FRAME_HELLO, 32, 8, hello.limits.buffer_bytes),
	FIELD(FRAME_HELLO, 40, 8, hello.limits.record_limit),
	FIELD(FRAME_HELLO, 48, 8, hello.limits.retry_ms),
	FIELD(FRAME_HELLO, 56, 8, hello.rekey_at),
	FIELD(FRAME_HELLO, 64, FRAME_HOST_BYTES, hello.host),
	FIELD(FRAME_HELLO, 96, FRAME_PROOF_BYTES, hello.proof),
	FIELD(FRAME_WELCOME, 1, 1, welcome.version),
	FIELD(FRAME_WELCOME, 2, 1, welcome.refusal),
	FIELD(FRAME_WELCOME, 3, 1, welcome.role),
	FIELD(FRAME_WELCOME, 4, 1, welcome.flags),
	FIELD(FRAME_WELCOME, 8, 8, welcome.offset),
	FIELD(FRAME_WELCOME, 16, 8, welcome.limits.buffer_bytes),
	FIELD(FRAME_WELCOME, 24, 8, welcome.limits.record_limit),
	FIELD(FRAME_WELCOME, 32, 8, welcome.limits.retry_ms),
	FIELD(FRAME_WELCOME, 40, 8, welcome.rekey_at),
	FIELD(FRAME_WELCOME, 48, FRAME_ID_BYTES, welcome.handle),
	FIELD(FRAME_ACK, 1, 1, ack.flags),
	FIELD(FRAME_ACK, 8, 8, ack.offset),
	FIELD(FRAME_DONE, 1, 1, outcome.failure),
	FIELD(FRAME_DONE, 2, 2, outcome.detail),
	FIELD(FRAME_DONE, 8, 8, outcome.total),
	FIELD(FRAME_NAME, 8, FRAME_NAME_BYTES, name),
	FIELD(FRAME_HAVE, 1, 1, have.kind),
	FIELD(FRAME_HAVE, 8, 8, have.offset),
	FIELD(FRAME_HAVE, 16, FRAME_DIGEST_BYTES, have.digest),
	FIELD(FRAME_CHECKING, 1, 1, checking.check),
	FIELD(FRAME_CHECKING, 8, 8, checking.offset),
	FIELD(FRAME_WORDS, 1, 1, words.len),
	FIELD(FRAME_WORDS, 8, FRAME_WORDS_MAX, words.text),
};

static bool frame_has(uint8_t type, const struct frame_field *field)
{
	return field->type == (type == FRAME_FAIL ? FRAME_DONE : type);
}

/* A frame ends with its last field. */
size_t frame_size(uint8_t first_byte)
{
	size_t size = 0;

	for (size_t i = 0; i < array_len(frame_fields); i++) {
		const struct frame_field *field = &frame_fields[i];
		size_t end = (size_t)field->at + field->bytes;

		if (frame_has(first_byte, field) && end > size)
			size = end;
	}
	return size;
}

/* The low bytes of a number, as many as a member of this size has */
static uint8_t *frame_low(uint64_t *number, size_t size)
{
	bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

	return (uint8_t *)number + (big ? sizeof *number - size : 0);
}

static void frame_encode_field(const struct frame_field *field,
			       const void *member, uint8_t *out)
{
	uint64_t number = 0;

	if (field->bytes > sizeof number) {
		memcpy(out, member, field->bytes);
		return;
	}
	memcpy(frame_low(&number, field->size), member, field->size);
	for (size_t i = field->bytes; i-- > 0; number >>= 8)
		out[i] = (uint8_t)number;
}

static void frame_decode_field(const struct frame_field *field,
			       const uint8_t *in, void *member)
{
	uint64_t number = 0;

	if (field->bytes > sizeof number) {
		memcpy(member, in, field->bytes);
		return;
	}
	for (size_t i = 0; i < field->bytes; i++)
		number = number << 8 | in[i];
	memcpy(member, frame_low(&number, field->size), field->size);
}

size_t frame_encode(const struct frame *f, uint8_t out[static FRAME_MAX_BYTES])
{
	size_t size = frame_size((uint8_t)f->type);

	memset(out, 0, size);
	out[0] = (uint8_t)f->type;
	for (size_t i = 0; i < array_len(frame_fields); i++) {
		const struct frame_field *field = &frame_fields[i];

		if (frame_has(f->type, field))
			frame_encode_field(field,
					   (const char *)f + field->offset,
					   out + field->at);
	}
	if (f->type == FRAME_WORDS)
		memset(out + 8 + f->words.len, 0,
		       FRAME_WORDS_MAX - f->words.len);
	return size;
}

static bool frame_role_valid(enum frame_role role)
{
	return role == FRAME_SENDS || role == FRAME_RECEIVES;
}

static bool frame_hello_valid(const struct frame_hello *h)
{
	bool named = h->flags & FRAME_HELLO_NAMED;
	bool discards = h->flags & FRAME_HELLO_DISCARD;
	bool has = h->flags & FRAME_HELLO_HAVE;

	return frame_role_valid(h->role) && h->connection &&
	       !(h->flags & ~FRAME_HELLO_FLAGS) && (named || !discards) &&
	       (h->role == FRAME_RECEIVES || !has);
}

static bool frame_welcome_valid(const struct frame_welcome *w)
{
	return frame_role_valid(w->role) &&
	       !(w->flags & ~FRAME_WELCOME_FLAGS) &&
	       (w->role == FRAME_RECEIVES || !w->flags);
}

static bool frame_all_zero(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint8_t any = 0;

	while (len--)
		any |= *p++;
	return !any;
}

/* A peer's text, which ends up on our terminal: printable ASCII only. */
static bool frame_words_valid(const struct frame_words *w)
{
	if (!w->len || w->len > FRAME_WORDS_MAX ||
	    !frame_all_zero(w->text + w->len, FRAME_WORDS_MAX - w->len))
		return false;
	for (size_t i = 0; i < w->len; i++)
		if (w->text[i] < 0x20 || w->text[i] > 0x7e)
			return false;
	return true;
}

static bool frame_valid(const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		return frame_hello_valid(&f->hello);
	case FRAME_WELCOME:
		return frame_welcome_valid(&f->welcome);
	case FRAME_ACK:
		return !(f->ack.flags & ~FRAME_ACK_FLAGS);
	case FRAME_DONE:
		return !f->outcome.failure;
	case FRAME_FAIL:
		return f->outcome.failure;
	case FRAME_NAME:
		return true;
	case FRAME_HAVE:
		return f->have.kind == FRAME_XXH3_128 &&
		       frame_all_zero(f->have.digest + 16, 16);
	case FRAME_CHECKING:
		return f->checking.check <= FRAME_CHECK_OTHER;
	case FRAME_WORDS:
		return frame_words_valid(&f->words);
	}
	return false;
}

/*
 * The bytes that have a meaning.  Version and refusal are at the same place in
 * every version of the protocol, and nothing follows a refusal.
 */
static size_t frame_known_bytes(const uint8_t *in)
{
	if (in[0] == FRAME_HELLO && in[1] != FRAME_VERSION)
		return 2;
	if (in[0] == FRAME_WELCOME && (in[1] != FRAME_VERSION || in[2]))
		return 3;
	return frame_size(in[0]);
}

int frame_decode(const uint8_t *in, struct frame *f)
{
	size_t known = frame_known_bytes(in);

	memset(f, 0, sizeof *f);
	f->type = (enum frame_type)in[0];
	for (size_t i = 0; i < array_len(frame_fields); i++) {
		const struct frame_field *field = &frame_fields[i];

		if (frame_has(f->type, field) && field->at < known)
			frame_decode_field(field, in + field->at,
					   (char *)f + field->offset);
	}
	return known < frame_size(in[0]) || frame_valid(f) ? 0 : -1;
}

bool frame_have_same(const struct frame_have *a, const struct frame_have *b)
{
	return a->kind == b->kind && a->offset == b->offset &&
	       !memcmp(a->digest, b->digest, sizeof a->digest);
}

size_t frame_reader_wants(const struct frame_reader *r)
{
	/* A frame of unknown type is complete with its first byte. */
	return r->have ? frame_size(r->bytes[0]) > r->have
				 ? frame_size(r->bytes[0]) - r->have
				 : 0
		       : 1;
}

const char *frame_refusal_text(enum frame_refusal refusal, uint8_t version)
{
	switch (refusal) {
	case FRAME_ACCEPTED:
		return "accepted";
	case FRAME_REFUSED_VERSION:
		return version == FRAME_VERSION_OLD
			       ? "the peer runs 0.1: upgrade it"
			       : "the peer speaks another version of the "
				 "protocol";
	case FRAME_REFUSED_ROLE:
		return "both sides send or both receive; one of them needs "
		       "--send or --receive";
	case FRAME_REFUSED_BUSY:
		return "the listener is busy: it serves another stream, "
		       "another process has this one, or --per-client allows "
		       "no more";
	case FRAME_REFUSED_STREAM:
		return "the listener does not let this connection resume the "
		       "stream";
	case FRAME_REFUSED_SELF:
		return "the connection leads back to its own host (the "
		       "listener allows that with --allow-self), or both have "
		       "the same /etc/machine-id (give one a new id)";
	case FRAME_REFUSED_MALFORMED:
		return "the listener does not understand our HELLO";
	case FRAME_REFUSED_NAME:
		return "the listener does not serve streams by name (it has "
		       "--retry 0, -m none, --send with --buffer 0, or no "
		       "libxxhash; or the certificate names nobody)";
	}
	return "refused for a reason that this version does not know";
}
