// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames one after the other, in pieces of any size, as connection.c reads
 * them.
 */
#include <assert.h>
#include <string.h>

#include "proto/frame.h"

/* A decoded frame must encode and decode to the same. */
static void check_stable(const struct frame *f)
{
	uint8_t once[FRAME_MAX_BYTES], again[FRAME_MAX_BYTES];
	size_t size = frame_encode(f, once);
	struct frame g;

	assert(size > 0 && size == frame_size((uint8_t)f->type));
	assert(frame_decode(once, &g) == 0 && g.type == f->type);
	assert(frame_encode(&g, again) == size);
	assert(!memcmp(once, again, size));
}

static void check_frame(const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		assert(f->hello.version != FRAME_VERSION ||
		       (f->hello.connection && f->hello.role &&
			!(f->hello.flags & ~FRAME_HELLO_FLAGS)));
		break;
	case FRAME_WELCOME:
		assert(f->welcome.version != FRAME_VERSION ||
		       !f->welcome.refusal == !!f->welcome.role);
		assert(*frame_refusal_text(f->welcome.refusal, 2));
		break;
	case FRAME_ACK:
		assert(!(f->ack.flags & ~FRAME_ACK_FLAGS));
		break;
	case FRAME_NAME:
		break;
	case FRAME_HAVE:
		assert(f->have.kind == FRAME_XXH3_128);
		break;
	case FRAME_CHECKING:
		assert(f->checking.check <= FRAME_CHECK_OTHER);
		break;
	case FRAME_WORDS:
		assert(f->words.len && f->words.len <= FRAME_WORDS_MAX);
		for (size_t i = 0; i < FRAME_WORDS_MAX; i++)
			assert(i < f->words.len
				       ? f->words.text[i] >= ' ' &&
						 f->words.text[i] <= '~'
				       : !f->words.text[i]);
		break;
	case FRAME_DONE:
		assert(!f->outcome.failure);
		break;
	case FRAME_FAIL:
		assert(f->outcome.failure);
		break;
	}
	check_stable(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader r = { 0 };
	size_t step, want;
	struct frame f;

	/* The first byte is the largest size of a piece. */
	if (!size)
		return 0;
	step = 1 + data[0];
	data++, size--;
	while (size) {
		want = frame_reader_wants(&r);
		assert(want > 0 && r.have + want <= sizeof r.bytes);
		if (want > step)
			want = step;
		if (want > size)
			want = size;
		memcpy(r.bytes + r.have, data, want);
		r.have += want;
		data += want, size -= want;
		if (frame_reader_wants(&r))
			continue;
		r.have = 0;
		if (frame_decode(r.bytes, &f) < 0)
			return 0;
		check_frame(&f);
	}
	return 0;
}
