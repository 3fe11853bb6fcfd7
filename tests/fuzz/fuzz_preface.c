// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a stranger says in a password exchange: the message, and the point in it
 * as a factor of the key.
 */
#include <assert.h>
#include <string.h>

#include "auth/pake.h"
#include "proto/preface.h"

static void check_stable(const struct preface *p)
{
	uint8_t once[PREFACE_BYTES], again[PREFACE_BYTES];
	struct preface q;

	preface_encode(p, once);
	assert(preface_decode(once, p->type, &q) == 0);
	preface_encode(&q, again);
	assert(!memcmp(once, again, sizeof once));
	assert(*preface_refusal_text(p->refusal));
}

/* Whatever the point is, there is a key, the same each time, or an error. */
static void check_point(const struct preface *p)
{
	static const uint8_t scalar[PAKE_SCALAR_BYTES] = { 5 };
	const struct pake_transcript t = { .point_a = p->point,
					   .point_b = p->point };
	const struct pake_input in = { .password = { "word", 4 } };
	struct secret once, again;
	struct err e;
	int ret = pake_key(&in, scalar, p->point, &t, &once, &e);

	assert(ret == pake_key(&in, scalar, p->point, &t, &again, &e));
	assert(ret < 0 || !memcmp(once.bytes, again.bytes, PAKE_KEY_BYTES));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum preface_type types[] = { PREFACE_OFFER,
						   PREFACE_ANSWER };
	uint8_t in[PREFACE_BYTES] = { 0 };
	struct preface p;

	memcpy(in, data, size < sizeof in ? size : sizeof in);
	for (size_t i = 0; i < array_len(types); i++) {
		if (preface_decode(in, types[i], &p) < 0)
			continue;
		check_stable(&p);
		if (p.version == PREFACE_VERSION && !p.refusal)
			check_point(&p);
	}
	return 0;
}
