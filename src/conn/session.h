/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connections of one stream, one after the other.  The sender and the
 * receiver use the newest one and also poll the session: when a connection is
 * lost the client dials again, and the server accepts the next one.
 *
 * An interface with two implementations, session_client and session_server.
 */
#pragma once

#include <poll.h>

#include "auth/credential.h"
#include "auth/key.h"
#include "base/err.h"
#include "base/log.h"
#include "conn/connection.h"
#include "conn/net.h"
#include "conn/rekey.h"
#include "conn/retry.h"
#include "conn/tcp_options.h"
#include "proto/frame.h"
#include "tls/mode.h"

struct session;

/*
 * Where this side can resume, as offsets in the stream.  A sender can resume
 * anywhere from low (everything below is acknowledged) to high.  A receiver can
 * resume only at the next byte that it expects: low and high are equal.
 */
struct session_span {
	uint64_t low, high;
	uint64_t at; /* the next byte to send, or to receive */
};

struct session_ops {
	/*
	 * Work towards the next connection, without blocking.  Errors are
	 * final.
	 */
	int (*run)(struct session *s, const struct session_span *span,
		   struct err *e);

	/* The connection was closed: begin to get another one. */
	void (*lost)(struct session *s);

	void (*free)(struct session *s);
};

/* The options that concern connections.  Everything is borrowed. */
struct session_config {
	bool connects; /* false: listens */
	enum frame_role role; /* ours */
	bool raw; /* the peer is another program */
	bool allow_self; /* listen: accept a peer on this host */
	const char *host; /* connect */
	int host_number; /* the launcher's number for it; 0 without ssh */
	const char *bind; /* connect: source address, or NULL */
	uint16_t port;
	int family; /* AF_UNSPEC, AF_INET, AF_INET6 */
	struct tcp_options tcp;
	uint64_t wait_ms; /* listen: for the first peer */
	uint64_t reach_ms; /* connect: to reach the listener; 0: one attempt */
	uint64_t connect_ms; /* connect: for one TCP connection */
	uint64_t handshake_ms;
	uint64_t retry_ms; /* 0: one attempt */
	uint64_t buffer_bytes; /* of the resend buffer; 0: none */
	uint64_t rekey_bytes; /* rekey after so many bytes at the latest */
	/*
	 * Or -1.  Before the first connection session_first() fails once this
	 * is readable.  Afterwards gave_up() judges the bytes that are read
	 * from it: do they say that the peer gave the stream up?  An end of
	 * file is ignored.  With in_channel nothing is read from it, and an end
	 * of file ends the stream.
	 */
	int lifeline_fd;
	bool (*gave_up)(void *gave_up_arg, const char *text, size_t len);
	void *gave_up_arg;
	bool in_channel; /* of ssh: there is no other connection */
	int channel_fd; /* that channel: a socket, taken over; else -1 */
	const uint8_t *name; /* connect: hash of the stream's, or NULL */
	bool discard; /* connect: abandon the stream of that name */
	bool names; /* listen: streams may have names */
	/*
	 * listen: called when caller_fd is readable.  It may add a socket to
	 * the listener.  NULL: there is no caller_fd.
	 */
	void (*on_caller)(void *arg);
	void *caller_arg;
	int caller_fd;
	/*
	 * With on_caller: the stream is this peer's now.  Every key that lets a
	 * peer in may restart the stream.
	 */
	void (*owner)(void *caller_arg, const char *identity);
};

/* What both implementations need.  Everything is borrowed. */
struct session_params {
	const struct session_config *config;
	struct credential *cred; /* NULL: mode none */
	const struct secret
		*password; /* or NULL; if set, cred admits tickets */
	const struct mode_list *modes;
	enum connection_ktls ktls;
};

/*
 * Works for some milliseconds towards the digest of what the receiver has;
 * *ready: it is complete.  Errors are final.
 */
typedef int session_prepare(void *arg, bool *ready, struct err *e);

struct session {
	/* The connections in use; both are replaced by session_use(). */
	struct connection *conn; /* the newest; NULL: none at present */
	struct connection *old; /* rekey: carries the bytes below offset */
	uint64_t offset; /* the first byte that conn carries */
	unsigned int count; /* connections so far */
	uint32_t number; /* of the last connection, as HELLO counts them */
	uint64_t peer_sent; /* how far the input of a sending peer reaches */

	/* For session_poll(): session_run() when fd is ready, or at due_ms. */
	int fd; /* or -1 */
	short events;
	uint64_t due_ms; /* clock_now_ms() time */
	int lifeline_fd; /* or -1: there is none, or it ended */

