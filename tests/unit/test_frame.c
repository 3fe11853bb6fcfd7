// SPDX-License-Identifier: GPL-2.0-or-later
/* frame: every field in its place; a value without a meaning is refused. */
#include "proto/frame.h"
#include "tap.h"

static uint64_t state = 0x9e3779b97f4a7c15;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void any_bytes(uint8_t *out, size_t len)
{
	while (len--)
		*out++ = (uint8_t)(any() >> 20);
}

static enum frame_role any_role(void)
{
	return any() & 256 ? FRAME_SENDS : FRAME_RECEIVES;
}

/* A valid frame of each type, for both roles. */
static uint8_t any_hello_flags(enum frame_role role)
{
	static const uint8_t valid[] = {
		0, FRAME_HELLO_NAMED, FRAME_HELLO_NAMED | FRAME_HELLO_DISCARD
	};
	uint8_t flags = valid[any() % array_len(valid)];

	return role == FRAME_RECEIVES && any() & 64 ? flags | FRAME_HELLO_HAVE
						    : flags;
}

static struct frame any_hello(void)
{
	struct frame f = { .type = FRAME_HELLO,
			   .hello = { .version = FRAME_VERSION,
				      .role = any_role(),
				      .connection = (uint32_t)any() | 1,
				      .offset = any(),
				      .limits.buffer_bytes = any(),
				      .limits.record_limit = any(),
				      .limits.retry_ms = any(),
				      .rekey_at = any() } };

	f.hello.flags = any_hello_flags(f.hello.role);
	any_bytes(f.hello.stream, sizeof f.hello.stream);
	any_bytes(f.hello.host, sizeof f.hello.host);
	any_bytes(f.hello.proof, sizeof f.hello.proof);
	return f;
}

static struct frame any_welcome(void)
{
	struct frame f = { .type = FRAME_WELCOME,
			   .welcome = { .version = FRAME_VERSION,
					.role = any_role(),
					.offset = any(),
					.limits.buffer_bytes = any(),
					.limits.record_limit = any(),
					.limits.retry_ms = any(),
					.rekey_at = any() } };

	if (f.welcome.role == FRAME_RECEIVES && any() & 64)
		f.welcome.flags = FRAME_WELCOME_HAVE;
	any_bytes(f.welcome.handle, sizeof f.welcome.handle);
	return f;
}

static struct frame any_outcome(enum frame_type type)
{
	uint8_t failure = (uint8_t)(any() % 255 + 1);

	return (struct frame){
		.type = type,
		.outcome = { .failure = type == FRAME_DONE
						? 0
						: (enum frame_failure)failure,
			     .detail = (uint16_t)any(),
			     .total = any() }
	};
}

static struct frame any_name(void)
{
	struct frame f = { .type = FRAME_NAME };

	any_bytes(f.name, sizeof f.name);
	return f;
}

static struct frame any_have(void)
{
	struct frame f = { .type = FRAME_HAVE,
			   .have = { .kind = FRAME_XXH3_128,
				     .offset = any() } };

	any_bytes(f.have.digest, 16);
	return f;
}

static struct frame any_words(void)
{
	struct frame f = { .type = FRAME_WORDS };

	f.words.len = (uint8_t)(any() % FRAME_WORDS_MAX + 1);
	for (size_t i = 0; i < f.words.len; i++)
		f.words.text[i] = (char)(' ' + any() % 95);
	return f;
}

static struct frame any_frame(enum frame_type type)
{
	switch (type) {
	case FRAME_HELLO:
		return any_hello();
	case FRAME_WELCOME:
		return any_welcome();
	case FRAME_ACK:
		return (struct frame){ .type = type,
				       .ack = { .flags = any() & 1,
						.offset = any() } };
	case FRAME_NAME:
		return any_name();
	case FRAME_HAVE:
		return any_have();
	case FRAME_CHECKING:
		return (struct frame){
			.type = type,
			.checking = { (enum frame_check)(any() % 3), any() }
		};
	case FRAME_WORDS:
		return any_words();
	case FRAME_DONE:
	case FRAME_FAIL:
		break;
	}
	return any_outcome(type);
}

