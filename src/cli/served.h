/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen --keep: the streams that run, as the listener's process knows them.
 * How many there are, which ones a peer can resume, and which one gives way.
 */
#pragma once

#include <sys/types.h>

#include "auth/credential.h"
#include "auth/key.h"
#include "base/log.h"
#include "base/net_address.h"
#include "conn/acceptor.h"
#include "conn/pass.h"
#include "conn/pending.h"
#include "proto/frame.h"

enum {
	SERVED_MAX = 16,
	SERVED_NAMED_MAX = 64, /* with a name, also the suspended ones */
	/* With those that were told to end */
	SERVED_PROCESSES_MAX = 2 * SERVED_MAX + SERVED_NAMED_MAX,
	SERVED_NAME_CHARS = KEY_IDENTITY_MAX + 1 + NET_NAME_MAX,
};

/* A running stream, as the listener knows it */
struct served_stream {
	pid_t pid; /* 0: the place is free */
	int fd; /* takes its connections */
	struct pass_news *news; /* shared with its process, which writes it */
	struct pass_news heard; /* what we heard last */
	bool gives_way; /* it was told to end, and its place is taken */
	int owed_sig; /* a signal that is not sent yet, or 0 */
	uint64_t kill_ms; /* when SIGKILL follows SIGTERM; 0: never */
	bool logged; /* at least if it fails */
	uint64_t alone_since_ms; /* without a connection; 0: it has one */
	char identity[KEY_IDENTITY_MAX + 1]; /* "": counted by source */
	struct pending_stream stream; /* what its peer has to show */
	uint8_t id[FRAME_ID_BYTES];
	struct key *ticket; /* of this place, in served->tickets */
	bool named; /* another process can restart it */
	uint8_t stream_name[FRAME_NAME_BYTES];
	char owner[KEY_IDENTITY_MAX + 1]; /* peer that may get another ticket */
	/* A restart is pending; its ticket is behind those of all places */
	bool restarts;
	uint8_t next_id[FRAME_ID_BYTES];
	uint32_t next_connection;
	struct net_address next_source;
	char name[SERVED_NAME_CHARS]; /* identity and address of its peer */
};

/*
 * Bounds the lines that a client can cause by beginning streams, as log_limit()
 * does.  A client is an identity or, where it has none, a source.  Which stream
 * failed, and why, is worth more lines than what was delivered.
 */
enum served_logged {
	SERVED_LOG_NOTHING,
	SERVED_LOG_FAILURE, /* only if it fails */
	SERVED_LOG_ALL
};
enum { SERVED_LOG_FAILURES = 100 }; /* so many streams beyond the limit */
enum { SERVED_LOG_CLIENTS = 32 }; /* then the one idle longest is forgotten */
struct served_log_client {
	char identity[KEY_IDENTITY_MAX + 1];
	struct net_address source;
	char name[SERVED_NAME_CHARS]; /* of its last stream */
	struct log_limit streams;
};

struct served {
	struct served_stream streams[SERVED_PROCESSES_MAX];
	/* Those whose peers may reconnect; else NULL */
	const struct pending_stream *resumable[SERVED_PROCESSES_MAX];
	struct key *tickets; /* secret_alloc(), two for each place */
	struct credential *cred;
	uint64_t bytes; /* of all streams; each counts its own, and may lie */
	struct served_log_client logged[SERVED_LOG_CLIENTS];
};

/* Borrows cred; NULL: mode none.  -1: out of memory. */
int served_init(struct served *t, struct credential *cred);
void served_fini(struct served *t);

/* Does it wait for another process, and take no place? */
bool served_is_suspended(const struct served_stream *s);

/* How many there are */
struct served_numbers {
	unsigned int processes; /* with those that were told to end */
	unsigned int running; /* places that are taken */
	unsigned int suspended;
	unsigned int named; /* running or suspended */
};
struct served_numbers served_numbers(const struct served *t);

/* did: whether the peer that was about to restart the stream did so. */
void served_restarted(struct served *t, struct served_stream *s, bool did);

/*
 * Signal a stream's process.  Until it has a launcher of its own, the
 * listener's launcher does not know it: then the signal is owed, unless it is
 * SIGUSR1.
 */
void served_signal(struct served_stream *s, int sig);

/*
 * Send the signals that are owed, and kill the processes that have not ended 20
 * s after SIGTERM, such as stopped ones.  Returns when to call it again;
 * CLOCK_NEVER: not at all.
 */
uint64_t served_signal_due(struct served *t);

/*
 * Hear what the streams' processes tell (pass.h).  Their news wakes nobody:
 * call this before you use the table.
 */
void served_hear(struct served *t);

/* The process has ended, and its place is free. */
void served_end(struct served *t, struct served_stream *s);

/* The number of a client's streams, even of those without a connection */
uint64_t served_count(const struct served *t, const char *identity,
		      const struct net_address *source);

/*
 * Pick the stream to evict for a new stream of this client when all places are
 * taken: of the streams without a connection, one of the client's own if there
 * is one, and the one that lost its connection first.  NULL: there is none, or
 * it lost its connection just now and may reconnect.
 */
struct served_stream *served_pick(struct served *t, const char *identity,
				  const struct net_address *source);

/* A free place for a process; NULL: none */
struct served_stream *served_place(struct served *t);

/* Its peer cannot reconnect, and its ticket lets nobody in. */
void served_forget(struct served *t, struct served_stream *s);

/*
 * Another process restarts the stream: prepare its ticket, which counts once
 * the stream's process has accepted it.  -1: there are no random bytes, which
 * is logged; refuse the peer.
 */
int served_prepare_restart(struct served *t, struct served_stream *s,
			   struct peer *g);

/* A stream has begun in this place. */
void served_note(struct served *t, struct served_stream *s,
		 const struct peer *g, const uint8_t *handle);

/* A client begins a stream: what of it may be logged? */
enum served_logged served_log_may(struct served *t, const char *identity,
				  const struct net_address *source,
				  const char *name);

/* Log the number of unlogged streams. */
void served_log_end(const struct served *t);
