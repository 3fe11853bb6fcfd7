/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One authenticated connection of a stream.  Its bytes go in one direction, the
 * bulk direction, through kernel TLS or in user space.  Frames go in the other
 * direction, always in user space.  Knows nothing of what the bytes mean.
 */
#pragma once

#include "base/err.h"
#include "proto/frame.h"
#include "tls/aead.h"
#include "tls/record_layer.h"

/* In the order of the words of --ktls */
enum connection_ktls {
	CONNECTION_KTLS_AUTO,
	CONNECTION_KTLS_REQUIRE,
	CONNECTION_KTLS_OFF
};

/* A connected socket before its handshake. */
struct connection_socket {
	int fd;
	bool attached; /* to kernel TLS */
	struct err why_not; /* why it is not attached */
};

/* Events that a receiver finds in place of data. */
enum connection_mark {
	CONNECTION_NOTHING,
	CONNECTION_END, /* close_notify: the stream is complete */
	CONNECTION_CONFIRMED, /* a second one: the sender knows the outcome */
};

/* The result of a call that receives, without blocking. */
struct connection_io {
	size_t bytes; /* moved; 0 without a mark: poll, then try again */
	enum connection_mark mark; /* only if bytes is 0 */
};

/* Enough room for any record */
enum { CONNECTION_RECV_MIN = AEAD_BODY_MAX };

struct connection;

/* Report once why there is no kernel TLS. */
void connection_tell_user_space(const struct err *why);

/* The lack of kernel TLS was reported already: do not report it again. */
void connection_told_user_space(void);

/*
 * Attach kernel TLS to a new connection, unless it is switched off.  A failure
 * is stored in s; connection_open() acts on it.
 */
void connection_attach(struct connection_socket *s, enum connection_ktls when);

struct connection_params {
	enum frame_role role; /* ours */
	enum connection_ktls when;
	bool raw; /* the peer is another program, which sends no frames */
	/*
	 * The sender first compares its input with what the receiver has: both
	 * directions stay in user space, and the bulk direction carries
	 * CHECKING, until connection_start().
	 */
	bool checks;
};

/*
 * Make a connection of a record layer: give the keys of the bulk direction to
 * the kernel, verify that it uses them, and log the path.  Takes over rl and
 * s->fd, on failure too.  Errors: ERR_KTLS if kernel TLS is required and not
 * available.
 */
struct connection *connection_open(struct record_layer *rl,
				   const struct connection_socket *s,
				   const struct connection_params *p,
				   struct err *e);

/* Is the sender still comparing? */
bool connection_checks(const struct connection *c);

/*
 * The bytes are the same, and the stream follows: do what connection_open()
 * does without checks.  A sender calls it when nothing is pending.  Errors: as
 * of connection_open().
 */
int connection_start(struct connection *c, struct err *e) attr_must_check;

/* Receiver: take the next CHECKING; *got: f holds it.  Errors: ERR_STREAM. */
int connection_recv_checking(struct connection *c, struct frame *f, bool *got,
			     struct err *e) attr_must_check;

/* Did the peer give the stream up, by an alert? */
bool connection_gave_up(const struct connection *c);

/* Close the connection, drop what our own buffers still hold, and free c. */
void connection_close(struct connection *c);

/* The same with an RST, which also drops what the kernel has yet to send. */
void connection_close_hard(struct connection *c);

/*
 * Was the connection lost, or did a record fail to authenticate?  Then the
 * stream can resume over another connection.  False if the peer gave up or
 * violated the protocol.
 */
bool connection_lost(const struct connection *c);

/* Mark the connection as lost, for a reason that the caller knows. */
void connection_set_lost(struct connection *c);

/* The socket, for poll(2). */
int connection_fd(const struct connection *c);

/* The path of the bulk: "kernel-sw", "kernel-hw", "kernel" or "user". */
const char *connection_path(const struct connection *c);

/* The negotiated mode. */
const struct mode *connection_mode(const struct connection *c);

/* Does the kernel encrypt (sender) or decrypt (receiver) the bulk? */
bool connection_in_kernel(const struct connection *c);

