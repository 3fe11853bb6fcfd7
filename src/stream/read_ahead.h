/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far the sender reads ahead of its connection.  A page that waits in a
 * large buffer leaves the CPU's cache before it is encrypted, which costs a
 * third of the speed; so the sender reads only as far ahead as keeps the
 * connection busy.  The limit grows when the connection ran dry because the
 * producer works in bursts.  There is no limit while the connection takes
 * nothing: reading on costs nothing then.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	READ_AHEAD_MIN = 1 << 20, /* bytes; 256K and 512K cost no less */
	READ_AHEAD_DRY_MS = 20, /* socket buffers bridge shorter pauses */
	READ_AHEAD_STALL_MS = 100, /* nothing taken for so long: no limit */
	READ_AHEAD_GROWTH = 4, /* factor after each pause */
	READ_AHEAD_CALM = 16, /* so often its size without a pause: halve it */
};

struct read_ahead {
	uint64_t bytes; /* the limit: bytes held and not sent yet */
	uint64_t max;
	uint64_t calm_bytes; /* read since the limit changed or a pause ended */
	uint64_t dry_since_ms; /* since when nothing is left to send, or 0 */
	uint64_t stalled_since_ms; /* since when nothing is taken, or 0 */
	bool held_back; /* the producer had to wait since the last pause */
};

/* max: --buffer, in bytes. */
void read_ahead_init(struct read_ahead *r, uint64_t max);

/*
 * Note whether the connection takes bytes.  It does not if it waits for its
 * peer, or if there is no connection.
 */
void read_ahead_note(struct read_ahead *r, bool takes, uint64_t now_ms);

/* How many bytes may be held now that are not sent yet. */
uint64_t read_ahead_limit(const struct read_ahead *r, uint64_t now_ms);

/* When the mere passing of time lifts the limit; UINT64_MAX: never. */
uint64_t read_ahead_due_ms(const struct read_ahead *r, uint64_t now_ms);

/* The input has more, but the limit is reached. */
void read_ahead_hold_back(struct read_ahead *r);

/* The connection would take more, but everything read is sent. */
void read_ahead_ran_dry(struct read_ahead *r, uint64_t now_ms);

/* This many bytes were read from the input. */
void read_ahead_got(struct read_ahead *r, uint64_t bytes, uint64_t now_ms);
