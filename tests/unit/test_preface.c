// SPDX-License-Identifier: GPL-2.0-or-later
/* preface: every field in its place, and nothing without a meaning gets in. */
#include "proto/preface.h"
#include "tap.h"

static struct preface filled(enum preface_type type)
{
	struct preface p = { .type = type, .version = PREFACE_VERSION };

	for (uint8_t i = 0; i < PREFACE_NONCE_BYTES; i++)
		p.nonce[i] = (uint8_t)(0xa0 + i);
	for (uint8_t i = 0; i < PREFACE_POINT_BYTES; i++)
		p.point[i] = (uint8_t)(0x40 + i);
	return p;
}

static void test_bytes(enum preface_type type)
{
	struct preface p = filled(type), back;
	uint8_t out[PREFACE_BYTES], want[PREFACE_BYTES] = { (uint8_t)type, 2 };

	memcpy(want + 4, p.nonce, sizeof p.nonce);
	memcpy(want + 20, p.point, sizeof p.point);
	preface_encode(&p, out);
	is_int(sizeof out, 52, "%#x has 52 bytes", type);
	ok(!memcmp(out, want, sizeof out), "%#x as the page says", type);
	ok(preface_decode(out, type, &back) == 0 && back.type == type &&
		   back.version == 2 && !back.refusal &&
		   !memcmp(back.nonce, p.nonce, sizeof p.nonce) &&
		   !memcmp(back.point, p.point, sizeof p.point),
	   "%#x and back", type);
	out[3] = 1;
	is_int(preface_decode(out, type, &back), -1,
	       "%#x with a byte that must be 0", type);
}

static void test_types(void)
{
	struct preface p = filled(PREFACE_OFFER);
	uint8_t out[PREFACE_BYTES];
	struct preface back;

	preface_encode(&p, out);
	is_int(preface_decode(out, PREFACE_ANSWER, &back), -1,
	       "an offer is no answer");
	for (int first = 0; first < 256; first++) {
		out[0] = (uint8_t)first;
		if (first != PREFACE_OFFER &&
		    preface_decode(out, PREFACE_OFFER, &back) == 0)
			ok(false, "%#x is no offer", first);
	}
	/* RFC 8446, B.1: types of records, and RFC 5246's SSLv2 hello */
	for (uint8_t type = 20; type < 64; type++)
		if (type == PREFACE_OFFER || type == PREFACE_ANSWER)
			ok(false, "a message begins like a record");
	ok(!(PREFACE_OFFER & 0x80) && !(PREFACE_ANSWER & 0x80),
	   "nor like SSL 2.0");
}

static void test_refusals(void)
{
	uint8_t out[PREFACE_BYTES], zeros[PREFACE_BYTES - 3] = { 0 };
	struct preface p = filled(PREFACE_ANSWER), back;

	for (int code = 1; code < 256; code++) {
		p.refusal = (enum preface_refusal)code;
		preface_encode(&p, out);
		if (out[2] != code || memcmp(out + 3, zeros, sizeof zeros))
			ok(false, "refusal %d says more than that", code);
		if (preface_decode(out, PREFACE_ANSWER, &back) < 0 ||
		    (int)back.refusal != code)
			ok(false, "refusal %d is read", code);
		if (!*preface_refusal_text((enum preface_refusal)code))
			ok(false, "refusal %d has words", code);
	}
	ok(true, "refusals say what they say and nothing else");
	out[0] = PREFACE_OFFER;
	is_int(preface_decode(out, PREFACE_OFFER, &back), -1,
	       "an offer does not refuse");
}

static void test_versions(void)
{
	struct preface p = filled(PREFACE_OFFER), back;
	uint8_t out[PREFACE_BYTES], zeros[PREFACE_POINT_BYTES] = { 0 };

	p.version = 3;
	preface_encode(&p, out);
	out[2] = out[3] = 9;
	ok(preface_decode(out, PREFACE_OFFER, &back) == 0 &&
		   back.version == 3 &&
		   !memcmp(back.point, zeros, sizeof zeros),
	   "of another version the version is read");
}

int main(void)
{
	test_bytes(PREFACE_OFFER);
	test_bytes(PREFACE_ANSWER);
	test_types();
	test_refusals();
	test_versions();
	return tap_end();
}
