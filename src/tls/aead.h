/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypt and decrypt the TLS records of one direction in user space, with the
 * same keys that the kernel would get.  Mode none is a cipher that does
 * nothing: its records are a header (RFC 8446 section 5.1) and the plaintext.
 * Knows nothing of sockets.  Ref: RFC 8446 section 5.2; RFC 5246 section
 * 6.2.3.3 with RFC 5288.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"
#include "proto/record.h"
#include "tls/mode.h"

enum {
	AEAD_BODY_MAX = 16384 + 256, /* TLS 1.3; a body of TLS 1.2 is shorter */
};

struct aead;

/* Borrows t, which the caller wipes.  NULL: ERR_BUG. */
struct aead *aead_new(const struct mode *mode, const struct traffic *t,
		      struct err *e);

/* Records under these keys so far, those of the handshake included. */
uint64_t aead_records(const struct aead *a);

/* Wipes the keys. */
void aead_free(struct aead *a);

/*
 * Encrypt len bytes of data, at most RECORD_MAX, into the next record, of the
 * given type.  TLS 1.3 encrypts the type behind the data: the byte data[len]
 * must exist; it is overwritten and restored.  out has room for len +
 * RECORD_OVERHEAD and does not overlap data.  *size: bytes written.  Errors:
 * ERR_BUG.
 */
int aead_encrypt(struct aead *a, uint8_t type, uint8_t *data, size_t len,
		 uint8_t *out, size_t *size, struct err *e) attr_must_check;

/* The length of the body, from its header; 0: no valid header. */
size_t aead_body_bytes(const struct aead *a,
		       const uint8_t header[static RECORD_HEADER_BYTES]);

/*
 * Decrypt the next record, header and whole body, into out, which has room for
 * the body.  *type and *len describe the plaintext.  Returns -1 if the record
 * does not authenticate.  A record that does may still break the protocol: the
 * caller checks for type 0 and for more than RECORD_MAX bytes.
 */
int aead_decrypt(struct aead *a, const uint8_t *record, uint8_t *type,
		 uint8_t *out, size_t *len) attr_must_check;