static bool same_hello(const struct frame_hello *a, const struct frame_hello *b)
{
	return a->version == b->version && a->role == b->role &&
	       a->flags == b->flags && a->connection == b->connection &&
	       a->offset == b->offset &&
	       a->limits.buffer_bytes == b->limits.buffer_bytes &&
	       a->limits.record_limit == b->limits.record_limit &&
	       a->limits.retry_ms == b->limits.retry_ms &&
	       a->rekey_at == b->rekey_at &&
	       !memcmp(a->stream, b->stream, sizeof a->stream) &&
	       !memcmp(a->host, b->host, sizeof a->host) &&
	       !memcmp(a->proof, b->proof, sizeof a->proof);
}

static bool same_welcome(const struct frame_welcome *a,
			 const struct frame_welcome *b)
{
	return a->version == b->version && a->refusal == b->refusal &&
	       a->role == b->role && a->flags == b->flags &&
	       a->offset == b->offset &&
	       a->limits.buffer_bytes == b->limits.buffer_bytes &&
	       a->limits.record_limit == b->limits.record_limit &&
	       a->limits.retry_ms == b->limits.retry_ms &&
	       a->rekey_at == b->rekey_at &&
	       !memcmp(a->handle, b->handle, sizeof a->handle);
}

static bool same_frame(const struct frame *a, const struct frame *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case FRAME_HELLO:
		return same_hello(&a->hello, &b->hello);
	case FRAME_WELCOME:
		return same_welcome(&a->welcome, &b->welcome);
	case FRAME_ACK:
		return a->ack.flags == b->ack.flags &&
		       a->ack.offset == b->ack.offset;
	case FRAME_NAME:
		return !memcmp(a->name, b->name, sizeof a->name);
	case FRAME_HAVE:
		return a->have.kind == b->have.kind &&
		       a->have.offset == b->have.offset &&
		       !memcmp(a->have.digest, b->have.digest,
			       sizeof a->have.digest);
	case FRAME_CHECKING:
		return a->checking.check == b->checking.check &&
		       a->checking.offset == b->checking.offset;
	case FRAME_WORDS:
		return a->words.len == b->words.len &&
		       !memcmp(a->words.text, b->words.text,
			       sizeof a->words.text);
	case FRAME_DONE:
	case FRAME_FAIL:
		break;
	}
	return a->outcome.failure == b->outcome.failure &&
	       a->outcome.detail == b->outcome.detail &&
	       a->outcome.total == b->outcome.total;
}

static const struct {
	const char *name;
	enum frame_type type;
	size_t size;
} types[] = {
	{ "HELLO", FRAME_HELLO, 128 }, { "WELCOME", FRAME_WELCOME, 64 },
	{ "ACK", FRAME_ACK, 16 },      { "DONE", FRAME_DONE, 16 },
	{ "FAIL", FRAME_FAIL, 16 },    { "NAME", FRAME_NAME, 40 },
	{ "HAVE", FRAME_HAVE, 48 },    { "CHECKING", FRAME_CHECKING, 16 },
	{ "WORDS", FRAME_WORDS, 208 },
};

static void test_round_trip(void)
{
	for (size_t i = 0; i < array_len(types); i++) {
		int wrong = 0;

		for (int n = 0; n < 10000; n++) {
			struct frame f = any_frame(types[i].type), g;
			uint8_t bytes[FRAME_MAX_BYTES];

			any_bytes(bytes, sizeof bytes);
			wrong += frame_encode(&f, bytes) != types[i].size ||
				 frame_decode(bytes, &g) < 0 ||
				 !same_frame(&f, &g);
		}
		is_int(wrong, 0, "any %s comes back as it went", types[i].name);
	}
}

/* Bytes from 0x80, all different: a misplaced or signed byte would show. */
static void rising(uint8_t *out, size_t len, uint8_t first)
{
	while (len--)
		*out++ = first++;
}

static void is_encoded(const struct frame *f, const uint8_t *want, size_t size,
		       const char *name)
{
	uint8_t got[FRAME_MAX_BYTES];
	size_t i;

	memset(got, 0xee, sizeof got);
	is_int(frame_encode(f, got), size, "%s has its size", name);
	for (i = 0; i < size && got[i] == want[i]; i++)
		;
	is_int(i, size, "%s has every byte in its place", name);
}

