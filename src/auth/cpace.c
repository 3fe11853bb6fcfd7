// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/cpace.h"

#include <string.h>

#include "config.h"

#ifdef HAVE_LIBSODIUM
#include <sodium.h>

#define DSI "CPaceRistretto255"

enum { HASH_BLOCK_BYTES = 128 }; /* SHA-512's; the draft's s_in_bytes */

_Static_assert(CPACE_SCALAR_BYTES == crypto_core_ristretto255_SCALARBYTES &&
		       CPACE_POINT_BYTES == crypto_core_ristretto255_BYTES &&
		       CPACE_KEY_BYTES == crypto_hash_sha512_BYTES &&
		       CPACE_KEY_BYTES == crypto_core_ristretto255_HASHBYTES,
	       "sizes of libsodium");

/* All secret intermediate results, to be wiped together. */
struct cpace_work {
	crypto_hash_sha512_state hash;
	uint8_t digest[crypto_hash_sha512_BYTES];
	uint8_t point[CPACE_POINT_BYTES];
};

SECRET_WIPER(cpace_work_wipe, struct cpace_work)

#define autowipe_work attr_cleanup(cpace_work_wipe)

/* LEB128, seven bits a byte.  Returns the number of bytes. */
static size_t cpace_leb128(size_t len, uint8_t out[static 10])
{
	size_t n = 0;

	for (; len > 0x7f; len >>= 7)
		out[n++] = (uint8_t)(0x80 | (len & 0x7f));
	out[n++] = (uint8_t)len;
	return n;
}

/* Hash a string after its length: the draft's prepend_len. */
static void cpace_hash(struct cpace_work *w, const void *bytes, size_t len)
{
	uint8_t head[10];

	crypto_hash_sha512_update(&w->hash, head, cpace_leb128(len, head));
	/* An empty string may have no address. */
	if (len)
		crypto_hash_sha512_update(&w->hash, bytes, len);
}

int cpace_init(struct err *e)
{
	if (sodium_init() < 0)
		return err_set(e, ERR_KEY, 0, "cannot start libsodium");
	return 0;
}

int cpace_generator(const struct cpace_input *in,
		    uint8_t generator[static CPACE_POINT_BYTES], struct err *e)
{
	static const uint8_t zeros[HASH_BLOCK_BYTES];
	autowipe_work struct cpace_work w = { .digest = { 0 } };
	uint8_t head[10];
	/* Zeros fill the first block, to hide the password's length. */
	size_t used = 1 + strlen(DSI) + cpace_leb128(in->password.len, head) +
		      in->password.len + 1;

	crypto_hash_sha512_init(&w.hash);
	cpace_hash(&w, DSI, strlen(DSI));
	cpace_hash(&w, in->password.bytes, in->password.len);
	cpace_hash(&w, zeros,
		   used < HASH_BLOCK_BYTES ? HASH_BLOCK_BYTES - used : 0);
	cpace_hash(&w, in->channel.bytes, in->channel.len);
	cpace_hash(&w, in->session.bytes, in->session.len);
	crypto_hash_sha512_final(&w.hash, w.digest);
	if (crypto_core_ristretto255_from_hash(generator, w.digest) < 0)
		return err_set(e, ERR_BUG, 0, "no generator");
	return 0;
}

int cpace_multiply(const uint8_t scalar[static CPACE_SCALAR_BYTES],
		   const uint8_t point[static CPACE_POINT_BYTES],
		   uint8_t product[static CPACE_POINT_BYTES], struct err *e)
{
	if (crypto_scalarmult_ristretto255(product, scalar, point) < 0)
		return err_set(e, ERR_AUTH, 0,
			       "the peer's part of the password exchange is "
			       "invalid");
	return 0;
}

int cpace_draw(const struct cpace_input *in,
	       uint8_t scalar[static CPACE_SCALAR_BYTES],
	       uint8_t point[static CPACE_POINT_BYTES], struct err *e)
{
	autowipe_work struct cpace_work w = { .digest = { 0 } };

	if (cpace_generator(in, w.point, e) < 0)
		return -1;
	crypto_core_ristretto255_scalar_random(scalar);
	if (cpace_multiply(scalar, w.point, point, e) < 0)
		return err_set(e, ERR_BUG, 0, "no point");
	return 0;
}

int cpace_key(const struct cpace_input *in,
	      const uint8_t scalar[static CPACE_SCALAR_BYTES],
	      const uint8_t peer[static CPACE_POINT_BYTES],
	      const struct cpace_transcript *t, struct secret *key,
	      struct err *e)
{
	autowipe_work struct cpace_work w = { .digest = { 0 } };

	if (cpace_multiply(scalar, peer, w.point, e) < 0)
		return -1;
	crypto_hash_sha512_init(&w.hash);
	cpace_hash(&w, DSI "_ISK", strlen(DSI "_ISK"));
	cpace_hash(&w, in->session.bytes, in->session.len);
	cpace_hash(&w, w.point, sizeof w.point);
	cpace_hash(&w, t->point_a, CPACE_POINT_BYTES);
	cpace_hash(&w, t->said_a.bytes, t->said_a.len);
	cpace_hash(&w, t->point_b, CPACE_POINT_BYTES);
	cpace_hash(&w, t->said_b.bytes, t->said_b.len);
	crypto_hash_sha512_final(&w.hash, key->bytes);
	key->len = CPACE_KEY_BYTES;
	return 0;
}

#else /* !HAVE_LIBSODIUM */

int cpace_init(struct err *e)
{
	return err_set(e, ERR_KEY, 0,
		       "this program was built without libsodium, and so "
		       "without passwords; name a key with -k FILE, which "
		       "'btrfs-ktls-pipe keygen -o FILE' makes");
}

int cpace_draw(const struct cpace_input *in,
	       uint8_t scalar[static CPACE_SCALAR_BYTES],
	       uint8_t point[static CPACE_POINT_BYTES], struct err *e)
{
	return cpace_init(e);
}

int cpace_key(const struct cpace_input *in,
	      const uint8_t scalar[static CPACE_SCALAR_BYTES],
	      const uint8_t peer[static CPACE_POINT_BYTES],
	      const struct cpace_transcript *t, struct secret *key,
	      struct err *e)
{
	return cpace_init(e);
}

#endif
