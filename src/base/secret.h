/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Key bytes that wipe themselves: leaving the scope of a variable declared
 * autowipe overwrites it.  Copies elsewhere are bugs.
 */
#pragma once

#include <string.h>

#include "base/cleanup.h"

enum {
	SECRET_MAX = 512, /* bytes; the longest pre-shared key */
	SECRET_MIN = 16, /* bytes; RFC 9257 section 6: at least 128 bits */
};

/* A pre-shared key. */
struct secret {
	size_t len; /* bytes */
	uint8_t bytes[SECRET_MAX];
};

/* Traffic keys of one direction of a connection (RFC 8446 section 7.3). */
struct traffic {
	size_t key_len; /* 16 or 32 bytes */
	size_t iv_len; /* TLS 1.2 GCM: 4 (the salt); else 12 */
	uint8_t key[32];
	uint8_t iv[12];
	uint8_t seq[8]; /* sequence number of the next record, big-endian */
	size_t secret_len; /* 0: not known, or TLS 1.2 */
	uint8_t secret
		[48]; /* TLS 1.3: these keys and the next derive from it */
};

/*
 * Zeroed memory for secrets that last.  Core dumps leave it out, and fork(2)
 * zeroes it in the child (Linux 4.14), so no child inherits a secret in it.
 * NULL: out of memory.  secret_free() wipes it; p may be NULL.
 */
void *secret_alloc(size_t bytes);
void secret_free(void *p, size_t bytes);

/*
 * Overwrite the stack below the caller.  Functions that have returned may have
 * left parts of secrets there: libraries do not wipe their stack, and the
 * dynamic linker saves vector registers on it.
 */
void secret_scrub_stack(void);

/* Define wipe(): it overwrites a variable of that type, for attr_cleanup(). */
#define SECRET_WIPER(wipe, type)              \
	static inline void wipe(type *p)      \
	{                                     \
		explicit_bzero(p, sizeof *p); \
	}

void secret_wipe(struct secret *s);
void secret_wipe_traffic(struct traffic *t);

#define autowipe attr_cleanup(secret_wipe)
#define autowipe_traffic attr_cleanup(secret_wipe_traffic)
