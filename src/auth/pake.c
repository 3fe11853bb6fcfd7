// SPDX-License-Identifier: GPL-2.0-or-later
#include "auth/pake.h"

#include <string.h>

#include "config.h"

#ifdef HAVE_LIBSODIUM
#include <sodium.h>

#define DSI "CPaceRistretto255"

enum { HASH_BLOCK_BYTES = 128 }; /* SHA-512's; the draft's s_in_bytes */

_Static_assert(PAKE_SCALAR_BYTES == crypto_core_ristretto255_SCALARBYTES &&
		       PAKE_POINT_BYTES == crypto_core_ristretto255_BYTES &&
		       PAKE_KEY_BYTES == crypto_hash_sha512_BYTES &&
		       PAKE_KEY_BYTES == crypto_core_ristretto255_HASHBYTES,
	       "sizes of libsodium");

/* Copies of everything secret that is computed on the way */
struct pake_work {
	crypto_hash_sha512_state hash;
	uint8_t digest[crypto_hash_sha512_BYTES];
	uint8_t point[PAKE_POINT_BYTES];
};

static void pake_work_wipe(struct pake_work *w)
{
	explicit_bzero(w, sizeof *w);
}

#define autowipe_work attr_cleanup(pake_work_wipe)

/* LEB128, seven bits a byte.  Returns how many bytes it takes. */
static size_t pake_leb128(size_t len, uint8_t out[static 10])
{
	size_t n = 0;

	for (; len > 0x7f; len >>= 7)
		out[n++] = (uint8_t)(0x80 | (len & 0x7f));
	out[n++] = (uint8_t)len;
	return n;
}

/* Hash a string with its length in front: the draft's prepend_len. */
static void pake_hash(struct pake_work *w, const void *bytes, size_t len)
{
	uint8_t head[10];

	crypto_hash_sha512_update(&w->hash, head, pake_leb128(len, head));
	/* An empty string may have no address. */
	if (len)
		crypto_hash_sha512_update(&w->hash, bytes, len);
}

int pake_init(struct err *e)
{
	if (sodium_init() < 0)
		return err_set(e, ERR_KEY, 0, "cannot start libsodium");
	return 0;
}

int pake_generator(const struct pake_input *in,
		   uint8_t generator[static PAKE_POINT_BYTES], struct err *e)
{
	static const uint8_t zeros[HASH_BLOCK_BYTES];
	autowipe_work struct pake_work w = { .digest = { 0 } };
	uint8_t head[10];
	/* Fills the first block, so that no password's length shows there. */
	size_t used = 1 + strlen(DSI) + pake_leb128(in->password.len, head) +
		      in->password.len + 1;

	crypto_hash_sha512_init(&w.hash);
	pake_hash(&w, DSI, strlen(DSI));
	pake_hash(&w, in->password.bytes, in->password.len);
	pake_hash(&w, zeros,
		  used < HASH_BLOCK_BYTES ? HASH_BLOCK_BYTES - used : 0);
	pake_hash(&w, in->channel.bytes, in->channel.len);
	pake_hash(&w, in->session.bytes, in->session.len);
	crypto_hash_sha512_final(&w.hash, w.digest);
	if (crypto_core_ristretto255_from_hash(generator, w.digest) < 0)
		return err_set(e, ERR_BUG, 0, "no generator");
	return 0;
}

int pake_multiply(const uint8_t scalar[static PAKE_SCALAR_BYTES],
		  const uint8_t point[static PAKE_POINT_BYTES],
		  uint8_t product[static PAKE_POINT_BYTES], struct err *e)
{
	if (crypto_scalarmult_ristretto255(product, scalar, point) < 0)
		return err_set(e, ERR_AUTH, 0,
			       "the peer's part of the password exchange is "
			       "invalid");
	return 0;
}

int pake_draw(const struct pake_input *in,
	      uint8_t scalar[static PAKE_SCALAR_BYTES],
	      uint8_t point[static PAKE_POINT_BYTES], struct err *e)
{
	autowipe_work struct pake_work w = { .digest = { 0 } };

	if (pake_generator(in, w.point, e) < 0)
		return -1;
	crypto_core_ristretto255_scalar_random(scalar);
	if (pake_multiply(scalar, w.point, point, e) < 0)
		return err_set(e, ERR_BUG, 0, "no point");
	return 0;
}

int pake_key(const struct pake_input *in,
	     const uint8_t scalar[static PAKE_SCALAR_BYTES],
	     const uint8_t peer[static PAKE_POINT_BYTES],
	     const struct pake_transcript *t, struct secret *key, struct err *e)
{
	autowipe_work struct pake_work w = { .digest = { 0 } };

	if (pake_multiply(scalar, peer, w.point, e) < 0)
		return -1;
	crypto_hash_sha512_init(&w.hash);
	pake_hash(&w, DSI "_ISK", strlen(DSI "_ISK"));
	pake_hash(&w, in->session.bytes, in->session.len);
	pake_hash(&w, w.point, sizeof w.point);
	pake_hash(&w, t->point_a, PAKE_POINT_BYTES);
	pake_hash(&w, t->said_a.bytes, t->said_a.len);
	pake_hash(&w, t->point_b, PAKE_POINT_BYTES);
	pake_hash(&w, t->said_b.bytes, t->said_b.len);
	crypto_hash_sha512_final(&w.hash, key->bytes);
	key->len = PAKE_KEY_BYTES;
	return 0;
}

#else /* !HAVE_LIBSODIUM */

int pake_init(struct err *e)
{
	return err_set(e, ERR_KEY, 0,
		       "this program was built without libsodium, and so "
		       "without passwords; name a key with -k FILE, which "
		       "'btrfs-ktls-pipe keygen -o FILE' makes");
}

int pake_generator(const struct pake_input *in,
		   uint8_t generator[static PAKE_POINT_BYTES], struct err *e)
{
	return pake_init(e);
}

int pake_multiply(const uint8_t scalar[static PAKE_SCALAR_BYTES],
		  const uint8_t point[static PAKE_POINT_BYTES],
		  uint8_t product[static PAKE_POINT_BYTES], struct err *e)
{
	return pake_init(e);
}

int pake_draw(const struct pake_input *in,
	      uint8_t scalar[static PAKE_SCALAR_BYTES],
	      uint8_t point[static PAKE_POINT_BYTES], struct err *e)
{
	return pake_init(e);
}

int pake_key(const struct pake_input *in,
	     const uint8_t scalar[static PAKE_SCALAR_BYTES],
	     const uint8_t peer[static PAKE_POINT_BYTES],
	     const struct pake_transcript *t, struct secret *key, struct err *e)
{
	return pake_init(e);
}

#endif
