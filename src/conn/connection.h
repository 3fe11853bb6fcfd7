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
#include "tls/aead.h"
#include "tls/tls.h"

enum connection_role { CONNECTION_SENDER, CONNECTION_RECEIVER };

enum connection_ktls {
	CONNECTION_KTLS_AUTO,
	CONNECTION_KTLS_REQUIRE,
	CONNECTION_KTLS_OFF
};

/* A connected socket before its handshake, with kernel TLS attached or not. */
struct connection_socket {
	int fd;
	bool attached;
	struct err why_not; /* if it is not attached */
};

/* What a receiver can meet instead of a byte */
enum connection_mark {
	CONNECTION_NOTHING,
	CONNECTION_END, /* close_notify: no byte of the stream follows */
	CONNECTION_CONFIRMED, /* a second one: the sender has read the outcome */
};

/* What happened to a call that would rather wait than block. */
struct connection_io {
	size_t bytes; /* moved; 0 and no mark: nothing can be moved now */
	enum connection_mark mark; /* only with 0 bytes */
};

/* Room for any one record */
enum { CONNECTION_RECV_MIN = AEAD_BODY_MAX };

struct connection;

/*
 * Attach kernel TLS to a new connection, unless it is switched off.  Failure
 * is remembered in s, for connection_open() to act on.
 */
void connection_attach(struct connection_socket *s, enum connection_ktls when);

/*
 * Make a channel of a session whose handshake is done: give the bulk
 * direction's keys to the kernel, verify what it says, and log the path.
 * Takes over t and s->fd, on failure too.  raw: the peer is not ours, its
 * session tickets are dropped.  Errors: ERR_KTLS where kernel TLS is required
 * and cannot be had.
 */
struct connection *connection_open(struct tls *t,
				   const struct connection_socket *s,
				   enum connection_role role,
				   enum connection_ktls when, bool raw,
				   struct err *e);

/* Close the connection as it is, with whatever is unsent, and free c. */
void connection_close(struct connection *c);

/* The same with an RST: the peer must not wait for more, nor get what waits. */
void connection_close_hard(struct connection *c);

/*
 * Was the connection lost, or did a record not authenticate?  Then the stream
 * can go on over another one.  False after a peer that gave up or broke the
 * protocol.
 */
bool connection_lost(const struct connection *c);

/* Take it for lost, for a reason that only the caller sees. */
void connection_set_lost(struct connection *c);

/* The socket, for poll(2). */
int connection_fd(const struct connection *c);

/* The bulk path's name: "kernel-sw", "kernel-hw", "kernel" or "user". */
const char *connection_path(const struct connection *c);

/* What was negotiated. */
const struct mode *connection_mode(const struct connection *c);

/* Does the kernel make (sender) or open (receiver) the bulk records? */
bool connection_in_kernel(const struct connection *c);

/*
 * Sender: send up to len bytes of buf.  The byte behind them is lent, and must
 * be there (aead_encrypt).  All calls move whole records if len is a multiple of
 * RECORD_MAX.  Errors: ERR_STREAM.
 */
int connection_send(struct connection *c, uint8_t *buf, size_t len,
		    struct connection_io *io, struct err *e) attr_must_check;

/*
 * Sender, in the kernel only: move exactly up to len bytes out of a pipe that
 * holds at least len.  Nothing is copied.  A len beyond what the pipe holds
 * could leave a record open (Linux 6.5 and up), so it must not be.
 */
int connection_splice_from(struct connection *c, int pipe_fd, size_t len,
			   struct connection_io *io,
			   struct err *e) attr_must_check;

/*
 * The same out of a regular file that has at least len bytes from offset on.
 * 0 bytes may also mean that it has not.  ERR_IO: this file cannot be sent so.
 */
int connection_sendfile(struct connection *c, int file_fd, uint64_t offset,
			size_t len, struct connection_io *io,
			struct err *e) attr_must_check;

/*
 * How many records the bulk's keys have made or opened: exactly, or if that is
 * fewer than enough, an upper bound.  In mode none there are no keys: 0.
 */
uint64_t connection_records(struct connection *c, uint64_t enough);

/* Push out what the channel itself holds back; *empty: all went. */
int connection_flush(struct connection *c, bool *empty,
		     struct err *e) attr_must_check;

/* Is there something for connection_flush()?  Then poll for POLLOUT. */
bool connection_pending(const struct connection *c);

/*
 * Sender: end the stream with close_notify.  Call again, after POLLOUT, until
 * *done.
 */
int connection_end(struct connection *c, bool *done,
		   struct err *e) attr_must_check;

/*
 * Sender: the outcome was read: a second close_notify tells the receiver so;
 * then wait until it has closed.  Best effort, takes 2 s at the most.
 */
void connection_confirm(struct connection *c);

/*
 * Receiver: up to len bytes into buf; len is at least CONNECTION_RECV_MIN.  A
 * connection that ends otherwise, a record that does not
 * authenticate or one of a type that has no business here is an ERR_STREAM.
 */
int connection_recv(struct connection *c, void *buf, size_t len,
		    struct connection_io *io, struct err *e) attr_must_check;

/*
 * Receiver, in the kernel only: one record at the most into an empty pipe with
 * room for it.  A pipe with less room makes Linux 6.1 and 6.12 lose bytes
 * without a word: tls_sw_splice_read() counts what it offered as taken.
 */
int connection_splice_to(struct connection *c, int pipe_fd, size_t len,
			 struct connection_io *io,
			 struct err *e) attr_must_check;

/*
 * Against the bulk: the next frame from the receiver, if a whole one is there
 * (*got), or its close_notify (*closed).  A raw channel has no frames: bytes of
 * the peer are dropped.  Errors: ERR_STREAM.
 */
int connection_recv_frame(struct connection *c, struct frame *f, bool *got,
			  bool *closed, struct err *e) attr_must_check;

/*
 * Receiver: send a frame to the sender.  It may stay behind for connection_flush().
 * *taken false: the buffer is full of others.
 */
int connection_send_frame(struct connection *c, const struct frame *f,
			  bool *taken, struct err *e) attr_must_check;

/* Receiver: close_notify against the bulk; *done as in connection_end(). */
int connection_control_end(struct connection *c, bool *done,
			   struct err *e) attr_must_check;

/*
 * After everything: push out what is left, then wait until the peer has
 * closed, discarding what it may still send.  Closing earlier could destroy
 * what it has yet to read.
 */
void connection_linger(struct connection *c, uint64_t timeout_ms);

/*
 * Tell the peer that the stream is given up: send a fatal alert, then linger for
 * up to 2 s, or up to 0.1 s if the peer gave up before us.  Best effort.
 */
void connection_abort(struct connection *c);
