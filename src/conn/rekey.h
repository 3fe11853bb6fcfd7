/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phases of a rekey.  The client dials a connection with new keys, and both
 * sides agree on the byte at which it takes over.  The old connection is closed
 * once the receiver has all bytes that it carries.  Pure: now_ms is
 * clock_now_ms() time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum rekey_phase {
	REKEY_NONE,
	REKEY_DIALS, /* we dial the new connection */
	REKEY_AGREED, /* HELLO sent, WELCOME pending: send nothing */
	REKEY_DRAINS, /* both stand; the old one carries the bytes below at */
};

/* All zeros: no rekey. */
struct rekey {
	enum rekey_phase phase;
	uint64_t since_ms; /* DIALS, AGREED: when we began to dial */
	uint64_t at; /* DRAINS: the first byte of the new connection */
};

/*
 * Begin to dial if records have come near the limit and no rekey is under way.
 * Returns whether it begins.
 */
bool rekey_dial(struct rekey *r, uint64_t records, uint64_t limit,
		uint64_t now_ms);

/* From how many records on rekey_dial() begins. */
static inline uint64_t rekey_early(uint64_t limit)
{
	return limit - limit / 4;
}

/* The end of the stream was sent: stop dialling, if nothing is agreed. */
void rekey_cancel(struct rekey *r);

/* Our HELLO says where the new connection takes over. */
void rekey_agree(struct rekey *r);

/* The new connection carries the bytes from at on. */
void rekey_switch(struct rekey *r, uint64_t at);

/*
 * The receiver has all bytes below offset.  Returns whether these are all that
 * the old connection carries: close it.
 */
bool rekey_drained(struct rekey *r, uint64_t offset);

/* Are we getting another connection? */
static inline bool rekey_dials(const struct rekey *r)
{
	return r->phase == REKEY_DIALS || r->phase == REKEY_AGREED;
}

/* May nothing be sent, and nothing be read, for now? */
static inline bool rekey_holds(const struct rekey *r)
{
	return r->phase == REKEY_AGREED;
}