static void test_hello_bytes(void)
{
	static const struct frame f = {
		.type = FRAME_HELLO,
		.hello = { .version = FRAME_VERSION,
			   .role = FRAME_RECEIVES,
			   .flags = FRAME_HELLO_NAMED | FRAME_HELLO_HAVE,
			   .connection = 0x84858687,
			   .offset = 0x98999a9b9c9d9e9f,
			   .limits.buffer_bytes = 0xa0a1a2a3a4a5a6a7,
			   .limits.record_limit = 0xa8a9aaabacadaeaf,
			   .limits.retry_ms = 0xb0b1b2b3b4b5b6b7,
			   .rekey_at = 0xb8b9babbbcbdbebf }
	};
	struct frame hello = f;
	uint8_t want[128] = { 1, 2, 2, 5 };

	rising(hello.hello.stream, sizeof hello.hello.stream, 0x88);
	rising(hello.hello.host, sizeof hello.hello.host, 0xc0);
	rising(hello.hello.proof, sizeof hello.hello.proof, 0xe0);
	rising(want + 4, sizeof want - 4, 0x84);
	is_encoded(&hello, want, sizeof want, "HELLO");
}

static void test_welcome_bytes(void)
{
	static const struct frame f = {
		.type = FRAME_WELCOME,
		.welcome = { .version = FRAME_VERSION,
			     .role = FRAME_RECEIVES,
			     .flags = FRAME_WELCOME_HAVE,
			     .offset = 0x88898a8b8c8d8e8f,
			     .limits.buffer_bytes = 0x9091929394959697,
			     .limits.record_limit = 0x98999a9b9c9d9e9f,
			     .limits.retry_ms = 0xa0a1a2a3a4a5a6a7,
			     .rekey_at = 0xa8a9aaabacadaeaf }
	};
	struct frame welcome = f;
	uint8_t want[64] = { 2, 2, 0, 2, 1, 0, 0, 0 };

	rising(welcome.welcome.handle, sizeof welcome.welcome.handle, 0xb0);
	rising(want + 8, sizeof want - 8, 0x88);
	is_encoded(&welcome, want, sizeof want, "WELCOME");
	welcome.welcome.refusal = FRAME_REFUSED_SELF;
	want[2] = 5;
	is_encoded(&welcome, want, sizeof want, "WELCOME that refuses");
}

static void test_short_bytes(void)
{
	static const struct frame ack = { .type = FRAME_ACK,
					  .ack = { FRAME_ACK_WAITS,
						   0x8182838485868788 } };
	static const struct frame done = {
		.type = FRAME_DONE, .outcome = { .total = 0x8182838485868788 }
	};
	static const struct frame fail = {
		.type = FRAME_FAIL,
		.outcome = { FRAME_FAIL_UNREAD, 0x9192, 0x8182838485868788 }
	};
	static const struct frame checking = {
		.type = FRAME_CHECKING,
		.checking = { FRAME_CHECK_OTHER, 0x8182838485868788 }
	};
	uint8_t want[16] = { 3, 1 };

	rising(want + 8, 8, 0x81);
	is_encoded(&ack, want, sizeof want, "ACK");
	memcpy(want, (uint8_t[]){ 8, 2 }, 2);
	is_encoded(&checking, want, sizeof want, "CHECKING");
	memcpy(want, (uint8_t[]){ 4, 0 }, 2);
	is_encoded(&done, want, sizeof want, "DONE");
	memcpy(want, (uint8_t[]){ 5, 3, 0x91, 0x92 }, 4);
	is_encoded(&fail, want, sizeof want, "FAIL");
}

static void test_long_bytes(void)
{
	struct frame name = { .type = FRAME_NAME };
	struct frame have = { .type = FRAME_HAVE,
			      .have = { .kind = FRAME_XXH3_128,
					.offset = 0x8182838485868788 } };
	struct frame words = { .type = FRAME_WORDS, .words = { 3, "Yes" } };
	uint8_t want[208] = { 6 };

	rising(name.name, sizeof name.name, 0xa0);
	rising(want + 8, 32, 0xa0);
	is_encoded(&name, want, 40, "NAME");
	memset(want, 0, sizeof want);
	memcpy(want, (uint8_t[]){ 7, 1 }, 2);
	rising(want + 8, 24, 0x81);
	rising(have.have.digest, 16, 0x89);
	is_encoded(&have, want, 48, "HAVE");
	memset(want, 0, sizeof want);
	memcpy(want, (uint8_t[]){ 9, 3 }, 2);
	memcpy(want + 8, "Yes", 3);
	is_encoded(&words, want, 208, "WORDS");
}