	struct rekey rekey; /* of conn; session_close() resets it */
	unsigned int rekeys; /* how many there were so far */

	/* The outage; set when a connection is lost. */
	struct retry retry; /* decides when to give up */
	bool useful; /* did the last connection move anything? */
	struct err why; /* why it was lost */

	/* Agreed with the first connection, then constant. */
	uint8_t stream[FRAME_ID_BYTES]; /* its id */
	char identity[KEY_IDENTITY_MAX + 1]; /* of the peer; "": none */
	char name[NET_NAME_MAX]; /* the peer's address as the stream began */
	char newest[NET_NAME_MAX]; /* of the peer that connected last */
	struct key *ticket; /* for later connections; secret_alloc() */
	uint64_t buffer_bytes; /* size of the sender's resend buffer */
	uint64_t record_limit; /* records under one key */
	const char *final; /* why the stream cannot resume; NULL: it can */

	struct log_limit lines; /* about connections after the first */

	/* Restart; a connection with connection_checks() is not yet the
	 * stream's. */
	bool named; /* another process may restart the stream */
	uint8_t stream_name[FRAME_NAME_BYTES];
	struct digest *digest; /* receiver: of what it has; borrowed; or NULL */
	session_prepare *prepare; /* called first; NULL: ready */
	void *prepare_arg;
	struct frame_have have; /* compare with this; kind 0: with nothing */
	bool learns; /* sender: HAVE comes first over conn */
	bool compared; /* the bytes are the same; have is of no more use */
	bool restarted; /* sender: another receiver; begin the input again */
	bool replaced; /* another process has the stream, or it is over */
	bool discarded; /* the listener abandoned the stream for us */
	uint64_t granted_ms; /* how long the peer waits for us */

	/* Constant from the beginning. */
	const struct session_ops *ops;
	struct session_params p;
	enum frame_role role; /* ours */
};

/* The stream's id in hex, the same on both sides; "" with --raw. */
enum { SESSION_HEX_CHARS = 2 * FRAME_ID_BYTES };
void session_stream_name(const struct session *s,
			 char out[static SESSION_HEX_CHARS + 1]);

/* The ticket of a stream, from its first connection and its handle. */
void session_ticket(struct key *ticket, const struct tls_agreed *agreed,
		    const uint8_t handle[static FRAME_ID_BYTES]);

/* The authenticated identity of the peer; "": it has none. */
const char *session_identity(const struct session_params *p,
			     const struct tls_agreed *agreed);

/* How the peer was authenticated. */
const char *session_method(const struct session *s);

/*
 * Wait for the first connection.  Returns s; NULL: s is NULL, or it is freed.
 * All errors are final; the implementation documents them.  ERR_NET if the
 * lifeline ends the wait.
 */
struct session *session_first(struct session *s, struct err *e) attr_must_check;

/* What session_poll() waits for, and what came. */
enum { SESSION_EXTRAS = 2 };
struct session_poll {
	/*
	 * The events of s->conn and s->old; 0: do not poll it.  Afterwards the
	 * events that came, as in poll(2).
	 */
	short conn, old;
	struct pollfd extra[SESSION_EXTRAS]; /* the caller's; fd may be -1 */
	uint64_t until_ms; /* return by then */
	uint64_t now_ms; /* result: the time after waiting */
	bool due; /* result: call session_run() */
};

/*
 * Wait for one of these events, for the session, or for a signal.  Errors:
 * ERR_IO after a signal; ERR_STREAM, before the first connection ERR_NET: the
 * lifeline ended the wait, or the stream.
 */
int session_poll(struct session *s, struct session_poll *p,
		 struct err *e) attr_must_check;

/*
 * Call when session_poll() says so.  If s->count has grown afterwards, s->conn
 * is a new connection, which carries the stream from s->offset on.  Errors:
 * ERR_KTLS or ERR_STREAM, both final.
 */
int session_run(struct session *s, const struct session_span *span,
		struct err *e) attr_must_check;

/*
 * Report that the connection failed with *e.  If the stream can resume: logs
 * that, closes the connection (s->conn becomes NULL), clears *e and returns 0.
 * Else returns -1 and leaves the reason in *e.
 */
int session_lost(struct session *s, struct err *e) attr_must_check;

/*
 * Report that a receiver has long heard nothing.  If it is the client it
 * dials again, to be sure: only a sender notices a connection that died.
 */
