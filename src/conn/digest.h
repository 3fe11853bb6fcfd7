/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The digest of a stream so far: XXH3 with 128 bits.  With it a receiver and a
 * restarted sender find out whether they have the same bytes.  It detects
 * accidents, such as a changed snapshot.  It need not resist an attacker who
 * chooses the bytes, because all of them come from the authenticated sender.
 *
 * The only module that uses libxxhash.  Built without it, digest_new() fails.
 *
 * Ref: the kind 1 of HAVE in btrfs-ktls-pipe-protocol(7).
 */
#pragma once

#include "base/err.h"
#include "proto/frame.h"

struct digest;

/* Can this program make digests?  Errors: ERR_USAGE, it has no libxxhash. */
int digest_check(struct err *e) attr_must_check;

/*
 * The digest of no bytes.  Owned by the caller: digest_free().  NULL:
 * ERR_USAGE as digest_check(), ERR_BUG without memory.
 */
struct digest *digest_new(struct err *e);
void digest_free(struct digest *d);

/* Append len bytes of the stream. */
void digest_update(struct digest *d, const void *buf, size_t len);

/* How many bytes were appended. */
uint64_t digest_bytes(const struct digest *d);

/* Fill in what HAVE says of the bytes so far; more can be appended. */
void digest_have(const struct digest *d, struct frame_have *have);