/* Encode a frame of a type, change a byte, and decode it. */
static int decode_changed(enum frame_type type, size_t at, uint8_t byte)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	struct frame f = any_frame(type), g;

	frame_encode(&f, bytes);
	bytes[at] = byte;
	return frame_decode(bytes, &g);
}

static void test_malformed(void)
{
	int wrong = 0;

	for (unsigned int i = 0; i < 256; i++) {
		uint8_t b = (uint8_t)i;

		wrong += decode_changed(FRAME_DONE, 1, b) != (i ? -1 : 0);
		wrong += decode_changed(FRAME_FAIL, 1, b) != (i ? 0 : -1);
	}
	is_int(wrong, 0, "DONE is no failure, and FAIL is one");
}

/* How many values of the byte at offset at are accepted? */
static int readable_values(const struct frame *f, size_t at)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	struct frame g;
	int readable = 0;

	frame_encode(f, bytes);
	for (unsigned int i = 0; i < 256; i++) {
		bytes[at] = (uint8_t)i;
		readable += frame_decode(bytes, &g) == 0;
	}
	return readable;
}

static void test_flags(void)
{
	struct frame hello = any_hello(), welcome = any_welcome();
	struct frame ack = any_frame(FRAME_ACK);

	hello.hello.flags = welcome.welcome.flags = 0;
	hello.hello.role = welcome.welcome.role = FRAME_SENDS;
	is_int(readable_values(&hello, 2), 2, "only two roles have a meaning");
	is_int(readable_values(&welcome, 3), 2, "in WELCOME too");
	is_int(readable_values(&hello, 3), 3,
	       "HELLO of a sender: no flag, a name, a name to discard");
	is_int(readable_values(&welcome, 4), 1, "WELCOME of a sender: none");
	hello.hello.role = welcome.welcome.role = FRAME_RECEIVES;
	is_int(readable_values(&hello, 3), 6,
	       "HELLO of a receiver: the same, with HAVE or without");
	is_int(readable_values(&welcome, 4), 2,
	       "WELCOME of a receiver: with HAVE or without");
	is_int(readable_values(&ack, 1), 2, "ACK: it waits or not");
}

static void test_codes(void)
{
	struct frame have = any_have();
	struct frame checking = any_frame(FRAME_CHECKING);

	is_int(readable_values(&have, 1), 1, "one digest is known");
	is_int(readable_values(&have, 32), 1, "which ends in zeros");
	is_int(readable_values(&have, 47), 1, "to the last byte");
	is_int(readable_values(&have, 31), 256, "and begins with anything");
	is_int(readable_values(&checking, 1), 3,
	       "a comparison goes on, or has two outcomes");
}

static void test_words(void)
{
	struct frame words = { .type = FRAME_WORDS };

	words.words.len = FRAME_WORDS_MAX;
	memset(words.words.text, 'w', FRAME_WORDS_MAX);
	is_int(readable_values(&words, 1), 1,
	       "200 bytes of words are 200, not more and not fewer");
	is_int(readable_values(&words, 8), 95, "all of them printable ASCII");
	is_int(readable_values(&words, 207), 95, "to the last one");
	words.words.len = 1;
	is_int(readable_values(&words, 9), 1, "behind them are zeros");
	is_int(readable_values(&words, 207), 1, "to the last byte");
	memset(words.words.text, 0, FRAME_WORDS_MAX);
	is_int(readable_values(&words, 1), 0, "no words are not sent");
}

static void test_connection(void)
{
	uint8_t bytes[FRAME_MAX_BYTES];
	struct frame f = any_hello(), g;
	int wrong = 0;

	f.hello.connection = 0;
	frame_encode(&f, bytes);
	is_int(frame_decode(bytes, &g), -1, "connections begin with 1");
	for (int i = 0; i < 32; i++) {
		f.hello.connection = (uint32_t)1 << i;
		frame_encode(&f, bytes);
		wrong += frame_decode(bytes, &g) != 0;
	}
	is_int(wrong, 0, "and any other number is one");
}

static void test_types(void)
{
	uint8_t bytes[FRAME_MAX_BYTES] = { 0 };
	struct frame f;
	int wrong = 0;

	for (size_t i = 0; i < array_len(types); i++)
		is_int(frame_size((uint8_t)types[i].type), types[i].size,
		       "%s is that long", types[i].name);
	for (unsigned int i = 0; i < 256; i++) {
		if (i >= FRAME_HELLO && i <= FRAME_WORDS)
			continue;
		bytes[0] = (uint8_t)i;
		wrong += frame_size(bytes[0]) || frame_decode(bytes, &f) == 0;
	}
	is_int(wrong, 0, "no other type is known");
}

