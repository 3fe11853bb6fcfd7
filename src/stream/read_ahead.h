/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How far the sender reads ahead of its connection.  Every page that waits in a
 * large buffer is cold when it is encrypted, which costs a third of all: so as
 * little as keeps the connection busy.  More helps where the connection ran dry
 * because the producer works in bursts: there it grows.  And it costs nothing
 * while the connection takes nothing: then there is no limit.  Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	READ_AHEAD_MIN = 1 << 20, /* 256K and 512K cost no less */
	READ_AHEAD_DRY_MS = 20, /* sockets' buffers bridge shorter pauses */
	READ_AHEAD_STALL_MS = 100, /* nothing was taken for so long */
	READ_AHEAD_GROWTH = 4, /* times as much after each pause */
	READ_AHEAD_CALM = 16, /* times its size without a pause: half as much */
};

struct read_ahead {
	uint64_t bytes; /* not sent yet, at the most */
	uint64_t max;
	uint64_t calm_bytes; /* that came since it changed or a pause ended */
	uint64_t dry_since_ms; /* nothing was left to send, or 0 */
	uint64_t stalled_since_ms; /* the connection took nothing, or 0 */
	bool held_back; /* the producer had to wait since the last pause */
};

/* max: --buffer, in bytes. */
void read_ahead_init(struct read_ahead *r, uint64_t max);

/*
 * Does the connection take bytes, or wait for its peer?  There may be no
 * connection at all: it does not.
 */
void read_ahead_note(struct read_ahead *r, bool takes, uint64_t now_ms);

/* How many bytes that are not sent yet may be held now. */
uint64_t read_ahead_limit(const struct read_ahead *r, uint64_t now_ms);

/* When time alone lifts the limit; UINT64_MAX: it does not. */
uint64_t read_ahead_due_ms(const struct read_ahead *r, uint64_t now_ms);

/* The input has more, but so much has been read already. */
void read_ahead_hold_back(struct read_ahead *r);

/* The connection would take more, but all that was read is sent. */
void read_ahead_ran_dry(struct read_ahead *r, uint64_t now_ms);

/* The input gave so many bytes. */
void read_ahead_got(struct read_ahead *r, uint64_t bytes, uint64_t now_ms);
