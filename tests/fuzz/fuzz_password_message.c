// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The messages of a peer in a password exchange, and the point in them as input
 * of the key.
 */
#include <assert.h>
#include <string.h>

#include "auth/cpace.h"
#include "proto/password_message.h"

static void check_stable(const struct password_message *p)
{
	uint8_t once[PASSWORD_MESSAGE_BYTES], again[PASSWORD_MESSAGE_BYTES];
	struct password_message q;

	password_message_encode(p, once);
	assert(password_message_decode(once, p->type, &q) == 0);
	password_message_encode(&q, again);
	assert(!memcmp(once, again, sizeof once));
	assert(*password_message_refusal_text(p->refusal, p->version));
}

/* Any point leads to a key, the same each time, or to an error. */
static void check_point(const struct password_message *p)
{
	static const uint8_t scalar[CPACE_SCALAR_BYTES] = { 5 };
	const struct cpace_transcript t = { .point_a = p->point,
					    .point_b = p->point };
	const struct cpace_input in = { .password = { "word", 4 } };
	struct secret once, again;
	struct err e;
	int ret = cpace_key(&in, scalar, p->point, &t, &once, &e);

	assert(ret == cpace_key(&in, scalar, p->point, &t, &again, &e));
	assert(ret < 0 || !memcmp(once.bytes, again.bytes, CPACE_KEY_BYTES));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum password_message_type types[] = {
		PASSWORD_MESSAGE_OFFER, PASSWORD_MESSAGE_ANSWER
	};
	uint8_t in[PASSWORD_MESSAGE_BYTES] = { 0 };
	struct password_message p;

	memcpy(in, data, size < sizeof in ? size : sizeof in);
	for (size_t i = 0; i < array_len(types); i++) {
		if (password_message_decode(in, types[i], &p) < 0)
			continue;
		check_stable(&p);
		if (p.version == PASSWORD_MESSAGE_VERSION && !p.refusal)
			check_point(&p);
	}
	return 0;
}
