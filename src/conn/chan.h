/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One authenticated connection.  Bulk data goes one way, through the kernel or
 * through GnuTLS, whichever this end can; control goes the other way, always
 * through GnuTLS.  Knows nothing of what the bytes mean.
 *
 * The first error of a channel is final: the kernel may go on accepting bytes
 * that it throws away (a socket's error is reported just once).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "proto/frame.h"
#include "tls/seal.h"
#include "tls/tls.h"

enum chan_role { CHAN_SENDER, CHAN_RECEIVER };

enum chan_ktls { CHAN_KTLS_AUTO, CHAN_KTLS_REQUIRE, CHAN_KTLS_OFF };

/* A connected socket before its handshake, with kernel TLS attached or not. */
struct chan_socket {
	int fd;
	bool attached;
	struct err why_not; /* if it is not attached */
};

/* What a receiver can meet instead of a byte */
enum chan_mark {
	CHAN_NOTHING,
	CHAN_END, /* close_notify: no byte of the stream follows */
	CHAN_CONFIRMED, /* a second one: the sender has read the outcome */
};

/* What happened to a call that would rather wait than block. */
struct chan_io {
	size_t bytes; /* moved; 0 and no mark: nothing can be moved now */
	enum chan_mark mark; /* only with 0 bytes */
};

/* Room for any one record */
enum { CHAN_RECV_MIN = SEAL_BODY_MAX };

struct chan;

/*
 * Attach kernel TLS to a new connection, unless it is switched off.  Failure
 * is remembered in s, for chan_open() to act on.
 */
void chan_attach(struct chan_socket *s, enum chan_ktls when);

/*
 * Make a channel of a session whose handshake is done: give the bulk
 * direction's keys to the kernel, verify what it says, and log the path.
 * Takes over t and s->fd, on failure too.  raw: the peer is not ours, its
 * session tickets are dropped.  Errors: ERR_KTLS where kernel TLS is required
 * and cannot be had.
 */
struct chan *chan_open(struct tls *t, const struct chan_socket *s,
		       enum chan_role role, enum chan_ktls when, bool raw,
		       struct err *e);

/* Close the connection as it is, with whatever is unsent, and free c. */
void chan_close(struct chan *c);

/* The same with an RST: the peer must not wait for more, nor get what waits. */
void chan_close_hard(struct chan *c);

/*
 * Was the connection lost, or did a record not authenticate?  Then the stream
 * can go on over another one.  False after a peer that gave up or broke the
 * protocol.
 */
bool chan_lost(const struct chan *c);

/* Take it for lost, for a reason that only the caller sees. */
void chan_set_lost(struct chan *c);

/* The socket, for poll(2). */
int chan_fd(const struct chan *c);

/* The bulk path's name: "kernel-sw", "kernel-hw", "kernel" or "user". */
const char *chan_path(const struct chan *c);

/* What was negotiated. */
const struct mode *chan_mode(const struct chan *c);

/* Does the kernel make (sender) or open (receiver) the bulk records? */
bool chan_in_kernel(const struct chan *c);

/*
 * Sender: send up to len bytes of buf.  The byte behind them is lent, and must
 * be there (seal_encrypt).  All calls move whole records if len is a multiple of
 * REC_MAX.  Errors: ERR_STREAM.
 */
int chan_send(struct chan *c, uint8_t *buf, size_t len, struct chan_io *io,
	      struct err *e) attr_must_check;

/*
 * Sender, in the kernel only: move exactly up to len bytes out of a pipe that
 * holds at least len.  Nothing is copied.  A len beyond what the pipe holds
 * could leave a record open (Linux 6.5 and up), so it must not be.
 */
int chan_splice_from(struct chan *c, int pipe_fd, size_t len,
		     struct chan_io *io, struct err *e) attr_must_check;

/*
 * The same out of a regular file that has at least len bytes from offset on.
 * 0 bytes may also mean that it has not.  ERR_IO: this file cannot be sent so.
 */
int chan_sendfile(struct chan *c, int file_fd, uint64_t offset, size_t len,
		  struct chan_io *io, struct err *e) attr_must_check;

/*
 * How many records the bulk's keys have made or opened: exactly, or if that is
 * fewer than enough, an upper bound.  In mode none there are no keys: 0.
 */
uint64_t chan_records(struct chan *c, uint64_t enough);

/* Push out what the channel itself holds back; *empty: all went. */
int chan_flush(struct chan *c, bool *empty, struct err *e) attr_must_check;

/* Is there something for chan_flush()?  Then poll for POLLOUT. */
bool chan_pending(const struct chan *c);

/*
 * Sender: end the stream with close_notify.  Call again, after POLLOUT, until
 * *done.
 */
int chan_end(struct chan *c, bool *done, struct err *e) attr_must_check;

/*
 * Sender: the outcome was read: a second close_notify tells the receiver so;
 * then wait until it has closed.  Best effort, takes 2 s at the most.
 */
void chan_confirm(struct chan *c);

/*
 * Receiver: up to len bytes into buf; len is at least CHAN_RECV_MIN.  A
 * connection that ends otherwise, a record that does not
 * authenticate or one of a type that has no business here is an ERR_STREAM.
 */
int chan_recv(struct chan *c, void *buf, size_t len, struct chan_io *io,
	      struct err *e) attr_must_check;

/*
 * Receiver, in the kernel only: one record at the most into an empty pipe with
 * room for it.  A pipe with less room makes Linux 6.1 and 6.12 lose bytes
 * without a word: tls_sw_splice_read() counts what it offered as taken.
 */
int chan_splice_to(struct chan *c, int pipe_fd, size_t len, struct chan_io *io,
		   struct err *e) attr_must_check;

/*
 * Against the bulk: the next frame from the receiver, if a whole one is there
 * (*got), or its close_notify (*closed).  A raw channel has no frames: bytes of
 * the peer are dropped.  Errors: ERR_STREAM.
 */
int chan_recv_frame(struct chan *c, struct frame *f, bool *got, bool *closed,
		    struct err *e) attr_must_check;

/*
 * Receiver: send a frame to the sender.  It may stay behind for chan_flush().
 * *taken false: the buffer is full of others.
 */
int chan_send_frame(struct chan *c, const struct frame *f, bool *taken,
		    struct err *e) attr_must_check;

/* Receiver: close_notify against the bulk; *done as in chan_end(). */
int chan_control_end(struct chan *c, bool *done, struct err *e) attr_must_check;

/*
 * After everything: push out what is left, then wait until the peer has
 * closed, discarding what it may still send.  Closing earlier could destroy
 * what it has yet to read.
 */
void chan_linger(struct chan *c, uint64_t timeout_ms);

/*
 * Tell the peer that the stream is given up: a fatal alert, then chan_linger()
 * for 2 s at the most.  Best effort.  Nothing if the peer said so before.
 */
void chan_abort(struct chan *c);