void session_redial(struct session *s);

/* The connection to receive from: the old one until it is retired. */
struct connection *session_source(const struct session *s);

/*
 * How many bytes may be sent over s->conn before it must be rekeyed; 0 while
 * rekey_holds().
 */
uint64_t session_key_budget(const struct session *s);

/*
 * Call after bytes have moved.  Near the limit of records the client dials a
 * connection with new keys (RFC 8446 section 5.5).  With --raw there is no
 * protocol for that, so the limit is an error: ERR_STREAM.
 */
int session_check_rekey(struct session *s, struct err *e) attr_must_check;

/*
 * The receiver has all bytes below offset: close the old connection if those
 * are all that it carries.
 */
void session_retire_old(struct session *s, uint64_t offset);

/* One step of s->prepare, which becomes NULL at the end.  Errors: its own. */
int session_get_ready(struct session *s, struct err *e) attr_must_check;

/* Is the input, or what the receiver has, still to be compared? */
bool session_compares(const struct session *s);

/* Does the peer wait for another process, should this one fail? */
bool session_suspends(const struct session *s);

/* If it does, and did not give up itself: say what becomes of the stream. */
void session_say_suspended(const struct session *s, uint64_t bytes);

/*
 * Sender: HAVE came.  If the comparison is done already, the receiver is told
 * again.  Errors: those of session_compared(), ERR_STREAM.
 */
int session_learn(struct session *s, const struct frame_have *have,
		  struct err *e) attr_must_check;

/*
 * The result of the comparison, SAME or OTHER.  A sender tells the receiver, if
 * there is a connection.  After SAME the connection carries the stream, and so
 * does every later one.  Errors: those of connection_start(), ERR_STREAM.
 */
int session_compared(struct session *s, enum frame_check result,
		     struct err *e) attr_must_check;

/* Can the stream resume over another connection? */
bool session_resumes(const struct session *s);

/* The deadline for another connection; CLOCK_NEVER: there is one. */
uint64_t session_outage_end_ms(const struct session *s);

/*
 * Give up?  After --retry without a connection, or without one that moved
 * anything, returns -1 with ERR_STREAM.  Else 0.
 */
int session_check(const struct session *s, struct err *e) attr_must_check;

/* Close all connections, wipe the ticket and free s, which may be NULL. */
void session_free(struct session *s);

/* What follows is for the implementations. */

/* Errors: ERR_BUG, out of memory; then there is nothing to free. */
int session_init(struct session *s, const struct session_ops *ops,
		 const struct session_params *p, struct err *e) attr_must_check;

/* The limits that our HELLO or WELCOME announces. */
struct frame_limits session_limits(const struct session_config *o);

/*
 * On the first connection: agree on the limits that the peer announced in its
 * HELLO or WELCOME, and derive the ticket for later connections.
 */
void session_agree(struct session *s, const struct tls_agreed *agreed,
		   const struct frame_limits *peer,
		   const uint8_t handle[static FRAME_ID_BYTES]);

/* Ask what a receiver has, unless that is still to be compared. */
void session_ask(struct session *s);

/*
 * A rekey failed between HELLO and WELCOME.  The two sides may disagree on
 * which connection carries what, so both connections are closed and the stream
 * resumes.  Returns as session_lost(); the error is ERR_STREAM.
 */
int session_abort_rekey(struct session *s, struct err *e) attr_must_check;

/* May a line be logged that the peer can cause at will? */
bool session_may_log(struct session *s);

/* Close the connection, during a rekey both, with an RST. */
void session_close(struct session *s);

/* The connection is closed and no other has replaced it: the outage begins. */
void session_start_retry(struct session *s);

/* What a new connection is for. */
enum session_purpose {
	SESSION_STREAMS, /* carries the stream */
	SESSION_REKEYS, /* the same; the present one becomes s->old */
	SESSION_COMPARES, /* carries CHECKING first */
};

/*
 * Make an authenticated and accepted connection the newest; name is the peer's.
 * The present one is closed, unless we rekey.  Takes over rl and the socket's
 * fd, on failure too.  Errors: those of connection_open().
 */
int session_use(struct session *s, struct record_layer *rl,
		const struct connection_socket *socket, const char *name,
		uint64_t offset, enum session_purpose purpose,
		struct err *e) attr_must_check;

/*
 * Would every later connection fail like this?  The kernel refuses what is
 * required of it; but it also refuses a connection that was lost meanwhile.
 */
bool session_is_final(const struct err *e);
