/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An authenticated connection as records: each direction is made by the kernel
 * or in user space, with the same keys.  Handles what may come besides data:
 * alerts, session tickets, KeyUpdate, padding, empty records.
 *
 * The first error of a connection is final.  The kernel reports a socket's
 * error only once; after that it may accept bytes and discard them.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "proto/record.h"
#include "tls/records.h"
#include "tls/tls.h"

struct record_layer;

/* The result of a call that receives. */
struct record_layer_io {
	size_t bytes; /* of data; 0 and not closed: nothing now, poll */
	bool closed; /* close_notify came; another may follow */
	bool took; /* there was a record, maybe one that holds no data */
};

/*
 * Make a record layer of a handshake that is done, both directions in user
 * space.  Until record_layer_keep() it reads no byte beyond the current record.
 * Borrows fd; afterwards t can only be freed.  NULL: ERR_AUTH, ERR_BUG.
 */
struct record_layer *record_layer_new(struct tls *t, int fd, struct err *e);
void record_layer_free(struct record_layer *rl);

/*
 * The record layer as a value, with the keys for the next records, to be passed
 * with its socket to another process of this program.  Nothing but HELLO was
 * read: both directions are in user space, and nothing is pending.  Afterwards
 * rl can only be freed.
 */
void record_layer_give(const struct record_layer *rl, struct tls_agreed *out);

/* Make a layer of such a value, which the caller wipes.  NULL: ERR_BUG. */
struct record_layer *record_layer_take(const struct tls_agreed *value, int fd,
				       struct err *e);

/* What the handshake agreed on, without keys. */
const struct tls_agreed *record_layer_agreed(const struct record_layer *rl);

/*
 * Give a direction to the kernel, whose TLS is attached to the socket, and
 * verify that it uses the keys.  Nothing may be pending.  After an error
 * record_layer_in_kernel() tells whether the kernel took them: then there is no
 * way back.  Errors: ERR_KTLS.
 */
int record_layer_to_kernel(struct record_layer *rl, enum record_direction dir,
			   struct err *e) attr_must_check;
bool record_layer_in_kernel(const struct record_layer *rl,
			    enum record_direction dir);

/* Keep a direction in user space; bulk: for the stream.  Errors: ERR_BUG. */
int record_layer_keep(struct record_layer *rl, enum record_direction dir,
		      bool bulk, struct err *e) attr_must_check;

/*
 * How many records the present keys of dir have protected.  The result is
 * exact or, for TX, an upper bound if it is below enough.  0 in mode none.
 */
uint64_t record_layer_records(struct record_layer *rl,
			      enum record_direction dir, uint64_t enough);

/*
 * Send up to len bytes; buf[len] must be writable (aead_encrypt).  *done: bytes
 * taken; 0: poll for POLLOUT, then record_layer_flush().  Errors: ERR_NET;
 * ERR_STREAM if the peer changed its keys and the kernel cannot follow, and the
 * peer was told; ERR_BUG (cipher).
 */
int record_layer_send(struct record_layer *rl, uint8_t *buf, size_t len,
		      size_t *done, struct err *e) attr_must_check;

/*
 * In user space: send all of bytes in one record; nothing if *taken is false.
 * Errors: ERR_NET; ERR_BUG (cipher).
 */
int record_layer_put(struct record_layer *rl, const void *bytes, size_t len,
		     bool *taken, struct err *e) attr_must_check;

/*
 * The same where the kernel makes the records, without a copy: out of a pipe
 * that holds at least len bytes, or out of a file from offset on.  Errors of
 * the file besides: ERR_IO, it does not support that.
 */
int record_layer_splice_from(struct record_layer *rl, int pipe_fd, size_t len,
			     size_t *done, struct err *e) attr_must_check;
int record_layer_sendfile(struct record_layer *rl, int file_fd, uint64_t offset,
			  size_t len, size_t *done,
			  struct err *e) attr_must_check;

/* Send what our own buffers hold; *empty: all is sent.  Errors: ERR_NET. */
int record_layer_flush(struct record_layer *rl, bool *empty,
		       struct err *e) attr_must_check;
bool record_layer_pending(const struct record_layer *rl);

/*
 * Send an alert, once it has room; *done: it is in our buffer or the kernel's.
 * Errors: ERR_NET.
 */
int record_layer_put_alert(struct record_layer *rl, enum record_alert alert,
			   bool *done, struct err *e) attr_must_check;

/* The same at the end: best effort; waits at most 2 s for the kernel. */
void record_layer_last_alert(struct record_layer *rl, enum record_alert alert);

/*
 * Receive up to len bytes.  Errors: ERR_NET if the connection was lost, a
 * record was forged or the peer aborted; ERR_STREAM if the peer broke the
 * protocol, and was told; ERR_AUTH if it refused our certificate.
 */
int record_layer_recv(struct record_layer *rl, void *buf, size_t len,
		      struct record_layer_io *io,
		      struct err *e) attr_must_check;

/*
 * The same where the kernel takes the records, into an empty pipe with room for
 * one.  Errors besides: ERR_IO, the pipe takes nothing.
 */
int record_layer_splice_to(struct record_layer *rl, int pipe_fd, size_t len,
			   struct record_layer_io *io,
			   struct err *e) attr_must_check;

/* Does the record that record_layer_recv() read last have more bytes? */
bool record_layer_pending_read(const struct record_layer *rl);

/*
 * The peer's alert that ended the connection; 0: none did.  user_canceled
 * before HELLO or WELCOME: the peer is busy.
 */
uint8_t record_layer_alert(const struct record_layer *rl);

/*
 * Was the connection lost, in TCP or because a record did not authenticate,
 * here or at the peer?  Not if another alert ended it, or the peer broke the
 * protocol.
 */
bool record_layer_lost(const struct record_layer *rl);
void record_layer_set_lost(struct record_layer *rl);

/* Did the peer break the protocol, in a record that authenticates? */
bool record_layer_violated(const struct record_layer *rl);
