/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPace: two sides that know the same password agree on a key, and whoever does
 * not know it gets one guess for each exchange that it takes part in, and
 * nothing to try others on.  The wall to libsodium; without it every function
 * here fails.  Who says what when is pass's business.
 *
 * Ref: draft-irtf-cfrg-cpace-21, suite CPACE-RISTR255-SHA512 (sections 7 and
 * 8.3), with the roles of initiator (A) and responder (B).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/secret.h"

enum {
	CPACE_SCALAR_BYTES = 32,
	CPACE_POINT_BYTES = 32,
	CPACE_KEY_BYTES = 64,
};

/* An octet string; borrowed. */
struct cpace_string {
	const void *bytes;
	size_t len;
};

/* What both sides must put in alike.  The draft's PRS, CI and sid */
struct cpace_input {
	struct cpace_string password, channel, session;
};

/* What A and B sent: their points, and what else they said (ADa, ADb) */
struct cpace_transcript {
	const uint8_t *point_a, *point_b; /* CPACE_POINT_BYTES each */
	struct cpace_string said_a, said_b;
};

/* Before anything else of this header.  Errors: ERR_KEY, built without it. */
int cpace_init(struct err *e) attr_must_check;

/* The generator that the password stands for: a secret, encoded. */
int cpace_generator(const struct cpace_input *in,
		    uint8_t generator[static CPACE_POINT_BYTES],
		    struct err *e) attr_must_check;

/*
 * point * scalar, the draft's scalar_mult_vfy.  Errors: ERR_AUTH, if point is
 * not the encoding of an element, or the result would be the neutral one.
 */
int cpace_multiply(const uint8_t scalar[static CPACE_SCALAR_BYTES],
		   const uint8_t point[static CPACE_POINT_BYTES],
		   uint8_t product[static CPACE_POINT_BYTES],
		   struct err *e) attr_must_check;

/*
 * Draw a scalar, which the caller wipes and uses once, and compute the point to
 * be sent.  Errors: ERR_BUG.
 */
int cpace_draw(const struct cpace_input *in,
	       uint8_t scalar[static CPACE_SCALAR_BYTES],
	       uint8_t point[static CPACE_POINT_BYTES],
	       struct err *e) attr_must_check;

/*
 * The key of CPACE_KEY_BYTES (the draft's ISK_IR) from our scalar and the peer's
 * point, which is one of the transcript's two.  It is the same on both sides if
 * all of the input and of the transcript was; nothing tells here whether.  The
 * caller wipes *key.  Errors: ERR_AUTH, the point is invalid.
 */
int cpace_key(const struct cpace_input *in,
	      const uint8_t scalar[static CPACE_SCALAR_BYTES],
	      const uint8_t peer[static CPACE_POINT_BYTES],
	      const struct cpace_transcript *t, struct secret *key,
	      struct err *e) attr_must_check;
