/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bulk direction in user space: a batch of records is encrypted into one
 * buffer and sent in one call, or read in one call and decrypted straight into
 * the caller's buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "proto/record.h"
#include "tls/mode.h"

struct records;

/* Borrows fd and t; the caller wipes t.  NULL: ERR_BUG. */
struct records *records_new(int fd, const struct mode *mode,
			    const struct traffic *t, struct err *e);
void records_free(struct records *b);

/*
 * Encrypt up to len bytes and send as much as the socket takes.  buf[len] must
 * exist (aead_encrypt).  *done: bytes taken; 0 if records_flush() must come
 * first.  Errors: ERR_NET.
 */
int records_send(struct records *b, uint8_t *buf, size_t len, size_t *done,
		 struct err *e) attr_must_check;

/* The same for an alert, for which there is always room.  Errors: ERR_NET. */
int records_alert(struct records *b, enum record_alert alert,
		  struct err *e) attr_must_check;

/* Send pending records; *empty: none is left.  Errors: ERR_NET. */
int records_flush(struct records *b, bool *empty,
		  struct err *e) attr_must_check;

/* Are records waiting to be sent? */
bool records_pending(const struct records *b);

/*
 * As ktls_recv_record(): all bytes are of one record *type; data of several
 * records is joined.  len is at least AEAD_BODY_MAX.  *n 0 with RECORD_DATA:
 * nothing now; poll only then.  Errors: ERR_NET; ERR_STREAM if the peer broke
 * the protocol.
 */
int records_recv(struct records *b, unsigned int *type, void *buf, size_t len,
		 size_t *n, struct err *e) attr_must_check;

/* Records under these keys so far. */
uint64_t records_records(const struct records *b);

/* Was the connection lost?  Did a record not authenticate? */
bool records_lost(const struct records *b);
bool records_forged(const struct records *b);

/* Did the peer itself break the protocol?  Then *alert is our answer. */
bool records_violated(const struct records *b, enum record_alert *alert);
