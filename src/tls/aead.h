/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One direction's TLS records made in user space, from the same keys that the
 * kernel would get.  Knows nothing of sockets.
 * Ref: RFC 8446 section 5.2; RFC 5246 section 6.2.3.3 with RFC 5288.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "proto/record.h"
#include "tls/mode.h"

enum {
	AEAD_BODY_MAX = 16384 + 256, /* TLS 1.3; what 1.2 adds is less */
};

struct aead;

/* Borrows t, which the caller wipes.  NULL: ERR_BUG. */
struct aead *aead_new(const struct mode *mode, const struct traffic *t,
		      struct err *e);

/* Records made or opened under these keys so far, handshake's included. */
uint64_t aead_records(const struct aead *s);

/* Wipes the keys. */
void aead_free(struct aead *s);

/*
 * Make the next record, of the given type, from len bytes, at most RECORD_MAX.
 * data is read where it lies: the byte behind it is lent, for the type that TLS
 * 1.3 encrypts with it, and is put back.  out has room for len + RECORD_OVERHEAD
 * and is somewhere else.  *size: bytes written.  Errors: ERR_BUG.
 */
int aead_encrypt(struct aead *s, uint8_t type, uint8_t *data, size_t len,
		 uint8_t *out, size_t *size, struct err *e) attr_must_check;

/* Bytes of the body that a header announces; 0: no header of a record. */
size_t aead_body_bytes(const struct aead *s,
		       const uint8_t header[static RECORD_HEADER_BYTES]);

/*
 * Open the next record: header and the whole body behind it.  out has room for
 * the body.  *type and *len: what it was.  Returns -1 if it does not
 * authenticate.  A peer that breaks the protocol can make one that does, and has
 * type 0, or more than RECORD_MAX bytes.
 */
int aead_decrypt(struct aead *s, const uint8_t *record, uint8_t *type,
		 uint8_t *out, size_t *len) attr_must_check;
