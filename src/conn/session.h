/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections of one stream, one after the other.  Sender and receiver use
 * the newest one and poll beside it: whoever listens keeps the door open for
 * the next, whoever connects dials again when one is lost.
 *
 * An interface with two implementations, session_client and session_server.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/credential.h"
#include "auth/key.h"
#include "base/err.h"
#include "conn/connection.h"
#include "conn/net.h"
#include "conn/retry.h"
#include "conn/tcp_options.h"
#include "proto/frame.h"
#include "tls/mode.h"

struct session;

/*
 * Where a side stands.  The sender can go on anywhere from low (all below is
 * acknowledged) to high; the receiver goes on at low, which is high.
 */
struct session_span {
	uint64_t low, high;
	uint64_t at; /* the next byte to go out, or to come in */
};

struct session_ops {
	/*
	 * Do what can be done at once towards the next connection.  Errors are
	 * final.
	 */
	int (*run)(struct session *l, const struct session_span *span,
		   struct err *e);

	/* The connection is gone: see that another one comes. */
	void (*lost)(struct session *l);

	void (*free)(struct session *l);
};

/* What the command line says about connections.  Everything is borrowed. */
struct session_config {
	bool connects; /* else it listens */
	enum connection_role role; /* ours */
	bool raw; /* the peer is another program */
	bool allow_self; /* listen: a peer may be this host */
	const char *host; /* connect */
	const char *bind; /* connect: source address, or NULL */
	uint16_t port;
	int family; /* AF_UNSPEC, AF_INET, AF_INET6 */
	struct tcp_options tcp;
	uint64_t wait_ms; /* listen: for the first peer */
	uint64_t handshake_ms;
	uint64_t retry_ms; /* 0: one try */
	uint64_t buffer_bytes; /* 0: nothing is kept */
	uint64_t rekey_bytes; /* fresh keys after so much at the latest */
};

/* What both implementations are made of.  Everything is borrowed. */
struct session_params {
	const struct session_config *config;
	struct credential *cred; /* NULL: mode none */
	const struct secret *password; /* or NULL; then cred admits tickets */
	const struct mode_list *modes;
	enum connection_ktls ktls;
};

struct session {
	struct connection
		*conn; /* the newest connection, NULL: none at present */
	unsigned int count; /* connections so far */
	uint64_t offset; /* where the stream goes on over the newest */

	/*
	 * Rotation: old carries the stream up to offset, and chan from there on.
	 * NULL: chan carries all of it.
	 */
	struct connection *old;
	unsigned int rekeys;
	bool rekey_agreed; /* sender: send nothing, the next connection is agreed on */

	/* To poll beside it; session_run() when ready, or when it is due. */
	int fd; /* or -1 */
	short events;
	uint64_t due_ms; /* clock_now_ms() time */

	uint64_t buffer_bytes; /* how much the sender keeps */

	/* For the implementations */
	const struct session_ops *ops;
	struct session_params p;
	enum connection_role role; /* ours */
	uint64_t record_limit; /* agreed: records under one key */
	uint64_t rekey_since_ms; /* since when we dial for fresh keys, or 0 */
	const char *final; /* why a lost connection is final, or NULL */
	uint32_t number; /* of the last connection, as HELLO counts */
	uint8_t stream[FRAME_ID_BYTES];
	char identity[KEY_IDENTITY_MAX + 1]; /* the peer's; "": none */
	char name[NET_NAME_MAX]; /* its address at the beginning */
	struct key ticket; /* what later connections authenticate with */
	struct retry retry; /* since when there has been none of use */
	uint64_t peer_sent; /* a sender's word: how far its input goes */
	bool useful; /* was the last one? */
	struct err why; /* it was lost */
};

/* Does this side send or receive, as HELLO says it? */
enum frame_role session_frame_role(const struct session_config *o);

/*
 * The stream's id in hex, as both sides know it; "" if there is none (--raw).
 */
enum { SESSION_HEX_CHARS = 2 * FRAME_ID_BYTES };
void session_hex(const uint8_t id[static FRAME_ID_BYTES],
		 char out[static SESSION_HEX_CHARS + 1]);
void session_stream_name(const struct session *l,
			 char out[static SESSION_HEX_CHARS + 1]);

/* Who is at the other end of t; "": nobody that has a name. */
const char *session_identity(const struct session_params *p,
			     const struct tls *t);

