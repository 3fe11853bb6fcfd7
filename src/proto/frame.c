// SPDX-License-Identifier: GPL-2.0-or-later
#include "proto/frame.h"

#include <string.h>

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32(p + 4, (uint32_t)v);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) << 32 | get32(p + 4);
}

size_t frame_size(uint8_t first_byte)
{
	switch (first_byte) {
	case FRAME_HELLO:
		return FRAME_HELLO_BYTES;
	case FRAME_WELCOME:
		return FRAME_WELCOME_BYTES;
	case FRAME_ACK:
		return FRAME_ACK_BYTES;
	case FRAME_DONE:
	case FRAME_FAIL:
		return FRAME_OUTCOME_BYTES;
	case FRAME_NAME:
		return FRAME_NAME_FRAME_BYTES;
	case FRAME_HAVE:
		return FRAME_HAVE_BYTES;
	case FRAME_CHECKING:
		return FRAME_CHECKING_BYTES;
	case FRAME_WORDS:
		return FRAME_WORDS_BYTES;
	default:
		return 0;
	}
}

static void frame_encode_hello(const struct frame_hello *h, uint8_t *out)
{
	out[1] = h->version;
	out[2] = (uint8_t)h->role;
	out[3] = h->flags;
	put32(out + 4, h->connection);
	memcpy(out + 8, h->stream, FRAME_ID_BYTES);
	put64(out + 24, h->offset);
	put64(out + 32, h->buffer_bytes);
	put64(out + 40, h->record_limit);
	put64(out + 48, h->retry_ms);
	put64(out + 56, h->rekey_at);
	memcpy(out + 64, h->host, FRAME_HOST_BYTES);
	memcpy(out + 96, h->proof, FRAME_PROOF_BYTES);
}

static void frame_encode_welcome(const struct frame_welcome *w, uint8_t *out)
{
	out[1] = w->version;
	out[2] = (uint8_t)w->refusal;
	out[3] = (uint8_t)w->role;
	out[4] = w->flags;
	put64(out + 8, w->offset);
	put64(out + 16, w->buffer_bytes);
	put64(out + 24, w->record_limit);
	put64(out + 32, w->retry_ms);
	put64(out + 40, w->rekey_at);
	memcpy(out + 48, w->handle, FRAME_ID_BYTES);
}

static void frame_encode_outcome(const struct frame_outcome *o, uint8_t *out)
{
	out[1] = (uint8_t)o->failure;
	out[2] = (uint8_t)(o->detail >> 8);
	out[3] = (uint8_t)o->detail;
	put64(out + 8, o->total);
}

size_t frame_encode(const struct frame *f, uint8_t out[static FRAME_MAX_BYTES])
{
	size_t size = frame_size((uint8_t)f->type);

	memset(out, 0, size);
	out[0] = (uint8_t)f->type;
	switch (f->type) {
	case FRAME_HELLO:
		frame_encode_hello(&f->hello, out);
		break;
	case FRAME_WELCOME:
		frame_encode_welcome(&f->welcome, out);
		break;
	case FRAME_ACK:
		out[1] = f->ack.flags;
		put64(out + 8, f->ack.offset);
		break;
	case FRAME_DONE:
	case FRAME_FAIL:
		frame_encode_outcome(&f->outcome, out);
		break;
	case FRAME_NAME:
		memcpy(out + 8, f->name, FRAME_NAME_BYTES);
		break;
	case FRAME_HAVE:
		out[1] = (uint8_t)f->have.kind;
		put64(out + 8, f->have.offset);
		memcpy(out + 16, f->have.digest, FRAME_DIGEST_BYTES);
		break;
	case FRAME_CHECKING:
		out[1] = (uint8_t)f->checking.check;
		put64(out + 8, f->checking.offset);
		break;
	case FRAME_WORDS:
		out[1] = f->words.len;
		memcpy(out + 8, f->words.text, f->words.len);
		break;
	}
	return size;
}

static int frame_decode_role(uint8_t byte, enum frame_role *role)
{
	if (byte != FRAME_SENDS && byte != FRAME_RECEIVES)
		return -1;
	*role = (enum frame_role)byte;
	return 0;
}

static bool frame_flags_known(uint8_t flags, uint8_t known)
{
	return !(flags & ~known);
}

static bool frame_hello_flags_valid(const struct frame_hello *h)
{
	bool named = h->flags & FRAME_HELLO_NAMED;
	bool discards = h->flags & FRAME_HELLO_DISCARD;
	bool has = h->flags & FRAME_HELLO_HAVE;

	return frame_flags_known(h->flags, FRAME_HELLO_FLAGS) &&
	       (named || !discards) && (h->role == FRAME_RECEIVES || !has);
}

static int frame_decode_hello(const uint8_t *in, struct frame_hello *h)
{
	h->version = in[1];
	if (h->version != FRAME_VERSION)
		return 0;
	h->connection = get32(in + 4);
	memcpy(h->stream, in + 8, FRAME_ID_BYTES);
	h->offset = get64(in + 24);
	h->buffer_bytes = get64(in + 32);
	h->record_limit = get64(in + 40);
	h->retry_ms = get64(in + 48);
	h->rekey_at = get64(in + 56);
	memcpy(h->host, in + 64, FRAME_HOST_BYTES);
	memcpy(h->proof, in + 96, FRAME_PROOF_BYTES);
	h->flags = in[3];
	if (frame_decode_role(in[2], &h->role) < 0 ||
	    !frame_hello_flags_valid(h))
		return -1;
	return h->connection ? 0 : -1;
}

