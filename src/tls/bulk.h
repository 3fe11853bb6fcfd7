/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bulk direction where the kernel does not make it: records by the dozen,
 * encrypted straight into one buffer and sent in one call, or read in one call
 * and decrypted straight to where they are wanted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"
#include "proto/rec.h"
#include "tls/mode.h"

struct bulk;

/* fd and t are borrowed; the caller wipes t.  NULL: ERR_BUG. */
struct bulk *bulk_new(int fd, const struct mode *mode, const struct traffic *t,
		      struct err *e);
void bulk_free(struct bulk *b);

/*
 * Encrypt up to len bytes and send what the socket takes.  The byte behind them
 * is lent (seal_encrypt).  *done: bytes taken, 0 if what waits must be flushed
 * first.  Errors: ERR_NET.
 */
int bulk_send(struct bulk *b, uint8_t *buf, size_t len, size_t *done,
	      struct err *e) attr_must_check;

/* The same for an alert, which is taken always.  Errors: ERR_NET. */
int bulk_alert(struct bulk *b, enum rec_alert alert,
	       struct err *e) attr_must_check;

/* Send what waits; *empty: all went.  Errors: ERR_NET. */
int bulk_flush(struct bulk *b, bool *empty, struct err *e) attr_must_check;

/* Does something wait? */
bool bulk_pending(const struct bulk *b);

/*
 * As ktls_recv_record(): bytes of one type of record, which goes to *type;
 * data of several records is joined.  len is at least SEAL_BODY_MAX.  *n 0 of
 * type REC_DATA: nothing now.  Poll only then.  Errors: ERR_NET; ERR_STREAM
 * if the peer broke the protocol.
 */
int bulk_recv(struct bulk *b, unsigned int *type, void *buf, size_t len,
	      size_t *n, struct err *e) attr_must_check;

/* Records under these keys so far. */
uint64_t bulk_records(const struct bulk *b);

/* Lost by TCP's word, or because a record did not authenticate. */
bool bulk_lost(const struct bulk *b);
bool bulk_forged(const struct bulk *b);

/*
 * Did the peer itself break the protocol?  Then *alert is the answer.
 */
bool bulk_violated(const struct bulk *b, enum rec_alert *alert);