/* How the peer was authenticated. */
const char *session_method(const struct session *l);

/* What our sender keeps: nothing for a peer that cannot come back. */
uint64_t session_buffer_bytes(const struct session_config *o);

/*
 * Wait for the first connection.  Errors: those of the implementation; every
 * one is final.
 */
int session_first(struct session *l, struct err *e) attr_must_check;

/*
 * Something is to be done: l->fd is ready or l->due_ms has come.  A new l->count
 * says that l->chan is another one, and that the stream goes on at l->offset.
 * Errors: ERR_KTLS or ERR_STREAM: no other connection will do.
 */
int session_run(struct session *l, const struct session_span *span,
		struct err *e) attr_must_check;

/*
 * The connection failed with *e.  If the stream can go on over another one:
 * says so, closes it, wipes *e and returns 0; l->chan is NULL then.  Else
 * returns -1, with the reason in *e.
 */
int session_lost(struct session *l, struct err *e) attr_must_check;

/*
 * The connection in use is of use: bytes came or were acknowledged over it, or
 * there are none that should.
 */
void session_moved(struct session *l);

/* It cannot be judged at present: nobody waits for bytes. */
void session_excuse(struct session *l);

/* When session_check() may fail; CLOCK_NEVER: not as long as all goes well. */
uint64_t session_deadline(const struct session *l);

/*
 * A receiver has heard nothing for long.  Where it is the one to dial, and may,
 * it does so to be sure: only a sender notices if nobody listens any more.
 */
void session_redial(struct session *l);

/* The connection to read the stream from. */
struct connection *session_source(const struct session *l);

/*
 * How many bytes may be sent over l->chan before its keys are worn out; 0 while
 * a new connection is agreed on.
 */
uint64_t session_key_budget(const struct session *l);

/*
 * Bytes went through.  When the keys are nearly worn out whoever connects dials
 * for the next ones (RFC 8446 section 5.5); without a protocol to do so that is
 * an error: ERR_STREAM.
 */
int session_check_rekey(struct session *l, struct err *e) attr_must_check;

/* The end of the stream was told: no other keys are needed. */
void session_cancel_rekey(struct session *l);

/* The receiver has everything up to offset: is the old connection done with? */
void session_retire_old(struct session *l, uint64_t offset);

/* Can a stream outlive a connection at all? */
bool session_resumes(const struct session *l);

/* When it is too late for another connection; CLOCK_NEVER: there is one. */
uint64_t session_outage_end_ms(const struct session *l);

/*
 * There has been no connection for too long, or none that moved anything:
 * returns -1 with an ERR_STREAM.  Else 0.
 */
int session_check(const struct session *l, struct err *e) attr_must_check;

/* Close what is open, wipe the ticket and free it. */
void session_free(struct session *l);

/* ---- for the implementations */

void session_init(struct session *l, const struct session_ops *ops,
		  const struct session_params *p);

/* What the peer said of itself in its greeting, and the stream's handle */
struct session_peer {
	uint64_t buffer_bytes, retry_ms, record_limit;
	const uint8_t *handle; /* FRAME_ID_BYTES */
};

/*
 * With the greeting of the first connection: agree on what the peer said, and
 * keep what later connections authenticate with.  Borrows t.  Errors: ERR_AUTH.
 */
int session_agree(struct session *l, struct tls *t,
		  const struct session_peer *peer,
		  struct err *e) attr_must_check;

/* Records under one key, as we announce it. */
uint64_t session_record_limit(const struct session_config *o);

/*
 * Between the greetings of a rotation something failed: the two sides do not
 * know any more which connection carries what, so both are given up.  As
 * session_lost(), but the stream may end with *e.
 */
int session_abort_rekey(struct session *l, struct err *e) attr_must_check;

/* Close the connection, both while they rotate, with an RST. */
void session_close(struct session *l);

/* The old connection was closed for one that then did not come about. */
void session_start_retry(struct session *l);

/*
 * Use a connection that is authenticated and welcome from now on; name is the
 * peer's.  rekeys_now: the one in use becomes the old one, else it is closed.
 * Takes over t and s->fd, on failure too.  Errors: those of connection_open().
 */
int session_use(struct session *l, struct tls *t,
		const struct connection_socket *s, const char *name,
		uint64_t offset, bool rekeys_now,
		struct err *e) attr_must_check;