static int frame_decode_welcome(const uint8_t *in, struct frame_welcome *w)
{
	w->version = in[1];
	/* The refusal is at the same place in every version. */
	w->refusal = (enum frame_refusal)in[2];
	if (w->version != FRAME_VERSION || w->refusal)
		return 0;
	w->offset = get64(in + 8);
	w->buffer_bytes = get64(in + 16);
	w->record_limit = get64(in + 24);
	w->retry_ms = get64(in + 32);
	w->rekey_at = get64(in + 40);
	memcpy(w->handle, in + 48, FRAME_ID_BYTES);
	w->flags = in[4];
	if (frame_decode_role(in[3], &w->role) < 0 ||
	    !frame_flags_known(w->flags, FRAME_WELCOME_FLAGS))
		return -1;
	return w->flags && w->role != FRAME_RECEIVES ? -1 : 0;
}

static int frame_decode_ack(const uint8_t *in, struct frame_ack *a)
{
	a->flags = in[1];
	a->offset = get64(in + 8);
	return frame_flags_known(a->flags, FRAME_ACK_FLAGS) ? 0 : -1;
}

static bool frame_all_zero(const uint8_t *p, size_t len)
{
	uint8_t any = 0;

	while (len--)
		any |= *p++;
	return !any;
}

static int frame_decode_have(const uint8_t *in, struct frame_have *h)
{
	h->kind = (enum frame_digest)in[1];
	h->offset = get64(in + 8);
	memcpy(h->digest, in + 16, FRAME_DIGEST_BYTES);
	return in[1] == FRAME_XXH3_128 && frame_all_zero(in + 32, 16) ? 0 : -1;
}

static int frame_decode_checking(const uint8_t *in, struct frame_checking *c)
{
	c->check = (enum frame_check)in[1];
	c->offset = get64(in + 8);
	return in[1] <= FRAME_CHECK_OTHER ? 0 : -1;
}

/* A peer's text, which ends up on our terminal: printable ASCII only. */
static int frame_decode_words(const uint8_t *in, struct frame_words *w)
{
	if (!in[1] || in[1] > FRAME_WORDS_MAX ||
	    !frame_all_zero(in + 8 + in[1], FRAME_WORDS_MAX - in[1]))
		return -1;
	w->len = in[1];
	for (size_t i = 0; i < w->len; i++)
		if (in[8 + i] < 0x20 || in[8 + i] > 0x7e)
			return -1;
	memcpy(w->text, in + 8, w->len);
	return 0;
}

static int frame_decode_outcome(const uint8_t *in, struct frame *f)
{
	f->outcome.failure = (enum frame_failure)in[1];
	f->outcome.detail = (uint16_t)(in[2] << 8 | in[3]);
	f->outcome.total = get64(in + 8);
	return (f->type == FRAME_DONE) == (in[1] == 0) ? 0 : -1;
}

int frame_decode(const uint8_t *in, struct frame *f)
{
	memset(f, 0, sizeof *f);
	f->type = (enum frame_type)in[0];
	switch (f->type) {
	case FRAME_HELLO:
		return frame_decode_hello(in, &f->hello);
	case FRAME_WELCOME:
		return frame_decode_welcome(in, &f->welcome);
	case FRAME_ACK:
		return frame_decode_ack(in, &f->ack);
	case FRAME_DONE:
	case FRAME_FAIL:
		return frame_decode_outcome(in, f);
	case FRAME_NAME:
		memcpy(f->name, in + 8, FRAME_NAME_BYTES);
		return 0;
	case FRAME_HAVE:
		return frame_decode_have(in, &f->have);
	case FRAME_CHECKING:
		return frame_decode_checking(in, &f->checking);
	case FRAME_WORDS:
		return frame_decode_words(in, &f->words);
	}
	return -1;
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

const char *frame_refusal_text(enum frame_refusal refusal)
{
	switch (refusal) {
	case FRAME_ACCEPTED:
		return "accepted";
	case FRAME_REFUSED_VERSION:
		return "the other side speaks another version of the protocol";
	case FRAME_REFUSED_ROLE:
		return "both sides send or both receive; one of them needs "
		       "--send or --receive";
	case FRAME_REFUSED_BUSY:
		return "the listener is busy with another stream";
	case FRAME_REFUSED_STREAM:
		return "the listener does not let this connection resume the stream";
	case FRAME_REFUSED_SELF:
		return "the connection leads back to its own host; if that is "
		       "wanted, the listener needs --allow-self";
	case FRAME_REFUSED_MALFORMED:
		return "the listener does not understand our HELLO";
	case FRAME_REFUSED_NAME:
		return "the listener does not serve streams by name";
	}
	return "refused for a reason that this version does not know";
}

const char *frame_version_text(uint8_t version)
{
	return version == FRAME_VERSION_OLD
		       ? "the peer runs 0.1: upgrade it"
		       : frame_refusal_text(FRAME_REFUSED_VERSION);
}
