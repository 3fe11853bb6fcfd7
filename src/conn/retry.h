/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule of --retry: how long a stream goes on without a connection, or over
 * connections on which nothing moves.  Pure; it is told the time, which is that
 * of clock_now_ms() and never 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/min.h"

/* A new connection has at least that long to move something: two ACKs. */
enum { RETRY_TRIAL_MS = 10000 };

struct retry {
	uint64_t limit_ms; /* agreed on with the peer; 0: no resume */
	uint64_t since_ms; /* since then nothing has moved; 0: it moves */
	uint64_t connected_ms; /* its trial began then; 0: no connection */
};

/* The listener grants what the peer wishes for, up to its own limit. */
static inline uint64_t retry_agree(uint64_t own_ms, uint64_t peer_ms)
{
	return min_u64(own_ms, peer_ms);
}

/* The connection is gone. */
void retry_lost(struct retry *r, uint64_t now_ms);

/* There is another one.  That alone does not mean that it is of use. */
void retry_connected(struct retry *r, uint64_t now_ms);

/* Bytes arrived, or the peer is there and none are owed: it is of use. */
void retry_moved(struct retry *r);

/*
 * Nothing could move until now, for a reason that is not the connection's, such
 * as a consumer that stalls.  Its trial begins again.
 */
void retry_excuse(struct retry *r, uint64_t now_ms);

/* When the stream is given up; CLOCK_NEVER while everything moves. */
uint64_t retry_deadline(const struct retry *r);
