/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections of one stream, one after the other.  Sender and receiver use
 * the newest one and poll beside it: whoever listens keeps the door open for
 * the next, whoever connects dials again when one is lost.
 *
 * An interface with two implementations, link_dial and link_door.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "auth/cred.h"
#include "auth/key.h"
#include "base/err.h"
#include "conn/chan.h"
#include "conn/net.h"
#include "conn/retry.h"
#include "conn/tcp_options.h"
#include "proto/frame.h"
#include "tls/mode.h"

struct link;

/*
 * Where a side stands.  The sender can go on anywhere from low (all below is
 * acknowledged) to high; the receiver goes on at low, which is high.
 */
struct link_span {
	uint64_t low, high;
	uint64_t at; /* the next byte to go out, or to come in */
};

struct link_ops {
	/*
	 * Do what can be done at once towards the next connection.  Errors are
	 * final.
	 */
	int (*run)(struct link *l, const struct link_span *span, struct err *e);

	/* The connection is gone: see that another one comes. */
	void (*lost)(struct link *l);

	void (*free)(struct link *l);
};

/* What the command line says about connections.  Everything is borrowed. */
struct link_config {
	bool connects; /* else it listens */
	enum chan_role role; /* ours */
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
struct link_params {
	const struct link_config *config;
	struct cred *cred; /* NULL: mode none */
	const struct secret *password; /* or NULL; then cred admits tickets */
	const struct mode_list *modes;
	enum chan_ktls ktls;
};

struct link {
	struct chan *chan; /* the newest connection, NULL: none at present */
	unsigned int count; /* connections so far */
	uint64_t offset; /* where the stream goes on over the newest */

	/*
	 * Rotation: old carries the stream up to offset, and chan from there on.
	 * NULL: chan carries all of it.
	 */
	struct chan *old;
	unsigned int rotations;
	bool hold; /* sender: send nothing, the next connection is agreed on */

	/* To poll beside it; link_run() when ready, or when it is due. */
	int fd; /* or -1 */
	short events;
	uint64_t due_ms; /* clock_now_ms() time */

	uint64_t store_bytes; /* how much the sender keeps */

	/* For the implementations */
	const struct link_ops *ops;
	struct link_params p;
	enum chan_role role; /* ours */
	uint64_t record_limit; /* agreed: records under one key */
	uint64_t rotate_ms; /* since when we dial for fresh keys, or 0 */
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
enum frame_role link_frame_role(const struct link_config *o);

/*
 * The stream's id in hex, as both sides know it; "" if there is none (--raw).
 */
enum { LINK_HEX_CHARS = 2 * FRAME_ID_BYTES };
void link_hex(const uint8_t id[static FRAME_ID_BYTES],
	      char out[static LINK_HEX_CHARS + 1]);
void link_stream_name(const struct link *l,
		      char out[static LINK_HEX_CHARS + 1]);

/* Who is at the other end of t; "": nobody that has a name. */
const char *link_identity(const struct link_params *p, const struct tls *t);

/* How the peer was authenticated. */
const char *link_method(const struct link *l);

/* What our sender keeps: nothing for a peer that cannot come back. */
uint64_t link_store_bytes(const struct link_config *o);

/*
 * Wait for the first connection.  Errors: those of the implementation; every
 * one is final.
 */
int link_first(struct link *l, struct err *e) attr_must_check;

/*
 * Something is to be done: l->fd is ready or l->due_ms has come.  A new l->count
 * says that l->chan is another one, and that the stream goes on at l->offset.
 * Errors: ERR_KTLS or ERR_STREAM: no other connection will do.
 */
int link_run(struct link *l, const struct link_span *span,
	     struct err *e) attr_must_check;

/*
 * The connection failed with *e.  If the stream can go on over another one:
 * says so, closes it, wipes *e and returns 0; l->chan is NULL then.  Else
 * returns -1, with the reason in *e.
 */
int link_lost(struct link *l, struct err *e) attr_must_check;

/*
 * The connection in use is of use: bytes came or were acknowledged over it, or
 * there are none that should.
 */
void link_moved(struct link *l);

/* It cannot be judged at present: nobody waits for bytes. */
void link_excuse(struct link *l);

/* When link_check() may fail; CLOCK_NEVER: not as long as all goes well. */
uint64_t link_deadline(const struct link *l);

/*
 * A receiver has heard nothing for long.  Where it is the one to dial, and may,
 * it does so to be sure: only a sender notices if nobody listens any more.
 */
void link_renew(struct link *l);

/* The connection to read the stream from. */
struct chan *link_source(const struct link *l);

/*
 * How many bytes may be sent over l->chan before its keys are worn out; 0 while
 * a new connection is agreed on.
 */
uint64_t link_may_send(const struct link *l);

/*
 * Bytes went through.  When the keys are nearly worn out whoever connects dials
 * for the next ones (RFC 8446 section 5.5); without a protocol to do so that is
 * an error: ERR_STREAM.
 */
int link_wear(struct link *l, struct err *e) attr_must_check;

/* The end of the stream was told: no other keys are needed. */
void link_wear_no_more(struct link *l);

/* The receiver has everything up to offset: is the old connection done with? */
void link_arrived(struct link *l, uint64_t offset);

/* Can a stream outlive a connection at all? */
bool link_resumes(const struct link *l);

/* When it is too late for another connection; CLOCK_NEVER: there is one. */
uint64_t link_outage_end_ms(const struct link *l);

/*
 * There has been no connection for too long, or none that moved anything:
 * returns -1 with an ERR_STREAM.  Else 0.
 */
int link_check(const struct link *l, struct err *e) attr_must_check;

/* Close what is open, wipe the ticket and free it. */
void link_free(struct link *l);

/* ---- for the implementations */

void link_init(struct link *l, const struct link_ops *ops,
	       const struct link_params *p);

/* What the peer said of itself in its greeting, and the stream's handle */
struct link_peer {
	uint64_t store_bytes, retry_ms, record_limit;
	const uint8_t *handle; /* FRAME_ID_BYTES */
};

/*
 * With the greeting of the first connection: agree on what the peer said, and
 * keep what later connections authenticate with.  Borrows t.  Errors: ERR_AUTH.
 */
int link_agree(struct link *l, struct tls *t, const struct link_peer *peer,
	       struct err *e) attr_must_check;

/* Records under one key, as we announce it. */
uint64_t link_record_limit(const struct link_config *o);

/*
 * Between the greetings of a rotation something failed: the two sides do not
 * know any more which connection carries what, so both are given up.  As
 * link_lost(), but the stream may end with *e.
 */
int link_spoilt(struct link *l, struct err *e) attr_must_check;

/* Close the connection, both while they rotate, with an RST. */
void link_close(struct link *l);

/* The old connection was closed for one that then did not come about. */
void link_miss(struct link *l);

/*
 * Use a connection that is authenticated and welcome from now on; name is the
 * peer's.  rotates: the one in use becomes the old one, else it is closed.
 * Takes over t and s->fd, on failure too.  Errors: those of chan_open().
 */
int link_use(struct link *l, struct tls *t, const struct chan_socket *s,
	     const char *name, uint64_t offset, bool rotates,
	     struct err *e) attr_must_check;
