/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of a connection that are made in user space, of one direction or
 * of both: a batch is encrypted into one buffer and sent in one call, or read
 * in one call and decrypted straight into the caller's buffer.  Knows nothing
 * of what the records mean.
 */
#pragma once

#include "base/err.h"
#include "base/secret.h"
#include "proto/record.h"
#include "tls/mode.h"

enum { RECORDS_PUT_MAX = 1024 }; /* bytes that records_put() takes */

struct records;

/*
 * Both directions, with their keys by direction, which the caller wipes.  Until
 * records_keep() it reads one record at a time, and no byte beyond it.  Borrows
 * fd, which is non-blocking.  NULL: ERR_BUG.
 */
struct records *records_new(int fd, const struct mode *mode,
			    const struct traffic keys[static 2], struct err *e);
void records_free(struct records *r);

/*
 * This direction stays in user space: RX reads ahead from now on.  bulk: with
 * buffers for the stream's bytes.  Errors: ERR_BUG (memory).
 */
int records_keep(struct records *r, enum record_direction dir, bool bulk,
		 struct err *e) attr_must_check;

/* The kernel has taken this direction over: forget its keys. */
void records_drop(struct records *r, enum record_direction dir);

/* Use other keys from the next record on.  Errors: ERR_BUG. */
int records_update_key(struct records *r, enum record_direction dir,
		       const struct traffic *t, struct err *e) attr_must_check;

/* The number of the next record under the present keys; 0 if dropped. */
uint64_t records_count(const struct records *r, enum record_direction dir);

/*
 * Encrypt up to len bytes of data and send as much as the socket takes.
 * buf[len] must exist (aead_encrypt).  *done: bytes taken; 0 if records_flush()
 * must come first.  Errors: ERR_NET.
 */
int records_send(struct records *r, uint8_t *buf, size_t len, size_t *done,
		 struct err *e) attr_must_check;

/*
 * The same for one record of any type, all of it or, if *taken is false,
 * nothing.  Behind a full buffer of data there is room for three small ones.
 */
int records_put(struct records *r, enum record_type type, const void *body,
		size_t len, bool *taken, struct err *e) attr_must_check;

/* Send pending records; *empty: none is left.  Errors: ERR_NET. */
int records_flush(struct records *r, bool *empty,
		  struct err *e) attr_must_check;

/* Are records waiting to be sent? */
bool records_pending(const struct records *r);

/*
 * Receive, as ktls_recv_record() does: all bytes are of one record *type; data
 * of several records is joined.  len is at least AEAD_BODY_MAX.  *n 0 with
 * RECORD_DATA: nothing now; poll only then.  Errors: ERR_NET; ERR_STREAM if the
 * peer broke the protocol.
 */
int records_recv(struct records *r, unsigned int *type, void *buf, size_t len,
		 size_t *n, struct err *e) attr_must_check;

/* Was the connection lost, or a record forged? */
bool records_lost(const struct records *r);

/*
 * Our answer to a record: bad_record_mac if it did not authenticate, another
 * alert if the peer itself broke the protocol, 0 if all is well.
 */
enum record_alert records_alert(const struct records *r);
