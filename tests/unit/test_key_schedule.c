// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * key_schedule: traffic keys as RFC 8448 section 3 has them, and the keys that
 * follow.  No RFC shows a KeyUpdate: those vectors, and the ones with SHA-384,
 * are HKDF-Expand-Label of RFC 8446 section 7.1, computed by another program.
 */
#include "tap.h"
#include "tls/key_schedule.h"
#include "tls/tls.h"

static const struct {
	const char *name;
	enum mode_cipher cipher;
	const char *secret, *key, *iv;
	const char *next_secret, *next_key, *next_iv; /* or NULL */
} vectors[] = {
	{ "RFC 8448, the client's", MODE_AES128_GCM,
	  "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
	  "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9",
	  "fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207",
	  "3879d82f5f14056e623f2ce5bfc66fce", "5dfb2c5938c3379b6cc5d1f2" },
	{ "RFC 8448, the server's", MODE_AES128_GCM,
	  "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
	  "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984", NULL,
	  NULL, NULL },
	{ "ChaCha20-Poly1305, after a KeyUpdate", MODE_CHACHA20_POLY1305,
	  "fcdfcc72725aaee48bf64e4fd8b749cdbdbab39d90da0b26e2245ca6ea167207",
	  "e94818cd08e6071fae4cf6b04d62e583b7a04ea41aebd72044aa5f1f11919816",
	  "5dfb2c5938c3379b6cc5d1f2", NULL, NULL, NULL },
	{ "AES-256-GCM, with SHA-384", MODE_AES256_GCM,
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	  "202122232425262728292a2b2c2d2e2f",
	  "6877d022f1c61d24ebb7487c16752d9a4798e40431c75b39320e537c90e23225",
	  "42822531a0fe88648fc09e9f",
	  "401331b63e9d59f202e8f041042d9516f4cd7fa2e2ee14631d3b49fc340d7af3"
	  "7fc2c0c9f252d8036f81ec5b85cbe5db",
	  "eb354f3b48924ed78de34dd8aa6a6a0a51d857ddad1454d5cfa7b69f60712911",
	  "8478ffbe4f2e5450789775b3" },
};

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	while (sscanf(hex + 2 * n, "%2hhx", &out[n]) == 1)
		n++;
	return n;
}

static bool is_hex(const uint8_t *bytes, size_t len, const char *hex)
{
	uint8_t want[64];

	return unhex(hex, want) == len && !memcmp(bytes, want, len);
}

static void test_vector(size_t i)
{
	const struct mode *mode = mode_find(MODE_TLS13, vectors[i].cipher);
	const char *name = vectors[i].name;
	struct traffic t = { .seq = { [7] = 9 } };
	struct err e = { 0 };

	t.secret_len = unhex(vectors[i].secret, t.secret);
	is_int(key_schedule_derive(mode, &t, &e), 0, "%s: keys", name);
	ok(is_hex(t.key, t.key_len, vectors[i].key), "%s: the key", name);
	ok(is_hex(t.iv, t.iv_len, vectors[i].iv), "%s: the IV", name);
	is_int(t.seq[7], 0, "%s: the first record has number 0", name);
	if (!vectors[i].next_key)
		return;
	t.seq[7] = 9;
	is_int(key_schedule_next(mode, &t, &e), 0, "%s: a KeyUpdate", name);
	ok(is_hex(t.secret, t.secret_len, vectors[i].next_secret),
	   "%s: the next secret", name);
	ok(is_hex(t.key, t.key_len, vectors[i].next_key), "%s: the next key",
	   name);
	ok(is_hex(t.iv, t.iv_len, vectors[i].next_iv), "%s: the next IV", name);
	is_int(t.seq[7], 0, "%s: and number 0 again", name);
}

int main(void)
{
	struct err e = { 0 };

	if (tls_global_init(&e) < 0)
		return 1;
	for (size_t i = 0; i < array_len(vectors); i++)
		test_vector(i);
	return tap_end();
}
