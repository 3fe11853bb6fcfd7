// SPDX-License-Identifier: GPL-2.0-or-later
/* digest: published values of XXH3, and the same value however bytes come. */
#include "conn/digest.h"

#include "tap.h"

enum { BIG_BYTES = 3 << 20 };

static uint8_t big[BIG_BYTES];

static void hex(const uint8_t *bytes, char out[static 33])
{
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void check_value(const char *text, const char *want)
{
	struct err e = { 0 };
	struct digest *d = digest_new(&e);
	static const uint8_t zeros[16];
	struct frame_have have;
	char got[33];

	digest_update(d, text, strlen(text));
	digest_have(d, &have);
	hex(have.digest, got);
	is_str(got, want, "the digest of '%s'", text);
	is_int(have.offset, strlen(text), "it is of %zu bytes", strlen(text));
	ok(have.kind == FRAME_XXH3_128 && !memcmp(have.digest + 16, zeros, 16),
	   "the rest of the field is zero");
	digest_free(d);
}

/* Append big in pieces that grow, and look at the digest in between. */
static void test_pieces(void)
{
	struct err e = { 0 };
	struct digest *whole = digest_new(&e), *parts = digest_new(&e);
	struct frame_have a, b;
	size_t at = 0, n = 1;

	for (size_t i = 0; i < BIG_BYTES; i++)
		big[i] = (uint8_t)(i * 2654435761u >> 24);
	digest_update(whole, big, BIG_BYTES);
	for (; at < BIG_BYTES; at += n, n = n * 3 / 2 + 1) {
		if (n > BIG_BYTES - at)
			n = BIG_BYTES - at;
		digest_update(parts, big + at, n);
		digest_have(parts, &a);
	}
	digest_have(whole, &b);
	ok(!memcmp(&a, &b, sizeof a),
	   "pieces have the digest of the whole, also when it was looked at");
	is_int(digest_bytes(parts), BIG_BYTES, "all are counted");
	digest_update(parts, big, 1);
	digest_have(parts, &a);
	ok(memcmp(a.digest, b.digest, sizeof a.digest),
	   "one more byte changes it");
	digest_free(whole);
	digest_free(parts);
}

int main(void)
{
	/* Of xxHash's own documentation and other implementations */
	check_value("", "99aa06d3014798d86001c324468d497f");
	check_value("a", "a96faf705af16834e6c632b61e964e1f");
	check_value("abc", "06b05ab6733a618578af5f94892f3950");
	test_pieces();
	return tap_end();
}