/*
 * Sender: send up to len bytes of buf.  The byte after them must be writable
 * (aead_encrypt).  *done: bytes taken; 0: poll, then try again.  If len is a
 * multiple of RECORD_MAX all calls move whole records.  Errors: ERR_STREAM.
 */
int connection_send(struct connection *c, uint8_t *buf, size_t len,
		    size_t *done, struct err *e) attr_must_check;

/*
 * Sender, kernel path only: send up to len bytes out of a pipe, without a copy.
 * The pipe must hold at least len bytes: if it holds fewer, Linux 6.5 and later
 * can leave a record open.  Errors: ERR_STREAM.
 */
int connection_splice_from(struct connection *c, int pipe_fd, size_t len,
			   size_t *done, struct err *e) attr_must_check;

/*
 * The same from a regular file that has at least len bytes from offset on.  If
 * it has fewer, 0 bytes may be moved.  Errors: ERR_STREAM; ERR_IO, this file
 * does not support it.
 */
int connection_sendfile(struct connection *c, int file_fd, uint64_t offset,
			size_t len, size_t *done,
			struct err *e) attr_must_check;

/*
 * How many records the keys of the bulk direction have protected.  The result
 * is exact, or an upper bound if it is below enough.  0 in mode none, which has
 * no keys.
 */
uint64_t connection_records(struct connection *c, uint64_t enough);

/* Send what our own buffers hold; *empty: all is sent.  Errors: ERR_STREAM. */
int connection_flush(struct connection *c, bool *empty,
		     struct err *e) attr_must_check;

/* Do our own buffers hold anything?  Then poll for POLLOUT and flush. */
bool connection_pending(const struct connection *c);

/*
 * End our direction with close_notify; a sender so ends the stream.  Call again
 * after POLLOUT until *done: it has left our buffers.  Errors: ERR_STREAM.
 */
int connection_end(struct connection *c, bool *done,
		   struct err *e) attr_must_check;

/*
 * Sender: confirm the outcome with a second close_notify, then wait until the
 * receiver has closed.  Best effort; takes at most 2 s, or 6 s where the kernel
 * has no room for the records.
 */
void connection_confirm(struct connection *c);

/*
 * Receiver: receive up to len bytes; len is at least CONNECTION_RECV_MIN.
 * Errors: ERR_STREAM if the connection ends without close_notify, or a record
 * fails to authenticate or is of an unexpected type.
 */
int connection_recv(struct connection *c, void *buf, size_t len,
		    struct connection_io *io, struct err *e) attr_must_check;

/*
 * Receiver, kernel path only: move at most one record into a pipe, which must
 * be empty and have room for it.  With less room Linux 6.1 and 6.12 lose bytes
 * silently: tls_sw_splice_read() counts what it offered as taken.
 * Errors: those of connection_recv(); ERR_IO, the pipe takes nothing.
 */
int connection_splice_to(struct connection *c, int pipe_fd, size_t len,
			 struct connection_io *io,
			 struct err *e) attr_must_check;

/*
 * Sender: receive the next frame from the receiver.  *got: f holds a complete
 * one; *closed: close_notify came.  The bytes of a raw receiver mean nothing:
 * drop some, and leave f alone; *got: there may be more.  Errors: ERR_STREAM.
 */
int connection_recv_frame(struct connection *c, struct frame *f, bool *got,
			  bool *closed, struct err *e) attr_must_check;

/*
 * Send a frame: the receiver to the sender or, while the sender compares, the
 * sender to the receiver.  It may need a connection_flush() to go out.  *taken
 * is false if the buffer has no room for the frame.  Errors: ERR_STREAM.
 */
int connection_send_frame(struct connection *c, const struct frame *f,
			  bool *taken, struct err *e) attr_must_check;

/*
 * Before closing: flush our buffers, then wait until the peer has closed, and
 * discard what it still sends.  Closing earlier could reset the connection and
 * destroy what the peer has yet to read.
 */
void connection_linger(struct connection *c, uint64_t timeout_ms);

/*
 * Tell the peer that we give the stream up: send a fatal alert, then linger for
 * up to 2 s, or up to 0.1 s if the peer gave up before us.  Best effort; takes
 * 2 s more where the kernel has no room for the record.
 */
void connection_abort(struct connection *c);
