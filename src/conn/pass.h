/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pass a connection whose peer is accepted to the process of its stream, over a
 * pair of SOCK_SEQPACKET sockets: the TCP socket, the keys and the HELLO.
 * Nothing comes back over them, because a process that an attacker controls
 * could send descriptors that take for ever to close.  That process tells its
 * news in memory that both share.
 */
#pragma once

#include "base/err.h"
#include "conn/acceptor.h"

/*
 * Prepare the process that accepts, which gives up SIGALRM: pass_release() uses
 * it.  ERR_NET: the system calls of pass_send() are refused.
 */
int pass_prepare(struct err *e) attr_must_check;

/* What the process of a stream tells the one that accepts */
struct pass_news {
	/*
	 * When it lost its connection, in tenths of a second of
	 * clock_now_ms(), rounded up; 0: it has one
	 */
	uint32_t alone_ds;
	uint32_t restarted; /* peers that were to restart it, and did */
	uint32_t refused; /* such peers that were refused, or were gone */
	uint32_t kib; /* how much of the stream has passed; wraps */
};

/*
 * Make the pair, with room for a few connections, and the memory, which the
 * caller frees with pass_news_free().  Connections go from ends[0] to ends[1].
 * -1: errno is set.
 */
int pass_open(int ends[static 2], struct pass_news **news) attr_must_check;
void pass_news_free(struct pass_news *news);

/*
 * Pass peer on, which the caller still has to free: pass_release().  Returns 0,
 * or -1 with errno set; EPIPE and ECONNRESET: the other process is gone.
 */
int pass_send(int over_fd, const struct peer *peer) attr_must_check;

/*
 * Free a peer that the other process has, too.  That process may have asked to
 * linger (socket(7)) and closed its descriptor first: then our close(2) waits
 * for the peer, but only for 0.1 s.
 */
void pass_release(struct peer *peer);

/*
 * Take the next connection that was passed; the caller owns what is in *peer.
 * Those that cannot be taken are dropped.  Returns false if there is none now.
 * *ended: there never will be.
 */
bool pass_recv(int over_fd, struct pass_news *news, struct peer *peer,
	       bool *ended);

/* Tell whether the stream has a connection, as a new one has. */
void pass_tell_connected(struct pass_news *news, bool connected);

/* Tell what became of the peer that was to restart the stream. */
void pass_tell_restart(struct pass_news *news, bool did);

/* What was told so far.  The process that told it may be broken. */
struct pass_news pass_hear(const struct pass_news *news);

/* pass_news.alone_ds as clock_now_ms() time, which is never later than now */
uint64_t pass_alone_since(const struct pass_news *heard);
