/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPace: two sides that know the same password agree on a key.  An attacker
 * who does not know the password can test one guess in each exchange that he
 * takes part in, and learns nothing to test more guesses on offline.  The
 * messages are in password_exchange.
 *
 * The only module that uses libsodium.  Built without it, cpace_init() and the
 * functions for an exchange fail; the other two are not there.
 *
 * Ref: draft-irtf-cfrg-cpace-21, suite CPACE-RISTR255-SHA512 (sections 7 and
 * 8.3), with the roles of initiator (A) and responder (B).
 */
#pragma once

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

/* Both sides must give the same: the draft's PRS, CI and sid. */
struct cpace_input {
	struct cpace_string password, channel, session;
};

/* The messages of A and B: points and associated data (ADa, ADb). */
struct cpace_transcript {
	const uint8_t *point_a, *point_b; /* CPACE_POINT_BYTES each */
	struct cpace_string said_a, said_b;
};

/* Call it before the others.  Errors: ERR_KEY, built without libsodium. */
int cpace_init(struct err *e) attr_must_check;

/* Derive the generator, a secret, from the password.  Encoded as a point. */
int cpace_generator(const struct cpace_input *in,
		    uint8_t generator[static CPACE_POINT_BYTES],
		    struct err *e) attr_must_check;

/*
 * product = scalar * point, the draft's scalar_mult_vfy.  Errors: ERR_AUTH if
 * point does not encode an element, or the product is the neutral element.
 */
int cpace_multiply(const uint8_t scalar[static CPACE_SCALAR_BYTES],
		   const uint8_t point[static CPACE_POINT_BYTES],
		   uint8_t product[static CPACE_POINT_BYTES],
		   struct err *e) attr_must_check;

/*
 * Draw a random scalar and compute the point to send.  The caller uses the
 * scalar once and wipes it.  Errors: ERR_BUG.
 */
int cpace_draw(const struct cpace_input *in,
	       uint8_t scalar[static CPACE_SCALAR_BYTES],
	       uint8_t point[static CPACE_POINT_BYTES],
	       struct err *e) attr_must_check;

/*
 * Compute the key (the draft's ISK_IR, CPACE_KEY_BYTES) from our scalar and the
 * peer's point, which is one of the two in the transcript.  Both sides get the
 * same key if their inputs and transcripts are the same; this function cannot
 * tell.  The caller wipes *key.  Errors: ERR_AUTH, the point is invalid.
 */
int cpace_key(const struct cpace_input *in,
	      const uint8_t scalar[static CPACE_SCALAR_BYTES],
	      const uint8_t peer[static CPACE_POINT_BYTES],
	      const struct cpace_transcript *t, struct secret *key,
	      struct err *e) attr_must_check;
