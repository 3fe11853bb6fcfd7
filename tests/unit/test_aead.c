// SPDX-License-Identifier: GPL-2.0-or-later
/* aead: records as in the RFCs; any other record is refused. */
#include "proto/record.h"
#include "tap.h"
#include "tls/aead.h"
#include "tls/mode.h"
#include "tls/tls.h"

enum { ROOM = RECORD_MAX + RECORD_HEADER_BYTES + RECORD_OVERHEAD };

static uint8_t data[RECORD_MAX + 1], record[ROOM], opened[AEAD_BODY_MAX];

/* RFC 8448 section 3: the client's first record of application data */
static const struct traffic rfc8448 = {
	.key_len = 16,
	.iv_len = 12,
	.key = { 0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9, 0xac, 0xd8,
		 0x90, 0xe3, 0xc6, 0x3f, 0x50, 0x51 },
	.iv = { 0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08, 0x57, 0x90, 0x33, 0xe5,
		0x23, 0xd9 },
};
static const uint8_t rfc8448_record[] = {
	0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94,
	0xd0, 0xaf, 0xfa, 0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea,
	0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc, 0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8,
	0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20, 0x44, 0x1e, 0x2b,
	0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
	0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4,
};

static struct aead *new_seal(const struct mode *mode, const struct traffic *t)
{
	struct err e = { 0 };
	struct aead *s = aead_new(mode, t, &e);

	if (!s)
		bail();
	return s;
}

static void known_answer(void)
{
	const struct mode *mode = mode_find(MODE_TLS13, MODE_AES128_GCM);
	struct aead *s = new_seal(mode, &rfc8448);
	uint8_t counting[50 + 1];
	struct err e = { 0 };
	size_t size;

	for (size_t i = 0; i < sizeof counting; i++)
		counting[i] = (uint8_t)i;
	is_int(aead_encrypt(s, RECORD_DATA, counting, 50, record, &size, &e), 0,
	       "a record is made");
	ok(size == sizeof rfc8448_record &&
		   !memcmp(record, rfc8448_record, size),
	   "it is that of RFC 8448");
	aead_free(s);
}

static struct traffic some_keys(const struct mode *mode)
{
	struct traffic t = { .key_len = 32, .iv_len = 12 };

	if (mode->cipher == MODE_AES128_GCM)
		t.key_len = 16;
	if (mode->version == MODE_TLS12)
		t.iv_len = 4;
	for (size_t i = 0; i < sizeof t.key; i++)
		t.key[i] = (uint8_t)(7 * i);
	memset(t.iv, 0x5a, sizeof t.iv);
	t.seq[7] = 1;
	return t;
}

static uint8_t data_at(size_t i)
{
	return (uint8_t)(i * 31 + i / 256);
}

static bool is_untouched(void)
{
	for (size_t i = 0; i < sizeof data; i++)
		if (data[i] != data_at(i))
			return false;
	return true;
}

/* Records of many lengths and types, one after the other. */
static void round_trips(const struct mode *mode)
{
	static const size_t lens[] = {
		1, 2, 15, 16, 17, 1000, 16383, RECORD_MAX
	};
	struct traffic t = some_keys(mode);
	struct aead *out = new_seal(mode, &t), *in = new_seal(mode, &t);
	struct err e = { 0 };

	for (size_t i = 0; i < array_len(lens); i++) {
		uint8_t type, want = i % 2 ? RECORD_ALERT : RECORD_DATA;
		size_t size, len = 0;

		is_int(aead_encrypt(out, want, data, lens[i], record, &size,
				    &e),
		       0, "%s: %zu bytes encrypted", mode->name, lens[i]);
		is_int(aead_body_bytes(in, record), size - RECORD_HEADER_BYTES,
		       "%s: the header tells the size", mode->name);
		is_int(aead_decrypt(in, record, &type, opened, &len), 0,
		       "%s: %zu bytes opened", mode->name, lens[i]);
		ok(type == want && len == lens[i] && !memcmp(opened, data, len),
		   "%s: %zu bytes are the same", mode->name, lens[i]);
		ok(is_untouched(), "%s: %zu bytes and one behind were lent",
		   mode->name, lens[i]);
	}
	aead_free(out);
	aead_free(in);
}

/* A record with any bit changed is refused. */
static void forgeries(const struct mode *mode)
{
	struct traffic t = some_keys(mode);
	struct err e = { 0 };
	unsigned int passed = 0;
	size_t size = 0, len;
	uint8_t type;

	for (size_t bit = 0; bit < 8 * size || !bit; bit++) {
		struct aead *out = new_seal(mode, &t);
		struct aead *in = new_seal(mode, &t);

		if (aead_encrypt(out, RECORD_DATA, data, 40, record, &size,
				 &e) < 0)
			bail();
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* With another length it is another record. */
		if (aead_body_bytes(in, record) == size - RECORD_HEADER_BYTES &&
		    aead_decrypt(in, record, &type, opened, &len) == 0)
			passed++;
		aead_free(out);
		aead_free(in);
	}
	is_int(passed, 0, "%s: no flipped bit passes", mode->name);
}

static void replay(const struct mode *mode)
{
	struct traffic t = some_keys(mode);
	struct aead *out = new_seal(mode, &t), *in = new_seal(mode, &t);
	struct err e = { 0 };
	size_t size, len;
	uint8_t type;

	if (aead_encrypt(out, RECORD_DATA, data, 40, record, &size, &e) < 0)
		bail();
	is_int(aead_decrypt(in, record, &type, opened, &len), 0, "%s: once",
	       mode->name);
	is_int(aead_decrypt(in, record, &type, opened, &len), -1,
	       "%s: not twice", mode->name);
	aead_free(out);
	aead_free(in);
}

static void headers(void)
{
	static const struct {
		uint8_t bytes[RECORD_HEADER_BYTES];
		const char *what;
	} bad[] = {
		{ { 21, 3, 3, 0, 40 }, "an alert outside" },
		{ { 23, 3, 1, 0, 40 }, "another version" },
		{ { 23, 3, 3, 0, 16 }, "no type inside" },
		{ { 23, 3, 3, 0x41, 1 }, "too long" },
		{ { 'G', 'E', 'T', ' ', '/' }, "no TLS" },
	};
	const struct mode *mode = mode_find(MODE_TLS13, MODE_AES128_GCM);
	struct aead *s = new_seal(mode, &rfc8448);

	for (size_t i = 0; i < array_len(bad); i++)
		is_int(aead_body_bytes(s, bad[i].bytes), 0,
		       "TLS 1.3 refuses: %s", bad[i].what);
	aead_free(s);
}

int main(void)
{
	struct err e = { 0 };

	if (tls_global_init(&e) < 0)
		return 1;
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = data_at(i);
	known_answer();
	for (size_t i = 0; i < MODE_COUNT; i++) {
		round_trips(&mode_table[i]);
		forgeries(&mode_table[i]);
		replay(&mode_table[i]);
	}
	headers();
	return tap_end();
}