static void test_versions(void)
{
	struct frame want_hello = { .type = FRAME_HELLO };
	struct frame want_welcome = { .type = FRAME_WELCOME };
	uint8_t bytes[FRAME_MAX_BYTES];
	int hello = 0, welcome = 0;
	struct frame f;

	for (unsigned int i = 0; i < 256; i++) {
		if (i == FRAME_VERSION)
			continue;
		any_bytes(bytes, sizeof bytes);
		bytes[1] = (uint8_t)i;
		bytes[0] = FRAME_HELLO;
		want_hello.hello.version = (uint8_t)i;
		hello += frame_decode(bytes, &f) < 0 ||
			 !same_frame(&f, &want_hello);
		bytes[0] = FRAME_WELCOME;
		want_welcome.welcome.version = (uint8_t)i;
		want_welcome.welcome.refusal = (enum frame_refusal)bytes[2];
		welcome += frame_decode(bytes, &f) < 0 ||
			   !same_frame(&f, &want_welcome);
	}
	is_int(hello, 0, "a HELLO of another version tells it, nothing else");
	is_int(welcome, 0, "a WELCOME of another version tells its refusal");
}

static void test_refusals(void)
{
	struct frame want = { .type = FRAME_WELCOME,
			      .welcome = { .version = FRAME_VERSION } };
	uint8_t bytes[FRAME_MAX_BYTES];
	struct frame f;
	int wrong = 0;

	for (unsigned int i = 1; i < 256; i++) {
		any_bytes(bytes, sizeof bytes);
		memcpy(bytes, (uint8_t[]){ FRAME_WELCOME, FRAME_VERSION }, 2);
		bytes[2] = (uint8_t)i;
		want.welcome.refusal = (enum frame_refusal)i;
		wrong += frame_decode(bytes, &f) < 0 || !same_frame(&f, &want);
		wrong += !*frame_refusal_text(want.welcome.refusal, 2);
	}
	is_int(wrong, 0, "a refusal may be any, and is all that is read");
	for (int i = wrong = 0; i < FRAME_REFUSAL_LAST; i++)
		for (int j = i + 1; j <= FRAME_REFUSAL_LAST + 1; j++)
			wrong += !strcmp(
				frame_refusal_text((enum frame_refusal)i, 2),
				frame_refusal_text((enum frame_refusal)j, 2));
	is_int(wrong, 0, "and each has a text of its own");
	is_str(frame_refusal_text(FRAME_REFUSED_VERSION, 1),
	       "the peer runs 0.1: upgrade it", "version 1 is known by name");
	is_str(frame_refusal_text(FRAME_REFUSED_VERSION, 3),
	       "the peer speaks another version of the protocol",
	       "others are not");
}

/* Feed a frame of size bytes and the bytes behind it, in pieces up to step. */
static size_t collect(struct frame_reader *r, uint8_t type, size_t step)
{
	size_t want, all = 0;

	*r = (struct frame_reader){ 0 };
	while ((want = frame_reader_wants(r)) > 0) {
		size_t n = want < step ? want : step;

		if (r->have + want > sizeof r->bytes)
			return 0;
		memset(r->bytes + r->have, type, n);
		r->have += n;
		all += n;
	}
	return all;
}

static void test_reader(void)
{
	struct frame_reader r;
	int wrong = 0;

	for (unsigned int type = 0; type < 256; type++) {
		size_t size = frame_size((uint8_t)type);

		for (size_t step = 1; step <= FRAME_MAX_BYTES; step++)
			wrong += collect(&r, (uint8_t)type, step) !=
				 (size ? size : 1);
	}
	is_int(wrong, 0, "the reader never wants more than the frame");
	r = (struct frame_reader){ 0 };
	is_int(frame_reader_wants(&r), 1, "and one byte to begin with");
}

int main(void)
{
	test_round_trip();
	test_hello_bytes();
	test_welcome_bytes();
	test_short_bytes();
	test_long_bytes();
	test_malformed();
	test_flags();
	test_codes();
	test_words();
	test_connection();
	test_types();
	test_versions();
	test_refusals();
	test_reader();
	return tap_end();
}
