/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rule of --retry: how long a stream may be without a connection, or have
 * connections over which nothing moves.  Pure: now_ms is clock_now_ms() time,
 * which is never 0.
 */
#pragma once

#include "base/cleanup.h"

/* The trial: a new connection has this long to move something (two ACKs). */
enum { RETRY_TRIAL_MS = 10000 };

struct retry {
	uint64_t limit_ms; /* agreed with the peer; 0: no resume */
	uint64_t since_ms; /* when progress stopped; 0: there is progress */
	uint64_t connected_ms; /* when the trial began; 0: no connection */
	bool connected; /* there was one since then */
};

/* The limit that both sides agree on: the shorter one. */
static inline uint64_t retry_agree(uint64_t own_ms, uint64_t peer_ms)
{
	return min_u64(own_ms, peer_ms);
}

/* The connection was lost. */
void retry_lost(struct retry *r, uint64_t now_ms);

/* There is another connection; it has yet to move something. */
void retry_connected(struct retry *r, uint64_t now_ms);

/* Progress: bytes arrived, or the peer answered and there are none to send. */
void retry_moved(struct retry *r);

/*
 * Nothing could move, but not because of the connection: for example the
 * consumer stalls.  The outage and the trial begin again now.
 */
void retry_excuse(struct retry *r, uint64_t now_ms);

/* When to give the stream up; CLOCK_NEVER while there is progress. */
uint64_t retry_deadline(const struct retry *r);
