// SPDX-License-Identifier: GPL-2.0-or-later
#include "tls/aead.h"

#include <assert.h>
#include <endian.h>
#include <gnutls/crypto.h>
#include <string.h>

enum {
	NONCE_BYTES = 12,
	TAG_BYTES = 16,
	EXPLICIT_BYTES = 8, /* TLS 1.2: the part of the nonce that is sent */
	SALT_BYTES = 4, /* TLS 1.2: the part that is not */
	AAD_MAX = 13,
};

struct aead {
	gnutls_aead_cipher_hd_t cipher; /* NULL: mode none */
	bool v13;
	uint64_t seq; /* of the next record */
	uint8_t iv[NONCE_BYTES];
};

static void aead_put64(uint8_t *out, uint64_t n)
{
	n = htobe64(n);
	memcpy(out, &n, sizeof n);
}

struct aead *aead_new(const struct mode *mode, const struct traffic *t,
		      struct err *e)
{
	gnutls_datum_t key = { (uint8_t *)t->key, (unsigned int)t->key_len };
	const char *cipher = mode_ciphers[mode->cipher];
	struct aead *a = err_alloc(sizeof *a, e);
	int ret;

	if (!a)
		return NULL;
	if (mode == &mode_none)
		return a;
	ret = gnutls_aead_cipher_init(&a->cipher, gnutls_cipher_get_id(cipher),
				      &key);
	if (ret < 0) {
		err_set(e, ERR_BUG, 0, "cannot encrypt in user space: %s",
			gnutls_strerror(ret));
		free(a);
		return NULL;
	}
	a->v13 = mode->version == MODE_TLS13;
	memcpy(&a->seq, t->seq, sizeof a->seq);
	a->seq = be64toh(a->seq);
	memcpy(a->iv, t->iv, t->iv_len);
	return a;
}

void aead_free(struct aead *a)
{
	if (!a)
		return;
	if (a->cipher)
		gnutls_aead_cipher_deinit(a->cipher);
	explicit_bzero(a, sizeof *a);
	free(a);
}

uint64_t aead_records(const struct aead *a)
{
	return a->seq;
}

/*
 * Fill in the nonce and the additional data of a record whose header, and in
 * TLS 1.2 the explicit half of the nonce, are already written.  Returns the
 * length of the additional data.
 */
static size_t aead_prepare(const struct aead *a, const uint8_t *record,
			   uint8_t nonce[NONCE_BYTES], uint8_t aad[AAD_MAX])
{
	uint8_t seq[8];

	aead_put64(seq, a->seq);
	if (a->v13) {
		/* RFC 8446 section 5.3: the sequence number is XORed in. */
		memcpy(nonce, a->iv, NONCE_BYTES);
		for (int i = 0; i < 8; i++)
			nonce[NONCE_BYTES - 8 + i] ^= seq[i];
		memcpy(aad, record, RECORD_HEADER_BYTES);
		return RECORD_HEADER_BYTES;
	}
	/* RFC 5288 section 3: salt and explicit half */
	memcpy(nonce, a->iv, SALT_BYTES);
	memcpy(nonce + SALT_BYTES, record + RECORD_HEADER_BYTES,
	       EXPLICIT_BYTES);
	/* RFC 5246 section 6.2.3.3: that, and the header of the plaintext */
	memcpy(aad, seq, sizeof seq);
	record_header(aad + sizeof seq, record[0],
		      record_body_bytes(record) - EXPLICIT_BYTES - TAG_BYTES);
	return AAD_MAX;
}

/* Mode none: the plaintext as it is. */
static int aead_copy_out(struct aead *a, uint8_t type, const uint8_t *data,
			 size_t len, uint8_t *out, size_t *size)
{
	record_header(out, type, len);
	memcpy(out + RECORD_HEADER_BYTES, data, len);
	a->seq++;
	*size = RECORD_HEADER_BYTES + len;
	return 0;
}

int aead_encrypt(struct aead *a, uint8_t type, uint8_t *data, size_t len,
		 uint8_t *out, size_t *size, struct err *e)
{
	size_t in_len = len + a->v13, out_len = in_len + TAG_BYTES;
	uint8_t nonce[NONCE_BYTES], aad[AAD_MAX], *body = out;
	const uint8_t behind = data[len];
	size_t aad_len;
	int ret;

	assert(len <= RECORD_MAX);
	if (!a->cipher)
		return aead_copy_out(a, type, data, len, out, size);
	body += RECORD_HEADER_BYTES;
	if (a->v13) {
		record_header(out, RECORD_DATA, out_len);
	} else {
		record_header(out, type, EXPLICIT_BYTES + out_len);
		aead_put64(body, a->seq);
		body += EXPLICIT_BYTES;
	}
	aad_len = aead_prepare(a, out, nonce, aad);
	/* One contiguous buffer: otherwise the library would copy it. */
	data[len] = type;
	ret = gnutls_aead_cipher_encrypt(a->cipher, nonce, sizeof nonce, aad,
					 aad_len, TAG_BYTES, data, in_len, body,
					 &out_len);
	data[len] = behind;
	if (ret < 0)
		return err_set(e, ERR_BUG, 0, "cannot encrypt: %s",
			       gnutls_strerror(ret));
	a->seq++;
	*size = (size_t)(body - out) + out_len;
	return 0;
}

/* Mode none: data, or an alert; nothing else and nothing empty. */
static bool aead_plain_header_ok(uint8_t type, size_t len)
{
	return type == RECORD_ALERT
		       ? len == RECORD_ALERT_BYTES
		       : type == RECORD_DATA && len > 0 && len <= RECORD_MAX;
}

size_t aead_body_bytes(const struct aead *a,
		       const uint8_t header[static RECORD_HEADER_BYTES])
{
	size_t len = record_body_bytes(header);
	size_t least = a->v13 ? TAG_BYTES + 1 : EXPLICIT_BYTES + TAG_BYTES;

	if (header[1] != 3 || header[2] != 3)
		return 0;
	if (!a->cipher)
		return aead_plain_header_ok(header[0], len) ? len : 0;
	if (len < least || len > AEAD_BODY_MAX ||
	    (a->v13 && header[0] != RECORD_DATA))
		return 0;
	return len;
}

/* The type is the last byte that is not 0; padding follows it. */
static void aead_strip_padding(const uint8_t *inner, size_t *len, uint8_t *type)
{
	while (*len && !inner[*len - 1])
		--*len;
	*type = *len ? inner[--*len] : 0;
}

int aead_decrypt(struct aead *a, const uint8_t *record, uint8_t *type,
		 uint8_t *out, size_t *len)
{
	size_t body_len = aead_body_bytes(a, record), aad_len;
	const uint8_t *body = record + RECORD_HEADER_BYTES;
	uint8_t nonce[NONCE_BYTES], aad[AAD_MAX];

	*type = record[0];
	*len = body_len;
	if (!a->cipher) {
		memcpy(out, body, body_len);
		a->seq++;
		return 0;
	}
	aad_len = aead_prepare(a, record, nonce, aad);
	if (!a->v13) {
		body += EXPLICIT_BYTES;
		body_len -= EXPLICIT_BYTES;
	}
	*len = body_len;
	if (gnutls_aead_cipher_decrypt(a->cipher, nonce, sizeof nonce, aad,
				       aad_len, TAG_BYTES, body, body_len, out,
				       len) < 0)
		return -1;
	a->seq++;
	if (a->v13)
		aead_strip_padding(out, len, type);
	return 0;
}
