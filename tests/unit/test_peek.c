// SPDX-License-Identifier: GPL-2.0-or-later
/* peek: the server name of a ClientHello, the stream id of a plain HELLO. */
#include "conn/peek.h"
#include "tap.h"

#define HANDLE "00112233445566778899aabbccddeeff"

struct text {
	uint8_t bytes[PEEK_MAX + 100];
	size_t len;
};

static void put(struct text *t, const void *bytes, size_t len)
{
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

static void put_number(struct text *t, size_t n, size_t bytes)
{
	while (bytes--)
		t->bytes[t->len++] = (uint8_t)(n >> 8 * bytes);
}

static void put_extension(struct text *t, size_t type, size_t len)
{
	put_number(t, type, 2);
	put_number(t, len, 2);
	for (size_t i = 0; i < len; i++)
		put_number(t, i, 1);
}

static void put_name(struct text *t, int kind, const char *name, size_t len)
{
	put_number(t, 0, 2);
	put_number(t, len + 5, 2);
	put_number(t, len + 3, 2);
	put_number(t, (size_t)kind, 1);
	put_number(t, len, 2);
	put(t, name, len);
}

/* A ClientHello with these extensions; session, suites: their lengths. */
static struct text hello(const struct text *extensions, size_t session,
			 size_t suites)
{
	struct text t = { .len = 0 };
	size_t size = 2 + 32 + 1 + session + 2 + suites + 2 + 2 +
		      extensions->len;

	put_number(&t, 1, 1);
	put_number(&t, size, 3);
	put_number(&t, 0x0303, 2);
	for (int i = 0; i < 32; i++)
		put_number(&t, (size_t)i, 1);
	put_number(&t, session, 1);
	t.len += session;
	put_number(&t, suites, 2);
	t.len += suites;
	put_number(&t, 0x0100, 2);
	put_number(&t, extensions->len, 2);
	put(&t, extensions->bytes, extensions->len);
	return t;
}

/* Split it into records of so many bytes at the most. */
static struct text wrap(const struct text *body, uint8_t type, size_t record)
{
	struct text t = { .len = 0 };

	for (size_t at = 0; at < body->len; at += record) {
		size_t n = body->len - at < record ? body->len - at : record;

		put_number(&t, type, 1);
		put_number(&t, 0x0301, 2);
		put_number(&t, n, 2);
		put(&t, body->bytes + at, n);
	}
	return t;
}

static struct text usual(size_t record)
{
	struct text x = { .len = 0 }, h;

	put_extension(&x, 43, 3);
	put_name(&x, 0, HANDLE, 32);
	put_extension(&x, 41, 80);
	h = hello(&x, 32, 6);
	return wrap(&h, 22, record);
}

static void test_whole(void)
{
	static const size_t records[] = { 16384, 100, 50, 7, 1 };
	char name[PEEK_NAME_MAX + 1];

	for (size_t i = 0; i < array_len(records); i++) {
		struct text t = usual(records[i]);

		ok(peek_server_name(t.bytes, t.len, name) == PEEK_FOUND &&
			   !strcmp(name, HANDLE),
		   "a name, in records of %zu", records[i]);
	}
}

/* Every prefix is PEEK_MORE, until the name is complete. */
static void test_beginnings(size_t record)
{
	struct text t = usual(record);
	char name[PEEK_NAME_MAX + 1];
	enum peek_result last = PEEK_MORE;
	int wrong = 0;

	for (size_t len = 1; len <= t.len; len++) {
		enum peek_result now = peek_server_name(t.bytes, len, name);

		wrong += now != PEEK_FOUND && last == PEEK_FOUND;
		wrong += now == PEEK_NONE;
		last = now;
	}
	is_int(wrong, 0, "every prefix needs more, in records of %zu", record);
	is_int(last, PEEK_FOUND, "the whole has the name");
}

static enum peek_result look_at(const struct text *extensions)
{
	struct text h = hello(extensions, 0, 2), t = wrap(&h, 22, 16384);
	char name[PEEK_NAME_MAX + 1];

	return peek_server_name(t.bytes, t.len, name);
}

static void test_names(void)
{
	char long_name[PEEK_NAME_MAX + 1];
	struct text x = { .len = 0 };

	memset(long_name, 'a', sizeof long_name);
	is_int(look_at(&x), PEEK_NONE, "no extension at all");
	put_extension(&x, 43, 3);
	is_int(look_at(&x), PEEK_NONE, "none with a name");
	x.len = 0;
	put_name(&x, 0, long_name, PEEK_NAME_MAX);
	is_int(look_at(&x), PEEK_FOUND, "a name of 64 bytes");
	x.len = 0;
	put_name(&x, 0, long_name, PEEK_NAME_MAX + 1);
	is_int(look_at(&x), PEEK_NONE, "a longer name");
	x.len = 0;
	put_name(&x, 0, "", 0);
	is_int(look_at(&x), PEEK_NONE, "an empty name");
	x.len = 0;
	put_name(&x, 0, "a\0b", 3);
	is_int(look_at(&x), PEEK_NONE, "a NUL in it");
	x.len = 0;
	put_name(&x, 1, "name", 4);
	is_int(look_at(&x), PEEK_NONE, "another kind of name");
	x.len = 0;
	put_name(&x, 0, "name", 4);
	x.bytes[3] = 200;
	is_int(look_at(&x), PEEK_NONE, "an extension beyond the ClientHello");
	x.bytes[3] = 4;
	is_int(look_at(&x), PEEK_NONE, "a name beyond its extension");
	x.len = 0;
	put_extension(&x, 0, 0);
	put_name(&x, 0, "name", 4);
	is_int(look_at(&x), PEEK_NONE, "an empty extension before the name");
}

static void test_others(void)
{
	struct text t = usual(16384);
	char name[PEEK_NAME_MAX + 1];
	struct text x = { .len = 0 }, h;

	is_int(peek_server_name(t.bytes, 0, name), PEEK_MORE, "nothing yet");
	is_int(peek_server_name((const uint8_t *)"GET / HTTP", 10, name),
	       PEEK_NONE, "HTTP");
	is_int(peek_server_name((const uint8_t *)"\x16\x03\x01\x00\x00", 5,
				name),
	       PEEK_NONE, "an empty record");
	is_int(peek_server_name((const uint8_t *)"\x16\x03\x01\x40\x01", 5,
				name),
	       PEEK_NONE, "a record that is too long");
	is_int(peek_server_name((const uint8_t *)"\x16\x02", 2, name),
	       PEEK_NONE, "another version of records");
	t.bytes[5] = 2;
	is_int(peek_server_name(t.bytes, t.len, name), PEEK_NONE,
	       "a ServerHello");
	put_extension(&x, 43, 3000);
	put_name(&x, 0, "name", 4);
	h = hello(&x, 0, 2);
	h.bytes[1] = 1; /* 65536 bytes more */
	t = wrap(&h, 22, 16384);
	is_int(peek_server_name(t.bytes, t.len, name), PEEK_FOUND,
	       "a name in a ClientHello longer than PEEK_MAX");
	x.len = 0;
	put_extension(&x, 43, 4090);
	put_name(&x, 0, "name", 4);
	h = hello(&x, 0, 2);
	t = wrap(&h, 22, 16384);
	ok(peek_server_name(t.bytes, t.len, name) != PEEK_FOUND,
	   "a name beyond PEEK_MAX");
}

static void test_stream(void)
{
	static const size_t records[] = { 96, 24, 10, 1 };
	struct text body = { .len = 96 };
	uint8_t id[FRAME_ID_BYTES];
	int wrong;

	for (size_t i = 0; i < body.len; i++)
		body.bytes[i] = (uint8_t)i;
	body.bytes[0] = 1;
	for (size_t i = 0; i < array_len(records); i++) {
		struct text t = wrap(&body, 23, records[i]);

		ok(peek_stream(t.bytes, t.len, id) == PEEK_FOUND &&
			   !memcmp(id, body.bytes + 8, sizeof id),
		   "a stream id, in records of %zu", records[i]);
		wrong = 0;
		for (size_t len = 0; len < t.len; len++)
			wrong += peek_stream(t.bytes, len, id) == PEEK_NONE;
		is_int(wrong, 0, "every prefix of it needs more");
	}
	body.bytes[0] = 2;
	body = wrap(&body, 23, 96);
	is_int(peek_stream(body.bytes, body.len, id), PEEK_NONE,
	       "another frame has no stream id");
	is_int(peek_stream((const uint8_t *)"\x16\x03\x01\x01", 4, id),
	       PEEK_NONE, "a ClientHello has no stream id");
}

int main(void)
{
	test_whole();
	test_beginnings(16384);
	test_beginnings(60);
	test_beginnings(1);
	test_names();
	test_others();
	test_stream();
	return tap_end();
}
